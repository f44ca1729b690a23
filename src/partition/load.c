/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "base/trusted.h"
#include "partition/journal.h"
#include "partition/partition.h"

#define FILES_MAX 256

struct names {
    char (*names)[AE_PARTITION_NAME];
    size_t count;
    const char *suffix;
};

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

static int add_name(const char *entry, void *context)
{
    struct names *names = context;
    size_t length = strlen(entry), suffix = strlen(names->suffix);
    char name[AE_PARTITION_NAME];

    if (length <= suffix || length - suffix >= sizeof(name) ||
        strcmp(entry + length - suffix, names->suffix) != 0)
        return 0;
    memcpy(name, entry, length - suffix);
    name[length - suffix] = '\0';
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0)
            return 0;
    if (ae_partition_check_name(name, NULL) == 0 && names->count < FILES_MAX)
        strcpy(names->names[names->count++], name);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Names that have a file; those that have a journal too, if asked for. The caller frees. */
static int find_names(struct names *names, bool journals)
{
    int rc;

    names->count = 0;
    names->names = calloc(FILES_MAX, sizeof(*names->names));
    if (!names->names)
        return -ENOMEM;
    names->suffix = ".conf";
    rc = ae_root_list(AE_PARTITION_FILES, add_name, names);
    names->suffix = "";
    if (journals && (!rc || rc == -ENOENT))
        rc = ae_root_list(AE_PARTITION_STATE, add_name, names);
    qsort(names->names, names->count, sizeof(*names->names), by_name);
    return rc == -ENOENT ? 0 : rc;
}

int ae_partition_each_name(int (*each)(const char *name, void *context), void *context)
{
    struct names names;
    int rc = find_names(&names, true);

    for (size_t i = 0; !rc && i < names.count; i++)
        rc = each(names.names[i], context);
    free(names.names);
    return rc;
}

static int no_file(const char *path, struct ae_error *err)
{
    return ae_error_set(err, -ENOENT, "reading %s failed: %s; `aether partition new` writes one",
                        path, strerror(ENOENT));
}

static int read_file(struct ae_partition **partition, const char *name, struct ae_error *err)
{
    struct ae_partition *new = calloc(1, sizeof(*new));
    struct ae_journal journal;
    char *text = NULL;
    ssize_t length;
    int rc;

    if (!new)
        return ae_error_set(err, -ENOMEM, "no memory for partition %s", name);
    snprintf(new->name, sizeof(new->name), "%s", name);
    snprintf(new->path, sizeof(new->path), "%s/%s.conf", AE_PARTITION_FILES, name);
    length = ae_trusted_read(new->path, &text, err);
    if (length == -ENOENT)
        rc = no_file(new->path, err);
    else
        rc = length < 0 ? (int)length : ae_partition_parse(new, text, (size_t)length, err);
    free(text);
    if (rc) {
        ae_partition_free(new);
        return rc;
    }
    new->applied = ae_journal_read(&journal, name, NULL) == 0;
    ae_journal_close(&journal);
    *partition = new;
    return 0;
}

/* Reads all files; the one called `name` goes to *partition, the others are let go of. */
static int load_among(struct ae_partition **partition, const struct names *names, const char *name,
                      struct ae_error *err)
{
    struct ae_partition **all = calloc(names->count, sizeof(struct ae_partition *));
    size_t which = 0;
    int rc = all ? 0 : ae_error_set(err, -ENOMEM, "no memory for the partitions");

    for (size_t i = 0; !rc && i < names->count; i++) {
        if (strcmp(names->names[i], name) == 0)
            which = i;
        rc = read_file(&all[i], names->names[i], err);
    }
    if (!rc)
        rc = ae_partition_resolve(all, names->count, which, err);
    for (size_t i = 0; all && i < names->count; i++) {
        if (!rc && i == which)
            *partition = all[i];
        else
            ae_partition_free(all[i]);
    }
    free(all);
    return rc;
}

int ae_partition_load(struct ae_partition **partition, const char *name, struct ae_error *err)
{
    char path[96];
    struct names names;
    int rc = ae_partition_check_name(name, err);

    if (rc)
        return rc;
    snprintf(path, sizeof(path), "%s/%s.conf", AE_PARTITION_FILES, name);
    if (!ae_root_exists(path))
        return no_file(path, err);
    rc = find_names(&names, false);
    if (rc)
        ae_error_set(err, rc, "reading %s failed: %s", AE_PARTITION_FILES, strerror(-rc));
    else
        rc = load_among(partition, &names, name, err);
    free(names.names);
    return rc;
}

void ae_partition_free(struct ae_partition *partition)
{
    if (!partition)
        return;
    free(partition->cpus.value);
    free(partition->host.value);
    free(partition->smt.value);
    free(partition->node.value);
    free(partition->power.value);
    free(partition->l3_ways.value);
    free(partition);
}

const char *ae_partition_name(const struct ae_partition *partition)
{
    return partition->name;
}

int ae_partition_quiet_cpus(const struct ae_partition *partition, char *text, size_t size)
{
    int length = ae_cpus_format(&partition->quiet, text, size);

    return length < 0 ? length : 0;
}

int ae_partition_host_cpus(const struct ae_partition *partition, char *text, size_t size)
{
    int length = ae_cpus_format(&partition->host_cpus, text, size);

    return length < 0 ? length : 0;
}
