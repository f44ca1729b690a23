/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_PORT_H
#define AE_PORT_PORT_H

/*
 * What a driver is to the rest of Aether. Adding one: its file, a line in the table of port.c, the
 * build list, and a page in docs/.
 *
 * Memory of a port, all of it mapped for its device and for nothing else:
 *     queue 0: receive ring, send ring; queue 1: ...; buffers of queue 0; buffers of queue 1; ...
 * The state page (link and counters) and all bookkeeping are elsewhere: no device reaches them.
 */

#include <aether/device.h>
#include <aether/dma.h>
#include <aether/port.h>

struct ae_pci_id {
    uint16_t vendor;
    uint16_t device;
    const char *name;
};

/* Rings begin on pages, so that no two share one. */
#define AE_RING_ALIGNMENT 4096

/* Receive buffers: the headroom, and what the largest buffer size of the drivers takes. */
#define AE_PORT_BUFFER (AE_PACKET_HEADROOM + 2048)

/* Link state in one word, so that a reader never sees half of a change. */
struct ae_port_state {
    uint64_t link;
    uint64_t reserved[7];
    struct ae_queue_counters counters[AE_PORT_QUEUES] __attribute__((aligned(64)));
};

#define AE_PORT_STATE_SIZE 4096
_Static_assert(sizeof(struct ae_port_state) <= AE_PORT_STATE_SIZE, "one page");

struct ae_port_ops {
    const char *name;
    enum ae_path path;
    const struct ae_pci_id *ids; /* ends with a zero vendor */
    uint16_t ring_default;
    uint16_t ring_min;
    uint16_t ring_max;
    uint16_t receive_descriptor; /* bytes */
    uint16_t send_descriptor;
    uint16_t queues_max;
    uint16_t mtu;
    uint32_t features;
    unsigned vectors; /* interrupts that the owner hears */

    /* Owner half. init: device is reset, memory mapped, rings zeroed, bus master off; programs
     * everything but the enables. start: bus master is on. stop: no more DMA, before bus master off. */
    int (*init)(struct ae_port_owner *owner, struct ae_error *err);
    int (*start)(struct ae_port_owner *owner, struct ae_error *err);
    void (*stop)(struct ae_port_owner *owner);
    void (*event)(struct ae_port_owner *owner);
    int (*statistics)(struct ae_port_owner *owner, struct ae_port_statistic *out, unsigned count);

    /* Data half. */
    int (*attach)(struct ae_port *port, unsigned index, struct ae_queue **queue,
                  struct ae_error *err);
    void (*detach)(struct ae_queue *queue);
};

extern const struct ae_port_ops ae_port_e1000e;

#define AE_STATISTICS_MAX 64

struct ae_port_owner {
    const struct ae_port_ops *ops;
    struct ae_port_handoff handoff;
    struct ae_port_options options;
    struct ae_dma_space *space;
    struct ae_device *device;
    struct ae_memory *memory;
    struct ae_port_state *state;
    struct ae_bar registers;
    int interrupts[4];
    int request_fd;
    uint64_t statistics[AE_STATISTICS_MAX]; /* sums of clear-on-read registers */
};

struct ae_port {
    const struct ae_port_ops *ops;
    struct ae_port_handoff handoff;
    struct ae_port_owner *owner; /* NULL when attached */
    struct ae_memory *memory;
    struct ae_port_state *state;
    volatile uint8_t *registers;
    struct ae_queue *queues[AE_PORT_QUEUES];
};

/* Bytes from the start of memory. */
uint64_t ae_port_receive_ring_offset(const struct ae_port_ops *ops,
                                     const struct ae_port_handoff *handoff, unsigned queue);
uint64_t ae_port_send_ring_offset(const struct ae_port_ops *ops,
                                  const struct ae_port_handoff *handoff, unsigned queue);

/* The pool over queue `index`'s part of the buffers. */
int ae_port_make_pool(struct ae_port *port, unsigned index, struct ae_pool **pool,
                      struct ae_error *err);

/* The driver with this name, or NULL; the driver for this device, or NULL. */
const struct ae_port_ops *ae_port_driver_named(const char *name);
const struct ae_port_ops *ae_port_driver_for(uint16_t vendor, uint16_t device);

/* Names every device that has a driver, for an error's text. */
void ae_port_describe_drivers(char *text, size_t size);

void ae_port_set_link(struct ae_port_state *state, const struct ae_link *link);
void ae_port_read_link(const struct ae_port_state *state, struct ae_link *link);

#endif
