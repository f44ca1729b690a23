/* SPDX-License-Identifier: Apache-2.0 */

#include "port/virtio/control.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/barrier.h"
#include "base/error.h"
#include "port/virtio/spread.h"
#include "port/virtio/virtio.h"

/* Behind the ring: the header, the command's data, the byte for the answer. */
#define HEADER    2048
#define DATA      (HEADER + 64)
#define ACK       (DATA + AE_VIRTIO_CONTROL_DATA)
#define NO_ANSWER 0xff

_Static_assert(ACK < AE_VIRTIO_CONTROL_BYTES, "fits its page");

struct piece {
    uint32_t offset;
    uint32_t length;
    uint16_t flags;
};

static uint16_t load16(const uint16_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store16(uint16_t *word, uint16_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* 2.7.13: the chain is in the table before the available index says so. */
static void publish_split(struct ae_virtio_control *control, const struct piece *pieces,
                          unsigned count)
{
    struct virtq_desc *table = (void *)(control->memory + AE_VIRTIO_CONTROL_DESCRIPTORS);
    struct virtq_avail *avail = (void *)(control->memory + AE_VIRTIO_CONTROL_DRIVER);

    for (unsigned i = 0; i < count; i++)
        table[i] = (struct virtq_desc){
            .addr = control->iova.value + pieces[i].offset,
            .len = pieces[i].length,
            .flags = (uint16_t)(pieces[i].flags | (i + 1 < count ? VIRTQ_DESC_F_NEXT : 0)),
            .next = (uint16_t)(i + 1),
        };
    avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
    avail->ring[control->next % control->size] = 0;
    store16(&avail->idx, ++control->next);
}

static bool used_split(const struct ae_virtio_control *control)
{
    const struct virtq_used *used = (const void *)(control->memory + AE_VIRTIO_CONTROL_DEVICE);

    return load16(&used->idx) == control->next;
}

/* 2.8.21: the first descriptor's flags, which make the chain available, are written last. */
static uint16_t publish_packed(struct ae_virtio_control *control, const struct piece *pieces,
                               unsigned count)
{
    struct pvirtq_desc *ring = (void *)(control->memory + AE_VIRTIO_CONTROL_DESCRIPTORS);
    struct pvirtq_event_suppress *driver = (void *)(control->memory + AE_VIRTIO_CONTROL_DRIVER);
    uint16_t head = control->next, first = 0;

    driver->flags = RING_EVENT_FLAGS_DISABLE;
    for (unsigned i = 0; i < count; i++) {
        struct pvirtq_desc *slot = &ring[control->next];
        unsigned flags = pieces[i].flags | (i + 1 < count ? VIRTQ_DESC_F_NEXT : 0);

        flags |= control->wrap ? VIRTQ_DESC_F_AVAIL : VIRTQ_DESC_F_USED;
        slot->addr = control->iova.value + pieces[i].offset;
        slot->len = pieces[i].length;
        slot->id = 0;
        if (i == 0)
            first = (uint16_t)flags;
        else
            slot->flags = (uint16_t)flags;
        if (++control->next == control->size) {
            control->next = 0;
            control->wrap = !control->wrap;
        }
    }
    store16(&ring[head].flags, first);
    return head;
}

/* Used, as 2.8.1 has it: both bits are the wrap counter that the descriptor was published with. */
static bool used_packed(const struct ae_virtio_control *control, uint16_t head, bool wrap)
{
    const struct pvirtq_desc *ring =
        (const void *)(control->memory + AE_VIRTIO_CONTROL_DESCRIPTORS);
    uint16_t flags = load16(&ring[head].flags);

    return !(flags & VIRTQ_DESC_F_AVAIL) == !wrap && !(flags & VIRTQ_DESC_F_USED) == !wrap;
}

static bool is_used(const struct ae_virtio_control *control)
{
    return control->packed ? used_packed(control, control->head, control->head_wrap)
                           : used_split(control);
}

int ae_virtio_control_begin(struct ae_virtio_control *control, uint8_t class, uint8_t command,
                            const void *data, size_t length, struct ae_error *err)
{
    const struct piece whole[] = {
        {HEADER, sizeof(struct virtio_net_ctrl), 0},
        {DATA, (uint32_t)length, 0},
        {ACK, 1, VIRTQ_DESC_F_WRITE},
    };
    const struct piece bare[] = {whole[0], whole[2]};
    const struct piece *pieces = length ? whole : bare;
    unsigned count = length ? 3 : 2;

    if (length > AE_VIRTIO_CONTROL_DATA)
        return ae_error_set(err, -EMSGSIZE, "control command %u.%u: %zu bytes, %d are the most",
                            class, command, length, AE_VIRTIO_CONTROL_DATA);
    if (control->busy || control->lost)
        return ae_error_set(
            err, control->busy ? -EBUSY : -ENOLINK, "control command %u.%u: %s", class, command,
            control->busy ? "the one before is not answered yet" : "one before was never answered");
    control->memory[HEADER] = class;
    control->memory[HEADER + 1] = command;
    if (length)
        memcpy(control->memory + DATA, data, length);
    control->memory[ACK] = NO_ANSWER;
    control->busy = true;
    control->head_wrap = control->wrap;
    if (control->packed)
        control->head = publish_packed(control, pieces, count);
    else
        publish_split(control, pieces, count);
    ae_doorbell_barrier();
    control->notify(control->context);
    return 0;
}

int ae_virtio_control_poll(struct ae_virtio_control *control, struct ae_error *err)
{
    uint8_t answer;

    if (!is_used(control))
        return -EAGAIN;
    control->busy = false;
    answer = *(volatile uint8_t *)(control->memory + ACK);
    if (answer == VIRTIO_NET_OK)
        return 0;
    return ae_error_set(err, -EIO, "control command %u.%u: the device refused it (%u)",
                        control->memory[HEADER], control->memory[HEADER + 1], answer);
}

void ae_virtio_control_give_up(struct ae_virtio_control *control)
{
    control->busy = false;
    control->lost = true;
}

int ae_virtio_control_send(struct ae_virtio_control *control, uint8_t class, uint8_t command,
                           const void *data, size_t length, struct ae_error *err)
{
    int rc = ae_virtio_control_begin(control, class, command, data, length, err);

    for (unsigned i = 0; i < control->timeout_ms * 10 && !rc; i++) {
        rc = ae_virtio_control_poll(control, err);
        if (rc != -EAGAIN)
            return rc;
        rc = 0;
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    if (rc)
        return rc;
    ae_virtio_control_give_up(control);
    return ae_error_set(err, -ETIMEDOUT, "control command %u.%u: no answer in %u ms", class,
                        command, control->timeout_ms);
}

/* ---- What the device is to do ---- */

/* One of the two tables of 5.1.6.5.2, at `at`; returns where it ends. */
static uint8_t *put_addresses(uint8_t *at, const struct ae_filter *filter, bool group)
{
    uint32_t entries = 0;
    uint8_t *count = at;

    at += sizeof(entries);
    for (unsigned i = 0; i < filter->count; i++)
        if (ae_mac_is_group(filter->addresses[i]) == group) {
            memcpy(at, &filter->addresses[i], 6);
            at += 6;
            entries++;
        }
    memcpy(count, &entries, sizeof(entries));
    return at;
}

_Static_assert(2 * sizeof(uint32_t) + 6 * AE_FILTER_ADDRESSES <= AE_VIRTIO_CONTROL_DATA,
               "a command holds all addresses");

int ae_virtio_check_filter(const struct ae_filter *filter, uint64_t features, struct ae_error *err)
{
    if (features & VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX) ||
        !(filter->promiscuous || filter->all_multicast || filter->count))
        return 0;
    return ae_error_set(err, -EOPNOTSUPP,
                        "the device cannot be told to let in more than what is for its own address "
                        "(VIRTIO_NET_F_CTRL_RX); in QEMU, ctrl_vq=on,ctrl_rx=on");
}

/* 5.1.6.5.1: promiscuous is all incoming packets, whatever else was set; VLANs among it. */
static int filter_addresses(struct ae_virtio_control *control, const struct ae_filter *filter,
                            struct ae_error *err)
{
    const uint8_t promiscuous = filter->promiscuous;
    const uint8_t all_multicast = filter->promiscuous || filter->all_multicast;
    uint8_t tables[AE_VIRTIO_CONTROL_DATA], *end = put_addresses(tables, filter, false);
    int rc;

    end = put_addresses(end, filter, true);
    rc = ae_virtio_control_send(control, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, tables,
                                (size_t)(end - tables), err);
    if (!rc)
        rc = ae_virtio_control_send(control, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI,
                                    &all_multicast, 1, err);
    return rc ? rc
              : ae_virtio_control_send(control, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC,
                                       &promiscuous, 1, err);
}

/* One command for each VLAN that is new, or not wanted any more. */
static int filter_vlans(struct ae_virtio_control *control, const struct ae_filter *filter,
                        struct ae_error *err)
{
    int rc = 0;

    for (uint16_t id = 0; id < 4096 && !rc; id++) {
        bool wanted = ae_filter_has_vlan(filter, id);

        if (wanted == (control->vlans[id / 32] >> id % 32 & 1))
            continue;
        rc = ae_virtio_control_send(control, VIRTIO_NET_CTRL_VLAN,
                                    wanted ? VIRTIO_NET_CTRL_VLAN_ADD : VIRTIO_NET_CTRL_VLAN_DEL,
                                    &id, sizeof(id), err);
        if (!rc)
            control->vlans[id / 32] ^= 1u << id % 32;
    }
    return rc;
}

int ae_virtio_control_filter(struct ae_virtio_control *control, const struct ae_filter *filter,
                             uint64_t features, struct ae_error *err)
{
    int rc = 0;

    if (features & VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX))
        rc = filter_addresses(control, filter, err);
    if (!rc && features & VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VLAN))
        rc = filter_vlans(control, filter, err);
    return rc;
}

