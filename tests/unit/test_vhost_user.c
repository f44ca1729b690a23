/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/now.h"
#include "descriptors.h"
#include "port/vhost/format.h"
#include "port/vhost/front/dialogue.h"
#include "port/vhost/front/front.h"
#include "vhost_back.h"
#include "vhost_front.h"

#define PATIENCE_MS 4000 /* of the front end, in most of these tests */

/* tests/peers/reconnect gives more, as an argument. */
static unsigned reconnects = 50;

/* Frames to the back end come back as they were. */
static void exchange(struct ae_port *port, unsigned index, unsigned count)
{
    struct ae_queue *queue = ae_port_queue(port, index);
    int64_t end = ae_now_ms() + WAIT_S * 1000;

    for (unsigned i = 0; i < count; i++) {
        struct ae_packet *packet = make_frame(queue, (uint8_t)i);

        assert_int_equal(ae_send(queue, &packet, 1), 1);
        while (!ae_receive(queue, &packet, 1))
            assert_true(ae_now_ms() < end);
        assert_int_equal(packet->length, 60 + (uint8_t)i);
        for (uint32_t j = 0; j < packet->length; j++)
            assert_int_equal(packet->data[j], (uint8_t)i);
        ae_packet_put(packet);
    }
}

/* ---- A good back end ---- */

static void good(const char *choices, uint64_t expected)
{
    struct ae_port_info info;
    struct ae_port *port;
    struct back back;

    back_init(&back);
    back_start(&back);
    port = open_port(&back, choices);
    assert_true(link_is_up(port));
    ae_port_get_info(port, &info);
    assert_memory_equal(info.mac, back.mac, 6);
    assert_int_equal(info.mtu, 1400);
    exchange(port, 0, 300);
    ae_port_close(port);
    back_stop(&back);
    assert_int_equal(back.stops, 2);
    assert_true(back.laid_out);
    assert_true(back.kicks >= 2);
    assert_int_equal(back.taken, expected);
    assert_int_equal(back.mtu, 1400);
    assert_int_equal(back.status, 15);
    assert_int_equal(back.rarp, 0);
}

/* Offered, but not for a front end: ACCESS_PLATFORM, NOTIFICATION_DATA, MQ without a second
 * pair. */
#define COMMON                                                                \
    (VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_NET_F_MTU) |  \
     VIRTIO_FEATURE(VIRTIO_NET_F_MAC) | VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) | \
     VIRTIO_FEATURE(VHOST_USER_F_PROTOCOL_FEATURES))

static void frames_go_there_and_back(void **state)
{
    uint64_t in_order = VIRTIO_FEATURE(VIRTIO_F_IN_ORDER),
             merge = VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF);

    (void)state;
    good("", COMMON | in_order | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED));
    good(",packed=off", COMMON | in_order);
    good(",mrg_rxbuf=on", COMMON | in_order | merge | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED));
    good(",packed=off,mrg_rxbuf=on", COMMON | in_order | merge);
    good(",packed=off,in_order=off,mrg_rxbuf=1", COMMON | merge);
    good(",in_order=off,mrg_rxbuf=off", COMMON | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED));
}

static void several_queue_pairs(void **state)
{
    struct ae_port_options three = options;
    struct ae_port *port;
    struct ae_error err;
    struct back back;

    (void)state;
    three.queues = 3;
    back_init(&back);
    back.queues = 2;
    back_start(&back);
    assert_int_equal(ae_port_open(&port, spec_of(&back, ""), &three, &err), -EINVAL);
    assert_non_null(strstr(err.text, "3 queues are wanted, the back end has 2"));
    back_stop(&back);
    back.queues = 4;
    back_start(&back);
    if (ae_port_open(&port, spec_of(&back, ""), &three, &err))
        fail_msg("%s", err.text);
    for (unsigned i = 0; i < 3; i++)
        exchange(port, i, 50);
    assert_int_equal(back.enabled_pairs, 3);
    ae_port_close(port);
    back_stop(&back);
    assert_true(back.laid_out);
    assert_true(back.taken & VIRTIO_FEATURE(VIRTIO_NET_F_MQ));
}

