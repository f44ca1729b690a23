/* SPDX-License-Identifier: Apache-2.0 */

/* ICMP echo: RFC 792, RFC 1122, 3.2.2.6. */

#include "base/checksum.h"
#include "net/net.h"

enum ae_net_verdict ae_icmp_input(struct ae_net *net, struct ae_packet *packet,
                                  const struct ipv4 *ip, uint8_t *at, uint16_t length,
                                  struct ae_datagram *datagram)
{
    struct icmp *icmp = (struct icmp *)at;

    (void)datagram;
    if (length < sizeof(*icmp)) {
        net->counts.icmp_malformed++;
        return AE_NET_DROP;
    }
    if (ae_net_sum(packet, icmp, length) != 0xffff) {
        net->counts.icmp_bad_checksum++;
        return AE_NET_DROP;
    }
    if (icmp->type != ICMP_ECHO || icmp->code != 0 || ip->destination != net->options.address.be) {
        net->counts.icmp_ignored++;
        return AE_NET_DROP;
    }
    icmp->type = ICMP_ECHO_REPLY;
    icmp->checksum = ae_sum_fold((uint64_t)icmp->checksum + be16(ICMP_ECHO << 8)); /* RFC 1141 */
    ae_ipv4_turn(net, packet);
    net->counts.icmp_echoes++;
    return AE_NET_REPLY;
}
