/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A virtio network device over PCI, behind the IOMMU: the owner's half. Sections are those of OASIS
 * VIRTIO 1.2; 4.1 is the PCI transport. Only the modern interface is used.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "port/virtio/pci.h"

#define TIMEOUT_MS     1000
#define WAKE_NS        1000000ull
#define NS_PER_MS      1000000ull
#define ACKNOWLEDGE_NS (2 * NS_PER_MS) /* how often it is looked for */
#define CONFIG_TRIES   8

#define of  ae_virtio_pci_of
#define has ae_virtio_pci_has

static uint8_t get8(const struct virtio_structure *from, uint32_t offset)
{
    return ae_mmio_read8(from->base, offset);
}

static void set8(const struct virtio_structure *to, uint32_t offset, uint8_t value)
{
    ae_mmio_write8(to->base, offset, value);
}

static uint16_t get16(const struct virtio_structure *from, uint32_t offset)
{
    return ae_mmio_read16(from->base, offset);
}

static void set16(const struct virtio_structure *to, uint32_t offset, uint16_t value)
{
    ae_mmio_write16(to->base, offset, value);
}

static uint32_t get32(const struct virtio_structure *from, uint32_t offset)
{
    return ae_mmio_read32(from->base, offset);
}

static void set32(const struct virtio_structure *to, uint32_t offset, uint32_t value)
{
    ae_mmio_write32(to->base, offset, value);
}

/* 4.1.3.1: 64-bit fields are two accesses of 32 bits. */
static void set64(const struct virtio_structure *to, uint32_t offset, uint64_t value)
{
    set32(to, offset, (uint32_t)value);
    set32(to, offset + 4, (uint32_t)(value >> 32));
}

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
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

/* 4.1.4.3.1: read again until the generation stays. -EPROTO: it does not, or the device has less of
 * a configuration than its features say, or all ones: it is gone. */
static int read_config(const struct virtio_pci *virtio, struct virtio_net_config *config,
                       struct ae_error *err)
{
    uint32_t size = ae_virtio_config_size(virtio->features);

    memset(config, 0, sizeof(*config));
    if (size > virtio->device.length)
        return ae_error_set(
            err, -EPROTO,
            "virtio: a configuration of %u bytes; with the features that the device "
            "offers it has %u",
            virtio->device.length, size);
    for (int tries = 0; tries < CONFIG_TRIES; tries++) {
        uint8_t generation = get8(&virtio->common, COMMON(config_generation));

        for (uint32_t i = 0; i < size; i++)
            ((uint8_t *)config)[i] = get8(&virtio->device, i);
        if (get8(&virtio->common, COMMON(config_generation)) == generation)
            return 0;
    }
    return ae_error_set(
        err, -EPROTO, "virtio: its configuration changed %d times while it was read", CONFIG_TRIES);
}

/* 5.1.2: the control queue is behind the last pair that the device has, not that we use. */
static int find_control_queue(struct ae_port_owner *owner, const struct virtio_net_config *config,
                              struct ae_error *err)
{
    struct virtio_pci *virtio = of(owner);
    bool many = has(virtio, VIRTIO_NET_F_MQ) || has(virtio, VIRTIO_NET_F_RSS);
    uint32_t pairs = many ? config->max_virtqueue_pairs : 1;

    if (pairs < owner->handoff.info.queues || 2 * pairs > UINT16_MAX)
        return ae_error_set(err, -EPROTO, "virtio: the device says that it has %u queue pairs",
                            pairs);
    virtio->control_index = (uint16_t)(2 * pairs);
    return 0;
}

/* ---- Queues ---- */

/* A ring may be smaller than the device's, never larger. */
static int limit_ring(struct ae_port_owner *owner, uint16_t queue, uint16_t *ring, uint16_t asked,
                      struct ae_error *err)
{
    uint16_t size;
    int rc = ae_virtio_pci_select(of(owner), queue, &size, err);

    if (rc || *ring <= size)
        return rc;
    if (asked || size < owner->ops->ring_min)
        return ae_error_set(err, -EINVAL, "virtio: a ring of %u descriptors: queue %u has %u",
                            asked ? asked : owner->ops->ring_min, queue, size);
    while (*ring > size)
        *ring /= 2;
    return 0;
}

