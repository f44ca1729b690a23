/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_PACKET_H
#define AETHER_PACKET_H

/*
 * Packets and pools.
 *
 * A pool is a fixed set of equal buffers in memory that devices can reach. What describes a buffer,
 * and which buffers are free, is kept in ordinary memory that they cannot: a hostile device can
 * spoil the bytes of a frame, never the bookkeeping.
 *
 * A pool and its packets belong to one process and one thread; get and put are O(1), take no lock
 * and never enter the kernel. Running out is counted. Another process may be lent a packet, to read
 * it: <aether/loan.h>.
 *
 * A packet has a place in its pool, from which all that is constant about it follows: where its
 * buffer is, what a device calls it, how large it is. Buffers are 2048 or 4096 bytes, or another
 * power of two, and begin at multiples of that: chunks as AF_XDP has them, none of which lies on
 * two pages.
 *
 * The free packets are two stacks, one half of the packets being at home in each: ae_packet_get
 * takes from one, receive rings are filled from the other, and either helps out when the other is
 * empty. So frames that are made here and frames that are received do not change places, ring slots
 * tend to get the packet that they had, and descriptors that say what they said stay in both CPUs'
 * caches.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <aether/error.h>
#include <aether/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes kept free before a received frame, so that headers can be put before it. */
#define AE_PACKET_HEADROOM 128

/* Of these, a port needs so many when it sends: a device's own header goes there. */
#define AE_PACKET_SEND_HEADROOM 12

enum ae_packet_flag {
    /* Receive: the device verified this checksum and found it right. Neither flag of a pair set:
     * the device did not look, verify in software. */
    AE_PACKET_IPV4_GOOD = 1 << 0,
    AE_PACKET_L4_GOOD = 1 << 1,
    /* Receive: the device verified this checksum and found it wrong. */
    AE_PACKET_IPV4_BAD = 1 << 2,
    AE_PACKET_L4_BAD = 1 << 3,
    /* Send: let the device fill in this checksum. Only for ports with the matching feature; UDP or
     * TCP, not both. The L4 field must hold the pseudo-header sum (not complemented); l3_offset and
     * l4_offset be set, headers of at least 20 bytes (UDP: 8) apart and inside the frame. */
    AE_PACKET_SEND_IPV4_CHECKSUM = 1 << 4,
    AE_PACKET_SEND_UDP_CHECKSUM = 1 << 5,
    AE_PACKET_SEND_TCP_CHECKSUM = 1 << 6,
    /* Send: have the device keep the time at which it sends this frame: ae_sent_timestamp. Only for
     * ports with the matching feature. */
    AE_PACKET_SEND_TIMESTAMP = 1 << 13,
    /* Receive: these fields are set. A port that does not say so has left them as they were. */
    AE_PACKET_TIMESTAMP = 1 << 7,     /* timestamp, by the TSC: <aether/clock.h>, */
    AE_PACKET_HASH = 1 << 8,          /* hash */
    AE_PACKET_VLAN = 1 << 9,          /* vlan: the tag is not in the frame any more */
    AE_PACKET_LAYERS = 1 << 10,       /* l3_offset, l4_offset, payload_offset */
    AE_PACKET_QUEUE = 1 << 11,        /* queue */
    AE_PACKET_DEVICE_CLOCK = 1 << 12, /* or by the device's own clock, in nanoseconds */
};

struct ae_pool;

/*
 * One frame in one buffer, or a segment of one. One cache line.
 *
 * A frame in several buffers is a chain of packets from `next` to `next`: headers are in the first,
 * which alone has flags and all that describes the frame. In each, `data` and `length` say which
 * bytes are in its own buffer, at least one, and `more` how many packets follow: one less from
 * packet to packet, and 0 in the last. All of them are the caller's, or none; the packets of a
 * chain may be of different pools.
 */
