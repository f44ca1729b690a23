/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A hostile driver behind the device's side of a virtqueue: it writes anything anywhere in its
 * memory, also while we read (a second thread scribbles over it). Nothing outside of the memory it
 * gave is touched, no packet is lost, and every call comes back.
 *
 * Input: a byte of form, then steps: a byte of what to do, and its operands.
 */

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "port/vhost/back/ring.h"

#define SIZE      16
#define RING      1024 /* bytes: its parts are inside */
#define AVAILABLE 512
#define USED      768
#define MEMORY    4096 /* of each of two regions */
#define GUEST     0x10000
#define HIGH      0x400000
#define PACKETS   64
#define BURST     40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
};

struct bench {
    struct ae_vhost_ring ring;
    struct ae_vhost_memory memory;
    uint8_t *low; /* has the ring in it */
    uint8_t *high;
    bool packed;
    uint16_t offered;
    bool wrap;
    uint32_t notify;
    struct ae_queue_counters counters;
    struct ae_queue queue; /* that the ring is of */
};

static struct ae_pool *pool;

static uint32_t take(struct input *input, unsigned bytes)
{
    uint32_t value = 0;

    for (; bytes > 0 && input->size > 0; bytes--, input->size--)
        value = value << 8 | *input->data++;
    return value;
}

/* ---- The second thread ---- */

static struct {
    pthread_mutex_t
        turn;        /* held while a few bytes are written, so that nobody frees them meanwhile */
    uint8_t *memory; /* NULL: rest */
    uint32_t seed;
} scribbler = {.turn = PTHREAD_MUTEX_INITIALIZER};

static void *scribble(void *unused)
{
    (void)unused;
    for (;;) {
        uint32_t random;

        pthread_mutex_lock(&scribbler.turn);
        random = scribbler.seed | 1;
        for (int i = 0; i < 64 && scribbler.memory; i++) {
            random = random * 1664525 + 1013904223;
            __atomic_store_n(&scribbler.memory[(random >> 8) % RING], (uint8_t)(random >> 24),
                             __ATOMIC_RELAXED);
        }
        pthread_mutex_unlock(&scribbler.turn);
        sched_yield();
    }
    return NULL;
}

static void set_scribbling(uint8_t *memory, uint32_t seed)
{
    pthread_mutex_lock(&scribbler.turn);
    scribbler.memory = memory;
    scribbler.seed = seed;
    pthread_mutex_unlock(&scribbler.turn);
}

static void start_scribbling(uint8_t *memory, uint32_t seed)
{
    static pthread_t thread;

    if (!thread && pthread_create(&thread, NULL, scribble, NULL))
        abort();
    set_scribbling(memory, seed);
}

static void stop_scribbling(void)
{
    set_scribbling(NULL, 0);
}

/* ---- Steps ---- */

static void set_up(struct bench *bench, uint8_t form)
{
    memset(bench, 0, sizeof(*bench));
    bench->packed = form & 1;
    bench->wrap = true;
    bench->low = calloc(1, MEMORY);
    bench->high = calloc(1, MEMORY);
    bench->memory =
        (struct ae_vhost_memory){.count = 2,
                                 .regions = {{.first = GUEST, .size = MEMORY, .at = bench->low},
                                             {.first = HIGH, .size = MEMORY, .at = bench->high}}};
    bench->queue = (struct ae_queue){.pool = pool, .counters = &bench->counters};
    bench->ring = (struct ae_vhost_ring){
        .ring = (struct pvirtq_desc *)(void *)bench->low,
        .avail = (struct virtq_avail *)(void *)(bench->low + AVAILABLE),
        .used = (struct virtq_used *)(void *)(bench->low + USED),
        .size = bench->packed && form & 2 ? SIZE - 3 : SIZE,
        .wrap = true,
        .in_order = form & 4,
        .mergeable = form & 8,
        .checksum = form & 16,
        .notify = &bench->notify,
        .recent = bench->memory.regions[0],
        .memory = &bench->memory,
    };
    ae_vhost_set_limits(&bench->ring, pool, form & 32 ? 9018 : 1518);
    (bench->packed ? ae_vhost_packed_start : ae_vhost_split_start)(&bench->ring);
}

/* A descriptor as a driver would offer it, but for its values: so that steps get somewhere. */
static void offer(struct bench *bench, struct input *input)
{
    uint16_t size = bench->ring.size, at = bench->offered % size;
    uint64_t address = (take(input, 1) & 1 ? HIGH : GUEST) + take(input, 2);
    uint32_t length = take(input, 2);
    uint16_t flags = (uint16_t)take(input, 1), next = (uint16_t)take(input, 1);

    if (bench->packed) {
        struct pvirtq_desc descriptor = {.addr = address, .len = length, .id = next};

        flags &= 0x7f;
        flags |= (uint16_t)(bench->wrap ? VIRTQ_DESC_F_AVAIL : VIRTQ_DESC_F_USED);
        descriptor.flags = flags;
        memcpy(bench->low + at * sizeof(descriptor), &descriptor, sizeof(descriptor));
        bench->wrap ^= at + 1 == size;
    } else {
        struct virtq_desc descriptor = {
            .addr = address, .len = length, .flags = flags, .next = next};
        uint16_t idx = (uint16_t)(bench->offered + 1);

        memcpy(bench->low + at * sizeof(descriptor), &descriptor, sizeof(descriptor));
        memcpy(bench->low + AVAILABLE + 4 + 2 * at, &at, sizeof(at));
        memcpy(bench->low + AVAILABLE + 2, &idx, sizeof(idx));
    }
    bench->offered++;
}

