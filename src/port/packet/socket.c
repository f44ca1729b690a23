/* SPDX-License-Identifier: Apache-2.0 */
#include "port/packet/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"

#define RETIRE_MS 1 /* after which a block is the worker's that is not full: the least there is */

static int set(int fd, int option, const void *value, size_t size, const char *what,
               struct ae_error *err)
{
    if (setsockopt(fd, SOL_PACKET, option, value, (socklen_t)size))
        return ae_error_set(err, -errno, "its packet socket: %s: %s", what, strerror(errno));
    return 0;
}

static int set_number(int fd, int option, int value, const char *what, struct ae_error *err)
{
    return set(fd, option, &value, sizeof(value), what, err);
}

/* Slots to send from lie in blocks as well, none across two. */
static int make_rings(int fd, const struct packet_rings *rings, struct ae_error *err)
{
    struct tpacket_req3 receive = {
        .tp_block_size = rings->block_size,
        .tp_block_nr = rings->block_count,
        .tp_frame_size = rings->slot_size,
        .tp_frame_nr = rings->block_size / rings->slot_size * rings->block_count,
        .tp_retire_blk_tov = RETIRE_MS,
    };
    struct tpacket_req3 send = {
        .tp_block_size = rings->block_size,
        .tp_block_nr =
            (unsigned)((uint64_t)rings->slot_count * rings->slot_size / rings->block_size),
        .tp_frame_size = rings->slot_size,
        .tp_frame_nr = rings->slot_count,
    };
    int rc = set(fd, PACKET_RX_RING, &receive, sizeof(receive), "PACKET_RX_RING", err);

    return rc ? rc : set(fd, PACKET_TX_RING, &send, sizeof(send), "PACKET_TX_RING", err);
}

/* Its own frames, and those of others that go out, are none that are received. One that cannot be
 * sent is left out, and does not keep those behind it. */
static int prepare(int fd, const struct packet_rings *rings, struct ae_error *err)
{
    int rc = set_number(fd, PACKET_VERSION, TPACKET_V3, "TPACKET_V3", err);

    if (!rc)
        rc = set_number(fd, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR", err);
    if (!rc)
        rc = set_number(fd, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING (Linux 4.20)", err);
    if (!rc)
        rc = set_number(fd, PACKET_LOSS, 1, "PACKET_LOSS", err);
    return rc ? rc : make_rings(fd, rings, err);
}

static int join_group(int fd, int *group, struct ae_error *err)
{
    bool new = *group == PACKET_GROUP_NEW;
    int mode = PACKET_FANOUT_HASH | (new ? PACKET_FANOUT_FLAG_UNIQUEID : 0);
    int id = new ? 0 : *group, rc;
    socklen_t size = sizeof(id);

    rc = set_number(fd, PACKET_FANOUT, id | mode << 16, "PACKET_FANOUT", err);
    if (rc || !new)
        return rc;
    if (getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &id, &size))
        return ae_error_set(err, -errno, "its fanout group: %s", strerror(errno));
    *group = id & 0xffff;
    return 0;
}

static int open_socket(int *fd, struct ae_error *err)
{
    *fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd >= 0)
        return 0;
    return ae_error_set(err, -errno, "opening a packet socket: %s%s", strerror(errno),
                        errno == EPERM ? " (CAP_NET_RAW is needed)" : "");
}

int ae_packet_socket_open(int *fd, int interface, const struct packet_rings *rings, int *group,
                          struct ae_error *err)
{
    const struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = interface};
    int rc = open_socket(fd, err);

    if (!rc)
        rc = prepare(*fd, rings, err);
    if (!rc && bind(*fd, (const struct sockaddr *)&address, sizeof(address)))
        rc = ae_error_set(err, -errno, "binding its packet socket: %s", strerror(errno));
    if (!rc && *group != PACKET_GROUP_NONE)
        rc = join_group(*fd, group, err);
    if (rc)
        ae_descriptor_close(fd);
    return rc;
}

bool ae_packet_socket_kick(int fd)
{
    return sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0;
}

int ae_packet_socket_statistics(int fd, struct tpacket_stats_v3 *statistics)
{
    socklen_t size = sizeof(*statistics);

    return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, statistics, &size) ? -errno : 0;
}

/* ---- What the interface lets in ---- */

static int add_member(int fd, int interface, unsigned short type, const ae_mac_t *address,
                      struct ae_error *err)
{
    struct packet_mreq request = {.mr_ifindex = interface, .mr_type = type, .mr_alen = 6};

    if (address)
        memcpy(request.mr_address, address, 6);
    return set(fd, PACKET_ADD_MEMBERSHIP, &request, sizeof(request), "PACKET_ADD_MEMBERSHIP", err);
}

int ae_packet_membership_open(int *fd, int interface, const struct ae_filter *filter,
                              struct ae_error *err)
{
    int rc = open_socket(fd, err);

    if (!rc && filter->promiscuous)
        rc = add_member(*fd, interface, PACKET_MR_PROMISC, NULL, err);
    if (!rc && filter->all_multicast)
        rc = add_member(*fd, interface, PACKET_MR_ALLMULTI, NULL, err);
    for (unsigned i = 0; i < filter->count && !rc; i++)
        rc = add_member(*fd, interface,
                        ae_mac_is_group(filter->addresses[i]) ? PACKET_MR_MULTICAST
                                                              : PACKET_MR_UNICAST,
                        &filter->addresses[i], err);
    if (rc)
        ae_descriptor_close(fd);
    return rc;
}
