/* SPDX-License-Identifier: Apache-2.0 */

/* The run: cards are taken, workers supervised, each bracketed by its proof, and cards given
 * back. */

#include "launch_tell.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/device.h>
#include <aether/nic.h>
#include <aether/partition.h>

#include "base/now.h"
#include "base/text.h"
#include "calls.h"
#include "cli.h"
#include "notify.h"
#include "port/domains.h"
#include "printed.h"

#define RESTART_TIMES    5
#define RESTART_SECONDS  60
#define RESTART_DELAY_US 100000

#define GRACE_MS 10000 /* a worker that prints its results on a loaded host takes its time */

/* ---- Hooks: the proof brackets the quiet time ---- */

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

static void on_opened(void *context, unsigned port, const struct ae_port_info *info)
{
    struct cli_launched *run = context;

    run->ports[port] = *info;
    fprintf(stderr, "aether %s: port %s: path %s, caller %s%s\n", run->verb,
            run->launch->ports[port], ae_path_name(info->path), ae_caller_name(info->caller),
            info->caller == AE_CALLER_WORKER
                ? ": the worker makes system calls for its frames, so it cannot be quiet, and its "
                  "proof will say disturbed"
                : "");
}

static int on_started(void *context, unsigned worker, pid_t pid, int cpu, struct ae_error *err)
{
    struct cli_launched *run = context;
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
    struct cli_launched *run = context;
    struct cli_launched_proof *proof = &run->proofs[worker];
    const struct cli_launch_watch *watch = run->launch->watch;
    struct ae_error err;

    if (++run->quiet_count == run->launch->cpu_count)
        cli_notify("READY=1\nSTATUS=quiet");
    if (watch)
        watch->quiet(watch->context, proof->pid);
    if (proof->proof && ae_proof_begin(proof->proof, proof->pid, &err))
        fprintf(stderr, "aether %s: %s\n", run->verb, err.text);
}

static void on_left(void *context, unsigned worker, bool clean)
{
    struct cli_launched *run = context;
    struct cli_launched_proof *proof = &run->proofs[worker];
    struct ae_error err;

    (void)clean;
    if (proof->proof && ae_proof_end(proof->proof, &err))
        fprintf(stderr, "aether %s: %s\n", run->verb, err.text);
}

static void on_refused(void *context, unsigned worker)
{
    const struct cli_launched *run = context;

    fprintf(stderr,
            "aether %s: the worker on CPU %d asked to be quiet a second time and was refused\n",
            run->verb, run->launch->cpus[worker]);
}

