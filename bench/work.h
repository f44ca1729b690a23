/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The works. Each contender includes this once, after defining for its own library:
 *
 *     packet                             a type: one frame in one buffer
 *     take(packets, count)               a burst from the wire; static inline, like all of these
 *     give(packets, count)               a burst to the wire; returns how many were accepted
 *     get(packets, count)                empty packets from the pool: all of them or none (false)
 *     put(packets, count)                back to the pool
 *     data(packet), length(packet), set_length(packet, bytes)
 *
 * so that the compiler sees the same loops in all of them, and nothing but the driver and its
 * packets differs.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/clock.h>

#include "contender.h"
#include "net/headers.h"

#define STAMP    HEADER_BYTES /* where in a frame: when it was meant to be sent, then the slice */
#define LOOK     64           /* turns of a loop between two looks at the clock */
#define PATIENCE UINT64_C(10000000) /* ns for a frame that does not come back */

struct stamp {
    uint64_t intended; /* ticks */
    uint32_t slice;
} __attribute__((packed));

static struct contender contender;
static struct slice slices[SLICES];
static struct ae_histogram histogram; /* of the slice that runs */
static uint8_t header[HEADER_BYTES];

/* Not inlined, so that callgrind can tell the driver from the loop around it. */
__attribute__((noinline)) static uint16_t bench_take(packet **packets, uint16_t count)
{
    return take(packets, count);
}

__attribute__((noinline)) static uint16_t bench_give(packet **packets, uint16_t count)
{
    return give(packets, count);
}

static inline void fill(packet *one)
{
    memcpy(data(one), header, HEADER_BYTES);
    set_length(one, contender.frame);
}

/* Makes as many frames as there are packets for. */
static inline uint16_t make(packet **packets, uint16_t count)
{
    if (!get(packets, count))
        return 0;
    for (uint16_t i = 0; i < count; i++)
        fill(packets[i]);
    return count;
}

static bool reached_limit(uint64_t frames)
{
    return contender.limit && frames >= contender.limit;
}

/* For an instruction count: nothing to do is not what is counted, so the back end gets time. */
static inline void let_peer_work(bool idle)
{
    if (idle && contender.limit)
        usleep(2000);
}

static void receive_slice(struct slice *slice, uint64_t end)
{
    packet *packets[BURST_MAX];

    do {
        for (unsigned i = 0; i < LOOK; i++) {
            uint16_t count = bench_take(packets, contender.burst);

            put(packets, count);
            slice->frames += count;
            contender.calls++;
            contender.empty += count == 0;
            let_peer_work(count == 0);
        }
    } while (ae_clock_ticks() < end && !reached_limit(slice->frames));
}

static void send_slice(struct slice *slice, uint64_t end)
{
    static packet *packets[BURST_MAX];
    static uint16_t first, count; /* made, not yet accepted */

    do {
        for (unsigned i = 0; i < LOOK; i++) {
            uint16_t sent;

            if (first == count) {
                first = 0;
                count = make(packets, contender.burst);
            }
            sent = bench_give(packets + first, (uint16_t)(count - first));
            first = (uint16_t)(first + sent);
            slice->frames += sent;
            contender.calls++;
            contender.empty += sent == 0;
            let_peer_work(sent == 0);
        }
    } while (ae_clock_ticks() < end && !reached_limit(slice->frames));
}

