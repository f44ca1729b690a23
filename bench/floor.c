/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The physical floor under every round trip between two CPUs: one cache line written by one, seen
 * and answered by the other, nothing else. Prints the percentiles in nanoseconds as JSON.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/clock.h>
#include <aether/histogram.h>

#include "contender.h"

#define ROUND_TRIPS 100000               /* at most; after a tenth as many to warm up */
#define GIVE_UP_NS  UINT64_C(5000000000) /* on a CPU that somebody else has taken */

static struct {
    uint64_t ball __attribute__((aligned(128)));
    uint64_t answer __attribute__((aligned(128)));
    int cpu __attribute__((aligned(128)));
    bool ready;
} shared;

static struct ae_histogram histogram;

/* The calling thread goes to the CPU and before everything else there, where that is permitted. */
static void move_to(int cpu)
{
    contender_move_to(cpu);
    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
}

static void *answer(void *unused)
{
    uint64_t seen = 0;

    (void)unused;
    move_to(shared.cpu);
    __atomic_store_n(&shared.ready, true, __ATOMIC_RELEASE);
    while (seen != UINT64_MAX) {
        uint64_t ball = __atomic_load_n(&shared.ball, __ATOMIC_ACQUIRE);

        if (ball == seen)
            continue;
        seen = ball;
        __atomic_store_n(&shared.answer, seen, __ATOMIC_RELEASE);
    }
    return NULL;
}

/* False: it took longer than anybody should wait. */
static bool play(uint64_t round_trips)
{
    uint64_t begin = ae_clock_ticks(), patience = ae_clock_from_ns(GIVE_UP_NS);

    for (uint64_t i = 1; i <= round_trips + round_trips / 10; i++) {
        uint64_t start = ae_clock_ticks(), end;

        __atomic_store_n(&shared.ball, i, __ATOMIC_RELEASE);
        for (uint32_t spins = 1; __atomic_load_n(&shared.answer, __ATOMIC_ACQUIRE) != i; spins++)
            if (spins % 4096 == 0 && ae_clock_ticks() - begin > patience)
                return false;
        end = ae_clock_ticks();
        if (i > round_trips / 10)
            ae_histogram_record(&histogram, ae_clock_to_ns(end - start));
    }
    return true;
}

static int usage(void)
{
    fprintf(stderr, "Usage: floor CPU CPU [ROUND-TRIPS]\n"
                    "Measures the cache-line round trip between two different CPUs.\n");
    return 2;
}

int main(int argc, char **argv)
{
    char *end_a, *end_b, *end_c = (char[]){""};
    pthread_t other;
    struct ae_error err;
    long cpu, round_trips = ROUND_TRIPS;
    bool played;

    if (argc != 3 && argc != 4)
        return usage();
    cpu = strtol(argv[1], &end_a, 10);
    shared.cpu = (int)strtol(argv[2], &end_b, 10);
    if (argc == 4)
        round_trips = strtol(argv[3], &end_c, 10);
    if (*end_a || *end_b || *end_c || round_trips < 100 || round_trips > ROUND_TRIPS || !*argv[1] ||
        !*argv[2] || cpu == shared.cpu)
        return usage();
    if (ae_clock_calibrate(&err)) {
        fprintf(stderr, "floor: %s\n", err.text);
        return 1;
    }
    ae_histogram_clear(&histogram);
    if (pthread_create(&other, NULL, answer, NULL)) {
        fprintf(stderr, "floor: no thread to be had\n");
        return 1;
    }
    while (!__atomic_load_n(&shared.ready, __ATOMIC_ACQUIRE))
        sched_yield();
    move_to((int)cpu);
    alarm(20);
    played = play((uint64_t)round_trips);
    __atomic_store_n(&shared.ball, UINT64_MAX, __ATOMIC_RELEASE);
    pthread_join(other, NULL);
    if (!played) {
        fprintf(stderr, "floor: CPU %d did not answer in time: something else keeps it\n",
                shared.cpu);
        return 1;
    }
    printf("{\"p50\": %" PRIu64 ", \"p99\": %" PRIu64 ", \"p99_9\": %" PRIu64
           ", \"p99_99\": %" PRIu64 ", \"max\": %" PRIu64 "}\n",
           ae_histogram_percentile(&histogram, 50), ae_histogram_percentile(&histogram, 99),
           ae_histogram_percentile(&histogram, 99.9), ae_histogram_percentile(&histogram, 99.99),
           histogram.max);
    return 0;
}
