/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_BACK_SESSION_H
#define AE_PORT_VHOST_BACK_SESSION_H

/*
 * What a back end and one peer have agreed on so far, message by message. No socket, no mapping, no
 * waiting here: the server around it (vhost/back/server.c) does these.
 */

#include "port/vhost/back/handover.h"
#include "port/vhost/message.h"
#include "port/virtio/virtio.h"

struct ae_vhost_vring {
    uint64_t descriptors; /* user addresses */
    uint64_t available;
    uint64_t used;
    uint16_t size;
    uint16_t position;
    bool placed; /* addresses are known */
    bool kicked; /* started, and not stopped since */
    bool enabled;
    int kick_fd; /* -1: none */
    int call_fd;
    int err_fd;
};

struct ae_vhost_session {
    /* What we offer; fixed. */
    uint64_t offered;
    struct virtio_net_config config;
    unsigned queues;
    uint16_t mtu;

    uint64_t features;
    uint64_t protocol_features;
    uint64_t status;
    struct ae_vhost_vring vrings[AE_VHOST_VRINGS];
    uint32_t memory_id; /* counts tables, over all sessions */
    uint32_t region_count;
    struct vhost_user_region regions[VHOST_USER_MAX_REGIONS];
    int region_fds[VHOST_USER_MAX_REGIONS];
    uint32_t announce; /* counts announcements, over all sessions */
    uint8_t announce_mac[6];
};

/* Bits of VHOST_USER_GET_FEATURES. */
#define AE_VHOST_FEATURES                                                                 \
    (VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) |          \
     VIRTIO_FEATURE(VIRTIO_F_IN_ORDER) | VIRTIO_FEATURE(VHOST_USER_F_PROTOCOL_FEATURES) | \
     VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_MTU) |         \
     VIRTIO_FEATURE(VIRTIO_NET_F_MAC) | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) |          \
     VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ) |         \
     VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) | \
     VIRTIO_FEATURE(VIRTIO_NET_F_MQ))

#define AE_VHOST_PROTOCOL_FEATURES                                                                 \
    (VIRTIO_FEATURE(VHOST_USER_PROTOCOL_F_MQ) | VIRTIO_FEATURE(VHOST_USER_PROTOCOL_F_RARP) |       \
     VIRTIO_FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK) | VIRTIO_FEATURE(VHOST_USER_PROTOCOL_F_MTU) | \
     VIRTIO_FEATURE(VHOST_USER_PROTOCOL_F_CONFIG) |                                                \
     VIRTIO_FEATURE(VHOST_USER_PROTOCOL_F_RESET_DEVICE) |                                          \
     VIRTIO_FEATURE(VHOST_USER_PROTOCOL_F_STATUS))

/* Makes the first session of a server. */
void ae_vhost_session_init(struct ae_vhost_session *session);

/* Forgets what was agreed on and closes its descriptors: ready for the next peer. */
void ae_vhost_session_reset(struct ae_vhost_session *session);

/* Do rings that run have to stop before this message may be handled? */
bool ae_vhost_session_must_stop(const struct ae_vhost_session *session,
                                const struct vhost_user_message *message);

/*
 * Does what the (checked) message asks for, and takes of its descriptors what it needs; no ring
 * that it is about runs. 1: `reply` is to be sent. 0: done. Negative: it cannot be done.
 */
int ae_vhost_session_handle(struct ae_vhost_session *session, struct vhost_user_message *message,
                            struct vhost_user_message *reply, struct ae_error *err);

/* Is everything there for this ring to run? */
bool ae_vhost_session_can_run(const struct ae_vhost_session *session, unsigned vring);

/* What the worker of a queue pair is to be told, rings running as far as they can; generation
 * apart. */
void ae_vhost_session_describe(const struct ae_vhost_session *session, unsigned pair,
                               struct ae_vhost_handover *handover);

#endif
