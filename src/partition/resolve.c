/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "machine/topology.h"
#include "partition/partition.h"

/* A list short enough for a sentence. */
static const char *list(const struct ae_cpus *cpus, char text[64])
{
    return ae_cpus_show(cpus, text, 64);
}

static bool says_near(const struct ae_partition *partition)
{
    return strstr(partition->cpus.value, "near") != NULL;
}

static int parse_list(const struct ae_partition *partition, const struct ae_partition_key *key,
                      struct ae_cpus *cpus, struct ae_error *err)
{
    char *close = strdup(key->value), *to = close;
    int rc;

    if (!close)
        return ae_error_set(err, -ENOMEM, "%s: no memory to read it", partition->path);
    /* "1, 3" and what goes on in the next line: blanks beside a comma mean nothing. */
    for (const char *from = key->value; *from; from++)
        if (!isblank((unsigned char)*from) ||
            (to > close && to[-1] != ',' && from[strspn(from, " \t")] != ','))
            *to++ = *from;
    *to = '\0';
    rc = ae_cpus_parse(cpus, close);
    free(close);
    if (rc == 0)
        return 0;
    return ae_partition_mistake(partition, key->line, err,
                                "'%.100s' is no CPU list; write one like 2-5,8%s", key->value,
                                key == &partition->cpus ? " or '4 near 0000:01:00.0'" : "");
}

static int parse_smt(struct ae_partition *partition, struct ae_error *err)
{
    static const char *const names[] = {"whole", "offline", "share"};

    if (partition->smt.line == 0)
        return 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(partition->smt.value, names[i]) == 0) {
            partition->smt_policy = (enum ae_partition_smt)i;
            return 0;
        }
    return ae_partition_mistake(partition, partition->smt.line, err,
                                "smt is '%.100s'; write whole, offline or share",
                                partition->smt.value);
}

/* Takes up to `cores` whole cores out of `free`, of those CPUs, highest first; returns how many it
 * found. */
static unsigned take_cores(struct ae_partition *partition, const struct ae_cpus *free_cpus,
                           const struct ae_cpus *of, unsigned cores)
{
    unsigned found = 0;

    for (unsigned cpu = AE_CPUS_MAX; cpu-- > 0 && found < cores;) {
        struct ae_cpus core;
        int first;

        if (!ae_cpus_has(free_cpus, cpu) || !ae_cpus_has(of, cpu))
            continue;
        ae_topology_siblings(cpu, &core);
        first = ae_cpus_next(&core, 0);
        if (!ae_cpus_within(&core, free_cpus) || ae_cpus_has(&partition->quiet, (unsigned)first))
            continue;
        if (partition->smt_policy == AE_SMT_WHOLE)
            ae_cpus_join(&partition->quiet, &core);
        else
            ae_cpus_add(&partition->quiet, (unsigned)first);
        found++;
    }
    return found;
}

static int resolve_near(struct ae_partition *partition, const struct ae_cpus *taken,
                        struct ae_error *err)
{
    struct ae_cpus near, boot_core, slow, fast;
    char address[16];
    unsigned cores, found, line = partition->cpus.line;

    if (ae_partition_parse_near(partition->cpus.value, &cores, address) || cores == 0 ||
        !ae_partition_is_address(address))
        return ae_partition_mistake(partition, line, err,
                                    "'%.100s' is not understood; write 'N near DEVICE', such as "
                                    "4 near 0000:01:00.0",
                                    partition->cpus.value);
    if (ae_topology_near(address, &near))
        return ae_partition_mistake(partition, line, err,
                                    "there is no device %s to be near to; lspci -D shows them",
                                    address);
    ae_topology_siblings(0, &boot_core);
    ae_cpus_subtract(&near, &boot_core);
    ae_cpus_subtract(&near, taken);
    ae_topology_slow(&slow);
    fast = near;
    ae_cpus_subtract(&fast, &slow);
    found = take_cores(partition, &near, &fast, cores);
    if (found < cores)
        found += take_cores(partition, &near, &slow, cores - found);
    if (found < cores)
        return ae_partition_mistake(partition, line, err,
                                    "only %u free core%s near %s, %u wanted; ask for fewer, or "
                                    "name CPUs further away",
                                    found, found == 1 ? " lies" : "s lie", address, cores);
    return 0;
}

