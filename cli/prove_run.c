/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/cpus.h"
#include "base/error.h"
#include "calls.h"
#include "cli.h"
#include "proof/certificate/certificate.h"
#include "proof/task.h"
#include "prove.h"

#define SETTLE_NS 200000000 /* what arming the trace stirs up is over by then */
#define DAY       (24 * 3600)

/* Most of the time, but a loaded host needs some of it to read its files. */
unsigned cli_prove_window_ms(unsigned seconds)
{
    unsigned all = (seconds < DAY ? seconds : DAY) * 1000, spare = all / 5;

    if (spare < 5000)
        spare = all / 2 < 5000 ? all / 2 : 5000;
    return all - spare;
}

static void add_command(struct ae_certificate *certificate, const struct cli_prove *prove,
                        const char *way)
{
    ae_certificate_add_value(certificate, "command",
                             json_pack("{s:s, s:s}", "aether", AE_VERSION, "way", way));
    if (prove->demand.nonce)
        ae_certificate_add_nonce(certificate, prove->demand.nonce);
}

/* ---- A worker of our own ---- */

struct own {
    const struct cli_prove *prove;
    struct ae_certificate *certificate;
    uint64_t quiet_ticks; /* when it was at its gate */
};

static void on_quiet(void *context, pid_t pid)
{
    struct own *own = context;
    struct ae_error err;

    own->quiet_ticks = ae_clock_ticks();
    if (ae_certificate_watch(own->certificate, pid, cli_prove_window_ms(own->prove->launch.seconds),
                             &err))
        fprintf(stderr, "aether prove: %s\n", err.text);
}

/* Less than was asked for by name is incomplete; less than is usual is said. */
static void say_if_short(const struct own *own, const struct ae_proof *proof)
{
    uint64_t end = ae_proof_end_ticks(proof);
    uint64_t ms = end > own->quiet_ticks ? ae_clock_to_ns(end - own->quiet_ticks) / 1000000 : 0;

    if (!own->prove->launch.asked && ms + 10 < (uint64_t)own->prove->launch.seconds * 1000)
        ae_certificate_limit(
            own->certificate,
            "the duration: the worker ended before the %u s that it is given unless "
            "--seconds says otherwise",
            own->prove->launch.seconds);
}

static int on_done(void *context, const struct ae_proof *proof, json_t *ports, json_t *output,
                   const struct ae_supervise_worker *worker)
{
    struct own *own = context;

    if (!proof) {
        fprintf(stderr, "aether prove: the worker never was quiet (ae_quiet_enter), so there is "
                        "nothing to certify\n");
        return CLI_FAILED;
    }
    ae_certificate_add_value(own->certificate, own->prove->program ? "worker_output" : "gaps",
                             json_incref(output));
    if (own->prove->launch.calls)
        ae_certificate_add_value(own->certificate, "system_calls", cli_calls_json(worker));
    if (worker->loop_count)
        ae_certificate_add_value(own->certificate, "worker_loops",
                                 ae_certificate_loops(worker->loops, worker->loop_count));
    if (json_array_size(ports))
        ae_certificate_add_value(own->certificate, "ports", json_incref(ports));
    say_if_short(own, proof);
    ae_certificate_finish(own->certificate, proof);
    return cli_prove_end(own->prove, own->certificate);
}

/* ---- Its command line ---- */

static bool is_built_in(const struct cli_prove *prove)
{
    return prove->program &&
           (strcmp(prove->program[0], "echo") == 0 || strcmp(prove->program[0], "ping") == 0);
}

static char *option(const char *name, const char *value)
{
    char *text = NULL;

    if (asprintf(&text, "--%s=%s", name, value) < 0)
        abort();
    return text;
}

/* This very file again, whatever the worker's user may look up; its launch options are ours. */
static char **self_command(const struct cli_prove *prove)
{
    const struct cli_launch *launch = &prove->launch;
    char **argv = calloc((size_t)prove->program_count + launch->port_count + 8, sizeof(*argv));
    char number[16], allowed[64];
    unsigned count = 0;

    if (!argv)
        abort();
    argv[count++] = strdup("/proc/self/exe");
    argv[count++] = strdup(prove->program ? prove->program[0] : "prove");
    snprintf(number, sizeof(number), "%d", launch->cpus[0]);
    argv[count++] = option("cpu", number);
    for (unsigned i = 0; i < launch->port_count; i++)
        argv[count++] = option("port", launch->ports[i]);
    cli_launch_allow_text(launch, allowed, sizeof(allowed));
    if (allowed[0])
        argv[count++] = option("allow", allowed);
    if (prove->program)
        argv[count++] = strdup("--json");
    for (int i = 1; i < prove->program_count; i++)
        argv[count++] = strdup(prove->program[i]);
    return argv;
}

static void free_command(char **argv)
{
    for (char **word = argv; *word; word++)
        free(*word);
    free(argv);
}

static int launch_it(struct cli_prove *prove)
{
    char **argv;
    int status;

    if (prove->program && !is_built_in(prove))
        return cli_launch_run(&prove->launch, "prove", prove->program);
    prove->launch.printed = true;
    argv = self_command(prove);
    status = cli_launch_run(&prove->launch, "prove", argv);
    free_command(argv);
    return status;
}

