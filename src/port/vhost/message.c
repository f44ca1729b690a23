/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/message.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"

/* ---- What messages may look like ---- */

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

static bool is_reply(enum vhost_user_kind kind)
{
    return kind == VHOST_USER_BACKEND_REPLY || kind == VHOST_USER_FRONTEND_REPLY;
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
    if (!is_reply(kind))
        return &shape->request;
    return shape->has_reply ? &shape->reply : &acknowledgement;
}

enum vhost_user_takes ae_vhost_takes(enum vhost_user_kind kind, uint32_t request)
{
    const struct shape *shape = shape_of(kind, request);

    return shape ? (enum vhost_user_takes)part_of(shape, kind)->takes : VHOST_USER_TAKES_NOTHING;
}

static int check_header(const struct vhost_user_message *message, enum vhost_user_kind kind,
                        struct ae_error *err)
{
    const uint32_t known =
        VHOST_USER_VERSION_MASK | VHOST_USER_REPLY_MASK | VHOST_USER_NEED_REPLY_MASK;
    const struct shape *shape = shape_of(kind, message->request);
    const struct part *part;

    if (!shape)
        return ae_error_set(err, -EPROTO, "vhost-user: message %u is not known", message->request);
    if ((message->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION ||
        (message->flags & ~known) || !(message->flags & VHOST_USER_REPLY_MASK) != !is_reply(kind))
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
    int rc = check_header(message, kind, err);

    if (rc)
        return rc;
    part = part_of(shape_of(kind, message->request), kind);
    if (message->fd_count < part->fds_min || message->fd_count > part->fds_max)
        return ae_error_set(
            err, -EPROTO, "vhost-user: %s with %u descriptors; %u to %u are possible",
            ae_vhost_name(kind, message->request), message->fd_count, part->fds_min, part->fds_max);
    return check_payload(message, kind, err);
}

void ae_vhost_init(struct vhost_user_message *message, enum vhost_user_kind kind, uint32_t request)
{
    memset(message, 0, sizeof(*message));
    message->request = request;
    message->flags = VHOST_USER_VERSION | (is_reply(kind) ? VHOST_USER_REPLY_MASK : 0);
}

void ae_vhost_close_fds(struct vhost_user_message *message)
{
    for (uint32_t i = 0; i < message->fd_count; i++)
        if (message->fds[i] >= 0)
            close(message->fds[i]);
    message->fd_count = 0;
}

int ae_vhost_take_fd(struct vhost_user_message *message, unsigned index)
{
    int fd = -1;

    if (index < message->fd_count) {
        fd = message->fds[index];
        message->fds[index] = -1;
    }
    return fd;
}

/* ---- The socket ---- */

/* Until `deadline`. False: it has passed. */
static bool wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int64_t left = deadline - ae_now_ms();

    if (left <= 0)
        return false;
    return poll(&poll_fd, 1, (int)left) >= 0 || errno == EINTR;
}

void ae_vhost_stream_init(struct vhost_user_stream *stream, int fd)
{
    memset(stream, 0, sizeof(*stream));
    stream->fd = fd;
}

void ae_vhost_stream_drop(struct vhost_user_stream *stream)
{
    ae_vhost_close_fds(&stream->partial);
    for (unsigned i = 0; i < stream->excess_count; i++)
        close(stream->excess[i]);
    ae_vhost_stream_init(stream, stream->fd);
}

/*
 * Takes over what came with some bytes. None is closed here, those that are too many neither: who
 * closes one may have to wait, and has to say first that it is no good.
 */
static int take_fds(struct vhost_user_stream *stream, struct msghdr *header, struct ae_error *err)
{
    struct vhost_user_message *message = &stream->partial;
    bool too_many = header->msg_flags & MSG_CTRUNC;

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
        size_t count;

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
            if (message->fd_count < VHOST_USER_MAX_FDS) {
                message->fds[message->fd_count++] = fd;
            } else if (stream->excess_count < VHOST_USER_SENT_FDS) {
                stream->excess[stream->excess_count++] = fd;
                too_many = true;
            }
        }
    }
    if (too_many)
        return ae_error_set(err, -EPROTO, "vhost-user: more than %d descriptors with one message",
                            VHOST_USER_MAX_FDS);
    return 0;
}

