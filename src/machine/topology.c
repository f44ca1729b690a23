/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/topology.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"

int ae_topology_possible(struct ae_cpus *cpus)
{
    return ae_cpus_read(cpus, "/sys/devices/system/cpu/possible");
}

int ae_topology_online(struct ae_cpus *cpus)
{
    return ae_cpus_read(cpus, "/sys/devices/system/cpu/online");
}

void ae_topology_siblings(unsigned cpu, struct ae_cpus *siblings)
{
    char path[96];

    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
             cpu);
    if (ae_cpus_read(siblings, path))
        ae_cpus_clear(siblings);
    ae_cpus_add(siblings, cpu);
}

int ae_topology_node_cpus(unsigned node, struct ae_cpus *cpus)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", node);
    return ae_cpus_read(cpus, path);
}

bool ae_topology_has_node(unsigned node)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/devices/system/node/node%u", node);
    return ae_root_exists(path);
}

struct each_node {
    unsigned numbers[1024];
    unsigned count;
};

static int note_node(const char *name, void *context)
{
    struct each_node *nodes = context;
    unsigned node;
    int end = 0;

    if (sscanf(name, "node%u%n", &node, &end) == 1 && !name[end] &&
        nodes->count < sizeof(nodes->numbers) / sizeof(nodes->numbers[0]))
        nodes->numbers[nodes->count++] = node;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const unsigned *first = a, *second = b;

    return *first < *second ? -1 : *first > *second;
}

int ae_topology_each_node(int (*each)(unsigned node, void *context), void *context)
{
    struct each_node nodes = {.count = 0};
    int rc = 0;

    ae_root_list("/sys/devices/system/node", note_node, &nodes);
    qsort(nodes.numbers, nodes.count, sizeof(nodes.numbers[0]), by_number);
    for (unsigned i = 0; !rc && i < nodes.count; i++)
        rc = each(nodes.numbers[i], context);
    return rc;
}

bool ae_topology_has_memory(unsigned node)
{
    char path[64], *text, *total;
    bool has = true;

    snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", node);
    if (ae_root_read_all(path, &text) < 0)
        return true;
    total = strstr(text, "MemTotal:");
    if (total)
        has = strtoull(total + strlen("MemTotal:"), NULL, 10) > 0;
    free(text);
    return has;
}

static uint64_t capacity(unsigned cpu)
{
    char path[64];
    uint64_t value;

    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cpu_capacity", cpu);
    return ae_root_read_u64(path, &value) ? 0 : value;
}

void ae_topology_slow(struct ae_cpus *slow)
{
    static const char *const kinds[] = {"/sys/devices/cpu_atom/cpus",
                                        "/sys/devices/cpu_lowpower/cpus"};
    struct ae_cpus cpus;
    uint64_t most = 0;

    ae_cpus_clear(slow);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (ae_cpus_read(&cpus, kinds[i]) == 0)
            ae_cpus_join(slow, &cpus);
    if (ae_topology_possible(&cpus))
        return;
    for (int cpu = ae_cpus_next(&cpus, 0); cpu >= 0; cpu = ae_cpus_next(&cpus, (unsigned)cpu + 1))
        if (capacity((unsigned)cpu) > most)
            most = capacity((unsigned)cpu);
    /* Cores of one kind differ by some hundredths. */
    for (int cpu = ae_cpus_next(&cpus, 0); most && cpu >= 0;
         cpu = ae_cpus_next(&cpus, (unsigned)cpu + 1))
        if (capacity((unsigned)cpu) && capacity((unsigned)cpu) < most / 5 * 4)
            ae_cpus_add(slow, (unsigned)cpu);
}

struct node_search {
    unsigned cpu;
    int node;
};

static int node_with_cpu(const char *name, void *context)
{
    struct node_search *search = context;
    struct ae_cpus cpus;
    unsigned node;
    int end = 0;

    if (sscanf(name, "node%u%n", &node, &end) != 1 || name[end])
        return 0;
    if (ae_topology_node_cpus(node, &cpus) == 0 && ae_cpus_has(&cpus, search->cpu))
        search->node = (int)node;
    return 0;
}

int ae_topology_node(unsigned cpu)
{
    struct node_search search = {.cpu = cpu, .node = -1};

    ae_root_list("/sys/devices/system/node", node_with_cpu, &search);
    return search.node;
}

int ae_topology_near(const char *pci_address, struct ae_cpus *cpus)
{
    char path[96];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/local_cpulist", pci_address);
    return ae_cpus_read(cpus, path);
}

int ae_topology_l3(unsigned cpu, unsigned *id, unsigned *ways)
{
    for (unsigned index = 0; index < 8; index++) {
        char path[96], field[160];
        uint64_t level, value;

        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cache/index%u", cpu, index);
        snprintf(field, sizeof(field), "%s/level", path);
        if (ae_root_read_u64(field, &level))
            return -ENOENT;
        if (level != 3)
            continue;
        snprintf(field, sizeof(field), "%s/id", path);
        if (ae_root_read_u64(field, &value))
            return -ENOENT;
        *id = (unsigned)value;
        snprintf(field, sizeof(field), "%s/ways_of_associativity", path);
        if (ae_root_read_u64(field, &value))
            return -ENOENT;
        *ways = (unsigned)value;
        return 0;
    }
    return -ENOENT;
}
