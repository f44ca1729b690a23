/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A virtio network device over PCI, behind the IOMMU: the owner's half. Sections are those of OASIS
 * VIRTIO 1.2; 4.1 is the PCI transport. Only the modern interface is used.
 */

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "port/virtio/pci.h"

/* ---- 3.1.1 Driver Requirements: Device Initialization ---- */

static int reset(struct virtio_pci *virtio, struct ae_error *err)
{
    ae_mmio_write8(virtio->common.base, COMMON(device_status), 0);
    for (int ms = 0; ms < AE_VIRTIO_PCI_TIMEOUT_MS; ms++) {
        if (ae_mmio_read8(virtio->common.base, COMMON(device_status)) == 0)
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (ae_mmio_read32(virtio->common.base, COMMON(device_feature_select)) == UINT32_MAX)
        return ae_error_set(err, -ENODEV,
                            "virtio: its registers read as all ones, the device is gone");
    return ae_error_set(err, -ETIMEDOUT, "virtio: not reset after %d ms", AE_VIRTIO_PCI_TIMEOUT_MS);
}

static void add_status(struct virtio_pci *virtio, uint8_t bits)
{
    ae_mmio_write8(virtio->common.base, COMMON(device_status),
                   (uint8_t)(ae_mmio_read8(virtio->common.base, COMMON(device_status)) | bits));
}

static uint64_t offered(struct virtio_pci *virtio)
{
    uint64_t features;

    ae_mmio_write32(virtio->common.base, COMMON(device_feature_select), 0);
    features = ae_mmio_read32(virtio->common.base, COMMON(device_feature));
    ae_mmio_write32(virtio->common.base, COMMON(device_feature_select), 1);
    return features | (uint64_t)ae_mmio_read32(virtio->common.base, COMMON(device_feature)) << 32;
}

static int negotiate(struct virtio_pci *virtio, struct ae_error *err)
{
    add_status(virtio, VIRTIO_STATUS_ACKNOWLEDGE);
    add_status(virtio, VIRTIO_STATUS_DRIVER);
    ae_mmio_write32(virtio->common.base, COMMON(driver_feature_select), 0);
    ae_mmio_write32(virtio->common.base, COMMON(driver_feature), (uint32_t)virtio->features);
    ae_mmio_write32(virtio->common.base, COMMON(driver_feature_select), 1);
    ae_mmio_write32(virtio->common.base, COMMON(driver_feature),
                    (uint32_t)(virtio->features >> 32));
    add_status(virtio, VIRTIO_STATUS_FEATURES_OK);
    if (ae_mmio_read8(virtio->common.base, COMMON(device_status)) & VIRTIO_STATUS_FEATURES_OK)
        return 0;
    return ae_error_set(
        err, -EOPNOTSUPP,
        "virtio: the device does not work with the features 0x%llx, all of which it "
        "offers",
        (unsigned long long)virtio->features);
}

static int probe(struct ae_port_owner *owner, struct ae_error *err)
{
    const uint64_t own =
        VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) |
        VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VLAN) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) |
        VIRTIO_FEATURE(VIRTIO_NET_F_RSS);
    struct virtio_net_config config;
    struct virtio_pci *virtio = calloc(1, sizeof(*virtio));
    int rc;

    if (!virtio)
        return ae_error_set(err, -ENOMEM, "virtio: out of memory");
    owner->driver = virtio;
    rc = ae_virtio_pci_find(owner, err);
    if (!rc)
        rc = reset(virtio, err);
    if (!rc)
        rc = ae_virtio_choose(owner, offered(virtio), own, &virtio->features, err);
    /* Without it the device takes what we give it for physical addresses (6.1), and ours never
     * are. */
    if (!rc && !ae_virtio_pci_has(virtio, VIRTIO_F_ACCESS_PLATFORM))
        rc = ae_error_set(err, -EPERM,
                          "virtio: the device does not offer VIRTIO_F_ACCESS_PLATFORM: it would "
                          "bypass the IOMMU; in QEMU, iommu_platform=on makes it go through");
    /* Where in a ring the driver is, only its worker knows, and tend notifies for it. */
    if (ae_virtio_pci_has(virtio, VIRTIO_NET_F_RSS))
        virtio->features &= ~VIRTIO_FEATURE(VIRTIO_F_NOTIFICATION_DATA);
    if (!rc)
        rc = negotiate(virtio, err);
    if (rc)
        return rc;
    rc = ae_virtio_pci_read_config(virtio, &config, err);
    if (!rc)
        rc = ae_virtio_learn(owner, virtio->features, &config, err);
    return rc ? rc : ae_virtio_pci_find_queues(owner, &config, err);
}

