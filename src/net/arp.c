/* SPDX-License-Identifier: Apache-2.0 */

/* ARP: RFC 826; its cautions from RFC 1122, 2.3.2 and RFC 5227. */

#include <errno.h>
#include <string.h>

#include "net/net.h"

#define SECOND    UINT64_C(1000000000)
#define ASK_EVERY SECOND /* RFC 1122, 2.3.2.1: at most one request a second */
#define TRIES     3
#define REST      (20 * SECOND)
#define KNOWN_FOR (60 * SECOND) /* then it is asked for anew, and used meanwhile */

static const uint8_t everybody[ETHERNET_ADDRESS] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct ae_arp_entry *find(struct ae_net *net, ae_ipv4_t address)
{
    for (unsigned i = 0; i < AE_ARP_ENTRIES; i++)
        if (net->arp[i].state != AE_ARP_FREE && net->arp[i].address.be == address.be)
            return &net->arp[i];
    return NULL;
}

/* A free entry, or the one that was heard of longest ago. */
static struct ae_arp_entry *make_room(struct ae_net *net)
{
    struct ae_arp_entry *oldest = &net->arp[0];

    for (unsigned i = 0; i < AE_ARP_ENTRIES; i++) {
        if (net->arp[i].state == AE_ARP_FREE)
            return &net->arp[i];
        if (net->arp[i].since < oldest->since)
            oldest = &net->arp[i];
    }
    return oldest;
}

static void learn(struct ae_net *net, struct ae_arp_entry *entry, const uint8_t *mac, uint64_t now)
{
    memcpy(entry->mac, mac, ETHERNET_ADDRESS);
    entry->state = AE_ARP_KNOWN;
    entry->since = now;
    net->counts.arp_learnt++;
}

/* None is so long that it would be in several packets. */
static bool well_formed(const struct ae_packet *packet, const struct arp *arp)
{
    return !packet->more && packet->length >= sizeof(struct ethernet) + sizeof(*arp) &&
           arp->hrd == be16(ARP_HRD_ETHERNET) && arp->pro == be16(TYPE_IPV4) &&
           arp->hln == ETHERNET_ADDRESS && arp->pln == 4 &&
           (arp->op == be16(ARP_OP_REQUEST) || arp->op == be16(ARP_OP_REPLY));
}

/*
 * The frame's own source may be another: a virtual router (VRRP, RFC 5798, 8.1.2; HSRP) and a
 * cluster send from a card's address what says that a virtual one is theirs. RFC 826 goes by the
 * body alone.
 */
static bool possible_sender(const struct ae_net *net, const struct arp *arp)
{
    uint8_t first = (uint8_t)arp->spa;

    return !(arp->sha[0] & 1) && !ae_mac_is_zero(arp->sha) &&
           memcmp(arp->sha, net->options.mac, ETHERNET_ADDRESS) != 0 && first != 127 &&
           first < 224 && !ae_ipv4_is_subnet_broadcast(net, arp->spa);
}

static enum ae_net_verdict answer(struct ae_net *net, struct ethernet *ethernet, struct arp *arp)
{
    memcpy(ethernet->destination, arp->sha, ETHERNET_ADDRESS);
    memcpy(ethernet->source, net->options.mac, ETHERNET_ADDRESS);
    arp->op = be16(ARP_OP_REPLY);
    memcpy(arp->tha, arp->sha, ETHERNET_ADDRESS);
    arp->tpa = arp->spa;
    memcpy(arp->sha, net->options.mac, ETHERNET_ADDRESS);
    arp->spa = net->options.address.be;
    net->counts.arp_replies_sent++;
    return AE_NET_REPLY;
}

enum ae_net_verdict ae_arp_input(struct ae_net *net, struct ae_packet *packet, uint64_t now,
                                 struct ae_datagram *datagram)
{
    struct ethernet *ethernet = ethernet_of(packet);
    struct arp *arp = (struct arp *)(packet->data + sizeof(*ethernet));
    struct ae_arp_entry *entry;

    (void)datagram;
    if (!well_formed(packet, arp)) {
        net->counts.arp_malformed++;
        return AE_NET_DROP;
    }
    if (!possible_sender(net, arp)) {
        net->counts.arp_bad_sender++;
        return AE_NET_DROP;
    }
    if (arp->spa == net->options.address.be) {
        net->counts.arp_conflict++;
        return AE_NET_DROP;
    }
    /* Only what we asked for or know already is learnt: nobody fills the table from outside. */
    entry = arp->spa ? find(net, (ae_ipv4_t){arp->spa}) : NULL;
    if (entry)
        learn(net, entry, arp->sha, now);
    if (arp->tpa != net->options.address.be) {
        net->counts.arp_not_for_us++;
        return AE_NET_DROP;
    }
    if (arp->op != be16(ARP_OP_REQUEST))
        return AE_NET_DROP;
    packet->length = sizeof(*ethernet) + sizeof(*arp);
    packet->flags = 0;
    return answer(net, ethernet, arp);
}