static void on_link(void *context, unsigned port, const struct ae_link *link, const char *trouble)
{
    const struct cli_launched *run = context;

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

/* Whatever the kernel's trace can see of it. */
static void prove_callers(const struct cli_launched *run, struct ae_proof *proof)
{
    for (unsigned i = 0; i < run->launch->port_count; i++) {
        char text[AE_PORT_SPEC + 64];

        snprintf(text, sizeof(text), "system calls of the worker for port %u (%s)", i,
                 run->ports[i].driver);
        if (run->ports[i].caller == AE_CALLER_WORKER)
            ae_proof_add_cause(proof, text, 1);
    }
}

static void finish_proofs(struct cli_launched *run, const struct ae_supervise_result *result)
{
    for (unsigned i = 0; i < run->launch->cpu_count; i++)
        if (run->proofs[i].proof && result->workers[i].was_quiet) {
            if (result->workers[i].asked_again)
                ae_proof_remark(run->proofs[i].proof,
                                "the worker asked to be quiet a second time and was refused; this "
                                "is about its first and only quiet time");
            cli_calls_prove(&result->workers[i], run->proofs[i].proof);
            prove_callers(run, run->proofs[i].proof);
            run->proofs[i].verdict = ae_proof_finish(run->proofs[i].proof);
            run->proofs[i].finished = true;
        }
}

static void drop_proofs(struct cli_launched *run)
{
    for (unsigned i = 0; i < run->launch->cpu_count; i++)
        ae_proof_destroy(run->proofs[i].proof);
    memset(run->proofs, 0, sizeof(run->proofs));
    run->quiet_count = 0;
}

/* ---- Starting again ---- */

/* The last but `times` restarts were long enough ago. */
static bool is_within_limit(struct cli_launched *run, unsigned times, unsigned seconds)
{
    int64_t now = ae_now_ms();

    if (run->restart_count >= times &&
        now - run->restarts[(run->restart_count - times) % CLI_RESTARTS] < (int64_t)seconds * 1000)
        return false;
    run->restarts[run->restart_count++ % CLI_RESTARTS] = now;
    return true;
}

static bool on_ended(void *context)
{
    struct cli_launched *run = context;
    const struct cli_launch *launch = run->launch;
    unsigned times = launch->restart_times ? launch->restart_times : RESTART_TIMES;
    unsigned seconds = launch->restart_seconds ? launch->restart_seconds : RESTART_SECONDS;
    bool failed = false;

    for (unsigned i = 0; i < launch->cpu_count; i++)
        failed |= run->result->workers[i].status != 0;
    if (launch->restart == CLI_RESTART_NO || (launch->restart == CLI_RESTART_ON_FAILURE && !failed))
        return false;
    if (!is_within_limit(run, times, seconds)) {
        fprintf(stderr, "aether %s: started again %u times within %u s, and not once more\n",
                run->verb, times, seconds);
        return false;
    }
    finish_proofs(run, run->result);
    cli_launch_tell(run, run->result, NULL);
    cli_launch_status(run, run->result);
    drop_proofs(run);
    fprintf(stderr, "aether %s: starting again\n", run->verb);
    cli_notify("STATUS=starting again");
    usleep(RESTART_DELAY_US);
    return true;
}

static bool on_hangup(void *context)
{
    struct cli_launched *run = context;

    if (run->reloading) /* it is decided, and the file is read then */
        return false;
    run->reloading = run->launch->hangup();
    return run->reloading;
}

static struct ae_supervise_options options_of(struct cli_launched *run, char *const *argv)
{
    const struct cli_launch *launch = run->launch;

    return (struct ae_supervise_options){
        .name = launch->name                          ? launch->name
                : strcmp(argv[0], CLI_OURSELVES) == 0 ? run->verb
                                                      : NULL,
        .cpus = launch->cpus,
        .cpu_count = launch->cpu_count,
        .ports = launch->ports,
        .port_count = launch->port_count,
        .channels = launch->channels,
        .channel_count = launch->channel_count,
        .port = launch->port,
        .user = launch->user,
        .environment = launch->environment,
        .input = launch->input,
        .allow = launch->allow,
        .calls = launch->calls,
        .log = launch->log,
        .mirror = launch->mirror,
        .argv = argv,
        .grace_ms = GRACE_MS,
        .stop_after_ms = (uint64_t)launch->seconds * 1000,
        .hooks = {run, on_opened, on_started, on_quiet, on_left, on_link, on_refused, on_ended,
                  launch->hangup ? on_hangup : NULL},
    };
}

/* Before a card is taken from the kernel. */
static int check_memory(const struct ae_supervise_options *options, const char *verb)
{
    struct ae_port_plan plans[AE_WORKER_PORTS];
    struct ae_error err;

    return ae_supervise_plan(options, plans, &err) ? cli_fail(verb, &err) : CLI_OK;
}

/* Those that share: who said so may have forgotten whom it lets see what. */
static void tell_domains(const struct cli_launch *launch, const char *verb)
{
    char name[AE_PORT_SPEC], other[AE_PORT_SPEC];

    for (unsigned i = 0; i < launch->port_count; i++)
        for (unsigned j = 0; j < i; j++) {
            ae_domains_name(launch->ports[i], name);
            ae_domains_name(launch->ports[j], other);
            if (!name[0] || strcmp(name, other) != 0)
                continue;
            fprintf(stderr, "aether %s: ports %s and %s share their packets\n", verb,
                    launch->ports[j], launch->ports[i]);
            break;
        }
}

static int supervise(struct cli_launched *run, const struct ae_supervise_options *options)
{
    const struct cli_launch *launch = run->launch;
    struct ae_supervise_result result;
    struct cli_printed printed = {.fd = -1};
    json_t *output;
    struct ae_error err;
    int rc, told, status;

    if ((launch->json || launch->printed) && cli_printed_begin(&printed, run->verb))
        return CLI_FAILED;
    run->result = &result;
    tell_domains(run->launch, run->verb);
    rc = ae_supervise(options, &result, &err);
    run->reloading &= !result.told_to_end;
    cli_notify(run->reloading ? "STATUS=starting anew" : "STOPPING=1");
    output = cli_printed_end(&printed, launch->cpu_count);
    if (printed.cut)
        fprintf(stderr, "aether %s: the worker printed more than %u kB, and the rest is lost\n",
                run->verb, CLI_PRINTED_MOST / 1024);
    if (result.memory_notice[0])
        fprintf(stderr, "aether %s: %s\n", run->verb, AE_TEXT(result.memory_notice));
    if (result.view_notice[0])
        fprintf(stderr, "aether %s: %s\n", run->verb, AE_TEXT(result.view_notice));
    if (result.notice[0])
        fprintf(stderr, "aether %s: %s\n", run->verb, result.notice);
    if (result.trouble[0])
        fprintf(stderr, "aether %s: %s\n", run->verb, result.trouble);
    if (rc) {
        json_decref(output);
        return cli_fail(run->verb, &err);
    }
    finish_proofs(run, &result);
    told = cli_launch_tell(run, &result, output);
    status = cli_launch_status(run, &result);
    if (!status && result.trouble[0])
        status = CLI_FAILED;
    return status ? status : told;
}

static int check(const struct cli_launch *launch, const char *verb)
{
    if (!launch->cpu_count) {
        fprintf(stderr, "aether %s: --cpu=LIST is needed: the CPU to be quiet on\n", verb);
        return CLI_USAGE;
    }
    if (launch->restart && launch->json) {
        fprintf(stderr, "aether %s: --json is about one run, and --restart makes several\n", verb);
        return CLI_USAGE;
    }
    return CLI_OK;
}

int cli_launch_check(const struct cli_launch *launch, const char *verb, char *const *argv)
{
    struct cli_launched run = {.launch = launch, .verb = verb};
    const struct ae_supervise_options options = options_of(&run, argv);
    struct ae_port_plan plans[AE_WORKER_PORTS];
    int status = check(launch, verb);
    struct ae_error err;
    int rc = status ? 0 : ae_supervise_plan(&options, plans, &err);

    /* What memory is free now says nothing of then. */
    return rc && rc != -ENOMEM ? cli_fail(verb, &err) : status;
}

/* A signal that ends us does so when all is given back: only a supervisor hears it before. */
static void block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static bool is_told_to_end(void)
{
    sigset_t set;

    sigpending(&set);
    return sigismember(&set, SIGINT) || sigismember(&set, SIGTERM);
}

int cli_launch_run(const struct cli_launch *launch, const char *verb, char *const *argv)
{
    struct cli_launched run = {.launch = launch, .verb = verb};
    const struct ae_supervise_options options = options_of(&run, argv);
    int status = check(launch, verb);

    block_signals();
    if (!status)
        status = check_memory(&options, verb);
    if (!status && launch->bind)
        status = take(launch, verb);
    if (status)
        return status;
    status = supervise(&run, &options);
    drop_proofs(&run);
    /* A run whose card was not given back did not end well, whatever came before. */
    if (launch->bind && give_back(launch, verb, launch->port_count) &&
        (status == CLI_OK || status == CLI_NOT_QUIET))
        status = CLI_FAILED;
    if (launch->anew)
        *launch->anew = run.reloading && !is_told_to_end();
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
    again[0] = (char[]){CLI_OURSELVES};
    again[1] = (char *)(uintptr_t)verb;
    for (int i = 1; i < argc; i++)
        again[i + 1] = argv[i];
    status = cli_launch_run(launch, verb, again);
    free(again);
    return status;
}
