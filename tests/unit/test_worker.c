/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/alone.h>
#include <aether/clock.h>

#include "made_root.h"
#include "port/port.h"
#include "worker/irqs.h"
#include "worker/shared.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct ae_error err;

/* ---- Starting ---- */

static void a_worker_alone_is_stopped_by_a_signal(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM};

    (void)state;
    assert_false(ae_worker_supervised());
    for (size_t i = 0; i < COUNT(signals); i++) {
        struct ae_worker *worker;

        assert_int_equal(ae_worker_start(&worker, &err), 0);
        assert_true(ae_worker_running(worker));
        assert_int_equal(ae_worker_port_count(worker), 0);
        assert_null(ae_worker_port(worker, 0));
        raise(signals[i]);
        assert_false(ae_worker_running(worker));
        ae_worker_finish(worker);
    }
    ae_worker_finish(NULL);
}

static void on_signal_of_the_program(int number)
{
    (void)number;
}

/* What the program had set is not ours to throw away. */
static void handlers_are_put_back(void **state)
{
    static void (*const before[])(int) = {SIG_DFL, SIG_IGN, on_signal_of_the_program};

    (void)state;
    for (size_t i = 0; i < COUNT(before); i++) {
        struct ae_worker *worker;

        signal(SIGINT, before[i]);
        signal(SIGTERM, before[i]);
        assert_int_equal(ae_worker_start(&worker, &err), 0);
        ae_worker_finish(worker);
        assert_ptr_equal(signal(SIGINT, SIG_DFL), before[i]);
        assert_ptr_equal(signal(SIGTERM, SIG_DFL), before[i]);
    }
}

static void counters_are_cut_and_run_out(void **state)
{
    struct ae_worker *worker;

    (void)state;
    assert_int_equal(ae_worker_start(&worker, &err), 0);
    assert_null(ae_worker_counter(worker, ""));
    for (unsigned i = 0; i < AE_WORKER_COUNTERS; i++) {
        uint64_t *counter = ae_worker_counter(
            worker, "a name that is longer than the room there is for the name of one");

        assert_non_null(counter);
        assert_int_equal(*counter, 0);
        *counter = i;
    }
    assert_null(ae_worker_counter(worker, "one more"));
    assert_int_equal(worker->shared->counter_count, AE_WORKER_COUNTERS);
    assert_int_equal(worker->shared->counters[5].value, 5);
    assert_int_equal(strlen(worker->shared->counters[5].name), AE_WORKER_NAME - 1);
    ae_worker_finish(worker);
}

static void a_worker_alone_opens_its_ports(void **state)
{
    const char *const ports[] = {"pair:alone", "pair:alone"};
    struct ae_worker_options options = {.cpu = -1, .ports = ports, .port_count = 2};
    struct ae_worker *worker;

    (void)state;
    assert_int_equal(ae_worker_start_alone(&worker, &options, &err), 0);
    assert_int_equal(ae_worker_port_count(worker), 2);
    assert_non_null(ae_port_get_owner(ae_worker_port(worker, 1)));
    assert_true(ae_worker_running(worker));
    ae_worker_finish(worker);
}

static void impossible_options_are_refused(void **state)
{
    const char *const port = "no such port";
    struct ae_worker *worker = NULL;

    (void)state;
    assert_int_equal(ae_worker_start_alone(&worker, &(struct ae_worker_options){.cpu = 5000}, &err),
                     -EINVAL);
    assert_non_null(strstr(err.text, "CPU 5000"));
    assert_int_equal(
        ae_worker_start_alone(
            &worker, &(struct ae_worker_options){.cpu = -1, .ports = &port, .port_count = 9}, &err),
        -EINVAL);
    assert_non_null(strstr(err.text, "9 ports"));
    assert_int_equal(
        ae_worker_start_alone(
            &worker, &(struct ae_worker_options){.cpu = -1, .ports = &port, .port_count = 1}, &err),
        -EINVAL);
    assert_non_null(strstr(err.text, "no such port"));
    setenv(AE_SHARED_ENVIRONMENT, "3", 1);
    assert_int_equal(ae_worker_start_alone(&worker, &(struct ae_worker_options){.cpu = -1}, &err),
                     -EBUSY);
    unsetenv(AE_SHARED_ENVIRONMENT);
    assert_null(worker);
}

