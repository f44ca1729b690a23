/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/boot/files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"

bool ae_boot_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static const char *why(int rc)
{
    switch (rc) {
    case -ELOOP:
        return "it is a link to what is not there; make that, or remove the link";
    case -EMLINK:
        return "it has other names by hard links, which would keep the old text; make it a file of "
               "its own";
    default:
        return strerror(-rc);
    }
}

int ae_boot_read(const char *path, char **text, struct ae_error *err)
{
    ssize_t length = ae_root_read_all(path, text);
    char target[NAME_MAX + 1];

    if (length >= 0)
        return 0;
    *text = NULL;
    if (length == -ENOENT && ae_root_link_name(path, target, sizeof(target)) == 0)
        length = -ELOOP;
    return length == -ENOENT ? 0
                             : ae_error_set(err, (int)length, "boot parameters: reading %s: %s",
                                            path, why((int)length));
}

int ae_boot_write(const char *path, const char *text, struct ae_error *err)
{
    char directory[512], *now;
    int rc = ae_boot_read(path, &now, err);
    bool there = !rc && ae_boot_same(now, text);

    free(now);
    if (rc || there)
        return rc;
    snprintf(directory, sizeof(directory), "%.500s", path);
    *strrchr(directory, '/') = '\0';
    if (text && *directory)
        rc = ae_root_make_directory(directory);
    if (!rc)
        rc = text ? ae_root_replace(path, text) : ae_root_remove(path);
    if (!rc && *directory)
        rc = ae_root_sync_directory(directory);
    return rc ? ae_error_set(err, rc, "boot parameters: writing %s: %s", path, why(rc)) : 0;
}

int ae_boot_add_change(struct ae_boot_plan *plan, const char *path, char *before, char *after,
                       struct ae_error *err)
{
    struct ae_boot_change *change = &plan->changes[plan->count];
    char *copy = plan->count < AE_BOOT_FILES ? strdup(path) : NULL;

    if (!copy) {
        free(before);
        free(after);
        return ae_error_set(err, -ENOMEM, "boot parameters: more than %d files, or out of memory",
                            AE_BOOT_FILES);
    }
    *change = (struct ae_boot_change){copy, before, after};
    plan->count++;
    return 0;
}

void ae_boot_plan_free(struct ae_boot_plan *plan)
{
    for (unsigned i = 0; i < plan->count; i++) {
        free(plan->changes[i].path);
        free(plan->changes[i].before);
        free(plan->changes[i].after);
    }
    free(plan->parameters);
    memset(plan, 0, sizeof(*plan));
}

const char *ae_boot_first_of(const char *const paths[])
{
    for (; *paths; paths++)
        if (ae_root_exists(*paths))
            return *paths;
    return NULL;
}