struct ae_packet {
    uint8_t *data;   /* first byte of the frame, Ethernet header first; of its part in a segment */
    uint8_t *buffer; /* first byte of its buffer; fixed */
    uint32_t length; /* bytes of the frame that are here, without its FCS */
    uint32_t hash;   /* of the flow, as the device's receive-side scaling has it */
    uint32_t flags;  /* enum ae_packet_flag */
    bool in_pool;    /* it is not the caller's: in the pool, or in a port's ring. A port does not
                      * send it, and a put of it is counted as misuse */
    uint8_t l3_offset;      /* bytes from data to the IP header */
    uint8_t l4_offset;      /* bytes from data to the UDP or TCP header */
    uint8_t more;           /* segments behind this one; 0: no `next` */
    struct ae_packet *next; /* the segment behind it; meaningless when there are no more */
    struct ae_pool *pool;   /* where it goes back to; fixed */
    /* When it was received: the first bit of the frame at the device, or as near to that as the
     * port comes. */
    uint64_t timestamp;
    uint16_t vlan;           /* tag control information of the outer tag, 802.1Q 9.6, host order */
    uint16_t segment_size;   /* TCP or UDP payload bytes of each frame that it is cut into */
    uint16_t payload_offset; /* bytes from data to what TCP or UDP carries */
    uint16_t queue;          /* of the port that received it */
} __attribute__((aligned(64)));

/* Fields of a pool are private to this header and src/packet. */
struct ae_pool {
    struct ae_packet **free; /* both stacks: one grows up from the start, one down from the end */
    uint32_t for_receive;    /* packets on the lower stack */
    uint32_t for_send;       /* packets on the upper stack */
    uint32_t count;
    uint32_t buffer_size; /* bytes of each buffer, and from one to the next */
    uint8_t *memory;      /* the first buffer */
    ae_iova_t iova;       /* what a device calls it */
    struct ae_packet *packets;
    struct ae_packet *border; /* packets before it are at home on the lower stack */
    uint64_t exhausted;       /* gets that found the pool empty */
    uint64_t misuse; /* puts of a packet that was there or in a ring: a bug in the caller */
};

struct ae_pool_options {
    void *memory;         /* buffers go here, aligned to their size; borrowed for the pool's life */
    size_t memory_size;   /* bytes */
    ae_iova_t iova;       /* of `memory`, aligned alike */
    uint32_t count;       /* packets, 1 to 2^20, and less than 4 GiB of buffers */
    uint32_t buffer_size; /* bytes, headroom included: a power of two, 256 to 65536; 0: 2048 */
};

/* -EINVAL for options out of range, -ENOSPC when count buffers do not fit into memory. */
int ae_pool_create(struct ae_pool **pool, const struct ae_pool_options *options,
                   struct ae_error *err);

/* Frees the bookkeeping; packets still out are then dangling. NULL is allowed. */
void ae_pool_destroy(struct ae_pool *pool);

/* Moves `count` packets, which must be there, to those for receiving. */
void ae_pool_lend(struct ae_pool *pool, uint32_t count);

static inline uint32_t ae_pool_available(const struct ae_pool *pool)
{
    return pool->for_receive + pool->for_send;
}

/* Its place in the pool, from 0. */
static inline uint32_t ae_packet_index(const struct ae_packet *packet)
{
    return (uint32_t)(packet - packet->pool->packets);
}

/* The segment behind it, or NULL. */
static inline struct ae_packet *ae_packet_next(const struct ae_packet *packet)
{
    return packet->more ? packet->next : NULL;
}

/* Bytes of the whole frame, which begins here. */
static inline uint32_t ae_packet_total(const struct ae_packet *packet)
{
    uint32_t total = packet->length;

    while ((packet = ae_packet_next(packet)))
        total += packet->length;
    return total;
}

/* Makes it empty: length 0, data behind the headroom, no more segments; the caller's from now
 * on. */
static inline void ae_packet_renew(struct ae_packet *packet)
{
    packet->data = packet->buffer + AE_PACKET_HEADROOM;
    packet->length = 0;
    packet->flags = 0;
    packet->in_pool = false;
    packet->l3_offset = packet->l4_offset = packet->more = 0; /* one store with those before */
}

/* Where there are fewer to be got than asked for: those for receiving help out. Returns how many
 * it got. */
uint32_t ae_packet_get_received(struct ae_pool *pool, struct ae_packet **packets, uint32_t count);

/* As many empty packets as there are, up to count. Returns how many. */
static inline uint32_t ae_packet_get_burst(struct ae_pool *pool, struct ae_packet **packets,
                                           uint32_t count)
{
    struct ae_packet **top = pool->free + pool->count - pool->for_send;
    uint32_t got = count < pool->for_send ? count : pool->for_send;

    for (uint32_t i = 0; i < got; i++) {
        packets[i] = top[i];
        ae_packet_renew(packets[i]);
    }
    pool->for_send -= got;
    if (__builtin_expect(got < count, 0))
        got += ae_packet_get_received(pool, packets + got, count - got);
    return got;
}

