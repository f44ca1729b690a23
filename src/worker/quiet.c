/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/cpus.h"
#include "base/error.h"
#include "base/root.h"
#include "base/text.h"
#include "port/port.h"
#include "worker/calls.h"
#include "worker/shared.h"

#define STACK_DEFAULT (256 * 1024)
#define STACK_MAX     (4 * 1024 * 1024)
/* A supervisor on a loaded host CPU may take seconds; one that has died takes this process with
 * it. */
#define PROOF_MS_DEFAULT 30000
#define FINDING          160

/* Each check writes what is missing, and leaves the text empty when nothing is. */
struct check {
    uint32_t allow;
    const char *name; /* as --allow takes it */
    void (*find)(const struct ae_shared *shared, unsigned cpu, char text[FINDING]);
};

static void find_tick(const struct ae_shared *shared, unsigned cpu, char text[FINDING])
{
    struct ae_cpus cpus;

    (void)shared;
    if (ae_cpus_read(&cpus, "/sys/devices/system/cpu/nohz_full") || !ae_cpus_has(&cpus, cpu))
        snprintf(text, FINDING, "CPU %u keeps its timer tick (kernel parameter nohz_full=%u)", cpu,
                 cpu);
}

/* A user task, not ourselves, that the scheduler may put on the CPU. */
struct tasks {
    unsigned cpu;
    unsigned count;
    char first[64];
    char process[24]; /* being looked at */
};

static void look_at_status(struct tasks *tasks, const char *path, const char *tid)
{
    char name[32] = "?", *text, *list;
    struct ae_cpus cpus;

    if (ae_root_read_all(path, &text) < 0)
        return; /* it ended meanwhile */
    list = strstr(text, "\nCpus_allowed_list:\t");
    /* Kernel threads have no memory of their own; those of a CPU cannot leave it. */
    if (list && strstr(text, "\nVmSize:")) {
        list += strlen("\nCpus_allowed_list:\t");
        list[strcspn(list, "\n")] = '\0';
        if (!ae_cpus_parse(&cpus, list) && ae_cpus_has(&cpus, tasks->cpu) && tasks->count++ == 0) {
            sscanf(text, "Name:\t%31[^\n]", name);
            snprintf(tasks->first, sizeof(tasks->first), "%s, process %.20s", AE_TEXT(name), tid);
        }
    }
    free(text);
}

static int look_at_thread(const char *tid, void *context)
{
    struct tasks *tasks = context;
    char path[96];

    snprintf(path, sizeof(path), "/proc/%s/task/%.20s/status", tasks->process, tid);
    if (tid[0] >= '1' && tid[0] <= '9' && strcmp(tid, tasks->process) != 0)
        look_at_status(tasks, path, tid);
    return 0;
}

static int look_at_process(const char *pid, void *context)
{
    struct tasks *tasks = context;
    char path[64];

    if (pid[0] < '1' || pid[0] > '9' || atoi(pid) == getpid())
        return 0;
    snprintf(tasks->process, sizeof(tasks->process), "%.20s", pid);
    snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
    look_at_status(tasks, path, pid);
    /* Its threads have CPUs of their own. */
    snprintf(path, sizeof(path), "/proc/%.20s/task", pid);
    ae_root_list(path, look_at_thread, tasks);
    return 0;
}

static void find_sharing(const struct ae_shared *shared, unsigned cpu, char text[FINDING])
{
    struct tasks tasks = {.cpu = cpu};
    cpu_set_t set;

    (void)shared;
    if (sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) != 1) {
        snprintf(text, FINDING, "this process is not tied to one CPU (aether run --cpu N)");
        return;
    }
    ae_root_list("/proc", look_at_process, &tasks);
    if (tasks.count)
        snprintf(text, FINDING,
                 "%u other tasks may run on CPU %u, the first is %s "
                 "(isolcpus=domain,%u)",
                 tasks.count, cpu, tasks.first, cpu);
}

struct irqs {
    const struct ae_shared *shared;
    unsigned cpu;
    unsigned count;
    char first[16];
};

