/* SPDX-License-Identifier: Apache-2.0 */

/* Loops whose time is kept: where a worker writes it, and how it is read. */

#include <aether/loop.h>

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "worker/shared.h"

_Static_assert(AE_LOOP_POWERS == 35, "10 s has 34 bits");

struct ae_shared_loop *ae_loop_take(struct ae_worker *worker, const char *name)
{
    struct ae_shared *shared = worker->shared;
    struct ae_shared_loop *loop;

    if (shared->loop_count >= AE_WORKER_LOOPS)
        return NULL;
    loop = &shared->loops[shared->loop_count];
    memset(loop, 0, sizeof(*loop));
    snprintf(loop->name, sizeof(loop->name), "%s", name);
    return loop;
}

void ae_loop_publish(struct ae_worker *worker)
{
    /* Pairs with the acquire load in ae_loops_read. */
    __atomic_store_n(&worker->shared->loop_count, worker->shared->loop_count + 1, __ATOMIC_RELEASE);
}

void ae_loop_missed(struct ae_shared_loop *loop, uint64_t at_ns, uint64_t took_ns)
{
    loop->last[loop->misses % AE_LOOP_MISSES] = (struct ae_loop_miss){at_ns, took_ns};
    loop->misses++;
    ae_queue_histogram_record(&loop->missed, took_ns);
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* ---- Read ---- */

struct rung {
    uint64_t *value;
    uint64_t part; /* of 10000 */
};

static void read_times(struct ae_loop_times *out, const struct ae_queue_histogram *in)
{
    const struct rung rungs[] = {
        {&out->p50, 5000}, {&out->p99, 9900}, {&out->p99_9, 9990}, {&out->p99_99, 9999}};
    uint64_t buckets[AE_QUEUE_BUCKETS], seen = 0;
    size_t rung = 0;

    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < AE_QUEUE_BUCKETS; i++) {
        buckets[i] = load(&in->buckets[i]);
        out->count += buckets[i];
    }
    if (!out->count)
        return;
    out->min = load(&in->min);
    out->max = load(&in->max);
    for (unsigned i = 0; i < AE_QUEUE_BUCKETS; i++) {
        uint64_t bound = ae_queue_histogram_bound(i);

        out->powers[bound ? 64 - __builtin_clzll(bound) : 0] += buckets[i];
        seen += buckets[i];
        for (; rung < 4 &&
               (unsigned __int128)seen * 10000 >= (unsigned __int128)out->count * rungs[rung].part;
             rung++)
            *rungs[rung].value = bound < out->max ? bound : out->max;
    }
}

/* They are a ring, of which the worker says where it begins. */
static void read_misses(struct ae_worker_loop *out, const struct ae_shared_loop *in)
{
    uint64_t first = out->misses > AE_LOOP_MISSES ? out->misses - AE_LOOP_MISSES : 0;

    out->last_count = (unsigned)(out->misses - first);
    for (unsigned i = 0; i < out->last_count; i++) {
        const struct ae_loop_miss *miss = &in->last[(first + i) % AE_LOOP_MISSES];

        out->last[i] = (struct ae_loop_miss){load(&miss->at_ns), load(&miss->took_ns)};
    }
}

void ae_loop_read(struct ae_worker_loop *out, const struct ae_shared_loop *in)
{
    char name[AE_WORKER_NAME];

    memset(out, 0, sizeof(*out));
    memcpy(name, in->name, sizeof(name));
    name[sizeof(name) - 1] = '\0';
    ae_text_shown(out->name, sizeof(out->name), name);
    out->cyclic = __atomic_load_n(&in->cyclic, __ATOMIC_RELAXED) != 0;
    out->period_ns = load(&in->period_ns);
    out->bound_ns = load(&in->bound_ns);
    out->turns = load(&in->turns);
    out->misses = load(&in->misses);
    out->skipped = load(&in->skipped);
    read_times(&out->wakeup, &in->wakeup);
    read_times(&out->missed, &in->missed);
    read_misses(out, in);
}

unsigned ae_loops_read(struct ae_worker_loop *out, const struct ae_shared *shared)
{
    /* Pairs with the release store in ae_loop_publish. */
    uint32_t count = __atomic_load_n(&shared->loop_count, __ATOMIC_ACQUIRE);

    if (count > AE_WORKER_LOOPS)
        count = AE_WORKER_LOOPS;
    for (uint32_t i = 0; i < count; i++)
        ae_loop_read(&out[i], &shared->loops[i]);
    return count;
}

unsigned ae_worker_loops(const struct ae_worker *worker, struct ae_worker_loop *loops,
                         unsigned count)
{
    struct ae_worker_loop all[AE_WORKER_LOOPS];
    unsigned there = ae_loops_read(all, worker->shared);

    memcpy(loops, all, (there < count ? there : count) * sizeof(*loops));
    return there;
}
