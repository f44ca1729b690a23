/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_XDP_BENCH_H
#define AE_TESTS_XDP_BENCH_H

/* A queue over AF_XDP whose four rings, and the kernel behind them, are made up in ordinary memory.
 */

#include <stdlib.h>
#include <string.h>

#include "port/xdp/queue.h"

#define BENCH_RING     128
#define BENCH_PACKETS  512
#define BENCH_BUFFER   2048
#define BENCH_FIRST    (64 * UINT64_C(2048)) /* where the pool begins in the domain */
#define BENCH_HEADROOM 256

struct bench_ring {
    uint32_t producer, consumer;
    struct xdp_desc entries[BENCH_RING]; /* of the other kind of ring only half is used */
};

struct bench {
    struct xdp_queue queue;
    struct ae_queue_counters counters;
    struct ae_pool *pool;
    uint8_t *memory;
    uint32_t filter;
    struct bench_ring rings[XDP_RINGS];
};

static inline int bench_open(struct bench *bench)
{
    struct ae_pool_options pool = {.memory_size = BENCH_PACKETS * BENCH_BUFFER,
                                   .count = BENCH_PACKETS};
    struct xdp_queue_options options = {
        .counters = &bench->counters, .first = BENCH_FIRST, .frame_max = 1518};

    memset(bench, 0, sizeof(*bench));
    pool.memory = bench->memory = aligned_alloc(BENCH_BUFFER, pool.memory_size);
    if (!bench->memory || ae_pool_create(&bench->pool, &pool, NULL))
        return -1;
    memset(bench->memory, 0, pool.memory_size);
    options.pool = bench->pool;
    bench->queue.caller.socket = -1;
    bench->queue.base.filter = &bench->filter;
    for (unsigned i = 0; i < XDP_RINGS; i++)
        bench->queue.rings[i] = (struct xdp_ring){.producer = &bench->rings[i].producer,
                                                  .consumer = &bench->rings[i].consumer,
                                                  .entries = bench->rings[i].entries,
                                                  .mask = BENCH_RING - 1};
    return ae_xdp_queue_make(&bench->queue, &options);
}

static inline void bench_close(struct bench *bench)
{
    ae_xdp_queue_drop(&bench->queue);
    ae_pool_destroy(bench->pool);
    free(bench->memory);
}

static inline uint64_t *bench_address(struct bench *bench, enum xdp_ring_kind kind, uint32_t at)
{
    return (uint64_t *)(void *)bench->rings[kind].entries + at % BENCH_RING;
}

/* The kernel receives: a frame into the next chunk of the fill ring. False: there is none. */
static inline bool bench_deliver(struct bench *bench, uint32_t length)
{
    struct bench_ring *fill = &bench->rings[XDP_FILL], *receive = &bench->rings[XDP_RECEIVE];

    if (fill->consumer == fill->producer)
        return false;
    receive->entries[receive->producer++ % BENCH_RING] = (struct xdp_desc){
        .addr = *bench_address(bench, XDP_FILL, fill->consumer++) + BENCH_HEADROOM, .len = length};
    return true;
}

/* The kernel sends the next frame. False: there is none. */
static inline bool bench_transmit(struct bench *bench, struct xdp_desc *sent)
{
    struct bench_ring *send = &bench->rings[XDP_SEND], *done = &bench->rings[XDP_COMPLETION];

    if (send->consumer == send->producer)
        return false;
    *sent = send->entries[send->consumer++ % BENCH_RING];
    *bench_address(bench, XDP_COMPLETION, done->producer++) = sent->addr;
    return true;
}

#endif
