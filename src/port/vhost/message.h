/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_MESSAGE_H
#define AE_PORT_VHOST_MESSAGE_H

/*
 * Messages of the vhost-user protocol, as both ends of the socket see them. Names, numbers and
 * layouts are those of "Vhost-user Protocol" (docs/interop/vhost-user.rst in QEMU); numbers are in
 * the byte order of the machine.
 */

#include <stdbool.h>
#include <stdint.h>

#include <aether/port.h>

#define VHOST_USER_F_PROTOCOL_FEATURES 30

enum vhost_user_protocol_feature {
    VHOST_USER_PROTOCOL_F_MQ = 0,
    VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1,
    VHOST_USER_PROTOCOL_F_RARP = 2,
    VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
    VHOST_USER_PROTOCOL_F_MTU = 4,
    VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5,
    VHOST_USER_PROTOCOL_F_CROSS_ENDIAN = 6,
    VHOST_USER_PROTOCOL_F_CRYPTO_SESSION = 7,
    VHOST_USER_PROTOCOL_F_PAGEFAULT = 8,
    VHOST_USER_PROTOCOL_F_CONFIG = 9,
    VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD = 10,
    VHOST_USER_PROTOCOL_F_HOST_NOTIFIER = 11,
    VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 12,
    VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13,
    VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS = 14,
    VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
    VHOST_USER_PROTOCOL_F_STATUS = 16,
};

/* Front-end to back-end. */
enum vhost_user_request {
    VHOST_USER_GET_FEATURES = 1,
    VHOST_USER_SET_FEATURES = 2,
    VHOST_USER_SET_OWNER = 3,
    VHOST_USER_RESET_OWNER = 4,
    VHOST_USER_SET_MEM_TABLE = 5,
    VHOST_USER_SET_LOG_BASE = 6,
    VHOST_USER_SET_LOG_FD = 7,
    VHOST_USER_SET_VRING_NUM = 8,
    VHOST_USER_SET_VRING_ADDR = 9,
    VHOST_USER_SET_VRING_BASE = 10,
    VHOST_USER_GET_VRING_BASE = 11,
    VHOST_USER_SET_VRING_KICK = 12,
    VHOST_USER_SET_VRING_CALL = 13,
    VHOST_USER_SET_VRING_ERR = 14,
    VHOST_USER_GET_PROTOCOL_FEATURES = 15,
    VHOST_USER_SET_PROTOCOL_FEATURES = 16,
    VHOST_USER_GET_QUEUE_NUM = 17,
    VHOST_USER_SET_VRING_ENABLE = 18,
    VHOST_USER_SEND_RARP = 19,
    VHOST_USER_NET_SET_MTU = 20,
    VHOST_USER_SET_BACKEND_REQ_FD = 21,
    VHOST_USER_IOTLB_MSG = 22,
    VHOST_USER_SET_VRING_ENDIAN = 23,
    VHOST_USER_GET_CONFIG = 24,
    VHOST_USER_SET_CONFIG = 25,
    VHOST_USER_GET_INFLIGHT_FD = 31,
    VHOST_USER_SET_INFLIGHT_FD = 32,
    VHOST_USER_RESET_DEVICE = 34,
    VHOST_USER_VRING_KICK = 35,
    VHOST_USER_GET_MAX_MEM_SLOTS = 36,
    VHOST_USER_ADD_MEM_REG = 37,
    VHOST_USER_REM_MEM_REG = 38,
    VHOST_USER_SET_STATUS = 39,
    VHOST_USER_GET_STATUS = 40,
};

/* Back-end to front-end, over the socket of VHOST_USER_SET_BACKEND_REQ_FD. */
enum vhost_user_backend_request {
    VHOST_USER_BACKEND_IOTLB_MSG = 1,
    VHOST_USER_BACKEND_CONFIG_CHANGE_MSG = 2,
    VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG = 3,
    VHOST_USER_BACKEND_VRING_CALL = 4,
    VHOST_USER_BACKEND_VRING_ERR = 5,
};

/* "Header": flags */
#define VHOST_USER_VERSION_MASK    0x3u
#define VHOST_USER_VERSION         0x1u
#define VHOST_USER_REPLY_MASK      (1u << 2)
#define VHOST_USER_NEED_REPLY_MASK (1u << 3)

