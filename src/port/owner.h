/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_OWNER_H
#define AE_PORT_OWNER_H

/*
 * What a driver is to the owner of a port. Adding one: its two halves, a line in the table of each
 * (drivers.c, queues.c), the build list, and a page in docs/.
 */

#include <aether/device.h>
#include <aether/owner.h>

#include "base/fragile.h"
#include "machine/pci_config.h"
#include "packet/domain.h"
#include "port/port.h"

struct ae_pci_id {
    uint16_t vendor;
    uint16_t device;
    const char *name;
};

/*
 * How the owner reaches what it owns. Called in the order of the members; after a failure only
 * close is. A restart is stop, start.
 */
struct ae_port_transport {
    /* Takes it: owner->base names it. Sets what the driver finds out and the ops do not say: MAC,
     * MTU, features, number of queues. */
    int (*open)(struct ae_port_owner *owner, struct ae_error *err);
    /* Memory and domain are there: makes them reachable, and sets memory_iova. */
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
    const struct ae_queue_ops *queue; /* the data half, and the driver's name */
    /* The best that it has: ae_port_settle_path, where it depends. */
    enum ae_path path;
    enum ae_caller caller;
    const char *scheme;      /* "pair:"; NULL: found by PCI address */
    const char *description; /* of the scheme: "pair:NAME, ..." */
    const char *const *keys; /* what may stand behind the spec as ",key=value", beside what may
                              * with all of them; NULL: nothing */
    const struct ae_port_pci *pci;
    const struct ae_port_transport *transport;
    uint16_t ring_default;
    uint16_t queues_max;
    uint16_t mtu;          /* unless the device says, or ",mtu=" does */
    uint16_t mtu_max;      /* that ",mtu=" may choose; 0: it is not among the keys */
    uint16_t segments_max; /* as in struct ae_port_capabilities */
    uint32_t features;
    /* No device reaches its memory: unless asked for, or shared, it has no huge pages. */
    bool ordinary_pages;
    uint32_t owner_bytes; /* of memory that only the owner and its device reach */

    int (*statistics)(struct ae_port_owner *owner, struct ae_port_statistic *out, unsigned count);
    /* Has the running device let in what owner->filter says, and sets owner->filter_exact: nothing
     * else. Called for a change; a driver that starts does it by itself. NULL: it lets all in. */
    int (*filter)(struct ae_port_owner *owner, struct ae_error *err);
    uint16_t filter_addresses; /* as in struct ae_port_capabilities */
    bool filter_vlans;
    /* As ae_port_owner_steer; queue is one of the port's. NULL: no_steering says why not. */
    int (*steer)(struct ae_port_owner *owner, const struct ae_port_flow *flow, unsigned queue,
                 struct ae_error *err);
    const char *no_steering;
    /* NULL: it has none. */
    int (*clock)(struct ae_port_owner *owner, struct ae_port_time *time, struct ae_error *err);
};

extern const struct ae_port_ops ae_port_pair;
extern const struct ae_port_ops ae_port_e1000e;
extern const struct ae_port_ops ae_port_virtio_pci;
extern const struct ae_port_ops ae_port_vhost_user;
extern const struct ae_port_ops ae_port_vhost_server;
extern const struct ae_port_ops ae_port_xdp;
extern const struct ae_port_ops ae_port_packet;
extern const struct ae_port_ops ae_port_pcap;

extern const struct ae_port_transport ae_port_transport_pci;

#define AE_STATISTICS_MAX 64
#define AE_PORT_VECTORS   4

