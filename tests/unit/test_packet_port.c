/* SPDX-License-Identifier: Apache-2.0 */

/* "packet:": two of them at the ends of a veth, and rings that say what cannot be. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <aether/clock.h>
#include <aether/owner.h>

#include "base/now.h"
#include "base/sealed.h"
#include "chains.h"
#include "frame.h"
#include "port/handoff.h"
#include "port/owner.h"
#include "port/packet/socket.h"
#include "sendable.h"
#include "wire.h"
#include "xorshift.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool separate;
static struct ae_error err;

struct ends {
    struct ae_port *port[2];
    struct ae_queue *queue[2];
};

static void run(const char *command)
{
    assert_int_equal(system(command), 0);
}

static int make_wire(void **state)
{
    (void)state;
    if (!separate)
        return 0;
    return system("ip link add one type veth peer name two &&"
                  "sysctl -qw net.ipv6.conf.one.disable_ipv6=1 net.ipv6.conf.two.disable_ipv6=1;"
                  "ip link set one up && ip link set two up");
}

static int remove_wire(void **state)
{
    (void)state;
    return separate ? system("ip link del one 2>/dev/null; true") : 0;
}

static void open_end(struct ends *ends, int end, const char *spec,
                     const struct ae_port_options *change)
{
    struct ae_port_options options = change ? *change : (struct ae_port_options){.packets = 256};

    options.slowest = AE_PATH_KERNEL;
    if (ae_port_open(&ends->port[end], spec, &options, &err))
        fail_msg("%s", err.text);
    ends->queue[end] = ae_port_queue(ends->port[end], 0);
}

static void open_both(struct ends *ends)
{
    if (!separate)
        skip();
    open_end(ends, 0, "packet:one", NULL);
    open_end(ends, 1, "packet:two", NULL);
}

static void close_both(struct ends *ends)
{
    ae_port_close(ends->port[0]);
    ae_port_close(ends->port[1]);
}

static void step(struct ends *ends)
{
    for (unsigned i = 0; i < 2; i++)
        if (ends->port[i])
            ae_port_owner_step(ae_port_get_owner(ends->port[i]));
}

/* Of the queues of an end, whichever it comes to. */
static struct ae_packet *await(struct ends *ends, int end)
{
    uint64_t give_up = ae_clock_ticks() + ae_clock_from_ns(UINT64_C(10000000000));
    struct ae_packet *packet;

    while (ae_clock_ticks() < give_up) {
        struct ae_queue *queue;

        step(ends);
        for (unsigned i = 0; (queue = ae_port_queue(ends->port[end], i)); i++)
            if (ae_receive(queue, &packet, 1))
                return packet;
    }
    fail_msg("nothing came");
    return NULL;
}

static void give(struct ends *ends, int end, uint32_t number, uint32_t length)
{
    struct ae_packet *packet = chain_make(ends->queue[end]->pool, number, length, 1);

    assert_non_null(packet);
    /* To everybody, and of a type that nobody knows: no stack answers it. */
    memset(packet->data, 0xff, 6);
    memcpy(packet->data + 6, "\2\0\0\0\0\1\x88\xb5", 8);
    assert_int_equal(ae_send(ends->queue[end], &packet, 1), 1);
}

static void a_path_is_allowed_by_name(void **state)
{
    const struct ae_port_options copy = {.slowest = AE_PATH_COPY};
    struct ae_port_plan plan;

    (void)state;
    assert_int_equal(ae_port_plan(&plan, "packet:one", NULL, &err), -EOPNOTSUPP);
    assert_non_null(strstr(err.text, "--allow=kernel"));
    assert_int_equal(ae_port_plan(&plan, "packet:one", &copy, &err), -EOPNOTSUPP);
    assert_non_null(strstr(err.text, "the slowest that is allowed is copy"));
}

static void what_is_no_interface_is_refused(void **state)
{
    static const struct {
        const char *spec;
        int rc;
        const char *says;
    } cases[] = {
        {"packet:", -EINVAL, "behind the scheme"},
        {"packet:nowhere", -ENODEV, "nowhere"},
        {"packet:a-name-that-is-too-long", -ENODEV, "there is no network interface"},
        {"packet:lo", -EINVAL, "ip link set lo mtu 9216"},
        {"packet:one,mtu=9000", -EINVAL, "no choice 'mtu'"},
    };
    const struct ae_port_options options = {.slowest = AE_PATH_KERNEL};

    (void)state;
    if (!separate)
        skip();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_port *port;

        assert_int_equal(ae_port_open(&port, cases[i].spec, &options, &err), cases[i].rc);
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s: %s", cases[i].spec, err.text);
    }
}

