/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_PORT_H
#define AETHER_PORT_H

/*
 * Ports: ways to a wire.
 *
 * A port has two halves. The *owner* (<aether/owner.h>) holds the device: it resets it, maps memory
 * for it, programs its rings, turns bus mastering on and off, hears its interrupts. The *port* is
 * the data half: queues that a quiet worker polls, without a system call. `aether run` keeps the
 * owner in the supervisor and hands the worker what it needs (struct ae_port_handoff);
 * ae_port_open is both halves in one process.
 *
 * An owner and a port are each used by one thread at a time; the two may be in different processes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aether/error.h>
#include <aether/packet.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_PORT_SPEC   128
#define AE_PORT_QUEUES 16

#define AE_FRAME_SEGMENTS 16 /* packets of one frame, sent or received, at most */

#define AE_FILTER_ADDRESSES 128 /* beside a port's own that it receives, at most */

/* How frames get to the wire, best first. */
enum ae_path {
    AE_PATH_DEVICE,    /* rings shared with a device, or with a peer's process: no kernel between */
    AE_PATH_ZERO_COPY, /* the kernel's driver, our buffers */
    AE_PATH_COPY,      /* the kernel's driver, and the kernel copies each frame */
    AE_PATH_KERNEL,    /* the kernel's network stack, which copies, too */
};

const char *ae_path_name(enum ae_path path); /* "device", "zero-copy", "copy", "kernel" */

/* Who enters the kernel so that frames travel. A worker can be quiet with all but the last. */
enum ae_caller {
    AE_CALLER_NONE,   /* nobody */
    AE_CALLER_KERNEL, /* a thread of the kernel's own, on host CPUs */
    AE_CALLER_OWNER,  /* the owner, on a host CPU: it polls, or wakes a peer that sleeps */
    AE_CALLER_WORKER, /* the worker, in ae_receive and ae_send: its proof says disturbed */
};

const char *ae_caller_name(enum ae_caller caller); /* "none", "kernel", "owner", "worker" */

enum ae_port_feature {
    AE_PORT_SEND_IPV4_CHECKSUM = 1 << 0,
    AE_PORT_SEND_UDP_CHECKSUM = 1 << 1,
    AE_PORT_SEND_TCP_CHECKSUM = 1 << 2,
    AE_PORT_RECEIVE_CHECKSUM = 1 << 3,
    AE_PORT_SEND_TIMESTAMP = 1 << 4,
};

struct ae_port_info {
    char spec[AE_PORT_SPEC];
    char driver[16];
    enum ae_path path;
    enum ae_caller caller;
    uint8_t mac[6];
    uint16_t mtu; /* largest frame without the 14-byte Ethernet header, bytes */
    uint16_t queues;
    uint32_t features; /* enum ae_port_feature */
};

/* Last known state of the link; the owner updates it on an interrupt, the worker only reads it. */
struct ae_link {
    bool up;
    bool full_duplex;
    bool device_gone; /* reads of its registers return all ones, or the kernel wants it back */
    uint32_t mbps;    /* 0: not known */
    uint32_t changes; /* since the port was opened */
    /* How often the device asked us to announce ourselves: after a migration, say. */
    uint32_t announces;
};

/* Counted by a queue in software, since it was attached. */
struct ae_queue_counters {
    uint64_t received_frames;
    uint64_t received_bytes;
    uint64_t sent_frames;
    uint64_t sent_bytes;
    uint64_t receive_errors;          /* the device marked the frame bad (CRC, length, ...) */
    uint64_t receive_bad_descriptors; /* the device wrote something that cannot be: dropped */
    uint64_t receive_no_buffer;       /* no free packet to refill the ring with */
    uint64_t receive_filtered;        /* of received_frames, dropped: struct ae_port_filter */
    uint64_t send_full;               /* frames refused for want of room, or of the other end */
    uint64_t send_bad; /* calls that ended at a frame which this port cannot send: see ae_send */
    uint64_t send_bad_descriptors; /* completions that cannot be */
};

/* Why ae_send accepted fewer frames than it was given. */
enum ae_refusal {
    AE_REFUSAL_NONE, /* it never did */
    /* It may accept them later. */
    AE_REFUSAL_FULL, /* the ring is full */
    AE_REFUSAL_AWAY, /* nobody is at the other end, or a ring is broken until a restart */
    /* The first one that it did not accept, it never will: see ae_send. */
    AE_REFUSAL_NOT_YOURS, /* the packet is in its pool or in a ring: put or sent before */
    AE_REFUSAL_POOL,      /* the packet is of another domain than the port's */
    AE_REFUSAL_SEGMENTS,  /* the frame is in more packets than the port takes, or in no chain */
    AE_REFUSAL_LENGTH,    /* the frame is too short or too long */
    AE_REFUSAL_PLACE,     /* the frame is not in its buffer, behind the headroom for sending */
    AE_REFUSAL_OFFLOAD,   /* an offload that the port does not have, or that cannot be done */
};

