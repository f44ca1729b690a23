/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "base/trusted.h"
#include "partition/journal.h"
#include "partition/names.h"
#include "partition/partition.h"

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
static int load_among(struct ae_partition **partition, const struct ae_partition_names *names,
                      const char *name, struct ae_error *err)
{
    struct ae_partition **all = calloc(names->count, sizeof(struct ae_partition *));
    size_t which = 0;
    int rc = all ? 0 : ae_error_set(err, -ENOMEM, "no memory for the partitions");

    for (size_t i = 0; !rc && i < names->count; i++) {
        if (strcmp(names->name[i], name) == 0)
            which = i;
        rc = read_file(&all[i], names->name[i], err);
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
    struct ae_partition_names names;
    int rc = ae_partition_check_name(name, err);

    if (rc)
        return rc;
    snprintf(path, sizeof(path), "%s/%s.conf", AE_PARTITION_FILES, name);
    if (!ae_root_exists(path))
        return no_file(path, err);
    rc = ae_partition_find_names(&names, false);
    if (rc)
        ae_error_set(err, rc, "reading %s failed: %s", AE_PARTITION_FILES, strerror(-rc));
    else
        rc = load_among(partition, &names, name, err);
    free(names.name);
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