static void what_one_sends_the_other_receives(void **state)
{
    struct ae_port_capabilities able;
    struct ends ends = {.port = {NULL}};
    uint32_t number = 0;

    (void)state;
    open_both(&ends);
    ae_port_owner_get_capabilities(ae_port_get_owner(ends.port[0]), &able);
    assert_int_equal(able.path, AE_PATH_KERNEL);
    assert_int_equal(able.caller, AE_CALLER_OWNER);
    for (uint32_t length = 14; length <= 1514; length += 50, number++) {
        struct ae_packet *packet;

        give(&ends, number & 1, number, length);
        packet = await(&ends, !(number & 1));
        assert_int_equal(packet->length, length);
        if (length > 14)
            assert_int_equal(packet->data[length - 1], chain_byte(number, length - 1));
        ae_packet_put(packet);
    }
    assert_int_equal(ends.queue[0]->counters->sent_frames, (number + 1) / 2);
    assert_int_equal(ends.queue[1]->counters->received_frames, (number + 1) / 2);
    close_both(&ends);
}

/* Several in one block, and more than one of them holds. */
static void a_burst_comes_in_order(void **state)
{
    struct ends ends = {.port = {NULL}};

    (void)state;
    open_both(&ends);
    for (uint32_t i = 0; i < 100; i++)
        give(&ends, 0, i, 1000);
    for (uint32_t i = 0; i < 100; i++) {
        struct ae_packet *packet = await(&ends, 1);

        assert_int_equal(packet->data[999], chain_byte(i, 999));
        ae_packet_put(packet);
    }
    close_both(&ends);
}

static void frames_are_stamped_and_counted(void **state)
{
    struct ae_port_statistic statistics[3];
    struct ends ends = {.port = {NULL}};
    struct ae_packet *packet;
    struct ae_port_time now;

    (void)state;
    open_both(&ends);
    give(&ends, 0, 1, 60);
    packet = await(&ends, 1);
    assert_int_equal(ae_port_owner_clock(ae_port_get_owner(ends.port[1]), &now, &err), 0);
    assert_true(packet->flags & AE_PACKET_DEVICE_CLOCK && packet->flags & AE_PACKET_QUEUE);
    assert_in_range(now.device_ns - packet->timestamp, 0, UINT64_C(20000000000));
    assert_int_equal(packet->queue, 0);
    ae_packet_put(packet);
    assert_int_equal(ae_port_owner_get_statistics(ae_port_get_owner(ends.port[1]), statistics, 3),
                     3);
    assert_string_equal(statistics[0].name, "tp_packets");
    assert_int_equal(statistics[0].value, 1);
    assert_int_equal(statistics[1].value, 0);
    close_both(&ends);
}

/* The kernel takes it out on the way in. */
static void a_tag_is_in_the_frame(void **state)
{
    struct ends ends = {.port = {NULL}};
    struct ae_packet *packet;

    (void)state;
    open_both(&ends);
    packet = chain_make(ends.queue[0]->pool, 5, 200, 1);
    memcpy(packet->data, "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1\x81\x00\x20\x7b\x88\xb5", 18);
    assert_int_equal(ae_send(ends.queue[0], &packet, 1), 1);
    packet = await(&ends, 1);
    assert_int_equal(packet->length, 200);
    assert_memory_equal(packet->data + 12, "\x81\x00\x20\x7b\x88\xb5", 6);
    for (uint32_t i = 18; i < 200; i++)
        assert_int_equal(packet->data[i], chain_byte(5, i));
    ae_packet_put(packet);
    close_both(&ends);
}

/* What the kernel sends over a wire that never leaves the machine has no checksum yet. */
static void a_checksum_is_filled_in(void **state)
{
    static const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = 0x0700, .sin_addr.s_addr = 0x02004d0a};
    struct ends ends = {.port = {NULL}};
    struct ae_packet *packet;
    int fd;

    (void)state;
    if (!separate)
        skip();
    run("ip addr add 10.77.0.1/24 dev two &&"
        "ip neigh add 10.77.0.2 lladdr 02:00:00:00:00:01 dev two");
    open_end(&ends, 0, "packet:one", NULL);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(sendto(fd, "hello", 5, 0, (const void *)&to, sizeof(to)), 5);
    packet = await(&ends, 0);
    assert_int_equal(packet->length, 47);
    assert_true(packet->flags & AE_PACKET_L4_GOOD);
    assert_true(frame_ipv4_is_right(packet->data) && frame_udp_is_right(packet->data));
    ae_packet_put(packet);
    close(fd);
    ae_port_close(ends.port[0]);
}

