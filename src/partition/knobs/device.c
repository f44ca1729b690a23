/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "machine/pci.h"
#include "partition/evidence.h"
#include "partition/kernel.h"
#include "partition/knobs/rows.h"
#include "partition/plan.h"

static bool asks_devices(const struct ae_partition *partition)
{
    return partition->device_count > 0;
}

/* All are looked at before the first is planned: half a partition's cards are of no use. */
static int expand_devices(const struct ae_partition *partition, struct ae_plan *plan,
                          struct ae_error *err)
{
    int rc = 0;

    for (unsigned i = 0; i < partition->device_count; i++)
        if (ae_kernel.check_card(partition->devices[i].address, err))
            return -ENOENT;
    for (unsigned i = 0; !rc && i < partition->device_count; i++)
        rc = ae_plan_add(plan, AE_SETTING_CARD, partition->devices[i].address, "taken");
    return rc;
}

static void devices_effective(const struct ae_partition *partition, struct ae_evidence *evidence)
{
    const char *free_one = NULL, *far = NULL;

    for (unsigned i = 0; i < partition->device_count; i++) {
        const char *address = partition->devices[i].address;
        struct ae_pci pci;

        if (ae_pci_read(&pci, address, NULL) || !ae_pci_is_vfio(&pci))
            free_one = address;
        else if (pci.info.numa_node >= 0 && pci.info.numa_node != partition->memory_node)
            far = address;
    }
    if (free_one)
        ae_evidence_set(evidence, AE_ANSWER_NO, "%s is not with VFIO", free_one);
    else
        ae_evidence_set(evidence, AE_ANSWER_YES, "%u with VFIO%s%s%s", partition->device_count,
                        far ? "; " : "", far ? far : "",
                        far ? " is on another memory node than the partition" : "");
}

const struct ae_knob ae_knob_devices = {
    .name = "devices",
    .what = "the kernel's drivers, and with them the interrupts, of the partition's cards",
    .risk = "the host loses the cards; refused while its own traffic goes through one",
    .undo = "each card goes back to its driver, and its interface to its name, addresses and state",
    .essential = true,
    .asked = asks_devices,
    .expand = expand_devices,
    .effective = devices_effective,
    .unseen = "what a card in VFIO's hands does is not counted by the kernel",
};
