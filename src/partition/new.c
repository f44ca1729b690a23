/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "machine/topology.h"
#include "partition/partition.h"

/* All CPUs but the boot CPU's core and those of other partitions, on the node where most are. */
static int propose(char *list, size_t size, struct ae_error *err)
{
    struct ae_cpus cpus, core, best;
    unsigned best_count = 0;

    if (ae_topology_online(&cpus))
        return ae_error_set(err, -EIO, "reading /sys/devices/system/cpu/online failed");
    ae_topology_siblings(0, &core);
    ae_cpus_subtract(&cpus, &core);
    best = cpus;
    for (unsigned node = 0; ae_topology_has_node(node); node++) {
        struct ae_cpus there;

        if (ae_topology_node_cpus(node, &there))
            continue;
        ae_cpus_keep(&there, &cpus);
        if (ae_cpus_count(&there) <= best_count)
            continue;
        best = there;
        best_count = ae_cpus_count(&there);
    }
    if (ae_cpus_count(&best) == 0)
        return ae_error_set(err, -EINVAL,
                            "this machine has only one core; a partition needs "
                            "another besides the host's");
    return ae_cpus_format(&best, list, size) < 0
               ? ae_error_set(err, -ENOSPC, "the list of CPUs is too long")
               : 0;
}

static void describe_machine(FILE *file)
{
    struct ae_cpus online, core;
    char list[128];
    int node;

    if (ae_topology_online(&online) || ae_cpus_format(&online, list, sizeof(list)) < 0)
        return;
    fprintf(file, "# This machine: CPUs %s", list);
    for (node = 0; ae_topology_has_node((unsigned)node); node++)
        if (ae_topology_node_cpus((unsigned)node, &online) == 0 &&
            ae_cpus_format(&online, list, sizeof(list)) >= 0)
            fprintf(file, "; memory node %d: %s", node, list);
    ae_topology_siblings(0, &core);
    if (ae_cpus_count(&core) > 1 && ae_cpus_format(&core, list, sizeof(list)) >= 0)
        fprintf(file, "; CPU 0 shares its core: %s", list);
    fprintf(file, ".\n");
}

static void write_file(FILE *file, const char *name, const char *cpus)
{
    fprintf(file,
            "# Partition %s. See docs/partition.md; `aether partition plan %s` shows what it "
            "would change.\n",
            name, name);
    describe_machine(file);
    fprintf(file,
            "\n[partition]\n"
            "# Quiet CPUs: a list, or \"N near DEVICE\" for whole cores close to a PCI device.\n"
            "cpus = %s\n"
            "# Where everything else goes. Left out: all other CPUs.\n"
            "#host = 0\n"
            "# Siblings of quiet CPUs: whole (they are quiet too), offline, share.\n"
            "smt = whole\n"
            "# performance, or keep (leave frequencies and idle states alone).\n"
            "power = performance\n",
            cpus);
    fprintf(file, "\n[memory]\n"
                  "# Huge pages on the partition's memory node.\n");
    fprintf(file, "%shugepages-2M = 256\n",
            ae_root_exists("/sys/kernel/mm/hugepages/hugepages-2048kB") ? "" : "#");
    fprintf(file, "#hugepages-1G = 1\n"
                  "\n[devices]\n"
                  "# One line per PCI function (lspci -D).\n"
                  "#device = 0000:01:00.0\n"
                  "\n[cache]\n"
                  "# Ways of the level 3 cache for the partition alone.\n"
                  "#l3-ways = 4\n"
                  "\n[knobs]\n"
                  "# NAME = off leaves a knob alone; `aether partition knobs` lists them.\n");
}

int ae_partition_new(const char *name, const char *cpus, char **text, struct ae_error *err)
{
    char proposal[160];
    size_t size;
    FILE *file;
    int rc = ae_partition_check_name(name, err);

    if (!rc && !cpus)
        rc = propose(proposal, sizeof(proposal), err);
    if (rc)
        return rc;
    file = open_memstream(text, &size);
    if (!file)
        return ae_error_set(err, -ENOMEM, "no memory for the file");
    write_file(file, name, cpus ? cpus : proposal);
    return fclose(file) ? ae_error_set(err, -ENOMEM, "no memory for the file") : 0;
}

int ae_partition_store(const char *name, const char *text, struct ae_error *err)
{
    struct ae_partition *partition;
    char path[96];
    int rc = ae_partition_check_name(name, err);

    if (rc)
        return rc;
    snprintf(path, sizeof(path), "%s/%s.conf", AE_PARTITION_FILES, name);
    if (ae_root_exists(path))
        return ae_error_set(err, -EEXIST, "%s exists; edit it, or remove it first", path);
    rc = ae_root_make_directory(AE_PARTITION_FILES);
    if (!rc)
        rc = ae_root_replace(path, text);
    if (rc)
        return ae_error_set(err, rc, "writing %s failed: %s; run as root", path, strerror(-rc));
    rc = ae_partition_load(&partition, name, err);
    if (rc)
        ae_root_remove(path);
    else
        ae_partition_free(partition);
    return rc;
}
