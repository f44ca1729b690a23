/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/gap.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/clock.h>
#include <aether/partition.h>

#include "base/error.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define LEAD_NS       1000000 /* from opening the gate to the common begin */
#define START_SECONDS 10      /* for all processes to come up, and to end after their time */

/* Shared between the parent and the loops. */
struct gate {
    uint32_t ready; /* loops that wait to begin, or could not */
    uint32_t open;  /* set once by the parent: a loop pairs its acquire with that release */
    uint64_t begin;
    uint64_t deadline;
};

uint64_t ae_gap_count_power(const struct ae_gap_record *record, unsigned power)
{
    uint64_t from = UINT64_C(1) << power, to = from << 1, sum = 0;
    uint32_t end = to > AE_HISTOGRAM_MAX ? AE_HISTOGRAM_BUCKETS : ae_histogram_bucket(to);

    for (uint32_t bucket = ae_histogram_bucket(from); bucket < end; bucket++)
        sum += record->lengths.buckets[bucket];
    return sum;
}

static void note_gap(struct ae_gap_record *record, uint64_t start, uint64_t end, uint32_t capacity)
{
    record->gaps++;
    record->gap_ticks += end - start;
    ae_histogram_record(&record->lengths, ae_clock_to_ns(end - start));
    if (record->kept < capacity)
        record->items[record->kept++] = (struct ae_gap){start, end};
    else
        record->overflow++;
}

void ae_gap_loop(struct ae_gap_record *record, uint64_t begin, uint64_t threshold,
                 uint64_t deadline, uint32_t capacity)
{
    uint64_t last = begin, shortest = UINT64_MAX, longest = 0, readings = 0;

    record->start = last;
    while (ae_clock_ticks() < begin)
        ;
    while (last < deadline) {
        uint64_t now = ae_clock_ticks(), took = now - last;

        readings++;
        if (took < shortest)
            shortest = took;
        if (took > longest)
            longest = took;
        if (took > threshold) {
            note_gap(record, last, now, capacity);
            /* Noting it took time of its own, which is no gap. */
            now = ae_clock_ticks();
        }
        last = now;
    }
    record->end = last;
    record->readings = readings;
    record->shortest = shortest;
    record->longest = longest;
}

static int enter_partition(unsigned cpu)
{
    char name[AE_PARTITION_NAME];
    int rc = ae_partition_applied_on((int)cpu, name, NULL);

    return rc ? rc : ae_partition_enter(name, getpid(), NULL);
}

static int pin(unsigned cpu)
{
    size_t size = CPU_ALLOC_SIZE(AE_CPUS_MAX);
    cpu_set_t *set = CPU_ALLOC(AE_CPUS_MAX);
    int rc;

    if (!set)
        return -ENOMEM;
    CPU_ZERO_S(size, set);
    CPU_SET_S(cpu, size, set);
    rc = sched_setaffinity(0, size, set) ? -errno : 0;
    /* The CPUs of a partition are open only to what is in its CPU set. */
    if (rc == -EINVAL && enter_partition(cpu) == 0)
        rc = sched_setaffinity(0, size, set) ? -errno : 0;
    CPU_FREE(set);
    return rc;
}

static int prepare(struct ae_gap_record *record, const struct ae_gap_options *options)
{
    struct sched_param param = {.sched_priority = options->fifo_priority};
    int rc = pin(record->cpu);

    if (rc) {
        record->failed = AE_GAP_STEP_PIN;
        return rc;
    }
    if (options->fifo_priority && sched_setscheduler(0, SCHED_FIFO, &param)) {
        record->failed = AE_GAP_STEP_PRIORITY;
        return -errno;
    }
    record->locked = mlockall(MCL_CURRENT) == 0;
    memset(record->items, 0, options->capacity * sizeof(*record->items));
    return 0;
}

static void note_usage(struct ae_gap_record *record, const struct rusage *before)
{
    struct rusage now;

    getrusage(RUSAGE_SELF, &now);
    record->voluntary = (uint64_t)(now.ru_nvcsw - before->ru_nvcsw);
    record->involuntary = (uint64_t)(now.ru_nivcsw - before->ru_nivcsw);
    record->minor_faults = (uint64_t)(now.ru_minflt - before->ru_minflt);
    record->major_faults = (uint64_t)(now.ru_majflt - before->ru_majflt);
}

/* A short run for nothing: faults in the code and the memory, and brings the CPU up to speed. */
static void warm_up(struct ae_gap_record *record, uint64_t threshold)
{
    uint64_t now = ae_clock_ticks();

    ae_gap_loop(record, now, threshold, now + ae_clock_from_ns(NS_PER_SECOND / 200), 0);
    record->gaps = record->overflow = record->gap_ticks = 0;
    ae_histogram_clear(&record->lengths);
}