static void a_long_frame_is_in_several_packets(void **state)
{
    struct ends ends = {.port = {NULL}};
    struct ae_packet *packet;

    (void)state;
    if (!separate)
        skip();
    run("ip link set one mtu 9000 && ip link set two mtu 9000");
    open_both(&ends);
    packet = chain_make(ends.queue[0]->pool, 9, 9014, 16);
    memset(packet->data, 0xff, 6);
    memcpy(packet->data + 6, "\2\0\0\0\0\1\x88\xb5", 8);
    assert_int_equal(ae_send(ends.queue[0], &packet, 1), 1);
    packet = await(&ends, 1);
    assert_int_equal(ae_packet_total(packet), 9014);
    assert_true(packet->more > 0);
    ae_packet_put(packet);
    close_both(&ends);
}

/* The kernel numbers groups from 0: that one is a group as well. */
static void a_group_may_have_any_number(void **state)
{
    const struct packet_rings rings = {65536, 2, 2048, 64};
    const struct sockaddr_ll to = {.sll_family = AF_PACKET,
                                   .sll_protocol = htons(ETH_P_ALL),
                                   .sll_ifindex = (int)if_nametoindex("two")};
    int first = socket(AF_PACKET, SOCK_RAW, 0), second, value = PACKET_FANOUT_LB << 16, group = 0;

    (void)state;
    if (!separate)
        skip();
    assert_int_equal(bind(first, (const void *)&to, sizeof(to)), 0);
    assert_int_equal(setsockopt(first, SOL_PACKET, PACKET_FANOUT, &value, sizeof(value)), 0);
    /* It is of another kind. */
    assert_int_equal(ae_packet_socket_open(&second, to.sll_ifindex, &rings, &group, &err), -EINVAL);
    assert_non_null(strstr(err.text, "PACKET_FANOUT"));
    close(first);
}

static void flows_are_spread_over_queues(void **state)
{
    const struct ae_port_options two = {.packets = 64, .queues = 2};
    struct ends ends = {.port = {NULL}};
    uint64_t received = 0;

    (void)state;
    if (!separate)
        skip();
    open_end(&ends, 0, "packet:one", NULL);
    open_end(&ends, 1, "packet:two", &two);
    for (uint32_t i = 0; i < 20; i++) {
        give(&ends, 0, i, 60);
        ae_packet_put(await(&ends, 1));
    }
    for (unsigned i = 0; i < 2; i++)
        received += ae_port_queue(ends.port[1], i)->counters->received_frames;
    assert_int_equal(received, 20);
    close_both(&ends);
}

/* A frame to an address that is asked for is let in, and one to another is not. */
static void the_filter_is_exact(void **state)
{
    static const uint8_t group[][6] = {{1, 0, 0x5e, 1, 2, 3}};
    const struct ae_port_filter filter = {.addresses = group, .address_count = 1};
    struct ends ends = {.port = {NULL}};
    struct ae_packet *packet;

    (void)state;
    open_both(&ends);
    assert_int_equal(ae_port_owner_filter(ae_port_get_owner(ends.port[1]), &filter, &err), 0);
    for (uint8_t i = 4; i >= 3; i--) {
        packet = chain_make(ends.queue[0]->pool, i, 60, 1);
        memcpy(packet->data, (const uint8_t[]){1, 0, 0x5e, 1, 2, i, 2, 0, 0, 0, 0, 1, 0x88, 0xb5},
               14);
        assert_int_equal(ae_send(ends.queue[0], &packet, 1), 1);
    }
    packet = await(&ends, 1);
    assert_memory_equal(packet->data, group[0], 6);
    ae_packet_put(packet);
    assert_int_equal(ends.queue[1]->counters->receive_filtered, 1);
    assert_int_equal(ae_port_owner_filter(ae_port_get_owner(ends.port[1]), NULL, &err), 0);
    close_both(&ends);
}

static void await_link(struct ends *ends, bool up, bool gone)
{
    uint64_t give_up = ae_clock_ticks() + ae_clock_from_ns(UINT64_C(10000000000));
    struct ae_link link;

    do {
        step(ends);
        ae_port_get_link(ends->port[0], &link);
    } while ((link.up != up || link.device_gone != gone) && ae_clock_ticks() < give_up);
    assert_int_equal(link.up, up);
    assert_int_equal(link.device_gone, gone);
}

