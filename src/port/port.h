/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_PORT_H
#define AE_PORT_PORT_H

/*
 * What a driver is to the rest of Aether. Adding one: its file, a line in the table of drivers.c,
 * the build list, and a page in docs/.
 *
 * Memory of a port, all of it mapped for its device, its workers and its owner:
 *     queue 0: receive ring, send ring; queue 1: ...; buffers of queue 0; buffers of queue 1; ...
 * The state page (link and counters) and all bookkeeping are elsewhere: no device reaches them.
 */

#include <aether/device.h>
#include <aether/dma.h>
#include <aether/port.h>

#include "base/fragile.h"
#include "machine/pci_config.h"

struct ae_pci_id {
    uint16_t vendor;
    uint16_t device;
    const char *name;
};

/* Rings begin on pages, so that no two share one. */
#define AE_RING_ALIGNMENT 4096

/* Receive buffers: the headroom, and what the largest buffer size of the drivers takes. */
#define AE_PORT_BUFFER (AE_PACKET_HEADROOM + 2048)

/* One queue's part of the state page, in cache lines of its own. */
struct ae_queue_state {
    struct ae_queue_counters counters;
    uint32_t broken; /* not 0: it met something it cannot go on after; set by it, till a restart */
    uint32_t reserved;
    /* Notifications that the worker leaves to the owner, who clears and relays them. */
    uint32_t notify_receive __attribute__((aligned(64)));
    uint32_t notify_send;
    /* Of the generation below, what this queue has taken over. Written by the worker. */
    uint32_t generation;
    /* Where its rings stood when it last stopped, or took over. Written by the worker before. */
    uint16_t positions[2];
} __attribute__((aligned(64)));

struct ae_port_state {
    uint64_t link;     /* in one word, so that a reader never sees half of a change */
    uint32_t announce; /* how often the device asked us to announce ourselves (gratuitous ARP) */
    /* Counts how often the peer came (odd) and went (even), for ports whose peer may. */
    uint32_t generation __attribute__((aligned(64)));
    /* Rings that were laid out in another epoch than this begin anew at the next generation. */
    uint32_t epoch;
    struct ae_queue_state queues[AE_PORT_QUEUES];
};

#define AE_PORT_STATE_SIZE 4096
_Static_assert(sizeof(struct ae_port_state) <= AE_PORT_STATE_SIZE, "one page");

/*
 * How the owner reaches what it owns. Called in the order of the members; after a failure only
 * close is. A restart is stop, start.
 */
struct ae_port_transport {
    /* Takes it: owner->base names it. Sets what the driver finds out and the ops do not say: MAC,
     * MTU, features, number of queues. */
    int (*open)(struct ae_port_owner *owner, struct ae_error *err);
    /* Memory is there: makes it reachable, and sets handoff.memory_iova. */
    int (*map)(struct ae_port_owner *owner, struct ae_error *err);
    /* Rings and state are zeroed: lets it run. */
    int (*start)(struct ae_port_owner *owner, struct ae_error *err);
    /* The data half is in this process and has attached: lets frames flow. May be NULL. */
    int (*attached)(struct ae_port_owner *owner, struct ae_error *err);
    int (*stop)(struct ae_port_owner *owner, struct ae_error *err);
    /* Gives it back, whatever was reached. Memory is freed after this. */
    void (*close)(struct ae_port_owner *owner);
    int (*fd)(const struct ae_port_owner *owner); /* as ae_port_owner_fd; NULL: none */
    /* A step hears what made it readable, then tends, unless pages of the port's are lost. Tending
     * returns what ae_port_owner_step does. Each may be NULL. */
    void (*hear)(struct ae_port_owner *owner);
    uint64_t (*tend)(struct ae_port_owner *owner);
};

/* A driver of PCI functions: what differs between cards. pci.c keeps the order of
 * <aether/device.h>. */
struct ae_port_pci {
    const struct ae_pci_id *ids; /* ends with a zero vendor */
    unsigned vectors;            /* interrupts that the owner hears, at most AE_PORT_VECTORS */
    bool needs_msix;             /* MSI would not do for them */
    /* Nobody took it: what can be told from sysfs against driving it. -EOPNOTSUPP: it cannot be.
     * config is known. May be NULL. */
    int (*check)(const struct ae_pci *pci, const struct ae_pci_config *config,
                 struct ae_error *err);
    /* The function is reset, bus master off: map BARs, set owner->registers, learn the rest. */
    int (*probe)(struct ae_port_owner *owner, struct ae_error *err);
    /* Memory is mapped, rings zeroed, bus master off: programs everything but the enables. */
    int (*init)(struct ae_port_owner *owner, struct ae_error *err);
    /* Bus master is on. */
    int (*enable)(struct ae_port_owner *owner, struct ae_error *err);
    /* No more DMA; before bus master off. */
    void (*disable)(struct ae_port_owner *owner);
    void (*interrupt)(struct ae_port_owner *owner);
    uint64_t (*tend)(struct ae_port_owner *owner); /* as a transport's; may be NULL */
};

