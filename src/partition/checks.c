/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/checks.h"

#include <string.h>

#include "partition/cgroup.h"
#include "partition/irqbalance.h"

static void look_at_cpusets(struct ae_finding *finding)
{
    struct ae_cgroup cgroup;

    if (ae_cgroup_find(&cgroup))
        ae_finding_set(finding, AE_CHECK_LACKS, "no cgroup hierarchy offers CPU sets");
    else if (cgroup.version == 1)
        ae_finding_set(
            finding, AE_CHECK_LACKS,
            "on cgroup v1 (%s): a partition switches load balancing off for the root set "
            "and takes the quiet CPUs from every other",
            cgroup.path);
    else
        ae_finding_set(finding, AE_CHECK_OK, "cgroup v2 at %s", cgroup.path);
}

static void look_at_irqbalance(struct ae_finding *finding)
{
    pid_t found = ae_irqbalance_process();

    if (found < 0)
        ae_finding_set(finding, AE_CHECK_UNSEEN, "/proc cannot be listed: %s", strerror(-found));
    else if (found)
        ae_finding_set(finding, AE_CHECK_LACKS,
                       "runs as process %d and moves interrupts as it likes", (int)found);
    else
        ae_finding_set(finding, AE_CHECK_OK, "does not run");
}

const struct ae_check ae_partition_checks[] = {
    {"cpusets", "the kernel can fence CPUs off at run time", false, look_at_cpusets,
     "boot with systemd.unified_cgroup_hierarchy=1 (cgroup v2), or use the boot tier: aether "
     "partition boot apply"},
    {"irqbalance", "nobody moves interrupts back", false, look_at_irqbalance,
     "aether partition apply bans the quiet CPUs while it runs; or: systemctl disable --now "
     "irqbalance"},
    {0},
};