/* In words, for a person; never NULL. */
const char *ae_refusal_text(enum ae_refusal refusal);

/* Is it about the frame, so that sending it again is in vain? */
static inline bool ae_refusal_is_final(enum ae_refusal refusal)
{
    return refusal > AE_REFUSAL_AWAY;
}

struct ae_port;
struct ae_queue;
struct ae_sieve;
struct ae_tap;

/*
 * A queue, as seen by the burst calls. The functions are set when it is attached; everything else
 * about it is the driver's.
 */
struct ae_queue {
    uint16_t (*receive)(struct ae_queue *queue, struct ae_packet **packets, uint16_t count);
    uint16_t (*send)(struct ae_queue *queue, struct ae_packet **packets, uint16_t count);
    /* NULL: frames are copied when they are sent, no packet stays in a ring. */
    uint16_t (*reclaim)(struct ae_queue *queue, uint16_t count);
    /* Where its received packets come from; use it for sending too. The worker's queues of one
     * domain have the same, and so send what the others received. */
    struct ae_pool *pool;
    struct ae_queue_counters *counters;
    const uint32_t *filter; /* not 0: what is received has to be sifted; never NULL */
    struct ae_sieve *sieve;
    enum ae_refusal refusal; /* of the last ae_send that was short; others leave it alone */
    /* Rare, and so on a cache line of their own. */
    uint32_t (*unsent)(const struct ae_queue *queue);            /* with reclaim */
    int (*sent_timestamp)(struct ae_queue *queue, uint64_t *ns); /* NULL: there are none */
    struct ae_tap *tap; /* what mirrors its frames; NULL: nothing does */
};

/* As ae_receive, without what the port's filter does not let in. */
uint16_t ae_queue_receive_sifted(struct ae_queue *queue, struct ae_packet **packets,
                                 uint16_t count);

/* Takes up to `count` received frames. They are then the caller's, who sends or puts each. */
static inline uint16_t ae_receive(struct ae_queue *queue, struct ae_packet **packets,
                                  uint16_t count)
{
    /* Asked before, not after: so that nothing of the call has to be kept meanwhile. */
    if (__builtin_expect(__atomic_load_n(queue->filter, __ATOMIC_RELAXED) != 0, 0))
        return ae_queue_receive_sifted(queue, packets, count);
    return queue->receive(queue, packets, count);
}

/*
 * Queues frames for sending and tells the device once. Returns how many were accepted, from the
 * first; those are the port's and go back to their pool once sent. The rest are still the caller's,
 * and queue->refusal says why: the ring has no room, or nobody is at the other end (both counted in
 * send_full), or the first of them cannot be sent on this port (send_bad). Who waits for room asks
 * ae_refusal_is_final first.
 * Every port asks the same of a frame:
 *   - it is in a packet of the queue's own pool, so received or got on a port of the same domain,
 *     and the packet is the caller's: neither in the pool nor in a ring, so not one that was sent
 *     already;
 *   - it is in one packet, or on a port that takes several in a chain (struct ae_packet) of at most
 *     AE_FRAME_SEGMENTS; each of them is as above, and has at least one byte, the first at least
 * 14;
 *   - 14 bytes to MTU + 18 (the Ethernet header and one VLAN tag), all of them inside their
 * buffers, and AE_PACKET_SEND_HEADROOM bytes of the first one's before them;
 *   - it wants no offload that the port does not have, and no impossible one (enum ae_packet_flag).
 */
static inline uint16_t ae_send(struct ae_queue *queue, struct ae_packet **packets, uint16_t count)
{
    return queue->send(queue, packets, count);
}

/*
 * Returns packets of frames that the device has sent to the pool, oldest first, until it is `count`
 * or more: a device may report several at once. Returns how many. ae_send does so by itself where
 * its ring is short of room; this is for a program that is short of packets, or idle.
 */
static inline uint16_t ae_reclaim(struct ae_queue *queue, uint16_t count)
{
    return queue->reclaim ? queue->reclaim(queue, count) : 0;
}

/*
 * How many of the packets that ae_send accepted are still with the device, after those that it has
 * reported went back to the pool. A port that copies frames has none. A device reports frames in
 * the order in which they were sent, but for virtio without VIRTIO_F_IN_ORDER and for xdp; so with
 * n left, all but the last n are sent. What was with a device that went is lost, and not counted
 * any more; while a ring is broken the number stays: wait for it a bounded time. Like ae_send, it
 * is the queue's thread's to call.
 */
static inline uint32_t ae_unsent(struct ae_queue *queue)
{
    if (!queue->reclaim)
        return 0;
    queue->reclaim(queue, UINT16_MAX);
    return queue->unsent(queue);
}

