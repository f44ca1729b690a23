/* SPDX-License-Identifier: Apache-2.0 */

/* The instance: made, asked whether it is still as it was made, and removed. */

#include "proof/gap_trace_instance.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "proof/task.h"

#define INSTANCE "aether-noise-"

/* The best first: one that is the counter itself, then one that is converted when it is read. */
static const struct {
    const char *name;
    bool in_seconds;
} clocks[] = {{"x86-tsc", false}, {"mono_raw", true}};

static const char *const mount_points[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

/*
 * A tracefs of our own where none is mounted: attached nowhere, so nobody else sees it and no mount
 * namespace has to be left for it. It goes with its descriptor.
 */
static int mount_detached(void)
{
    int context = ae_root_is_real() ? fsopen("tracefs", FSOPEN_CLOEXEC) : -1, mount = -1;

    if (context >= 0 && fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        mount = fsmount(context, FSMOUNT_CLOEXEC,
                        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (context >= 0)
        close(context);
    return mount;
}

static bool has_instances(const char *tracefs)
{
    char path[64];

    snprintf(path, sizeof(path), "%s/instances", tracefs);
    return ae_root_exists(path);
}

/* Writes where it is. trace->mount: a descriptor to close in the end, or -1. */
static int find_tracefs(struct ae_gap_trace *trace, char tracefs[48], struct ae_error *err)
{
    trace->mount = -1;
    for (size_t i = 0; i < sizeof(mount_points) / sizeof(mount_points[0]); i++) {
        snprintf(tracefs, 48, "%s", mount_points[i]);
        if (has_instances(tracefs))
            return 0;
    }
    trace->mount = mount_detached();
    snprintf(tracefs, 48, "/proc/self/fd/%d", trace->mount);
    if (trace->mount >= 0 && has_instances(tracefs))
        return 0;
    return ae_error_set(
        err, -ENOENT,
        "tracing: no tracefs at %s, or it may not be looked at; be root, and if it is "
        "not mounted: mount -t tracefs tracefs %s",
        mount_points[0], mount_points[0]);
}

/* ---- Setting up ---- */

static int set_cpus(const struct ae_gap_trace *trace)
{
    char text[AE_CPUS_MAX / 32 * 9 + 1];
    int length = ae_cpus_format_mask(&trace->cpus, 1, text, sizeof(text));

    return length < 0 ? length : ae_gap_trace_put(trace, "tracing_cpumask", text);
}

/* Is a word of the list "[local] global mono"? The chosen one is in brackets. */
static bool lists(const char *list, const char *word, bool chosen)
{
    size_t length = strlen(word);

    for (const char *at = list; (at = strstr(at, word)); at++) {
        bool begins = at == list || at[-1] == ' ', bracket = at > list && at[-1] == '[';
        char end = at[length];

        if (bracket ? end == ']' : begins && !chosen && (end == ' ' || end == '\0'))
            return true;
    }
    /* A file that holds one word and no brackets holds what was written to it. */
    return chosen && strcmp(list, word) == 0;
}

static int set_clock(struct ae_gap_trace *trace, struct ae_error *err)
{
    char list[256] = "";
    ssize_t length = ae_gap_trace_get(trace, "trace_clock", list, sizeof(list));
    int rc = length < 0 ? (int)length : -EOPNOTSUPP;

    for (unsigned i = 0; length >= 0 && i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        if (*list && !lists(list, clocks[i].name, false))
            continue;
        rc = ae_gap_trace_put(trace, "trace_clock", clocks[i].name);
        trace->clock = clocks[i].name;
        trace->in_seconds = clocks[i].in_seconds;
        if (!rc)
            break;
    }
    trace->opened = ae_clock_pair_read();
    return rc ? ae_error_set(err, rc == -EINVAL ? -EOPNOTSUPP : rc,
                             "tracing: this kernel stamps events with no clock that goes with the "
                             "CPU's counter (%s or %s in %s/trace_clock): %s",
                             clocks[0].name, clocks[1].name, trace->path, strerror(-rc))
              : 0;
}

/* Is a process that is named by its number and, if not 0, its time of start, still there? */
static bool is_alive(long pid, uint64_t start)
{
    struct ae_task_counters task;

    if (kill((pid_t)pid, 0) && errno == ESRCH)
        return false;
    return !start || ae_task_counters_read(&task, (pid_t)pid) || !task.start || task.start == start;
}

/* Instances of processes that are gone: they recorded, and cost, for nobody. */
static int remove_stale(const char *name, void *context)
{
    const char *instances = context;
    unsigned long long start = 0;
    char path[PATH_MAX];
    long pid = 0;

    if (sscanf(name, INSTANCE "%ld-%llu", &pid, &start) < 1 || pid <= 0 || is_alive(pid, start))
        return 0;
    snprintf(path, sizeof(path), "%s/%s", instances, name);
    ae_root_remove(path);
    return 0;
}

static int identify(const struct ae_gap_trace *trace, struct stat *status)
{
    char full[PATH_MAX];

    if (ae_root_path(full, sizeof(full), trace->path))
        return -ENAMETOOLONG;
    if (lstat(full, status))
        return -errno;
    return S_ISDIR(status->st_mode) ? 0 : -ENOTDIR;
}

/* An instance that nobody had before: the name is the process's, and of this one of its traces. */
static int make_instance(struct ae_gap_trace *trace, const char *instances, struct ae_error *err)
{
    static unsigned number;
    struct ae_task_counters self;
    struct stat status;
    int rc;

    if (ae_task_counters_read(&self, getpid()))
        self.start = 0;
    snprintf(trace->path, sizeof(trace->path), "%s/" INSTANCE "%d-%" PRIu64 "-%u", instances,
             (int)getpid(), self.start, __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED));
    rc = ae_root_create_directory(trace->path);
    if (!rc && !(rc = identify(trace, &status))) {
        trace->device = status.st_dev;
        trace->inode = status.st_ino;
    }
    if (!rc)
        return 0;
    ae_error_set(err, rc, "tracing: creating %s: %s; %s", trace->path, strerror(-rc),
                 rc == -EEXIST ? "it is somebody else's: remove it (rmdir)" : "be root");
    trace->path[0] = '\0';
    return rc;
}

static int configure(struct ae_gap_trace *trace, unsigned kilobytes, struct ae_error *err)
{
    char size[16];
    int rc = ae_gap_trace_put(trace, "tracing_on", "0");

    snprintf(size, sizeof(size), "%u", kilobytes);
    if (!rc) {
        rc = set_clock(trace, err);
        if (rc)
            return rc;
        rc = set_cpus(trace);
    }
    if (!rc)
        rc = ae_gap_trace_put(trace, "buffer_size_kb", size);
    if (rc)
        return ae_error_set(err, rc, "tracing: setting up %s with %u KiB per CPU: %s", trace->path,
                            kilobytes, strerror(-rc));
    ae_gap_trace_enable(trace);
    if (trace->events == 0)
        return ae_error_set(err, -EOPNOTSUPP,
                            "tracing: none of the tracepoints wanted could be switched on in %s",
                            trace->path);
    return 0;
}

int ae_gap_trace_open(struct ae_gap_trace *trace, const struct ae_cpus *cpus, unsigned kilobytes,
                      struct ae_error *err)
{
    char tracefs[48], instances[64];
    int rc;

    memset(trace, 0, sizeof(*trace));
    trace->cpus = *cpus;
    rc = find_tracefs(trace, tracefs, err);
    if (!rc) {
        snprintf(instances, sizeof(instances), "%s/instances", tracefs);
        ae_root_list(instances, remove_stale, instances);
        rc = make_instance(trace, instances, err);
    }
    if (!rc)
        rc = configure(trace, kilobytes, err);
    if (rc)
        ae_gap_trace_close(trace);
    return rc;
}

int ae_gap_trace_switch(const struct ae_gap_trace *trace, int on, struct ae_error *err)
{
    int rc = ae_gap_trace_put(trace, "tracing_on", on ? "1" : "0");

    if (rc)
        return ae_error_set(err, rc, "tracing: switching %s %s: %s", trace->path, on ? "on" : "off",
                            strerror(-rc));
    return 0;
}

/* ---- Is it still ours, and as it was set? ---- */

static bool is_ours(const struct ae_gap_trace *trace)
{
    struct stat status;

    return identify(trace, &status) == 0 && status.st_dev == trace->device &&
           status.st_ino == trace->inode;
}

static const char *find_change(const struct ae_gap_trace *trace, char detail[128])
{
    char text[AE_CPUS_MAX / 32 * 9 + 1];
    struct ae_cpus cpus;
    unsigned enabled;

    detail[0] = '\0';
    if (!is_ours(trace))
        return "the instance is gone, or is another";
    if (ae_gap_trace_get(trace, "tracing_on", text, sizeof(text)) < 0 || strcmp(text, "1") != 0)
        return "it was switched off";
    if (ae_gap_trace_get(trace, "tracing_cpumask", text, sizeof(text)) < 0 ||
        ae_cpus_parse_mask(&cpus, text) || !ae_cpus_equal(&cpus, &trace->cpus)) {
        snprintf(detail, 128, " (%.100s)", text);
        return "it was aimed at other CPUs";
    }
    if (ae_gap_trace_get(trace, "trace_clock", text, sizeof(text)) < 0 ||
        !lists(text, trace->clock, true))
        return "it was given another clock";
    if (ae_gap_trace_restricts(trace, "set_event_pid", "no pid"))
        return "it was narrowed to some processes";
    if (ae_gap_trace_restricts(trace, "set_event_notrace_pid", "no pid"))
        return "some processes were left out of it";
    enabled = ae_gap_trace_enabled(trace);
    snprintf(detail, 128, " (%u of %u are on)", enabled, trace->events);
    return enabled == trace->events ? NULL : "tracepoints of it were switched off, or filtered";
}

int ae_gap_trace_check(const struct ae_gap_trace *trace, struct ae_error *err)
{
    char detail[128];
    const char *change = find_change(trace, detail);

    return change ? ae_error_set(err, -ESTALE, "tracing: %s%s: %s; what it recorded is no evidence",
                                 change, detail, trace->path)
                  : 0;
}

void ae_gap_trace_close(struct ae_gap_trace *trace)
{
    char full[PATH_MAX];

    /* An instance is removed as a directory; the files in it are not there to be unlinked. */
    if (trace->path[0] && is_ours(trace) && ae_root_path(full, sizeof(full), trace->path) == 0) {
        ae_gap_trace_put(trace, "tracing_on", "0");
        rmdir(full);
    }
    if (trace->mount >= 0)
        close(trace->mount);
    trace->mount = -1;
    trace->path[0] = '\0';
}
