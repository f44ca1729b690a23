/* SPDX-License-Identifier: Apache-2.0 */
#include "made_tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/root.h"
#include "made_root.h"

#define INSTANCES "/sys/kernel/tracing/instances/"
#define MOST      64

static char paths[MOST][160];
static unsigned count;
static char clock_list[128];
static const char *lacking;
static bool on;

static const char *const tracepoints[] = {
    "irq_vectors/local_timer_entry",
    "irq_vectors/call_function_entry",
    "irq/irq_handler_entry",
    "irq/softirq_entry",
    "sched/sched_switch",
    "exceptions/page_fault_user",
    "raw_syscalls/sys_enter",
    "signal/signal_deliver",
    "timer/tick_stop",
    "timer/hrtimer_expire_entry",
    "timer/timer_expire_entry",
    "workqueue/workqueue_execute_start",
};

/* Not by made_root_put: synced to the disk, some fifty files an instance take their time. */
static void append(const char *path, const char *mode, const char *text)
{
    char full[PATH_MAX];
    FILE *file;

    if (ae_root_path(full, sizeof(full), path) || !(file = fopen(full, mode)))
        abort();
    fputs(text, file);
    fclose(file);
}

void made_tracefs_put(unsigned instance, const char *file, const char *text)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", paths[instance], file);
    if (!text && ae_root_remove(path))
        abort();
    if (!text)
        return;
    *strrchr(path, '/') = '\0';
    if (ae_root_make_directory(path))
        abort();
    snprintf(path, sizeof(path), "%s/%s", paths[instance], file);
    append(path, "w", text);
}

static void populate(unsigned instance)
{
    char name[128];

    made_tracefs_put(instance, "tracing_on", "1\n");
    made_tracefs_put(instance, "trace_clock", clock_list);
    made_tracefs_put(instance, "tracing_cpumask", "ffffffff,ffffffff\n");
    made_tracefs_put(instance, "buffer_size_kb", "7 (expanded: 1408)\n");
    made_tracefs_put(instance, "set_event_pid", "");
    for (size_t i = 0; i < sizeof(tracepoints) / sizeof(tracepoints[0]); i++) {
        if (lacking && strcmp(lacking, tracepoints[i]) == 0)
            continue;
        snprintf(name, sizeof(name), "events/%s/enable", tracepoints[i]);
        made_tracefs_put(instance, name, "0\n");
        snprintf(name, sizeof(name), "events/%s/filter", tracepoints[i]);
        made_tracefs_put(instance, name, "none\n");
    }
    for (unsigned cpu = 900; cpu < 900 + MADE_TRACEFS_CPUS; cpu++) {
        snprintf(name, sizeof(name), "per_cpu/cpu%u/stats", cpu);
        made_tracefs_put(instance, name,
                         "entries: 5\noverrun: 0\ncommit overrun: 0\nbytes: 100\n"
                         "oldest event ts: 1\nnow ts: 2\ndropped events: 0\nread events: 0\n");
        snprintf(name, sizeof(name), "per_cpu/cpu%u/trace", cpu);
        made_tracefs_put(instance, name,
                         "# tracer: nop\n#\n# entries-in-buffer/entries-written: 0/0\n");
    }
}

void made_tracefs_begin(const char *clocks)
{
    count = 0;
    on = true;
    lacking = NULL;
    snprintf(clock_list, sizeof(clock_list), "%s", clocks);
    made_root_put(INSTANCES "x", "");
    ae_root_remove(INSTANCES "x");
}

void made_tracefs_without(const char *tracepoint)
{
    lacking = tracepoint;
}

unsigned made_tracefs_count(void)
{
    return count;
}

const char *made_tracefs_path(unsigned instance)
{
    return instance < count && ae_root_exists(paths[instance]) ? paths[instance] : "";
}

void made_tracefs_event(unsigned instance, unsigned cpu, const char *task, int pid, uint64_t ticks,
                        const char *event)
{
    char path[PATH_MAX], line[512];

    snprintf(path, sizeof(path), "%s/per_cpu/cpu%u/trace", paths[instance], cpu);
    snprintf(line, sizeof(line), "%16s-%-7d [%03u] d..2. %" PRIu64 ": %s\n", task, pid, cpu, ticks,
             event);
    append(path, "a", line);
}

/* ---- What the program calls instead of libc's ---- */

static const char *instance_in(const char *path)
{
    const char *at = on ? strstr(path, INSTANCES) : NULL;

    return at && !strchr(at + strlen(INSTANCES), '/') && at[strlen(INSTANCES)] ? at : NULL;
}

int mkdir(const char *path, mode_t mode)
{
    const char *instance = instance_in(path);
    int rc = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);

    if (rc || !instance || count == MOST)
        return rc;
    snprintf(paths[count], sizeof(paths[count]), "%s", instance);
    populate(count++);
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)where;
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, type == FTW_DP ? AT_REMOVEDIR : 0);
}

int rmdir(const char *path)
{
    if (instance_in(path))
        return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}