/*
 * When the device sent the frame with AE_PACKET_SEND_TIMESTAMP: nanoseconds of its clock
 * (ae_port_owner_clock). It keeps one: until that was taken, further frames that ask are sent
 * without. -EAGAIN: there is none yet; -ENODATA: the frame was sent, and the device kept no time;
 * -ENOENT: nobody asked; -ENODEV: the device is gone; -EOPNOTSUPP: the port has none. Packets that
 * were sent go back to the pool, as by ae_reclaim. It reads registers of the device, a microsecond
 * each; no system call.
 */
int ae_sent_timestamp(struct ae_queue *queue, uint64_t *ns);

/* ---- A port ---- */

#define AE_PORT_HANDOFF_VERSION 3
#define AE_PORT_MAPS            48
#define AE_PORT_PRIVATE         512 /* bytes */

/* What a worker is given to map, or to use. */
enum ae_port_map_kind {
    AE_PORT_MAP_MEMORY = 1, /* DMA memory of the rings, whole */
    AE_PORT_MAP_REGISTERS,  /* the device's */
    AE_PORT_MAP_STATE,      /* the port's state, such as its link, to read */
    AE_PORT_MAP_QUEUE,      /* a queue's state, such as its counters */
    AE_PORT_MAP_CONTROL,    /* not mapped: a queue's socket, to its owner or to the kernel */
    AE_PORT_MAP_DOMAIN,     /* DMA memory of the buffers, whole */
    AE_PORT_MAP_RINGS,      /* a queue's rings, where the kernel or the owner made them */
};

struct ae_port_map {
    int32_t fd;          /* -1: it is mapped already */
    uint32_t kind;       /* enum ae_port_map_kind */
    uint32_t index;      /* of its kind: the queue's number, where it is a queue's; else from 0 */
    uint16_t protection; /* PROT_READ, PROT_WRITE (mmap(2)), as its kind has it; 0: not mapped */
    uint16_t keep;       /* 1: the worker keeps a duplicate of the descriptor; 0: it maps it only */
    uint64_t offset;     /* in what the descriptor names, bytes, whole pages */
    uint64_t length;     /* bytes; 0: not mapped */
    uint64_t iova;       /* of memory: where the device or peer has it; else 0 */
    uint64_t mapped;     /* where it is in the worker's memory already; 0: nowhere */
};

/*
 * What a worker needs of a port: passed by value over memory that owner and worker share; the
 * descriptors are inherited. The worker checks all of it (ae_port_attach). It uses descriptors for
 * mmap only, and a control socket to be given more of them when a peer's memory changes, or for the
 * rings that the kernel has behind it.
 */
struct ae_port_handoff {
    uint32_t version; /* AE_PORT_HANDOFF_VERSION */
    uint32_t size;    /* of this structure, bytes */
    struct ae_port_info info;
    /* This worker's part of the queues: the receive/transmit pair to start with, and how many. */
    uint16_t queue_first, queue_count;
    uint32_t map_count;
    struct ae_port_map maps[AE_PORT_MAPS]; /* none overlaps another */
    /* Ports of one worker with the same number are on the same domain: what follows is alike. */
    uint32_t domain;
    uint32_t packet_first, packet_count; /* of the domain's buffers, those that are this worker's */
    uint32_t buffer_size;                /* bytes */
    uint16_t receive_ring;
    uint16_t send_ring;
    uint32_t measure; /* not 0: its queues are, as by ae_port_measure */
    uint8_t driver_private[AE_PORT_PRIVATE] __attribute__((aligned(8))); /* settled at start-up */
};

/*
 * The data half, from a handoff. Descriptors are not taken: the caller may close them afterwards.
 * -EPROTO: it is of another version, or cannot be; -EBADF: a descriptor of it is none. The error
 * names the map.
 */
int ae_port_attach(struct ae_port **port, const struct ae_port_handoff *handoff,
                   struct ae_error *err);

/* Gives up what was attached; of one that ae_port_open opened, the owner first. NULL is allowed. */
void ae_port_close(struct ae_port *port);

void ae_port_get_info(const struct ae_port *port, struct ae_port_info *info);
void ae_port_get_link(const struct ae_port *port, struct ae_link *link);

/* A queue of those this process has, from 0; NULL: no such queue. */
struct ae_queue *ae_port_queue(struct ae_port *port, unsigned index);

/*
 * From now on ae_port_queue returns queues that measure how many frames a poll returned and the
 * times between polls, for host processes to see (`aether top`). A queue that was got before is not
 * measured, and costs nothing; one that is costs a poll the reading of a clock and two or three
 * stores. Not after ae_quiet_enter. -EIO: there is no clock (ae_clock_calibrate); -ENOMEM.
 */
int ae_port_measure(struct ae_port *port, struct ae_error *err);

#ifdef __cplusplus
}
#endif

#endif
