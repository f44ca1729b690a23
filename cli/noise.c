/* SPDX-License-Identifier: Apache-2.0 */
#include "noise.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/error.h"
#include "base/root.h"
#include "cli.h"
#include "json.h"

#define KEPT        65536
#define DMA_LATENCY "/dev/cpu_dma_latency"

enum { KEY_THRESHOLD = 256, KEY_FIFO, KEY_TOP, KEY_JSON, KEY_NO_TRACE, KEY_LATENCY };

static const struct argp_option arguments[] = {
    {"cpus", 'c', "LIST", 0, "CPUs to measure at once, such as 2-5,8 (all that this may run on)",
     0},
    {"seconds", 's', "N", 0, "how long (10)", 0},
    {"threshold", KEY_THRESHOLD, "NS", 0, "a gap is longer than this (1000)", 0},
    {"top", KEY_TOP, "N", 0, "worst gaps to show per CPU (10)", 0},
    {"fifo", KEY_FIFO, "PRIORITY", 0, "measure under SCHED_FIFO, 1 to 99", 0},
    {"cpu-dma-latency", KEY_LATENCY, "US", 0,
     "ask the kernel for this wake-up latency meanwhile: flatters a machine that does without", 0},
    {"no-trace", KEY_NO_TRACE, NULL, 0, "do not trace the kernel: no causes, no cost", 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {0},
};

static uint64_t number(struct argp_state *state, const char *option, const char *text,
                       uint64_t least, uint64_t most)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno || *end || value < least || value > most)
        argp_error(state, "%s: '%s' is not a number from %" PRIu64 " to %" PRIu64, option, text,
                   least, most);
    return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct cli_noise *noise = state->input;

    switch (key) {
    case 'c':
        if (ae_cpus_parse(&noise->options.cpus, arg) || ae_cpus_count(&noise->options.cpus) == 0)
            argp_error(state, "--cpus: '%s' is not a list of CPUs such as 2-5,8", arg);
        noise->cpus_named = true;
        return 0;
    case 's':
        noise->options.duration_ns =
            number(state, "--seconds", arg, 1, AE_GAP_SECONDS_MAX) * NS_PER_SECOND;
        return 0;
    case KEY_THRESHOLD:
        noise->options.threshold_ns = number(state, "--threshold", arg, 1, NS_PER_SECOND);
        return 0;
    case KEY_TOP:
        noise->top = (unsigned)number(state, "--top", arg, 0, 1000);
        return 0;
    case KEY_FIFO:
        noise->options.fifo_priority = (int)number(state, "--fifo", arg, 1, 99);
        return 0;
    case KEY_LATENCY:
        noise->latency = (long)number(state, "--cpu-dma-latency", arg, 0, 1000000);
        return 0;
    case KEY_NO_TRACE:
        noise->no_trace = true;
        return 0;
    case KEY_JSON:
        noise->json = true;
        cli_json_ask();
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    arguments,
    parse,
    NULL,
    "Polls the CPU's counter and shows every gap in which something else had the CPU, and what it "
    "was as far as the kernel tells.",
    NULL,
    NULL,
    NULL};

static void wake(int signal_number)
{
    (void)signal_number;
}

/* SIGINT and SIGTERM end the measurement but not this process, which has a trace to remove. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = wake};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void all_allowed(struct ae_cpus *cpus)
{
    char text[4096], *line, *end;
    size_t used;
    char *status;

    ae_cpus_clear(cpus);
    if (ae_root_read_all("/proc/self/status", &status) < 0)
        return;
    line = strstr(status, "Cpus_allowed_list:");
    if (line) {
        line += strcspn(line, "\t") + 1;
        end = strchrnul(line, '\n');
        used = (size_t)(end - line);
        if (used < sizeof(text)) {
            memcpy(text, line, used);
            text[used] = '\0';
            if (ae_cpus_parse(cpus, text))
                ae_cpus_clear(cpus);
        }
    }
    free(status);
}

static void look_at_latency(struct cli_noise *noise)
{
    int fd = ae_root_open(DMA_LATENCY, O_RDONLY);
    int32_t value;

    if (fd >= 0 && read(fd, &value, sizeof(value)) == (ssize_t)sizeof(value))
        snprintf(noise->idle, sizeof(noise->idle), "C-states %s (" DMA_LATENCY " is %d us)",
                 value == 0 ? "held off by somebody" : "allowed", value);
    else
        snprintf(noise->idle, sizeof(noise->idle),
                 "C-states as the machine has them (" DMA_LATENCY " cannot be read)");
    if (fd >= 0)
        close(fd);
}

/* Asks for the wake-up latency as long as *held is open; -1: nothing was to be asked. */
static int hold_latency(struct cli_noise *noise, int *held, struct ae_error *err)
{
    int32_t value = (int32_t)noise->latency;
    int fd, rc = 0;

    *held = -1;
    if (noise->latency < 0) {
        look_at_latency(noise);
        return 0;
    }
    fd = ae_root_open(DMA_LATENCY, O_RDWR);
    if (fd < 0)
        rc = fd;
    else if (write(fd, &value, sizeof(value)) != (ssize_t)sizeof(value))
        rc = -errno;
    if (rc && fd >= 0)
        close(fd);
    if (rc)
        return ae_error_set(err, rc, "asking " DMA_LATENCY " for %d us: %s; be root", value,
                            strerror(-rc));
    snprintf(noise->idle, sizeof(noise->idle), "C-states held to %d us by this measurement", value);
    *held = fd;
    return 0;
}