static int resolve_cpus(struct ae_partition **all, size_t count, struct ae_error *err)
{
    struct ae_cpus taken;
    int rc = 0;

    ae_cpus_clear(&taken);
    for (size_t i = 0; i < count && !rc; i++) {
        rc = parse_smt(all[i], err);
        if (!rc && !says_near(all[i]))
            rc = parse_list(all[i], &all[i]->cpus, &all[i]->quiet, err);
        ae_cpus_join(&taken, &all[i]->quiet);
    }
    for (size_t i = 0; i < count && !rc; i++) {
        if (!says_near(all[i]))
            continue;
        rc = resolve_near(all[i], &taken, err);
        ae_cpus_join(&taken, &all[i]->quiet);
    }
    for (size_t i = 0; i < count; i++)
        all[i]->all_quiet = taken;
    return rc;
}

static int check_present(const struct ae_partition *partition, const struct ae_partition_key *key,
                         const struct ae_cpus *cpus, struct ae_error *err)
{
    struct ae_cpus possible, online, missing = *cpus;
    char text[64], has[64];

    if (ae_topology_possible(&possible) || ae_topology_online(&online))
        return ae_error_set(err, -EIO,
                            "reading the CPUs in /sys/devices/system/cpu failed; "
                            "is sysfs mounted?");
    ae_cpus_subtract(&missing, &possible);
    if (ae_cpus_count(&missing) > 0)
        return ae_partition_mistake(partition, key->line, err,
                                    "CPU %s does not exist; this machine has %s",
                                    list(&missing, text), list(&possible, has));
    missing = *cpus;
    ae_cpus_subtract(&missing, &online);
    if (ae_cpus_count(&missing) > 0 && !partition->applied)
        return ae_partition_mistake(partition, key->line, err,
                                    "CPU %s is offline; write 1 to "
                                    "/sys/devices/system/cpu/cpu%d/online, or leave it out",
                                    list(&missing, text), ae_cpus_next(&missing, 0));
    return 0;
}

static int check_quiet(const struct ae_partition *partition, struct ae_error *err)
{
    unsigned line = partition->cpus.line;

    if (ae_cpus_count(&partition->quiet) == 0)
        return ae_partition_mistake(partition, line, err,
                                    "the list of quiet CPUs is empty; name at least one");
    if (ae_cpus_has(&partition->quiet, 0))
        return ae_partition_mistake(partition, line, err,
                                    "CPU 0 cannot be quiet: the kernel keeps its time there; "
                                    "leave it to the host");
    return check_present(partition, &partition->cpus, &partition->quiet, err);
}

static int check_overlap(struct ae_partition **all, size_t count, size_t which,
                         struct ae_error *err)
{
    const struct ae_partition *partition = all[which];

    for (size_t i = 0; i < count; i++) {
        struct ae_cpus both = all[i]->quiet;
        char text[64];

        ae_cpus_keep(&both, &partition->quiet);
        if (i != which && ae_cpus_count(&both) > 0)
            return ae_partition_mistake(partition, partition->cpus.line, err,
                                        "CPU %s belongs to partition '%s' too (%s:%u); a CPU has "
                                        "one partition, take it out of one",
                                        list(&both, text), all[i]->name, all[i]->path,
                                        all[i]->cpus.line);
    }
    return 0;
}

