/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A virtio network device over PCI, behind the IOMMU: the owner's half. Sections are those of OASIS
 * VIRTIO 1.2; 4.1 is the PCI transport. Only the modern interface is used.
 */

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/barrier.h"
#include "base/error.h"
#include "port/virtio_control.h"
#include "port/virtio_net.h"
#include "port/virtio_pci_regs.h"

#define TIMEOUT_MS 1000
#define WAKE_NS    1000000ull

/* A structure of the device's, inside a mapped BAR. */
struct structure {
    volatile uint8_t *base;
    uint32_t length;
};

struct virtio_pci {
    struct structure common, notify, isr, device;
    uint32_t notify_offset; /* of the structure in its BAR */
    uint32_t notify_off_multiplier;
    uint64_t features;
    struct ae_virtio_control control;
    uint16_t control_index;
    uint32_t control_notify; /* offset in the notify BAR */
    bool running;
    uint64_t wake_at; /* CLOCK_MONOTONIC, for tend */
};

#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)

static struct virtio_pci *of(const struct ae_port_owner *owner)
{
    return owner->driver;
}

static uint8_t get8(const struct structure *from, size_t offset)
{
    return from->base[offset];
}

static void set8(const struct structure *to, size_t offset, uint8_t value)
{
    to->base[offset] = value;
}

static uint16_t get16(const struct structure *from, size_t offset)
{
    return ae_mmio_read16(from->base, (uint32_t)offset);
}

static void set16(const struct structure *to, size_t offset, uint16_t value)
{
    ae_mmio_write16(to->base, (uint32_t)offset, value);
}

static uint32_t get32(const struct structure *from, size_t offset)
{
    return ae_mmio_read32(from->base, (uint32_t)offset);
}

static void set32(const struct structure *to, size_t offset, uint32_t value)
{
    ae_mmio_write32(to->base, (uint32_t)offset, value);
}

/* 4.1.3.1: 64-bit fields are two accesses of 32 bits. */
static void set64(const struct structure *to, size_t offset, uint64_t value)
{
    set32(to, offset, (uint32_t)value);
    set32(to, offset + 4, (uint32_t)(value >> 32));
}

/* ---- 4.1.4: where the structures are ---- */

static int read_capability(struct ae_device *device, unsigned at, struct virtio_pci_notify_cap *cap,
                           struct ae_error *err)
{
    uint32_t words[sizeof(*cap) / 4] = {0};

    for (size_t i = 0; i < sizeof(words) / 4; i++) {
        int rc = ae_device_config_read(device, at + (unsigned)(4 * i), 4, &words[i], err);

        if (rc)
            return rc;
    }
    memcpy(cap, words, sizeof(*cap));
    return 0;
}

static int place(struct ae_port_owner *owner, const struct virtio_pci_cap *cap,
                 struct structure *structure, struct ae_error *err)
{
    struct ae_bar bar;
    int rc;

    if (cap->bar > 5)
        return ae_error_set(err, -EPROTO, "virtio: a structure in BAR %u, which there is not",
                            cap->bar);
    rc = ae_device_map_bar(owner->device, cap->bar, &bar, err);
    if (rc)
        return rc;
    if (!bar.base || cap->offset > bar.size || cap->length > bar.size - cap->offset ||
        cap->offset % 4)
        return ae_error_set(
            err, -EPROTO, "virtio: a structure of %u bytes at 0x%x of BAR %u, which has %zu bytes",
            cap->length, cap->offset, cap->bar, bar.size);
    structure->base = bar.base + cap->offset;
    structure->length = cap->length;
    if (cap->cfg_type == VIRTIO_PCI_CAP_NOTIFY_CFG)
        owner->registers = bar; /* what the worker maps */
    return 0;
}

