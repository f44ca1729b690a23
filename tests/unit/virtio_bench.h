/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIRTIO_BENCH_H
#define VIRTIO_BENCH_H

/* A queue pair and the device behind it, in one process: what the tests of virtqueues stand on. */

#include <stdlib.h>
#include <string.h>

#include "port/virtio/net.h"
#include "virtio_device.h"

#define BENCH_IOVA   0x7000000000u
#define BENCH_BUFFER 2048u
#define BENCH_MTU    1500
#define BENCH_FRAME  (BENCH_MTU + 18u) /* the longest */
#define HEADER       ((uint32_t)sizeof(struct virtio_net_hdr))

#define ALWAYS  VIRTIO_FEATURE(VIRTIO_F_VERSION_1)
#define PACKED  VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)
#define ORDER   VIRTIO_FEATURE(VIRTIO_F_IN_ORDER)
#define MERGE   VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define SUM_IN  VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM)
#define SUM_OUT VIRTIO_FEATURE(VIRTIO_NET_F_CSUM)

struct bench {
    uint64_t features;
    struct ae_virtio_pair pair;
    struct ae_queue_counters counters;
    struct ae_queue *queue;
    struct device_queue receive; /* the device's side of the driver's receive queue */
    struct device_queue send;
    uint8_t *memory; /* buffers, then rings */
    uint32_t packets;
};

static inline void bench_devices(struct bench *bench)
{
    bool packed = bench->features & PACKED;

    device_queue_init(&bench->receive, bench->pair.receive.memory, bench->pair.receive.size,
                      packed);
    device_queue_init(&bench->send, bench->pair.send.memory, bench->pair.send.size, packed);
}

/* 0, or what attach said. What a port adds to a queue, that it is not sifted, is added here. */
static inline int bench_open_mtu(struct bench *bench, uint64_t features, uint16_t size,
                                 uint32_t packets, uint16_t mtu)
{
    struct ae_virtio_layout layout = ae_virtio_ring_layout(size, features & PACKED);
    struct ae_pool_options options = {
        .count = packets, .buffer_size = BENCH_BUFFER, .iova = {BENCH_IOVA}};
    size_t buffers = (size_t)packets * BENCH_BUFFER;
    size_t rings = (2 * (size_t)layout.size + BENCH_BUFFER - 1) / BENCH_BUFFER * BENCH_BUFFER;
    static const uint32_t no_filter;
    int rc;

    *bench = (struct bench){.features = features | ALWAYS, .packets = packets};
    bench->memory = aligned_alloc(BENCH_BUFFER, buffers + rings);
    /* Nothing may lean on rings or headers that were zero before. */
    for (uint32_t i = 0; i < packets; i++)
        memset(bench->memory + (size_t)i * BENCH_BUFFER, 0xa5, 2 * AE_PACKET_HEADROOM);
    memset(bench->memory + buffers, 0xa5, 2 * (size_t)layout.size);
    options.memory = bench->memory;
    options.memory_size = buffers;
    bench->pair = (struct ae_virtio_pair){
        .receive = {.memory = bench->memory + buffers, .size = size, .doorbell = {.fd = -1}},
        .send = {.memory = bench->memory + buffers + layout.size,
                 .size = size,
                 .doorbell = {.fd = -1}},
        .features = bench->features,
        .counters = &bench->counters,
        .mtu = mtu,
    };
    if (ae_pool_create(&bench->pair.pool, &options, NULL))
        abort();
    bench_devices(bench);
    rc = ae_virtio_attach(&bench->queue, &bench->pair, NULL);
    if (!rc)
        bench->queue->filter = &no_filter;
    return rc;
}

static inline int bench_open(struct bench *bench, uint64_t features, uint16_t size,
                             uint32_t packets)
{
    return bench_open_mtu(bench, features, size, packets, BENCH_MTU);
}

/* Returns how many packets did not come back, and misuse of the pool. */
static inline uint64_t bench_close(struct bench *bench)
{
    uint64_t lost;

    ae_virtio_detach(bench->queue);
    lost = bench->packets - ae_pool_available(bench->pair.pool) + bench->pair.pool->misuse;
    ae_pool_destroy(bench->pair.pool);
    free(bench->memory);
    return lost;
}

/* What the device sees at an address; NULL: not all of it is a buffer. */
static inline uint8_t *bench_at(const struct bench *bench, uint64_t iova, uint32_t length)
{
    uint64_t offset = iova - BENCH_IOVA;

    if (offset + length > (uint64_t)bench->packets * BENCH_BUFFER)
        return NULL;
    return bench->memory + offset;
}

/* The device receives a frame from the wire for the driver: header and frame into one buffer. */
static inline void bench_put_frame(const struct bench *bench, const struct device_buffer *buffer,
                                   const void *frame, uint32_t length)
{
    struct virtio_net_hdr header = {.num_buffers = 1};
    uint8_t *at = bench_at(bench, buffer->addr, buffer->len);

    memcpy(at, &header, sizeof(header));
    memcpy(at + sizeof(header), frame, length);
}

#endif
