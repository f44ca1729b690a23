/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/cgroup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"

static bool has_word(const char *text, const char *word, const char *separators)
{
    size_t length = strlen(word);

    while (*text) {
        size_t span = strcspn(text, separators);

        if (span == length && strncmp(text, word, length) == 0)
            return true;
        text += span;
        text += strspn(text, separators);
    }
    return false;
}

static int offers_cpusets(const char *path)
{
    char file[160], *text;
    int found;

    snprintf(file, sizeof(file), "%s/cgroup.controllers", path);
    if (ae_root_read_all(file, &text) < 0)
        return 0;
    found = has_word(text, "cpuset", " \n");
    free(text);
    return found;
}

int ae_cgroup_parse_mounts(struct ae_cgroup *cgroup, const char *text,
                           int (*offers)(const char *path))
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char path[128], type[32], options[512];

        if (sscanf(line, "%*s %127s %31s %511s", path, type, options) != 3)
            continue;
        if (strcmp(type, "cgroup2") == 0 && offers(path))
            cgroup->version = 2;
        else if (strcmp(type, "cgroup") == 0 && has_word(options, "cpuset", ","))
            cgroup->version = 1;
        else
            continue;
        strcpy(cgroup->path, path);
        cgroup->noprefix = has_word(options, "noprefix", ",");
        return 0;
    }
    return -ENOENT;
}

const char *ae_cgroup_file(const struct ae_cgroup *cgroup, const char *name)
{
    return cgroup->noprefix ? name + strlen("cpuset.") : name;
}

struct walk {
    const struct ae_cgroup *cgroup;
    int (*each)(const char *path, void *context);
    void *context;
    char path[256];
};

static int visit(const char *name, void *context)
{
    struct walk *walk = context;
    size_t length = strlen(walk->path);
    char file[288];
    int rc;

    snprintf(file, sizeof(file), "%s/%s/%s", walk->path, name,
             ae_cgroup_file(walk->cgroup, "cpuset.cpus"));
    if (length + strlen(name) + 2 > sizeof(walk->path) || !ae_root_exists(file))
        return 0;
    snprintf(walk->path + length, sizeof(walk->path) - length, "/%s", name);
    rc = ae_root_list(walk->path, visit, walk);
    if (rc == -ENOENT) /* it went away meanwhile */
        rc = 0;
    if (!rc)
        rc = walk->each(walk->path, walk->context);
    walk->path[length] = '\0';
    return rc;
}

int ae_cgroup_each_set(const struct ae_cgroup *cgroup, int (*each)(const char *path, void *context),
                       void *context)
{
    struct walk walk = {.cgroup = cgroup, .each = each, .context = context};

    snprintf(walk.path, sizeof(walk.path), "%s", cgroup->path);
    return ae_root_list(walk.path, visit, &walk);
}

int ae_cgroup_find(struct ae_cgroup *cgroup)
{
    char *text;
    ssize_t length = ae_root_read_all("/proc/mounts", &text);
    int rc;

    if (length < 0)
        return -ENOENT;
    rc = ae_cgroup_parse_mounts(cgroup, text, offers_cpusets);
    free(text);
    return rc;
}
