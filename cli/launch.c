/* SPDX-License-Identifier: Apache-2.0 */
#include "launch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/device.h>
#include <aether/nic.h>
#include <aether/partition.h>
#include <aether/proof.h>

#include "base/cpus.h"
#include "base/text.h"
#include "calls.h"
#include "capture.h"
#include "cli.h"
#include "json.h"
#include "proof/certificate/certificate.h"

#define GRACE_MS 10000 /* a worker that prints its results on a loaded host takes its time */

enum {
    KEY_CPU = 0x200,
    KEY_PORT,
    KEY_USER,
    KEY_ALLOW,
    KEY_SECONDS,
    KEY_BIND,
    KEY_NO_PROOF,
    KEY_NO_IOMMU,
    KEY_SMALL_PAGES,
    KEY_LAUNCH_JSON,
    KEY_ENV,
    KEY_INPUT,
    KEY_QUIET,
};

static const struct {
    const char *name;
    uint32_t allow;
} allowances[] = {
    {"tick", AE_QUIET_ALLOW_TICK},       {"shared", AE_QUIET_ALLOW_SHARED},
    {"irqs", AE_QUIET_ALLOW_IRQS},       {"unlocked", AE_QUIET_ALLOW_UNLOCKED},
    {"threads", AE_QUIET_ALLOW_THREADS}, {"all", AE_QUIET_ALLOW_ALL},
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

void cli_launch_allow_text(const struct cli_launch *launch, char *text, size_t size)
{
    const size_t count = sizeof(allowances) / sizeof(allowances[0]) - 1; /* without "all" */

    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        if (launch->allow & allowances[i].allow)
            snprintf(text + strlen(text), size - strlen(text), "%s%s", text[0] ? "," : "",
                     allowances[i].name);
}

static void parse_cpus(struct cli_launch *launch, struct argp_state *state, const char *list)
{
    struct ae_cpus cpus;

    launch->cpu_count = 0;
    if (ae_cpus_parse(&cpus, list) || !ae_cpus_count(&cpus))
        argp_error(state, "--cpu=%s: a CPU or a list such as 2,4-5 is needed", list);
    else if (ae_cpus_count(&cpus) > AE_SUPERVISE_WORKERS)
        argp_error(state, "--cpu=%s: %u CPUs; %d are the most", list, ae_cpus_count(&cpus),
                   AE_SUPERVISE_WORKERS);
    else
        for (int cpu = ae_cpus_next(&cpus, 0); cpu >= 0;
             cpu = ae_cpus_next(&cpus, (unsigned)cpu + 1))
            launch->cpus[launch->cpu_count++] = cpu;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct cli_launch *launch = state->input;

    switch (key) {
    case KEY_CPU:
        parse_cpus(launch, state, value);
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
        launch->asked = launch->seconds;
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
    case KEY_SMALL_PAGES:
        launch->port.page_size = (size_t)sysconf(_SC_PAGESIZE);
        return 0;
    case KEY_LAUNCH_JSON:
        launch->json = true;
        cli_json_ask();
        return 0;
    case KEY_ENV:
        if (!*value || strchr(value, '='))
            argp_error(state, "--env=%s: a variable's name is needed, without a value", value);
        else if (launch->environment_count == CLI_LAUNCH_VARIABLES)
            argp_error(state, "--env: %d are the most", CLI_LAUNCH_VARIABLES);
        else
            launch->environment[launch->environment_count++] = value;
        return 0;
    case KEY_QUIET:
        if (!cli_calls_parse(&launch->calls, value))
            argp_error(state, "--quiet=%s: trace, observe and enforce are known", value);
        return 0;
    case KEY_INPUT:
        launch->input = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"cpu", KEY_CPU, "LIST", 0,
     "the quiet CPU; of several, each runs a worker with a queue of its own", 10},
    {"port", KEY_PORT, "SPEC", 0, "a port: a PCI address, or SCHEME:WHAT; repeatable", 10},
    {"bind", KEY_BIND, NULL, 0, "take the cards from the kernel first, give them back at the end",
     10},
    {"user", KEY_USER, "NAME", 0, "run the worker as this user", 10},
    {"env", KEY_ENV, "NAME", 0,
     "pass this variable on, too (NAME* for all that begin so); repeatable", 10},
    {"input", KEY_INPUT, NULL, 0, "the worker reads our standard input, which is no terminal", 10},
    {"allow", KEY_ALLOW, "LIST", 0,
     "go on although this is not quiet: tick, shared, irqs, unlocked, threads, all", 10},
    {"quiet", KEY_QUIET, "HOW", 0,
     "a system call made while quiet is left to the trace (trace), noted (observe) or refused "
     "(enforce)",
     10},
    {"seconds", KEY_SECONDS, "N", 0, "ask the worker to stop after this long", 10},
    {"no-proof", KEY_NO_PROOF, NULL, 0, "do not count what the kernel does on the CPU", 10},
    {"allow-no-iommu", KEY_NO_IOMMU, NULL, 0,
     "take devices without an IOMMU: they can then write to all of memory", 10},
    {"small-pages", KEY_SMALL_PAGES, NULL, 0,
     "use ordinary pages where there are no huge ones: for ports that no device reaches", 10},
    {"json", KEY_LAUNCH_JSON, NULL, 0, "print one JSON object", 10},
    {0},
};

const struct argp cli_launch_argp = {options, parse, NULL, NULL, NULL, NULL, NULL};

void cli_launch_init(struct cli_launch *launch)
{
    memset(launch, 0, sizeof(*launch));
}

/* ---- Hooks: the proof brackets the quiet time ---- */

struct proof {
    struct ae_proof *proof;
    pid_t pid;
    bool finished;
    enum ae_proof_verdict verdict;
};

struct run {
    const struct cli_launch *launch;
    const char *verb;
    struct proof proofs[AE_SUPERVISE_WORKERS];
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

static int on_started(void *context, unsigned worker, pid_t pid, int cpu, struct ae_error *err)
{
    struct run *run = context;
    int rc = enter_partition(pid, cpu, err);

    run->proofs[worker].pid = pid;
    if (!rc && !run->launch->no_proof)
        rc = ae_proof_prepare(&run->proofs[worker].proof, cpu, err);
    if (run->proofs[worker].proof && run->launch->asked)
        ae_proof_expect(run->proofs[worker].proof, (uint64_t)run->launch->asked * 1000000000);
    return rc;
}

static void on_quiet(void *context, unsigned worker)
{
    struct run *run = context;
    struct proof *proof = &run->proofs[worker];
    const struct cli_launch_watch *watch = run->launch->watch;
    struct ae_error err;

    if (watch)
        watch->quiet(watch->context, proof->pid);
    if (proof->proof && ae_proof_begin(proof->proof, proof->pid, &err))
        fprintf(stderr, "aether %s: %s\n", run->verb, err.text);
}

static void on_left(void *context, unsigned worker, bool clean)
{
    struct run *run = context;
    struct proof *proof = &run->proofs[worker];
    struct ae_error err;

    (void)clean;
    if (proof->proof && ae_proof_end(proof->proof, &err))
        fprintf(stderr, "aether %s: %s\n", run->verb, err.text);
}

static void on_refused(void *context, unsigned worker)
{
    const struct run *run = context;

    fprintf(stderr,
            "aether %s: the worker on CPU %d asked to be quiet a second time and was refused\n",
            run->verb, run->launch->cpus[worker]);
}

static void on_link(void *context, unsigned port, const struct ae_link *link, const char *trouble)
{
    const struct run *run = context;

    fprintf(stderr, "aether %s: port %s: %s%s%s\n", run->verb, run->launch->ports[port],
            link->device_gone ? "the device is gone"
            : link->up        ? "link up"
                              : "link down",
            *trouble ? ": " : "", trouble);
}

/* ---- Binding for the run ---- */

/* CLI_OK, or not all was given back. */
static int give_back(const struct cli_launch *launch, const char *verb, unsigned count)
{
    struct ae_error err;
    int status = CLI_OK;

    while (count > 0) {
        char address[AE_PCI_ADDRESS_TEXT];

        if (!ae_port_pci_address(launch->ports[--count], address) && ae_nic_unbind(address, &err))
            status = cli_fail(verb, &err);
    }
    return status;
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

static json_t *queue_json(const struct ae_queue_counters *queue, bool link)
{
    return json_pack(
        "{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "link", link, "received_frames",
        (json_int_t)queue->received_frames, "sent_frames", (json_int_t)queue->sent_frames,
        "receive_errors", (json_int_t)queue->receive_errors, "receive_bad_descriptors",
        (json_int_t)queue->receive_bad_descriptors, "receive_no_buffer",
        (json_int_t)queue->receive_no_buffer, "send_full", (json_int_t)queue->send_full, "send_bad",
        (json_int_t)queue->send_bad, "send_bad_descriptors",
        (json_int_t)queue->send_bad_descriptors, "received_bytes",
        (json_int_t)queue->received_bytes, "sent_bytes", (json_int_t)queue->sent_bytes);
}

/* Per port; with several workers, per worker and port. */
static json_t *ports_json(const struct run *run, const struct ae_supervise_result *result,
                          unsigned worker)
{
    json_t *all = json_array();

    for (unsigned i = 0; i < run->launch->port_count; i++)
        json_array_append_new(all,
                              queue_json(&result->workers[worker].queues[i], result->links[i].up));
    return all;
}

static json_t *proof_json(const struct proof *proof)
{
    char *text = proof->finished ? ae_proof_json(proof->proof) : NULL;
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;

    free(text);
    return json;
}

static void print_json(const struct run *run, const struct ae_supervise_result *result,
                       json_t *output)
{
    json_t *all = json_object(), *workers = json_array();

    json_object_set_new(all, run->verb, output ? output : json_null());
    for (unsigned i = 0; i < run->launch->cpu_count; i++) {
        json_t *worker = json_object(), *proof = proof_json(&run->proofs[i]);

        json_object_set_new(worker, "cpu", json_integer(run->launch->cpus[i]));
        json_object_set_new(worker, "ports", ports_json(run, result, i));
        if (result->workers[i].calls_in_force)
            json_object_set_new(worker, "system_calls", cli_calls_json(&result->workers[i]));
        if (proof)
            json_object_set_new(worker, "proof", proof);
        json_array_append_new(workers, worker);
    }
    /* One worker's are the object's own. */
    if (run->launch->cpu_count == 1)
        json_object_update(all, json_array_get(workers, 0));
    else
        json_object_set(all, "workers", workers);
    json_decref(workers);
    ae_certificate_make_plain(all); /* the worker chose its words */
    cli_json_print(all, JSON_INDENT(2));
}

/* The worst that became of the workers. */
static int exit_status(const struct run *run, const struct ae_supervise_result *result)
{
    int worst = CLI_OK;

    for (unsigned i = 0; i < run->launch->cpu_count; i++) {
        const struct ae_supervise_worker *worker = &result->workers[i];
        int status = WIFEXITED(worker->status) ? WEXITSTATUS(worker->status) : CLI_FAILED;
        char text[160] = "";

        if (WIFSIGNALED(worker->status)) {
            snprintf(text, sizeof(text), "the worker on CPU %d was ended by signal %d (%s)%s",
                     run->launch->cpus[i], WTERMSIG(worker->status),
                     strsignal(WTERMSIG(worker->status)),
                     worker->stopped_by_us ? ", from here, since it did not stop when asked" : "");
            fprintf(stderr, "aether %s: %s\n", run->verb, text);
            status = 128 + WTERMSIG(worker->status);
        } else if (!status && !run->launch->watch && run->proofs[i].finished &&
                   run->proofs[i].verdict != AE_PROOF_QUIET) {
            status = CLI_NOT_QUIET;
        } else if (status) {
            snprintf(text, sizeof(text), "the worker on CPU %d ended with exit status %d",
                     run->launch->cpus[i], status);
        }
        if (status > worst) {
            worst = status;
            cli_json_because(text);
        }
    }
    return worst;
}

/* Returns what a watcher made of it. */
static int tell(const struct run *run, const struct ae_supervise_result *result, json_t *output)
{
    const struct cli_launch *launch = run->launch;
    const struct cli_launch_watch *watch = launch->watch;
    const struct proof *first = &run->proofs[0];
    int status = CLI_OK;

    if (watch) {
        json_t *ports = ports_json(run, result, 0), *calls = cli_calls_json(&result->workers[0]);

        status = watch->done(watch->context, first->finished ? first->proof : NULL, ports, output,
                             calls);
        json_decref(ports);
        json_decref(calls);
        json_decref(output);
    } else if (launch->json) {
        print_json(run, result, output);
    }
    for (unsigned i = 0; i < launch->cpu_count; i++)
        cli_calls_print(&result->workers[i], run->verb, launch->cpus[i], stderr);
    for (unsigned i = 0; i < launch->cpu_count && !launch->json && !watch; i++)
        if (run->proofs[i].finished)
            ae_proof_print(run->proofs[i].proof, stdout);
    return status;
}

static void finish_proofs(struct run *run, const struct ae_supervise_result *result)
{
    for (unsigned i = 0; i < run->launch->cpu_count; i++)
        if (run->proofs[i].proof && result->workers[i].was_quiet) {
            if (result->workers[i].asked_again)
                ae_proof_remark(run->proofs[i].proof,
                                "the worker asked to be quiet a second time and was refused; this "
                                "is about its first and only quiet time");
            cli_calls_prove(&result->workers[i], run->proofs[i].proof);
            run->proofs[i].verdict = ae_proof_finish(run->proofs[i].proof);
            run->proofs[i].finished = true;
        }
}

static int supervise(struct run *run, char *const *argv)
{
    const struct cli_launch *launch = run->launch;
    const struct ae_supervise_options supervise_options = {
        .cpus = launch->cpus,
        .cpu_count = launch->cpu_count,
        .ports = launch->ports,
        .port_count = launch->port_count,
        .port = launch->port,
        .user = launch->user,
        .environment = launch->environment,
        .input = launch->input,
        .allow = launch->allow,
        .calls = launch->calls,
        .argv = argv,
        .grace_ms = GRACE_MS,
        .stop_after_ms = (uint64_t)launch->seconds * 1000,
        .hooks = {run, on_started, on_quiet, on_left, on_link, on_refused},
    };
    struct ae_supervise_result result;
    struct cli_capture capture = {.fd = -1};
    json_t *output;
    struct ae_error err;
    int rc, told, status;

    if ((launch->json || launch->capture) && cli_capture_begin(&capture, run->verb))
        return CLI_FAILED;
    rc = ae_supervise(&supervise_options, &result, &err);
    output = cli_capture_end(&capture, launch->cpu_count);
    if (capture.cut)
        fprintf(stderr, "aether %s: the worker printed more than %u kB, and the rest is lost\n",
                run->verb, CLI_CAPTURE_MOST / 1024);
    if (result.memory_notice[0])
        fprintf(stderr, "aether %s: %s\n", run->verb, AE_TEXT(result.memory_notice));
    if (result.notice[0])
        fprintf(stderr, "aether %s: %s\n", run->verb, result.notice);
    if (result.trouble[0])
        fprintf(stderr, "aether %s: %s\n", run->verb, result.trouble);
    if (rc) {
        json_decref(output);
        return cli_fail(run->verb, &err);
    }
    finish_proofs(run, &result);
    told = tell(run, &result, output);
    status = exit_status(run, &result);
    if (!status && result.trouble[0])
        status = CLI_FAILED;
    return status ? status : told;
}

int cli_launch_run(const struct cli_launch *launch, const char *verb, char *const *argv)
{
    struct run run = {.launch = launch, .verb = verb};
    int status;

    if (!launch->cpu_count) {
        fprintf(stderr, "aether %s: --cpu=LIST is needed: the CPU to be quiet on\n", verb);
        return CLI_USAGE;
    }
    status = launch->bind ? take(launch, verb) : CLI_OK;
    if (status)
        return status;
    status = supervise(&run, argv);
    for (unsigned i = 0; i < launch->cpu_count; i++)
        ae_proof_destroy(run.proofs[i].proof);
    /* A run whose card was not given back did not end well, whatever came before. */
    if (launch->bind && give_back(launch, verb, launch->port_count) &&
        (status == CLI_OK || status == CLI_NOT_QUIET))
        status = CLI_FAILED;
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
