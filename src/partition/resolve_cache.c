/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/resolve.h"

#include <errno.h>
#include <stdlib.h>

#include "machine/topology.h"

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

int ae_resolve_cache(struct ae_partition **all, size_t count, size_t which, struct ae_error *err)
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
