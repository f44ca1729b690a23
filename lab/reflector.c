/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The far end of the wire, outside the emulated server: a host with one IPv4 address that answers
 * ARP and ICMP echo and sends every UDP datagram straight back. Frames of the local experimental
 * EtherType 0x88B5 (IEEE 802, 9.2.3) come back whole, only their MAC addresses swapped.
 *
 *     reflector FAR-SOCKET NEAR-SOCKET ADDRESS
 *
 * Each frame is one datagram of a Unix socket, as QEMU's "-netdev dgram" sends it. Sending waits
 * when the other side is busy, so nothing is lost.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ETHERTYPE_EXPERIMENT 0x88B5
#define FRAME_MAX            65536

static const uint8_t own_mac[ETH_ALEN] = {0x52, 0x54, 0x00, 0x77, 0xff, 0x01};
static in_addr_t own_address;

static bool for_us(const uint8_t *mac)
{
    return memcmp(mac, own_mac, ETH_ALEN) == 0;
}

static void swap(uint8_t *a, uint8_t *b, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        uint8_t byte = a[i];

        a[i] = b[i];
        b[i] = byte;
    }
}

static void turn_ethernet(uint8_t *frame)
{
    struct ether_header *ethernet = (struct ether_header *)frame;

    memcpy(ethernet->ether_dhost, ethernet->ether_shost, ETH_ALEN);
    memcpy(ethernet->ether_shost, own_mac, ETH_ALEN);
}

static bool turn_arp(uint8_t *frame, size_t length)
{
    struct ether_arp *arp = (struct ether_arp *)(frame + ETH_HLEN);

    if (length < ETH_HLEN + sizeof(*arp) || arp->arp_hrd != htons(ARPHRD_ETHER) ||
        arp->arp_pro != htons(ETHERTYPE_IP) || arp->arp_hln != ETH_ALEN || arp->arp_pln != 4 ||
        arp->arp_op != htons(ARPOP_REQUEST) || memcmp(arp->arp_tpa, &own_address, 4) != 0)
        return false;
    arp->arp_op = htons(ARPOP_REPLY);
    memcpy(arp->arp_tha, arp->arp_sha, ETH_ALEN);
    memcpy(arp->arp_tpa, arp->arp_spa, 4);
    memcpy(arp->arp_sha, own_mac, ETH_ALEN);
    memcpy(arp->arp_spa, &own_address, 4);
    turn_ethernet(frame);
    return true;
}

/* Swapping addresses and ports leaves every checksum as it was; only ICMP's type changes one. */
static bool turn_ipv4(uint8_t *frame, size_t length)
{
    struct iphdr *ip = (struct iphdr *)(frame + ETH_HLEN);
    size_t header;
    uint8_t *payload;

    if (length < ETH_HLEN + sizeof(*ip) || ip->version != 4 || ip->daddr != own_address)
        return false;
    header = (size_t)ip->ihl * 4;
    if (header < sizeof(*ip) || length < ETH_HLEN + header + 8)
        return false;
    payload = frame + ETH_HLEN + header;
    if (ip->protocol == IPPROTO_UDP) {
        swap(payload, payload + 2, 2);
    } else if (ip->protocol == IPPROTO_ICMP && payload[0] == ICMP_ECHO) {
        struct icmphdr *icmp = (struct icmphdr *)payload;
        uint32_t sum = (uint32_t)ntohs(icmp->checksum) + (ICMP_ECHO << 8);

        icmp->type = ICMP_ECHOREPLY;
        icmp->checksum = htons((uint16_t)(sum + (sum >> 16)));
    } else {
        return false;
    }
    swap((uint8_t *)&ip->saddr, (uint8_t *)&ip->daddr, 4);
    turn_ethernet(frame);
    return true;
}

/* Turns a frame into its answer; false when there is none. */
static bool turn(uint8_t *frame, size_t length)
{
    const struct ether_header *ethernet = (const struct ether_header *)frame;

    if (length < ETH_HLEN)
        return false;
    switch (ntohs(ethernet->ether_type)) {
    case ETHERTYPE_ARP:
        return turn_arp(frame, length);
    case ETHERTYPE_IP:
        return for_us(ethernet->ether_dhost) && turn_ipv4(frame, length);
    case ETHERTYPE_EXPERIMENT:
        if (!for_us(ethernet->ether_dhost))
            return false;
        turn_ethernet(frame);
        return true;
    default:
        return false;
    }
}

static int set_path(struct sockaddr_un *address, const char *path)
{
    if (strlen(path) >= sizeof(address->sun_path)) {
        fprintf(stderr, "reflector: %s: too long for a socket's path\n", path);
        return -1;
    }
    address->sun_family = AF_UNIX;
    strcpy(address->sun_path, path);
    return 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_un far = {0}, near = {0};
    static uint8_t frame[FRAME_MAX] __attribute__((aligned(8)));
    /* Headers behind the 14 bytes of Ethernet are then aligned. */
    uint8_t *start = frame + 2;
    int wire;

    if (argc != 4 || inet_pton(AF_INET, argv[3], &own_address) != 1) {
        fprintf(stderr, "Usage: reflector FAR-SOCKET NEAR-SOCKET IPV4-ADDRESS\n");
        return 2;
    }
    if (set_path(&far, argv[1]) || set_path(&near, argv[2]))
        return 1;
    wire = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (wire < 0 || bind(wire, (struct sockaddr *)&far, sizeof(far))) {
        perror("reflector: socket");
        return 1;
    }
    for (;;) {
        ssize_t length = recv(wire, start, FRAME_MAX - 2, 0);

        if (length < 0 && errno != EINTR) {
            perror("reflector: receive");
            return 1;
        }
        if (length <= 0 || !turn(start, (size_t)length))
            continue;
        while (sendto(wire, start, (size_t)length, 0, (struct sockaddr *)&near, sizeof(near)) < 0) {
            if (errno == EINTR || errno == ENOBUFS)
                continue;
            /* The emulated server is gone; so is our purpose, but lab/run ends us. */
            if (errno != ECONNREFUSED && errno != ENOENT)
                perror("reflector: send");
            break;
        }
    }
}
