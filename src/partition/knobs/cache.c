/* SPDX-License-Identifier: Apache-2.0 */

/* Ways of the level 3 caches: Documentation/arch/x86/resctrl.rst. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "base/text.h"
#include "partition/knobs/rows.h"
#include "partition/plan.h"

#define RESCTRL "/sys/fs/resctrl"

/* How one cache is divided. Bits are ways. */
struct division {
    unsigned id;
    uint64_t full;
    uint64_t shareable; /* where devices write, too (DDIO) */
    uint64_t foreign;   /* of groups that are not ours */
    uint64_t exclusive; /* of those that share with nobody */
    uint64_t host;      /* of the root group */
    unsigned least;     /* bits that a mask must have */
    char group[96];     /* a foreign one with bits of this cache */
};

static bool asks_ways(const struct ae_partition *partition)
{
    return partition->ways > 0;
}

static uint64_t read_bits(const char *path, uint64_t otherwise)
{
    char text[32];

    return ae_root_read(path, text, sizeof(text)) < 0 ? otherwise : strtoull(text, NULL, 16);
}

/* The bits that a schemata gives of a cache; 0: it does not speak of it. */
static uint64_t bits_of(const char *schemata, unsigned id)
{
    const char *line = strstr(schemata, "L3:");
    char *end;

    for (line = line ? line + 3 : ""; *line && *line != '\n'; line = end + (*end == ';')) {
        unsigned long cache = strtoul(line, &end, 10);

        if (*end != '=')
            break;
        line = end + 1;
        if (cache == id)
            return strtoull(line, NULL, 16);
        strtoull(line, &end, 16);
    }
    return 0;
}

static uint64_t bits_of_group(const char *group, unsigned id)
{
    char path[320], *text;
    uint64_t bits;

    snprintf(path, sizeof(path), RESCTRL "%s%s/schemata", *group ? "/" : "", group);
    if (ae_root_read_all(path, &text) < 0)
        return 0;
    bits = bits_of(text, id);
    free(text);
    return bits;
}

static int look_at_group(const char *name, void *context)
{
    struct division *division = context;
    char path[320], mode[32] = "";
    uint64_t bits;

    if (strncmp(name, "aether-", 7) == 0)
        return 0;
    bits = bits_of_group(name, division->id);
    if (!bits)
        return 0; /* info, mon_data, a file */
    snprintf(path, sizeof(path), RESCTRL "/%.255s/mode", name);
    ae_root_read(path, mode, sizeof(mode));
    division->foreign |= bits;
    if (strcmp(mode, "exclusive") == 0)
        division->exclusive |= bits;
    snprintf(division->group, sizeof(division->group), "%.90s", name);
    return 0;
}

static int look_at(struct division *division, unsigned id, struct ae_error *err)
{
    *division = (struct division){.id = id, .full = read_bits(RESCTRL "/info/L3/cbm_mask", 0)};
    if (!division->full && ae_root_exists(RESCTRL "/info/L3CODE"))
        return ae_error_set(
            err, -ENOENT,
            "resctrl divides the cache for code and data apart (CDP); mount it without the "
            "option cdp");
    if (!division->full)
        return ae_error_set(err, -ENOENT,
                            "no cache allocation for level 3; does the processor "
                            "have it, and is resctrl mounted on " RESCTRL "?");
    division->shareable = read_bits(RESCTRL "/info/L3/shareable_bits", 0);
    division->least = (unsigned)read_bits(RESCTRL "/info/L3/min_cbm_bits", 1);
    division->host = bits_of_group("", id);
    if (!division->host)
        division->host = division->full;
    ae_root_list(RESCTRL, look_at_group, division);
    return 0;
}

static unsigned count_of(uint64_t bits)
{
    return (unsigned)__builtin_popcountll(bits);
}

static bool is_one_piece(uint64_t bits)
{
    return bits && ((bits >> __builtin_ctzll(bits)) & ((bits >> __builtin_ctzll(bits)) + 1)) == 0;
}

/*
 * Where the partitions' ways begin, and what is left to the host: ways that no other group has, the
 * upper ones, but those in which devices write last, and so that the host's are one piece, as
 * processors want them. Made of what does not change with an apply, so that the next plan comes to
 * the same.
 */
