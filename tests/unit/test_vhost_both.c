/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Both halves of our virtqueues against each other, each in a thread of its own, as in two
 * programs: the driver sends numbered frames, the device sends them back. Under the thread
 * sanitizer this shows that every word that both touch is ordered.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "port/vhost/back/ring.h"
#include "port/virtio/net.h"

#define SIZE    64
#define FRAMES  20000u /* of 1500 bytes; of jumbo frames, a fourth */
#define BURST   32
#define PACKETS 512
#define BUFFER  2048
#define RINGS   65536 /* bytes of each */
#define MEMORY  (2u * RINGS + PACKETS * BUFFER)
#define IOVA    0x40000000ull

static const uint32_t no_filter; /* which ae_port_attach gives a queue */

struct both {
    uint8_t *memory; /* the driver's: two rings, then its buffers */
    struct ae_pool *driver_pool, *device_pool;
    uint8_t *device_buffers;
    struct ae_queue *driver;
    struct ae_queue_counters driver_counters, device_counters;
    struct ae_vhost_memory map;
    struct ae_vhost_ring from, to;
    uint64_t features;
    uint16_t mtu;
    uint32_t frames;
    uint32_t notify, flag;
    bool stop;
};

static bool packed(const struct both *both)
{
    return both->features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
}

static struct ae_pool *make_pool(uint8_t *memory, uint64_t iova)
{
    struct ae_pool *pool;

    assert_int_equal(ae_pool_create(&pool,
                                    &(struct ae_pool_options){.memory = memory,
                                                              .memory_size = PACKETS * BUFFER,
                                                              .iova = {iova},
                                                              .count = PACKETS,
                                                              .buffer_size = BUFFER},
                                    NULL),
                     0);
    return pool;
}

static struct ae_vhost_ring connect_ring(struct both *both, uint8_t *at)
{
    struct ae_virtio_layout layout = ae_virtio_ring_layout(SIZE, packed(both));

    struct ae_vhost_ring ring = {
        .ring = (struct pvirtq_desc *)(void *)(at + layout.descriptors),
        .avail = (struct virtq_avail *)(void *)(at + layout.driver),
        .used = (struct virtq_used *)(void *)(at + layout.device),
        .size = SIZE,
        .wrap = true,
        .in_order = both->features & VIRTIO_FEATURE(VIRTIO_F_IN_ORDER),
        .mergeable = both->features & VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF),
        .notify = &both->notify,
        .recent = both->map.regions[0],
        .memory = &both->map,
    };

    ae_vhost_set_limits(&ring, both->device_pool, both->mtu + 18u);
    return ring;
}

static void set_up(struct both *both, uint64_t features, uint16_t mtu)
{
    struct ae_virtio_doorbell doorbell = {.fd = -1, .flag = &both->flag};

    memset(both, 0, sizeof(*both));
    both->mtu = mtu;
    both->frames = mtu > 1500 ? FRAMES / 4 : FRAMES;
    both->features = features | VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
    both->memory = aligned_alloc(4096, MEMORY);
    both->device_buffers = aligned_alloc(4096, PACKETS * BUFFER);
    memset(both->memory, 0, MEMORY);
    both->map = (struct ae_vhost_memory){
        .count = 1, .regions = {{.first = IOVA, .size = MEMORY, .at = both->memory}}};
    both->driver_pool = make_pool(both->memory + 2 * RINGS, IOVA + 2 * RINGS);
    both->device_pool = make_pool(both->device_buffers, 0);
    assert_int_equal(
        ae_virtio_attach(
            &both->driver,
            &(struct ae_virtio_pair){.receive = {both->memory, {IOVA}, SIZE, doorbell},
                                     .send = {both->memory + RINGS, {IOVA + RINGS}, SIZE, doorbell},
                                     .features = both->features,
                                     .pool = both->driver_pool,
                                     .counters = &both->driver_counters,
                                     .mtu = mtu},
            NULL),
        0);
    both->driver->filter = &no_filter;
    both->to = connect_ring(both, both->memory);
    both->from = connect_ring(both, both->memory + RINGS);
    (packed(both) ? ae_vhost_packed_start : ae_vhost_split_start)(&both->to);
    (packed(both) ? ae_vhost_packed_start : ae_vhost_split_start)(&both->from);
}

static void tear_down(struct both *both)
{
    ae_virtio_detach(both->driver);
    assert_int_equal(ae_pool_available(both->driver_pool), PACKETS);
    assert_int_equal(ae_pool_available(both->device_pool), PACKETS);
    ae_pool_destroy(both->driver_pool);
    ae_pool_destroy(both->device_pool);
    free(both->device_buffers);
    free(both->memory);
}

