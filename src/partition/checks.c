/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/checks.h"

#include <string.h>

#include "base/root.h"
#include "partition/cgroup.h"
#include "partition/task.h"

static void look_at_cpusets(struct ae_finding *finding)
{
    struct ae_cgroup cgroup;

    if (ae_cgroup_find(&cgroup))
        ae_finding_set(finding, AE_CHECK_LACKS, "no cgroup hierarchy offers CPU sets");
    else if (cgroup.version == 1)
        ae_finding_set(finding, AE_CHECK_LACKS,
                       "CPU sets are on cgroup v1 (%s), which cannot isolate a partition by itself",
                       cgroup.path);
    else
        ae_finding_set(finding, AE_CHECK_OK, "cgroup v2 at %s", cgroup.path);
}

static int find_irqbalance(const struct ae_task *task, void *context)
{
    if (strcmp(task->name, "irqbalance") != 0)
        return 0;
    *(pid_t *)context = task->id;
    return 1;
}

static void look_at_irqbalance(struct ae_finding *finding)
{
    pid_t found = 0;
    int rc = ae_task_each(find_irqbalance, &found);

    if (rc < 0)
        ae_finding_set(finding, AE_CHECK_UNSEEN, "/proc cannot be listed: %s", strerror(-rc));
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