static void a_back_end_that_knows_little(void **state)
{
    struct ae_port_info info;
    struct ae_port *port;
    struct back back;

    (void)state;
    back_init(&back);
    back.features = VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
                    VIRTIO_FEATURE(VHOST_USER_F_PROTOCOL_FEATURES) |
                    VIRTIO_FEATURE(VIRTIO_NET_F_MAC) | VIRTIO_FEATURE(VIRTIO_NET_F_STATUS);
    back.protocol = 0;
    back_start(&back);
    port = open_port(&back, "");
    ae_port_get_info(port, &info);
    assert_int_equal(info.mac[0] & 3, 2); /* nobody told: one of our own */
    assert_int_equal(info.mtu, 1500);
    wait_for(port, &back.enabled_pairs, 1);
    exchange(port, 0, 10);
    ae_port_close(port);
    back_stop(&back);
    assert_int_equal(back.taken, VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
                                     VIRTIO_FEATURE(VHOST_USER_F_PROTOCOL_FEATURES));
    for (unsigned i = 0; i < 64; i++)
        assert_int_not_equal(back.order[i], VHOST_USER_GET_CONFIG);
}

static void what_it_does_not_offer_cannot_be_asked_for(void **state)
{
    struct ae_port *port;
    struct ae_error err;
    struct back back;

    (void)state;
    back_init(&back);
    back.features &= ~VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
    back_start(&back);
    assert_int_equal(ae_port_open(&port, spec_of(&back, ",packed=on"), &options, &err),
                     -EOPNOTSUPP);
    assert_non_null(strstr(err.text, "packed=on"));
    back_stop(&back);
    back.features &= ~VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
    back_start(&back);
    assert_int_equal(ae_port_open(&port, spec_of(&back, ""), &options, &err), -EOPNOTSUPP);
    assert_non_null(strstr(err.text, "VIRTIO_F_VERSION_1"));
    back_stop(&back);
}

static void the_front_end_may_listen(void **state)
{
    struct back back, second;
    struct ae_port *port;

    (void)state;
    back_init(&back);
    back.connects = true;
    back_start(&back);
    port = open_port(&back, ",server=on");
    exchange(port, 0, 10);
    back.hang_up = true;
    wait_for_link(port, false);
    wait_for_link(port, true);
    exchange(port, 0, 10);
    assert_int_equal(back.connections, 2);
    back_init(&second);
    snprintf(second.path, sizeof(second.path), "%s", back.path);
    second.connects = true;
    back_start(&second);
    wait_for(port, &second.connections, 5); /* turned away each time */
    second.stop = true;
    assert_int_equal(second.heard, 0);
    exchange(port, 0, 10);
    back_stop(&second);
    assert_int_equal(back.connections, 2);
    back.stop = true;
    ae_port_close(port);
    back_stop(&back);
    assert_int_equal(access(back.path, F_OK), -1);
}

/* ---- Opening goes wrong ---- */

/* Sends too, so that a spoilt send ring is noticed. */
static void exchange_until_lost(struct ae_port *port, struct back *back, unsigned connections)
{
    struct ae_queue *queue = ae_port_queue(port, 0);

    for (int64_t end = ae_now_ms() + WAIT_S * 1000; back->connections < connections;) {
        struct ae_packet *packet = ae_packet_get(queue->pool);

        if (packet) {
            packet->length = 60;
            if (!ae_send(queue, &packet, 1))
                ae_packet_put(packet);
        }
        turn(port);
        if (ae_now_ms() > end)
            fail_msg("the back end was kept");
    }
}

