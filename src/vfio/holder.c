/* SPDX-License-Identifier: Apache-2.0 */
#include "vfio/holder.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/root.h"
#include "base/text.h"

struct search {
    char group[32], noiommu[32]; /* what a descriptor of it points to */
    char descriptors[64];        /* "/proc/PID/fd" */
    char *text;
    size_t size;
};

static int look_at_descriptor(const char *name, void *context)
{
    struct search *search = context;
    char path[128], full[PATH_MAX], target[64];
    ssize_t length;

    snprintf(path, sizeof(path), "%s/%.20s", search->descriptors, name);
    if (ae_root_path(full, sizeof(full), path))
        return 0;
    length = readlink(full, target, sizeof(target) - 1);
    if (length < 0)
        return 0;
    target[length] = '\0';
    return strcmp(target, search->group) == 0 || strcmp(target, search->noiommu) == 0;
}

static int look_at_process(const char *name, void *context)
{
    struct search *search = context;
    char path[64], command[32] = "?";

    if (name[strspn(name, "0123456789")])
        return 0;
    snprintf(search->descriptors, sizeof(search->descriptors), "/proc/%.20s/fd", name);
    if (ae_root_list(search->descriptors, look_at_descriptor, search) != 1)
        return 0;
    snprintf(path, sizeof(path), "/proc/%.20s/comm", name);
    ae_root_read(path, command, sizeof(command));
    snprintf(search->text, search->size, "%s (pid %s)", AE_TEXT(command), name);
    return 1;
}

bool ae_vfio_holder(int group, char *text, size_t size)
{
    struct search search = {.text = text, .size = size};

    snprintf(search.group, sizeof(search.group), "/dev/vfio/%d", group);
    snprintf(search.noiommu, sizeof(search.noiommu), "/dev/vfio/noiommu-%d", group);
    return ae_root_list("/proc", look_at_process, &search) == 1;
}
