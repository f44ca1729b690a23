/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_PORT_H
#define AE_PORT_PORT_H

/*
 * What a driver's data half is to the rest of Aether; port/owner.h is about the other half.
 *
 * Memory of a port, all of it mapped for its device, its workers and its owner:
 *     queue 0: receive ring, send ring; queue 1: ...
 * The buffers are its domain's (packet/domain.h), mapped likewise. State (port/state.h) and all
 * bookkeeping are elsewhere: no device reaches them.
 */

#include <aether/memory.h>
#include <aether/port.h>

#include "packet/part.h"
#include "port/state.h"

/* Rings begin on pages, so that no two share one. */
#define AE_RING_ALIGNMENT 4096

/* What a worker has of a driver. Both halves know the ring's sizes: the owner lays out memory, the
 * worker checks what it is handed. */
struct ae_queue_ops {
    const char *name; /* of the driver; in struct ae_port_info */
    uint32_t maps;    /* 1 << kind of what it is handed besides memory and state */
    uint16_t ring_min;
    uint16_t ring_max;
    uint32_t (*ring_bytes)(uint16_t descriptors); /* of a ring, either direction; NULL: no rings */
    /* Queue `index` of the port. */
    int (*attach)(struct ae_port *port, unsigned index, struct ae_queue **queue,
                  struct ae_error *err);
    void (*detach)(struct ae_queue *queue);
    /* The worker may not poll again for long: what it would do at its next poll for somebody who
     * waits. May be NULL. */
    void (*pause)(struct ae_queue *queue);
};

extern const struct ae_queue_ops ae_queue_pair;
extern const struct ae_queue_ops ae_queue_e1000e;
extern const struct ae_queue_ops ae_queue_virtio_pci;
extern const struct ae_queue_ops ae_queue_vhost_user;
extern const struct ae_queue_ops ae_queue_vhost_server;
extern const struct ae_queue_ops ae_queue_xdp;
extern const struct ae_queue_ops ae_queue_packet;
extern const struct ae_queue_ops ae_queue_pcap;

/* Of the driver with this name, or NULL. */
const struct ae_queue_ops *ae_queue_ops_named(const char *name);

struct ae_port {
    const struct ae_queue_ops *ops;
    struct ae_port_handoff handoff; /* a copy, of what was mapped (port/handoff.h) */
    uint32_t maps_taken;
    /* Of ae_port_open, which says how to close it: a data half does not need the other to be there.
     */
    struct ae_port_owner *owner;
    void (*close_owner)(struct ae_port_owner *owner);
    struct ae_memory *memory; /* its rings; NULL: it has none */
    ae_iova_t memory_iova;
    struct ae_domain_part *domain;
    const struct ae_port_state *state;
    struct ae_queue_state *queue_states[AE_PORT_QUEUES]; /* by number, as `queues` */
    volatile uint8_t *registers;                         /* NULL: none */
    uint64_t registers_size;
    struct ae_queue *queues[AE_PORT_QUEUES]; /* by number of the port's, NULL: another worker's */
    struct ae_meter *meters[AE_PORT_QUEUES]; /* around those that are measured */
};

/* Bytes from the start of memory, which ends where queue `queues` would begin. */
uint64_t ae_port_receive_ring_offset(const struct ae_queue_ops *ops,
                                     const struct ae_port_handoff *handoff, unsigned queue);
uint64_t ae_port_send_ring_offset(const struct ae_queue_ops *ops,
                                  const struct ae_port_handoff *handoff, unsigned queue);

/* As ae_port_attach, where the process has the port's domain already; NULL: it has not. */
int ae_port_attach_on(struct ae_port **port, const struct ae_port_handoff *handoff,
                      struct ae_domain_part *domain, struct ae_error *err);

/* Of every queue of the port. */
void ae_port_pause(struct ae_port *port);

/* The worker did not poll for a reason of ours: that time is not measured. */
void ae_port_resume(struct ae_port *port);

struct ae_queue *ae_meter_queue(struct ae_meter *meter);

void ae_port_set_link(struct ae_port_state *state, const struct ae_link *link);
void ae_port_read_link(const struct ae_port_state *state, struct ae_link *link);

#endif
