/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/setting.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"
#include "partition/cards.h"
#include "partition/channels.h"
#include "partition/hold.h"
#include "partition/irqbalance.h"
#include "partition/kernel.h"
#include "partition/task.h"

/* Gives away a copy of the first `length` bytes. */
static int give(char **value, const char *text, size_t length)
{
    *value = strndup(text, length);
    return *value ? 0 : -ENOMEM;
}

static int read_text(const char *target, char **value)
{
    ssize_t length = ae_root_read_all(target, value);

    if (length < 0)
        return (int)length;
    while (length > 0 && strchr(" \t\r\n", (*value)[length - 1]))
        length--;
    (*value)[length] = '\0';
    return 0;
}

/* Writing nothing would be no write at all; an empty line is what empties a CPU list. */
static int write_text(const char *target, const char *value)
{
    return ae_kernel.write(target, *value ? value : "\n");
}

static int read_choice(const char *target, char **value)
{
    char *text, *open, *close;
    int rc = read_text(target, &text);

    if (rc)
        return rc;
    open = strchr(text, '[');
    close = open ? strchr(open, ']') : NULL;
    rc =
        close ? give(value, open + 1, (size_t)(close - open - 1)) : give(value, text, strlen(text));
    free(text);
    return rc;
}

/* Splits "FILE REST" at its first space. */
static int split(const char *target, char path[PATH_MAX], const char **rest)
{
    size_t length = strcspn(target, " ");

    if (target[length] != ' ' || length >= PATH_MAX)
        return -EINVAL;
    memcpy(path, target, length);
    path[length] = '\0';
    *rest = target + length + 1;
    return 0;
}

static int read_word(const char *target, char **value)
{
    char path[PATH_MAX], *text, *next, *word;
    const char *wanted;
    int rc = split(target, path, &wanted);
    bool there = false;

    if (!rc)
        rc = read_text(path, &text);
    if (rc)
        return rc;
    next = text;
    while ((word = strsep(&next, " \t\n")))
        there = there || strcmp(word, wanted) == 0;
    free(text);
    return asprintf(value, "%c%s", there ? '+' : '-', wanted) < 0 ? -ENOMEM : 0;
}

static int write_word(const char *target, const char *value)
{
    char path[PATH_MAX];
    const char *word;
    int rc = split(target, path, &word);

    return rc ? rc : ae_kernel.write(path, value);
}

static int read_directory(const char *target, char **value)
{
    const char *state = ae_root_exists(target) ? "present" : "absent";

    return give(value, state, strlen(state));
}

static int write_directory(const char *target, const char *value)
{
    if (strcmp(value, "present") == 0)
        return ae_kernel.make_directory(target);
    return ae_kernel.remove_directory(target);
}

/* "L3:0=ff;1=ff" among the lines of `text`; the mask behind `resource` ("L3:0"). */
static int find_schema(const char *text, const char *resource, char **value)
{
    size_t name = strcspn(resource, ":");
    const char *domain = resource + name + (resource[name] == ':');
    size_t width = strlen(domain);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += strspn(line, " \t\n");
        if (strncmp(line, resource, name) != 0 || line[name] != ':')
            continue;
        for (const char *part = line + name + 1; *part && *part != '\n';) {
            if (strncmp(part, domain, width) == 0 && part[width] == '=')
                return give(value, part + width + 1, strspn(part + width + 1, "0123456789abcdef"));
            part += strcspn(part, ";\n");
            part += *part == ';';
        }
    }
    return -ENOENT;
}

static int read_schemata(const char *target, char **value)
{
    char path[PATH_MAX], *text;
    const char *resource;
    int rc = split(target, path, &resource);

    if (!rc)
        rc = read_text(path, &text);
    if (rc)
        return rc;
    rc = find_schema(text, resource, value);
    free(text);
    return rc;
}

static int write_schemata(const char *target, const char *value)
{
    char path[PATH_MAX], line[128];
    const char *resource;
    int rc = split(target, path, &resource);

    if (rc)
        return rc;
    snprintf(line, sizeof(line), "%s=%s\n", resource, value);
    return ae_kernel.write(path, line);
}

