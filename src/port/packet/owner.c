/* SPDX-License-Identifier: Apache-2.0 */

/* "packet:IFACE": the owner, who opens the sockets, has processes that have the kernel send, and
 * watches the link. */

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "port/owner.h"
#include "port/packet/socket.h"
#include "port/poller.h"

#define KICK_NS    50000    /* how long a frame that was sent may wait for the kernel to look */
#define LOOK_NS    50000000 /* likewise a change of the link for us */
#define BLOCK      65536u
#define SLOT_LEAST 2048u

struct packet {
    int interface;
    int question;   /* a socket to ask about interfaces by */
    int membership; /* the filter holds while it is open; -1: none is set */
    struct ae_poller senders[AE_PORT_QUEUES];
};

static struct packet *packet_of(const struct ae_port_owner *owner)
{
    return owner->driver;
}

/* ---- The interface ---- */

static int ask(const struct ae_port_owner *owner, unsigned long what, const char *title,
               struct ifreq *answer, struct ae_error *err)
{
    memset(answer, 0, sizeof(*answer));
    if (strlen(owner->base) >= sizeof(answer->ifr_name))
        return ae_error_set(err, -ENODEV, "there is no network interface '%s'", owner->base);
    strcpy(answer->ifr_name, owner->base);
    if (!ioctl(packet_of(owner)->question, what, answer))
        return 0;
    return ae_error_set(err, -errno, "the %s of network interface '%s': %s", title, owner->base,
                        strerror(errno));
}