/* 4.1.4: the first capability of a type that can be used is the one to use. */
static int find_structures(struct ae_port_owner *owner, struct ae_error *err)
{
    struct virtio_pci *virtio = of(owner);
    struct structure *const structures[] = {NULL, &virtio->common, &virtio->notify, &virtio->isr,
                                            &virtio->device};
    int at = ae_device_find_capability(owner->device, PCI_CAP_ID_VNDR);

    for (; at > 0; at = ae_device_next_capability(owner->device, PCI_CAP_ID_VNDR, at)) {
        struct virtio_pci_notify_cap cap;
        int rc = read_capability(owner->device, (unsigned)at, &cap, err);

        if (rc)
            return rc;
        if (cap.cap.cfg_type < VIRTIO_PCI_CAP_COMMON_CFG ||
            cap.cap.cfg_type > VIRTIO_PCI_CAP_DEVICE_CFG || structures[cap.cap.cfg_type]->base)
            continue;
        rc = place(owner, &cap.cap, structures[cap.cap.cfg_type], err);
        if (rc)
            return rc;
        if (cap.cap.cfg_type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
            virtio->notify_offset = cap.cap.offset;
            virtio->notify_off_multiplier = cap.notify_off_multiplier;
        }
    }
    /* 60 bytes: up to queue_reset, which the last two features add. */
    if (virtio->common.length < COMMON(queue_notify_data) || !virtio->notify.base ||
        !virtio->device.base)
        return ae_error_set(err, -ENODEV,
                            "virtio: no modern interface (PCI capabilities of 4.1.4): in QEMU, "
                            "disable-legacy=on gives the card one");
    return 0;
}

/* ---- 3.1.1 Driver Requirements: Device Initialization ---- */