int cli_prove_run(struct cli_prove *prove)
{
    struct own own = {.prove = prove};
    const struct cli_launch_watch watch = {&own, on_quiet, on_done};
    struct ae_error err;
    int status;

    if (prove->launch.cpu_count != 1) {
        fprintf(stderr, "aether prove: --cpu=N is needed: one CPU, for a certificate is about one; "
                        "watch each worker of several with --pid=PID\n");
        return CLI_USAGE;
    }
    if (ae_certificate_begin(&own.certificate, prove->launch.cpus[0], prove->partition, &err))
        return cli_fail("prove", &err);
    add_command(own.certificate, prove,
                "started by it, and waited at both ends of the time that is proved");
    if (prove->program)
        cli_prove_gaps_before(prove, own.certificate);
    prove->launch.watch = &watch;
    status = launch_it(prove);
    ae_certificate_free(own.certificate);
    return status;
}

/* ---- A worker that runs already ---- */

static void on_signal(int number)
{
    (void)number;
}

/* The one CPU it is tied to. The proof looks again, at both ends. */
static int find_cpu(pid_t pid, struct ae_error *err)
{
    struct ae_task_counters task;
    char list[128];

    if (ae_task_counters_read(&task, pid))
        return ae_error_set(err, -ESRCH, "there is no process %d", pid);
    if (task.allowed_seen && ae_cpus_count(&task.allowed) == 1)
        return ae_cpus_next(&task.allowed, 0);
    return ae_error_set(err, -EINVAL,
                        "process %d may run on CPUs %s; a worker is tied to one (taskset -c)", pid,
                        task.allowed_seen ? ae_cpus_show(&task.allowed, list, sizeof(list))
                                          : "that the kernel does not tell");
}

static int leave_cpu(int cpu, struct ae_error *err)
{
    cpu_set_t set;

    if (cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(set), &set))
        return ae_error_set(err, -EINVAL, "CPU %d: there is no such CPU", cpu);
    if (!CPU_ISSET((size_t)cpu, &set))
        return 0;
    CPU_CLR((size_t)cpu, &set);
    if (CPU_COUNT(&set) == 0 || sched_setaffinity(0, sizeof(set), &set))
        return ae_error_set(err, -EINVAL, "this process cannot leave CPU %d for another", cpu);
    return 0;
}

/* Until the time is over, the process has ended, or a signal says that it is enough. */
static void wait_for(int process, unsigned seconds)
{
    struct pollfd end = {.fd = process, .events = POLLIN};
    const struct timespec time = {.tv_sec = seconds};
    const struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    ppoll(&end, 1, &time, NULL);
}

static int watch_it(const struct cli_prove *prove, int process, struct ae_certificate *certificate,
                    struct ae_proof *proof, struct ae_error *err)
{
    const struct timespec settle = {.tv_nsec = SETTLE_NS};
    unsigned seconds = prove->launch.seconds;
    int rc = ae_certificate_watch(certificate, prove->pid, cli_prove_window_ms(seconds), err);

    ae_proof_expect(proof, (uint64_t)prove->launch.asked * 1000000000);
    nanosleep(&settle, NULL);
    if (!rc)
        rc = ae_proof_begin(proof, prove->pid, err);
    if (!rc)
        wait_for(process, seconds);
    if (!rc)
        rc = ae_proof_end(proof, err);
    if (!rc)
        ae_proof_finish(proof);
    return rc;
}

static void say_what_is_open(const struct cli_prove *prove, struct ae_certificate *certificate)
{
    add_command(certificate, prove, "there before, and was watched from outside");
    ae_certificate_limit(certificate, "the ends: the worker did not say when it was quiet; this is "
                                      "about the time it was watched, not about before or after");
    ae_certificate_add(certificate, "gaps",
                       "{\"measured\": false, \"why\": \"the worker has the CPU, and a second loop "
                       "would disturb it\"}");
}

/* Held from before anything is asked of the process: while it is, its number is nobody else's
 * unseen. */
static int open_process(pid_t pid, struct ae_error *err)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    return fd < 0 ? ae_error_set(err, -errno, "watching process %d: %s%s", pid, strerror(errno),
                                 errno == EINVAL ? " (a thread's id is not enough)" : "")
                  : fd;
}

int cli_prove_attach(struct cli_prove *prove)
{
    struct ae_certificate *certificate = NULL;
    struct ae_proof *proof = NULL;
    struct ae_error err;
    int process = open_process(prove->pid, &err), cpu = -1, end = CLI_FAILED;
    int rc = process < 0 ? process : 0;

    if (!rc && (cpu = find_cpu(prove->pid, &err)) < 0)
        rc = cpu;
    if (!rc)
        rc = leave_cpu(cpu, &err);
    if (!rc)
        rc = ae_certificate_begin(&certificate, cpu, prove->partition, &err);
    if (!rc)
        rc = ae_proof_prepare(&proof, cpu, &err);
    if (!rc) {
        say_what_is_open(prove, certificate);
        rc = watch_it(prove, process, certificate, proof, &err);
    }
    if (rc) {
        cli_fail("prove", &err);
    } else {
        ae_certificate_finish(certificate, proof);
        end = cli_prove_end(prove, certificate);
    }
    ae_proof_destroy(proof);
    ae_certificate_free(certificate);
    if (process >= 0)
        close(process);
    return end;
}
