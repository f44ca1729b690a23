/* SPDX-License-Identifier: Apache-2.0 */
#include "launch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/device.h>
#include <aether/nic.h>
#include <aether/partition.h>
#include <aether/proof.h>

#include "cli.h"

enum {
    KEY_CPU = 0x200,
    KEY_PORT,
    KEY_USER,
    KEY_ALLOW,
    KEY_SECONDS,
    KEY_BIND,
    KEY_NO_PROOF,
    KEY_NO_IOMMU,
    KEY_LAUNCH_JSON,
};

static const struct {
    const char *name;
    uint32_t allow;
} allowances[] = {
    {"tick", AE_QUIET_ALLOW_TICK},         {"shared", AE_QUIET_ALLOW_SHARED},
    {"irqs", AE_QUIET_ALLOW_IRQS},         {"unlocked", AE_QUIET_ALLOW_UNLOCKED},
    {"threads", AE_QUIET_ALLOW_THREADS},   {"all", AE_QUIET_ALLOW_ALL},
};

static unsigned long number(struct argp_state *state, const char *option, const char *text,
                            unsigned long most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || value > most)
        argp_error(state, "%s=%s: a number from 0 to %lu is needed", option, text, most);
    return value;
}

static void allow(struct cli_launch *launch, struct argp_state *state, char *list)
{
    for (char *name; (name = strsep(&list, ","));) {
        size_t i = 0, count = sizeof(allowances) / sizeof(allowances[0]);

        while (i < count && strcmp(allowances[i].name, name) != 0)
            i++;
        if (i == count)
            argp_error(state, "--allow=%s: tick, shared, irqs, unlocked, threads and all are known",
                       name);
        else
            launch->allow |= allowances[i].allow;
    }
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct cli_launch *launch = state->input;

    switch (key) {
    case KEY_CPU:
        launch->cpu = (int)number(state, "--cpu", value, 8191);
        return 0;
    case KEY_PORT:
        if (launch->port_count == AE_WORKER_PORTS)
            argp_error(state, "--port: %d are the most", AE_WORKER_PORTS);
        else
            launch->ports[launch->port_count++] = value;
        return 0;
    case KEY_USER:
        launch->user = value;
        return 0;
    case KEY_ALLOW:
        allow(launch, state, value);
        return 0;
    case KEY_SECONDS:
        launch->seconds = (unsigned)number(state, "--seconds", value, 1000000000);
        return 0;
    case KEY_BIND:
        launch->bind = true;
        return 0;
    case KEY_NO_PROOF:
        launch->no_proof = true;
        return 0;
    case KEY_NO_IOMMU:
        launch->port.allow_no_iommu = true;
        return 0;
    case KEY_LAUNCH_JSON:
        launch->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"cpu", KEY_CPU, "N", 0, "the quiet CPU", 10},
    {"port", KEY_PORT, "SPEC", 0, "a port: a PCI address, or SCHEME:WHAT; repeatable", 10},
    {"bind", KEY_BIND, NULL, 0, "take the cards from the kernel first, give them back at the end", 10},
    {"user", KEY_USER, "NAME", 0, "run the worker as this user", 10},
    {"allow", KEY_ALLOW, "LIST", 0,
     "go on although this is not quiet: tick, shared, irqs, unlocked, threads, all", 10},
    {"seconds", KEY_SECONDS, "N", 0, "ask the worker to stop after this long", 10},
    {"no-proof", KEY_NO_PROOF, NULL, 0, "do not count what the kernel does on the CPU", 10},
    {"allow-no-iommu", KEY_NO_IOMMU, NULL, 0,
     "take devices without an IOMMU: they can then write to all of memory", 10},
    {"json", KEY_LAUNCH_JSON, NULL, 0, "print one JSON object", 10},
    {0},
};

const struct argp cli_launch_argp = {options, parse, NULL, NULL, NULL, NULL, NULL};

void cli_launch_init(struct cli_launch *launch)
{
    memset(launch, 0, sizeof(*launch));
    launch->cpu = -1;
}

/* ---- Hooks: the proof brackets the quiet time ---- */