/* An empty packet, or NULL when there is none left. */
static inline struct ae_packet *ae_packet_get(struct ae_pool *pool)
{
    struct ae_packet *packet;

    if (__builtin_expect(!pool->for_send, 0))
        return ae_packet_get_received(pool, &packet, 1) ? packet : NULL;
    packet = pool->free[pool->count - pool->for_send--];
    ae_packet_renew(packet);
    return packet;
}

/* For drivers: puts back what is in_pool already, of this pool. See ae_pool_take. */
static inline void ae_pool_return(struct ae_pool *pool, struct ae_packet *packet)
{
    if (packet < pool->border)
        pool->free[pool->for_receive++] = packet;
    else
        pool->free[pool->count - ++pool->for_send] = packet;
}

/* Likewise `count` of them, the first on top. */
static inline void ae_pool_return_burst(struct ae_pool *pool, struct ae_packet **packets,
                                        uint32_t count)
{
    struct ae_packet **for_receive = pool->free + pool->for_receive;
    struct ae_packet **for_send = pool->free + pool->count - pool->for_send;

    while (count-- > 0) {
        if (packets[count] < pool->border)
            *for_receive++ = packets[count];
        else
            *--for_send = packets[count];
    }
    pool->for_receive = (uint32_t)(for_receive - pool->free);
    pool->for_send = pool->count - (uint32_t)(for_send - pool->free);
}

/* A put of what is more than one packet, or not the caller's. */
void ae_packet_put_chain(struct ae_packet *packet);

/* in_pool and more, in the word that they share with two offsets. */
static inline uint32_t ae_packet_state(const struct ae_packet *packet)
{
    uint32_t word;

    memcpy(&word, (const uint8_t *)packet + offsetof(struct ae_packet, in_pool), sizeof(word));
    return word & 0xff0000ff;
}

/* Gives a packet back to its pool, and all segments behind it to theirs. */
static inline void ae_packet_put(struct ae_packet *packet)
{
    if (__builtin_expect(ae_packet_state(packet) != 0, 0)) {
        ae_packet_put_chain(packet);
        return;
    }
    packet->in_pool = true;
    ae_pool_return(packet->pool, packet);
}

static inline void ae_packet_put_burst(struct ae_packet **packets, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        ae_packet_put(packets[i]);
}

/*
 * For drivers, whose rings hold packets by the burst. What is in a ring counts as in_pool, so its
 * line need not be touched on the way in or out, and a put by a caller who no longer has it is
 * caught.
 *
 * The upper `count` of the packets for receiving, lowest first, as they are; so many must be
 * available. They can be read there until the next put. ae_packet_renew makes one the caller's.
 */
static inline struct ae_packet **ae_pool_take(struct ae_pool *pool, uint32_t count)
{
    if (__builtin_expect(count > pool->for_receive, 0))
        ae_pool_lend(pool, count - pool->for_receive);
    pool->for_receive -= count;
    return pool->free + pool->for_receive;
}

/* What a device calls the first byte of the frame. */
static inline ae_iova_t ae_packet_iova(const struct ae_packet *packet)
{
    return ae_iova_add(packet->pool->iova, (uint64_t)(packet->data - packet->pool->memory));
}

/* Bytes free behind the frame, or behind this part of it. */
static inline uint32_t ae_packet_tailroom(const struct ae_packet *packet)
{
    return packet->pool->buffer_size - (uint32_t)(packet->data - packet->buffer) - packet->length;
}

/* ---- A frame as bytes, in however many packets it is ---- */

/*
 * Puts bytes behind those of the frame, which begins at `packet`: into its last buffer, then into
 * more packets of the first one's pool. -ENOBUFS: the pool has too few. -EMSGSIZE: it would be in
 * more than 256 packets. Then nothing was changed.
 */
int ae_packet_append(struct ae_packet *packet, const void *bytes, uint32_t length);

/* Copies `length` bytes of the frame from `offset` on. Returns how many there were. */
uint32_t ae_packet_read(const struct ae_packet *packet, uint32_t offset, void *bytes,
                        uint32_t length);

/* Cuts off what is behind the frame's first `length` bytes, 1 or more; packets that hold none of
 * them are put. A frame that is shorter stays as it is. */
void ae_packet_trim(struct ae_packet *packet, uint32_t length);

#ifdef __cplusplus
}
#endif

#endif