static bool choose(const struct division *division, unsigned taken, bool shareable, unsigned *first,
                   uint64_t *host)
{
    uint64_t base = division->full & ~division->exclusive & ~(division->foreign & ~division->host);
    uint64_t block = taken >= 64 ? UINT64_MAX : (UINT64_C(1) << taken) - 1;

    for (unsigned at = 64 - taken; at < 64; at--) { /* below 0 it is large */
        uint64_t ours = block << at;

        if ((ours & ~division->full) || (ours & division->foreign) ||
            (!shareable && (ours & division->shareable)))
            continue;
        *first = at;
        *host = base & ~ours;
        if (is_one_piece(*host) && count_of(*host) >= division->least)
            return true;
    }
    return false;
}

static int check_ways(const struct ae_partition *partition, const struct ae_partition_cache *cache,
                      const struct division *division, struct ae_error *err)
{
    if (partition->ways < division->least)
        return ae_error_set(
            err, -EINVAL,
            "%s:%u: l3-ways = %u, and this processor gives no fewer than %u at a time",
            partition->path, partition->l3_ways.line, partition->ways, division->least);
    if (cache->taken < count_of(division->full))
        return 0;
    return ae_error_set(err, -ENOENT,
                        "the cache can be divided into %u parts, %u are asked "
                        "for, and the host needs one",
                        count_of(division->full), cache->taken);
}

static int plan_cache(const struct ae_partition *partition, const struct ae_partition_cache *cache,
                      struct ae_plan *plan, struct ae_error *err)
{
    char target[128], mask[24];
    struct division division;
    uint64_t host;
    unsigned first;
    int rc = look_at(&division, cache->id, err);

    if (!rc)
        rc = check_ways(partition, cache, &division, err);
    if (rc)
        return rc;
    if (!choose(&division, cache->taken, false, &first, &host) &&
        !choose(&division, cache->taken, true, &first, &host))
        return ae_error_set(
            err, -EINVAL,
            "%s:%u: cache %u has no %u ways side by side that no other group of resctrl has%s%s; "
            "ask for fewer, or take some from that group",
            partition->path, partition->l3_ways.line, cache->id, cache->taken,
            division.group[0] ? ", such as " : "", AE_TEXT(division.group));
    snprintf(mask, sizeof(mask), "%" PRIx64, host);
    snprintf(target, sizeof(target), RESCTRL "/schemata L3:%u", cache->id);
    rc = ae_plan_add(plan, AE_SETTING_SCHEMATA, target, mask);
    first += cache->taken - cache->before - partition->ways;
    snprintf(mask, sizeof(mask), "%" PRIx64,
             (partition->ways >= 64 ? UINT64_MAX : (UINT64_C(1) << partition->ways) - 1) << first);
    snprintf(target, sizeof(target), RESCTRL "/aether-%s/schemata L3:%u", partition->name,
             cache->id);
    return rc ? rc : ae_plan_add(plan, AE_SETTING_SCHEMATA, target, mask);
}

static int expand_ways(const struct ae_partition *partition, struct ae_plan *plan,
                       struct ae_error *err)
{
    char target[128], quiet[AE_CPUS_TEXT];
    int rc = 0;

    snprintf(target, sizeof(target), RESCTRL "/aether-%s", partition->name);
    if (ae_cpus_format(&partition->quiet, quiet, sizeof(quiet)) < 0)
        return -ENOSPC;
    if (ae_root_exists(RESCTRL "/info/L3/cbm_mask"))
        rc = ae_plan_add(plan, AE_SETTING_DIRECTORY, target, "present");
    for (unsigned i = 0; !rc && i < partition->cache_count; i++)
        rc = plan_cache(partition, &partition->caches[i], plan, err);
    snprintf(target, sizeof(target), RESCTRL "/aether-%s/cpus_list", partition->name);
    return rc ? rc : ae_plan_add(plan, AE_SETTING_LIST, target, quiet);
}

const struct ae_knob ae_knob_cache_ways = {
    .name = "cache-ways",
    .what = "the host's use of the shared cache",
    .risk = "the host has less cache",
    .undo = "the group is removed and the host has all ways again",
    .asked = asks_ways,
    .expand = expand_ways,
    .unseen = "cache misses need the processor's performance counters",
};
