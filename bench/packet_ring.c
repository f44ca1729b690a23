/* SPDX-License-Identifier: Apache-2.0 */
#include "packet_ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES ((size_t)PACKET_RING_SLOTS * PACKET_RING_FRAME)
#define BURST 64

static int set_up(struct packet_ring *ring, unsigned interface, const char **what)
{
    struct tpacket_req request = {.tp_block_size = PACKET_RING_FRAME * 32,
                                  .tp_block_nr = PACKET_RING_SLOTS / 32,
                                  .tp_frame_size = PACKET_RING_FRAME,
                                  .tp_frame_nr = PACKET_RING_SLOTS};
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = (int)interface};
    int version = TPACKET_V2, yes = 1;
    void *slots;

    *what = "PACKET_RX_RING";
    if (setsockopt(ring->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
        setsockopt(ring->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)))
        return -errno;
    *what = "PACKET_QDISC_BYPASS, PACKET_IGNORE_OUTGOING";
    if (setsockopt(ring->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)) ||
        setsockopt(ring->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)))
        return -errno;
    *what = "mmap";
    slots = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, 0);
    if (slots == MAP_FAILED)
        return -errno;
    ring->slots = slots;
    *what = "bind";
    return bind(ring->fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
}

int packet_ring_open(struct packet_ring *ring, const char *interface, struct ae_error *err)
{
    unsigned index = if_nametoindex(interface);
    const char *what = "socket";
    int rc;

    *ring = (struct packet_ring){.fd = -1};
    if (!index) {
        snprintf(err->text, sizeof(err->text), "there is no interface %s", interface);
        return -ENODEV;
    }
    ring->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    rc = ring->fd < 0 ? -errno : set_up(ring, index, &what);
    if (rc) {
        snprintf(err->text, sizeof(err->text), "AF_PACKET on %s: %s: %s%s", interface, what,
                 strerror(-rc), rc == -EPERM ? "; it takes CAP_NET_RAW" : "");
        packet_ring_close(ring);
    }
    return rc;
}

void packet_ring_close(struct packet_ring *ring)
{
    if (ring->slots)
        munmap(ring->slots, BYTES);
    if (ring->fd >= 0)
        close(ring->fd);
    *ring = (struct packet_ring){.fd = -1};
}

static struct tpacket2_hdr *slot(const struct packet_ring *ring)
{
    return (struct tpacket2_hdr *)(void *)(ring->slots + (size_t)ring->next * PACKET_RING_FRAME);
}

uint8_t *packet_ring_next(const struct packet_ring *ring, uint32_t *length)
{
    struct tpacket2_hdr *header = slot(ring);

    /* Pairs with the kernel's barrier before it hands the slot over. */
    if (!(__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
        return NULL;
    *length = header->tp_snaplen;
    return (uint8_t *)header + header->tp_mac;
}

void packet_ring_done(struct packet_ring *ring)
{
    __atomic_store_n(&slot(ring)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    ring->next = (ring->next + 1) % PACKET_RING_SLOTS;
}

uint16_t packet_ring_send(const struct packet_ring *ring, uint8_t *const *frames,
                          const uint16_t *lengths, uint16_t count)
{
    struct mmsghdr messages[BURST];
    struct iovec parts[BURST];
    int sent;

    count = count < BURST ? count : BURST;
    for (uint16_t i = 0; i < count; i++) {
        parts[i] = (struct iovec){frames[i], lengths[i]};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
    }
    sent = count ? sendmmsg(ring->fd, messages, count, MSG_DONTWAIT) : 0;
    return sent > 0 ? (uint16_t)sent : 0;
}