/* Its used index says more than it ever had: a connection is the most that this costs. */
static void a_back_end_that_breaks_a_ring_is_left(void **state)
{
    const struct ae_port_owner *owner;
    struct ae_queue_counters counters;
    struct virtq_used *used;
    struct ae_port *port;
    struct back back;

    (void)state;
    back_init(&back);
    back_start(&back);
    port = open_port(&back, ",packed=off");
    owner = ae_port_get_owner(port);
    for (unsigned i = 0; i < 2; i++) {
        exchange(port, 0, 10);
        back_be_quiet(&back); /* else it would put right what we spoil */
        used = (void *)((uint8_t *)ae_memory_base(owner->memory) +
                        (back.vrings[i].addr.used - owner->memory_iova.value));
        __atomic_fetch_add(&used->idx, 1000, __ATOMIC_RELEASE);
        exchange_until_lost(port, &back, 2 + i);
        back.quiet = false;
        wait_for_link(port, true);
    }
    exchange(port, 0, 10);
    ae_port_owner_get_counters(ae_port_get_owner(port), 0, &counters);
    assert_int_equal(counters.receive_bad_descriptors, 1);
    assert_int_equal(counters.send_bad_descriptors, 1);
    ae_port_close(port);
    back_stop(&back);
}

static void nobody_is_there(void **state)
{
    struct ae_port *port;
    struct ae_error err;
    char path[] = "vhost-user:/tmp/aether-no-such.sock";

    (void)state;
    assert_int_equal(ae_port_open(&port, path, &options, &err), -ENOENT);
    assert_non_null(strstr(err.text, "is the back end running"));
    assert_int_equal(ae_port_open(&port, "vhost-user:", &options, &err), -EINVAL);
    assert_int_equal(ae_port_open(&port, "vhost-user:/dev/null,server=on", &options, &err),
                     -EEXIST);
    assert_int_equal(ae_port_open(&port, "vhost-user:/x,speed=on", &options, &err), -EINVAL);
}

/* Nobody can know yet whether it may be acknowledged. */
#define UNANSWERED "VHOST_USER_SET_PROTOCOL_FEATURES"

static unsigned messages_of_a_good_one(void)
{
    struct ae_port *port;
    struct back back;
    unsigned count;

    back_init(&back);
    back_track(&back);
    back_start(&back);
    port = open_port(&back, "");
    count = back.messages;
    ae_port_close(port);
    back_stop(&back);
    return count;
}

static int sin_at(enum back_sin sin, unsigned at, char request[64], struct ae_error *err)
{
    struct ae_port *port;
    struct back back;
    int rc;

    back_init(&back);
    back_track(&back);
    back.sin = sin;
    back.sin_at = at;
    back.sin_times = 1;
    back_start(&back);
    rc = ae_port_open(&port, spec_of(&back, ""), &options, err);
    if (!rc)
        ae_port_close(port);
    back_stop(&back);
    snprintf(request, 64, "%s", ae_vhost_name(VHOST_USER_FRONTEND_REQUEST, back.order[at - 1]));
    return rc;
}

/* At every message there is: an error that names it, and nothing left behind. */
static void every_message_may_go_wrong(enum back_sin sin, int expected)
{
    unsigned count = messages_of_a_good_one(), before = count_fds();

    for (unsigned at = 1; at <= count; at++) {
        struct ae_error err = {0};
        char request[64];
        int rc = sin_at(sin, at, request, &err);

        if (strcmp(request, UNANSWERED) == 0)
            continue;
        if (rc != expected)
            fail_msg("message %u, %s: %d, '%s'", at, request, rc, err.text);
        if (!strstr(err.text, request))
            fail_msg("message %u, %s: it is not in '%s'", at, request, err.text);
        assert_int_equal(count_fds(), before);
    }
}

static void it_dies_at_any_message(void **state)
{
    (void)state;
    every_message_may_go_wrong(BACK_DIES, -ECONNRESET);
    every_message_may_go_wrong(BACK_DIES_MIDWAY, -ECONNRESET);
}

