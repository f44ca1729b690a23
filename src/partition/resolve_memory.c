/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"
#include "machine/topology.h"

struct nearest {
    const char *row; /* distances to each node that is online, in their order */
    int node;
    unsigned long distance;
};

static int consider_near(unsigned node, void *context)
{
    struct nearest *nearest = context;
    char *end;
    unsigned long distance = strtoul(nearest->row, &end, 10);

    nearest->row = end;
    if (ae_topology_has_memory(node) && (nearest->node < 0 || distance < nearest->distance)) {
        nearest->node = (int)node;
        nearest->distance = distance;
    }
    return 0;
}

/* The node with memory that is nearest to one without; -1: none has any. */
static int nearest_memory(int node)
{
    struct nearest nearest = {.row = "", .node = -1};
    char path[64], *text = NULL;

    snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/distance", node);
    if (ae_root_read_all(path, &text) >= 0)
        nearest.row = text;
    ae_topology_each_node(consider_near, &nearest);
    free(text);
    return nearest.node;
}

static int check_memory(const struct ae_partition *partition, unsigned line, struct ae_error *err)
{
    int nearest;

    if (partition->memory_node < 0 || ae_topology_has_memory((unsigned)partition->memory_node))
        return 0;
    nearest = nearest_memory(partition->memory_node);
    return ae_partition_mistake(partition, line, err,
                                "memory node %d, on which the quiet CPUs are, has no memory; write "
                                "node = %d, which has some",
                                partition->memory_node, nearest < 0 ? 0 : nearest);
}

int ae_resolve_node(struct ae_partition *partition, struct ae_error *err)
{
    int first = ae_cpus_next(&partition->quiet, 0);
    int node = ae_topology_node((unsigned)first);

    /* A CPU that went offline is on no node. */
    while (node < 0 && ae_cpus_next(&partition->quiet, (unsigned)first + 1) > 0) {
        first = ae_cpus_next(&partition->quiet, (unsigned)first + 1);
        node = ae_topology_node((unsigned)first);
    }
    partition->memory_node = node;
    if (partition->node.line) {
        char *end;
        unsigned long wanted = strtoul(partition->node.value, &end, 10);

        if (*end || partition->node.value[0] < '0' || partition->node.value[0] > '9' ||
            wanted > 1023)
            return ae_partition_mistake(partition, partition->node.line, err,
                                        "'%.100s' is no memory node; write its number, such as 0",
                                        partition->node.value);
        if (!ae_topology_has_node((unsigned)wanted))
            return ae_partition_mistake(partition, partition->node.line, err,
                                        "this machine has no memory node %lu; see "
                                        "/sys/devices/system/node",
                                        wanted);
        partition->memory_node = (int)wanted;
        return check_memory(partition, partition->node.line, err);
    }
    for (int cpu = first; cpu >= 0; cpu = ae_cpus_next(&partition->quiet, (unsigned)cpu + 1)) {
        int other = ae_topology_node((unsigned)cpu);

        if (other != node && other >= 0)
            return ae_partition_mistake(partition, partition->cpus.line, err,
                                        "CPU %d is on memory node %d, CPU %d on node %d; make one "
                                        "partition per node, or say which memory to use with "
                                        "node = N",
                                        first, node, cpu, other);
    }
    return partition->page_count ? check_memory(partition, partition->pages[0].line, err) : 0;
}

/* Kilobytes of memory of a node, or of the machine; 0: not known. */
static uint64_t memory_size(int node)
{
    char path[64] = "/proc/meminfo", *text, *total;
    uint64_t kilobytes = 0;

    if (node >= 0)
        snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
    if (ae_root_read_all(path, &text) < 0)
        return 0;
    total = strstr(text, "MemTotal:");
    if (total)
        kilobytes = strtoull(total + strlen("MemTotal:"), NULL, 10);
    free(text);
    return kilobytes;
}

/* Where a partition's memory is, before it is checked itself. */
static int likely_node(const struct ae_partition *partition)
{
    if (partition->node.line)
        return (int)strtoul(partition->node.value, NULL, 10);
    return ae_topology_node((unsigned)ae_cpus_next(&partition->quiet, 0));
}

/* Partitions on one node share its pool of huge pages. */
static void add_pages(struct ae_partition **all, size_t count, const struct ae_partition *partition,
                      struct ae_partition_pages *pages)
{
    for (size_t i = 0; i < count; i++)
        for (unsigned j = 0; j < all[i]->page_count; j++)
            if (all[i]->pages[j].kilobytes == pages->kilobytes &&
                (all[i] == partition || likely_node(all[i]) == partition->memory_node))
                pages->total += all[i]->pages[j].count;
}

int ae_resolve_pages(struct ae_partition **all, size_t count, size_t which, struct ae_error *err)
{
    struct ae_partition *partition = all[which];
    uint64_t memory = memory_size(partition->memory_node), sum = 0;

    for (unsigned i = 0; i < partition->page_count; i++) {
        struct ae_partition_pages *pages = &partition->pages[i];
        char path[96];

        snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%llukB",
                 (unsigned long long)pages->kilobytes);
        if (!ae_root_exists(path))
            return ae_partition_mistake(partition, pages->line, err,
                                        "this kernel has no huge pages of %llu kB; see "
                                        "/sys/kernel/mm/hugepages for the sizes it has",
                                        (unsigned long long)pages->kilobytes);
        add_pages(all, count, partition, pages);
        sum += pages->kilobytes * pages->total;
        if (memory && sum >= memory)
            return ae_partition_mistake(partition, pages->line, err,
                                        "huge pages of %llu MiB would take all memory of node %d "
                                        "(%llu MiB); ask for fewer",
                                        (unsigned long long)(sum >> 10), partition->memory_node,
                                        (unsigned long long)(memory >> 10));
    }
    return 0;
}