static int reset(struct virtio_pci *virtio, struct ae_error *err)
{
    set8(&virtio->common, COMMON(device_status), 0);
    for (int ms = 0; ms < TIMEOUT_MS; ms++) {
        if (get8(&virtio->common, COMMON(device_status)) == 0)
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (get32(&virtio->common, COMMON(device_feature_select)) == UINT32_MAX)
        return ae_error_set(err, -ENODEV,
                            "virtio: its registers read as all ones, the device is gone");
    return ae_error_set(err, -ETIMEDOUT, "virtio: not reset after %d ms", TIMEOUT_MS);
}

static void add_status(struct virtio_pci *virtio, uint8_t bits)
{
    set8(&virtio->common, COMMON(device_status),
         (uint8_t)(get8(&virtio->common, COMMON(device_status)) | bits));
}

static uint64_t offered(struct virtio_pci *virtio)
{
    uint64_t features;

    set32(&virtio->common, COMMON(device_feature_select), 0);
    features = get32(&virtio->common, COMMON(device_feature));
    set32(&virtio->common, COMMON(device_feature_select), 1);
    return features | (uint64_t)get32(&virtio->common, COMMON(device_feature)) << 32;
}

static int negotiate(struct virtio_pci *virtio, struct ae_error *err)
{
    add_status(virtio, VIRTIO_STATUS_ACKNOWLEDGE);
    add_status(virtio, VIRTIO_STATUS_DRIVER);
    set32(&virtio->common, COMMON(driver_feature_select), 0);
    set32(&virtio->common, COMMON(driver_feature), (uint32_t)virtio->features);
    set32(&virtio->common, COMMON(driver_feature_select), 1);
    set32(&virtio->common, COMMON(driver_feature), (uint32_t)(virtio->features >> 32));
    add_status(virtio, VIRTIO_STATUS_FEATURES_OK);
    if (get8(&virtio->common, COMMON(device_status)) & VIRTIO_STATUS_FEATURES_OK)
        return 0;
    return ae_error_set(
        err, -EOPNOTSUPP,
        "virtio: the device does not work with the features 0x%llx, all of which it "
        "offers",
        (unsigned long long)virtio->features);
}

/* 4.1.4.3.1: read again until the generation stays. */
static void read_config(const struct virtio_pci *virtio, struct virtio_net_config *config)
{
    uint32_t size = ae_virtio_config_size(virtio->features);
    uint8_t generation;
    int tries = 8;

    memset(config, 0, sizeof(*config));
    if (size > virtio->device.length)
        size = virtio->device.length;
    do {
        generation = get8(&virtio->common, COMMON(config_generation));
        for (uint32_t i = 0; i < size; i++)
            ((uint8_t *)config)[i] = get8(&virtio->device, i);
    } while (get8(&virtio->common, COMMON(config_generation)) != generation && --tries);
}

static bool has(const struct virtio_pci *virtio, unsigned bit)
{
    return virtio->features & VIRTIO_FEATURE(bit);
}

/* 5.1.2: the control queue is behind the last pair that the device has, not that we use. */
static uint16_t control_queue(const struct virtio_pci *virtio,
                              const struct virtio_net_config *config)
{
    bool many = has(virtio, VIRTIO_NET_F_MQ) || has(virtio, VIRTIO_NET_F_RSS);

    return (uint16_t)(2 * (many ? config->max_virtqueue_pairs : 1));
}

/* ---- Queues ---- */

static int select_queue(struct virtio_pci *virtio, uint16_t queue, uint16_t *size,
                        struct ae_error *err)
{
    if (queue >= get16(&virtio->common, COMMON(num_queues)))
        return ae_error_set(err, -EPROTO, "virtio: there is no queue %u", queue);
    set16(&virtio->common, COMMON(queue_select), queue);
    *size = get16(&virtio->common, COMMON(queue_size));
    return *size ? 0 : ae_error_set(err, -EPROTO, "virtio: queue %u has no descriptors", queue);
}

/* A ring may be smaller than the device's, never larger. */
static int limit_ring(struct ae_port_owner *owner, uint16_t queue, uint16_t *ring, uint16_t asked,
                      struct ae_error *err)
{
    uint16_t size;
    int rc = select_queue(of(owner), queue, &size, err);

    if (rc || *ring <= size)
        return rc;
    if (asked)
        return ae_error_set(err, -EINVAL, "virtio: a ring of %u descriptors: queue %u has %u",
                            asked, queue, size);
    while (*ring > size)
        *ring /= 2;
    return 0;
}

static int notify_place(struct ae_port_owner *owner, uint16_t queue, uint32_t *offset,
                        uint16_t *data, struct ae_error *err)
{
    struct virtio_pci *virtio = of(owner);
    uint16_t size;
    uint64_t at;
    int rc = select_queue(virtio, queue, &size, err);

    if (rc)
        return rc;
    at = (uint64_t)get16(&virtio->common, COMMON(queue_notify_off)) * virtio->notify_off_multiplier;
    if (at + 4 > virtio->notify.length && at + 2 > virtio->notify.length)
        return ae_error_set(err, -EPROTO, "virtio: queue %u is notified outside of the structure",
                            queue);
    *offset = virtio->notify_offset + (uint32_t)at;
    *data = queue;
    return 0;
}

static int probe_queues(struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_virtio_handoff *handoff = ae_virtio_handoff(&owner->handoff);
    int rc = 0;

    for (unsigned pair = 0; pair < owner->handoff.info.queues && !rc; pair++) {
        uint16_t receive = VIRTIO_NET_RECEIVEQ(pair), send = VIRTIO_NET_TRANSMITQ(pair);

        rc = limit_ring(owner, receive, &owner->handoff.receive_ring, owner->options.receive_ring,
                        err);
        if (!rc)
            rc = limit_ring(owner, send, &owner->handoff.send_ring, owner->options.send_ring, err);
        if (!rc)
            rc = notify_place(owner, receive, &handoff->notify[pair][0],
                              &handoff->notify_data[pair][0], err);
        if (!rc)
            rc = notify_place(owner, send, &handoff->notify[pair][1],
                              &handoff->notify_data[pair][1], err);
    }
    return rc;
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
    rc = find_structures(owner, err);
    if (!rc)
        rc = reset(virtio, err);
    if (!rc)
        rc = ae_virtio_choose(owner, offered(virtio), own, &virtio->features, err);
    /* Without it the device takes what we give it for physical addresses (6.1), and ours never are. */
    if (!rc && !has(virtio, VIRTIO_F_ACCESS_PLATFORM))
        rc = ae_error_set(err, -EPERM,
                          "virtio: the device does not offer VIRTIO_F_ACCESS_PLATFORM: it would "
                          "bypass the IOMMU; in QEMU, iommu_platform=on makes it go through");
    /* Where in a ring the driver is, only its worker knows, and wake_all notifies for it. */
    if (has(virtio, VIRTIO_NET_F_RSS))
        virtio->features &= ~VIRTIO_FEATURE(VIRTIO_F_NOTIFICATION_DATA);
    if (!rc)
        rc = negotiate(virtio, err);
    if (rc)
        return rc;
    read_config(virtio, &config);
    rc = ae_virtio_learn(owner, virtio->features, &config, err);
    return rc ? rc : probe_queues(owner, err);
}

static int enable_queue(struct virtio_pci *virtio, uint16_t queue, uint16_t size,
                        const uint64_t parts[3], struct ae_error *err)
{
    uint16_t most;
    int rc = select_queue(virtio, queue, &most, err);

    if (rc)
        return rc;
    set16(&virtio->common, COMMON(queue_size), size);
    set16(&virtio->common, COMMON(queue_msix_vector), VIRTIO_MSI_NO_VECTOR);
    set64(&virtio->common, COMMON(queue_desc), parts[0]);
    set64(&virtio->common, COMMON(queue_driver), parts[1]);
    set64(&virtio->common, COMMON(queue_device), parts[2]);
    set16(&virtio->common, COMMON(queue_enable), 1);
    return 0;
}

static int enable_ring(struct ae_port_owner *owner, uint16_t queue, uint64_t offset, uint16_t size,
                       struct ae_error *err)
{
    bool packed = has(of(owner), VIRTIO_F_RING_PACKED);
    struct ae_virtio_layout layout = ae_virtio_ring_layout(size, packed);
    uint64_t iova = owner->handoff.memory_iova + offset;
    const uint64_t parts[3] = {iova + layout.descriptors, iova + layout.driver,
                               iova + layout.device};

    return enable_queue(of(owner), queue, size, parts, err);
}

static void notify_control(void *context)
{
    struct ae_port_owner *owner = context;
    struct virtio_pci *virtio = of(owner);
    uint16_t queue = virtio->control_index;

    if (has(virtio, VIRTIO_F_NOTIFICATION_DATA))
        ae_mmio_write32(owner->registers.base, virtio->control_notify,
                        VIRTIO_NOTIFICATION(queue, virtio->control.next,
                                            virtio->control.packed && virtio->control.wrap));
    else
        ae_mmio_write16(owner->registers.base, virtio->control_notify, queue);
}

static int enable_control(struct ae_port_owner *owner, struct ae_error *err)
{
    struct virtio_pci *virtio = of(owner);
    struct ae_virtio_control *control = &virtio->control;
    uint64_t iova;
    uint16_t size, data;
    int rc = select_queue(virtio, virtio->control_index, &size, err);

    if (!rc)
        rc = notify_place(owner, virtio->control_index, &virtio->control_notify, &data, err);
    if (rc)
        return rc;
    iova = owner->own_iova.value;
    *control = (struct ae_virtio_control){
        .memory = ae_memory_base(owner->own),
        .iova = {iova},
        .packed = has(virtio, VIRTIO_F_RING_PACKED),
        .size = size < AE_VIRTIO_CONTROL_SIZE ? size : AE_VIRTIO_CONTROL_SIZE,
        .wrap = true,
        .notify = notify_control,
        .context = owner,
        .timeout_ms = TIMEOUT_MS,
    };
    return enable_queue(virtio, virtio->control_index, control->size,
                        (const uint64_t[]){iova + AE_VIRTIO_CONTROL_DESCRIPTORS,
                                           iova + AE_VIRTIO_CONTROL_DRIVER,
                                           iova + AE_VIRTIO_CONTROL_DEVICE},
                        err);
}

static int init(struct ae_port_owner *owner, struct ae_error *err)
{
    struct virtio_pci *virtio = of(owner);
    const struct ae_port_handoff *handoff = &owner->handoff;
    struct virtio_net_config config;
    int rc = reset(virtio, err);

    if (!rc)
        rc = negotiate(virtio, err);
    if (rc)
        return rc;
    read_config(virtio, &config);
    virtio->control_index = control_queue(virtio, &config);
    for (unsigned pair = 0; pair < handoff->info.queues && !rc; pair++) {
        rc = enable_ring(owner, VIRTIO_NET_RECEIVEQ(pair),
                         ae_port_receive_ring_offset(owner->ops, handoff, pair),
                         handoff->receive_ring, err);
        if (!rc)
            rc = enable_ring(owner, VIRTIO_NET_TRANSMITQ(pair),
                             ae_port_send_ring_offset(owner->ops, handoff, pair),
                             handoff->send_ring, err);
    }
    if (!rc && has(virtio, VIRTIO_NET_F_CTRL_VQ))
        rc = enable_control(owner, err);
    set16(&virtio->common, COMMON(config_msix_vector), 0);
    if (!rc && get16(&virtio->common, COMMON(config_msix_vector)) == VIRTIO_MSI_NO_VECTOR)
        rc = ae_error_set(err, -EIO, "virtio: no interrupt for changes of the link (4.1.5.1.2)");
    return rc;
}

/* The link, and what else the device has to say (4.1.5.4, 5.1.6.5.4). */
static void interrupt(struct ae_port_owner *owner)
{
    struct virtio_pci *virtio = of(owner);
    uint8_t status = get8(&virtio->common, COMMON(device_status));
    struct virtio_net_config config;
    struct ae_link link;

    /* All ones, too: it is not there any more. */
    if (status & VIRTIO_STATUS_DEVICE_NEEDS_RESET) {
        ae_port_read_link(owner->state, &link);
        link.device_gone = true;
        ae_port_set_link(owner->state, &link);
        return;
    }
    read_config(virtio, &config);
    ae_virtio_set_link(owner, virtio->features, &config);
    if (has(virtio, VIRTIO_NET_F_GUEST_ANNOUNCE) && config.status & VIRTIO_NET_S_ANNOUNCE) {
        __atomic_fetch_add(&owner->state->announce, 1, __ATOMIC_RELAXED);
        ae_virtio_control_send(&virtio->control, VIRTIO_NET_CTRL_ANNOUNCE,
                               VIRTIO_NET_CTRL_ANNOUNCE_ACK, NULL, 0, NULL);
    }
}

/* Rings are empty until a worker fills them: the device finds nothing to do. */
static int enable(struct ae_port_owner *owner, struct ae_error *err)
{
    struct virtio_pci *virtio = of(owner);
    int rc = 0;

    add_status(virtio, VIRTIO_STATUS_DRIVER_OK);
    if (has(virtio, VIRTIO_NET_F_CTRL_VQ))
        rc = ae_virtio_control_set_up(&virtio->control, owner, virtio->features, err);
    interrupt(owner);
    virtio->running = !rc;
    return rc;
}

static void disable(struct ae_port_owner *owner)
{
    of(owner)->running = false;
    reset(of(owner), NULL);
}

static void wake_all(struct ae_port_owner *owner)
{
    const struct ae_virtio_handoff *handoff = ae_virtio_handoff(&owner->handoff);

    for (unsigned pair = 0; pair < owner->handoff.info.queues; pair++)
        ae_mmio_write16(owner->registers.base, handoff->notify[pair][0],
                        handoff->notify_data[pair][0]);
}

/*
 * QEMU, where it has no eBPF program to do it, spreads by VIRTIO_NET_F_RSS itself. A frame that
 * came in by one queue and is for another, which has no buffer, holds the first one up until the
 * first one is notified: nobody has a reason to do that, the other one's worker notifies the other
 * one. So all of them are, again and again; a device has to bear notifications that it did not ask
 * for (2.7.10.2).
 */
static uint64_t tend(struct ae_port_owner *owner)
{
    struct virtio_pci *virtio = of(owner);
    struct timespec time;
    uint64_t now;

    if (!virtio->running || !has(virtio, VIRTIO_NET_F_RSS) || owner->handoff.info.queues < 2)
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &time);
    now = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
    if (now >= virtio->wake_at) {
        wake_all(owner);
        virtio->wake_at = now + WAKE_NS;
    }
    return virtio->wake_at - now;
}

