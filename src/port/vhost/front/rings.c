/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/front/rings.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"

/* ---- Memory ---- */

static bool wants_mtu(const struct ae_vhost_front *front)
{
    return ae_vhost_has(front, VHOST_USER_PROTOCOL_F_MTU) &&
           front->features & VIRTIO_FEATURE(VIRTIO_NET_F_MTU);
}

static int ask_mtu(struct ae_vhost_front *front, struct vhost_user_message *message,
                   struct ae_error *err)
{
    (void)err;
    return ae_vhost_set_number(message, front->owner->handoff.info.mtu);
}

static void add_region(struct vhost_user_message *message, const struct ae_memory *memory,
                       ae_iova_t iova)
{
    struct vhost_user_memory *table = &message->payload.memory;

    table->regions[table->num_regions++] = (struct vhost_user_region){
        .guest_address = iova.value,
        .size = ae_memory_size(memory),
        .user_address = iova.value,
    };
    message->size += sizeof(struct vhost_user_region);
    message->fds[message->fd_count++] = ae_memory_fd(memory);
}

static int ask_memory(struct ae_vhost_front *front, struct vhost_user_message *message,
                      struct ae_error *err)
{
    const struct ae_port_owner *owner = front->owner;

    (void)err;
    message->size = offsetof(struct vhost_user_memory, regions);
    add_region(message, owner->domain->memory, owner->domain->iova);
    add_region(message, owner->memory, owner->memory_iova);
    return 0;
}

const struct ae_vhost_step ae_vhost_memory[] = {
    {.request = VHOST_USER_NET_SET_MTU, .wanted = wants_mtu, .ask = ask_mtu},
    {.request = VHOST_USER_SET_MEM_TABLE, .ask = ask_memory},
    {0},
};

/* ---- Rings ---- */

static bool packed(const struct ae_vhost_front *front)
{
    return front->features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
}

static unsigned vring_of(const struct ae_vhost_front *front)
{
    return 2 * front->pair + front->step->direction;
}

struct ae_virtio_ring ae_vhost_ring(const struct ae_vhost_front *front, unsigned vring)
{
    const struct ae_port_owner *owner = front->owner;
    const struct ae_port_handoff *handoff = &owner->handoff;
    unsigned pair = vring / 2;
    uint64_t offset = vring & 1 ? ae_port_send_ring_offset(owner->ops->queue, handoff, pair)
                                : ae_port_receive_ring_offset(owner->ops->queue, handoff, pair);

    return (struct ae_virtio_ring){
        .memory = (uint8_t *)ae_memory_base(owner->memory) + offset,
        .iova = ae_iova_add(owner->memory_iova, offset),
        .size = vring & 1 ? handoff->send_ring : handoff->receive_ring,
    };
}

static int set_state(const struct ae_vhost_front *front, struct vhost_user_message *message,
                     uint32_t num)
{
    message->payload.state = (struct vhost_user_vring_state){vring_of(front), num};
    message->size = sizeof(message->payload.state);
    return 0;
}

static int ask_num(struct ae_vhost_front *front, struct vhost_user_message *message,
                   struct ae_error *err)
{
    (void)err;
    return set_state(front, message, ae_vhost_ring(front, vring_of(front)).size);
}

/* Where the worker says that the used buffers end. A back end with an in-flight buffer adds what it
 * had taken beyond. Packed: available index 14:0 and wrap counter 15, used ones 30:16 and 31. */
static int ask_base(struct ae_vhost_front *front, struct vhost_user_message *message,
                    struct ae_error *err)
{
    uint32_t used = front->owner->queue_states[front->pair].positions[front->step->direction];

    (void)err;
    return set_state(front, message, packed(front) ? used | used << 16 : used);
}

static int ask_address(struct ae_vhost_front *front, struct vhost_user_message *message,
                       struct ae_error *err)
{
    struct ae_virtio_ring ring = ae_vhost_ring(front, vring_of(front));
    struct ae_virtio_layout layout = ae_virtio_ring_layout(ring.size, packed(front));

    (void)err;
    message->payload.addr = (struct vhost_user_vring_addr){
        .index = vring_of(front),
        .descriptor = ring.iova.value + layout.descriptors,
        .available = ring.iova.value + layout.driver,
        .used = ring.iova.value + layout.device,
    };
    message->size = sizeof(message->payload.addr);
    return 0;
}