static int check_siblings(struct ae_partition *partition, struct ae_error *err)
{
    for (int cpu = ae_cpus_next(&partition->quiet, 0); cpu >= 0;
         cpu = ae_cpus_next(&partition->quiet, (unsigned)cpu + 1)) {
        struct ae_cpus core;
        char text[64];

        ae_topology_siblings((unsigned)cpu, &core);
        ae_cpus_subtract(&core, &partition->quiet);
        if (ae_cpus_count(&core) == 0 || partition->smt_policy == AE_SMT_SHARE)
            continue;
        if (partition->smt_policy == AE_SMT_WHOLE)
            return ae_partition_mistake(partition, partition->cpus.line, err,
                                        "CPU %d shares its core with CPU %s, which is not in the "
                                        "partition; add it, or write smt = offline",
                                        cpu, list(&core, text));
        if (ae_cpus_has(&core, 0))
            return ae_partition_mistake(partition, partition->smt.line, err,
                                        "smt = offline would switch off CPU 0, the sibling of CPU "
                                        "%d; choose another core",
                                        cpu);
        if (ae_cpus_intersect(&core, &partition->all_quiet))
            return ae_partition_mistake(partition, partition->smt.line, err,
                                        "smt = offline would switch off CPU %s, a quiet CPU of "
                                        "another partition; give the core to one of them",
                                        list(&core, text));
        ae_cpus_join(&partition->offline, &core);
    }
    return 0;
}

static int check_host(struct ae_partition *partition, struct ae_error *err)
{
    struct ae_cpus both;
    char text[64];
    int rc;

    if (partition->host.line == 0) {
        if (ae_topology_online(&partition->host_cpus))
            return ae_error_set(err, -EIO, "reading /sys/devices/system/cpu/online failed");
        ae_cpus_subtract(&partition->host_cpus, &partition->all_quiet);
        ae_cpus_subtract(&partition->host_cpus, &partition->offline);
        if (ae_cpus_count(&partition->host_cpus) > 0)
            return 0;
        return ae_partition_mistake(partition, partition->cpus.line, err,
                                    "no CPU is left for the host; leave it at least one core");
    }
    rc = parse_list(partition, &partition->host, &partition->host_cpus, err);
    if (!rc)
        rc = check_present(partition, &partition->host, &partition->host_cpus, err);
    if (rc)
        return rc;
    if (ae_cpus_count(&partition->host_cpus) == 0)
        return ae_partition_mistake(partition, partition->host.line, err,
                                    "the list of host CPUs is empty; name at least one");
    both = partition->all_quiet;
    ae_cpus_join(&both, &partition->offline);
    ae_cpus_keep(&both, &partition->host_cpus);
    if (ae_cpus_count(&both) > 0)
        return ae_partition_mistake(partition, partition->host.line, err,
                                    "CPU %s is a host CPU here and a quiet (or switched off) one "
                                    "as well; take it out of one list",
                                    list(&both, text));
    return 0;
}

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

static int check_node(struct ae_partition *partition, struct ae_error *err)
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