int ae_virtio_control_spread(struct ae_virtio_control *control, uint16_t pairs,
                             struct ae_error *err)
{
    struct ae_virtio_spread rss;

    ae_virtio_spread_make(&rss, control->spread, pairs);
    return ae_virtio_control_send(control, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, &rss,
                                  sizeof(rss), err);
}

static int use_pairs(struct ae_virtio_control *control, const struct ae_port_owner *owner,
                     uint64_t features, struct ae_error *err)
{
    struct virtio_net_ctrl_mq mq = {owner->handoff.info.queues};

    if (mq.virtqueue_pairs == 1)
        return 0; /* as after reset */
    if (features & VIRTIO_FEATURE(VIRTIO_NET_F_RSS))
        return ae_virtio_control_spread(control, mq.virtqueue_pairs, err);
    return ae_virtio_control_send(control, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &mq,
                                  sizeof(mq), err);
}

int ae_virtio_control_set_up(struct ae_virtio_control *control, const struct ae_port_owner *owner,
                             uint64_t features, struct ae_error *err)
{
    int rc = 0;

    /* 5.1.6.5.2: an address that we made up is news to the device. */
    if (features & VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) &&
        !(features & VIRTIO_FEATURE(VIRTIO_NET_F_MAC)))
        rc = ae_virtio_control_send(control, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET,
                                    owner->handoff.info.mac, sizeof(owner->handoff.info.mac), err);
    if (!rc)
        rc = ae_virtio_control_filter(control, &owner->filter, features, err);
    return rc ? rc : use_pairs(control, owner, features, err);
}
