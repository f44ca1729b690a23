/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/back/session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "port/vhost/back/map.h"
#include "port/vhost/format.h"

static bool is_packed(const struct ae_vhost_session *session)
{
    return session->features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
}

static void reset_vring(struct ae_vhost_vring *vring)
{
    ae_descriptor_close(&vring->kick_fd);
    ae_descriptor_close(&vring->call_fd);
    ae_descriptor_close(&vring->err_fd);
    *vring = (struct ae_vhost_vring){.kick_fd = -1, .call_fd = -1, .err_fd = -1};
}

static void forget_memory(struct ae_vhost_session *session)
{
    for (uint32_t i = 0; i < session->region_count; i++)
        ae_descriptor_close(&session->region_fds[i]);
    session->region_count = 0;
    session->memory_id++;
}

/* What a driver has set up is gone; what the front end gave for the virtqueues stays. */
static void reset_device(struct ae_vhost_session *session)
{
    for (unsigned i = 0; i < AE_VHOST_VRINGS; i++) {
        struct ae_vhost_vring *vring = &session->vrings[i];

        vring->placed = vring->kicked = vring->enabled = false;
        vring->position = 0;
    }
    session->features = 0;
    session->status = 0;
}

void ae_vhost_session_init(struct ae_vhost_session *session)
{
    for (unsigned i = 0; i < AE_VHOST_VRINGS; i++)
        session->vrings[i] = (struct ae_vhost_vring){.kick_fd = -1, .call_fd = -1, .err_fd = -1};
}

void ae_vhost_session_reset(struct ae_vhost_session *session)
{
    reset_device(session);
    for (unsigned i = 0; i < AE_VHOST_VRINGS; i++)
        reset_vring(&session->vrings[i]);
    forget_memory(session);
    session->protocol_features = 0;
}

/* ---- Which virtqueue a message is about ---- */

/* AE_VHOST_VRINGS: none, or all of them. */
static uint64_t vring_index(const struct vhost_user_message *message)
{
    switch (message->request) {
    case VHOST_USER_SET_VRING_NUM:
    case VHOST_USER_SET_VRING_BASE:
    case VHOST_USER_GET_VRING_BASE:
    case VHOST_USER_SET_VRING_ENABLE:
        return message->payload.state.index;
    case VHOST_USER_SET_VRING_ADDR:
        return message->payload.addr.index;
    case VHOST_USER_SET_VRING_KICK:
    case VHOST_USER_SET_VRING_CALL:
    case VHOST_USER_SET_VRING_ERR:
        return message->payload.u64 & VHOST_USER_VRING_IDX_MASK;
    default:
        return AE_VHOST_VRINGS;
    }
}

static bool any_runs(const struct ae_vhost_session *session)
{
    for (unsigned i = 0; i < 2 * session->queues; i++)
        if (ae_vhost_session_can_run(session, i))
            return true;
    return false;
}

bool ae_vhost_session_must_stop(const struct ae_vhost_session *session,
                                const struct vhost_user_message *message)
{
    uint64_t index = vring_index(message);

    switch (message->request) {
    case VHOST_USER_SET_VRING_NUM:
    case VHOST_USER_SET_VRING_BASE:
    case VHOST_USER_GET_VRING_BASE:
    case VHOST_USER_SET_VRING_ENABLE:
    case VHOST_USER_SET_VRING_ADDR:
        return index < 2 * session->queues && ae_vhost_session_can_run(session, (unsigned)index);
    case VHOST_USER_SET_FEATURES:
    case VHOST_USER_RESET_OWNER:
    case VHOST_USER_SET_MEM_TABLE:
    case VHOST_USER_RESET_DEVICE:
    case VHOST_USER_SET_STATUS:
        return any_runs(session);
    default:
        return false;
    }
}

/* ---- Messages ---- */

static int set_features(struct ae_vhost_session *session, uint64_t features, struct ae_error *err)
{
    if (features & ~session->offered)
        return ae_error_set(err, -EPROTO, "features 0x%llx were not offered",
                            (unsigned long long)(features & ~session->offered));
    if (!(features & VIRTIO_FEATURE(VIRTIO_F_VERSION_1)))
        return ae_error_set(err, -EPROTO,
                            "a peer without VIRTIO_F_VERSION_1 (QEMU: disable-legacy=on)");
    session->features = features;
    /* "Ring states": without protocol features there is no message that would enable a ring. */
    if (!(features & VIRTIO_FEATURE(VHOST_USER_F_PROTOCOL_FEATURES)))
        for (unsigned i = 0; i < 2 * session->queues; i++)
            session->vrings[i].enabled = true;
    return 0;
}

static int set_memory(struct ae_vhost_session *session, struct vhost_user_message *message,
                      struct ae_error *err)
{
    const struct vhost_user_memory *memory = &message->payload.memory;
    int rc = ae_vhost_check_regions(memory->regions, message->file_sizes, memory->num_regions, err);