static void open_trace(struct cli_noise *noise)
{
    uint64_t seconds = noise->options.duration_ns / NS_PER_SECOND;
    uint64_t kilobytes = 4096 + 512 * (seconds < 120 ? seconds : 120);

    if (noise->no_trace)
        ae_error_set(&noise->untraced, -ECANCELED, "tracing: not wanted (--no-trace)");
    else if (ae_gap_trace_open(&noise->trace, &noise->options.cpus, (unsigned)kilobytes,
                               &noise->untraced) == 0)
        noise->traced = true;
    if (noise->traced && ae_gap_trace_switch(&noise->trace, 1, &noise->untraced)) {
        ae_gap_trace_close(&noise->trace);
        noise->traced = false;
    }
}

/* Per CPU, in the order of CPU numbers: the same order as run.records. */
static void read_counters(const struct cli_noise *noise, struct ae_counters *counters)
{
    const struct ae_cpus *cpus = &noise->options.cpus;
    unsigned i = 0;

    for (int cpu = ae_cpus_next(cpus, 0); cpu >= 0; cpu = ae_cpus_next(cpus, (unsigned)cpu + 1)) {
        struct ae_cpus one;

        ae_cpus_clear(&one);
        ae_cpus_add(&one, (unsigned)cpu);
        ae_counters_read(&counters[i++], &one);
    }
}

static void free_counters(struct cli_noise *noise)
{
    for (unsigned i = 0; i < ae_cpus_count(&noise->options.cpus); i++) {
        ae_counters_free(&noise->before[i]);
        ae_counters_free(&noise->after[i]);
    }
}

static int measure(struct cli_noise *noise, struct ae_error *err)
{
    int latency_fd, rc = hold_latency(noise, &latency_fd, err);

    if (rc)
        return rc;
    open_trace(noise);
    read_counters(noise, noise->before);
    rc = ae_gap_run(&noise->run, &noise->options, err);
    read_counters(noise, noise->after);
    if (noise->traced && ae_gap_trace_check(&noise->trace, &noise->untraced)) {
        ae_gap_trace_close(&noise->trace);
        noise->traced = false;
    }
    if (noise->traced && !rc)
        rc = ae_gap_trace_switch(&noise->trace, 0, err);
    if (!rc)
        rc = cli_noise_tell(noise, err);
    if (noise->traced)
        ae_gap_trace_close(&noise->trace);
    ae_gap_run_free(&noise->run);
    free_counters(noise);
    if (latency_fd >= 0)
        close(latency_fd);
    return rc;
}

int cli_noise(int argc, char **argv)
{
    static char program[] = "aether noise";
    struct cli_noise *noise = calloc(1, sizeof(*noise));
    struct ae_error err;
    int rc;

    if (!noise)
        return CLI_FAILED;
    noise->options.duration_ns = 10 * NS_PER_SECOND;
    noise->options.threshold_ns = 1000;
    noise->options.capacity = KEPT;
    noise->top = 10;
    noise->latency = -1;
    argv[0] = program;
    if (argp_parse(&argp, argc, argv, 0, NULL, noise)) {
        free(noise);
        return CLI_USAGE;
    }
    if (!noise->cpus_named)
        all_allowed(&noise->options.cpus);
    if (ae_root_read("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                     noise->clocksource, sizeof(noise->clocksource)) < 0)
        strcpy(noise->clocksource, "unknown");
    catch_signals();
    noise->before = calloc(ae_cpus_count(&noise->options.cpus) + 1, sizeof(*noise->before));
    noise->after = calloc(ae_cpus_count(&noise->options.cpus) + 1, sizeof(*noise->after));
    rc = ae_clock_calibrate(&err);
    if (!rc && (!noise->before || !noise->after))
        rc = ae_error_set(&err, -ENOMEM, "out of memory");
    if (!rc)
        rc = measure(noise, &err);
    free(noise->before);
    free(noise->after);
    free(noise);
    return rc ? cli_fail("noise", &err) : CLI_OK;
}
