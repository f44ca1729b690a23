/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The measuring side: puts loads on a wire, as it is told by lines on its standard input, and
 * answers each by a line. docs/benchmark.md has both.
 *
 *     measuring WIRE FAR-MAC NEAR-MAC CPU
 *
 * CPU may be "-": somebody else places it.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <net/ethernet.h>
#include <netinet/ether.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <aether/clock.h>

#include "load.h"
#include "measure/report.h"

#define FAR_ADDRESS  "10.77.0.1"
#define NEAR_ADDRESS "10.77.0.2"
#define FAR_PORT     40007
#define NEAR_PORT    7
#define SECONDS_MOST 3600

static struct load_outcome outcome;
static volatile int stop;

static void hear(int signal)
{
    (void)signal;
    stop = 1;
}

static void say(json_t *answer)
{
    json_dumpf(answer, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(answer);
}

static json_t *error(const char *text)
{
    return json_pack("{s:s}", "error", text);
}

static json_t *outcome_json(const struct load *load)
{
    json_t *slots = json_array(), *answer;

    for (uint32_t i = 0; i < outcome.slot_count; i++)
        json_array_append_new(slots, outcome.slots[i] ? json_integer((json_int_t)outcome.slots[i])
                                                      : json_null());
    answer = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:o, s:{s:I, s:o}}",
                       "offered", (json_int_t)outcome.offered, "sent", (json_int_t)outcome.sent,
                       "received", (json_int_t)outcome.received, "lost", (json_int_t)outcome.lost,
                       "duplicates", (json_int_t)outcome.duplicates, "strange",
                       (json_int_t)outcome.strange, "late", (json_int_t)outcome.late, "most_out",
                       (json_int_t)outcome.most_out, "seconds", (double)outcome.elapsed_ns / 1e9,
                       "waited", (double)outcome.waited_ns / 1e9, "round_trip",
                       ae_report_json(&outcome.round_trip), "histogram",
                       ae_report_buckets_json(&outcome.round_trip), "over_time", "slot_ns",
                       (json_int_t)load->slot_ns, "max", slots);
    return answer;
}

static double number(const json_t *order, const char *key, double otherwise)
{
    const json_t *value = json_object_get(order, key);

    return json_is_number(value) ? json_number_value(value) : otherwise;
}

/* False: it is no load, and why not is said. */
static bool read_load(const json_t *order, struct load *load, const char *work)
{
    double seconds = number(order, "seconds", 1), rate = number(order, "rate", 0);
    double size = number(order, "frame", FRAME_LEAST), slot = number(order, "slot_ns", 1e6);
    double patience = number(order, "patience", 0.2);
    bool closed = strcmp(work, "closed") == 0, open = strcmp(work, "open") == 0;

    if (!(seconds > 0 && seconds <= SECONDS_MOST && patience > 0 && patience <= SECONDS_MOST &&
          size >= FRAME_LEAST && size <= FRAME_MOST && slot >= 1000 && slot <= 1e12 &&
          (!open || (rate >= 1 && rate <= 2e8 && rate * seconds < UINT32_MAX))))
        return false;
    *load = (struct load){.kind = closed ? LOAD_CLOSED
                                  : open ? LOAD_OPEN
                                         : LOAD_BURSTS,
                          .rate = open ? (uint64_t)rate : 0,
                          .duration_ns = (uint64_t)(seconds * 1e9),
                          .patience_ns = (uint64_t)(patience * 1e9),
                          .slot_ns = (uint64_t)slot,
                          .size = (uint16_t)size};
    return closed || open || strcmp(work, "bursts") == 0;
}

static json_t *obey(struct wire *wire, const json_t *order)
{
    const char *work = json_string_value(json_object_get(order, "work"));
    struct load_replay replay = {0};
    struct ae_error err;
    struct load load;

    if (!work)
        return error("a line is an object with the member work");
    if (strcmp(work, "hello") == 0) /* whoever asks knows by its number which answer this is */
        return json_pack("{s:I, s:I}", "hello", (json_int_t)number(order, "number", 0), "hz",
                         (json_int_t)ae_clock_hz());
    if (strcmp(work, "wake") == 0)
        return json_pack(
            "{s:b}", "awake",
            load_wake(wire, FRAME_LEAST, (uint64_t)(number(order, "seconds", 10) * 1e9), &stop));
    if (!read_load(order, &load, work))
        return error("work: hello, wake, closed, open, bursts; or a number out of its range");
    if (load.kind == LOAD_BURSTS) {
        const char *path = json_string_value(json_object_get(order, "capture"));

        if (load_replay_read(&replay, path ? path : "", &err))
            return error(err.text);
        load.replay = &replay;
    }
    load_run(wire, &load, &stop, &outcome);
    free(replay.moments);
    return outcome_json(&load);
}

static int serve(struct wire *wire)
{
    char *line = NULL;
    size_t room = 0;

    while (!stop && getline(&line, &room, stdin) > 0) {
        json_t *order = json_loads(line, 0, NULL);

        say(obey(wire, order));
        json_decref(order);
    }
    free(line);
    return 0;
}

static int set_ends(struct frame_ends *ends, const char *far, const char *near)
{
    struct ether_addr one, other;

    if (!ether_aton_r(far, &one) || !ether_aton_r(near, &other))
        return -EINVAL;
    memcpy(ends->far_mac, &one, ETHER_ADDR_LEN);
    memcpy(ends->near_mac, &other, ETHER_ADDR_LEN);
    ends->far = inet_addr(FAR_ADDRESS);
    ends->near = inet_addr(NEAR_ADDRESS);
    ends->far_port = FAR_PORT;
    ends->near_port = NEAR_PORT;
    return 0;
}

/* Where a person put it, ahead of what is ordinary: what it waits for, a contender would be blamed
 * for. */
static void settle(int cpu)
{
    struct sigaction action = {.sa_handler = hear};
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (cpu >= 0 && sched_setaffinity(0, sizeof(set), &set))
        fprintf(stderr, "measuring: CPU %d: %s\n", cpu, strerror(errno));
    setpriority(PRIO_PROCESS, 0, -20);
    mlockall(MCL_CURRENT | MCL_FUTURE);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGINT, SIG_IGN); /* who started us hears it, and ends us */
}

int main(int argc, char **argv)
{
    struct frame_ends ends;
    struct ae_error err;
    struct wire *wire;
    bool placed = argc == 5 && strcmp(argv[4], "-") == 0;
    char *end = (char[]){""};
    long cpu = argc == 5 && !placed ? strtol(argv[4], &end, 10) : -1;
    int status;

    if (argc != 5 || *end || (cpu < 0 && !placed) || cpu >= CPU_SETSIZE ||
        set_ends(&ends, argv[2], argv[3])) {
        fprintf(stderr,
                "Usage: measuring WIRE FAR-MAC NEAR-MAC CPU\n"
                "aether bench starts it; docs/benchmark.md tells what it hears and says.\n");
        return 2;
    }
    wire = ae_clock_calibrate(&err) ? NULL : wire_open(argv[1], &ends, &err);
    if (!wire) {
        fprintf(stderr, "measuring: %s\n", err.text);
        return 1;
    }
    settle((int)cpu);
    status = serve(wire);
    wire->close(wire);
    return status;
}