/* On a busy machine its answers before may take as long: then once more, with more patience. */
static void it_falls_silent_at_any_message(void **state)
{
    unsigned count = messages_of_a_good_one();

    (void)state;
    for (unsigned at = 1; at <= count; at++) {
        struct ae_error err = {0};
        char request[64] = "";

        for (int patience = 100; patience <= 6400 && !(err.code && strstr(err.text, request));
             patience *= 4) {
            ae_vhost_patience_ms = patience;
            sin_at(BACK_SILENT, at, request, &err);
            if (strcmp(request, UNANSWERED) == 0)
                break;
        }
        ae_vhost_patience_ms = PATIENCE_MS;
        if (strcmp(request, UNANSWERED) == 0)
            continue;
        assert_int_equal(err.code, -ETIMEDOUT);
        assert_non_null(strstr(err.text, request));
    }
}

static void it_talks_nonsense_at_any_message(void **state)
{
    (void)state;
    every_message_may_go_wrong(BACK_JUNK, -EPROTO);
    every_message_may_go_wrong(BACK_CONFUSED, -EPROTO);
}

/* An answer of its own that is zero: no features, no queues, no status, no configuration. */
static void it_refuses_any_message(void **state)
{
    unsigned count = messages_of_a_good_one(), refused = 0;

    (void)state;
    for (unsigned at = 1; at <= count; at++) {
        struct ae_error err = {0};
        char request[64];
        int rc = sin_at(BACK_REFUSES, at, request, &err);

        if (!strstr(request, "_GET_") && strcmp(request, UNANSWERED) != 0) {
            assert_int_equal(rc, -EPROTO);
            assert_non_null(strstr(err.text, request));
            refused++;
        }
    }
    assert_true(refused > 15);
}

static void it_answers_twice(void **state)
{
    unsigned count = messages_of_a_good_one();

    (void)state;
    for (unsigned at = 1; at < count; at++) {
        struct ae_error err = {0};
        char request[64];
        int rc = sin_at(BACK_FLOODS, at, request, &err);

        assert_int_equal(rc, strcmp(request, UNANSWERED) == 0 ? 0 : -EPROTO);
    }
}

/* ---- It goes and comes ---- */

static void fill_send_ring(struct ae_queue *queue)
{
    for (;;) {
        struct ae_packet *packet = ae_packet_get(queue->pool);

        if (!packet)
            break;
        packet->length = 60;
        if (!ae_send(queue, &packet, 1)) {
            ae_packet_put(packet);
            break;
        }
    }
}

static void what_was_on_its_way_comes_back(void **state)
{
    struct ae_queue *queue;
    struct ae_port *port;
    struct ae_packet *packet;
    uint64_t full;
    struct back back;
    struct ae_link link;

    (void)state;
    back_init(&back);
    back_start(&back);
    port = open_port(&back, "");
    queue = ae_port_queue(port, 0);
    wait_for(port, &back.enabled_pairs, 1);
    back_be_quiet(&back);
    fill_send_ring(queue);
    assert_int_equal(ae_pool_available(queue->pool), 64);
    back.sin = BACK_DIES;
    back.sin_at = 1;
    back.sin_times = 1000000;
    back.hang_up = true;
    wait_for_link(port, false);
    assert_int_equal(ae_receive(queue, &packet, 1), 0);
    /* The rings are laid out anew already: the receive ring holds its packets. */
    assert_int_equal(ae_pool_available(queue->pool), 128);
    full = queue->counters->send_full;
    packet = make_frame(queue, 1);
    assert_int_equal(ae_send(queue, &packet, 1), 0);
    assert_int_equal(queue->counters->send_full, full + 1);
    assert_int_equal(queue->refusal, AE_REFUSAL_AWAY);
    ae_packet_put(packet);
    back.sin = BACK_GOOD;
    back.quiet = false;
    wait_for_link(port, true);
    exchange(port, 0, 100);
    ae_port_get_link(port, &link);
    assert_int_equal(link.changes, 3);
    ae_port_close(port);
    back_stop(&back);
    assert_true(back.laid_out);
    assert_int_equal(back.rarp, 0x554433221102);
}

static long resident_kb(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;

    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * 4;
}

