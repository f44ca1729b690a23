/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sends frames of random lengths and contents through a port to a peer that returns each as it
 * came, and checks that every one comes back once, in order and unaltered. A peer that goes away is
 * waited for: what was on its way is lost then, and counting goes on from what comes next.
 *
 *     peer_frames PORT [frames=N] [queues=N] [seconds=N] [losses=N] [whole=1] [switch=1]
 *     peer_frames PORT returns=1 [queues=N] [seconds=N]
 *     peer_frames PORT visits=N [frames=N] [queues=N]
 *
 * frames: how many have to come back on each queue. seconds: what all may take of a CPU. losses:
 * how often the peer will be restarted; so many frames have to come back after the last time. Some
 * may be missing then, none may be altered or out of order. Says "# running" once frames come back,
 * and "# lost" and "# back" as the link goes and returns. whole=1: none may be missing even so.
 *
 * switch=1: there is a switch between, which drops frames until its other port has a peer. Until
 * the first comes back, at the start and after each loss, they are given up and others sent.
 * returns=1: is that peer. visits=N: opens the port so many times, each time until all frames are
 * back, and has no more descriptors and memory at the end than after the first few.
 */

#include <aether/clock.h>
#include <aether/owner.h>
#include <dirent.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW     128 /* on their way per queue, less than a ring holds */
#define BURST      32
#define HEADER     14
#define SHORTEST   60
#define LONGEST    1514
#define TEND_NS    100000
#define LEAK_KIB   1024 /* more than this of growth is a leak */
#define GIVE_UP_NS UINT64_C(200000000)

struct flow {
    struct ae_queue *queue;
    uint64_t sent, returned, altered;
    uint64_t next;     /* number that comes back next, or a later one */
    uint64_t given_up; /* those before it do not come back any more */
    uint64_t sent_at;  /* ticks, of the last that was sent */
};

struct run {
    struct ae_port *port;
    struct flow flows[AE_PORT_QUEUES];
    unsigned queues;
    uint64_t wanted;
    uint8_t mac[6];
    uint64_t losses, backs;
    bool returns, behind_switch, visits, whole;
};