static void the_link_is_watched(void **state)
{
    struct ends ends = {.port = {NULL}};

    (void)state;
    open_both(&ends);
    await_link(&ends, true, false);
    run("ip link set two down");
    await_link(&ends, false, false);
    run("ip link set two up");
    await_link(&ends, true, false);
    run("ip link del one");
    await_link(&ends, false, true);
    close_both(&ends);
}

/* What could not go while it was down goes then, though the ring had no room meanwhile. */
static void a_full_ring_goes_on_when_the_interface_is_up_again(void **state)
{
    const struct ae_port_options few = {.packets = 256, .send_ring = 64};
    struct ends ends = {.port = {NULL}};
    struct ae_packet *packet;

    (void)state;
    if (!separate)
        skip();
    open_end(&ends, 0, "packet:one", &few);
    open_end(&ends, 1, "packet:two", NULL);
    run("ip link set one down");
    await_link(&ends, false, false);
    do {
        packet = chain_make(ends.queue[0]->pool, 1, 60, 1);
        memcpy(packet->data, "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1\x88\xb5", 14);
        step(&ends);
    } while (ae_send(ends.queue[0], &packet, 1));
    ae_packet_put(packet);
    step(&ends);
    run("ip link set one up");
    ae_packet_put(await(&ends, 1));
    close_both(&ends);
}

/* Frames of the same bytes, again and again, as fast as the kernel takes them. */
static _Noreturn void send_without_end(const struct ae_port *port)
{
    const struct packet_rings *rings = (const void *)port->handoff.driver_private;
    uint8_t *slots =
        (uint8_t *)(uintptr_t)ae_handoff_find(&port->handoff, AE_PORT_MAP_RINGS, 0)->mapped +
        (size_t)rings->block_size * rings->block_count;

    alarm(20);
    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){1});
    for (uint32_t i = 0;; i = (i + 1) % rings->slot_count) {
        struct tpacket3_hdr *slot = (void *)(slots + (size_t)i * rings->slot_size);

        slot->tp_len = PACKET_VNET + 60;
        __atomic_store_n(&slot->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
        __atomic_store_n(&port->queue_states[0]->notify_send, 1, __ATOMIC_RELEASE);
    }
}

#define STEP_MS 200

static int64_t busy_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The kernel looks for as long as there is something to send: nobody else waits for that. */
static void who_sends_without_end_keeps_nobody(void **state)
{
    struct ends ends = {.port = {NULL}};
    int64_t end = ae_now_ms() + 2000, longest = 0;
    pid_t sender;

    (void)state;
    if (!separate)
        skip();
    run("ip link set two down"); /* nothing is as fast as a wire that is not there */
    open_end(&ends, 0, "packet:one", NULL);
    sender = fork();
    if (sender == 0)
        send_without_end(ends.port[0]);
    while (ae_now_ms() < end && longest < STEP_MS) {
        int64_t before = busy_ms();

        step(&ends);
        longest = busy_ms() - before > longest ? busy_ms() - before : longest;
    }
    kill(sender, SIGKILL);
    waitpid(sender, NULL, 0);
    ae_port_close(ends.port[0]);
    assert_in_range(longest, 0, STEP_MS - 1);
}

static void it_begins_anew(void **state)
{
    struct ends ends = {.port = {NULL}};
    struct ae_port_owner *owner;

    (void)state;
    open_both(&ends);
    owner = ae_port_get_owner(ends.port[1]);
    give(&ends, 0, 1, 60);
    step(&ends);
    assert_int_equal(ae_port_owner_restart(owner, &err), 0);
    /* Its worker is another one then. */
    close_both(&ends);
}

static void what_no_port_may_send_is_refused(void **state)
{
    struct ends ends = {.port = {NULL}};

    (void)state;
    open_both(&ends);
    sendable_assert_rules(ends.queue[0], 1518, 0, AE_FRAME_SEGMENTS);
    close_both(&ends);
}

/* ---- Rings of our own ---- */

#define BLOCKS  4
#define BLOCK   4096
#define SLOTS   4
#define SLOT    2048
#define RINGS   (BLOCKS * BLOCK + SLOTS * SLOT)
#define PACKETS 128
#define BUFFER  2048

static struct {
    struct ae_port_handoff handoff;
    struct ae_port *port;
    struct ae_queue *queue;
    uint8_t *rings;
    struct ae_queue_state *state;
} made;