/* The task with this id, if it is still the one that was started then. */
static int find_task(const char *target, struct ae_task *task)
{
    unsigned long long start;
    int id, end = 0, rc;

    if (sscanf(target, "%9d:%20llu%n", &id, &start, &end) != 2 || target[end] || id <= 0)
        return -EINVAL;
    rc = ae_task_read(task, id);
    return rc ? rc : task->start == start ? 0 : -ESRCH;
}

static int read_task(const char *target, char **value)
{
    char text[AE_CPUS_TEXT];
    struct ae_task task;
    int rc = find_task(target, &task);

    if (!rc)
        rc = ae_cpus_format(&task.allowed, text, sizeof(text));
    return rc < 0 ? rc : give(value, text, (size_t)rc);
}

static int write_task(const char *target, const char *value)
{
    struct ae_task task;
    struct ae_cpus cpus;
    int rc = find_task(target, &task);

    if (!rc)
        rc = ae_cpus_parse(&cpus, value);
    return rc ? rc : ae_kernel.set_affinity(task.id, &cpus);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool same_list(const char *a, const char *b)
{
    struct ae_cpus left, right;

    return ae_cpus_parse(&left, a) == 0 && ae_cpus_parse(&right, b) == 0 &&
           ae_cpus_equal(&left, &right);
}

static bool same_mask(const char *a, const char *b)
{
    struct ae_cpus left, right;

    return ae_cpus_parse_mask(&left, a) == 0 && ae_cpus_parse_mask(&right, b) == 0 &&
           ae_cpus_equal(&left, &right);
}

static const struct {
    const char *name;
    int (*read)(const char *target, char **value);
    int (*write)(const char *target, const char *value);
    bool (*same)(const char *a, const char *b);
} kinds[AE_SETTING_KINDS] = {
    [AE_SETTING_TEXT] = {"text", read_text, write_text, same_text},
    [AE_SETTING_CHOICE] = {"choice", read_choice, write_text, same_text},
    [AE_SETTING_LIST] = {"list", read_text, write_text, same_list},
    [AE_SETTING_MASK] = {"mask", read_text, write_text, same_mask},
    [AE_SETTING_FLOOR] = {"floor", read_text, write_text, same_text},
    [AE_SETTING_WORD] = {"word", read_word, write_word, same_text},
    [AE_SETTING_DIRECTORY] = {"directory", read_directory, write_directory, same_text},
    [AE_SETTING_SCHEMATA] = {"schemata", read_schemata, write_schemata, same_mask},
    [AE_SETTING_TASK] = {"task", read_task, write_task, same_list},
    [AE_SETTING_HOLD] = {"hold", ae_hold_read, ae_hold_write, same_text},
    [AE_SETTING_CHANNELS] = {"channels", ae_channels_read, ae_channels_write, same_text},
    [AE_SETTING_IRQBALANCE] = {"irqbalance", ae_irqbalance_read, ae_irqbalance_write, same_list},
    [AE_SETTING_CARD] = {"card", ae_card_read, ae_card_write, same_text},
};

const char *ae_setting_kind_name(enum ae_setting_kind kind)
{
    return kinds[kind].name;
}

int ae_setting_kind_find(const char *name)
{
    for (int kind = 0; kind < AE_SETTING_KINDS; kind++)
        if (strcmp(kinds[kind].name, name) == 0)
            return kind;
    return -EINVAL;
}

int ae_setting_read(enum ae_setting_kind kind, const char *target, char **value)
{
    return kinds[kind].read(target, value);
}

int ae_setting_write(enum ae_setting_kind kind, const char *target, const char *value)
{
    return kinds[kind].write(target, value);
}

const char *ae_setting_reason(enum ae_setting_kind kind, int rc)
{
    if (kind == AE_SETTING_IRQBALANCE && rc == -E2BIG)
        return "irqbalance reads 500 bytes of a command and the list is longer; give it to the "
               "daemon as "
               "IRQBALANCE_BANNED_CPULIST, or stop it";
    return kind == AE_SETTING_CARD && ae_card_reason()[0] ? ae_card_reason() : strerror(-rc);
}

bool ae_setting_same(enum ae_setting_kind kind, const char *a, const char *b)
{
    return kinds[kind].same(a, b);
}

bool ae_setting_meets(enum ae_setting_kind kind, const char *now, const char *wanted)
{
    if (kind == AE_SETTING_FLOOR)
        return strtoull(now, NULL, 10) >= strtoull(wanted, NULL, 10);
    return kinds[kind].same(now, wanted);
}
