/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/mirror.h"

#include <errno.h>
#include <stdlib.h>

#include <aether/clock.h>

#include "base/error.h"
#include "base/unset.h"
#include "port/port.h"
#include "worker/shared.h"

_Static_assert(sizeof(struct ae_mirror_record) == AE_MIRROR_MESSAGE, "a record is a message");

/* Around the functions of one queue; in it while frames are wanted. */
struct ae_tap {
    struct ae_mirror *mirror;
    struct ae_queue *queue;
    const uint32_t *most; /* bytes of a frame, in the worker's page */
    uint8_t port, number;
    uint16_t (*receive)(struct ae_queue *queue, struct ae_packet **packets, uint16_t count);
    uint16_t (*send)(struct ae_queue *queue, struct ae_packet **packets, uint16_t count);
};

struct ae_mirror {
    struct ae_broadcast_writer writer;
    uint32_t number; /* of the next frame */
    unsigned tap_count;
    struct ae_tap taps[]; /* one for each of the worker's queues */
};

static void copy(const struct ae_tap *tap, const struct ae_packet *packet, uint32_t most, bool sent,
                 uint64_t ticks)
{
    struct ae_mirror_record record AE_UNSET;
    uint32_t here;

    record.ticks = ticks;
    record.number = tap->mirror->number++;
    record.length = ae_packet_total(packet);
    record.kept = (uint16_t)(record.length < most ? record.length : most);
    record.at = 0;
    record.port = tap->port;
    record.queue = tap->number;
    record.sent = sent;
    record.reserved = 0;
    do {
        here = (uint32_t)record.kept - record.at;
        if (here > AE_MIRROR_BYTES)
            here = AE_MIRROR_BYTES;
        ae_packet_read(packet, record.at, record.bytes, here);
        ae_broadcast_put(&tap->mirror->writer, &record,
                         (uint32_t)offsetof(struct ae_mirror_record, bytes) + here);
        record.at = (uint16_t)(record.at + here);
    } while (record.at < record.kept);
}

/* ---- The functions around a driver's ---- */

static uint32_t asked_for(const struct ae_tap *tap)
{
    uint32_t most = __atomic_load_n(tap->most, __ATOMIC_RELAXED);

    return most < AE_MIRROR_MOST ? most : AE_MIRROR_MOST;
}

static uint16_t receive(struct ae_queue *queue, struct ae_packet **packets, uint16_t count);
static uint16_t send(struct ae_queue *queue, struct ae_packet **packets, uint16_t count);

/* A driver whose ring was broken or came anew has set its own again, which are left alone. */
static void take_out(struct ae_queue *queue)
{
    if (queue->receive == receive)
        queue->receive = queue->tap->receive;
    if (queue->send == send)
        queue->send = queue->tap->send;
    queue->tap = NULL;
}

/* Also where it is already: such a driver may have done so in the call that was just made. */
static void put_in(struct ae_tap *tap)
{
    struct ae_queue *queue = tap->queue;

    if (queue->receive != receive)
        tap->receive = queue->receive;
    if (queue->send != send)
        tap->send = queue->send;
    queue->receive = receive;
    queue->send = send;
    queue->tap = tap;
}

static uint16_t receive(struct ae_queue *queue, struct ae_packet **packets, uint16_t count)
{
    struct ae_tap *tap = queue->tap;
    uint32_t most = asked_for(tap);
    uint64_t ticks;

    if (!most) {
        take_out(queue);
        return queue->receive(queue, packets, count);
    }
    count = tap->receive(queue, packets, count);
    ticks = ae_clock_ticks();
    put_in(tap);
    for (uint16_t i = 0; i < count; i++)
        copy(tap, packets[i], most, false, ticks);
    return count;
}

/* A chain may be taken apart once it is sent. What it is made of is noted, and read when a driver
 * has found it sound and taken it; what lies in its buffers stays until a packet is got again. */
