/* SPDX-License-Identifier: Apache-2.0 */
#include "contender.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/checksum.h"
#include "measure/report.h"

static const char *const works[] = {"receive", "send", "exchange", "echo", "ping", "pace"};

enum {
    KEY_PACKED = 0x100,
    KEY_SMALL,
    KEY_DRIVER,
    KEY_SLICE,
    KEY_SLICES,
    KEY_RATE,
    KEY_LIMIT,
    KEY_PEER,
    KEY_FLYING,
    KEY_PLAIN
};

static uint64_t number(struct argp_state *state, const char *name, const char *text, uint64_t least,
                       uint64_t most)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || value < least || value > most)
        argp_error(state, "%s=%s: a number from %" PRIu64 " to %" PRIu64 " is needed", name, text,
                   least, most);
    return value;
}

static void parse_work(struct contender *contender, struct argp_state *state, const char *text)
{
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
        if (strcmp(works[i], text) == 0) {
            contender->work = (enum work)i;
            contender->work_name = works[i];
            return;
        }
    argp_error(state, "'%s' is no work; one of: receive send exchange echo ping pace", text);
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct contender *contender = state->input;

    switch (key) {
    case 'p':
        contender->path = value;
        return 0;
    case 'q':
        contender->queue_size = (uint16_t)number(state, "queue-size", value, 64, 32768);
        return 0;
    case 'f':
        contender->frame = (uint16_t)number(state, "frame", value, 64, 1514);
        return 0;
    case 'b':
        contender->burst = (uint16_t)number(state, "burst", value, 1, BURST_MAX);
        return 0;
    case 'c':
        contender->cpu = (int)number(state, "cpu", value, 0, CPU_SETSIZE - 1);
        return 0;
    case KEY_PACKED:
        contender->packed = true;
        return 0;
    case KEY_PLAIN:
        contender->plain = true;
        return 0;
    case KEY_SMALL:
        contender->small_pages = true;
        return 0;
    case KEY_DRIVER:
        contender->driver = value;
        return 0;
    case KEY_SLICE:
        contender->slice_ms = (uint32_t)number(state, "slice-ms", value, 1, 1000);
        return 0;
    case KEY_SLICES:
        contender->slices = (uint32_t)number(state, "slices", value, 1, SLICES);
        return 0;
    case KEY_RATE:
        contender->rate = number(state, "rate", value, 1, 200000000);
        return 0;
    case KEY_LIMIT:
        contender->limit = number(state, "limit", value, 1, UINT32_MAX);
        return 0;
    case KEY_PEER:
        contender->peer = (int)number(state, "peer", value, 1, INT32_MAX);
        return 0;
    case KEY_FLYING:
        contender->flying = (uint16_t)number(state, "flying", value, 1, 4096);
        return 0;
    case ARGP_KEY_ARG:
        parse_work(contender, state, value);
        return 0;
    case ARGP_KEY_END:
        if (!contender->work_name || !contender->path)
            argp_error(state, "a work and --path are needed");
        if (contender->work == WORK_PACE && !contender->rate)
            argp_error(state, "pace needs --rate");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void contender_parse(struct contender *contender, int argc, char **argv, const char *name)
{
    static const struct argp_option options[] = {
        {"path", 'p', "SOCKET", 0, "the back end's vhost-user socket", 0},
        {"queue-size", 'q', "N", 0, "descriptors of each ring (256)", 0},
        {"frame", 'f', "BYTES", 0, "in the ring, without FCS (64)", 0},
        {"burst", 'b', "N", 0, "frames a call, at most (32)", 0},
        {"cpu", 'c', "N", 0, "where to run", 0},
        {"packed", KEY_PACKED, NULL, 0, "packed virtqueues; without it: split", 0},
        {"small-pages", KEY_SMALL, NULL, 0, "memory of ordinary pages", 0},
        {"plain", KEY_PLAIN, NULL, 0, "no real-time priority", 0},
        {"driver", KEY_DRIVER, "TEXT", 0, "options of the driver, as it spells them", 0},
        {"slice-ms", KEY_SLICE, "N", 0, "length of a stretch of measuring (20)", 0},
        {"slices", KEY_SLICES, "N", 0, "how many (25)", 0},
        {"rate", KEY_RATE, "N", 0, "pace: frames a second", 0},
        {"limit", KEY_LIMIT, "N", 0, "end after so many frames", 0},
        {"peer", KEY_PEER, "TID", 0, "thread of the back end, to see whether it had its CPU", 0},
        {"flying", KEY_FLYING, "N", 0, "exchange and echo: frames on the way (half the ring)", 0},
        {0}};
    const struct argp argp = {options,
                              parse,
                              "receive|send|exchange|echo|ping|pace",
                              "Does one work of the benchmark against a vhost-user back end and "
                              "prints what came out as JSON. bench/run runs it.",
                              NULL,
                              NULL,
                              NULL};

    *contender = (struct contender){.driver = "",
                                    .queue_size = 256,
                                    .frame = 64,
                                    .burst = 32,
                                    .cpu = -1,
                                    .slice_ms = 20,
                                    .slices = 25,
                                    .described = ""};
    argv[0] = strdup(name);
    if (argp_parse(&argp, argc, argv, 0, NULL, contender))
        exit(2);
    if (!contender->flying)
        contender->flying = contender->queue_size / 2;
}

void contender_move_to(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set)) {
        fprintf(stderr, "%s: moving to CPU %d: %s\n", program_invocation_short_name, cpu,
                strerror(errno));
        exit(1);
    }
}

