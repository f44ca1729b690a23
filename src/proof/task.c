/* SPDX-License-Identifier: Apache-2.0 */
#include "proof/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"

enum { VOLUNTARY, INVOLUNTARY, MINOR, MAJOR, MIGRATIONS };

const struct ae_task_counter_name ae_task_counter_names[AE_TASK_COUNTERS] = {
    [VOLUNTARY] = {"voluntary context switches", true},
    [INVOLUNTARY] = {"involuntary context switches", true},
    [MINOR] = {"minor page faults", true},
    [MAJOR] = {"major page faults", true},
    [MIGRATIONS] = {"migrations", false},
};

static void set(struct ae_task_counters *counters, unsigned which, const char *number)
{
    char *end;

    while (*number == ' ' || *number == '\t')
        number++;
    if (*number < '0' || *number > '9')
        return;
    counters->value[which] = strtoull(number, &end, 10);
    counters->seen[which] = true;
}

static void find(struct ae_task_counters *counters, unsigned which, const char *text,
                 const char *key)
{
    const char *at = strstr(text, key);

    if (at)
        set(counters, which, at + strlen(key));
}

static void find_allowed(struct ae_task_counters *counters, const char *text)
{
    static const char key[] = "\nCpus_allowed_list:";
    const char *at = strstr(text, key);
    char *list;

    if (!at)
        return;
    at += sizeof(key) - 1;
    at += strspn(at, " \t");
    list = strndup(at, strcspn(at, "\n"));
    counters->allowed_seen = list && *list && ae_cpus_parse(&counters->allowed, list) == 0;
    free(list);
}

void ae_task_counters_parse_status(struct ae_task_counters *counters, const char *text)
{
    find(counters, VOLUNTARY, text, "\nvoluntary_ctxt_switches:");
    find(counters, INVOLUNTARY, text, "\nnonvoluntary_ctxt_switches:");
    find_allowed(counters, text);
}

static void set_cpu_time(struct ae_task_counters *counters, uint64_t ticks)
{
    counters->cpu_time = ticks;
    counters->cpu_time_seen = true;
}

/* The name may hold spaces and parentheses; fields count from behind its last one (proc(5)). */
void ae_task_counters_parse_stat(struct ae_task_counters *counters, const char *text)
{
    const char *at = strrchr(text, ')');
    uint64_t user = 0;

    counters->processor = -1;
    for (unsigned field = 3; at && (at = strchr(at + 1, ' ')); field++) {
        if (field == 3)
            counters->state = at[1];
        else if (field == 10)
            set(counters, MINOR, at);
        else if (field == 12)
            set(counters, MAJOR, at);
        else if (field == 14)
            user = strtoull(at, NULL, 10);
        else if (field == 15)
            set_cpu_time(counters, user + strtoull(at, NULL, 10));
        else if (field == 20)
            counters->threads = strtol(at, NULL, 10);
        else if (field == 22)
            counters->start = strtoull(at, NULL, 10);
        else if (field == 39)
            counters->processor = at[1] >= '0' && at[1] <= '9' ? (int)strtol(at, NULL, 10) : -1;
    }
}

void ae_task_counters_parse_sched(struct ae_task_counters *counters, const char *text)
{
    const char *at = strstr(text, "\nse.nr_migrations");

    if (at && (at = strchr(at, ':')))
        set(counters, MIGRATIONS, at + 1);
}

int ae_task_counters_read(struct ae_task_counters *counters, pid_t pid)
{
    static const struct {
        const char *file;
        void (*parse)(struct ae_task_counters *counters, const char *text);
    } files[] = {
        {"status", ae_task_counters_parse_status},
        {"stat", ae_task_counters_parse_stat},
        {"sched", ae_task_counters_parse_sched},
    };
    bool found = false;

    memset(counters, 0, sizeof(*counters));
    counters->processor = -1;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[64], *text;

        snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i].file);
        if (ae_root_read_all(path, &text) < 0)
            continue;
        files[i].parse(counters, text);
        free(text);
        found = true;
    }
    return found ? 0 : -ESRCH;
}