static void again_and_again(void **state)
{
    struct ae_port *port;
    unsigned fds = 0;
    long memory = 0;
    struct back back;

    (void)state;
    back_init(&back);
    back_start(&back);
    port = open_port(&back, "");
    for (unsigned i = 0; i < reconnects; i++) {
        exchange(port, 0, 1);
        back.hang_up = true;
        wait_for_link(port, false);
        if (i == 10) {
            fds = count_fds();
            memory = resident_kb();
        }
        wait_for_link(port, true);
    }
    back.hang_up = true;
    wait_for_link(port, false);
    assert_int_equal(count_fds(), fds);
    assert_true(resident_kb() < memory + 2048);
    assert_int_equal(ae_pool_available(ae_port_queue(port, 0)->pool), 128);
    ae_port_close(port);
    back_stop(&back);
    assert_true(back.laid_out);
    assert_true(back.connections > reconnects);
}

/* However it is taken apart on its return, the owner waits for nothing and tries again. */
static void it_returns_badly(void **state)
{
    static const enum back_sin sins[] = {BACK_DIES,    BACK_DIES_MIDWAY, BACK_SILENT,
                                         BACK_REFUSES, BACK_CONFUSED,    BACK_JUNK};
    unsigned fds = 0;
    struct ae_port *port;
    struct back back;

    (void)state;
    ae_vhost_patience_ms = 2000;
    back_init(&back);
    back_start(&back);
    port = open_port(&back, "");
    for (unsigned i = 0; i < sizeof(sins) / sizeof(sins[0]); i++) {
        int64_t slowest = 0;

        back.sin_at = 14 + i;
        back.sin_times = 1;
        back.sin = sins[i];
        back.hang_up = true;
        wait_for_link(port, false);
        for (int64_t end = ae_now_ms() + WAIT_S * 1000; !link_is_up(port);) {
            int64_t start = ae_now_ms(), took;

            turn(port);
            took = ae_now_ms() - start;
            slowest = took > slowest ? took : slowest;
            assert_true(start < end);
        }
        assert_true(slowest < 1000);
        assert_int_equal(back.sin_times, 0);
        exchange(port, 0, 10);
        if (i == 0)
            fds = count_fds();
    }
    ae_vhost_patience_ms = PATIENCE_MS;
    assert_int_equal(count_fds(), fds);
    ae_port_close(port);
    back_stop(&back);
    assert_true(back.laid_out);
}

static void it_returns_with_less(void **state)
{
    struct ae_port *port;
    struct back back;

    (void)state;
    back_init(&back);
    back_start(&back);
    port = open_port(&back, "");
    back_stop(&back);
    wait_for_link(port, false);
    back.features &= ~VIRTIO_FEATURE(VIRTIO_F_IN_ORDER);
    back.connections = 0;
    back_start(&back);
    wait_for(port, &back.connections, 3);
    assert_false(link_is_up(port));
    assert_non_null(strstr(ae_port_owner_trouble(ae_port_get_owner(port)),
                           "without features that were settled"));
    back_stop(&back);
    back.features |= VIRTIO_FEATURE(VIRTIO_F_IN_ORDER);
    back_start(&back);
    wait_for_link(port, true);
    assert_string_equal(ae_port_owner_trouble(ae_port_get_owner(port)), "");
    exchange(port, 0, 10);
    ae_port_close(port);
    back_stop(&back);
}

static void a_ring_that_it_calls_unusable(void **state)
{
    struct ae_port *port;
    struct back back;

    (void)state;
    back_init(&back);
    back_start(&back);
    port = open_port(&back, "");
    back.blame = true;
    wait_for_link(port, false);
    wait_for_link(port, true);
    exchange(port, 0, 10);
    assert_int_equal(back.connections, 2);
    ae_port_close(port);
    back_stop(&back);
}

/* ---- Owner and worker apart ---- */