/* Each is inside its buffer and the caller's, and their number is what they say. Returns the
 * frame's length. */
static uint32_t check_segments(const struct ae_packet *packet)
{
    uint32_t length = 0;

    for (;; packet = packet->next) {
        if (packet->in_pool || packet->length == 0 ||
            packet->length > pool->buffer_size - AE_PACKET_HEADROOM ||
            packet->data != packet->buffer + AE_PACKET_HEADROOM ||
            (packet->more && packet->next->more != packet->more - 1))
            abort();
        length += packet->length;
        if (!packet->more)
            return length;
    }
}

static void receive(struct bench *bench, uint16_t count)
{
    struct ae_packet *packets[BURST];
    uint16_t got = (bench->packed ? ae_vhost_packed_receive : ae_vhost_split_receive)(
        &bench->ring, &bench->queue, packets, count);

    if (got > count)
        abort();
    for (uint16_t i = 0; i < got; i++) {
        uint32_t length = check_segments(packets[i]);

        if (length < 14 || length > bench->ring.frame_max)
            abort();
        ae_packet_put(packets[i]);
    }
}

/* Behind the first packet so many more, of so many bytes each. */
static void lengthen(struct ae_packet *packet, uint8_t more, uint32_t length)
{
    for (; more; more--, packet = packet->next) {
        packet->more = more;
        packet->next = ae_packet_get(pool);
        if (!packet->next) {
            packet->more = 0;
            return;
        }
        packet->next->length = length;
    }
}

static void send(struct bench *bench, uint16_t count, uint32_t length, uint32_t flags)
{
    struct ae_packet *packets[BURST];
    uint16_t sent;

    for (uint16_t i = 0; i < count; i++) {
        packets[i] = ae_packet_get(pool);
        if (!packets[i]) {
            count = i;
            break;
        }
        packets[i]->length = length;
        packets[i]->flags = flags & 0x70;
        packets[i]->l3_offset = (uint8_t)(flags >> 8);
        packets[i]->l4_offset = (uint8_t)(flags >> 16);
        lengthen(packets[i], flags & 7, flags >> 8 & 0xfff);
    }
    sent = (bench->packed ? ae_vhost_packed_send : ae_vhost_split_send)(&bench->ring, &bench->queue,
                                                                        packets, count);
    if (sent > count)
        abort();
    for (uint16_t i = sent; i < count; i++)
        ae_packet_put(packets[i]);
}

static void step(struct bench *bench, struct input *input)
{
    uint8_t what = (uint8_t)take(input, 1);

    switch (what % 6) {
    case 0: /* anything, anywhere */
        for (unsigned at = take(input, 2) % MEMORY, i = take(input, 1) % 32; i > 0; i--)
            bench->low[at++ % MEMORY] = (uint8_t)take(input, 1);
        break;
    case 1:
    case 2:
        offer(bench, input);
        break;
    case 3:
        start_scribbling(bench->low, take(input, 2));
        for (int i = 0; i < 20; i++) {
            receive(bench, 8);
            send(bench, 8, 60, 0);
            bench->ring.broken = false; /* as if it were taken over anew, without the wait */
        }
        stop_scribbling();
        break;
    case 4:
        if (!bench->ring.broken)
            receive(bench, (uint16_t)(take(input, 1) % (BURST + 1)));
        break;
    default:
        if (!bench->ring.broken)
            send(bench, (uint16_t)(take(input, 1) % (BURST + 1)), take(input, 2), take(input, 3));
    }
    (bench->packed ? ae_vhost_packed_notify : ae_vhost_split_notify)(&bench->ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t buffers[PACKETS * 2048] __attribute__((aligned(2048)));
    struct input input = {data, size};
    struct bench bench;

    if (!pool && ae_pool_create(&pool,
                                &(struct ae_pool_options){.memory = buffers,
                                                          .memory_size = sizeof(buffers),
                                                          .count = PACKETS,
                                                          .buffer_size = 2048},
                                NULL))
        abort();
    set_up(&bench, (uint8_t)take(&input, 1));
    for (int i = 0; i < 64 && input.size; i++)
        step(&bench, &input);
    free(bench.low);
    free(bench.high);
    if (ae_pool_available(pool) != PACKETS || pool->misuse)
        abort();
    return 0;
}