struct ae_port_owner {
    const struct ae_port_ops *ops;
    struct ae_port_handoff handoff; /* but for its maps, which ae_port_owner_get_handoff lists */
    struct ae_port_options options; /* with defaults where nothing was asked for */
    struct ae_port_options asked;   /* as given */
    char base[AE_PORT_SPEC];        /* the spec without its scheme and its keys */
    char choices[AE_PORT_SPEC];     /* ",key=value,..." */
    struct ae_memory *memory;       /* its rings; NULL: it has none */
    ae_iova_t memory_iova;
    struct ae_domain *domain;
    struct ae_domain_claim claim; /* of the domain's packets, those that are this port's */
    uint32_t packets;             /* of them, for each queue */
    struct ae_port_state *state;
    struct ae_queue_state *queue_states; /* of each queue */
    int state_fd, queue_fds[AE_PORT_QUEUES];
    /* Of each queue the rings that are not in `memory`: a socket's, or a file's. -1: none. */
    int rings_fds[AE_PORT_QUEUES];
    uint64_t rings_length;        /* bytes of each */
    int controls[AE_PORT_QUEUES]; /* workers' sockets: to the driver, or to the kernel; -1: none */
    struct ae_error trouble;      /* ae_port_owner_trouble */
    struct ae_memory *owner_memory; /* ops->owner_bytes that nobody is handed; zeroed at start */
    ae_iova_t owner_memory_iova;
    /* A worker, or a peer that has the memory, can take its pages away under us. */
    struct ae_fragile fragile_memory, fragile_queues;
    volatile sig_atomic_t lost;
    struct ae_port_capabilities able; /* what is possible: the driver's, then the device's */
    struct ae_filter filter;          /* what it is to receive */
    bool filter_exact;                /* the device sees to all of it */
    uint32_t filter_version;          /* the last one that was published */
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

/* ae_port_owner_get_handoff, of queues that there are. */
void ae_port_owner_make_handoff(const struct ae_port_owner *owner, unsigned first, unsigned count,
                                struct ae_port_handoff *handoff);

/* Makes the port's state and its queues', zeroed; drops what there is of them. */
int ae_port_state_make(struct ae_port_owner *owner, struct ae_error *err);
void ae_port_state_drop(struct ae_port_owner *owner);

/* Sets ops, base and choices from a spec; options are not looked at. */
int ae_port_parse_spec(struct ae_port_owner *owner, const char *spec, struct ae_error *err);

/* Then: options and MTU are what is possible, with defaults where nothing was asked for. */
int ae_port_check_options(struct ae_port_owner *owner, struct ae_error *err);

/* By a transport's open that finds out which path there is, and who calls. reason: why it is not a
 * better one. -EOPNOTSUPP: that path is not allowed. */
int ae_port_settle_path(struct ae_port_owner *owner, enum ae_path path, enum ae_caller caller,
                        const char *reason, struct ae_error *err);

/* What it takes, of the options and ring sizes that it has by now: packets of its domain for each
 * queue, bytes of memory for the rings of all. */
uint32_t ae_port_owner_packets(const struct ae_port_owner *owner);
uint64_t ae_port_owner_rings(const struct ae_port_owner *owner);

/* Was anything chosen for a key? */
bool ae_port_choice_is_made(const struct ae_port_owner *owner, const char *key);

/* What was chosen for a key of ops->keys: "on" or "off" (also 1 and 0). The value is left alone
 * when nothing was. -EINVAL names the key and what it takes. */
int ae_port_choice_bool(const struct ae_port_owner *owner, const char *key, bool *value,
                        struct ae_error *err);

/* Likewise the number of one of these words, of which the last is NULL. */
int ae_port_choice_word(const struct ae_port_owner *owner, const char *key,
                        const char *const *words, unsigned *value, struct ae_error *err);

/* As it stands there; "": nothing was chosen. */
void ae_port_choice_text(const struct ae_port_owner *owner, const char *key,
                         char text[AE_PORT_SPEC]);

/* Likewise a number from least to most. */
int ae_port_choice_number(const struct ae_port_owner *owner, const char *key, unsigned long least,
                          unsigned long most, unsigned long *value, struct ae_error *err);

/* The drivers: all of them until NULL; for this device; the one whose scheme this spec begins with;
 * or NULL. */
const struct ae_port_ops *ae_port_driver(unsigned index);
const struct ae_port_ops *ae_port_driver_of_scheme(const char *spec);
const struct ae_port_ops *ae_port_driver_for(uint16_t vendor, uint16_t device);

/* Names every device that has a driver, for an error's text. */
void ae_port_describe_drivers(char *text, size_t size);

#endif