static void *echo(void *context)
{
    struct both *both = context;
    ae_vhost_burst_t *receive = packed(both) ? ae_vhost_packed_receive : ae_vhost_split_receive;
    ae_vhost_burst_t *send = packed(both) ? ae_vhost_packed_send : ae_vhost_split_send;
    struct ae_queue queue = {.pool = both->device_pool, .counters = &both->device_counters};
    struct ae_packet *packets[BURST];
    uint16_t held = 0;

    while (!__atomic_load_n(&both->stop, __ATOMIC_RELAXED) || held) {
        uint16_t sent;

        held = (uint16_t)(held +
                          receive(&both->from, &queue, packets + held, (uint16_t)(BURST - held)));
        sent = send(&both->to, &queue, packets, held);
        held = (uint16_t)(held - sent);
        memmove(packets, packets + sent, held * sizeof(*packets));
        if (!sent)
            sched_yield();
        if (__atomic_load_n(&both->stop, __ATOMIC_RELAXED))
            for (; held > 0; held--)
                ae_packet_put(packets[held - 1]);
    }
    return NULL;
}

static uint32_t length_of(const struct both *both, uint32_t number)
{
    return 14 + 4 + number * 37 % (both->mtu - 100);
}

/* Its number is behind the addresses, and the number's low byte in all that is behind that. Returns
 * its length. */
static uint32_t write_frame(const struct both *both, uint32_t number, uint8_t bytes[9000])
{
    uint32_t length = length_of(both, number);

    memset(bytes, (int)(number & 0xff), length);
    memcpy(bytes + 14, &number, sizeof(number));
    return length;
}

/* NULL: the pool has too few packets. */
static struct ae_packet *make_frame(struct both *both, uint32_t number)
{
    struct ae_packet *packet = ae_packet_get(both->driver_pool);
    uint8_t bytes[9000];
    uint32_t length = write_frame(both, number, bytes);

    if (packet && ae_packet_append(packet, bytes, length)) {
        ae_packet_put(packet);
        return NULL;
    }
    return packet;
}

static uint16_t send_some(struct both *both, uint32_t number)
{
    struct ae_packet *packets[BURST];
    uint16_t count = (uint16_t)(1 + number % BURST), made = 0, sent;

    for (; made < count && number + made < both->frames; made++) {
        packets[made] = make_frame(both, number + made);
        if (!packets[made])
            break;
    }
    sent = ae_send(both->driver, packets, made);
    ae_packet_put_burst(packets + sent, made - sent);
    return sent;
}

static void check_frame(const struct both *both, const struct ae_packet *packet, uint32_t number)
{
    uint8_t expected[9000], bytes[9000];
    uint32_t length = write_frame(both, number, expected);

    assert_int_equal(ae_packet_total(packet), length);
    assert_int_equal(ae_packet_read(packet, 0, bytes, length), length);
    assert_memory_equal(bytes, expected, length);
}

static uint16_t check_some(struct both *both, uint32_t number)
{
    struct ae_packet *packets[BURST];
    uint16_t got = ae_receive(both->driver, packets, BURST);

    for (uint16_t i = 0; i < got; i++) {
        check_frame(both, packets[i], number + i);
        ae_packet_put(packets[i]);
    }
    return got;
}

static void run(uint64_t features, uint16_t mtu)
{
    struct both both;
    pthread_t device;
    uint32_t sent = 0, back = 0;

    set_up(&both, features, mtu);
    assert_int_equal(pthread_create(&device, NULL, echo, &both), 0);
    while (back < both.frames) {
        uint16_t more = send_some(&both, sent), got = check_some(&both, back);

        sent += more;
        back += got;
        if (!more && !got)
            sched_yield();
    }
    __atomic_store_n(&both.stop, true, __ATOMIC_RELAXED);
    pthread_join(device, NULL);
    assert_false(both.from.broken || both.to.broken || ae_virtio_broken(both.driver));
    assert_int_equal(both.device_counters.received_frames, both.frames);
    assert_int_equal(both.device_counters.receive_bad_descriptors, 0);
    assert_int_equal(both.device_counters.send_bad_descriptors, 0);
    assert_int_equal(both.driver_counters.receive_bad_descriptors, 0);
    assert_int_equal(both.driver_counters.send_bad_descriptors, 0);
    tear_down(&both);
}

#define IN_ORDER  VIRTIO_FEATURE(VIRTIO_F_IN_ORDER)
#define PACKED    VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)
#define MERGEABLE VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF)

static void split(void **state)
{
    (void)state;
    run(0, 1500);
    run(MERGEABLE, 1500);
    run(MERGEABLE, 9000);
}

static void split_in_order(void **state)
{
    (void)state;
    run(IN_ORDER, 1500);
    run(IN_ORDER | MERGEABLE, 1500);
    run(IN_ORDER | MERGEABLE, 9000);
}

static void packed_ring(void **state)
{
    (void)state;
    run(PACKED, 1500);
    run(PACKED | MERGEABLE, 1500);
    run(PACKED | MERGEABLE, 9000);
}

static void packed_in_order(void **state)
{
    (void)state;
    run(PACKED | IN_ORDER, 1500);
    run(PACKED | IN_ORDER | MERGEABLE, 1500);
    run(PACKED | IN_ORDER | MERGEABLE, 9000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split),
        cmocka_unit_test(split_in_order),
        cmocka_unit_test(packed_ring),
        cmocka_unit_test(packed_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