static void notifications_are_relayed(void **state)
{
    struct ae_port *port;
    struct ae_packet *packet;
    struct ae_queue *queue;
    unsigned kicks;
    struct back back;

    (void)state;
    back_init(&back);
    back_start(&back);
    port = open_port(&back, ",packed=off");
    queue = ae_port_queue(port, 0);
    wait_for(port, &back.kicks, 3); /* the third for the buffers that attaching gave */
    kicks = back.kicks;
    back_be_quiet(&back);
    packet = make_frame(queue, 1);
    assert_int_equal(ae_send(queue, &packet, 1), 1);
    usleep(10000);
    assert_int_equal(back.kicks, kicks); /* not by the worker */
    assert_true(ae_port_owner_step(ae_port_get_owner(port)) <= 100000);
    for (int64_t end = ae_now_ms() + WAIT_S * 1000; back.kicks == kicks;)
        assert_true(ae_now_ms() < end);
    ae_port_owner_step(ae_port_get_owner(port));
    usleep(10000);
    assert_int_equal(back.kicks, kicks + 1);
    ae_port_close(port);
    back_stop(&back);
}

/* The back end is shown no ring before a worker has laid it out, nor an old one after a restart. */
static void a_worker_comes_and_another(void **state)
{
    struct ae_port_handoff handoff;
    struct ae_port_owner *owner;
    struct ae_link link;
    struct ae_error err;
    struct back back;

    (void)state;
    back_init(&back);
    back_start(&back);
    if (ae_port_owner_open(&owner, spec_of(&back, ""), &options, &err))
        fail_msg("%s", err.text);
    for (unsigned i = 0; i < 3; i++) {
        struct ae_port *port;
        struct ae_packet *packet;
        int64_t end;

        for (unsigned j = 0; j < 20; j++, usleep(1000))
            ae_port_owner_step(owner);
        assert_int_equal(back.enabled_pairs, i);
        assert_int_equal(ae_port_owner_get_handoff(owner, 0, 1, &handoff), 0);
        assert_int_equal(ae_port_attach(&port, &handoff, &err), 0);
        end = ae_now_ms() + WAIT_S * 1000;
        do
            ae_port_owner_step(owner);
        while (ae_port_owner_get_link(owner, &link), !link.up && ae_now_ms() < end);
        exchange(port, 0, 100);
        packet = make_frame(ae_port_queue(port, 0), 1);
        assert_int_equal(ae_send(ae_port_queue(port, 0), &packet, 1), 1);
        ae_port_close(port); /* it is killed */
        assert_int_equal(ae_port_owner_restart(owner, &err), 0);
        ae_port_owner_get_link(owner, &link);
        assert_false(link.up);
    }
    assert_int_equal(back.connections, 1);
    ae_port_owner_close(owner);
    back_stop(&back);
    assert_true(back.laid_out);
}

static int set_up(void **state)
{
    (void)state;
    ae_vhost_patience_ms = PATIENCE_MS;
    return ae_clock_calibrate(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_go_there_and_back),
        cmocka_unit_test(several_queue_pairs),
        cmocka_unit_test(a_back_end_that_knows_little),
        cmocka_unit_test(what_it_does_not_offer_cannot_be_asked_for),
        cmocka_unit_test(the_front_end_may_listen),
        cmocka_unit_test(a_back_end_that_breaks_a_ring_is_left),
        cmocka_unit_test(nobody_is_there),
        cmocka_unit_test(it_dies_at_any_message),
        cmocka_unit_test(it_falls_silent_at_any_message),
        cmocka_unit_test(it_talks_nonsense_at_any_message),
        cmocka_unit_test(it_refuses_any_message),
        cmocka_unit_test(it_answers_twice),
        cmocka_unit_test(what_was_on_its_way_comes_back),
        cmocka_unit_test(again_and_again),
        cmocka_unit_test(it_returns_badly),
        cmocka_unit_test(it_returns_with_less),
        cmocka_unit_test(a_ring_that_it_calls_unusable),
        cmocka_unit_test(notifications_are_relayed),
        cmocka_unit_test(a_worker_comes_and_another),
    };

    if (argc > 1) {
        reconnects = (unsigned)strtoul(argv[1], NULL, 10);
        cmocka_set_test_filter("again_and_again");
    }
    return cmocka_run_group_tests(tests, set_up, NULL);
}
