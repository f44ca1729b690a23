/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"
#include "base/text.h"

/* <linux/sched.h>; they appear in /proc/PID/stat and have not moved since 3.10. */
#define PF_KTHREAD        0x00200000
#define PF_NO_SETAFFINITY 0x04000000

/* Fields behind the name: state(3) ppid(4) ... flags(9) ... starttime(22). */
int ae_task_parse_stat(struct ae_task *task, const char *text)
{
    const char *open = strchr(text, '('), *close = strrchr(text, ')');
    unsigned long long start;
    unsigned flags;
    long id, parent;
    size_t length;

    if (!open || !close || close < open || sscanf(text, "%9ld", &id) != 1 || id <= 0)
        return -EINVAL;
    if (sscanf(close + 1,
               " %*c %9ld %*d %*d %*d %*d %10u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
               "%20llu",
               &parent, &flags, &start) != 3)
        return -EINVAL;
    length = (size_t)(close - open - 1);
    if (length >= sizeof(task->name))
        length = sizeof(task->name) - 1;
    memcpy(task->name, open + 1, length);
    task->name[length] = '\0';
    ae_text_shown(task->name, sizeof(task->name), task->name); /* its owner chose it */
    task->id = (pid_t)id;
    task->parent = (pid_t)parent;
    task->start = start;
    task->kernel = flags & PF_KTHREAD;
    task->immovable = flags & PF_NO_SETAFFINITY;
    return 0;
}

int ae_task_parse_status(struct ae_task *task, const char *text)
{
    static const char key[] = "\nCpus_allowed_list:";
    const char *group = strstr(text, "\nTgid:");
    const char *line = strstr(text, key);
    char *list;
    int rc;

    if (!line || !group || sscanf(group, "\nTgid: %9d", &task->process) != 1)
        return -EINVAL;
    line += sizeof(key) - 1;
    line += strspn(line, " \t");
    list = strndup(line, strcspn(line, "\n"));
    if (!list)
        return -ENOMEM;
    rc = ae_cpus_parse(&task->allowed, list);
    free(list);
    return rc;
}

static int read_part(struct ae_task *task, const char *directory, const char *file,
                     int (*parse)(struct ae_task *task, const char *text))
{
    char path[96], *text;
    ssize_t length;
    int rc;

    snprintf(path, sizeof(path), "%s/%s", directory, file);
    length = ae_root_read_all(path, &text);
    if (length == -ENOENT)
        return -ESRCH;
    if (length < 0)
        return (int)length;
    rc = length == 0 ? -ESRCH : parse(task, text);
    free(text);
    return rc;
}

static int read_task(struct ae_task *task, const char *directory)
{
    int rc = read_part(task, directory, "stat", ae_task_parse_stat);

    return rc ? rc : read_part(task, directory, "status", ae_task_parse_status);
}

int ae_task_read(struct ae_task *task, pid_t id)
{
    char directory[32];

    snprintf(directory, sizeof(directory), "/proc/%d", id);
    return read_task(task, directory);
}

struct walk {
    char process[32];
    int (*each)(const struct ae_task *task, void *context);
    void *context;
};

static bool is_number(const char *name)
{
    size_t length = strspn(name, "0123456789");

    return length > 0 && length < 10 && name[length] == '\0';
}

static int visit_task(const char *name, void *context)
{
    struct walk *walk = context;
    char directory[64];
    struct ae_task task;
    int rc;

    if (!is_number(name))
        return 0;
    snprintf(directory, sizeof(directory), "%s/task/%s", walk->process, name);
    rc = read_task(&task, directory);
    if (rc == -ESRCH || rc == -ENOENT)
        return 0;
    return rc ? rc : walk->each(&task, walk->context);
}

static int visit_process(const char *name, void *context)
{
    struct walk *walk = context;
    char path[48];
    int rc;

    if (!is_number(name))
        return 0;
    snprintf(walk->process, sizeof(walk->process), "/proc/%.9s", name);
    snprintf(path, sizeof(path), "%s/task", walk->process);
    rc = ae_root_list(path, visit_task, walk);
    return rc == -ENOENT || rc == -ESRCH ? 0 : rc;
}

int ae_task_each(int (*each)(const struct ae_task *task, void *context), void *context)
{
    struct walk walk = {.each = each, .context = context};

    return ae_root_list("/proc", visit_process, &walk);
}

/* It is named after the CPU: rcuop/3, rcuos/3 or rcuob/3. */
bool ae_task_offloads(const struct ae_task *task, unsigned *cpu)
{
    return task->kernel && sscanf(task->name, "rcuo%*[a-z]/%5u", cpu) == 1;
}

bool ae_task_in_partition(pid_t id, const char *partition)
{
    char path[32], wanted[64], *text, *found;
    bool in = false;

    snprintf(path, sizeof(path), "/proc/%d/cgroup", id);
    snprintf(wanted, sizeof(wanted), ":/aether-%s", partition);
    if (ae_root_read_all(path, &text) < 0)
        return false;
    for (found = text; !in && (found = strstr(found, wanted)); found++) {
        char behind = found[strlen(wanted)];

        in = behind == '\n' || behind == '/' || behind == '\0';
    }
    free(text);
    return in;
}