struct run {
    const struct cli_launch *launch;
    const char *verb;
    struct ae_proof *proof;
    bool finished;
    enum ae_proof_verdict verdict;
    pid_t pid;
};

/* A partition's CPUs are open only to processes in its CPU set; the worker still waits to begin. */
static int enter_partition(pid_t pid, int cpu, struct ae_error *err)
{
    char name[AE_PARTITION_NAME];
    int rc;

    if (ae_partition_applied_on(cpu, name, NULL))
        return 0;
    rc = ae_partition_enter(name, pid, err);
    /* Without CPU sets a partition is made of affinities alone. */
    return rc == -ENOENT ? 0 : rc;
}

static int on_started(void *context, pid_t pid, int cpu, struct ae_error *err)
{
    struct run *run = context;
    int rc = enter_partition(pid, cpu, err);

    if (rc)
        return rc;
    run->pid = pid;
    return run->launch->no_proof ? 0 : ae_proof_prepare(&run->proof, cpu, err);
}

static void on_quiet(void *context)
{
    struct run *run = context;
    struct ae_error err;

    if (run->proof && ae_proof_begin(run->proof, run->pid, &err))
        fprintf(stderr, "aether %s: %s\n", run->verb, err.text);
}

static void on_left(void *context, bool clean)
{
    struct run *run = context;
    struct ae_error err;

    (void)clean;
    if (run->proof && ae_proof_end(run->proof, &err))
        fprintf(stderr, "aether %s: %s\n", run->verb, err.text);
}

static void on_link(void *context, unsigned port, const struct ae_link *link)
{
    const struct run *run = context;

    fprintf(stderr, "aether %s: port %s: %s\n", run->verb, run->launch->ports[port],
            link->device_gone ? "the device is gone" : link->up ? "link up" : "link down");
}

/* ---- Binding for the run ---- */

static void give_back(const struct cli_launch *launch, const char *verb, unsigned count)
{
    struct ae_error err;

    while (count > 0) {
        char address[AE_PCI_ADDRESS_TEXT];

        if (!ae_port_pci_address(launch->ports[--count], address) && ae_nic_unbind(address, &err))
            fprintf(stderr, "aether %s: %s\n", verb, err.text);
    }
}

static int take(const struct cli_launch *launch, const char *verb)
{
    struct ae_error err;

    for (unsigned i = 0; i < launch->port_count; i++) {
        char address[AE_PCI_ADDRESS_TEXT];

        if (!ae_port_pci_address(launch->ports[i], address) && ae_nic_bind(address, NULL, &err)) {
            give_back(launch, verb, i);
            return cli_fail(verb, &err);
        }
    }
    return CLI_OK;
}

/* ---- Output ---- */

/* While a worker runs for JSON, its standard output is a file that only we see. */
static int divert_output(int *saved)
{
    int fd = memfd_create("output", MFD_CLOEXEC);

    fflush(stdout);
    *saved = dup(STDOUT_FILENO);
    dup2(fd, STDOUT_FILENO);
    return fd;
}

static json_t *collect_output(int fd, int saved)
{
    struct stat status;
    json_t *output = NULL;
    char *text;

    dup2(saved, STDOUT_FILENO);
    close(saved);
    if (!fstat(fd, &status) && (text = calloc(1, (size_t)status.st_size + 1))) {
        if (pread(fd, text, (size_t)status.st_size, 0) == status.st_size) {
            output = json_loads(text, 0, NULL);
            if (!output && text[0])
                output = json_string(text);
        }
        free(text);
    }
    close(fd);
    return output;
}

static json_t *counters_json(const struct ae_supervise_result *result, unsigned ports)
{
    json_t *all = json_array();

    for (unsigned i = 0; i < ports; i++) {
        const struct ae_queue_counters *queue = &result->queues[i];

        json_array_append_new(
            all, json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "link",
                           result->links[i].up, "received_frames", (json_int_t)queue->received_frames,
                           "sent_frames", (json_int_t)queue->sent_frames, "receive_errors",
                           (json_int_t)queue->receive_errors, "receive_bad_descriptors",
                           (json_int_t)queue->receive_bad_descriptors, "receive_no_buffer",
                           (json_int_t)queue->receive_no_buffer, "send_full",
                           (json_int_t)queue->send_full, "send_bad", (json_int_t)queue->send_bad,
                           "received_bytes", (json_int_t)queue->received_bytes, "sent_bytes",
                           (json_int_t)queue->sent_bytes));
    }
    return all;
}

