/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "machine/topology.h"
#include "partition/cgroup.h"
#include "partition/evidence.h"
#include "partition/knobs/rows.h"
#include "partition/plan.h"

/* Adds the setting FILE of the CPU set `set` ("" is the root). */
static int add(struct ae_plan *plan, const struct ae_cgroup *cgroup, const char *set,
               enum ae_setting_kind kind, const char *file, const char *wanted)
{
    char target[256];

    if (strncmp(file, "cpuset.", 7) == 0)
        file = ae_cgroup_file(cgroup, file);
    snprintf(target, sizeof(target), "%s%s%s%s%s", cgroup->path, *set ? "/" : "", set,
             *file ? "/" : "", file);
    return ae_plan_add(plan, kind, target, wanted);
}

/* isolcpus=domain, did it: no scheduling domain spans the quiet CPUs. */
static bool isolated_at_boot(const struct ae_partition *partition)
{
    struct ae_cpus isolated;

    return ae_cpus_read(&isolated, "/sys/devices/system/cpu/isolated") == 0 &&
           ae_cpus_within(&partition->quiet, &isolated);
}

static int expand_v2(const struct ae_partition *partition, struct ae_plan *plan,
                     const struct ae_cgroup *cgroup, const char *set, const char *quiet)
{
    char node[16];
    int rc = add(plan, cgroup, "", AE_SETTING_WORD, "cgroup.subtree_control cpuset", "+cpuset");

    if (!rc)
        rc = add(plan, cgroup, set, AE_SETTING_DIRECTORY, "", "present");
    if (!rc)
        rc = add(plan, cgroup, set, AE_SETTING_LIST, "cpuset.cpus", quiet);
    if (!rc && partition->memory_node >= 0) {
        snprintf(node, sizeof(node), "%d", partition->memory_node);
        rc = add(plan, cgroup, set, AE_SETTING_LIST, "cpuset.mems", node);
    }
    /* systemd takes the controller from the root when no unit of its own wants it, and all CPU sets
     * would go with it. The kernel refuses that while a child hands the controller on. */
    if (!rc)
        rc = add(plan, cgroup, set, AE_SETTING_WORD, "cgroup.subtree_control cpuset", "+cpuset");
    /* Linux 6.12 refuses to isolate again what is isolated since boot; the set then only says where
     * the partition's processes may run. */
    if (!rc && !isolated_at_boot(partition))
        rc = add(plan, cgroup, set, AE_SETTING_TEXT, "cpuset.cpus.partition", "isolated");
    return rc;
}

/* One v1 CPU set with a scheduling domain of its own, or with none. */
static int add_v1_set(struct ae_plan *plan, const struct ae_cgroup *cgroup, const char *set,
                      const char *cpus, const char *mems, const char *balance)
{
    int rc = add(plan, cgroup, set, AE_SETTING_DIRECTORY, "", "present");

    if (!rc)
        rc = add(plan, cgroup, set, AE_SETTING_LIST, "cpuset.cpus", cpus);
    if (!rc)
        rc = add(plan, cgroup, set, AE_SETTING_LIST, "cpuset.mems", mems);
    if (!rc)
        rc = add(plan, cgroup, set, AE_SETTING_TEXT, "cpuset.sched_load_balance", balance);
    return rc;
}

struct others {
    const struct ae_partition *partition;
    const struct ae_cgroup *cgroup;
    struct ae_plan *plan;
};

static bool is_ours(const char *set)
{
    return strncmp(strrchr(set, '/'), "/aether-", strlen("/aether-")) == 0;
}

/* Takes the quiet CPUs from a set of somebody else's (a container's): it would balance load over
 * them, and give them to every process that enters it. */
static int take_from(const char *set, void *context)
{
    struct others *others = context;
    char path[288], *now, *wanted;
    struct ae_cpus cpus;
    int rc;

    snprintf(path, sizeof(path), "%s/%s", set, ae_cgroup_file(others->cgroup, "cpuset.cpus"));
    if (is_ours(set) || ae_cpus_read(&cpus, path) ||
        !ae_cpus_intersect(&cpus, &others->partition->all_quiet) ||
        ae_setting_read(AE_SETTING_LIST, path, &now))
        return 0;
    rc = ae_plan_without_quiet(others->partition, AE_SETTING_LIST, now, &wanted);
    free(now);
    if (!rc) {
        rc = ae_plan_add(others->plan, AE_SETTING_LIST, path, wanted);
        free(wanted);
    }
    return rc;
}

/*
 * On v1 a CPU without load balancing is one that no CPU set with sched_load_balance covers, the
 * root included. The host's CPUs then need a set of their own, which no task has to live in:
 * scheduling domains are made for CPUs (Documentation/admin-guide/cgroup-v1/cpusets.rst, 1.7).
 */
static int expand_v1(const struct ae_partition *partition, struct ae_plan *plan,
                     const struct ae_cgroup *cgroup, const char *set, const char *quiet)
{
    char path[192], mems[8192], host[AE_CPUS_TEXT];
    struct ae_cpus others;
    int rc = ae_topology_online(&others);

    snprintf(path, sizeof(path), "%s/%s", cgroup->path, ae_cgroup_file(cgroup, "cpuset.mems"));
    if (rc || ae_root_read(path, mems, sizeof(mems)) < 0)
        return rc ? rc : -EIO;
    ae_cpus_subtract(&others, &partition->all_quiet);
    if (ae_cpus_format(&others, host, sizeof(host)) < 0)
        return -ENOSPC;
    rc = add_v1_set(plan, cgroup, "aether-host", host, mems, "1");
    if (!rc)
        rc = add_v1_set(plan, cgroup, set, quiet, mems, "0");
    if (!rc)
        rc = ae_cgroup_each_set(
            cgroup, take_from,
            &(struct others){.partition = partition, .cgroup = cgroup, .plan = plan});
    if (!rc)
        rc = add(plan, cgroup, "", AE_SETTING_TEXT, "cpuset.sched_load_balance", "0");
    return rc;
}

