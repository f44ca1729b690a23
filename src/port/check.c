/* SPDX-License-Identifier: Apache-2.0 */
#include "port/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "machine/iommu.h"
#include "port/owner.h"

static const char *or_none(const char *text)
{
    return text[0] ? text : "none";
}

static int check_interrupts(const struct ae_port_pci *driver, const struct ae_pci_config *config,
                            struct ae_error *err)
{
    unsigned msix = ae_pci_config_msix(config), msi = ae_pci_config_msi(config);

    if (msix >= driver->vectors || (!driver->needs_msix && msi >= driver->vectors))
        return 0;
    return ae_error_set(
        err, -EOPNOTSUPP,
        "it has no %s interrupts, and the driver needs %u; in QEMU, vectors= gives a "
        "card some",
        driver->needs_msix ? "MSI-X" : "message-signalled", driver->vectors);
}

int ae_port_check_function(const struct ae_pci *pci, struct ae_error *err)
{
    const struct ae_port_ops *ops = ae_port_driver_for(pci->info.vendor, pci->info.device);
    struct ae_pci_config config;
    int rc = 0;

    if (!ops)
        return ae_error_set(err, -ENODEV, "Aether has no driver for it");
    ae_pci_config_read(&config, pci);
    if (config.known && ops->pci->check)
        rc = ops->pci->check(pci, &config, err);
    if (!rc && config.known)
        rc = check_interrupts(ops->pci, &config, err);
    return rc;
}

/* A kernel without huge pages has a finding of its own. */
static void check_memory(const struct ae_pci *pci, struct ae_finding *finding)
{
    size_t used = strlen(finding->reason);
    struct ae_port_plan plan;
    struct ae_error err;

    if (ae_port_plan(&plan, pci->info.address, NULL, &err))
        return;
    snprintf(finding->reason + used, sizeof(finding->reason) - used,
             "; one queue takes %llu pages of %zu kB", (unsigned long long)plan.pages,
             plan.page_size / 1024);
    if (!ae_port_plans_fit(&plan, 1, &err))
        return;
    finding->answer = AE_CHECK_LACKS;
    ae_finding_remedy(finding, "%s", err.text);
}

void ae_port_check_card(const struct ae_pci *pci, struct ae_finding *finding)
{
    const struct ae_port_ops *ops = ae_port_driver_for(pci->info.vendor, pci->info.device);
    char name[AE_PCI_NAME * 2], known[200];
    struct ae_error err;

    memset(finding, 0, sizeof(*finding));
    ae_pci_describe(pci, name, sizeof(name));
    if (!ops) {
        ae_port_describe_drivers(known, sizeof(known));
        ae_finding_set(finding, AE_CHECK_LACKS, "%.120s: Aether has no driver for it", name);
        ae_finding_remedy(finding, "use a card that it has one for: %s", known);
    } else if (ae_port_check_function(pci, &err)) {
        ae_finding_set(finding, AE_CHECK_LACKS, "%.120s: driver %s cannot run it", name,
                       ops->queue->name);
        ae_finding_remedy(finding, "%s", err.text);
    } else if (ae_iommu_check_group(pci, &err)) {
        ae_finding_set(finding, AE_CHECK_LACKS, "%.120s: driver %s, but it cannot be handed out",
                       name, ops->queue->name);
        ae_finding_remedy(finding, "%s", err.text);
    } else {
        ae_finding_set(
            finding, AE_CHECK_OK,
            "%.120s: driver %s; group %d is viable; kernel driver %.40s, interface %.20s", name,
            ops->queue->name, pci->iommu_group, or_none(pci->driver), or_none(pci->netdev));
        check_memory(pci, finding);
    }
}

struct cards {
    void (*each)(const struct ae_pci *pci, const struct ae_finding *finding, void *context);
    void *context;
    unsigned seen, ours;
};

static int check_card(const struct ae_pci *pci, void *context)
{
    struct cards *cards = context;
    struct ae_finding finding;

    if (pci->info.class_code >> 16 != PCI_CLASS_NETWORK)
        return 0;
    ae_port_check_card(pci, &finding);
    cards->seen++;
    cards->ours += finding.answer == AE_CHECK_OK;
    cards->each(pci, &finding, cards->context);
    return 0;
}

void ae_port_check_cards(void (*each)(const struct ae_pci *pci, const struct ae_finding *finding,
                                      void *context),
                         void *context)
{
    struct cards cards = {each, context, 0, 0};
    struct ae_finding finding = {0};
    char known[240];

    ae_pci_list(check_card, &cards);
    ae_finding_set(&finding, cards.ours ? AE_CHECK_OK : AE_CHECK_LACKS,
                   "%u of %u PCI network functions can be driven", cards.ours, cards.seen);
    ae_port_describe_drivers(known, sizeof(known));
    if (!cards.ours)
        ae_finding_remedy(&finding, "drivers are there for: %s", known);
    each(NULL, &finding, context);
}