static const struct ae_pci_id ids[] = {
    {VIRTIO_PCI_VENDOR, VIRTIO_PCI_NET, "virtio network device"},
    {VIRTIO_PCI_VENDOR, VIRTIO_PCI_NET_TRANSITIONAL, "virtio network device (transitional)"},
    {0, 0, NULL},
};

static const struct ae_port_pci pci = {
    .ids = ids,
    .vectors = 1,
    .probe = probe,
    .init = init,
    .enable = enable,
    .disable = disable,
    .interrupt = interrupt,
    .tend = tend,
};

const struct ae_port_ops ae_port_virtio_pci = {
    .name = "virtio-pci",
    .path = AE_PATH_DEVICE,
    .keys = ae_virtio_keys,
    .pci = &pci,
    .transport = &ae_port_transport_pci,
    .ring_default = 256,
    .ring_min = 16,
    .ring_max = VIRTQ_SIZE_MAX,
    .queues_max = AE_PORT_QUEUES,
    .mtu = 1500,
    .features = 0, /* ae_virtio_learn's */
    .ring_bytes = ae_virtio_ring_bytes,
    .owner_bytes = AE_VIRTIO_CONTROL_BYTES,
    .attach = ae_virtio_port_attach,
    .detach = ae_virtio_port_detach,
};