/* An Ethernet frame with a whole IPv4 packet with a whole UDP datagram in it. */
static inline bool look_at(packet *one)
{
    struct ethernet *ethernet = (struct ethernet *)(void *)data(one);
    struct ipv4 *ipv4 = (struct ipv4 *)(void *)(ethernet + 1);
    struct udp *udp = (struct udp *)(void *)(ipv4 + 1);
    uint32_t bytes = length(one), words[5], part;
    uint64_t sum;
    uint8_t mac[ETHERNET_ADDRESS];

    if (bytes < HEADER_BYTES || ethernet->type != be16(TYPE_IPV4) || ipv4->version_ihl != 0x45 ||
        ipv4->protocol != PROTOCOL_UDP || be16(ipv4->total_length) > bytes - 14 ||
        be16(ipv4->total_length) < 28 || (ipv4->flags_fragment & be16(0x3fff)) ||
        be16(udp->length) > be16(ipv4->total_length) - 20 || be16(udp->length) < 8)
        return false;
    memcpy(words, ipv4, sizeof(words));
    sum = (uint64_t)words[0] + words[1] + words[2] + words[3] + words[4];
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    if (((sum & 0xffff) + (sum >> 16)) != 0xffff)
        return false;
    memcpy(mac, ethernet->destination, sizeof(mac));
    memcpy(ethernet->destination, ethernet->source, sizeof(mac));
    memcpy(ethernet->source, mac, sizeof(mac));
    part = ipv4->source;
    ipv4->source = ipv4->destination;
    ipv4->destination = part;
    memcpy(&part, udp, sizeof(part)); /* both ports */
    part = part << 16 | part >> 16;
    memcpy(udp, &part, sizeof(part));
    return true;
}

static inline uint16_t look_at_all(packet **packets, uint16_t count)
{
    uint16_t good = 0;

    for (uint16_t i = 0; i < count; i++) {
        if (look_at(packets[i])) {
            packets[good++] = packets[i];
        } else {
            put(&packets[i], 1);
            contender.strange++;
        }
    }
    return good;
}

/* The back end returns what it gets; what is lost on the way is made anew. */
static inline void exchange_slice(struct slice *slice, uint64_t end, bool look)
{
    static uint64_t flying;
    uint64_t seen = ae_clock_ticks(), now = seen, patience = ae_clock_from_ns(PATIENCE / 100);

    do {
        for (unsigned i = 0; i < LOOK; i++) {
            packet *packets[BURST_MAX];
            uint16_t count = bench_take(packets, contender.burst), sent;

            contender.calls++;
            contender.empty += count == 0;
            if (count) {
                slice->frames += count;
                flying -= count < flying ? count : flying;
                seen = now;
                if (look)
                    count = look_at_all(packets, count);
            } else if (flying < contender.flying) {
                count = make(packets, contender.burst);
            } else {
                continue;
            }
            sent = bench_give(packets, count);
            put(packets + sent, (uint16_t)(count - sent));
            flying += sent;
        }
        now = ae_clock_ticks();
        if (now - seen > patience)
            flying = 0;
    } while (now < end);
}

/* ---- There and back, with the time in the frame ---- */

static inline bool send_stamped(uint64_t intended, uint32_t number)
{
    struct stamp stamp = {intended, number};
    packet *one;

    if (!make(&one, 1))
        return false;
    memcpy(data(one) + STAMP, &stamp, sizeof(stamp));
    if (bench_give(&one, 1) == 1)
        return true;
    put(&one, 1);
    return false;
}

/* Takes what has come; returns how many of this slice. */
static inline uint64_t take_stamped(uint32_t number)
{
    packet *packets[BURST_MAX];
    uint16_t count = bench_take(packets, contender.burst);
    uint64_t good = 0, now;

    if (!count)
        return 0;
    now = ae_clock_ticks();
    for (uint16_t i = 0; i < count; i++) {
        struct stamp stamp;

        memcpy(&stamp, data(packets[i]) + STAMP, sizeof(stamp));
        if (length(packets[i]) == contender.frame && stamp.slice == number) {
            ae_histogram_record(&histogram, ae_clock_to_ns(now - stamp.intended));
            good++;
        } else {
            contender.strange++;
        }
    }
    put(packets, count);
    return good;
}

static void ping_slice(struct slice *slice, uint64_t end, uint32_t number)
{
    uint64_t patience = ae_clock_from_ns(PATIENCE), now = ae_clock_ticks();

    while (now < end) {
        if (!send_stamped(now, number)) {
            slice->behind = true;
            return;
        }
        contender.sent++;
        for (uint32_t turns = 1; !take_stamped(number); turns++)
            if (turns % 1024 == 0 && ae_clock_ticks() - now > patience) {
                slice->behind = true;
                return;
            }
        slice->frames++;
        now = ae_clock_ticks();
    }
}