static void add(enum ae_port_map_kind kind, size_t length, void **mapped)
{
    struct ae_port_map map = {.kind = kind, .length = length};
    void *memory = ae_sealed_make(&map.fd, "made", NULL, length, AE_SEALS_SIZE);

    assert_non_null(memory);
    *mapped = memory;
    ae_handoff_add(&made.handoff, map);
}

static struct packet_rings *rings_of_handoff(void)
{
    return (void *)made.handoff.driver_private;
}

static int make_rings(void **state)
{
    void *unused;

    (void)state;
    memset(&made, 0, sizeof(made));
    made.handoff = (struct ae_port_handoff){
        .version = AE_PORT_HANDOFF_VERSION,
        .size = sizeof(made.handoff),
        .info = {.spec = "packet:made", .driver = "packet", .mtu = 1500, .queues = 1},
        .queue_count = 1,
        .packet_count = PACKETS,
        .buffer_size = BUFFER,
        .receive_ring = 64,
        .send_ring = 64};
    *rings_of_handoff() = (struct packet_rings){BLOCK, BLOCKS, SLOT, SLOTS};
    add(AE_PORT_MAP_DOMAIN, PACKETS * BUFFER, &unused);
    add(AE_PORT_MAP_STATE, sizeof(struct ae_port_state), &unused);
    add(AE_PORT_MAP_QUEUE, sizeof(struct ae_queue_state), &unused);
    made.state = unused;
    add(AE_PORT_MAP_RINGS, RINGS, &unused);
    made.rings = unused;
    return 0;
}

static int drop_rings(void **state)
{
    (void)state;
    ae_port_close(made.port);
    for (uint32_t i = 0; i < made.handoff.map_count; i++)
        close(made.handoff.maps[i].fd);
    return 0;
}

static void attach(void)
{
    if (ae_port_attach(&made.port, &made.handoff, &err))
        fail_msg("%s", err.text);
    made.queue = ae_port_queue(made.port, 0);
}

static void rings_that_cannot_be_are_refused(void **state)
{
    static const struct packet_rings cases[] = {
        {BLOCK, BLOCKS + 1, SLOT, SLOTS},
        {BLOCK, BLOCKS, SLOT, SLOTS + 1},
        {2048, 1, SLOT, 1},
        {BLOCK + 16, 1, SLOT, 1},
        {BLOCK, 0, SLOT, SLOTS},
        {BLOCK, BLOCKS, SLOT, 0},
        {BLOCK, BLOCKS, 1024, SLOTS},
        {BLOCK, BLOCKS, SLOT + 8, 1},
        {UINT32_C(1) << 31, UINT32_MAX, UINT32_MAX, UINT32_MAX},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        *rings_of_handoff() = cases[i];
        assert_int_equal(ae_port_attach(&made.port, &made.handoff, &err), -EPROTO);
        assert_non_null(strstr(err.text, "makes no sense"));
    }
}

/* A block with one frame, whose header the caller spoils. */
static struct tpacket3_hdr *put_frame(unsigned number, uint32_t length)
{
    struct tpacket_block_desc *block = (void *)(made.rings + number * BLOCK);
    struct tpacket3_hdr *header = (void *)((uint8_t *)block + 48);

    memset(block, 0, BLOCK);
    block->hdr.bh1.num_pkts = 1;
    block->hdr.bh1.offset_to_first_pkt = 48;
    header->tp_mac = 96;
    header->tp_snaplen = header->tp_len = length;
    block->hdr.bh1.block_status = TP_STATUS_USER;
    return header;
}

static unsigned poll_once(void)
{
    struct ae_packet *packets[8];
    uint16_t count = ae_receive(made.queue, packets, 8);

    ae_packet_put_burst(packets, count);
    return count;
}

