/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Run in the lab, as root, on a machine that may be spoilt: kills `apply` at every step of its
 * journal, reverts, and compares every file that knobs touch and the affinity of every task with
 * before.
 *
 * lab_partition NAME [FIRST [STRIDE]]
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/root.h"
#include "partition/journal.h"
#include "partition/partition.h"
#include "partition/task.h"

static const char *const touched[] = {
    "/proc/irq/*/smp_affinity_list",
    "/proc/irq/default_smp_affinity",
    "/proc/sys/kernel/*watchdog*",
    "/proc/sys/kernel/timer_migration",
    "/proc/sys/kernel/sched_rt_runtime_us",
    "/proc/sys/kernel/numa_balancing",
    "/proc/sys/net/core/rps_default_mask",
    "/proc/sys/vm/stat_interval",
    "/proc/sys/vm/compact*",
    "/proc/sys/vm/dirty_*ratio",
    "/proc/sys/vm/dirty_*bytes",
    "/sys/devices/virtual/workqueue/cpumask",
    "/sys/devices/virtual/workqueue/*/cpumask",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/cpu*/power/pm_qos_resume_latency_us",
    "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    "/sys/devices/system/machinecheck/machinecheck*/check_interval",
    "/sys/devices/system/node/node*/hugepages/*/nr_hugepages",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/kernel/mm/transparent_hugepage/hugepages-*/enabled",
    "/sys/kernel/mm/ksm/run",
    "/sys/kernel/rcu_normal",
    "/sys/kernel/debug/sched/fair_server/cpu*/runtime",
    "/sys/class/net/*/queues/*/?ps_cpus",
    "/sys/fs/cgroup/cgroup.subtree_control",
    "/sys/fs/cgroup/*/cpuset.cpus*",
    "/sys/fs/cgroup/*/cgroup.subtree_control",
};

static int dump_file(const char *path, void *context)
{
    char text[4096];

    if (ae_root_read(path, text, sizeof(text)) < 0)
        strcpy(text, "(cannot be read)");
    fprintf(context, "%s: %s\n", path, text);
    return 0;
}

/* The kernel may end and start tasks of its own; those it pinned are its business. */
static int dump_task(const struct ae_task *task, void *context)
{
    char cpus[256];

    if (!task->immovable && ae_cpus_format(&task->allowed, cpus, sizeof(cpus)) >= 0)
        fprintf(context, "task %d:%llu %s: %s\n", task->id, (unsigned long long)task->start,
                task->name, cpus);
    return 0;
}

static char *dump(void)
{
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    for (size_t i = 0; i < sizeof(touched) / sizeof(touched[0]); i++)
        ae_root_glob(touched[i], dump_file, file);
    ae_task_each(dump_task, file);
    fclose(file);
    return text;
}

/* Is the line of `before` in `after`? A task that is not there any more is no difference. */
static bool line_stays(const char *line, size_t length, const char *after)
{
    size_t key = strcspn(line, ":");
    bool task = strncmp(line, "task ", 5) == 0;

    if (task)
        key += 1 + strcspn(line + key + 1, " ");
    for (const char *at = after; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (strncmp(at, line, key) == 0 && at[key] == line[key])
            return strcspn(at, "\n") == length && strncmp(at, line, length) == 0;
    return task;
}

static unsigned compare(const char *before, const char *after, int step)
{
    unsigned differences = 0;

    for (const char *line = before; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t length = strcspn(line, "\n");

        if (line_stays(line, length, after))
            continue;
        if (differences++ == 0)
            printf("step %d: changed: %.*s\n", step, (int)length, line);
    }
    return differences;
}

static int steps_left;

static void die_at_step(void)
{
    if (--steps_left == 0)
        raise(SIGKILL);
}

static void apply_and_exit(const char *name)
{
    struct ae_partition *partition;
    struct ae_error err = {.text = ""};
    int rc = ae_partition_load(&partition, name, &err);

    if (!rc)
        rc = ae_partition_apply(partition, NULL, NULL, NULL, NULL, &err);
    if (rc)
        printf("apply: %s\n", err.text);
    fflush(stdout);
    _exit(rc ? 1 : 0);
}

/* 1: died there; 0: there is no such step, apply went through; negative: failed. */
static int kill_at(const char *name, int step)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        steps_left = step;
        ae_journal_step = die_at_step;
        apply_and_exit(name);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -errno;
    return WIFSIGNALED(status) ? 1 : WEXITSTATUS(status) ? -EIO : 0;
}

int main(int argc, char **argv)
{
    int step = argc > 2 ? atoi(argv[2]) : 1, stride = argc > 3 ? atoi(argv[3]) : 1, died = 1;
    unsigned differences = 0, steps = 0;
    struct ae_error err = {.text = ""};
    char *before;

    if (argc < 2 || step < 1 || stride < 1) {
        fprintf(stderr, "Usage: %s NAME [FIRST [STRIDE]]\n", argv[0]);
        return 2;
    }
    before = dump();
    for (; died == 1; step += stride, steps++) {
        char *after;
        int rc;

        died = kill_at(argv[1], step);
        rc = ae_partition_revert(argv[1], NULL, NULL, NULL, NULL, &err);
        if (died < 0 || (rc && rc != -ENOENT)) {
            printf("step %d: %s\n", step, err.text);
            return 1;
        }
        after = dump();
        differences += compare(before, after, step);
        free(after);
    }
    free(before);
    printf("killed at %u steps, %u differences\n", steps, differences);
    return differences ? 1 : 0;
}
