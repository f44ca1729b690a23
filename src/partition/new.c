/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "machine/topology.h"
#include "partition/names.h"
#include "partition/partition.h"

struct proposal {
    const struct ae_cpus *candidates;
    struct ae_cpus best;
};

/* The node on which most of them are. */
static int consider_node(unsigned node, void *context)
{
    struct proposal *proposal = context;
    struct ae_cpus there;

    if (ae_topology_node_cpus(node, &there) || !ae_topology_has_memory(node))
        return 0;
    ae_cpus_keep(&there, proposal->candidates);
    if (ae_cpus_count(&there) > ae_cpus_count(&proposal->best))
        proposal->best = there;
    return 0;
}

static int take_out(const char *name, void *context)
{
    struct ae_partition *partition;

    if (ae_partition_load(&partition, name, NULL))
        return 0;
    ae_cpus_subtract(context, &partition->quiet);
    ae_cpus_subtract(context, &partition->offline);
    ae_partition_free(partition);
    return 0;
}

/* The core that the host keeps: of CPU 0, which keeps the time, or of the lowest there is. */
static void host_core(const struct ae_cpus *online, struct ae_cpus *core)
{
    int first = ae_cpus_next(online, 0);

    ae_topology_siblings(first < 0 ? 0 : (unsigned)first, core);
}

/* All CPUs but the host's core, slow ones and those of other partitions, on the node where most
 * are. */
static int propose(char *list, size_t size, struct ae_error *err)
{
    struct ae_cpus cpus, core, slow, fast;
    struct proposal proposal = {.candidates = &cpus};

    if (ae_topology_online(&cpus))
        return ae_error_set(err, -EIO, "reading /sys/devices/system/cpu/online failed");
    host_core(&cpus, &core);
    ae_cpus_subtract(&cpus, &core);
    ae_partition_each_name(take_out, &cpus);
    fast = cpus;
    ae_topology_slow(&slow);
    ae_cpus_subtract(&fast, &slow);
    if (ae_cpus_count(&fast) > 0)
        cpus = fast;
    ae_topology_each_node(consider_node, &proposal);
    if (ae_cpus_count(&proposal.best) == 0) /* no nodes, or none of them with a CPU of these */
        proposal.best = cpus;
    if (ae_cpus_count(&proposal.best) == 0)
        return ae_error_set(
            err, -EINVAL,
            "no core is left for a partition: the host needs one, and other partitions "
            "have theirs; name CPUs with --cpus");
    return ae_cpus_format(&proposal.best, list, size) < 0
               ? ae_error_set(err, -ENOSPC, "the list of CPUs is too long")
               : 0;
}

static int describe_node(unsigned node, void *context)
{
    struct ae_cpus cpus;
    char list[128];

    if (ae_topology_node_cpus(node, &cpus) == 0)
        fprintf(context, "#   memory node %u: %s%s\n", node,
                ae_cpus_show(&cpus, list, sizeof(list)),
                ae_topology_has_memory(node) ? "" : ", without memory");
    return 0;
}

static void describe_machine(FILE *file)
{
    struct ae_cpus online, cpus;
    char list[128];

    if (ae_topology_online(&online))
        return;
    fprintf(file, "# This machine: CPUs %s\n", ae_cpus_show(&online, list, sizeof(list)));
    ae_topology_each_node(describe_node, file);
    host_core(&online, &cpus);
    if (ae_cpus_count(&cpus) > 1)
        fprintf(file, "#   CPU %d shares its core: %s\n", ae_cpus_next(&cpus, 0),
                ae_cpus_show(&cpus, list, sizeof(list)));
    ae_topology_slow(&cpus);
    if (ae_cpus_count(&cpus) > 0)
        fprintf(file, "#   slower cores, better left to the host: %s\n",
                ae_cpus_show(&cpus, list, sizeof(list)));
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
    char proposal[AE_CPUS_TEXT];
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