/* ---- What a supervisor hands over ---- */

static int make_page(size_t size, int seals)
{
    int fd = memfd_create("page", MFD_ALLOW_SEALING);

    assert_true(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    assert_int_equal(seals ? fcntl(fd, F_ADD_SEALS, seals) : 0, 0);
    return fd;
}

static struct ae_shared *map_page(int fd)
{
    struct ae_shared *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    assert_ptr_not_equal(page, MAP_FAILED);
    return page;
}

static void assert_start_refused(int fd, const char *says)
{
    struct ae_worker *worker = NULL;
    char text[16];

    snprintf(text, sizeof(text), "%d", fd);
    setenv(AE_SHARED_ENVIRONMENT, text, 1);
    assert_int_equal(ae_worker_start(&worker, &err), -EPROTO);
    unsetenv(AE_SHARED_ENVIRONMENT);
    assert_null(worker);
    if (!strstr(err.text, says))
        fail_msg("%s", err.text);
}

static void other_descriptors_are_no_supervisors(void **state)
{
    int file = open("/proc/self/exe", O_RDONLY); /* large enough, and no memfd */
    int loose = make_page(sizeof(struct ae_shared), 0);
    int small = make_page(sizeof(struct ae_shared) - 1, F_SEAL_SHRINK);
    struct ae_worker *worker;

    (void)state;
    assert_start_refused(-1, "aether run");
    assert_start_refused(999, "aether run");
    assert_start_refused(file, "aether run");
    assert_start_refused(loose, "aether run");
    assert_start_refused(small, "aether run");
    setenv(AE_SHARED_ENVIRONMENT, "", 1);
    assert_int_equal(ae_worker_start(&worker, &err), -EPROTO);
    setenv(AE_SHARED_ENVIRONMENT, "one", 1);
    assert_int_equal(ae_worker_start(&worker, &err), -EPROTO);
    unsetenv(AE_SHARED_ENVIRONMENT);
    close(file);
    close(loose);
    close(small);
}

static void another_version_is_refused(void **state)
{
    static const struct {
        uint32_t magic, version, ports;
    } cases[] = {
        {0, AE_SHARED_VERSION, 0},
        {AE_SHARED_MAGIC, AE_SHARED_VERSION + 1, 0},
        {AE_SHARED_MAGIC, AE_SHARED_VERSION, AE_WORKER_PORTS + 1},
        {AE_SHARED_MAGIC, AE_SHARED_VERSION, UINT32_MAX},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int fd = make_page(sizeof(struct ae_shared), F_SEAL_SHRINK);
        struct ae_shared *page = map_page(fd);

        page->magic = cases[i].magic;
        page->version = cases[i].version;
        page->port_count = cases[i].ports;
        assert_start_refused(fd, "version");
        munmap(page, sizeof(*page));
    }
}

static void a_port_that_makes_no_sense_is_refused(void **state)
{
    int fd = make_page(sizeof(struct ae_shared), F_SEAL_SHRINK);
    struct ae_shared *page = map_page(fd);

    (void)state;
    page->magic = AE_SHARED_MAGIC;
    page->version = AE_SHARED_VERSION;
    page->port_count = 1;
    strcpy(page->ports[0].info.driver, "e1000e");
    assert_start_refused(dup(fd), "version 0, 0 bytes");
    page->ports[0].version = AE_PORT_HANDOFF_VERSION;
    page->ports[0].size = sizeof(page->ports[0]);
    assert_start_refused(fd, "makes no sense");
    munmap(page, sizeof(*page));
}

/* ---- The gate ---- */

static struct ae_worker gated;

static int make_gated(void **state)
{
    int fd = make_page(sizeof(struct ae_shared), F_SEAL_SHRINK);

    (void)state;
    gated = (struct ae_worker){.shared = map_page(fd), .supervised = true};
    gated.view.head = &gated.shared->head;
    close(fd);
    return ae_clock_calibrate(NULL);
}

static int end_gated(void **state)
{
    (void)state;
    return munmap(gated.shared, sizeof(*gated.shared));
}

static const struct ae_quiet_options allow_all = {.allow = AE_QUIET_ALLOW_ALL, .proof_ms = 20000};

static uint64_t before_the_gate, behind_the_gate;

/* The supervisor, as a thread: reads what came before the gate, writes what comes behind it. */
static void *grant(void *context)
{
    uint32_t gate = *(const uint32_t *)context;

    while (__atomic_load_n(&gated.shared->wanted, __ATOMIC_ACQUIRE) != gate)
        sched_yield();
    behind_the_gate = before_the_gate + 1;
    __atomic_store_n(&gated.shared->granted, gate, __ATOMIC_RELEASE);
    return NULL;
}

static void the_gate_orders_what_is_around_it(void **state)
{
    static const uint32_t gates[] = {AE_GATE_QUIET, AE_GATE_LEFT, AE_GATE_QUIET, AE_GATE_LEFT};

    (void)state;
    gated.proof_ticks = ae_clock_from_ns(UINT64_C(20000000000));
    for (uint32_t i = 0; i < COUNT(gates); i++) {
        uint32_t gate = gates[i];
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, grant, &gate), 0);
        before_the_gate = 100 * i;
        assert_int_equal(ae_gate_pass(&gated, gate), 0);
        assert_int_equal(behind_the_gate, 100 * i + 1);
        pthread_join(thread, NULL);
    }
}