static void pace_slice(struct slice *slice, uint64_t start, uint32_t number)
{
    uint64_t hz = ae_clock_hz(), offered = contender.rate * contender.slice_ms / 1000, sent = 0;
    uint64_t give_up = start + ae_clock_from_ns(contender.slice_ms * UINT64_C(1010000) + 200000);
    /* In ticks with 16 binary places, so that the next moment is one addition. */
    unsigned __int128 period = ((unsigned __int128)hz << 16) / contender.rate;
    unsigned __int128 due = (unsigned __int128)start << 16;
    uint64_t now = start;

    while (sent < offered && now < give_up) {
        for (unsigned i = 0; i < contender.burst && sent < offered && (uint64_t)(due >> 16) <= now;
             i++) {
            if (!send_stamped((uint64_t)(due >> 16), number))
                break;
            sent++;
            due += period;
        }
        slice->frames += take_stamped(number);
        now = ae_clock_ticks();
    }
    slice->behind = sent < offered;
    give_up = now + ae_clock_from_ns(PATIENCE / 5);
    while (slice->frames < sent && ae_clock_ticks() < give_up)
        slice->frames += take_stamped(number);
    contender.sent += sent;
    slice->behind |= slice->frames < offered;
}

static void run_slice(struct slice *slice, uint32_t number)
{
    uint64_t own, peer, start, end;

    *slice = (struct slice){0};
    ae_histogram_clear(&histogram);
    contender_waits(&contender, &own, &peer);
    start = ae_clock_ticks();
    end = start + ae_clock_from_ns(contender.slice_ms * UINT64_C(1000000));
    switch (contender.work) {
    case WORK_RECEIVE:
        receive_slice(slice, end);
        break;
    case WORK_SEND:
        send_slice(slice, end);
        break;
    case WORK_EXCHANGE:
        exchange_slice(slice, end, false);
        break;
    case WORK_ECHO:
        exchange_slice(slice, end, true);
        break;
    case WORK_PING:
        ping_slice(slice, end, number);
        break;
    case WORK_PACE:
        pace_slice(slice, start, number);
        break;
    }
    slice->ns = ae_clock_to_ns(ae_clock_ticks() - start);
    contender_waits(&contender, &slice->own_wait_ns, &slice->peer_wait_ns);
    slice->own_wait_ns -= own;
    slice->peer_wait_ns -= peer;
    contender.received += slice->frames;
    if (contender_clean(slice))
        ae_histogram_merge(&contender.round_trip, &histogram);
}

/* The other side has seen our rings and works on them. Till then nobody is preferred: what tells it
 * so may need the same CPU. */
static void wait_for_peer(void)
{
    bool there_and_back = contender.work == WORK_PING || contender.work == WORK_PACE;

    for (uint32_t i = 0; i < 250; i++) {
        run_slice(&slices[0], UINT32_MAX - i);
        if (slices[0].frames > (there_and_back ? 0u : contender.queue_size))
            return;
    }
    fprintf(stderr, "contender: the back end does not move any frames\n");
    exit(1);
}

static void run_work(void)
{
    contender_header(header, contender.frame);
    alarm(60);
    if (!contender.limit) {
        wait_for_peer();
        contender.preferred = contender_prefer(&contender, true);
        for (uint32_t i = 0; i < 3; i++) /* the caches are warm, the rings in their steady state */
            run_slice(&slices[0], UINT32_MAX / 2 - i);
    }
    ae_histogram_clear(&contender.round_trip);
    contender.sent = contender.received = contender.strange = contender.calls = contender.empty = 0;
    for (uint32_t i = 0; i < contender.slices; i++) {
        run_slice(&slices[i], i);
        if (reached_limit(contender.received))
            contender.slices = i + 1;
    }
    contender_prefer(&contender, false);
    contender_print(&contender, slices);
}