static bool is_immovable(const struct ae_shared *shared, const char *irq)
{
    uint32_t number = (uint32_t)strtoul(irq, NULL, 10);

    for (uint32_t i = 0; i < shared->irq_count && i < AE_SHARED_IRQS; i++)
        if (shared->irqs[i] == number)
            return true;
    return false;
}

static int look_at_irq(const char *irq, void *context)
{
    struct irqs *irqs = context;
    struct ae_cpus cpus;
    char path[64];

    snprintf(path, sizeof(path), "/proc/irq/%.12s/effective_affinity_list", irq);
    /* One that nobody can move is silent until this CPU submits I/O; the proof counts it. */
    if (!ae_cpus_read(&cpus, path) && ae_cpus_has(&cpus, irqs->cpu) &&
        !is_immovable(irqs->shared, irq) && irqs->count++ == 0)
        snprintf(irqs->first, sizeof(irqs->first), "%.12s", irq);
    return 0;
}

static void find_irqs(const struct ae_shared *shared, unsigned cpu, char text[FINDING])
{
    struct irqs irqs = {.shared = shared, .cpu = cpu};

    ae_root_list("/proc/irq", look_at_irq, &irqs);
    if (irqs.count)
        snprintf(text, FINDING,
                 "%u interrupts are routed to CPU %u, the first is IRQ %s "
                 "(irqaffinity=, /proc/irq/%s/smp_affinity_list)",
                 irqs.count, cpu, irqs.first, irqs.first);
}

static void find_unlocked(const struct ae_shared *shared, unsigned cpu, char text[FINDING])
{
    struct rlimit limit = {0, 0};

    (void)shared, (void)cpu;
    if (!mlockall(MCL_CURRENT | MCL_FUTURE))
        return;
    getrlimit(RLIMIT_MEMLOCK, &limit);
    snprintf(text, FINDING, "its memory cannot be locked: %s (RLIMIT_MEMLOCK is %llu kB)",
             strerror(errno), (unsigned long long)limit.rlim_cur / 1024);
}

static int count_entry(const char *name, void *context)
{
    (void)name;
    ++*(unsigned *)context;
    return 0;
}

static void find_threads(const struct ae_shared *shared, unsigned cpu, char text[FINDING])
{
    unsigned threads = 0;

    (void)shared, (void)cpu;
    ae_root_list("/proc/self/task", count_entry, &threads);
    if (threads > 1)
        snprintf(text, FINDING, "the process has %u threads; each can interrupt this one", threads);
}

static const struct check checks[] = {
    {AE_QUIET_ALLOW_TICK, "tick", find_tick},
    {AE_QUIET_ALLOW_SHARED, "shared", find_sharing},
    {AE_QUIET_ALLOW_IRQS, "irqs", find_irqs},
    {AE_QUIET_ALLOW_UNLOCKED, "unlocked", find_unlocked},
    {AE_QUIET_ALLOW_THREADS, "threads", find_threads},
};

static int check_all(const struct ae_shared *shared, uint32_t allow, struct ae_error *err)
{
    unsigned cpu = (unsigned)sched_getcpu();
    char all[AE_ERROR_TEXT - 128];
    size_t used = 0;

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        char text[FINDING] = "";
        int length;

        checks[i].find(shared, cpu, text);
        if (!text[0] || checks[i].allow & allow)
            continue;
        length = snprintf(all + used, sizeof(all) - used, "%s%s [%s]", used ? "; " : "", text,
                          checks[i].name);
        used += (size_t)length < sizeof(all) - used ? (size_t)length : sizeof(all) - used - 1;
    }
    if (!used)
        return 0;
    return ae_error_set(err, -EPERM,
                        "cannot be quiet: %s; each can be allowed by the name in "
                        "brackets",
                        all);
}

/* Touches the stack below us, so that no later call faults on it. */
static __attribute__((noinline)) void touch_stack(size_t size)
{
    volatile uint8_t page[4096];

    page[0] = 0;
    if (size > sizeof(page))
        touch_stack(size - sizeof(page));
    page[sizeof(page) - 1] = 0;
}