static void a_gate_without_an_answer_gives_up(void **state)
{
    struct ae_quiet_options options = {.allow = AE_QUIET_ALLOW_ALL, .proof_ms = 20};
    uint64_t start = ae_clock_ticks();

    (void)state;
    assert_int_equal(ae_quiet_enter(&gated, &options, &err), -ETIMEDOUT);
    assert_non_null(strstr(err.text, "20 ms"));
    assert_true(ae_clock_to_ns(ae_clock_ticks() - start) >= 20000000);
    assert_false(gated.quiet);
    ae_quiet_leave(&gated);
    assert_int_equal(gated.shared->wanted, AE_GATE_QUIET);
}

static void quiet_is_entered_once(void **state)
{
    (void)state;
    gated.shared->granted = AE_GATE_QUIET;
    assert_int_equal(ae_quiet_enter(&gated, &allow_all, &err), 0);
    assert_int_equal(ae_quiet_enter(&gated, &allow_all, &err), -EALREADY);
    gated.shared->granted = AE_GATE_LEFT;
    ae_quiet_leave(&gated);
    assert_int_equal(gated.shared->wanted, AE_GATE_LEFT);
    assert_int_equal(
        ae_quiet_enter(&gated, &(struct ae_quiet_options){.stack = 4 * 1024 * 1024 + 1}, &err),
        -EINVAL);
    assert_non_null(strstr(err.text, "4194305"));
}

/* ---- What stands in the way of quiet, on a made-up machine ---- */

static struct ae_shared page_of_alone;
static struct ae_worker alone;
static int cpu;

static int begin(void **state)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    cpu = sched_getcpu();
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set))
        return -1;
    memset(&page_of_alone, 0, sizeof(page_of_alone));
    alone = (struct ae_worker){.shared = &page_of_alone};
    return made_root_begin(state);
}

static void put_cpu(const char *path, int number)
{
    char text[16];

    snprintf(text, sizeof(text), "%d\n", number);
    made_root_put(path, text);
}

static void put_task(const char *path, const char *name, bool kernel, int allowed)
{
    char text[256];

    snprintf(text, sizeof(text), "Name:\t%s\n%sCpus_allowed_list:\t%d\n", name,
             kernel ? "" : "VmSize:\t 100 kB\n", allowed);
    made_root_put(path, text);
}

/* Nothing is in the way: kernel threads, and others elsewhere. */
static void make_quiet_machine(void)
{
    put_cpu("/sys/devices/system/cpu/nohz_full", cpu);
    put_task("/proc/12/status", "ksoftirqd", true, cpu);
    put_task("/proc/70/status", "server", false, cpu + 1);
    put_cpu("/proc/irq/24/effective_affinity_list", cpu + 1);
    made_root_put("/proc/irq/default_smp_affinity", "ff\n");
    made_root_put("/proc/self/task/1", NULL);
}

