/* SPDX-License-Identifier: Apache-2.0 */

/* Where the structures of a virtio device over PCI are (OASIS VIRTIO 1.2, 4.1.4). */

#include "port/virtio/pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "vfio/device.h"

/* 4.1.4: a capability may be longer than we know, or end before what we do not need of it. */
static int read_capability(struct ae_device *device, unsigned at, struct virtio_pci_notify_cap *cap,
                           struct ae_error *err)
{
    uint32_t words[sizeof(*cap) / 4] = {0};
    unsigned count = sizeof(cap->cap) / 4;

    for (unsigned i = 0; i < count; i++) {
        int rc = ae_device_config_read(device, at + 4 * i, 4, &words[i], err);

        if (rc)
            return rc;
        if (i == 0 && words[0] >> 24 == VIRTIO_PCI_CAP_NOTIFY_CFG)
            count = sizeof(words) / 4;
    }
    memcpy(cap, words, sizeof(*cap));
    if (cap->cap.cap_len >= 4 * count)
        return 0;
    return ae_error_set(err, -EPROTO, "virtio: the capability at 0x%x has %u bytes, %u are needed",
                        at, cap->cap.cap_len, 4 * count);
}

/* The least that there has to be of a structure for us to use it. */
static uint32_t least_of(uint8_t type)
{
    switch (type) {
    case VIRTIO_PCI_CAP_COMMON_CFG:
        return COMMON(queue_notify_data); /* what follows comes with features that we do not take */
    case VIRTIO_PCI_CAP_NOTIFY_CFG:
        return sizeof(uint16_t);
    default:
        return 1;
    }
}

static int place(struct ae_port_owner *owner, const struct virtio_pci_cap *cap,
                 struct virtio_structure *structure, struct ae_bar *bar, struct ae_error *err)
{
    int rc = ae_device_map_bar(owner->device, cap->bar, bar, err);

    if (rc)
        return rc;
    if (cap->offset % 4 || cap->length < least_of(cap->cfg_type))
        return ae_error_set(err, -EPROTO,
                            "virtio: a structure (type %u) of %u bytes at 0x%x of BAR %u",
                            cap->cfg_type, cap->length, cap->offset, cap->bar);
    rc = ae_device_check_registers(owner->device, cap->bar, cap->offset, cap->length,
                                   "a virtio structure", err);
    if (rc)
        return rc;
    structure->base = bar->base + cap->offset;
    structure->length = cap->length;
    return 0;
}

/* The pages that hold it, and no other register. */
static void place_notify(struct ae_port_owner *owner, const struct virtio_pci_notify_cap *cap,
                         const struct ae_bar *bar)
{
    struct virtio_pci *virtio = ae_virtio_pci_of(owner);
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t first = cap->cap.offset / page * page;
    uint64_t end = ((uint64_t)cap->cap.offset + cap->cap.length + page - 1) / page * page;

    if (end > bar->size)
        end = bar->size;
    owner->registers = (struct ae_bar){bar->base + first, end - first, bar->offset + first};
    virtio->notify_offset = (uint32_t)(cap->cap.offset - first);
    virtio->notify_off_multiplier = cap->notify_off_multiplier;
}

static bool is_complete(const struct virtio_pci *virtio)
{
    return virtio->common.base && virtio->notify.base && virtio->device.base;
}

/* 4.1.4: the first capability of a type that can be used is the one to use; BARs above 5 are
 * reserved. */
int ae_virtio_pci_find(struct ae_port_owner *owner, struct ae_error *err)
{
    struct virtio_pci *virtio = ae_virtio_pci_of(owner);
    struct virtio_structure *const structures[] = {NULL, &virtio->common, &virtio->notify,
                                                   &virtio->isr, &virtio->device};
    struct ae_error unusable = {0};
    struct ae_pci_walk walk = {0};
    int at;

    while ((at = ae_device_next_capability(owner->device, PCI_CAP_ID_VNDR, &walk)) > 0) {
        struct virtio_pci_notify_cap cap;
        struct ae_bar bar;
        int rc = read_capability(owner->device, (unsigned)at, &cap, &unusable);

        if (rc || cap.cap.cfg_type < VIRTIO_PCI_CAP_COMMON_CFG ||
            cap.cap.cfg_type > VIRTIO_PCI_CAP_DEVICE_CFG || cap.cap.bar > 5 ||
            structures[cap.cap.cfg_type]->base)
            continue;
        rc = place(owner, &cap.cap, structures[cap.cap.cfg_type], &bar, &unusable);
        if (!rc && cap.cap.cfg_type == VIRTIO_PCI_CAP_NOTIFY_CFG)
            place_notify(owner, &cap, &bar);
    }
    if (is_complete(virtio))
        return 0;
    return ae_error_set(err, -ENODEV,
                        "virtio: no modern interface (PCI capabilities of 4.1.4): in QEMU, "
                        "disable-legacy=on gives the card one%s%s",
                        unusable.text[0] ? "; not usable: " : "", unusable.text);
}

/* ---- Of a function that the kernel has ---- */

/* The features that the kernel's driver and the device agreed on, a digit each. */
struct agreed {
    const char *address;
    char features[257]; /* 64, or 128 since Linux 6.16 */
};

static int read_features(const char *name, void *context)
{
    struct agreed *agreed = context;
    char path[192];

    if (strncmp(name, "virtio", 6) != 0)
        return 0;
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%.60s/features", agreed->address, name);
    if (ae_root_read(path, agreed->features, sizeof(agreed->features)) < 0)
        agreed->features[0] = '\0';
    return 1;
}

/* Whatever the kernel's driver wants, it takes this one where it is offered. Without VERSION_1
 * nothing was agreed on yet. */
static bool bypasses_iommu(const struct ae_pci *pci)
{
    struct agreed agreed = {pci->info.address, ""};
    char path[128];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", pci->info.address);
    ae_root_list(path, read_features, &agreed);
    return strlen(agreed.features) >= 64 && agreed.features[VIRTIO_F_VERSION_1] == '1' &&
           agreed.features[VIRTIO_F_ACCESS_PLATFORM] == '0';
}

int ae_virtio_pci_check(const struct ae_pci *pci, const struct ae_pci_config *config,
                        struct ae_error *err)
{
    const unsigned needed = 1u << VIRTIO_PCI_CAP_COMMON_CFG | 1u << VIRTIO_PCI_CAP_NOTIFY_CFG |
                            1u << VIRTIO_PCI_CAP_DEVICE_CFG;
    struct ae_pci_walk walk = {0};
    unsigned found = 0;
    int at;

    while ((at = ae_pci_config_next(config, PCI_CAP_ID_VNDR, &walk)) > 0) {
        struct virtio_pci_cap cap;

        if ((size_t)at + sizeof(cap) > sizeof(config->bytes))
            continue;
        memcpy(&cap, config->bytes + at, sizeof(cap));
        if (cap.bar <= 5 && cap.cap_len >= sizeof(cap) && cap.cfg_type < 32)
            found |= 1u << cap.cfg_type;
    }
    if ((found & needed) != needed)
        return ae_error_set(
            err, -EOPNOTSUPP,
            "it has no modern interface of virtio, and the legacy one is not supported; "
            "in QEMU, disable-legacy=on,disable-modern=off gives it one");
    if (bypasses_iommu(pci))
        return ae_error_set(
            err, -EOPNOTSUPP,
            "it does not offer VIRTIO_F_ACCESS_PLATFORM: it would bypass the IOMMU; "
            "in QEMU, iommu_platform=on makes it go through");
    return 0;
}