    if (rc)
        return rc;
    forget_memory(session);
    for (uint32_t i = 0; i < memory->num_regions; i++) {
        session->regions[i] = memory->regions[i];
        session->region_fds[i] = ae_vhost_take_fd(message, i);
    }
    session->region_count = memory->num_regions;
    return 0;
}

static int set_size(const struct ae_vhost_session *session, struct ae_vhost_vring *vring,
                    uint32_t size, struct ae_error *err)
{
    bool power = size && !(size & (size - 1));

    /* A burst must fit, and which form it is may be said later. */
    if (size < 2 || size > VIRTQ_SIZE_MAX || (!power && !is_packed(session)))
        return ae_error_set(err, -EPROTO, "a virtqueue of %u descriptors", size);
    vring->size = (uint16_t)size;
    return 0;
}

static int set_base(const struct ae_vhost_session *session, struct ae_vhost_vring *vring,
                    uint32_t base, struct ae_error *err)
{
    /* Packed: where the device looks next, and, above it, where it uses next. Ours are the same. */
    if (!is_packed(session) && base > UINT16_MAX)
        return ae_error_set(err, -EPROTO, "a virtqueue that goes on at %u", base);
    vring->position = (uint16_t)(is_packed(session) && base >> 16 ? base >> 16 : base);
    return 0;
}

static int set_address(struct ae_vhost_vring *vring, const struct vhost_user_vring_addr *addr,
                       struct ae_error *err)
{
    if (addr->flags)
        return ae_error_set(err, -EPROTO, "a virtqueue whose writes are to be logged");
    if (addr->descriptor % VIRTQ_DESC_ALIGN || addr->available % 4 || addr->used % 4)
        return ae_error_set(err, -EPROTO, "a virtqueue that is not aligned");
    vring->descriptors = addr->descriptor;
    vring->available = addr->available;
    vring->used = addr->used;
    vring->placed = true;
    return 0;
}

static void set_fd(int *fd, struct vhost_user_message *message)
{
    ae_descriptor_close(fd);
    *fd = ae_vhost_take_fd(message, 0);
}

static int about_vring(struct ae_vhost_session *session, struct ae_vhost_vring *vring,
                       struct vhost_user_message *message, struct vhost_user_message *reply,
                       struct ae_error *err)
{
    const union vhost_user_payload *payload = &message->payload;

    switch (message->request) {
    case VHOST_USER_SET_VRING_NUM:
        return set_size(session, vring, payload->state.num, err);
    case VHOST_USER_SET_VRING_BASE:
        return set_base(session, vring, payload->state.num, err);
    case VHOST_USER_SET_VRING_ADDR:
        return set_address(vring, &payload->addr, err);
    case VHOST_USER_SET_VRING_ENABLE:
        vring->enabled = payload->state.num & 1;
        return 0;
    case VHOST_USER_SET_VRING_CALL:
        set_fd(&vring->call_fd, message);
        return 0;
    case VHOST_USER_SET_VRING_ERR:
        set_fd(&vring->err_fd, message);
        return 0;
    case VHOST_USER_SET_VRING_KICK:
        /* We poll: the message is what starts it, the descriptor is kept only for the peer's
         * sake. */
        set_fd(&vring->kick_fd, message);
        vring->kicked = true;
        return 0;
    default: /* VHOST_USER_GET_VRING_BASE */
        vring->kicked = false;
        ae_descriptor_close(&vring->kick_fd);
        reply->payload.state.index = payload->state.index;
        reply->payload.state.num = vring->position;
        if (is_packed(session))
            reply->payload.state.num |= (uint32_t)vring->position << 16;
        reply->size = sizeof(reply->payload.state);
        return 1;
    }
}

static int answer(struct vhost_user_message *reply, uint64_t value)
{
    reply->payload.u64 = value;
    reply->size = sizeof(value);
    return 1;
}

static int get_config(const struct ae_vhost_session *session,
                      const struct vhost_user_message *message, struct vhost_user_message *reply)
{
    const struct vhost_user_config *wanted = &message->payload.config;

    /* An empty answer is how an error is told. */
    if (wanted->offset > sizeof(session->config) || wanted->size > sizeof(wanted->payload))
        return 1;
    reply->payload.config.offset = wanted->offset;
    reply->payload.config.size = wanted->size;
    for (uint32_t i = 0; i < wanted->size && wanted->offset + i < sizeof(session->config); i++)
        reply->payload.config.payload[i] = ((const uint8_t *)&session->config)[wanted->offset + i];
    reply->size = VHOST_USER_CONFIG_HEADER_SIZE + wanted->size;
    return 1;
}

