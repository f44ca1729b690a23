/* SPDX-License-Identifier: Apache-2.0 */
#include "proof/gap_trace.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"

#define INSTANCE "aether-noise-"

/* What may take a CPU away from a program. A directory stands for all of its *_entry events. */
static const char *const wanted[] = {
    "irq_vectors",
    "irq/irq_handler_entry",
    "irq/softirq_entry",
    "sched/sched_switch",
    "exceptions/page_fault_user",
    "exceptions/page_fault_kernel",
    "raw_syscalls/sys_enter",
    "signal/signal_deliver",
    "timer/tick_stop",
    "timer/hrtimer_expire_entry",
    "timer/timer_expire_entry",
    "workqueue/workqueue_execute_start",
    "nmi/nmi_handler",
};

static const char *const mount_points[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

/* One event of a line: "TASK-PID [CPU] FLAGS TICKS: NAME: DETAIL", where TASK may hold anything. */
static int parse_from_bracket(char *at, struct ae_attribution_event *event)
{
    char *end, *name, *detail;

    if (!isdigit((unsigned char)*++at))
        return -EINVAL;
    strtoul(at, &end, 10);
    if (end[0] != ']' || end[1] != ' ')
        return -EINVAL;
    at = end + 2;
    at += strspn(at, " ");
    at += strcspn(at, " "); /* irqs-off, need-resched, context, preempt depth */
    at += strspn(at, " ");
    if (!isdigit((unsigned char)*at))
        return -EINVAL;
    errno = 0;
    event->ticks = strtoull(at, &end, 10);
    if (errno || end[0] != ':' || end[1] != ' ')
        return -EINVAL;
    name = end + 2;
    name += strspn(name, " ");
    detail = strchr(name, ':');
    if (!detail || detail == name)
        return -EINVAL;
    *detail++ = '\0';
    event->name = name;
    event->detail = detail + strspn(detail, " ");
    return 0;
}

int ae_gap_trace_parse_line(char *line, struct ae_attribution_event *event)
{
    if (*line == '#')
        return -EINVAL;
    for (char *at = line; (at = strchr(at, '[')); at++)
        if (parse_from_bracket(at, event) == 0)
            return 0;
    return -EINVAL;
}

int ae_gap_trace_parse(char *text, struct ae_attribution_event **events, size_t *count)
{
    struct ae_attribution_event *items = NULL, event;
    size_t capacity = 0, used = 0;
    char *line;

    while ((line = strsep(&text, "\n"))) {
        if (ae_gap_trace_parse_line(line, &event))
            continue;
        if (used == capacity) {
            struct ae_attribution_event *more;

            capacity = capacity ? capacity * 2 : 1024;
            more = realloc(items, capacity * sizeof(*items));
            if (!more) {
                free(items);
                return -ENOMEM;
            }
            items = more;
        }
        items[used++] = event;
    }
    *events = items;
    *count = used;
    return 0;
}

/* Mounts tracefs for this process alone: nobody else sees it, and it goes with the process. */
static int mount_privately(void)
{
    if (!ae_root_is_real() || unshare(CLONE_NEWNS) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("aether", mount_points[0], "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
        return -errno;
    return 0;
}

static const char *find_tracefs(struct ae_error *err)
{
    char path[64];

    for (int attempt = 0; attempt < 2; attempt++) {
        for (size_t i = 0; i < sizeof(mount_points) / sizeof(mount_points[0]); i++) {
            snprintf(path, sizeof(path), "%s/instances", mount_points[i]);
            if (ae_root_exists(path))
                return mount_points[i];
        }
        if (attempt == 0 && mount_privately())
            break;
    }
    ae_error_set(err, -ENOENT,
                 "tracing: no tracefs at %s, or it may not be looked at; be root, and if it is not "
                 "mounted: mount -t tracefs tracefs %s",
                 mount_points[0], mount_points[0]);
    return NULL;
}

static int write_file(const struct ae_gap_trace *trace, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", trace->path, name);
    return ae_root_write(path, text);
}

struct enabling {
    struct ae_gap_trace *trace;
    const char *directory;
};

static int enable(struct ae_gap_trace *trace, const char *event)
{
    char name[128];
    int rc;

    snprintf(name, sizeof(name), "events/%s/enable", event);
    rc = write_file(trace, name, "1");
    if (!rc)
        trace->events++;
    return rc;
}

static int enable_entry(const char *name, void *context)
{
    struct enabling *enabling = context;
    size_t length = strlen(name);
    char event[96];

    if (length > 6 && strcmp(name + length - 6, "_entry") == 0) {
        snprintf(event, sizeof(event), "%s/%s", enabling->directory, name);
        enable(enabling->trace, event);
    }
    return 0;
}

static void enable_wanted(struct ae_gap_trace *trace)
{
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        struct enabling enabling = {trace, wanted[i]};
        size_t used = strlen(trace->missing);
        char path[256];
        int rc;

        if (strchr(wanted[i], '/')) {
            rc = enable(trace, wanted[i]);
        } else {
            snprintf(path, sizeof(path), "%s/events/%s", trace->path, wanted[i]);
            rc = ae_root_list(path, enable_entry, &enabling);
        }
        if (rc)
            snprintf(trace->missing + used, sizeof(trace->missing) - used, "%s%s", used ? ", " : "",
                     wanted[i]);
    }
}

/* tracing_cpumask takes the bitmap format: hexadecimal words of 32 bits, highest first. */
static int set_cpus(const struct ae_gap_trace *trace, const struct ae_cpus *cpus)
{
    char text[AE_CPUS_MAX / 32 * 9 + 1];
    size_t used = 0;
    bool begun = false;

    for (int word = AE_CPUS_MAX / 32 - 1; word >= 0; word--) {
        uint32_t bits = (uint32_t)(cpus->bits[word / 2] >> (word % 2 ? 32 : 0));

        if (!begun && bits == 0 && word > 0)
            continue;
        used +=
            (size_t)snprintf(text + used, sizeof(text) - used, "%s%08x", begun ? "," : "", bits);
        begun = true;
    }
    return write_file(trace, "tracing_cpumask", text);
}

/* Instances of processes that are gone: they recorded, and cost, for nobody. */
static int remove_stale(const char *name, void *context)
{
    const char *instances = context;
    char path[256];
    long pid;

    if (strncmp(name, INSTANCE, sizeof(INSTANCE) - 1) != 0)
        return 0;
    pid = strtol(name + sizeof(INSTANCE) - 1, NULL, 10);
    if (pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
        return 0;
    snprintf(path, sizeof(path), "%s/%s", instances, name);
    ae_root_remove(path);
    return 0;
}

static int configure(struct ae_gap_trace *trace, const struct ae_cpus *cpus, unsigned kilobytes,
                     struct ae_error *err)
{
    char size[16];
    int rc;

    snprintf(size, sizeof(size), "%u", kilobytes);
    rc = write_file(trace, "tracing_on", "0");
    if (!rc)
        rc = write_file(trace, "trace_clock", "x86-tsc");
    if (rc)
        return ae_error_set(err, rc == -EINVAL ? -EOPNOTSUPP : rc,
                            "tracing: this kernel does not stamp events with the TSC (trace clock "
                            "x86-tsc in %s): %s",
                            trace->path, strerror(-rc));
    rc = set_cpus(trace, cpus);
    if (!rc)
        rc = write_file(trace, "buffer_size_kb", size);
    if (rc)
        return ae_error_set(err, rc, "tracing: setting up %s with %u KiB per CPU: %s", trace->path,
                            kilobytes, strerror(-rc));
    enable_wanted(trace);
    if (trace->events == 0)
        return ae_error_set(err, -EOPNOTSUPP,
                            "tracing: none of the tracepoints wanted could be switched on in %s",
                            trace->path);
    return 0;
}

int ae_gap_trace_open(struct ae_gap_trace *trace, const struct ae_cpus *cpus, unsigned kilobytes,
                      struct ae_error *err)
{
    const char *tracefs = find_tracefs(err);
    char instances[64];
    int rc;

    memset(trace, 0, sizeof(*trace));
    if (!tracefs)
        return -ENOENT;
    snprintf(instances, sizeof(instances), "%s/instances", tracefs);
    ae_root_list(instances, remove_stale, instances);
    snprintf(trace->path, sizeof(trace->path), "%s/" INSTANCE "%d", instances, (int)getpid());
    rc = ae_root_make_directory(trace->path);
    if (rc) {
        rc = ae_error_set(err, rc, "tracing: creating %s: %s; be root", trace->path, strerror(-rc));
        trace->path[0] = '\0';
        return rc;
    }
    rc = configure(trace, cpus, kilobytes, err);
    if (rc)
        ae_gap_trace_close(trace);
    return rc;
}

int ae_gap_trace_switch(const struct ae_gap_trace *trace, int on, struct ae_error *err)
{
    int rc = write_file(trace, "tracing_on", on ? "1" : "0");

    if (rc)
        return ae_error_set(err, rc, "tracing: switching %s %s: %s", trace->path, on ? "on" : "off",
                            strerror(-rc));
    return 0;
}

/* The sum of what the ring buffer says it overwrote or dropped. */
static int read_lost(const char *directory, uint64_t *lost)
{
    static const char *const rows[] = {"\noverrun: ", "\ndropped events: ", "\ncommit overrun: "};
    char path[224], *text;
    ssize_t length;

    snprintf(path, sizeof(path), "%s/stats", directory);
    length = ae_root_read_all(path, &text);
    if (length < 0)
        return (int)length;
    *lost = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *row = strstr(text, rows[i]);

        if (row)
            *lost += strtoull(row + strlen(rows[i]), NULL, 10);
    }
    free(text);
    return 0;
}

int ae_gap_trace_read(const struct ae_gap_trace *trace, unsigned cpu, struct ae_gap_trace_cpu *out,
                      struct ae_error *err)
{
    struct ae_attribution_event *events;
    char directory[192], path[224];
    int rc;

    memset(out, 0, sizeof(*out));
    snprintf(directory, sizeof(directory), "%s/per_cpu/cpu%u", trace->path, cpu);
    snprintf(path, sizeof(path), "%s/trace", directory);
    rc = read_lost(directory, &out->lost);
    if (!rc) {
        ssize_t length = ae_root_read_all(path, &out->text);

        rc = length < 0 ? (int)length : 0;
    }
    if (!rc)
        rc = ae_gap_trace_parse(out->text, &events, &out->trace.count);
    if (rc) {
        ae_gap_trace_cpu_free(out);
        return ae_error_set(err, rc, "tracing: reading %s: %s", path, strerror(-rc));
    }
    out->trace.events = events;
    /* The ring overwrites its oldest events, so a record that lost some is whole from its first. */
    out->trace.from = out->lost == 0 ? 0 : out->trace.count ? events[0].ticks : UINT64_MAX;
    out->trace.to = out->lost && out->trace.count == 0 ? 0 : UINT64_MAX;
    return 0;
}

void ae_gap_trace_cpu_free(struct ae_gap_trace_cpu *cpu)
{
    free((void *)(uintptr_t)cpu->trace.events);
    free(cpu->text);
    memset(cpu, 0, sizeof(*cpu));
}

void ae_gap_trace_close(struct ae_gap_trace *trace)
{
    char full[256];

    if (!trace->path[0])
        return;
    /* An instance is removed as a directory; the files in it are not there to be unlinked. */
    if (ae_root_path(full, sizeof(full), trace->path) == 0)
        rmdir(full);
    trace->path[0] = '\0';
}
