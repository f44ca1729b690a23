/* SPDX-License-Identifier: Apache-2.0 */
#include "made_virtio.h"

#include <linux/pci_regs.h>
#include <stddef.h>
#include <string.h>

#include "made_registers.h"
#include "port/virtio/control.c"
#include "port/virtio/pci_places.c"
#include "port/virtio/pci_queues.c"
#include "port/virtio/pci_running.c"
/* Last: its table hides a name of theirs. */
#include "port/virtio/pci.c"

#define BAR 4

struct made_virtio made_virtio;
static uint32_t device_select, driver_select;
static uint16_t queue_select;
static uint32_t multiplier_of_notify;

/* ---- The control queue ---- */

struct link {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

static void note_command(const uint8_t *at)
{
    memcpy(made_virtio.command[made_virtio.commands++ % MADE_COMMANDS], at, 2);
}

/* The chain's first piece has class and command, its last one the place for the answer. */
static void serve(const struct link *links, unsigned count)
{
    const uint8_t *header = count ? made_dma(links[0].address, links[0].length) : NULL;
    uint8_t *verdict = count ? made_dma(links[count - 1].address, 1) : NULL;

    if (!header || links[0].length < 2 || !verdict)
        return;
    note_command(header);
    *verdict = made_virtio.verdict;
}

static bool answer_split(struct made_queue *queue)
{
    const struct virtq_avail *avail = (void *)made_dma(queue->driver, 4 + 2u * queue->used_size);
    const struct virtq_desc *table = (void *)made_dma(queue->desc, 16u * queue->used_size);
    struct virtq_used *used = (void *)made_dma(queue->device, 4 + 8u * queue->used_size);
    struct link links[8];
    unsigned count = 0;
    uint16_t at;

    if (!avail || !table || !used || !queue->used_size || avail->idx == queue->next)
        return false;
    at = avail->ring[queue->next % queue->used_size];
    for (uint16_t next = at; count < 8 && next < queue->used_size; next = links[count++].next) {
        links[count] =
            (struct link){table[next].addr, table[next].len, table[next].flags, table[next].next};
        if (!(links[count].flags & VIRTQ_DESC_F_NEXT)) {
            count++;
            break;
        }
    }
    serve(links, count);
    used->ring[queue->next % queue->used_size] = (struct virtq_used_elem){.id = at, .len = 1};
    used->idx = ++queue->next;
    return true;
}

static bool answer_packed(struct made_queue *queue)
{
    struct pvirtq_desc *ring = (void *)made_dma(queue->desc, 16u * queue->used_size);
    uint16_t head = queue->next;
    bool wrap = queue->wrap;
    struct link links[8];
    unsigned count = 0;

    if (!ring || !queue->used_size || !(ring[head].flags & VIRTQ_DESC_F_AVAIL) == wrap ||
        !(ring[head].flags & VIRTQ_DESC_F_USED) != wrap)
        return false;
    do {
        links[count] = (struct link){ring[queue->next].addr, ring[queue->next].len,
                                     ring[queue->next].flags, 0};
        if (++queue->next == queue->used_size) {
            queue->next = 0;
            queue->wrap = !queue->wrap;
        }
    } while (links[count++].flags & VIRTQ_DESC_F_NEXT && count < 8);
    serve(links, count);
    ring[head].flags = wrap ? VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED : 0;
    return true;
}

void made_virtio_answer(void)
{
    struct made_queue *queue = &made_virtio.queues[made_virtio.control % MADE_QUEUES];
    bool packed = made_virtio.accepted & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);

    for (unsigned i = 0; i < 64 && queue->enabled && (packed ? answer_packed : answer_split)(queue);
         i++)
        ;
}

/* 4.1.5.2: queues may share a place, and what is written tells which of them it is. */
static void notified(uint32_t at, uint32_t value)
{
    uint16_t queue = (uint16_t)value;

    if (queue >= made_virtio.num_queues || queue >= MADE_QUEUES ||
        MADE_NOTIFY + (uint64_t)made_virtio.queues[queue].notify_off * multiplier_of_notify != at) {
        made_virtio.wrong++;
        return;
    }
    if (queue == made_virtio.control && !made_virtio.silent)
        made_virtio_answer();
}

/* ---- Registers ---- */

static void power_on(void)
{
    made_virtio.status = 0;
    made_virtio.accepted = 0;
    made_virtio.config_vector = VIRTIO_MSI_NO_VECTOR;
    for (unsigned i = 0; i < MADE_QUEUES; i++) {
        struct made_queue *queue = &made_virtio.queues[i];

        *queue = (struct made_queue){.size = queue->size,
                                     .notify_off = queue->notify_off,
                                     .used_size = queue->size,
                                     .wrap = true};
    }
}

static struct made_queue *selected(void)
{
    return &made_virtio.queues[queue_select % MADE_QUEUES];
}

static uint32_t read_common(uint32_t at, uint32_t stored)
{
    const struct made_queue *queue = selected();

    switch (at) {
    case COMMON(device_feature):
        return device_select > 1 ? 0 : (uint32_t)(made_virtio.offered >> 32 * device_select);
    case COMMON(config_msix_vector):
        return made_virtio.config_vector;
    case COMMON(num_queues):
        return made_virtio.num_queues;
    case COMMON(device_status):
        return made_virtio.status;
    case COMMON(config_generation):
        return made_virtio.restless ? made_virtio.generation++ : made_virtio.generation;
    case COMMON(queue_size):
        return queue->size;
    case COMMON(queue_notify_off):
        return queue->notify_off;
    default:
        return stored;
    }
}