/* xorshift64*: the contents of a frame depend on its number and its queue only. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

/* Fills a frame behind its Ethernet header; returns its length. */
static uint32_t make(uint8_t *payload, uint64_t number, unsigned queue)
{
    uint64_t state = (number + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ queue;
    uint32_t length;

    next_random(&state);
    length = SHORTEST + (uint32_t)(next_random(&state) % (LONGEST - SHORTEST + 1));
    memcpy(payload, &number, sizeof(number));
    for (uint32_t i = sizeof(number); i < length - HEADER; i += 8) {
        uint64_t word = next_random(&state);
        uint32_t rest = length - HEADER - i;

        memcpy(payload + i, &word, rest < 8 ? rest : 8);
    }
    return length;
}

/* Until the way through a switch is known to be open, one at a time: those given up may still come,
 * and must not add up to more than a ring holds. */
static uint64_t window(const struct run *run, const struct flow *flow)
{
    return run->behind_switch && !flow->returned ? 1 : WINDOW;
}

static void send_some(struct run *run, unsigned index)
{
    struct flow *flow = &run->flows[index];
    struct ae_packet *packets[BURST];
    uint64_t accounted = flow->next > flow->given_up ? flow->next : flow->given_up;
    uint16_t made = 0, accepted;

    while (made < BURST && flow->sent + made - accounted < window(run, flow)) {
        struct ae_packet *packet = ae_packet_get(flow->queue->pool);

        if (!packet)
            break;
        memset(packet->data, 0xff, 6);
        memcpy(packet->data + 6, run->mac, 6);
        packet->data[12] = 0x88;
        packet->data[13] = 0xB5;
        packet->length = make(packet->data + HEADER, flow->sent + made, index);
        packets[made++] = packet;
    }
    accepted = made ? ae_send(flow->queue, packets, made) : 0;
    flow->sent += accepted;
    if (accepted)
        flow->sent_at = ae_clock_ticks();
    for (uint16_t i = accepted; i < made; i++)
        ae_packet_put(packets[i]);
}

static bool may_miss(const struct run *run, const struct flow *flow)
{
    return (run->losses && !run->whole) || (run->behind_switch && !flow->returned);
}

static void check(struct run *run, unsigned index, const struct ae_packet *packet)
{
    struct flow *flow = &run->flows[index];
    uint8_t expected[LONGEST];
    uint64_t number;
    uint32_t length;

    if (packet->data[12] != 0x88 || packet->data[13] != 0xB5)
        return; /* the peer's own, such as the RARP that it was asked for */
    memcpy(&number, packet->data + HEADER, sizeof(number));
    length = make(expected, number, index);
    if (packet->length != length || memcmp(packet->data + 6, run->mac, 6) != 0 ||
        memcmp(packet->data + HEADER, expected, length - HEADER) != 0 || number < flow->next ||
        number >= flow->sent || (number != flow->next && !may_miss(run, flow))) {
        if (flow->altered++ == 0)
            printf("# queue %u: frame %" PRIu64 " of %u bytes came, %" PRIu64 " was expected\n",
                   index, number, packet->length, flow->next);
        return;
    }
    flow->next = number + 1;
    flow->returned++;
}

static void receive_some(struct run *run, unsigned index)
{
    struct flow *flow = &run->flows[index];
    struct ae_packet *packets[BURST];
    uint16_t count = ae_receive(flow->queue, packets, BURST);

    for (uint16_t i = 0; i < count; i++) {
        check(run, index, packets[i]);
        ae_packet_put(packets[i]);
    }
}

static void return_some(struct run *run, unsigned index)
{
    struct flow *flow = &run->flows[index];
    struct ae_packet *packets[BURST];
    uint16_t count = ae_receive(flow->queue, packets, BURST);
    uint16_t accepted = count ? ae_send(flow->queue, packets, count) : 0;

    flow->returned += accepted;
    for (uint16_t i = accepted; i < count; i++)
        ae_packet_put(packets[i]);
}

static void give_up(struct run *run, uint64_t now)
{
    for (unsigned i = 0; i < run->queues; i++) {
        struct flow *flow = &run->flows[i];

        if (!flow->returned && now - flow->sent_at > ae_clock_from_ns(GIVE_UP_NS))
            flow->given_up = flow->sent;
    }
}

static void watch_link(struct run *run)
{
    static bool was_up = true;
    struct ae_link link;

    ae_port_get_link(run->port, &link);
    if (link.up == was_up)
        return;
    printf("# %s\n", link.up ? "back" : "lost");
    fflush(stdout);
    was_up = link.up;
    run->backs += link.up;
    for (unsigned i = 0; i < run->queues; i++) {
        run->flows[i].returned = 0;
        run->flows[i].given_up = run->flows[i].sent;
    }
}

static bool done(const struct run *run)
{
    if (run->returns || run->backs != run->losses)
        return false;
    for (unsigned i = 0; i < run->queues; i++)
        if (run->flows[i].returned < run->wanted)
            return false;
    return true;
}

/* It polls all the time, so what it used of a CPU is what it could have used: a busy machine costs
 * it nothing. */
static uint64_t seconds_used(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec;
}

static void exchange(struct run *run, uint64_t seconds)
{
    uint64_t begun = seconds_used(), tended = ae_clock_ticks(), now;
    bool running = false, late = false;

    do {
        for (unsigned i = 0; i < run->queues; i++) {
            if (run->returns) {
                return_some(run, i);
                continue;
            }
            send_some(run, i);
            receive_some(run, i);
        }
        now = ae_clock_ticks();
        if (now - tended < ae_clock_from_ns(TEND_NS))
            continue;
        tended = now;
        late = seconds_used() - begun >= seconds;
        ae_port_owner_step(ae_port_get_owner(run->port));
        watch_link(run);
        if (run->behind_switch)
            give_up(run, now);
        if (!running && !run->visits && run->flows[0].returned) {
            running = true;
            printf("# running\n");
            fflush(stdout);
        }
    } while (!done(run) && !late);
}

static int report(const struct run *run)
{
    bool ok = done(run);

    for (unsigned i = 0; i < run->queues; i++) {
        const struct flow *flow = &run->flows[i];
        const struct ae_queue_counters *counters = flow->queue->counters;

        printf("# queue %u: %" PRIu64 " sent, %" PRIu64 " came back, %" PRIu64 " altered, %" PRIu64
               " bad descriptors\n",
               i, flow->sent, flow->returned, flow->altered,
               counters->receive_bad_descriptors + counters->send_bad_descriptors);
        ok = ok && !flow->altered && !counters->receive_bad_descriptors &&
             !counters->send_bad_descriptors && !counters->receive_errors;
    }
    printf("%s - frames to the peer and back\n", ok ? "ok" : "not ok");
    return ok ? 0 : 1;
}

static int open_run(struct run *run, const char *spec, const struct ae_port_options *options)
{
    struct ae_port_info info;
    struct ae_error err;

    if (ae_port_open(&run->port, spec, options, &err)) {
        fprintf(stderr, "peer_frames: %s\n", err.text);
        return 1;
    }
    ae_port_get_info(run->port, &info);
    memcpy(run->mac, info.mac, 6);
    run->queues = info.queues;
    for (unsigned i = 0; i < run->queues; i++)
        run->flows[i].queue = ae_port_queue(run->port, i);
    return 0;
}

/* ---- Visits ---- */

struct held {
    unsigned descriptors;
    long kib;
};

static struct held what_is_held(void)
{
    DIR *directory = opendir("/proc/self/fd");
    FILE *statm = fopen("/proc/self/statm", "r");
    struct held held = {0};
    long pages = 0;

    while (directory && readdir(directory))
        held.descriptors++;
    if (!directory || !statm || fscanf(statm, "%*d %ld", &pages) != 1) {
        fprintf(stderr, "peer_frames: /proc/self cannot be read\n");
        exit(1);
    }
    held.kib = pages * 4;
    closedir(directory);
    fclose(statm);
    return held;
}

static int visit(struct run *model, const char *spec, const struct ae_port_options *options,
                 uint64_t visits, uint64_t seconds)
{
    struct held before = {0}, after;

    model->visits = true;
    for (uint64_t i = 0; i < visits; i++) {
        struct run run = *model;
        bool whole;

        if (open_run(&run, spec, options))
            return 1;
        exchange(&run, seconds);
        whole = done(&run);
        if (!whole)
            report(&run);
        ae_port_close(run.port);
        if (!whole) {
            printf("not ok - visit %" PRIu64 "\n", i + 1);
            return 1;
        }
        if (i == visits / 10)
            before = what_is_held();
    }
    after = what_is_held();
    printf("# held after a tenth of %" PRIu64
           " visits and after all: descriptors %u, %u; KiB %ld, %ld\n",
           visits, before.descriptors, after.descriptors, before.kib, after.kib);
    return after.descriptors > before.descriptors || after.kib > before.kib + LEAK_KIB;
}

static uint64_t number_of(const char *argument, const char *name, uint64_t value)
{
    size_t length = strlen(name);

    return strncmp(argument, name, length) == 0 ? strtoull(argument + length, NULL, 10) : value;
}

int main(int argc, char **argv)
{
    struct ae_port_options options = {.page_size = 4096, .queues = 1, .slowest = AE_PATH_COPY};
    struct run run = {.wanted = 100000};
    uint64_t seconds = 30, visits = 0;
    struct ae_error err;
    int rc;

    if (argc < 2) {
        fprintf(stderr, "Usage: peer_frames PORT [frames=N] [queues=N] [seconds=N] [losses=N] "
                        "[whole=1] [switch=1]\n"
                        "       peer_frames PORT returns=1 [queues=N] [seconds=N]\n"
                        "       peer_frames PORT visits=N [frames=N] [queues=N]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        run.wanted = number_of(argv[i], "frames=", run.wanted);
        options.queues = (uint16_t)number_of(argv[i], "queues=", options.queues);
        seconds = number_of(argv[i], "seconds=", seconds);
        visits = number_of(argv[i], "visits=", visits);
        run.losses = number_of(argv[i], "losses=", run.losses);
        run.behind_switch = number_of(argv[i], "switch=", run.behind_switch);
        run.whole = number_of(argv[i], "whole=", run.whole);
        run.returns = number_of(argv[i], "returns=", run.returns);
    }
    if (ae_clock_calibrate(&err)) {
        fprintf(stderr, "peer_frames: %s\n", err.text);
        return 1;
    }
    if (visits)
        return visit(&run, argv[1], &options, visits, seconds);
    if (open_run(&run, argv[1], &options))
        return 1;
    exchange(&run, seconds);
    rc = report(&run);
    ae_port_close(run.port);
    return rc;
}