static void note_chain(struct ae_packet *parts, const struct ae_packet *packet)
{
    for (unsigned i = 0; packet && i < AE_FRAME_SEGMENTS; i++) {
        parts[i].data = packet->data;
        parts[i].length = packet->length;
        parts[i].more = packet->more;
        parts[i].next = i + 1 < AE_FRAME_SEGMENTS ? &parts[i + 1] : NULL;
        packet = ae_packet_next(packet);
    }
}

static bool send_chain(const struct ae_tap *tap, struct ae_packet **packet, uint32_t most)
{
    struct ae_packet parts[AE_FRAME_SEGMENTS] AE_UNSET;

    note_chain(parts, *packet);
    if (!tap->send(tap->queue, packet, 1))
        return false;
    copy(tap, parts, most, true, ae_clock_ticks());
    return true;
}

static uint16_t send_singles(const struct ae_tap *tap, struct ae_packet **packets, uint16_t count,
                             uint32_t most)
{
    uint16_t sent = tap->send(tap->queue, packets, count);
    uint64_t ticks = ae_clock_ticks();

    for (uint16_t i = 0; i < sent; i++)
        copy(tap, packets[i], most, true, ticks);
    return sent;
}

static uint16_t send(struct ae_queue *queue, struct ae_packet **packets, uint16_t count)
{
    struct ae_tap *tap = queue->tap;
    uint32_t most = asked_for(tap);
    uint16_t sent = 0;

    if (!most) {
        take_out(queue);
        return queue->send(queue, packets, count);
    }
    while (sent < count) {
        uint16_t singles = 0, taken;

        while (sent + singles < count && !packets[sent + singles]->more)
            singles++;
        taken = singles ? send_singles(tap, packets + sent, singles, most)
                        : send_chain(tap, packets + sent, most);
        put_in(tap);
        sent = (uint16_t)(sent + taken);
        if (taken < (singles ? singles : 1))
            break;
    }
    return sent;
}

bool ae_worker_attend(const struct ae_worker *worker)
{
    if (__atomic_load_n(&worker->view.head->asked, __ATOMIC_RELAXED) & AE_WORKER_STOP)
        return false;
    for (unsigned i = 0; worker->mirror && i < worker->mirror->tap_count; i++)
        if (asked_for(&worker->mirror->taps[i]))
            put_in(&worker->mirror->taps[i]);
    return true;
}

/* ---- Opened and closed ---- */

static void add_taps(struct ae_mirror *mirror, const struct ae_worker *worker, unsigned port)
{
    for (unsigned i = 0; i < AE_PORT_QUEUES; i++)
        if (worker->ports[port]->queues[i])
            mirror->taps[mirror->tap_count++] = (struct ae_tap){
                .mirror = mirror,
                .queue = worker->ports[port]->queues[i],
                .most = &worker->shared->capture[port],
                .port = (uint8_t)port,
                .number = (uint8_t)i,
            };
}

int ae_mirror_open(struct ae_worker *worker, void *memory, size_t size, struct ae_error *err)
{
    struct ae_mirror *mirror =
        calloc(1, sizeof(*mirror) + AE_WORKER_PORTS * AE_PORT_QUEUES * sizeof(mirror->taps[0]));
    int rc;

    if (!mirror)
        return ae_error_set(err, -ENOMEM, "opening a mirror: out of memory");
    rc = ae_broadcast_open_writer(&mirror->writer, memory, size, err);
    if (!rc && mirror->writer.room != AE_MIRROR_MESSAGE)
        rc = ae_error_set(err, -EPROTO, "its messages are of %u bytes, not %zu",
                          mirror->writer.room, AE_MIRROR_MESSAGE);
    if (rc) {
        free(mirror);
        return ae_error_prefix(err, rc, "opening a mirror");
    }
    for (unsigned i = 0; i < worker->port_count; i++)
        add_taps(mirror, worker, i);
    worker->mirror = mirror;
    return 0;
}

void ae_mirror_close(struct ae_mirror *mirror)
{
    for (unsigned i = 0; mirror && i < mirror->tap_count; i++)
        if (mirror->taps[i].queue->tap)
            take_out(mirror->taps[i].queue);
    free(mirror);
}