static void keep_heap(void)
{
    /* What was allocated is never given back, and nothing is mapped anew behind our back. */
    mallopt(M_TRIM_THRESHOLD, -1);
    mallopt(M_MMAP_MAX, 0);
}

static void return_streams(struct ae_worker *worker)
{
    ae_log_return_streams(worker->streams);
    worker->streams = NULL;
}

/* A port whose calls are the worker's own is of no use where calls are refused. */
static int check_callers(const struct ae_worker *worker, enum ae_quiet_calls calls,
                         struct ae_error *err)
{
    for (unsigned i = 0; i < worker->port_count; i++) {
        struct ae_port_info info;

        ae_port_get_info(worker->ports[i], &info);
        if (info.caller == AE_CALLER_WORKER && calls == AE_QUIET_ENFORCE)
            return ae_error_set(err, -EOPNOTSUPP,
                                "entering quiet: port %s has the worker make system calls for its "
                                "frames, and all are to be refused (--quiet=enforce)",
                                info.spec);
    }
    return 0;
}

int ae_quiet_enter(struct ae_worker *worker, const struct ae_quiet_options *options,
                   struct ae_error *err)
{
    size_t stack = options && options->stack ? options->stack : STACK_DEFAULT;
    uint32_t allow =
        (options ? options->allow : 0) | (worker->supervised ? worker->shared->allow : 0);
    uint32_t patience = options && options->proof_ms ? options->proof_ms : PROOF_MS_DEFAULT;
    enum ae_quiet_calls calls = options ? options->calls : AE_QUIET_TRACE;
    int rc;

    if (worker->quiet)
        return ae_error_set(err, -EALREADY, "entering quiet: this worker is quiet already");
    if (stack > STACK_MAX)
        return ae_error_set(err, -EINVAL, "entering quiet: %zu bytes of stack; %d are the most",
                            stack, STACK_MAX);
    keep_heap();
    /* Before memory is locked: a stack that grows past RLIMIT_MEMLOCK then is a SIGSEGV. */
    touch_stack(stack);
    rc = check_all(worker->shared, allow, err);
    if (rc)
        return rc;
    if (worker->supervised && worker->shared->calls > calls)
        calls = worker->shared->calls == AE_QUIET_OBSERVE ? AE_QUIET_OBSERVE : AE_QUIET_ENFORCE;
    rc = check_callers(worker, calls, err);
    if (!rc)
        rc = ae_calls_begin(calls, worker->shared ? &worker->shared->made : NULL, err);
    if (rc)
        return rc;
    if (worker->log.shared && ae_log_take_streams(&worker->streams, &worker->log)) {
        ae_calls_end();
        return ae_error_set(err, -ENOMEM, "entering quiet: out of memory");
    }
    worker->proof_ticks = ae_clock_from_ns((uint64_t)patience * 1000000);
    ae_calls_watch();
    rc = ae_gate_pass(worker, AE_GATE_QUIET);
    if (rc) {
        ae_calls_end();
        return_streams(worker);
    }
    if (rc == -EALREADY)
        return ae_error_set(err, rc,
                            "entering quiet: the supervisor refused it: this worker was quiet "
                            "before, and a start has one quiet time; start it anew");
    if (rc)
        return ae_error_set(err, rc, "entering quiet: the supervisor did not answer in %u ms",
                            patience);
    for (unsigned i = 0; i < worker->port_count; i++)
        ae_port_resume(worker->ports[i]);
    worker->quiet = true;
    return 0;
}

void ae_quiet_leave(struct ae_worker *worker)
{
    if (!worker->quiet)
        return;
    worker->quiet = false;
    /* It may do something else for long now. */
    for (unsigned i = 0; i < worker->port_count; i++)
        ae_port_pause(worker->ports[i]);
    ae_gate_pass(worker, AE_GATE_LEFT);
    ae_calls_end();
    return_streams(worker);
}