static _Noreturn void child(struct gate *gate, struct ae_gap_record *record,
                            const struct ae_gap_options *options, pid_t parent)
{
    uint64_t threshold = ae_clock_from_ns(options->threshold_ns);
    struct rusage before;
    int rc;

    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    rc = prepare(record, options);
    record->error = (uint32_t)-rc;
    if (!rc)
        warm_up(record, threshold);
    __atomic_add_fetch(&gate->ready, 1, __ATOMIC_ACQ_REL);
    if (rc)
        _exit(1);
    while (!__atomic_load_n(&gate->open, __ATOMIC_ACQUIRE))
        sched_yield();
    getrusage(RUSAGE_SELF, &before);
    ae_gap_loop(record, gate->begin, threshold, gate->deadline, options->capacity);
    note_usage(record, &before);
    record->cpu_end = (uint32_t)sched_getcpu();
    _exit(0);
}

static void kill_all(pid_t *children, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (children[i] <= 0)
            continue;
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
        children[i] = 0;
    }
}

/* Waits until `ready` of the gate is reached, or a child is gone, or time is up. */
static void await_ready(const struct gate *gate, unsigned count)
{
    for (unsigned i = 0; i < START_SECONDS * 1000; i++) {
        if (__atomic_load_n(&gate->ready, __ATOMIC_ACQUIRE) >= count)
            return;
        usleep(1000);
    }
}

/* Milliseconds until the counter reaches `deadline`, at least 1. */
static int ms_until(uint64_t deadline)
{
    uint64_t now = ae_clock_ticks();
    uint64_t ms = now < deadline ? ae_clock_to_ns(deadline - now) / 1000000 + 1 : 1;

    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* Sleeps until the child ends. 0 when it ended by itself with success; -EINTR: a signal came. */
static int reap(pid_t pid, uint64_t deadline)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), status = 0, rc;
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return -errno;
    rc = poll(&wait, 1, ms_until(deadline));
    if (rc < 0)
        rc = -errno;
    else
        rc = rc ? 0 : -ETIMEDOUT;
    close(fd);
    if (rc)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return rc ? rc : (WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD);
}

static int check_options(const struct ae_gap_options *options, struct ae_error *err)
{
    struct ae_cpus online;
    uint64_t longest = AE_GAP_SECONDS_MAX * NS_PER_SECOND;

    if (ae_cpus_count(&options->cpus) == 0)
        return ae_error_set(err, -EINVAL, "measuring gaps: no CPU was named");
    if (options->duration_ns == 0 || options->duration_ns > longest)
        return ae_error_set(err, -EINVAL, "measuring gaps: the duration must be 1 to %d seconds",
                            AE_GAP_SECONDS_MAX);
    if (options->capacity == 0 || options->capacity > AE_GAP_CAPACITY_MAX)
        return ae_error_set(err, -EINVAL, "measuring gaps: between 1 and %u gaps can be kept",
                            AE_GAP_CAPACITY_MAX);
    if (ae_cpus_read(&online, "/sys/devices/system/cpu/online"))
        return 0;
    for (int cpu = ae_cpus_next(&options->cpus, 0); cpu >= 0;
         cpu = ae_cpus_next(&options->cpus, (unsigned)cpu + 1))
        if (!ae_cpus_has(&online, (unsigned)cpu))
            return ae_error_set(err, -EINVAL,
                                "measuring gaps: CPU %d is not online; "
                                "/sys/devices/system/cpu/online lists those that are",
                                cpu);
    return 0;
}

/* Lays out the gate, the records and their gaps in one shared mapping. */
static int allocate(struct ae_gap_run *run, const struct ae_gap_options *options,
                    struct ae_error *err)
{
    size_t count = ae_cpus_count(&options->cpus), each = options->capacity * sizeof(struct ae_gap);
    size_t head = sizeof(struct gate) + count * sizeof(struct ae_gap_record);
    struct ae_gap *items;
    unsigned i = 0;

    head = (head + 63) & ~(size_t)63;
    run->shared_size = head + count * each;
    run->shared =
        mmap(NULL, run->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run->shared == MAP_FAILED)
        return ae_error_set(err, -ENOMEM,
                            "measuring gaps: no %llu bytes of memory; keep fewer gaps",
                            (unsigned long long)run->shared_size);
    run->count = (unsigned)count;
    run->records = (void *)((char *)run->shared + sizeof(struct gate));
    items = (void *)((char *)run->shared + head);
    for (int cpu = ae_cpus_next(&options->cpus, 0); cpu >= 0;
         cpu = ae_cpus_next(&options->cpus, (unsigned)cpu + 1), i++) {
        run->records[i].cpu = (uint32_t)cpu;
        run->records[i].items = items + i * (size_t)options->capacity;
    }
    return 0;
}

static int fork_all(struct ae_gap_run *run, const struct ae_gap_options *options, pid_t *children,
                    struct ae_error *err)
{
    pid_t parent = getpid();