static int expand_cpuset(const struct ae_partition *partition, struct ae_plan *plan,
                         struct ae_error *err)
{
    char set[64], quiet[AE_CPUS_TEXT];
    struct ae_cgroup cgroup;

    if (ae_cgroup_find(&cgroup))
        return ae_error_set(err, -ENOENT,
                            "no cgroup hierarchy with CPU sets is mounted (CONFIG_CPUSETS)");
    if (ae_cpus_format(&partition->quiet, quiet, sizeof(quiet)) < 0)
        return -ENOSPC;
    snprintf(set, sizeof(set), "aether-%s", partition->name);
    return (cgroup.version == 2 ? expand_v2 : expand_v1)(partition, plan, &cgroup, set, quiet);
}

struct rival {
    const struct ae_partition *partition;
    const struct ae_cgroup *cgroup;
    char path[256];
};

static int find_rival(const char *set, void *context)
{
    struct rival *rival = context;
    char path[288];
    struct ae_cpus cpus;

    snprintf(path, sizeof(path), "%s/%s", set, ae_cgroup_file(rival->cgroup, "cpuset.cpus"));
    if (is_ours(set) || ae_cpus_read(&cpus, path) ||
        !ae_cpus_intersect(&cpus, &rival->partition->quiet))
        return 0;
    snprintf(rival->path, sizeof(rival->path), "%s", set);
    return 1;
}

/* "isolated invalid (...)": who else has the CPUs? */
static void name_rival(const struct ae_partition *partition, const struct ae_cgroup *cgroup,
                       const char *state, struct ae_evidence *evidence)
{
    struct rival rival = {.partition = partition, .cgroup = cgroup};

    if (ae_cgroup_each_set(cgroup, find_rival, &rival) == 1)
        ae_evidence_set(evidence, AE_ANSWER_NO, "the kernel says \"%.100s\"; %.120s has quiet CPUs",
                        state, rival.path);
    else
        ae_evidence_set(evidence, AE_ANSWER_NO, "the kernel says \"%.200s\"", state);
}

static void effective_v2(const struct ae_partition *partition, const struct ae_cgroup *cgroup,
                         struct ae_evidence *evidence)
{
    char path[256], state[256];
    struct ae_cpus cpus;

    snprintf(path, sizeof(path), "%s/aether-%s/cpuset.cpus.partition", cgroup->path,
             partition->name);
    if (ae_root_read(path, state, sizeof(state)) < 0) {
        ae_evidence_set(evidence, AE_ANSWER_NO, "%s is not there", path);
        return;
    }
    if (strcmp(state, "isolated") != 0 && !isolated_at_boot(partition)) {
        name_rival(partition, cgroup, state, evidence);
        return;
    }
    snprintf(path, sizeof(path), "%s/aether-%s/cpuset.cpus.effective", cgroup->path,
             partition->name);
    if (ae_cpus_read(&cpus, path) || !ae_cpus_equal(&cpus, &partition->quiet))
        ae_evidence_set(evidence, AE_ANSWER_NO, "cpuset.cpus.effective is not the quiet CPUs");
    else
        ae_evidence_set(evidence, AE_ANSWER_YES, "the kernel says \"%s\"%s", state,
                        isolated_at_boot(partition) ? ", and isolated the CPUs at boot" : "");
}

static int find_balanced(const char *set, void *context)
{
    const struct rival *rival = context;
    char path[320];
    uint64_t on;

    snprintf(path, sizeof(path), "%s/%s", set,
             ae_cgroup_file(rival->cgroup, "cpuset.sched_load_balance"));
    return ae_root_read_u64(path, &on) || on == 0 ? 0 : find_rival(set, context);
}

static void effective_v1(const struct ae_partition *partition, const struct ae_cgroup *cgroup,
                         struct ae_evidence *evidence)
{
    struct rival rival = {.partition = partition, .cgroup = cgroup};

    if (ae_cgroup_each_set(cgroup, find_balanced, &rival) == 1 ||
        find_balanced(cgroup->path, &rival) == 1)
        ae_evidence_set(evidence, AE_ANSWER_NO, "%.200s balances load over quiet CPUs", rival.path);
    else
        ae_evidence_set(evidence, AE_ANSWER_YES, "no CPU set balances load over them (cgroup v1)");
}

static void cpuset_effective(const struct ae_partition *partition, struct ae_evidence *evidence)
{
    struct ae_cgroup cgroup;

    if (ae_cgroup_find(&cgroup))
        ae_evidence_set(evidence, AE_ANSWER_ABSENT, "no cgroup hierarchy with CPU sets is mounted");
    else
        (cgroup.version == 2 ? effective_v2 : effective_v1)(partition, &cgroup, evidence);
}

const struct ae_knob ae_knob_cpuset = {
    .name = "cpuset",
    .what = "the scheduler's load balancing",
    .risk = "tasks put onto quiet CPUs are not spread among them",
    .undo = "the partition becomes a member again and its CPU set is removed",
    .essential = true,
    .expand = expand_cpuset,
    .effective = cpuset_effective,
    .counters = "softirq:SCHED",
};