static int find_interface(struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_port_info *info = &owner->handoff.info;
    struct ifreq answer;
    int rc = ask(owner, SIOCGIFINDEX, "number", &answer, err);

    packet_of(owner)->interface = answer.ifr_ifindex;
    if (!rc)
        rc = ask(owner, SIOCGIFHWADDR, "address", &answer, err);
    if (!rc && answer.ifr_hwaddr.sa_family != ARPHRD_ETHER &&
        answer.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
        rc = ae_error_set(err, -EINVAL, "'%s' is no Ethernet", owner->base);
    if (rc)
        return rc;
    memcpy(info->mac, answer.ifr_hwaddr.sa_data, 6);
    rc = ask(owner, SIOCGIFMTU, "MTU", &answer, err);
    if (!rc && answer.ifr_mtu > PACKET_MTU_MAX)
        rc = ae_error_set(err, -EINVAL,
                          "its MTU is %d, and %d is the most here (ip link set %s mtu %d)",
                          answer.ifr_mtu, PACKET_MTU_MAX, owner->base, PACKET_MTU_MAX);
    info->mtu = (uint16_t)answer.ifr_mtu;
    return rc;
}

/* One of the same name that was made since is another. */
static bool is_there(const struct ae_port_owner *owner)
{
    struct ifreq answer;

    return !ask(owner, SIOCGIFINDEX, "number", &answer, NULL) &&
           answer.ifr_ifindex == packet_of(owner)->interface;
}

static void look_at_link(struct ae_port_owner *owner)
{
    struct ifreq answer;
    struct ae_link link, was;

    ae_port_read_link(owner->state, &link);
    was = link;
    link.device_gone |= !is_there(owner);
    link.up = !link.device_gone && !ask(owner, SIOCGIFFLAGS, "state", &answer, NULL) &&
              (answer.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
    link.full_duplex = link.up;
    link.changes += link.up != was.up;
    if (link.up != was.up || link.device_gone != was.device_gone)
        ae_port_set_link(owner->state, &link);
}

/* ---- The port ---- */

static int open_port(struct ae_port_owner *owner, struct ae_error *err)
{
    struct packet *packet = calloc(1, sizeof(*packet));

    if (!packet)
        return ae_error_set(err, -ENOMEM, "out of memory");
    owner->driver = packet;
    packet->membership = -1;
    packet->question = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (packet->question < 0)
        return ae_error_set(err, -errno, "opening a socket: %s", strerror(errno));
    return find_interface(owner, err);
}

static uint32_t power_of_two(uint32_t least)
{
    uint32_t power = SLOT_LEAST;

    while (power < least)
        power *= 2;
    return power;
}

/* Each ring has room for so many of the longest frames. */
static int map(struct ae_port_owner *owner, struct ae_error *err)
{
    struct packet_rings *rings = (void *)owner->handoff.driver_private;
    const struct ae_port_options *options = &owner->options;
    uint32_t slot =
        power_of_two(PACKET_SEND_AT + PACKET_VNET + AE_FRAME_MAX(owner->handoff.info.mtu));

    (void)err;
    *rings = (struct packet_rings){
        .block_size = BLOCK,
        .block_count = (uint32_t)((uint64_t)options->receive_ring * slot / BLOCK),
        .slot_size = slot,
        .slot_count = options->send_ring,
    };
    owner->rings_length = packet_rings_bytes(rings);
    return 0;
}

static int stop(struct ae_port_owner *owner, struct ae_error *err)
{
    (void)err;
    for (unsigned i = 0; i < AE_PORT_QUEUES; i++) {
        ae_poller_stop(&packet_of(owner)->senders[i]);
        ae_descriptor_close(&owner->rings_fds[i]);
    }
    return 0;
}

/* What the interface lets in, the kernel counts by who asks: the new one asks before the old one
 * goes. */
static int filter(struct ae_port_owner *owner, struct ae_error *err)
{
    struct packet *packet = packet_of(owner);
    int fd = -1;
    int rc = owner->filter.set
                 ? ae_packet_membership_open(&fd, packet->interface, &owner->filter, err)
                 : 0;

    if (rc)
        return rc;
    ae_descriptor_close(&packet->membership);
    packet->membership = fd;
    return 0;
}

/* ---- Sending: the kernel goes on for as long as a worker fills slots, which is no owner's time
 * ---- */

struct sending {
    int socket;
    uint32_t *flag;
};

/* A flag that is set again while the kernel looks is seen the next time. */
static void send_until_over(const void *context, int end)
{
    const struct sending *sending = context;
    const struct timespec pause = {.tv_nsec = KICK_NS};

    prctl(PR_SET_TIMERSLACK, 1);
    for (; !ae_poller_is_over(end); nanosleep(&pause, NULL))
        if (__atomic_load_n(sending->flag, __ATOMIC_RELAXED) &&
            __atomic_exchange_n(sending->flag, 0, __ATOMIC_ACQUIRE) &&
            ae_packet_socket_kick(sending->socket))
            __atomic_store_n(sending->flag, 1, __ATOMIC_RELAXED);
}

static int start_sender(struct ae_port_owner *owner, unsigned queue, struct ae_error *err)
{
    const struct sending sending = {owner->rings_fds[queue],
                                    &owner->queue_states[queue].notify_send};
    const struct ae_poller_options options = {
        .socket = sending.socket, .cpu = -1, .run = send_until_over, .context = &sending};

    return ae_poller_start(&packet_of(owner)->senders[queue], &options, err);
}

/* Rings that are new each time, as a new worker expects them. */
static int start(struct ae_port_owner *owner, struct ae_error *err)
{
    const struct packet_rings *rings = (const void *)owner->handoff.driver_private;
    int group = owner->handoff.info.queues > 1 ? PACKET_GROUP_NEW : PACKET_GROUP_NONE;
    int rc = filter(owner, err);

    for (unsigned i = 0; i < owner->handoff.info.queues && !rc; i++)
        rc = ae_packet_socket_open(&owner->rings_fds[i], packet_of(owner)->interface, rings, &group,
                                   err);
    for (unsigned i = 0; i < owner->handoff.info.queues && !rc; i++)
        rc = start_sender(owner, i, err);
    look_at_link(owner);
    return rc;
}

static void close_port(struct ae_port_owner *owner)
{
    struct packet *packet = packet_of(owner);

    if (!packet)
        return;
    stop(owner, NULL);
    ae_descriptor_close(&packet->membership);
    ae_descriptor_close(&packet->question);
}

/* Another takes the place of one that somebody has ended. */
static uint64_t tend(struct ae_port_owner *owner)
{
    for (unsigned i = 0; i < owner->handoff.info.queues; i++)
        if (ae_poller_ended(&packet_of(owner)->senders[i]))
            start_sender(owner, i, &owner->trouble);
    look_at_link(owner);
    return LOOK_NS;
}

static int statistics(struct ae_port_owner *owner, struct ae_port_statistic *out, unsigned count)
{
    static const char *const names[][2] = {
        {"tp_packets", "frames that the kernel had for the port"},
        {"tp_drops", "of them, those for which the ring had no room"},
        {"tp_freeze_q_cnt", "times that the ring was full"},
    };
    const unsigned all = sizeof(names) / sizeof(names[0]);

    for (unsigned i = 0; i < owner->handoff.info.queues; i++) {
        struct tpacket_stats_v3 now;

        if (ae_packet_socket_statistics(owner->rings_fds[i], &now))
            continue;
        owner->statistics[0] += now.tp_packets;
        owner->statistics[1] += now.tp_drops;
        owner->statistics[2] += now.tp_freeze_q_cnt;
    }
    for (unsigned i = 0; i < all && i < count; i++)
        out[i] = (struct ae_port_statistic){names[i][0], names[i][1], owner->statistics[i]};
    return (int)all;
}

/* Frames are stamped by the kernel's clock, CLOCK_REALTIME. */
static int read_time(struct ae_port_owner *owner, struct ae_port_time *time, struct ae_error *err)
{
    struct timespec now;

    (void)owner, (void)err;
    time->before = ae_clock_ticks();
    clock_gettime(CLOCK_REALTIME, &now);
    time->after = ae_clock_ticks();
    time->device_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    return 0;
}

static const struct ae_port_transport transport = {
    .open = open_port,
    .map = map,
    .start = start,
    .stop = stop,
    .close = close_port,
    .tend = tend,
};

const struct ae_port_ops ae_port_packet = {
    .queue = &ae_queue_packet,
    .path = AE_PATH_KERNEL,
    .caller = AE_CALLER_OWNER,
    .scheme = "packet:",
    .description = "packet:IFACE, a network interface of the kernel's by AF_PACKET",
    .transport = &transport,
    .ordinary_pages = true,
    .ring_default = 1024,
    .queues_max = AE_PORT_QUEUES,
    .mtu = 1500,
    .segments_max = AE_FRAME_SEGMENTS,
    .statistics = statistics,
    .filter = filter,
    .no_steering = "the kernel spreads flows over its queues by their hash",
    .clock = read_time,
};