static int set_fd(struct ae_vhost_front *front, struct vhost_user_message *message, int fd)
{
    message->payload.u64 = vring_of(front);
    message->size = sizeof(message->payload.u64);
    if (fd < 0) {
        message->payload.u64 |= VHOST_USER_VRING_NOFD_MASK;
        return 0;
    }
    message->fds[0] = fd;
    message->fd_count = 1;
    return 0;
}

static int ask_kick(struct ae_vhost_front *front, struct vhost_user_message *message,
                    struct ae_error *err)
{
    (void)err;
    return set_fd(front, message, front->kicks[vring_of(front)]);
}

/* None: we poll. */
static int ask_call(struct ae_vhost_front *front, struct vhost_user_message *message,
                    struct ae_error *err)
{
    (void)err;
    return set_fd(front, message, -1);
}

static int ask_error(struct ae_vhost_front *front, struct vhost_user_message *message,
                     struct ae_error *err)
{
    (void)err;
    return set_fd(front, message, front->error_fd);
}

static int ask_enable(struct ae_vhost_front *front, struct vhost_user_message *message,
                      struct ae_error *err)
{
    (void)err;
    return set_state(front, message, 1);
}

static int ask_disable(struct ae_vhost_front *front, struct vhost_user_message *message,
                       struct ae_error *err)
{
    (void)err;
    return set_state(front, message, 0);
}

static int take_base(struct ae_vhost_front *front, struct vhost_user_message *answer,
                     struct ae_error *err)
{
    if (answer->payload.state.index == vring_of(front))
        return 0;
    return ae_error_set(err, -EPROTO, "the back end stopped vring %u instead of %u",
                        answer->payload.state.index, vring_of(front));
}

static bool wants_status_ok(const struct ae_vhost_front *front)
{
    return ae_vhost_wants_status(front) && front->pair == 0;
}

static int ask_status_ok(struct ae_vhost_front *front, struct vhost_user_message *message,
                         struct ae_error *err)
{
    (void)front;
    (void)err;
    return ae_vhost_set_number(message, AE_VHOST_STATUS_FEATURES | VIRTIO_STATUS_DRIVER_OK);
}

/* A switch that was away has forgotten who is behind this port. */
static bool wants_rarp(const struct ae_vhost_front *front)
{
    return ae_vhost_has(front, VHOST_USER_PROTOCOL_F_RARP) && front->returned && front->pair == 0;
}

static int ask_rarp(struct ae_vhost_front *front, struct vhost_user_message *message,
                    struct ae_error *err)
{
    (void)err;
    memcpy(&message->payload.u64, front->owner->handoff.info.mac, 6);
    message->size = sizeof(message->payload.u64);
    return 0;
}

#define RING_STEPS(which)                                                                 \
    {.request = VHOST_USER_SET_VRING_NUM, .direction = (which), .ask = ask_num},          \
        {.request = VHOST_USER_SET_VRING_BASE, .direction = (which), .ask = ask_base},    \
        {.request = VHOST_USER_SET_VRING_ADDR, .direction = (which), .ask = ask_address}, \
        {.request = VHOST_USER_SET_VRING_ERR, .direction = (which), .ask = ask_error},    \
        {.request = VHOST_USER_SET_VRING_CALL, .direction = (which), .ask = ask_call},    \
    {                                                                                     \
        .request = VHOST_USER_SET_VRING_KICK, .direction = (which), .ask = ask_kick       \
    }

const struct ae_vhost_step ae_vhost_pair_start[] = {
    RING_STEPS(0),
    RING_STEPS(1),
    {.request = VHOST_USER_SET_VRING_ENABLE, .wanted = ae_vhost_offers_protocol, .ask = ask_enable},
    {.request = VHOST_USER_SET_VRING_ENABLE,
     .direction = 1,
     .wanted = ae_vhost_offers_protocol,
     .ask = ask_enable},
    {.request = VHOST_USER_SET_STATUS, .wanted = wants_status_ok, .ask = ask_status_ok},
    {.request = VHOST_USER_SEND_RARP, .wanted = wants_rarp, .ask = ask_rarp},
    {0},
};

const struct ae_vhost_step ae_vhost_pair_stop[] = {
    {.request = VHOST_USER_SET_VRING_ENABLE,
     .wanted = ae_vhost_offers_protocol,
     .ask = ask_disable},
    {.request = VHOST_USER_SET_VRING_ENABLE,
     .direction = 1,
     .wanted = ae_vhost_offers_protocol,
     .ask = ask_disable},
    {.request = VHOST_USER_GET_VRING_BASE, .ask = ask_disable, .take = take_base},
    {.request = VHOST_USER_GET_VRING_BASE, .direction = 1, .ask = ask_disable, .take = take_base},
    {0},
};