void contender_prepare(struct contender *contender)
{
    struct ae_error err;

    if (ae_clock_calibrate(&err)) {
        fprintf(stderr, "contender: %s\n", err.text);
        exit(1);
    }
    if (contender->cpu >= 0)
        contender_move_to(contender->cpu);
    ae_histogram_clear(&contender->round_trip);
}

bool contender_prefer(const struct contender *contender, bool on)
{
    struct sched_param param = {.sched_priority = on ? 1 : 0};
    int policy = on ? SCHED_FIFO : SCHED_OTHER;

    if (contender->plain || sched_setscheduler(0, policy, &param))
        return false;
    return !contender->peer || sched_setscheduler(contender->peer, policy, &param) == 0;
}

static uint64_t wait_of(int thread)
{
    char path[64], text[128];
    unsigned long long running, waiting = 0;
    ssize_t length;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/schedstat", thread);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    length = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    return sscanf(text, "%llu %llu", &running, &waiting) == 2 ? waiting : 0;
}

void contender_waits(const struct contender *contender, uint64_t *own, uint64_t *peer)
{
    *own = wait_of(gettid());
    *peer = contender->peer ? wait_of(contender->peer) : 0;
}

bool contender_clean(const struct slice *slice)
{
    return slice->own_wait_ns * 100 <= slice->ns && slice->peer_wait_ns * 100 <= slice->ns;
}

void contender_header(uint8_t header[HEADER_BYTES], uint16_t frame)
{
    static const uint8_t pattern[HEADER_BYTES] = {
        0x02, 0,    0, 0, 0, 2, 0x02, 0, 0,  0,  0, 1, 0x08, 0x00, /* Ethernet */
        0x45, 0,    0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 10,   77,   0, 1, 10, 77, 0, 2, /* IPv4 */
        0x9c, 0x47, 0, 7, 0, 0, 0,    0}; /* UDP, no sum */
    uint16_t packet = (uint16_t)(frame - 14), sum;

    memcpy(header, pattern, HEADER_BYTES);
    header[16] = (uint8_t)(packet >> 8);
    header[17] = (uint8_t)packet;
    header[38] = (uint8_t)((packet - 20) >> 8);
    header[39] = (uint8_t)(packet - 20);
    sum = (uint16_t)~ae_sum_bytes(header + 14, 20);
    memcpy(header + 24, &sum, sizeof(sum));
}

void contender_print(const struct contender *contender, const struct slice *slices)
{
    json_t *list = json_array(), *result;

    for (uint32_t i = 0; i < contender->slices; i++)
        json_array_append_new(list, json_pack("[I, I, b, b]", (json_int_t)slices[i].frames,
                                              (json_int_t)slices[i].ns, contender_clean(&slices[i]),
                                              !slices[i].behind));
    result =
        json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:o}", "work", contender->work_name,
                  "path", contender->described, "preferred", contender->preferred, "sent",
                  (json_int_t)contender->sent, "received", (json_int_t)contender->received,
                  "strange", (json_int_t)contender->strange, "calls", (json_int_t)contender->calls,
                  "empty", (json_int_t)contender->empty, "slices", list);
    if (contender->round_trip.count)
        json_object_set_new(result, "round_trip", ae_report_json(&contender->round_trip));
    json_dumpf(result, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(result);
}
