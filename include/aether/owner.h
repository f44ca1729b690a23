/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_OWNER_H
#define AETHER_OWNER_H

/*
 * Owners of ports, each the half that holds the device (<aether/port.h>), and both halves in one
 * process. Of libaether-host.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aether/dma.h>
#include <aether/domain.h>
#include <aether/error.h>
#include <aether/port.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a port receives, beside frames for its own address and for everybody (broadcasts). A frame
 * with an 802.1Q tag (type 0x8100) also has to be of a VLAN that is named, or of none (id 0). A
 * filter is exact on every port: what the device lets in beyond it is dropped before ae_receive
 * returns, and counted (receive_filtered); docs/filter.md says which device does how much.
 *
 * While none is set, a device that filters lets in what is for its own address and for everybody;
 * the others let everything in.
 */
struct ae_port_filter {
    const uint8_t (*addresses)[6]; /* other unicast ones, and groups (ae_ipv4_group_mac) */
    uint16_t address_count;        /* at most AE_FILTER_ADDRESSES */
    uint16_t vlan_count;
    const uint16_t *vlans; /* ids, 1 to 4094 */
    bool all_multicast;    /* frames for any group */
    bool promiscuous;      /* all frames, whatever their addresses and VLANs */
};

#define AE_PORT_PACKETS 1024 /* of struct ae_port_options, unless it says */

struct ae_port_options {
    uint16_t queues;       /* receive/transmit pairs, 1 to AE_PORT_QUEUES; 0: 1 */
    uint16_t receive_ring; /* descriptors, a power of two; 0: the driver's default */
    uint16_t send_ring;    /* descriptors, a power of two; 0: the driver's default */
    uint32_t packets;      /* buffers per queue beyond what the rings hold; 0: AE_PORT_PACKETS.
                            * A worker's are at most 2^20 in a domain, with those of the rings */
    /* A slower path than this is an error: each but AE_PATH_DEVICE, which is the default, has to
     * be allowed by name. */
    enum ae_path slowest;
    size_t page_size; /* of its memory, bytes, as ae_memory_create takes it; 0: huge pages */
    /* Where its packets are (<aether/domain.h>), which must have enough of them left; NULL: in one
     * of its own. Whose packets are handed to workers serves no port of ae_port_open. */
    struct ae_domain *domain;
    bool allow_no_iommu;                 /* see struct ae_dma_options */
    enum ae_iommu iommu;                 /* the same */
    const struct ae_port_filter *filter; /* what it receives, see there; NULL: none is set */
    bool measure;                        /* workers' queues are measured: ae_port_measure */
    bool on_node; /* memory on `node` where the device itself is on none; else anywhere */
    int node;
};

/* One of the device's own statistics registers, accumulated over its clear-on-read. */
struct ae_port_statistic {
    const char *name; /* as in the device's datasheet */
    const char *description;
    uint64_t value;
};

struct ae_port_owner;

/* ---- One process, both halves ---- */

/*
 * spec: a PCI address ("0000:01:00.0") or a scheme and what it needs
 * ("vhost-user:/run/switch.sock"); behind either, what the driver lets one choose: ",packed=off".
 * ",domain=NAME" is for those who open several ports at once, and give those of one name one
 * domain. ae_port_describe lists all of it. options may be NULL. A slower path than
 * options->slowest is -EOPNOTSUPP, and the error says why it would be; an unknown device is -ENODEV
 * and names the devices that have a driver.
 */
int ae_port_open(struct ae_port **port, const char *spec, const struct ae_port_options *options,
                 struct ae_error *err);

/* The PCI address that a spec begins with, in its long form (AE_PCI_ADDRESS_TEXT bytes); -EINVAL:
 * it names no PCI function. */
int ae_port_pci_address(const char *spec, char *address);

/* What a spec may be, for a person: each scheme and PCI device, separated by "; ", in buffer. */
void ae_port_describe(char *buffer, size_t size);

/*
 * What memory a port will need, by kind: at most, for a device may turn out to have fewer queues
 * than are asked for.
 */
struct ae_port_plan {
    uint64_t rings, buffers; /* bytes; the device or the peer reaches them */
    uint32_t packets;        /* as many buffers; of a domain, where it has one */
    size_t page_size;        /* of these two, bytes */
    uint64_t pages;          /* so many of them */
    uint64_t owner;          /* bytes that device and owner reach, on ordinary pages */
    uint64_t state;          /* bytes that no device reaches, on ordinary pages */
    int node;                /* where the pages are preferred, -1: anywhere */
    uint64_t free;           /* of them there are now; on that node, if there is one */
};

/*
 * Opens nothing, and takes nothing from the kernel: a card may still be the kernel's. spec and
 * options as of ae_port_open, with its errors, as far as they can be told without the device.
 */
int ae_port_plan(struct ae_port_plan *plan, const char *spec, const struct ae_port_options *options,
                 struct ae_error *err);

/* Whether there is memory for all of them now. -ENOMEM: how many huge pages are missing and how to
 * get them. */
int ae_port_plans_fit(const struct ae_port_plan *plans, unsigned count, struct ae_error *err);

/* The owner of a port that ae_port_open opened; NULL for an attached one. */
struct ae_port_owner *ae_port_get_owner(struct ae_port *port);

/* ---- The owner ---- */

/* The memory node that the port's memory should be on, -1: any; and how much of it is on others,
 * bytes. */