static void print_json(const struct run *run, const struct ae_supervise_result *result,
                       json_t *output)
{
    json_t *all = json_object();
    char *proof = run->finished ? ae_proof_json(run->proof) : NULL;

    json_object_set_new(all, run->verb, output ? output : json_null());
    json_object_set_new(all, "ports", counters_json(result, run->launch->port_count));
    if (proof)
        json_object_set_new(all, "proof", json_loads(proof, 0, NULL));
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    free(proof);
    json_decref(all);
}

static int exit_status(const struct run *run, const struct ae_supervise_result *result)
{
    if (WIFSIGNALED(result->status)) {
        fprintf(stderr, "aether %s: the worker was ended by signal %d (%s)%s\n", run->verb,
                WTERMSIG(result->status), strsignal(WTERMSIG(result->status)),
                result->stopped_by_us ? ", from here, since it did not stop when asked" : "");
        return 128 + WTERMSIG(result->status);
    }
    if (WEXITSTATUS(result->status))
        return WEXITSTATUS(result->status);
    return run->finished && run->verdict != AE_PROOF_QUIET && result->was_quiet ? CLI_NOT_QUIET
                                                                                 : CLI_OK;
}

static int supervise(struct run *run, char *const *argv)
{
    const struct cli_launch *launch = run->launch;
    const struct ae_supervise_options supervise_options = {
        .cpu = launch->cpu,
        .ports = launch->ports,
        .port_count = launch->port_count,
        .port = launch->port,
        .user = launch->user,
        .argv = argv,
        .stop_after_ms = (uint64_t)launch->seconds * 1000,
        .hooks = {run, on_started, on_quiet, on_left, on_link},
    };
    struct ae_supervise_result result;
    json_t *output = NULL;
    struct ae_error err;
    int saved = -1, diverted = launch->json ? divert_output(&saved) : -1;
    int rc = ae_supervise(&supervise_options, &result, &err);

    if (launch->json)
        output = collect_output(diverted, saved);
    if (rc) {
        json_decref(output);
        return cli_fail(run->verb, &err);
    }
    if (run->proof && result.was_quiet) {
        run->verdict = ae_proof_finish(run->proof);
        run->finished = true;
    }
    if (launch->json)
        print_json(run, &result, output);
    else if (run->finished)
        ae_proof_print(run->proof, stdout);
    return exit_status(run, &result);
}

int cli_launch_run(const struct cli_launch *launch, const char *verb, char *const *argv)
{
    struct run run = {.launch = launch, .verb = verb};
    int status;

    if (launch->cpu < 0) {
        fprintf(stderr, "aether %s: --cpu=N is needed: the CPU to be quiet on\n", verb);
        return CLI_USAGE;
    }
    status = launch->bind ? take(launch, verb) : CLI_OK;
    if (status)
        return status;
    status = supervise(&run, argv);
    ae_proof_destroy(run.proof);
    if (launch->bind)
        give_back(launch, verb, launch->port_count);
    return status;
}

int cli_launch_self(const struct cli_launch *launch, const char *verb, int argc, char **argv)
{
    char **again = calloc((size_t)argc + 2, sizeof(*again));
    int status;

    if (!again) {
        fprintf(stderr, "aether %s: out of memory\n", verb);
        return CLI_FAILED;
    }
    /* The very file that runs now, even where the worker's user may not look it up by its path. */
    again[0] = (char[]){"/proc/self/exe"};
    again[1] = (char *)(uintptr_t)verb;
    for (int i = 1; i < argc; i++)
        again[i + 1] = argv[i];
    status = cli_launch_run(launch, verb, again);
    free(again);
    return status;
}