static int check_power(struct ae_partition *partition, struct ae_error *err)
{
    if (partition->power.line == 0 || strcmp(partition->power.value, "performance") == 0)
        return 0;
    partition->keep_power = strcmp(partition->power.value, "keep") == 0;
    if (partition->keep_power)
        return 0;
    return ae_partition_mistake(partition, partition->power.line, err,
                                "power is '%.100s'; write performance or keep",
                                partition->power.value);
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

static int check_pages(struct ae_partition **all, size_t count, size_t which, struct ae_error *err)
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

static int check_devices(struct ae_partition **all, size_t count, size_t which,
                         struct ae_error *err)
{
    const struct ae_partition *partition = all[which];

    for (unsigned i = 0; i < partition->device_count; i++) {
        const struct ae_partition_device *device = &partition->devices[i];
        char path[64];

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", device->address);
        if (!ae_root_exists(path))
            return ae_partition_mistake(partition, device->line, err,
                                        "there is no device %s; lspci -D shows them",
                                        device->address);
        for (size_t j = 0; j < count; j++)
            for (unsigned k = 0; j != which && k < all[j]->device_count; k++)
                if (strcmp(all[j]->devices[k].address, device->address) == 0)
                    return ae_partition_mistake(
                        partition, device->line, err,
                        "device %s belongs to partition '%s' too (%s:%u); take it out of one",
                        device->address, all[j]->name, all[j]->path, all[j]->devices[k].line);
    }
    return 0;
}

/* A number from 1 to 64, or 0. */
static unsigned ways_of(const struct ae_partition *partition)
{
    char *end;
    unsigned long ways = strtoul(partition->l3_ways.value, &end, 10);

    return *end || partition->l3_ways.value[0] < '0' || partition->l3_ways.value[0] > '9' ||
                   ways > 64
               ? 0
               : (unsigned)ways;
}

/* Notes each level 3 cache of the partition's CPUs once. -ENOENT: the machine tells of none. */
static int find_caches(struct ae_partition *partition)
{
    partition->cache_count = 0;
    for (int cpu = ae_cpus_next(&partition->quiet, 0); cpu >= 0;
         cpu = ae_cpus_next(&partition->quiet, (unsigned)cpu + 1)) {
        struct ae_partition_cache cache = {0};
        unsigned i = 0;

        if (ae_topology_l3((unsigned)cpu, &cache.id, &cache.ways))
            continue; /* switched off since */
        while (i < partition->cache_count && partition->caches[i].id != cache.id)
            i++;
        if (i == AE_PARTITION_CACHES)
            return -E2BIG;
        if (i == partition->cache_count)
            partition->caches[partition->cache_count++] = cache;
    }
    return partition->cache_count ? 0 : -ENOENT;
}

static bool has_cache(const struct ae_partition *partition, unsigned id)
{
    for (unsigned i = 0; i < partition->cache_count; i++)
        if (partition->caches[i].id == id)
            return true;
    return false;
}

static int check_cache(struct ae_partition **all, size_t count, size_t which, struct ae_error *err)
{
    struct ae_partition *partition = all[which];
    unsigned line = partition->l3_ways.line;

    if (line == 0)
        return 0;
    partition->ways = ways_of(partition);
    if (partition->ways == 0)
        return ae_partition_mistake(partition, line, err,
                                    "'%.100s' is no number of cache ways; write one, such as 4",
                                    partition->l3_ways.value);
    /* Of each partition once: with many CPUs that is a lot of files. */
    for (size_t i = 0; i < count; i++) {
        int rc = all[i]->l3_ways.line ? find_caches(all[i]) : 0;

        if (rc && (i == which || rc == -E2BIG))
            return ae_partition_mistake(partition, line, err,
                                        "this machine tells nothing of a level 3 cache; remove the "
                                        "line");
    }
    for (unsigned c = 0; c < partition->cache_count; c++) {
        struct ae_partition_cache *cache = &partition->caches[c];

        for (size_t i = 0; i < count; i++) {
            if (all[i]->l3_ways.line == 0 || !has_cache(all[i], cache->id))
                continue;
            cache->taken += ways_of(all[i]);
            if (i < which)
                cache->before += ways_of(all[i]);
        }
        if (cache->taken >= cache->ways)
            return ae_partition_mistake(
                partition, line, err,
                "the cache has %u ways and the partitions ask for %u, which "
                "leaves none for the host; ask for fewer",
                cache->ways, cache->taken);
    }
    return 0;
}

int ae_partition_resolve(struct ae_partition **all, size_t count, size_t which,
                         struct ae_error *err)
{
    struct ae_partition *partition = all[which];
    int rc = resolve_cpus(all, count, err);

    if (!rc)
        rc = check_quiet(partition, err);
    if (!rc)
        rc = check_overlap(all, count, which, err);
    if (!rc)
        rc = check_siblings(partition, err);
    if (!rc)
        rc = check_host(partition, err);
    if (!rc)
        rc = check_node(partition, err);
    if (!rc)
        rc = check_power(partition, err);
    if (!rc)
        rc = check_pages(all, count, which, err);
    if (!rc)
        rc = check_devices(all, count, which, err);
    if (!rc)
        rc = check_cache(all, count, which, err);
    return rc;
}
