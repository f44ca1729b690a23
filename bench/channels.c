/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Aether's channel beside Concurrency Kit's ring, one producer and one consumer: messages from one
 * process to another, as many as there are, each looked at; and one there and back at a time. See
 * docs/channels.md.
 */

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ck_ring.h>

#include <aether/channel.h>
#include <aether/clock.h>
#include <aether/histogram.h>

#include "contender.h"

#define MESSAGES   10000000
#define ROUNDS     5
#define ROUNDS_MAX 99
#define TRIPS      100000
#define SLOTS      1024u
#define BURST      32
#define WORDS      7

struct message {
    uint64_t number, words[WORDS];
};

CK_RING_PROTOTYPE(message, message)

/* As many bytes as the other's: fewer messages, as each has its length before it. */
#define RING ((uint32_t)(SLOTS * sizeof(struct message)))

/* One way of messages, for whoever's ring. */
struct way {
    uint8_t channel[sizeof(struct ae_channel_memory) + RING] __attribute__((aligned(128)));
    ck_ring_t ring __attribute__((aligned(128)));
    ck_ring_buffer_t slots[SLOTS * sizeof(struct message) / sizeof(ck_ring_buffer_t)]
        __attribute__((aligned(128)));
};

static struct {
    struct way there, back;
    bool ready __attribute__((aligned(128)));
} * shared;

/* Of this process. */
static struct ae_channel_producer producer;
static struct ae_channel_consumer consumer;
static struct way *out, *in;
static int cpus[2] = {0, 1};
static uint64_t messages = MESSAGES;

static inline bool aether_put(struct message *message)
{
    return ae_channel_put(&producer, message, sizeof(*message));
}

static inline bool aether_get(struct message *message)
{
    uint32_t length;

    return ae_channel_get(&consumer, message, sizeof(*message), &length);
}

static inline bool ck_put(struct message *message)
{
    return ck_ring_enqueue_spsc_message(&out->ring, (struct message *)(void *)out->slots, message);
}

static inline bool ck_get(struct message *message)
{
    return ck_ring_dequeue_spsc_message(&in->ring, (struct message *)(void *)in->slots, message);
}

static inline void make(struct message *message, uint64_t number)
{
    message->number = number;
    for (unsigned i = 0; i < WORDS; i++)
        message->words[i] = number + i;
}

static inline void look_at(const struct message *message, uint64_t number)
{
    if (message->number == number && message->words[WORDS - 1] == number + WORDS - 1)
        return;
    fprintf(stderr, "channels: message %" PRIu64 " came instead of %" PRIu64 "\n", message->number,
            number);
    _exit(1);
}

#define INLINE static inline __attribute__((always_inline))

INLINE void send_all(bool (*put)(struct message *))
{
    struct message message;

    for (uint64_t i = 0; i < messages; i++) {
        make(&message, i);
        while (!put(&message))
            ;
    }
}

INLINE void receive_all(bool (*get)(struct message *))
{
    struct message message;

    for (uint64_t i = 0; i < messages; i++) {
        while (!get(&message))
            ;
        look_at(&message, i);
    }
}

INLINE void play(bool (*put)(struct message *), bool (*get)(struct message *), bool first,
                 struct ae_histogram *histogram)
{
    struct message message;

    for (uint64_t i = 0; i < TRIPS; i++) {
        uint64_t start = ae_clock_ticks();

        make(&message, i);
        if (first)
            put(&message);
        while (!get(&message))
            ;
        look_at(&message, i);
        if (first)
            ae_histogram_record(histogram, ae_clock_to_ns(ae_clock_ticks() - start));
        else
            put(&message);
    }
}

static void send_aether(void)
{
    send_all(aether_put);
}

static void receive_aether(void)
{
    receive_all(aether_get);
}

static void play_aether(bool first, struct ae_histogram *histogram)
{
    play(aether_put, aether_get, first, histogram);
}

static void send_bursts(void)
{
    for (uint64_t i = 0; i < messages;) {
        struct message *message;

        for (unsigned k = 0; k < BURST && i < messages; k++) {
            message = ae_channel_reserve(&producer, sizeof(*message));
            if (!message)
                break;
            make(message, i++);
        }
        ae_channel_commit(&producer);
    }
}

static void receive_bursts(void)
{
    for (uint64_t i = 0; i < messages;) {
        const struct message *message;
        uint32_t length;

        for (unsigned k = 0; k < BURST && (message = ae_channel_peek(&consumer, &length)); k++)
            look_at(message, i++);
        ae_channel_release(&consumer);
    }
}

static void send_ck(void)
{
    send_all(ck_put);
}

static void receive_ck(void)
{
    receive_all(ck_get);
}

static void play_ck(bool first, struct ae_histogram *histogram)
{
    play(ck_put, ck_get, first, histogram);
}

static const struct contender_way {
    const char *name;
    void (*send)(void);
    void (*receive)(void);
    void (*play)(bool first, struct ae_histogram *histogram);
} ways[] = {
    {"Aether, one by one", send_aether, receive_aether, play_aether},
    {"Aether, bursts of 32", send_bursts, receive_bursts, NULL},
    {"Concurrency Kit", send_ck, receive_ck, play_ck},
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

static double rates[WAYS][ROUNDS_MAX], medians[WAYS][ROUNDS_MAX], tails[WAYS][ROUNDS_MAX];

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "channels: %s: %s\n", what, why);
    return 1;
}