static int place_notification(struct ae_port_owner *owner, unsigned pair, unsigned direction,
                              struct ae_error *err)
{
    struct ae_virtio_handoff *handoff = ae_virtio_handoff(&owner->handoff);
    uint16_t queue = (uint16_t)(2 * pair + direction);

    handoff->notify_data[pair][direction] = queue;
    return ae_virtio_pci_notify_place(of(owner), queue, &handoff->notify[pair][direction], err);
}

static int probe_queues(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc = 0;

    for (unsigned pair = 0; pair < owner->handoff.info.queues && !rc; pair++) {
        uint16_t receive = VIRTIO_NET_RECEIVEQ(pair), send = VIRTIO_NET_TRANSMITQ(pair);

        rc = limit_ring(owner, receive, &owner->handoff.receive_ring, owner->asked.receive_ring,
                        err);
        if (!rc)
            rc = limit_ring(owner, send, &owner->handoff.send_ring, owner->asked.send_ring, err);
        if (!rc)
            rc = place_notification(owner, pair, 0, err);
        if (!rc)
            rc = place_notification(owner, pair, 1, err);
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
    rc = ae_virtio_pci_find(owner, err);
    if (!rc)
        rc = reset(virtio, err);
    if (!rc)
        rc = ae_virtio_choose(owner, offered(virtio), own, &virtio->features, err);
    /* Without it the device takes what we give it for physical addresses (6.1), and ours never
     * are. */
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
    rc = read_config(virtio, &config, err);
    if (!rc)
        rc = ae_virtio_learn(owner, virtio->features, &config, err);
    if (!rc)
        rc = find_control_queue(owner, &config, err);
    return rc ? rc : probe_queues(owner, err);
}

static int enable_queue(struct virtio_pci *virtio, uint16_t queue, uint16_t size,
                        const uint64_t parts[3], struct ae_error *err)
{
    uint16_t most;
    int rc = ae_virtio_pci_select(virtio, queue, &most, err);

    if (rc)
        return rc;
    if (size > most)
        return ae_error_set(err, -EPROTO, "virtio: queue %u has %u descriptors, it had %u", queue,
                            most, size);
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

/* 2.7: the size of a split ring is a power of two. */
static uint16_t control_size(const struct virtio_pci *virtio, uint16_t most)
{
    uint16_t size = AE_VIRTIO_CONTROL_SIZE;

    if (has(virtio, VIRTIO_F_RING_PACKED) && most < size)
        return most;
    while (size > most)
        size /= 2;
    return size;
}

static int enable_control(struct ae_port_owner *owner, struct ae_error *err)
{
    struct virtio_pci *virtio = of(owner);
    struct ae_virtio_control *control = &virtio->control;
    uint64_t iova = owner->own_iova.value;
    uint16_t most;
    int rc = ae_virtio_pci_select(virtio, virtio->control_index, &most, err);

    if (!rc)
        rc =
            ae_virtio_pci_notify_place(virtio, virtio->control_index, &virtio->control_notify, err);
    if (rc)
        return rc;
    *control = (struct ae_virtio_control){
        .memory = ae_memory_base(owner->own),
        .iova = {iova},
        .packed = has(virtio, VIRTIO_F_RING_PACKED),
        .size = control_size(virtio, most),
        .wrap = true,
        .notify = notify_control,
        .context = owner,
        .timeout_ms = TIMEOUT_MS,
    };
    if (control->size < AE_VIRTIO_CONTROL_LEAST)
        return ae_error_set(err, -EPROTO,
                            "virtio: the control queue has %u descriptors, a command "
                            "takes %d",
                            most, AE_VIRTIO_CONTROL_LEAST);
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
    int rc = reset(virtio, err);

    virtio->announced = virtio->look_again = false;
    if (!rc)
        rc = negotiate(virtio, err);
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

static void set_gone(struct ae_port_owner *owner)
{
    struct ae_link link;

    ae_port_read_link(owner->state, &link);
    link.device_gone = true;
    ae_port_set_link(owner->state, &link);
}

/* 5.1.6.5.4: counted once, however often it is seen before it is acknowledged. The acknowledgement
 * is sent and looked for by tend, for the device may take its time, or never come to it. */
static void take_announcement(struct ae_port_owner *owner, bool asked)
{
    struct virtio_pci *virtio = of(owner);

    if (!asked)
        virtio->announced = false;
    if (!asked || virtio->announced)
        return;
    __atomic_fetch_add(&owner->state->announce, 1, __ATOMIC_RELAXED);
    virtio->announced = true;
    if (!ae_virtio_control_begin(&virtio->control, VIRTIO_NET_CTRL_ANNOUNCE,
                                 VIRTIO_NET_CTRL_ANNOUNCE_ACK, NULL, 0, NULL))
        virtio->acknowledge_by = now_ns() + TIMEOUT_MS * NS_PER_MS;
}

/* The link, and what else the device has to say (4.1.5.4, 5.1.6.5.4). */
static void interrupt(struct ae_port_owner *owner)
{
    struct virtio_pci *virtio = of(owner);
    struct virtio_net_config config;

    if (get8(&virtio->common, COMMON(device_status)) & VIRTIO_STATUS_DEVICE_NEEDS_RESET) {
        set_gone(owner);
        return;
    }
    /* One that does not stand still is told of again, once it does. */
    if (read_config(virtio, &config, NULL))
        return;
    /* All ones: it is not there any more, and what was read means nothing. */
    if (get8(&virtio->common, COMMON(device_status)) == UINT8_MAX) {
        set_gone(owner);
        return;
    }
    ae_virtio_set_link(owner, virtio->features, &config);
    if (!has(virtio, VIRTIO_NET_F_GUEST_ANNOUNCE))
        return;
    if (virtio->control.busy)
        virtio->look_again = true;
    else
        take_announcement(owner, config.status & VIRTIO_NET_S_ANNOUNCE);
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
    /* Without it there is nothing that could have been started. */
    if (of(owner)->common.base)
        reset(of(owner), NULL);
}

static void wake_all(struct ae_port_owner *owner)
{
    const struct ae_virtio_handoff *handoff = ae_virtio_handoff(&owner->handoff);

    for (unsigned pair = 0; pair < owner->handoff.info.queues; pair++)
        ae_mmio_write16(owner->registers.base, handoff->notify[pair][0],
                        handoff->notify_data[pair][0]);
}

/* Has the device acknowledged? Returns when to look again, 0: it has, or it will not. */
static uint64_t tend_announcement(struct ae_port_owner *owner, uint64_t now)
{
    struct virtio_pci *virtio = of(owner);

    if (!virtio->control.busy)
        return 0;
    if (ae_virtio_control_look(&virtio->control, NULL) == -EAGAIN) {
        if (now < virtio->acknowledge_by)
            return now + ACKNOWLEDGE_NS;
        ae_virtio_control_give_up(&virtio->control);
        return 0;
    }
    virtio->announced = false;
    if (virtio->look_again) {
        virtio->look_again = false;
        interrupt(owner);
    }
    return virtio->control.busy ? now + ACKNOWLEDGE_NS : 0;
}

/*
 * QEMU, where it has no eBPF program to do it, spreads by VIRTIO_NET_F_RSS itself. A frame that
 * came in by one queue and is for another, which has no buffer, holds the first one up until the
 * first one is notified: nobody has a reason to do that, the other one's worker notifies the other
 * one. So all of them are, again and again; a device has to bear notifications that it did not ask
 * for (2.7.10.2).
 */
static uint64_t tend_spreading(struct ae_port_owner *owner, uint64_t now)
{
    struct virtio_pci *virtio = of(owner);

    if (!has(virtio, VIRTIO_NET_F_RSS) || owner->handoff.info.queues < 2)
        return 0;
    if (now >= virtio->wake_at) {
        wake_all(owner);
        virtio->wake_at = now + WAKE_NS;
    }
    return virtio->wake_at;
}

static uint64_t tend(struct ae_port_owner *owner)
{
    uint64_t now, first, second;

    if (!of(owner)->running)
        return 0;
    now = now_ns();
    first = tend_announcement(owner, now);
    second = tend_spreading(owner, now);
    if (!first || (second && second < first))
        first = second;
    return first ? first - now : 0;
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
