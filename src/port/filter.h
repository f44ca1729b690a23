/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_FILTER_H
#define AE_PORT_FILTER_H

/*
 * What a port receives (struct ae_port_filter). A filter is exact, whatever the device makes of it:
 * what a device lets in beyond it, the data half drops. filter.c is the owner's side, sieve.c the
 * worker's; between them is a copy in the port's state.
 */

#include <string.h>

#include <aether/port.h>

#define AE_FILTER_VLAN_WORDS 128 /* a bit for each of 4096 ids */

/* A MAC address as a number, its first byte lowest. So bit 0 is the group bit (IEEE 802, 8.2). */
typedef uint64_t ae_mac_t;

#define AE_MAC_BROADCAST UINT64_C(0xffffffffffff)

static inline ae_mac_t ae_mac_of(const uint8_t *bytes)
{
    uint64_t mac = 0;

    memcpy(&mac, bytes, 6);
    return mac;
}

static inline bool ae_mac_is_group(ae_mac_t mac)
{
    return mac & 1;
}

struct ae_filter {
    bool set; /* false: none was; the device then does as its driver says */
    bool promiscuous;
    bool all_multicast;
    uint16_t count;                          /* of addresses */
    ae_mac_t own;                            /* the port's address */
    ae_mac_t addresses[AE_FILTER_ADDRESSES]; /* in ascending order, each once, without own */
    uint32_t vlans[AE_FILTER_VLAN_WORDS];    /* with 0, which is no VLAN but a priority */
};

/*
 * In the port's state. version: 0: nothing is left to the workers; odd: it is being written; else
 * another number for every filter. Only the owner writes it, and never reads it.
 */
struct ae_shared_filter {
    uint32_t version;
    struct ae_filter filter;
};

static inline bool ae_filter_has_vlan(const struct ae_filter *filter, unsigned id)
{
    return filter->vlans[id / 32] >> id % 32 & 1;
}

struct ae_port_filter;

/*
 * From what a user gave; NULL: none is set, and frames of vlan are what is asked for all the same.
 * vlan: one more id, 0: none. -EINVAL: more addresses than there is room for, an address that is
 * none, a VLAN that does not exist.
 */
int ae_filter_make(struct ae_filter *filter, const struct ae_port_filter *given,
                   const uint8_t own[6], unsigned vlan, struct ae_error *err);

/* Does it let this frame in? Of at least 14 bytes; only a tag of type 0x8100 is one (802.1Q). */
bool ae_filter_lets_in(const struct ae_filter *filter, const uint8_t *frame, uint32_t length);

/* For the workers to see to; exact: the device lets nothing else in, and they need not. */
void ae_filter_publish(struct ae_shared_filter *shared, uint32_t *last_version,
                       const struct ae_filter *filter, bool exact);

/* Has a queue that was just attached look at the filter; ae_sieve_detach before it goes. -ENOMEM.
 */
int ae_sieve_attach(struct ae_queue *queue, const struct ae_shared_filter *shared);
void ae_sieve_detach(struct ae_queue *queue);

#endif