/* Up to `want` bytes. 1: some came, 0: none are there. */
static int read_some(struct vhost_user_stream *stream, void *to, size_t want, struct ae_error *err)
{
    /* Room for all that there may be: what there is no room for is closed. */
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(VHOST_USER_SENT_FDS * sizeof(int))];
    } control;
    struct iovec piece = {.iov_base = to, .iov_len = want};
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(stream->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    if (got < 0)
        return ae_error_set(err, -errno, "vhost-user: receiving: %s", strerror(errno));
    if (got == 0)
        return ae_error_set(err, -ECONNRESET, "vhost-user: the other end closed the connection%s",
                            stream->have ? " in the middle of a message" : "");
    stream->have += (uint32_t)got;
    return take_fds(stream, &header, err) ?: 1;
}

int ae_vhost_stream_read(struct vhost_user_stream *stream, enum vhost_user_kind kind,
                         struct ae_error *err)
{
    struct vhost_user_message *message = &stream->partial;
    int rc;

    while (stream->have < VHOST_USER_HEADER_SIZE) {
        rc = read_some(stream, (uint8_t *)message + stream->have,
                       VHOST_USER_HEADER_SIZE - stream->have, err);
        if (rc <= 0)
            return rc;
        if (stream->have == VHOST_USER_HEADER_SIZE) {
            rc = check_header(message, kind, err);
            if (rc)
                return rc;
        }
    }
    while (stream->have < VHOST_USER_HEADER_SIZE + message->size) {
        uint32_t done = stream->have - VHOST_USER_HEADER_SIZE;

        rc = read_some(stream, (uint8_t *)&message->payload + done, message->size - done, err);
        if (rc <= 0)
            return rc;
    }
    return ae_vhost_check(message, kind, err) ?: 1;
}

int ae_vhost_receive(struct vhost_user_stream *stream, enum vhost_user_kind kind, int timeout_ms,
                     struct vhost_user_message *message, struct ae_error *err)
{
    int64_t deadline = timeout_ms > 0 ? ae_now_ms() + timeout_ms : 0;
    int rc;

    do
        rc = ae_vhost_stream_read(stream, kind, err);
    while (rc == 0 && timeout_ms > 0 && wait_for(stream->fd, POLLIN, deadline));
    if (rc < 0) {
        ae_vhost_stream_drop(stream);
    } else if (rc > 0) {
        *message = stream->partial;
        ae_vhost_stream_init(stream, stream->fd);
    }
    return rc;
}

/* A message is far smaller than the socket's buffer, so that the kernel takes all of it or
 * nothing. */
int ae_vhost_send(int fd, const struct vhost_user_message *message, int timeout_ms,
                  struct ae_error *err)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(VHOST_USER_MAX_FDS * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec pieces[2] = {
        {.iov_base = (void *)(uintptr_t)message, .iov_len = VHOST_USER_HEADER_SIZE},
        {.iov_base = (void *)(uintptr_t)&message->payload, .iov_len = message->size},
    };
    struct msghdr header = {.msg_iov = pieces, .msg_iovlen = 2};
    int64_t deadline = timeout_ms > 0 ? ae_now_ms() + timeout_ms : 0;
    ssize_t sent;

    if (message->size > sizeof(message->payload) || message->fd_count > VHOST_USER_MAX_FDS)
        return ae_error_set(err, -EINVAL, "vhost-user: sending %u bytes with %u descriptors",
                            message->size, message->fd_count);
    if (message->fd_count) {
        size_t size = message->fd_count * sizeof(int);

        control.align = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.align), message->fds, size);
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(size);
    }
    do
        sent = sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && (errno == EAGAIN || errno == EINTR) && timeout_ms > 0 &&
           wait_for(fd, POLLOUT, deadline));
    if (sent < 0)
        return ae_error_set(err, errno == EINTR ? -EAGAIN : -errno,
                            "vhost-user: sending message %u: %s", message->request,
                            strerror(errno));
    if ((size_t)sent != VHOST_USER_HEADER_SIZE + message->size)
        return ae_error_set(err, -EIO, "vhost-user: message %u was sent in part", message->request);
    return 0;
}