int ae_arp_next_hop(const struct ae_net *net, ae_ipv4_t to, ae_ipv4_t *hop)
{
    bool near = ((to.be ^ net->options.address.be) & net->mask) == 0;

    *hop = near ? to : net->options.gateway;
    return hop->be ? 0 : -ENETUNREACH;
}

static bool is_known(const struct ae_arp_entry *entry)
{
    return entry->state == AE_ARP_KNOWN || entry->state == AE_ARP_REFRESHING;
}

const uint8_t *ae_arp_find(struct ae_net *net, ae_ipv4_t to)
{
    struct ae_arp_entry *entry;
    ae_ipv4_t hop;

    if (ae_arp_next_hop(net, to, &hop))
        return NULL;
    entry = find(net, hop);
    return entry && is_known(entry) ? entry->mac : NULL;
}

static void make_request(struct ae_net *net, struct ae_packet *packet, ae_ipv4_t hop,
                         const uint8_t *to)
{
    struct ethernet *ethernet = ethernet_of(packet);
    struct arp *arp = (struct arp *)(packet->data + sizeof(*ethernet));

    memcpy(ethernet->destination, to, ETHERNET_ADDRESS);
    memcpy(ethernet->source, net->options.mac, ETHERNET_ADDRESS);
    ethernet->type = be16(TYPE_ARP);
    *arp = (struct arp){
        .hrd = be16(ARP_HRD_ETHERNET),
        .pro = be16(TYPE_IPV4),
        .hln = ETHERNET_ADDRESS,
        .pln = 4,
        .op = be16(ARP_OP_REQUEST),
        .spa = net->options.address.be,
        .tpa = hop.be,
    };
    memcpy(arp->sha, net->options.mac, ETHERNET_ADDRESS);
    packet->length = sizeof(*ethernet) + sizeof(*arp);
    packet->flags = 0;
    net->counts.arp_requests_sent++;
}

/* What an entry that is not known yet allows now: 0 ask, or a negative errno. */
static int may_ask(struct ae_arp_entry *entry, uint64_t now)
{
    if (entry->state == AE_ARP_FAILED) {
        if (now - entry->since < REST)
            return -EHOSTUNREACH;
        entry->tries = 0;
        return 0;
    }
    if (entry->tries && now - entry->since < ASK_EVERY)
        return -EAGAIN;
    if (entry->tries < TRIES)
        return 0;
    entry->state = AE_ARP_FAILED;
    entry->since = now;
    return -EHOSTUNREACH;
}

/*
 * Asks anew for what is known: whom it was first, so that nobody else is woken (RFC 1122, 2.3.2.1,
 * (2)), then everybody, for it may be another by now. 0: it may be used meanwhile.
 */
static int refresh(struct ae_net *net, struct ae_arp_entry *entry, struct ae_packet *request,
                   uint64_t now)
{
    bool first = entry->state == AE_ARP_KNOWN;

    if (now - entry->since < (first ? KNOWN_FOR : ASK_EVERY))
        return 0;
    if (first) {
        entry->until = now + REST;
    } else if (now >= entry->until) {
        entry->state = AE_ARP_FAILED;
        entry->since = now;
        return -EHOSTUNREACH;
    }
    make_request(net, request, entry->address, first ? entry->mac : everybody);
    entry->state = AE_ARP_REFRESHING;
    entry->since = now;
    return 0;
}

int ae_net_resolve(struct ae_net *net, ae_ipv4_t to, struct ae_packet *request, uint64_t now)
{
    struct ae_arp_entry *entry;
    ae_ipv4_t hop;
    int rc = ae_arp_next_hop(net, to, &hop);

    request->length = 0;
    if (rc)
        return rc;
    entry = find(net, hop);
    if (!entry) {
        entry = make_room(net);
        *entry = (struct ae_arp_entry){.address = hop};
    }
    if (is_known(entry))
        return refresh(net, entry, request, now);
    rc = may_ask(entry, now);
    if (rc)
        return rc;
    entry->state = AE_ARP_ASKING;
    entry->since = now;
    entry->tries++;
    make_request(net, request, hop, everybody);
    return -EAGAIN;
}