int ae_port_owner_node(const struct ae_port_owner *owner, size_t *elsewhere);

int ae_port_owner_open(struct ae_port_owner **owner, const char *spec,
                       const struct ae_port_options *options, struct ae_error *err);

/* Stops the device in the order of <aether/device.h> and frees all. NULL is allowed. */
void ae_port_owner_close(struct ae_port_owner *owner);

/* For a worker that has the queues first to first + count - 1 of the port's, and nothing of others
 * but what is the port's as a whole. The descriptors stay the owner's. -EINVAL: there are none;
 * -EBUSY: ae_port_open has its domain's packets. */
int ae_port_owner_get_handoff(const struct ae_port_owner *owner, unsigned first, unsigned count,
                              struct ae_port_handoff *handoff);
void ae_port_owner_get_link(const struct ae_port_owner *owner, struct ae_link *link);

/* Copies the counters that queue `index` keeps (in another process, perhaps). */
int ae_port_owner_get_counters(const struct ae_port_owner *owner, unsigned index,
                               struct ae_queue_counters *counters);

/* Reads the device's statistics registers. Returns how many it has; fills at most `count`. */
int ae_port_owner_get_statistics(struct ae_port_owner *owner, struct ae_port_statistic *statistics,
                                 unsigned count);

/*
 * Readable (poll(2), POLLIN) when the device, the kernel or the peer has something to say, which
 * ae_port_owner_step hears. The owner's, and the same as long as it is open; -1: nobody has.
 */
int ae_port_owner_fd(const struct ae_port_owner *owner);

/*
 * Does what is due, and does not wait: interrupts and the link, a peer's messages, notifications
 * that a worker wants relayed, a peer that is to be connected to again. Returns after how many
 * nanoseconds to call again at the latest, though the descriptor is not readable; 0: for no time.
 */
uint64_t ae_port_owner_step(struct ae_port_owner *owner);

/* What keeps the other end away, for a person, where it can be away (vhost-user); "" when it
 * is there. Valid until the next call on this owner. */
const char *ae_port_owner_trouble(const struct ae_port_owner *owner);

/*
 * What the port receives from now on; filter NULL: none is set. What it points to is not needed
 * afterwards. It holds across ae_port_owner_restart, and for a peer that returns. Only a host
 * process sets it: a device may have to be waited for, a second for each command of virtio's.
 * -EINVAL: an address or VLAN that is none, or too many. Else the device's error, and what it lets
 * in may be anything until this succeeds, or the port is started again with the filter before it.
 */
int ae_port_owner_filter(struct ae_port_owner *owner, const struct ae_port_filter *filter,
                         struct ae_error *err);

/*
 * What a port can do; how many queues it was opened with is in struct ae_port_info. All queues of a
 * port are alike, with every driver of today. What a peer has is known when it is there.
 */
struct ae_port_capabilities {
    enum ae_path path;
    enum ae_caller caller;
    uint32_t features;     /* enum ae_port_feature: those it was opened with */
    uint32_t possible;     /* enum ae_port_feature: those it could be opened with */
    uint32_t frame_max;    /* bytes, with a VLAN tag, without the FCS; by the MTU it has */
    uint16_t mtu_max;      /* bytes; what ",mtu=" may choose, or the device did */
    uint16_t segments_max; /* packets of a frame that it sends, at most; 1: one */
    uint16_t queues;       /* receive/transmit pairs that driver and device, or peer, have */
    uint16_t ring_min;     /* descriptors of a ring, a power of two; a device may have fewer */
    uint16_t ring_max;
    /* What the device itself does of a filter, exactly; the worker does the rest. */
    uint16_t filter_addresses; /* beside its own */
    bool filter_vlans;
    bool steering; /* ae_port_owner_steer */
    bool clock;    /* ae_port_owner_clock */
};

void ae_port_owner_get_capabilities(const struct ae_port_owner *owner,
                                    struct ae_port_capabilities *capabilities);

/* The device's clock beside ours: it was read between two readings of ae_clock_ticks. */
struct ae_port_time {
    uint64_t device_ns; /* since the port was started */
    uint64_t before, after;
};

/* Reads it: a few accesses of registers, of microseconds each. -EOPNOTSUPP: the port has none;
 * -EIO: it stands still, or says what cannot be. */
int ae_port_owner_clock(struct ae_port_owner *owner, struct ae_port_time *time,
                        struct ae_error *err);

/* Frames of IPv4 between two addresses and, of UDP and TCP, ports. */
struct ae_port_flow {
    uint8_t source[4], destination[4];
    uint16_t source_port, destination_port; /* host byte order */
    uint8_t protocol;                       /* 6: TCP, 17: UDP; of others ports mean nothing */
};

/*
 * Has what is received of a flow come to this queue of the port's; it holds across a restart. A
 * device that goes by a hash moves with it the flows of the same hash: virtio one of 128. Host
 * processes only, as ae_port_owner_filter. -EOPNOTSUPP: it cannot, and the error says why.
 */
int ae_port_owner_steer(struct ae_port_owner *owner, const struct ae_port_flow *flow,
                        unsigned queue, struct ae_error *err);

/* Makes the device as it was right after ae_port_owner_open: for a new worker after one died. */
int ae_port_owner_restart(struct ae_port_owner *owner, struct ae_error *err);

#ifdef __cplusplus
}
#endif

#endif