static void nothing_in_the_way_is_quiet(void **state)
{
    (void)state;
    make_quiet_machine();
    assert_int_equal(ae_quiet_enter(&alone, NULL, &err), 0);
    ae_quiet_leave(&alone);
    assert_int_equal(ae_quiet_enter(&alone, NULL, &err), 0);
}

/* Unless its calls are to be refused. */
static void a_port_whose_caller_is_the_worker_is_no_reason(void **state)
{
    struct ae_port port = {.handoff.info = {.spec = "wire:x", .caller = AE_CALLER_WORKER}};
    const struct ae_quiet_options enforce = {.calls = AE_QUIET_ENFORCE};

    (void)state;
    make_quiet_machine();
    alone.ports[alone.port_count++] = &port;
    assert_int_equal(ae_quiet_enter(&alone, NULL, &err), 0);
    ae_quiet_leave(&alone);
    assert_int_equal(ae_quiet_enter(&alone, &enforce, &err), -EOPNOTSUPP);
    assert_non_null(strstr(err.text, "wire:x"));
    port.handoff.info.caller = AE_CALLER_OWNER;
    assert_true(ae_quiet_enter(&alone, &enforce, &err) == 0 || strstr(err.text, "Dispatch"));
    ae_quiet_leave(&alone);
}

/* Everything is, and each is allowed by its own name and no other. */
static void every_reason_is_named(void **state)
{
    static const struct {
        uint32_t allow;
        const char *name, *says;
    } reasons[] = {
        {AE_QUIET_ALLOW_TICK, "[tick]", "nohz_full"},
        {AE_QUIET_ALLOW_SHARED, "[shared]", "2 other tasks"},
        {AE_QUIET_ALLOW_IRQS, "[irqs]", "IRQ 24"},
        {AE_QUIET_ALLOW_THREADS, "[threads]", "3 threads"},
    };

    (void)state;
    make_quiet_machine();
    put_cpu("/sys/devices/system/cpu/nohz_full", cpu + 1);
    put_task("/proc/70/status", "a (strange) name", false, cpu);
    put_task("/proc/71/status", "another", false, cpu);
    put_cpu("/proc/irq/24/effective_affinity_list", cpu);
    made_root_put("/proc/self/task/2", NULL);
    made_root_put("/proc/self/task/3", NULL);
    for (uint32_t mask = 0; mask < 1 << COUNT(reasons); mask++) {
        struct ae_quiet_options options = {.allow = AE_QUIET_ALLOW_UNLOCKED};
        bool all = mask == (1 << COUNT(reasons)) - 1;

        for (size_t i = 0; i < COUNT(reasons); i++)
            options.allow |= mask >> i & 1 ? reasons[i].allow : 0;
        assert_int_equal(ae_quiet_enter(&alone, &options, &err), all ? 0 : -EPERM);
        for (size_t i = 0; i < COUNT(reasons) && !all; i++) {
            bool wanted = !(mask >> i & 1);

            assert_int_equal(strstr(err.text, reasons[i].name) != NULL, wanted);
            assert_int_equal(strstr(err.text, reasons[i].says) != NULL, wanted);
        }
        assert_int_equal(alone.quiet, all);
    }
}

/* The leader of a process may run elsewhere while a thread of it is here. */
static void a_thread_of_another_process_counts(void **state)
{
    (void)state;
    make_quiet_machine();
    put_task("/proc/70/task/70/status", "server", false, cpu + 1);
    put_task("/proc/70/task/72/status", "its thread", false, cpu);
    assert_int_equal(ae_quiet_enter(&alone, NULL, &err), -EPERM);
    assert_non_null(strstr(err.text, "its thread"));
    assert_non_null(strstr(err.text, "72"));
}