static void renew(struct way *way)
{
    struct ae_error err;

    if (ae_channel_create(way->channel, RING, &err))
        exit(fail("no channel", err.text));
    ck_ring_init(&way->ring, SLOTS);
}

/* This process sends there or back, on its CPU, before everything else on it if that is permitted.
 */
static void take_side(unsigned side)
{
    struct ae_error err;

    out = side ? &shared->back : &shared->there;
    in = side ? &shared->there : &shared->back;
    if (ae_channel_open_producer(&producer, out->channel, sizeof(out->channel), &err) ||
        ae_channel_open_consumer(&consumer, in->channel, sizeof(in->channel), &err))
        exit(fail("no channel", err.text));
    contender_move_to(cpus[side]);
    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
}

/* The other side in a process of its own; 0: in that process. */
static pid_t begin(void)
{
    pid_t child;

    renew(&shared->there);
    renew(&shared->back);
    shared->ready = false;
    child = fork();
    if (child < 0)
        exit(fail("fork", strerror(errno)));
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        take_side(1);
        __atomic_store_n(&shared->ready, true, __ATOMIC_RELEASE);
        return 0;
    }
    while (!__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE))
        sched_yield();
    take_side(0);
    return child;
}

static void end(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child || status != 0)
        exit(fail("the other side", "ended badly"));
    sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
}

static void measure(size_t which, unsigned round)
{
    static struct ae_histogram histogram;
    uint64_t start;
    pid_t child = begin();

    if (child == 0) {
        ways[which].receive();
        _exit(0);
    }
    start = ae_clock_ticks();
    ways[which].send();
    end(child);
    rates[which][round] = (double)messages * 1e3 / (double)ae_clock_to_ns(ae_clock_ticks() - start);
    if (!ways[which].play)
        return;
    child = begin();
    ae_histogram_clear(&histogram);
    if (child == 0) {
        ways[which].play(false, &histogram);
        _exit(0);
    }
    ways[which].play(true, &histogram);
    end(child);
    medians[which][round] = (double)ae_histogram_percentile(&histogram, 50);
    tails[which][round] = (double)ae_histogram_percentile(&histogram, 99);
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* Of rounds, or of the ratio in each of them: median (least..greatest). */
static void print(const char *what, const double *values, const double *others, unsigned rounds)
{
    double sorted[ROUNDS_MAX];

    for (unsigned i = 0; i < rounds; i++)
        sorted[i] = others ? values[i] / others[i] : values[i];
    qsort(sorted, rounds, sizeof(sorted[0]), compare);
    printf("  %s %.2f (%.2f..%.2f)", what, sorted[rounds / 2], sorted[0], sorted[rounds - 1]);
}

static void report(unsigned rounds)
{
    const size_t other = WAYS - 1;

    printf("%" PRIu64
           " messages of %zu bytes, %u rounds, CPUs %d and %d: median (least..greatest)\n",
           messages, sizeof(struct message), rounds, cpus[0], cpus[1]);
    for (size_t i = 0; i < WAYS; i++) {
        printf("%s\n", ways[i].name);
        print("million/s", rates[i], NULL, rounds);
        if (i != other)
            print("ratio", rates[i], rates[other], rounds);
        if (ways[i].play) {
            printf("\n");
            print("there and back, ns: P50", medians[i], NULL, rounds);
            print("P99", tails[i], NULL, rounds);
            if (i != other)
                print("ratio of P50", medians[i], medians[other], rounds);
        }
        printf("\n");
    }
}

static int usage(void)
{
    fprintf(stderr,
            "Usage: channels [-n MESSAGES] [-r ROUNDS] [-c CPU,CPU]\n"
            "Aether's channel beside Concurrency Kit's ring, between two processes. As it is: "
            "-n 10000000 -r 5 -c 0,1.\n");
    return 2;
}

int main(int argc, char **argv)
{
    unsigned rounds = ROUNDS;
    struct ae_error err;
    char *rest;
    int option;

    while ((option = getopt(argc, argv, "n:r:c:")) != -1) {
        rest = optarg;
        if (option == 'n')
            messages = strtoull(optarg, &rest, 10);
        else if (option == 'r')
            rounds = (unsigned)strtoul(optarg, &rest, 10);
        else if (option != 'c' || sscanf(optarg, "%d,%d", &cpus[0], &cpus[1]) != 2)
            return usage();
        if (option != 'c' && *rest)
            return usage();
    }
    if (optind != argc || messages == 0 || rounds == 0 || rounds > ROUNDS_MAX || cpus[0] == cpus[1])
        return usage();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (shared == MAP_FAILED)
        return fail("mmap", strerror(errno));
    if (ae_clock_calibrate(&err))
        return fail("no clock", err.text);
    for (unsigned round = 0; round < rounds; round++)
        for (size_t i = 0; i < WAYS; i++)
            measure((i + round) % WAYS, round);
    report(rounds);
    return 0;
}