/* The u64 of SET_VRING_KICK, SET_VRING_CALL and SET_VRING_ERR. */
#define VHOST_USER_VRING_IDX_MASK  0xffu
#define VHOST_USER_VRING_NOFD_MASK 0x100u

#define AE_VHOST_VRINGS (2 * AE_PORT_QUEUES) /* that a port may have */

#define VHOST_USER_MAX_FDS         8
#define VHOST_USER_MAX_REGIONS     8
#define VHOST_USER_SENT_FDS        253 /* SCM_MAX_FD: so many the kernel lets come at a time */
#define VHOST_USER_MAX_CONFIG_SIZE 256
#define VHOST_USER_HEADER_SIZE     12

struct vhost_user_vring_state {
    uint32_t index;
    uint32_t num;
};

struct vhost_user_vring_addr {
    uint32_t index;
    uint32_t flags;
    uint64_t descriptor;
    uint64_t used;
    uint64_t available;
    uint64_t log;
};

struct vhost_user_region {
    uint64_t guest_address;
    uint64_t size;
    uint64_t user_address;
    uint64_t mmap_offset;
};

struct vhost_user_memory {
    uint32_t num_regions;
    uint32_t padding;
    struct vhost_user_region regions[VHOST_USER_MAX_REGIONS];
};

struct vhost_user_single_region {
    uint64_t padding;
    struct vhost_user_region region;
};

struct vhost_user_log {
    uint64_t size;
    uint64_t offset;
};

struct vhost_user_iotlb {
    uint64_t iova;
    uint64_t size;
    uint64_t user_address;
    uint8_t permissions;
    uint8_t type;
    uint8_t padding[6];
};

struct vhost_user_config {
    uint32_t offset;
    uint32_t size;
    uint32_t flags;
    uint8_t payload[VHOST_USER_MAX_CONFIG_SIZE];
};
#define VHOST_USER_CONFIG_HEADER_SIZE 12

struct vhost_user_area {
    uint64_t u64;
    uint64_t size;
    uint64_t offset;
};

struct vhost_user_inflight {
    uint64_t mmap_size;
    uint64_t mmap_offset;
    uint16_t num_queues;
    uint16_t queue_size;
    uint32_t padding;
};

union vhost_user_payload {
    uint64_t u64;
    struct vhost_user_vring_state state;
    struct vhost_user_vring_addr addr;
    struct vhost_user_memory memory;
    struct vhost_user_single_region region;
    struct vhost_user_log log;
    struct vhost_user_iotlb iotlb;
    struct vhost_user_config config;
    struct vhost_user_area area;
    struct vhost_user_inflight inflight;
};

/* A message in memory: the header as on the wire, what came with it, the payload. */
struct vhost_user_message {
    uint32_t request;
    uint32_t flags;
    uint32_t size; /* of the payload, bytes */
    uint32_t fd_count;
    union vhost_user_payload payload;
    int fds[VHOST_USER_MAX_FDS];
    uint64_t file_sizes[VHOST_USER_MAX_FDS]; /* bytes, of memory; set by who vetted it */
};

/* Who says it, and is it an answer? */
enum vhost_user_kind {
    VHOST_USER_FRONTEND_REQUEST,
    VHOST_USER_BACKEND_REPLY, /* to a front-end's request */
    VHOST_USER_BACKEND_REQUEST,
    VHOST_USER_FRONTEND_REPLY, /* to a back-end's request */
};

static inline bool ae_vhost_is_reply(enum vhost_user_kind kind)
{
    return kind == VHOST_USER_BACKEND_REPLY || kind == VHOST_USER_FRONTEND_REPLY;
}

/* Makes an empty one: no payload, no descriptors. */
void ae_vhost_init(struct vhost_user_message *message, enum vhost_user_kind kind, uint32_t request);

/* Closes the descriptors that are still in it. To keep one, take it: ae_vhost_take_fd. */
void ae_vhost_close_fds(struct vhost_user_message *message);

/* Moves descriptor `index` out of the message to the caller. -1: there is none. */
int ae_vhost_take_fd(struct vhost_user_message *message, unsigned index);

_Static_assert(sizeof(struct vhost_user_region) == 32, "a region");
_Static_assert(sizeof(struct vhost_user_vring_addr) == 40, "a vring address description");
_Static_assert(sizeof(struct vhost_user_inflight) == 24, "an inflight description");
_Static_assert(sizeof(struct vhost_user_iotlb) == 32, "an IOTLB message");

#endif
