/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VIRTIO_CONTROL_H
#define AE_PORT_VIRTIO_CONTROL_H

/*
 * The control virtqueue (OASIS VIRTIO 1.2, 5.1.6.5), the owner's: one command at a time. Either
 * form of ring, in AE_VIRTIO_CONTROL_BYTES of memory that the device reaches, and no worker.
 */

#include "port/owner.h"

#define AE_VIRTIO_CONTROL_SIZE  16 /* descriptors */
#define AE_VIRTIO_CONTROL_LEAST 3  /* of a command: its class, its data, the answer (5.1.6.5) */
#define AE_VIRTIO_CONTROL_BYTES 4096
#define AE_VIRTIO_CONTROL_DATA  1024 /* bytes of a command at most */

struct ae_virtio_control {
    uint8_t *memory; /* zeroed, aligned to 64 */
    ae_iova_t iova;
    bool packed;
    uint16_t size; /* descriptors */
    uint16_t next; /* split: the available index; packed: the slot */
    bool wrap;     /* packed: the driver ring wrap counter */
    void (*notify)(void *context);
    void *context;
    unsigned timeout_ms;
    bool busy; /* a command is under way */
    bool lost; /* one was never answered: the queue must be reset */
    /* Packed: the slot of the command under way, and the wrap counter it was given. */
    uint16_t head;
    bool head_wrap;
    uint32_t vlans[AE_FILTER_VLAN_WORDS]; /* that the device lets in; none after a reset */
    const uint16_t *spread; /* VIRTIO_NET_F_RSS: which queues frames come to, see spread.h */
};

/* Where the device finds the parts: bytes from the start of memory. */
#define AE_VIRTIO_CONTROL_DESCRIPTORS 0
#define AE_VIRTIO_CONTROL_DRIVER      1024
#define AE_VIRTIO_CONTROL_DEVICE      1280

/* Sends a command. -EMSGSIZE: longer than AE_VIRTIO_CONTROL_DATA; -EBUSY: one is under way;
 * -ENOLINK: the queue is lost. */
int ae_virtio_control_begin(struct ae_virtio_control *control, uint8_t class, uint8_t command,
                            const void *data, size_t length, struct ae_error *err);

/* Whether it is answered, without waiting. -EAGAIN: not yet; -EIO: the device answered
 * VIRTIO_NET_ERR. */
int ae_virtio_control_poll(struct ae_virtio_control *control, struct ae_error *err);

/* No answer is waited for any more: the queue is lost until it is reset. */
void ae_virtio_control_give_up(struct ae_virtio_control *control);

/* Sends a command and waits for its answer, timeout_ms at most: while a port starts or is filtered.
 * -ETIMEDOUT: none came, and the queue is lost; else as the calls above. */
int ae_virtio_control_send(struct ae_virtio_control *control, uint8_t class, uint8_t command,
                           const void *data, size_t length, struct ae_error *err);

/* -EOPNOTSUPP: more is to be let in than what is for our address and for everybody, and the device
 * cannot be told (it has no VIRTIO_NET_F_CTRL_RX). */
int ae_virtio_check_filter(const struct ae_filter *filter, uint64_t features, struct ae_error *err);

/* Has the device let in what the filter says, as far as the features allow; what it then does is
 * its best (5.1.6.5.1). Errors are those of ae_virtio_control_send. */
int ae_virtio_control_filter(struct ae_virtio_control *control, const struct ae_filter *filter,
                             uint64_t features, struct ae_error *err);

/* Has the device send frames to its queues by control->spread. Errors likewise. */
int ae_virtio_control_spread(struct ae_virtio_control *control, uint16_t pairs,
                             struct ae_error *err);

/*
 * Brings a device that was just started to what the port is to be, as far as the features allow:
 * its filter; as many queue pairs as the port has, frames spread over them.
 */
int ae_virtio_control_set_up(struct ae_virtio_control *control, const struct ae_port_owner *owner,
                             uint64_t features, struct ae_error *err);

#endif