static uint32_t read_register(unsigned bar, uint32_t at, unsigned width, uint32_t stored)
{
    uint32_t ones = width == 4 ? UINT32_MAX : (1u << 8 * width) - 1;
    uint32_t value = stored;

    if (made_virtio.gone_at && --made_virtio.gone_at == 0)
        made_virtio.gone = true;
    if (made_virtio.gone)
        return ones;
    if (bar != BAR)
        return stored;
    if (at < MADE_COMMON + sizeof(struct virtio_pci_common_cfg))
        value = read_common(at - MADE_COMMON, stored);
    else if (at >= MADE_CONFIG && at < MADE_CONFIG + sizeof(made_virtio.config))
        value = ((const uint8_t *)&made_virtio.config)[at - MADE_CONFIG];
    return value & ones;
}

static void set_status(uint8_t value)
{
    if (value == 0 && made_virtio.never_reset)
        return;
    if (value == 0)
        power_on();
    else if (made_virtio.no_features_ok)
        value &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
    made_virtio.status = value;
}

static void write_half(uint64_t *word, bool high, uint32_t value)
{
    *word = high ? (*word & UINT32_MAX) | (uint64_t)value << 32
                 : (*word & ~(uint64_t)UINT32_MAX) | value;
}

static void write_common(uint32_t at, uint32_t value)
{
    struct made_queue *queue = selected();

    switch (at) {
    case COMMON(device_feature_select):
        device_select = value;
        break;
    case COMMON(driver_feature_select):
        driver_select = value;
        break;
    case COMMON(driver_feature):
        write_half(&made_virtio.accepted, driver_select == 1, value);
        break;
    case COMMON(config_msix_vector):
        made_virtio.config_vector = made_virtio.no_vector ? VIRTIO_MSI_NO_VECTOR : (uint16_t)value;
        break;
    case COMMON(device_status):
        set_status((uint8_t)value);
        break;
    case COMMON(queue_select):
        queue_select = (uint16_t)value;
        break;
    case COMMON(queue_size):
        queue->used_size = (uint16_t)value;
        break;
    case COMMON(queue_enable):
        queue->enabled = value == 1;
        break;
    case COMMON(queue_desc):
    case COMMON(queue_desc) + 4:
        write_half(&queue->desc, at != COMMON(queue_desc), value);
        break;
    case COMMON(queue_driver):
    case COMMON(queue_driver) + 4:
        write_half(&queue->driver, at != COMMON(queue_driver), value);
        break;
    case COMMON(queue_device):
    case COMMON(queue_device) + 4:
        write_half(&queue->device, at != COMMON(queue_device), value);
        break;
    default:
        break;
    }
}

static void write_register(unsigned bar, uint32_t at, unsigned width, uint32_t value)
{
    (void)width;
    if (bar != BAR || made_virtio.gone)
        return;
    if (at < MADE_COMMON + sizeof(struct virtio_pci_common_cfg))
        write_common(at - MADE_COMMON, value);
    else if (at >= MADE_NOTIFY)
        notified(at, value);
}

static const struct made_model model = {
    .read = read_register, .written = write_register, .reset = power_on};

/* ---- Making it ---- */

void made_virtio_capability(unsigned at, uint8_t type, uint8_t bar, uint32_t offset,
                            uint32_t length, uint32_t multiplier)
{
    struct virtio_pci_notify_cap cap = {
        .cap = {.cap_vndr = PCI_CAP_ID_VNDR,
                .cap_len = type == VIRTIO_PCI_CAP_NOTIFY_CFG ? sizeof(cap) : sizeof(cap.cap),
                .cfg_type = type,
                .bar = bar,
                .offset = offset,
                .length = length},
        .notify_off_multiplier = multiplier,
    };

    if (type == VIRTIO_PCI_CAP_NOTIFY_CFG)
        multiplier_of_notify = multiplier;
    made_capability(at, &cap, cap.cap.cap_len);
}

void made_virtio_capabilities(uint32_t notify_length, uint32_t multiplier)
{
    made_config_put(PCI_CAPABILITY_LIST, 1, 0);
    made_virtio_capability(0x40, VIRTIO_PCI_CAP_COMMON_CFG, BAR, MADE_COMMON, 64, 0);
    made_virtio_capability(0x50, VIRTIO_PCI_CAP_ISR_CFG, BAR, MADE_ISR, 4, 0);
    made_virtio_capability(0x60, VIRTIO_PCI_CAP_DEVICE_CFG, BAR, MADE_CONFIG,
                           sizeof(made_virtio.config), 0);
    made_virtio_capability(0x70, VIRTIO_PCI_CAP_NOTIFY_CFG, BAR, MADE_NOTIFY, notify_length,
                           multiplier);
}

void made_virtio_begin(void)
{
    memset(&made_virtio, 0, sizeof(made_virtio));
    made_virtio.offered =
        VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM) |
        VIRTIO_FEATURE(VIRTIO_NET_F_MAC) | VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) |
        VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX) |
        VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE);
    memcpy(made_virtio.config.mac, (const uint8_t[]){0x52, 0x54, 0, 4, 5, 6}, 6);
    made_virtio.config.status = VIRTIO_NET_S_LINK_UP;
    made_virtio.config.max_virtqueue_pairs = 2;
    made_virtio.num_queues = 3;
    made_virtio.control = 2;
    for (uint16_t i = 0; i < MADE_QUEUES; i++) {
        made_virtio.queues[i].size = i == 2 ? 64 : 256;
        made_virtio.queues[i].notify_off = i;
    }
    made_function_begin(0x10411af4, &model);
    made_function.bars[BAR].size = 0x4000;
    made_virtio_capabilities(0x1000, 4);
    power_on();
}
