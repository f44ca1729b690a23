/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/knobs/rows.h"
#include "partition/plan.h"

const struct ae_knob ae_knob_vmstat = {
    .name = "vmstat",
    .what = "the work that folds each CPU's memory statistics once a second",
    .risk = "the host's memory statistics are up to two minutes old",
    .needs = "no /proc/sys/vm/stat_interval",
    .files =
        (const struct ae_knob_file[]){{AE_SETTING_TEXT, "/proc/sys/vm/stat_interval", "120"}, {0}},
    .counters = "sched:slices",
};

const struct ae_knob ae_knob_thp = {
    .name = "thp",
    .what = "pages being collapsed into huge ones, with interrupts that flush TLBs",
    .risk = "programs of the host that gain from transparent huge pages slow down",
    .needs = "no transparent huge pages (CONFIG_TRANSPARENT_HUGEPAGE)",
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_CHOICE, "/sys/kernel/mm/transparent_hugepage/enabled", "never"},
            /* from Linux 6.8 on each size has a say of its own */
            {AE_SETTING_CHOICE, "/sys/kernel/mm/transparent_hugepage/hugepages-*/enabled", "never"},
            {0}},
    .counters = "irq:TLB",
};

const struct ae_knob ae_knob_compaction = {
    .name = "compaction",
    .what = "pages being moved to make room, which flushes TLBs and lets locked pages fault",
    .risk = "the host gets large pages later or, beside much locked memory, not at all",
    .needs = "no memory compaction (CONFIG_COMPACTION)",
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_TEXT, "/proc/sys/vm/compaction_proactiveness", "0"},
            {AE_SETTING_TEXT, "/proc/sys/vm/compact_unevictable_allowed", "0"},
            {0}},
    .counters = "irq:TLB",
};

const struct ae_knob ae_knob_ksm = {
    .name = "ksm",
    .what = "equal pages being merged, with interrupts that flush TLBs",
    .risk = "virtual machines on the host use more memory; merged pages stay merged",
    .needs = "no same-page merging (CONFIG_KSM)",
    .files = (const struct ae_knob_file[]){{AE_SETTING_TEXT, "/sys/kernel/mm/ksm/run", "0"}, {0}},
    .counters = "irq:TLB",
};

const struct ae_knob ae_knob_numa_balancing = {
    .name = "numa-balancing",
    .what = "page faults provoked to see who uses which memory",
    .risk = "the host's memory does not follow its tasks to other nodes",
    .needs = "no automatic NUMA balancing (CONFIG_NUMA_BALANCING)",
    .files =
        (const struct ae_knob_file[]){{AE_SETTING_TEXT, "/proc/sys/kernel/numa_balancing", "0"},
                                      {0}},
    .counters = "irq:TLB",
};

/* The ratios and their twins in bytes put each other to zero, so a machine that uses bytes, or a
 * limit lower than ours, is left as it is. */
static int expand_writeback(const struct ae_partition *partition, struct ae_plan *plan,
                            struct ae_error *err)
{
    static const struct {
        const char *ratio, *bytes, *wanted;
        uint64_t limit;
    } limits[] = {
        {"/proc/sys/vm/dirty_background_ratio", "/proc/sys/vm/dirty_background_bytes", "3", 3},
        {"/proc/sys/vm/dirty_ratio", "/proc/sys/vm/dirty_bytes", "10", 10},
    };
    bool found = false;
    int rc = 0;

    (void)partition;
    for (size_t i = 0; !rc && i < sizeof(limits) / sizeof(limits[0]); i++) {
        uint64_t ratio, bytes;

        if (ae_root_read_u64(limits[i].ratio, &ratio) || ae_root_read_u64(limits[i].bytes, &bytes))
            continue;
        found = true;
        if (bytes == 0 && ratio > limits[i].limit)
            rc = ae_plan_add(plan, AE_SETTING_TEXT, limits[i].ratio, limits[i].wanted);
    }
    return rc || found ? rc : ae_error_set(err, -ENOENT, "no /proc/sys/vm/dirty_ratio");
}

const struct ae_knob ae_knob_writeback = {
    .name = "writeback",
    .what = "long bursts of writing to disks, which keep memory and buses busy",
    .risk = "programs of the host that write much wait earlier",
    .expand = expand_writeback,
    .unseen = "bus and memory traffic are not counted per CPU",
};

static bool asks_pages(const struct ae_partition *partition)
{
    return partition->page_count > 0;
}

static void pages_path(const struct ae_partition *partition, unsigned index, const char *file,
                       char *path, size_t size)
{
    uint64_t kilobytes = partition->pages[index].kilobytes;

    if (partition->memory_node >= 0)
        snprintf(path, size, "/sys/devices/system/node/node%d/hugepages/hugepages-%" PRIu64 "kB/%s",
                 partition->memory_node, kilobytes, file);
    else
        snprintf(path, size, "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/%s", kilobytes,
                 file);
}

static int expand_pages(const struct ae_partition *partition, struct ae_plan *plan,
                        struct ae_error *err)
{
    int rc = 0;

    for (unsigned i = 0; !rc && i < partition->page_count; i++) {
        char path[128], wanted[24];

        pages_path(partition, i, "nr_hugepages", path, sizeof(path));
        if (!ae_root_exists(path))
            return ae_error_set(err, -ENOENT, "%s is not there", path);
        snprintf(wanted, sizeof(wanted), "%" PRIu64, partition->pages[i].total);
        rc = ae_plan_add(plan, AE_SETTING_FLOOR, path, wanted);
    }
    return rc;
}

const struct ae_knob ae_knob_hugepages = {
    .name = "hugepages",
    .what = "page faults and TLB misses on the partition's memory",
    .risk = "the memory is lost to the host; a fragmented one gives fewer than asked for",
    .undo = "the old number is written back; pages in use go when they are freed",
    .essential = true,
    .asked = asks_pages,
    .expand = expand_pages,
    .unseen = "a page that exists is not counted",
};
