/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/format.h"

#include <errno.h>
#include <stddef.h>

#include "base/error.h"

struct part {
    uint16_t size_min;
    uint16_t size_max;
    uint8_t fds_min;
    uint8_t fds_max;
    uint8_t takes; /* enum vhost_user_takes */
};

struct shape {
    const char *name;
    struct part request;
    bool has_reply;
    struct part reply;
};

#define PART(size_least, size_most) ((struct part){(size_least), (size_most), 0, 0, 0})
#define WITH(size_least, size_most, fds_least, fds_most, what) \
    ((struct part){(size_least), (size_most), (fds_least), (fds_most), VHOST_USER_TAKES_##what})
#define OF(member)                                        \
    PART(sizeof(((union vhost_user_payload *)0)->member), \
         sizeof(((union vhost_user_payload *)0)->member))
#define NOTHING       PART(0, 0)
#define MAYBE_EVENTFD WITH(8, 8, 0, 1, EVENTFD)
#define CONFIG        PART(VHOST_USER_CONFIG_HEADER_SIZE, sizeof(struct vhost_user_config))

#define SAY(id, what) [VHOST_USER_##id] = {.name = "VHOST_USER_" #id, .request = what}
#define ASK(id, question, answer) \
    [VHOST_USER_##                \
        id] = {.name = "VHOST_USER_" #id, .request = question, .has_reply = true, .reply = answer}

/*
 * Sizes that may differ are those that programs in use send differently: the inflight description
 * with and without its padding, a memory table with and without its empty places, an empty payload
 * or an unused number beside a descriptor.
 */
static const struct shape frontend[] = {
    ASK(GET_FEATURES, NOTHING, OF(u64)),
    SAY(SET_FEATURES, OF(u64)),
    SAY(SET_OWNER, NOTHING),
    SAY(RESET_OWNER, NOTHING),
    SAY(SET_MEM_TABLE,
        WITH(8, sizeof(struct vhost_user_memory), 0, VHOST_USER_MAX_REGIONS, MEMORY)),
    SAY(SET_LOG_BASE, WITH(8, sizeof(struct vhost_user_log), 0, 1, MEMORY)),
    SAY(SET_LOG_FD, WITH(0, 8, 1, 1, EVENTFD)),
    SAY(SET_VRING_NUM, OF(state)),
    SAY(SET_VRING_ADDR, OF(addr)),
    SAY(SET_VRING_BASE, OF(state)),
    ASK(GET_VRING_BASE, OF(state), OF(state)),
    SAY(SET_VRING_KICK, MAYBE_EVENTFD),
    SAY(SET_VRING_CALL, MAYBE_EVENTFD),
    SAY(SET_VRING_ERR, MAYBE_EVENTFD),
    ASK(GET_PROTOCOL_FEATURES, NOTHING, OF(u64)),
    SAY(SET_PROTOCOL_FEATURES, OF(u64)),
    ASK(GET_QUEUE_NUM, NOTHING, OF(u64)),
    SAY(SET_VRING_ENABLE, OF(state)),
    SAY(SEND_RARP, OF(u64)),
    SAY(NET_SET_MTU, OF(u64)),
    /* A socket, or a piece of a device: neither is offered, so neither comes in. */
    SAY(SET_BACKEND_REQ_FD, WITH(0, 8, 1, 1, NOTHING)),
    ASK(IOTLB_MSG, OF(iotlb), OF(u64)),
    SAY(SET_VRING_ENDIAN, OF(state)),
    ASK(GET_CONFIG, CONFIG, PART(0, sizeof(struct vhost_user_config))),
    SAY(SET_CONFIG, CONFIG),
    ASK(GET_INFLIGHT_FD, PART(20, 24), WITH(20, 24, 0, 1, MEMORY)),
    SAY(SET_INFLIGHT_FD, WITH(20, 24, 1, 1, MEMORY)),
    SAY(RESET_DEVICE, NOTHING),
    SAY(VRING_KICK, OF(state)),
    ASK(GET_MAX_MEM_SLOTS, NOTHING, OF(u64)),
    SAY(ADD_MEM_REG, WITH(40, 40, 1, 1, MEMORY)),
    SAY(REM_MEM_REG, WITH(40, 40, 0, 1, MEMORY)),
    SAY(SET_STATUS, OF(u64)),
    ASK(GET_STATUS, NOTHING, OF(u64)),
};

static const struct shape backend[] = {
    SAY(BACKEND_IOTLB_MSG, OF(iotlb)),
    SAY(BACKEND_CONFIG_CHANGE_MSG, NOTHING),
    SAY(BACKEND_VRING_HOST_NOTIFIER_MSG, WITH(24, 24, 0, 1, NOTHING)),
    SAY(BACKEND_VRING_CALL, OF(state)),
    SAY(BACKEND_VRING_ERR, OF(state)),
};

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static const struct shape *shape_of(enum vhost_user_kind kind, uint32_t request)
{
    bool front = kind == VHOST_USER_FRONTEND_REQUEST || kind == VHOST_USER_BACKEND_REPLY;
    const struct shape *table = front ? frontend : backend;
    size_t count = front ? COUNT(frontend) : COUNT(backend);

    return request < count && table[request].name ? &table[request] : NULL;
}

const char *ae_vhost_name(enum vhost_user_kind kind, uint32_t request)
{
    const struct shape *shape = shape_of(kind, request);

    return shape ? shape->name : "unknown";
}

bool ae_vhost_has_reply(uint32_t request)
{
    const struct shape *shape = shape_of(VHOST_USER_FRONTEND_REQUEST, request);

    return shape && shape->has_reply;
}

static const struct part acknowledgement = {8, 8, 0, 0, 0};

/* An answer that is not in the table is REPLY_ACK's: a number, 0 for success. */
static const struct part *part_of(const struct shape *shape, enum vhost_user_kind kind)
{
    if (!ae_vhost_is_reply(kind))
        return &shape->request;
    return shape->has_reply ? &shape->reply : &acknowledgement;
}

enum vhost_user_takes ae_vhost_takes(enum vhost_user_kind kind, uint32_t request)
{
    const struct shape *shape = shape_of(kind, request);

    return shape ? (enum vhost_user_takes)part_of(shape, kind)->takes : VHOST_USER_TAKES_NOTHING;
}

int ae_vhost_check_header(const struct vhost_user_message *message, enum vhost_user_kind kind,
                          struct ae_error *err)
{
    const uint32_t known =
        VHOST_USER_VERSION_MASK | VHOST_USER_REPLY_MASK | VHOST_USER_NEED_REPLY_MASK;
    const struct shape *shape = shape_of(kind, message->request);
    const struct part *part;

    if (!shape)
        return ae_error_set(err, -EPROTO, "vhost-user: message %u is not known", message->request);
    if ((message->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION ||
        (message->flags & ~known) ||
        !(message->flags & VHOST_USER_REPLY_MASK) != !ae_vhost_is_reply(kind))
        return ae_error_set(err, -EPROTO, "vhost-user: %s with flags 0x%x", shape->name,
                            message->flags);
    part = part_of(shape, kind);
    if (message->size < part->size_min || message->size > part->size_max)
        return ae_error_set(err, -EPROTO, "vhost-user: %s with %u bytes; %u to %u are possible",
                            shape->name, message->size, part->size_min, part->size_max);
    return 0;
}

/* Where a size or a count is in the payload, it has to agree with what came. */
static int check_payload(const struct vhost_user_message *message, enum vhost_user_kind kind,
                         struct ae_error *err)
{
    const char *name = ae_vhost_name(kind, message->request);
    const union vhost_user_payload *payload = &message->payload;
    bool nofd;

    if (kind == VHOST_USER_BACKEND_REPLY && message->request == VHOST_USER_GET_CONFIG &&
        message->size == 0)
        return 0;
    if (message->request == VHOST_USER_GET_CONFIG || message->request == VHOST_USER_SET_CONFIG) {
        if (message->size < VHOST_USER_CONFIG_HEADER_SIZE ||
            payload->config.size != message->size - VHOST_USER_CONFIG_HEADER_SIZE)
            return ae_error_set(err, -EPROTO, "vhost-user: %s of %u bytes in a payload of %u", name,
                                payload->config.size, message->size);
        return 0;
    }
    if (kind != VHOST_USER_FRONTEND_REQUEST)
        return 0;
    switch (message->request) {
    case VHOST_USER_SET_MEM_TABLE:
        if (payload->memory.num_regions > VHOST_USER_MAX_REGIONS ||
            payload->memory.num_regions != message->fd_count ||
            message->size < 8 + payload->memory.num_regions * sizeof(struct vhost_user_region))
            return ae_error_set(
                err, -EPROTO, "vhost-user: %s of %u regions in %u bytes with %u descriptors", name,
                payload->memory.num_regions, message->size, message->fd_count);
        return 0;
    case VHOST_USER_SET_VRING_KICK:
    case VHOST_USER_SET_VRING_CALL:
    case VHOST_USER_SET_VRING_ERR:
        nofd = payload->u64 & VHOST_USER_VRING_NOFD_MASK;
        if (payload->u64 & ~(uint64_t)(VHOST_USER_VRING_IDX_MASK | VHOST_USER_VRING_NOFD_MASK) ||
            nofd != (message->fd_count == 0))
            return ae_error_set(err, -EPROTO, "vhost-user: %s 0x%llx with %u descriptors", name,
                                (unsigned long long)payload->u64, message->fd_count);
        return 0;
    default:
        return 0;
    }
}

int ae_vhost_check(const struct vhost_user_message *message, enum vhost_user_kind kind,
                   struct ae_error *err)
{
    const struct part *part;
    int rc = ae_vhost_check_header(message, kind, err);

    if (rc)
        return rc;
    part = part_of(shape_of(kind, message->request), kind);
    if (message->fd_count < part->fds_min || message->fd_count > part->fds_max)
        return ae_error_set(
            err, -EPROTO, "vhost-user: %s with %u descriptors; %u to %u are possible",
            ae_vhost_name(kind, message->request), message->fd_count, part->fds_min, part->fds_max);
    return check_payload(message, kind, err);
}
