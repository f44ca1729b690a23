/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/partition.h"

#define MOST 256

int ae_partition_check_name(const char *name, struct ae_error *err)
{
    size_t length = strlen(name);

    if (length > 0 && length < AE_PARTITION_NAME && name[0] != '-' &&
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length)
        return 0;
    return ae_error_set(err, -EINVAL,
                        "'%s' is no name for a partition; use up to %d lower-case letters, digits "
                        "and '-', not beginning with '-'",
                        name, AE_PARTITION_NAME - 1);
}

struct listing {
    struct ae_partition_names *names;
    const char *suffix;
};

static int add_name(const char *entry, void *context)
{
    const struct listing *listing = context;
    struct ae_partition_names *names = listing->names;
    size_t length = strlen(entry), suffix = strlen(listing->suffix);
    char name[AE_PARTITION_NAME];

    if (length <= suffix || length - suffix >= sizeof(name) ||
        strcmp(entry + length - suffix, listing->suffix) != 0)
        return 0;
    memcpy(name, entry, length - suffix);
    name[length - suffix] = '\0';
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->name[i], name) == 0)
            return 0;
    if (ae_partition_check_name(name, NULL) == 0 && names->count < MOST)
        strcpy(names->name[names->count++], name);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

int ae_partition_find_names(struct ae_partition_names *names, bool journals)
{
    struct listing files = {names, ".conf"}, states = {names, ""};
    int rc;

    names->count = 0;
    names->name = calloc(MOST, sizeof(*names->name));
    if (!names->name)
        return -ENOMEM;
    rc = ae_root_list(AE_PARTITION_FILES, add_name, &files);
    if (journals && (!rc || rc == -ENOENT))
        rc = ae_root_list(AE_PARTITION_STATE, add_name, &states);
    qsort(names->name, names->count, sizeof(*names->name), by_name);
    return rc == -ENOENT ? 0 : rc;
}

int ae_partition_each_name(int (*each)(const char *name, void *context), void *context)
{
    struct ae_partition_names names;
    int rc = ae_partition_find_names(&names, true);

    for (size_t i = 0; !rc && i < names.count; i++)
        rc = each(names.name[i], context);
    free(names.name);
    return rc;
}