    for (unsigned i = 0; i < run->count; i++) {
        children[i] = fork();
        if (children[i] == 0)
            child(run->shared, &run->records[i], options, parent);
        if (children[i] < 0)
            return ae_error_set(err, -errno, "measuring gaps: starting a process for CPU %u: %s",
                                run->records[i].cpu, strerror(errno));
    }
    return 0;
}

static int describe(const struct ae_gap_record *record, struct ae_error *err)
{
    int code = record->error ? -(int)record->error : -ECHILD;

    switch (record->failed) {
    case AE_GAP_STEP_PIN:
        return ae_error_set(err, code,
                            "measuring gaps: moving to CPU %u: %s; is it in this process's cpuset?",
                            record->cpu, strerror(-code));
    case AE_GAP_STEP_PRIORITY:
        return ae_error_set(err, code,
                            "measuring gaps: SCHED_FIFO on CPU %u: %s; run as root or raise "
                            "RLIMIT_RTPRIO",
                            record->cpu, strerror(-code));
    }
    return ae_error_set(err, code,
                        "measuring gaps: the process on CPU %u did not come to its end; was it "
                        "killed, or starved by a real-time task?",
                        record->cpu);
}

/* Opens the gate and waits for the end. */
static int measure(struct ae_gap_run *run, const struct ae_gap_options *options, pid_t *children,
                   struct ae_error *err)
{
    struct gate *gate = run->shared;
    int rc = 0;

    await_ready(gate, run->count);
    for (unsigned i = 0; i < run->count; i++)
        if (run->records[i].error)
            return describe(&run->records[i], err);
    if (__atomic_load_n(&gate->ready, __ATOMIC_ACQUIRE) < run->count)
        return ae_error_set(err, -ETIMEDOUT,
                            "measuring gaps: not every CPU's process came up in %d s; a real-time "
                            "task may be holding one of the CPUs",
                            START_SECONDS);
    gate->begin = ae_clock_ticks() + ae_clock_from_ns(LEAD_NS);
    gate->deadline = gate->begin + ae_clock_from_ns(options->duration_ns);
    __atomic_store_n(&gate->open, 1, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < run->count; i++) {
        uint64_t grace = ae_clock_from_ns(START_SECONDS * NS_PER_SECOND);
        int end = reap(children[i], gate->deadline + grace);

        children[i] = 0;
        if (end == -EINTR)
            return ae_error_set(err, end, "measuring gaps: interrupted by a signal");
        if (end && !rc) {
            run->records[i].failed = AE_GAP_STEP_DIED;
            rc = describe(&run->records[i], err);
        }
    }
    return rc;
}

/* Keeps the waiting process off the CPUs it measures, if it may run elsewhere. */
static void step_aside(const struct ae_cpus *cpus, cpu_set_t *before, size_t size)
{
    cpu_set_t *others = CPU_ALLOC(AE_CPUS_MAX);

    if (sched_getaffinity(0, size, before))
        CPU_ZERO_S(size, before);
    if (!others)
        return;
    memcpy(others, before, size);
    for (int cpu = ae_cpus_next(cpus, 0); cpu >= 0; cpu = ae_cpus_next(cpus, (unsigned)cpu + 1))
        CPU_CLR_S((unsigned)cpu, size, others);
    if (CPU_COUNT_S(size, others) > 0)
        sched_setaffinity(0, size, others);
    CPU_FREE(others);
}

static int measure_aside(struct ae_gap_run *run, const struct ae_gap_options *options,
                         pid_t *children, struct ae_error *err)
{
    size_t size = CPU_ALLOC_SIZE(AE_CPUS_MAX);
    cpu_set_t *before = CPU_ALLOC(AE_CPUS_MAX);
    int rc;

    if (!before)
        return ae_error_set(err, -ENOMEM, "measuring gaps: out of memory");
    step_aside(&options->cpus, before, size);
    rc = measure(run, options, children, err);
    if (CPU_COUNT_S(size, before) > 0)
        sched_setaffinity(0, size, before);
    CPU_FREE(before);
    return rc;
}

int ae_gap_run(struct ae_gap_run *run, const struct ae_gap_options *options, struct ae_error *err)
{
    pid_t *children;
    int rc;

    memset(run, 0, sizeof(*run));
    rc = check_options(options, err);
    if (!rc)
        rc = allocate(run, options, err);
    if (rc)
        return rc;
    children = calloc(run->count, sizeof(*children));
    if (!children)
        rc = ae_error_set(err, -ENOMEM, "measuring gaps: out of memory");
    if (!rc)
        rc = fork_all(run, options, children, err);
    if (!rc)
        rc = measure_aside(run, options, children, err);
    if (children)
        kill_all(children, run->count);
    free(children);
    if (rc)
        ae_gap_run_free(run);
    return rc;
}

void ae_gap_run_free(struct ae_gap_run *run)
{
    if (run->shared)
        munmap(run->shared, run->shared_size);
    memset(run, 0, sizeof(*run));
}