static int init(struct ae_port_owner *owner, struct ae_error *err)
{
    struct virtio_pci *virtio = ae_virtio_pci_of(owner);
    int rc = reset(virtio, err);

    virtio->announced = virtio->interrupted = false;
    if (!rc)
        rc = negotiate(virtio, err);
    if (!rc)
        rc = ae_virtio_pci_enable_queues(owner, err);
    ae_mmio_write16(virtio->common.base, COMMON(config_msix_vector), 0);
    if (!rc &&
        ae_mmio_read16(virtio->common.base, COMMON(config_msix_vector)) == VIRTIO_MSI_NO_VECTOR)
        rc = ae_error_set(err, -EIO, "virtio: no interrupt for changes of the link (4.1.5.1.2)");
    return rc;
}

/* Rings are empty until a worker fills them: the device finds nothing to do. */
static int enable(struct ae_port_owner *owner, struct ae_error *err)
{
    struct virtio_pci *virtio = ae_virtio_pci_of(owner);
    int rc = ae_virtio_check_filter(&owner->filter, virtio->features, err);

    if (rc)
        return rc;
    add_status(virtio, VIRTIO_STATUS_DRIVER_OK);
    if (ae_virtio_pci_has(virtio, VIRTIO_NET_F_CTRL_VQ))
        rc = ae_virtio_control_set_up(&virtio->control, owner, virtio->features, err);
    ae_virtio_pci_interrupt(owner);
    virtio->running = !rc;
    return rc;
}

static void disable(struct ae_port_owner *owner)
{
    ae_virtio_pci_of(owner)->running = false;
    /* Without it there is nothing that could have been started. */
    if (ae_virtio_pci_of(owner)->common.base)
        reset(ae_virtio_pci_of(owner), NULL);
}

static const struct ae_pci_id ids[] = {
    {VIRTIO_PCI_VENDOR, VIRTIO_PCI_NET, "virtio network device"},
    {VIRTIO_PCI_VENDOR, VIRTIO_PCI_NET_TRANSITIONAL, "virtio network device (transitional)"},
    {0, 0, NULL},
};

static const struct ae_port_pci pci = {
    .ids = ids,
    .vectors = 1,
    .needs_msix = true, /* 4.1.4.3: without it there are no vectors to set */
    .check = ae_virtio_pci_check,
    .probe = probe,
    .init = init,
    .enable = enable,
    .disable = disable,
    .interrupt = ae_virtio_pci_interrupt,
    .tend = ae_virtio_pci_tend,
};

const struct ae_port_ops ae_port_virtio_pci = {
    .queue = &ae_queue_virtio_pci,
    .path = AE_PATH_DEVICE,
    .caller = AE_CALLER_NONE,
    .keys = ae_virtio_keys,
    .pci = &pci,
    .transport = &ae_port_transport_pci,
    .ring_default = 256,
    .queues_max = AE_PORT_QUEUES,
    .mtu = 1500,
    .mtu_max = AE_VIRTIO_MTU_MAX,
    .segments_max = AE_FRAME_SEGMENTS,
    .features = 0, /* ae_virtio_learn's */
    .owner_bytes = AE_VIRTIO_CONTROL_BYTES,
    .filter = ae_virtio_pci_filter,
    .steer = ae_virtio_pci_steer,
};