static int set_mtu(struct ae_vhost_session *session, uint64_t mtu, struct ae_error *err)
{
    if (mtu < 68 || mtu > session->mtu)
        return ae_error_set(err, -EINVAL, "an MTU of %llu; 68 to %u are possible",
                            (unsigned long long)mtu, session->mtu);
    session->config.mtu = (uint16_t)mtu;
    return 0;
}

static void set_announce(struct ae_vhost_session *session, uint64_t mac)
{
    memcpy(session->announce_mac, &mac, sizeof(session->announce_mac));
    session->announce++;
}

static int set_status(struct ae_vhost_session *session, uint64_t status)
{
    if (status == 0)
        reset_device(session);
    session->status = status & 0xff;
    return 0;
}

static int about_device(struct ae_vhost_session *session, struct vhost_user_message *message,
                        struct vhost_user_message *reply, struct ae_error *err)
{
    const union vhost_user_payload *payload = &message->payload;

    switch (message->request) {
    case VHOST_USER_GET_FEATURES:
        return answer(reply, session->offered);
    case VHOST_USER_SET_FEATURES:
        return set_features(session, payload->u64, err);
    case VHOST_USER_GET_PROTOCOL_FEATURES:
        return answer(reply, AE_VHOST_PROTOCOL_FEATURES);
    case VHOST_USER_SET_PROTOCOL_FEATURES:
        if (payload->u64 & ~AE_VHOST_PROTOCOL_FEATURES)
            return ae_error_set(err, -EPROTO, "protocol features 0x%llx were not offered",
                                (unsigned long long)payload->u64);
        session->protocol_features = payload->u64;
        return 0;
    case VHOST_USER_SET_OWNER:
        return 0;
    case VHOST_USER_RESET_OWNER: /* deprecated: "use it to disable all rings" */
        for (unsigned i = 0; i < AE_VHOST_VRINGS; i++)
            session->vrings[i].enabled = false;
        return 0;
    case VHOST_USER_SET_MEM_TABLE:
        return set_memory(session, message, err);
    case VHOST_USER_GET_QUEUE_NUM:
        return answer(reply, session->queues);
    case VHOST_USER_NET_SET_MTU:
        return set_mtu(session, payload->u64, err);
    case VHOST_USER_SEND_RARP:
        set_announce(session, payload->u64);
        return 0;
    case VHOST_USER_GET_CONFIG:
        return get_config(session, message, reply);
    case VHOST_USER_RESET_DEVICE:
        reset_device(session);
        return 0;
    case VHOST_USER_SET_STATUS:
        return set_status(session, payload->u64);
    case VHOST_USER_GET_STATUS:
        return answer(reply, session->status);
    default:
        return ae_error_set(err, -EOPNOTSUPP, "%s was not offered",
                            ae_vhost_name(VHOST_USER_FRONTEND_REQUEST, message->request));
    }
}

int ae_vhost_session_handle(struct ae_vhost_session *session, struct vhost_user_message *message,
                            struct vhost_user_message *reply, struct ae_error *err)
{
    uint64_t index = vring_index(message);

    ae_vhost_init(reply, VHOST_USER_BACKEND_REPLY, message->request);
    if (index == AE_VHOST_VRINGS)
        return about_device(session, message, reply, err);
    if (index >= 2 * session->queues)
        return ae_error_set(err, -EPROTO, "%s for virtqueue %llu: this port has %u",
                            ae_vhost_name(VHOST_USER_FRONTEND_REQUEST, message->request),
                            (unsigned long long)index, 2 * session->queues);
    return about_vring(session, &session->vrings[index], message, reply, err);
}

/* ---- For the worker ---- */

bool ae_vhost_session_can_run(const struct ae_vhost_session *session, unsigned index)
{
    const struct ae_vhost_vring *vring = &session->vrings[index];

    return vring->kicked && vring->placed && vring->size && session->region_count &&
           session->features & VIRTIO_FEATURE(VIRTIO_F_VERSION_1) &&
           (is_packed(session) || !(vring->size & (vring->size - 1)));
}

void ae_vhost_session_describe(const struct ae_vhost_session *session, unsigned pair,
                               struct ae_vhost_handover *handover)
{
    memset(handover, 0, sizeof(*handover));
    handover->memory_id = session->memory_id;
    handover->features = session->features;
    handover->mtu = session->mtu;
    handover->announce = session->announce;
    memcpy(handover->mac, session->announce_mac, sizeof(handover->mac));
    handover->region_count = session->region_count;
    memcpy(handover->regions, session->regions, sizeof(handover->regions));
    for (unsigned i = 0; i < 2; i++) {
        const struct ae_vhost_vring *vring = &session->vrings[2 * pair + i];

        handover->rings[i] = (struct ae_vhost_handover_ring){
            .descriptors = vring->descriptors,
            .available = vring->available,
            .used = vring->used,
            .size = vring->size,
            .position = vring->position,
            .run = ae_vhost_session_can_run(session, 2 * pair + i),
            .enabled = vring->enabled,
        };
    }
}