static void what_cannot_be_is_dropped(void **state)
{
    const struct ae_queue_counters *counters = &made.state->counters;
    struct tpacket3_hdr *header;
    unsigned next = 0;

    (void)state;
    attach();
    assert_int_equal(poll_once(), 0);
    put_frame(next++ % BLOCKS, 60);
    assert_int_equal(poll_once(), 1);
    put_frame(next++ % BLOCKS, 13); /* no Ethernet header */
    header = put_frame(next++ % BLOCKS, 1519);
    assert_int_equal(poll_once(), 0);
    assert_int_equal(counters->receive_errors, 2);
    header = put_frame(next++ % BLOCKS, 60);
    header->tp_len = 61; /* the kernel cut it */
    assert_int_equal(poll_once(), 0);
    assert_int_equal(counters->receive_errors, 3);
    header = put_frame(next++ % BLOCKS, 60);
    header->tp_mac = 40;
    header = put_frame(next++ % BLOCKS, 60);
    header->tp_mac = BLOCK;
    header = put_frame(next++ % BLOCKS, 60);
    header->tp_snaplen = header->tp_len = UINT32_MAX;
    assert_int_equal(poll_once(), 0);
    assert_int_equal(counters->receive_bad_descriptors, 3);
    header = put_frame(next % BLOCKS, 60);
    ((struct tpacket_block_desc *)(void *)(made.rings + next++ % BLOCKS * BLOCK))
        ->hdr.bh1.offset_to_first_pkt = UINT32_MAX - 15;
    assert_int_equal(poll_once(), 0);
    assert_int_equal(counters->receive_bad_descriptors, 4);
    put_frame(next++ % BLOCKS, 60);
    assert_int_equal(poll_once(), 1);
}

static void anything_may_stand_in_the_rings(void **state)
{
    uint32_t available;

    (void)state;
    attach();
    available = ae_pool_available(made.queue->pool);
    for (unsigned round = 0; round < 20000; round++) {
        struct ae_packet *packet;

        for (unsigned i = 0; i < 40; i++)
            made.rings[next_random() % RINGS] = (uint8_t)next_random();
        for (unsigned i = 0; i < BLOCKS; i++) {
            struct tpacket_block_desc *block = (void *)(made.rings + i * BLOCK);

            block->hdr.bh1.block_status = TP_STATUS_USER;
            block->hdr.bh1.num_pkts = (uint32_t)next_random() % 4;
            if (next_random() % 2)
                block->hdr.bh1.offset_to_first_pkt = 48;
        }
        poll_once();
        packet = ae_packet_get(made.queue->pool);
        assert_non_null(packet);
        packet->length = 60;
        if (!ae_send(made.queue, &packet, 1))
            ae_packet_put(packet);
    }
    assert_int_equal(ae_pool_available(made.queue->pool), available);
}

static void slots_come_back(void **state)
{
    struct tpacket3_hdr *slot = (void *)(made.rings + BLOCKS * BLOCK);
    struct ae_packet *packet;

    (void)state;
    attach();
    for (unsigned i = 0; i < SLOTS; i++) {
        packet = chain_make(made.queue->pool, i, 60, 1);
        assert_int_equal(ae_send(made.queue, &packet, 1), 1);
    }
    assert_int_equal(made.state->notify_send, 1);
    assert_int_equal(slot->tp_status, TP_STATUS_SEND_REQUEST);
    assert_int_equal(slot->tp_len, 70);
    packet = chain_make(made.queue->pool, 9, 60, 1);
    assert_int_equal(ae_send(made.queue, &packet, 1), 0);
    assert_int_equal(made.queue->refusal, AE_REFUSAL_FULL);
    slot->tp_status = TP_STATUS_WRONG_FORMAT;
    assert_int_equal(ae_send(made.queue, &packet, 1), 1);
    assert_int_equal(made.state->counters.send_bad_descriptors, 1);
}

static int begin(void **state)
{
    (void)state;
    separate = wire_have_namespace();
    return ae_clock_calibrate(NULL);
}

int main(void)
{
#define WIRE(name) cmocka_unit_test_setup_teardown(name, make_wire, remove_wire)
#define MADE(name) cmocka_unit_test_setup_teardown(name, make_rings, drop_rings)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_allowed_by_name),
        WIRE(what_is_no_interface_is_refused),
        WIRE(what_one_sends_the_other_receives),
        WIRE(a_burst_comes_in_order),
        WIRE(frames_are_stamped_and_counted),
        WIRE(a_tag_is_in_the_frame),
        WIRE(a_checksum_is_filled_in),
        WIRE(a_long_frame_is_in_several_packets),
        WIRE(flows_are_spread_over_queues),
        WIRE(a_group_may_have_any_number),
        WIRE(the_filter_is_exact),
        WIRE(the_link_is_watched),
        WIRE(a_full_ring_goes_on_when_the_interface_is_up_again),
        WIRE(who_sends_without_end_keeps_nobody),
        WIRE(it_begins_anew),
        WIRE(what_no_port_may_send_is_refused),
        MADE(rings_that_cannot_be_are_refused),
        MADE(what_cannot_be_is_dropped),
        MADE(anything_may_stand_in_the_rings),
        MADE(slots_come_back),
    };

    return cmocka_run_group_tests(tests, begin, NULL);
}
