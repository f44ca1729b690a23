/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/resolve.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "machine/topology.h"

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

static int settle_cpus(struct ae_partition **all, size_t count, struct ae_error *err)
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

int ae_resolve_cpus(struct ae_partition **all, size_t count, size_t which, struct ae_error *err)
{
    struct ae_partition *partition = all[which];
    int rc = settle_cpus(all, count, err);

    if (!rc)
        rc = check_quiet(partition, err);
    if (!rc)
        rc = check_overlap(all, count, which, err);
    if (!rc)
        rc = check_siblings(partition, err);
    return rc ? rc : check_host(partition, err);
}