struct ae_port_ops {
    const char *name;
    enum ae_path path;
    const char *scheme;      /* "pair:"; NULL: found by PCI address */
    const char *description; /* of the scheme: "pair:NAME, ..." */
    const char *const *keys; /* what may stand behind the spec as ",key=value"; NULL: nothing */
    const struct ae_port_pci *pci;
    const struct ae_port_transport *transport;
    uint16_t ring_default;
    uint16_t ring_min;
    uint16_t ring_max;
    uint16_t queues_max;
    uint16_t mtu;
    uint32_t features;
    uint32_t (*ring_bytes)(uint16_t descriptors); /* of a ring, either direction; NULL: no rings */
    uint32_t owner_bytes; /* of memory that only the owner and its device reach */

    int (*statistics)(struct ae_port_owner *owner, struct ae_port_statistic *out, unsigned count);

    /* Data half: queue `index` of the port. */
    int (*attach)(struct ae_port *port, unsigned index, struct ae_queue **queue,
                  struct ae_error *err);
    void (*detach)(struct ae_queue *queue);
    /* The worker may not poll again for long: what it would do at its next poll for somebody who
     * waits. May be NULL. */
    void (*pause)(struct ae_queue *queue);
};

extern const struct ae_port_ops ae_port_pair;
extern const struct ae_port_ops ae_port_e1000e;
extern const struct ae_port_ops ae_port_virtio_pci;
extern const struct ae_port_ops ae_port_vhost_user;
extern const struct ae_port_ops ae_port_vhost_server;

extern const struct ae_port_transport ae_port_transport_pci;

#define AE_STATISTICS_MAX 64
#define AE_PORT_VECTORS   4

struct ae_port_owner {
    const struct ae_port_ops *ops;
    struct ae_port_handoff handoff;
    struct ae_port_options options; /* with defaults where nothing was asked for */
    struct ae_port_options asked;   /* as given */
    char base[AE_PORT_SPEC];        /* the spec without its scheme and its keys */
    char choices[AE_PORT_SPEC];     /* ",key=value,..." */
    struct ae_memory *memory;
    struct ae_port_state *state;
    struct ae_error trouble;        /* ae_port_owner_trouble */
    struct ae_memory *owner_memory; /* ops->owner_bytes that nobody is handed; zeroed at start */
    ae_iova_t owner_memory_iova;
    /* A worker, or a peer that has the memory, can take its pages away under us. */
    struct ae_fragile fragile_memory, fragile_state;
    volatile sig_atomic_t lost;
    void *driver; /* the driver's or transport's own; freed (free) with the owner */
    uint64_t statistics[AE_STATISTICS_MAX]; /* sums of clear-on-read registers */

    /* PCI's */
    struct ae_dma_space *space;
    struct ae_device *device;
    struct ae_bar registers;
    int interrupts[AE_PORT_VECTORS];
    int request_fd; /* the kernel asks for the function */
    int events;     /* an epoll of all of these */
};

struct ae_port {
    const struct ae_port_ops *ops;
    struct ae_port_handoff handoff;
    struct ae_port_owner *owner; /* NULL when attached */
    struct ae_memory *memory;
    struct ae_port_state *state;
    volatile uint8_t *registers;             /* NULL: none */
    struct ae_queue *queues[AE_PORT_QUEUES]; /* by number of the port's, NULL: another worker's */
};

/* Bytes from the start of memory. Queue `queues` is where the buffers begin. */
uint64_t ae_port_receive_ring_offset(const struct ae_port_ops *ops,
                                     const struct ae_port_handoff *handoff, unsigned queue);
uint64_t ae_port_send_ring_offset(const struct ae_port_ops *ops,
                                  const struct ae_port_handoff *handoff, unsigned queue);

/* The pool over queue `index`'s part of the buffers. */
int ae_port_make_pool(struct ae_port *port, unsigned index, struct ae_pool **pool,
                      struct ae_error *err);

/* Sets ops, base and choices from a spec; options are not looked at. */
int ae_port_parse_spec(struct ae_port_owner *owner, const char *spec, struct ae_error *err);

/* What was chosen for a key of ops->keys: "on" or "off" (also 1 and 0). The value is left alone
 * when nothing was. -EINVAL names the key and what it takes. */
int ae_port_choice_bool(const struct ae_port_owner *owner, const char *key, bool *value,
                        struct ae_error *err);

/* Likewise a number from least to most. */
int ae_port_choice_number(const struct ae_port_owner *owner, const char *key, unsigned long least,
                          unsigned long most, unsigned long *value, struct ae_error *err);

/* The drivers: all of them until NULL; the one with this name, for this device, whose scheme this
 * spec begins with; or NULL. */
const struct ae_port_ops *ae_port_driver(unsigned index);
const struct ae_port_ops *ae_port_driver_of_scheme(const char *spec);
const struct ae_port_ops *ae_port_driver_named(const char *name);
const struct ae_port_ops *ae_port_driver_for(uint16_t vendor, uint16_t device);

/* Names every device that has a driver, for an error's text. */
void ae_port_describe_drivers(char *text, size_t size);

/* Of every queue of the port. */
void ae_port_pause(struct ae_port *port);

void ae_port_set_link(struct ae_port_state *state, const struct ae_link *link);
void ae_port_read_link(const struct ae_port_state *state, struct ae_link *link);

#endif