/* What its supervisor found to be so. */
static void interrupts_that_cannot_be_moved_are_no_reason(void **state)
{
    char target[64];

    (void)state;
    make_quiet_machine();
    for (unsigned irq = 24; irq < 27; irq++) {
        snprintf(target, sizeof(target), "/proc/irq/%u/effective_affinity_list", irq);
        put_cpu(target, cpu);
    }
    made_root_put("/sys/kernel/debug/irq/irqs/24", "IRQD_AFFINITY_MANAGED\n");
    made_root_put("/sys/kernel/debug/irq/irqs/26", "IRQD_AFFINITY_MANAGED\n");
    ae_shared_note_irqs(alone.shared, (unsigned)cpu);
    assert_int_equal(alone.shared->irq_count, 2);
    assert_int_equal(ae_quiet_enter(&alone, NULL, &err), -EPERM);
    assert_non_null(strstr(err.text, "1 interrupts"));
    assert_non_null(strstr(err.text, "IRQ 25"));
    put_cpu("/proc/irq/25/effective_affinity_list", cpu + 1);
    assert_int_equal(ae_quiet_enter(&alone, NULL, &err), 0);
    ae_quiet_leave(&alone);
    ae_shared_note_irqs(alone.shared, (unsigned)cpu + 1);
    assert_int_equal(alone.shared->irq_count, 0);
    assert_int_equal(ae_quiet_enter(&alone, NULL, &err), -EPERM);
    /* More than there is room for stay in the way. */
    for (unsigned irq = 100; irq < 100 + AE_SHARED_IRQS; irq++) {
        snprintf(target, sizeof(target), "/proc/irq/%u/effective_affinity_list", irq);
        put_cpu(target, cpu);
        snprintf(target, sizeof(target), "/sys/kernel/debug/irq/irqs/%u", irq);
        made_root_put(target, "IRQD_AFFINITY_MANAGED\n");
    }
    ae_shared_note_irqs(alone.shared, (unsigned)cpu);
    assert_int_equal(alone.shared->irq_count, AE_SHARED_IRQS);
    assert_int_equal(ae_quiet_enter(&alone, NULL, &err), -EPERM);
    assert_non_null(strstr(err.text, "2 interrupts"));
}

static void a_process_on_several_cpus_is_not_alone(void **state)
{
    cpu_set_t all;

    (void)state;
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
        skip();
    make_quiet_machine();
    memset(&all, 0xff, sizeof(all));
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
    assert_int_equal(ae_worker_cpu(&alone), -1);
    assert_int_equal(ae_quiet_enter(&alone, NULL, &err), -EPERM);
    assert_non_null(strstr(err.text, "not tied to one CPU"));
}

/* In a child: it must not be root, and what it locks stays locked. */
static void memory_that_cannot_be_locked_is_named(void **state)
{
    int status;
    pid_t child;

    (void)state;
    if (getuid() != 0)
        skip();
    make_quiet_machine();
    child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0};

        if (setrlimit(RLIMIT_MEMLOCK, &none) || setuid(65534))
            _exit(1);
        if (mlockall(MCL_CURRENT) == 0)
            _exit(77); /* a sanitizer's, which does nothing */
        if (ae_quiet_enter(&alone,
                           &(struct ae_quiet_options){.allow = AE_QUIET_ALLOW_ALL &
                                                               ~(uint32_t)AE_QUIET_ALLOW_UNLOCKED},
                           &err) != -EPERM ||
            !strstr(err.text, "[unlocked]") || !strstr(err.text, "RLIMIT_MEMLOCK is 0 kB"))
            _exit(2);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define GATED(name) cmocka_unit_test_setup_teardown(name, make_gated, end_gated)
#define MADE(name)  cmocka_unit_test_setup_teardown(name, begin, made_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_alone_is_stopped_by_a_signal),
        cmocka_unit_test(handlers_are_put_back),
        cmocka_unit_test(counters_are_cut_and_run_out),
        cmocka_unit_test(a_worker_alone_opens_its_ports),
        cmocka_unit_test(impossible_options_are_refused),
        cmocka_unit_test(other_descriptors_are_no_supervisors),
        cmocka_unit_test(another_version_is_refused),
        cmocka_unit_test(a_port_that_makes_no_sense_is_refused),
        GATED(the_gate_orders_what_is_around_it),
        GATED(a_gate_without_an_answer_gives_up),
        GATED(quiet_is_entered_once),
        MADE(nothing_in_the_way_is_quiet),
        MADE(a_port_whose_caller_is_the_worker_is_no_reason),
        MADE(every_reason_is_named),
        MADE(a_thread_of_another_process_counts),
        MADE(memory_that_cannot_be_locked_is_named),
        MADE(interrupts_that_cannot_be_moved_are_no_reason),
        MADE(a_process_on_several_cpus_is_not_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
