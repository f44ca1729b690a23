/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sendable.h"

#define L3  14
#define L4  34
#define UDP AE_PACKET_SEND_UDP_CHECKSUM
#define TCP AE_PACKET_SEND_TCP_CHECKSUM
#define IP  AE_PACKET_SEND_IPV4_CHECKSUM

static struct ae_packet *make(struct ae_pool *pool, uint32_t length)
{
    struct ae_packet *packet = ae_packet_get(pool);

    assert_non_null(packet);
    memset(packet->buffer, 0, pool->buffer_size);
    packet->length = length;
    return packet;
}

static void assert_refused(struct ae_queue *queue, struct ae_packet *packet,
                           enum ae_refusal refusal, const char *what)
{
    uint64_t bad = queue->counters->send_bad, sent = queue->counters->sent_frames;
    bool was_in_pool = packet->in_pool;

    queue->refusal = AE_REFUSAL_NONE;
    if (ae_send(queue, &packet, 1) != 0 || queue->counters->send_bad != bad + 1 ||
        queue->counters->sent_frames != sent || packet->in_pool != was_in_pool)
        fail_msg("not refused: %s", what);
    if (queue->refusal != refusal || !ae_refusal_is_final(queue->refusal))
        fail_msg("%s: because %s", what, ae_refusal_text(queue->refusal));
}

static void assert_sent(struct ae_queue *queue, struct ae_packet *packet, const char *what)
{
    if (ae_send(queue, &packet, 1) != 1)
        fail_msg("refused: %s", what);
}

/* Its number in the pool, its place in memory and its address are as if it were ours. */
static void another_pools_packets(struct ae_queue *queue)
{
    const struct ae_pool *own = queue->pool;
    size_t size = 4 * (size_t)own->buffer_size;
    void *memory = aligned_alloc(own->buffer_size, size);
    struct ae_pool_options options = {.memory = memory,
                                      .memory_size = size,
                                      .iova = own->iova,
                                      .count = 4,
                                      .buffer_size = own->buffer_size};
    struct ae_packet *burst[3];
    struct ae_pool *other;

    assert_int_equal(ae_pool_create(&other, &options, NULL), 0);
    burst[1] = make(other, 60);
    assert_refused(queue, burst[1], AE_REFUSAL_POOL, "a packet of another pool");
    burst[0] = make(queue->pool, 60);
    burst[2] = make(queue->pool, 60);
    assert_int_equal(ae_send(queue, burst, 3), 1);
    ae_packet_put(burst[1]);
    ae_packet_put(burst[2]);
    assert_int_equal(ae_pool_available(other), 4);
    assert_int_equal(other->misuse, 0);
    ae_pool_destroy(other);
    free(memory);
}

/* Once it is sent, it is the port's: whether still in a ring or back already. */
static void packets_that_are_not_the_callers(struct ae_queue *queue)
{
    uint64_t misuse = queue->pool->misuse;
    struct ae_packet *packet = make(queue->pool, 60), *twice[2];
    uint32_t there;

    assert_sent(queue, packet, "a frame");
    assert_refused(queue, packet, AE_REFUSAL_NOT_YOURS, "a frame that was sent already");
    there = ae_pool_available(queue->pool);
    ae_packet_put(packet);
    ae_packet_put(packet);
    assert_int_equal(queue->pool->misuse, misuse + 2);
    assert_int_equal(ae_pool_available(queue->pool), there);
    twice[0] = twice[1] = make(queue->pool, 60);
    assert_int_equal(ae_send(queue, twice, 2), 1);
    packet = make(queue->pool, 60);
    ae_packet_put(packet);
    ae_packet_put(packet);
    assert_int_equal(queue->pool->misuse, misuse + 3);
    assert_refused(queue, packet, AE_REFUSAL_NOT_YOURS, "a packet that was put");
    queue->pool->misuse = misuse;
}

/* Of so many bytes in all, at least 14 in the first and one in each. */
static struct ae_packet *make_chain(struct ae_pool *pool, unsigned segments, uint32_t length)
{
    struct ae_packet *first = NULL, **link = &first;
    uint32_t room = pool->buffer_size - AE_PACKET_HEADROOM;

    while (segments-- > 0) {
        struct ae_packet *packet = make(pool, length - segments < room ? length - segments : room);

        packet->more = (uint8_t)segments;
        length -= packet->length;
        *link = packet;
        link = &packet->next;
    }
    return first;
}

/* And a put of it gives back all of it. */
static void a_frame_in_too_many_packets(struct ae_queue *queue, unsigned segments)
{
    uint32_t there = ae_pool_available(queue->pool);
    struct ae_packet *packet = make_chain(queue->pool, segments + 1, 60);

    assert_refused(queue, packet, AE_REFUSAL_SEGMENTS, "a frame in too many packets");
    ae_packet_put(packet);
    assert_int_equal(ae_pool_available(queue->pool), there);
}

static void no_headers(struct ae_packet *first)
{
    first->length = 13;
}

static void no_headroom(struct ae_packet *first)
{
    first->data = first->buffer + AE_PACKET_SEND_HEADROOM - 1;
}

static void no_byte(struct ae_packet *first)
{
    first->next->next->length = 0;
}

static void longer_than_its_buffer(struct ae_packet *first)
{
    first->next->length = UINT32_MAX;
}

static void before_its_buffer(struct ae_packet *first)
{
    first->next->data = first->next->buffer - 1;
}

static void over_the_end_of_its_buffer(struct ae_packet *first)
{
    first->next->next->data = first->next->next->buffer + first->pool->buffer_size - 19;
    first->next->next->length = 20;
}

static void one_too_many(struct ae_packet *first)
{
    first->next->more = 2;
}

static void one_too_few(struct ae_packet *first)
{
    first->next->more = 0;
}

static void one_behind_the_last(struct ae_packet *first)
{
    first->next->next->more = 1;
    first->next->next->next = first;
}

static void a_circle(struct ae_packet *first)
{
    first->next->next = first;
}

static void nothing_behind(struct ae_packet *first)
{
    first->next = NULL;
}

static void not_the_callers(struct ae_packet *first)
{
    first->next->next->in_pool = true;
}

static void headers_in_the_second(struct ae_packet *first)
{
    first->flags = IP;
    first->l3_offset = L3;
    first->l4_offset = L4;
    first->length = L4 - 1;
}

static const struct {
    void (*spoil)(struct ae_packet *first);
    enum ae_refusal refusal;
    const char *what;
} no_chains[] = {
    {no_headers, AE_REFUSAL_LENGTH, "13 bytes in the first packet"},
    {no_headroom, AE_REFUSAL_PLACE, "a first packet without headroom"},
    {no_byte, AE_REFUSAL_LENGTH, "an empty segment"},
    {longer_than_its_buffer, AE_REFUSAL_LENGTH, "a segment of 4 GiB"},
    {before_its_buffer, AE_REFUSAL_PLACE, "a segment before its buffer"},
    {over_the_end_of_its_buffer, AE_REFUSAL_PLACE, "a segment over the end of its buffer"},
    {one_too_many, AE_REFUSAL_SEGMENTS, "a count that does not go down"},
    {one_too_few, AE_REFUSAL_SEGMENTS, "a count that goes down too fast"},
    {one_behind_the_last, AE_REFUSAL_SEGMENTS, "a count that does not end"},
    {a_circle, AE_REFUSAL_SEGMENTS, "a circle"},
    {nothing_behind, AE_REFUSAL_SEGMENTS, "a count without packets"},
    {not_the_callers, AE_REFUSAL_NOT_YOURS, "a segment that was put"},
    {headers_in_the_second, AE_REFUSAL_OFFLOAD, "headers in two packets"},
};

/* The caller still has all of what was refused. */
static void what_is_no_chain(struct ae_queue *queue)
{
    uint32_t there = ae_pool_available(queue->pool);

    for (size_t i = 0; i < sizeof(no_chains) / sizeof(no_chains[0]); i++) {
        struct ae_packet *packets[3] = {make_chain(queue->pool, 3, 62)};

        packets[1] = packets[0]->next;
        packets[2] = packets[1]->next;
        no_chains[i].spoil(packets[0]);
        assert_refused(queue, packets[0], no_chains[i].refusal, no_chains[i].what);
        for (unsigned j = 0; j < 3; j++) {
            packets[j]->in_pool = false;
            packets[j]->more = 0;
            ae_packet_put(packets[j]);
        }
        assert_int_equal(ae_pool_available(queue->pool), there);
    }
}

static void chains(struct ae_queue *queue, uint32_t longest, unsigned segments)
{
    uint32_t size = queue->pool->buffer_size, room = size - AE_PACKET_HEADROOM;
    unsigned least = (longest + room - 1) / room < 2 ? 2 : (longest + room - 1) / room;
    struct ae_packet *packet, *burst[2], other = {.length = 1};
    struct ae_pool other_pool = *queue->pool;

    what_is_no_chain(queue);
    packet = make_chain(queue->pool, least, longest + 1);
    assert_refused(queue, packet, AE_REFUSAL_LENGTH, "a chain of one byte too many");
    ae_packet_put(packet);
    assert_sent(queue, make_chain(queue->pool, least, longest), "the longest chain");
    assert_sent(queue, make_chain(queue->pool, segments, 60), "a chain of most packets");

    packet = make_chain(queue->pool, 3, 62);
    packet->data = packet->buffer + AE_PACKET_SEND_HEADROOM;
    packet->next->data = packet->next->buffer;
    packet->next->next->data = packet->next->next->buffer + size - 1;
    assert_sent(queue, packet, "a chain at the ends of its buffers");

    packet = make(queue->pool, 60);
    other.pool = &other_pool;
    other.data = other_pool.memory;
    packet->next = &other;
    packet->more = 1;
    assert_refused(queue, packet, AE_REFUSAL_POOL, "a segment of another pool");
    packet->more = 0;
    ae_packet_put(packet);

    /* What is in two frames is only in the first. */
    burst[0] = make_chain(queue->pool, 2, 61);
    burst[1] = make(queue->pool, 60);
    burst[1]->next = burst[0]->next;
    burst[1]->more = 1;
    assert_int_equal(ae_send(queue, burst, 2), 1);
    assert_int_equal(queue->refusal, AE_REFUSAL_NOT_YOURS);
    burst[1]->more = 0;
    ae_packet_put(burst[1]);
}

static void lengths_and_places(struct ae_queue *queue, uint32_t longest)
{
    static const uint32_t lengths[] = {0, 1, 13, 0x10000 + 60, 0x7fffffff, UINT32_MAX};
    struct ae_packet *packet = make(queue->pool, 60);
    uint8_t *first = packet->buffer + AE_PACKET_SEND_HEADROOM;
    uint8_t *end = packet->buffer + queue->pool->buffer_size;

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        packet->length = lengths[i];
        assert_refused(queue, packet, AE_REFUSAL_LENGTH, "an impossible length");
    }
    packet->length = longest + 1;
    assert_refused(queue, packet, AE_REFUSAL_LENGTH, "one byte too many");
    packet->length = 60;
    packet->data = first - 1;
    assert_refused(queue, packet, AE_REFUSAL_PLACE, "a frame without headroom");
    packet->data = packet->buffer - 60;
    assert_refused(queue, packet, AE_REFUSAL_PLACE, "a frame in the buffer before");
    packet->data = end - 59;
    assert_refused(queue, packet, AE_REFUSAL_PLACE, "a frame over the end of its buffer");
    packet->data = end;
    assert_refused(queue, packet, AE_REFUSAL_PLACE, "a frame behind its buffer");
    packet->data = packet->buffer + (UINT64_C(1) << 32);
    assert_refused(queue, packet, AE_REFUSAL_PLACE, "a frame far away");
    packet->data = end - longest + 1;
    packet->length = longest;
    assert_refused(queue, packet, AE_REFUSAL_PLACE,
                   "the longest frame, over the end of its buffer");
    packet->data = end - longest;
    assert_sent(queue, packet, "the longest frame at the end of its buffer");
    packet = make(queue->pool, 14);
    packet->data = packet->buffer + queue->pool->buffer_size - 14;
    assert_sent(queue, packet, "the shortest frame at the end of its buffer");
    packet = make(queue->pool, longest);
    packet->data = packet->buffer + AE_PACKET_SEND_HEADROOM;
    assert_sent(queue, packet, "the longest frame with the least headroom");
}

struct request {
    uint32_t flags;
    uint8_t l3, l4;
    uint32_t length;
};

static void ask(struct ae_packet *packet, const struct request *request)
{
    packet->flags = request->flags;
    packet->l3_offset = request->l3;
    packet->l4_offset = request->l4;
    packet->length = request->length;
}

static void offload_requests(struct ae_queue *queue, uint32_t offloads)
{
    static const struct request possible[] = {
        {UDP, L3, L4, 60},
        {TCP, L3, L4, 60},
        {IP, L3, L4, 60},
        {UDP, L3, L4, L4 + 8},
    };
    static const struct request impossible[] = {
        {UDP | TCP, L3, L4, 100},     {UDP, L3, L4, L4 + 7},   {TCP, L3, L4, L4 + 19},
        {UDP, L3 - 1, L4, 100},       {TCP, L3, L3 + 19, 100}, {UDP, L4, L3, 100},
        {IP | UDP | TCP, L3, L4, 99}, {IP, L3, L4, L4 - 1},    {UDP, 0, 0, 100},
        {UDP, L3, 255, 255},
    };
    struct ae_packet *packet;

    for (size_t i = 0; i < sizeof(possible) / sizeof(possible[0]); i++) {
        packet = make(queue->pool, 60);
        ask(packet, &possible[i]);
        if (possible[i].flags & ~offloads) {
            assert_refused(queue, packet, AE_REFUSAL_OFFLOAD,
                           "an offload that the port does not have");
            ae_packet_put(packet);
        } else {
            assert_sent(queue, packet, "a possible offload");
        }
    }
    packet = make(queue->pool, 60);
    for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        ask(packet, &impossible[i]);
        assert_refused(queue, packet, AE_REFUSAL_OFFLOAD, "an impossible offload");
    }
    ae_packet_put(packet);
}

/* The loop that sends all it can, and gives up what no port would take, ends. */
static void one_bad_frame_stops_nobody(struct ae_queue *queue)
{
    struct ae_packet *burst[4];
    uint16_t sent = 0, dropped = 0;

    for (unsigned i = 0; i < 4; i++)
        burst[i] = make(queue->pool, i == 1 ? 5 : 60);
    while (sent + dropped < 4) {
        uint16_t first = (uint16_t)(sent + dropped);

        sent = (uint16_t)(sent + ae_send(queue, burst + first, (uint16_t)(4 - first)));
        first = (uint16_t)(sent + dropped);
        if (first == 4)
            break;
        assert_true(ae_refusal_is_final(queue->refusal));
        ae_packet_put(burst[first]);
        dropped++;
    }
    assert_int_equal(sent, 3);
    assert_int_equal(dropped, 1);
}

void sendable_assert_rules(struct ae_queue *queue, uint32_t longest, uint32_t offloads,
                           unsigned segments)
{
    uint32_t room = queue->pool->buffer_size - AE_PACKET_SEND_HEADROOM;

    another_pools_packets(queue);
    packets_that_are_not_the_callers(queue);
    a_frame_in_too_many_packets(queue, segments);
    if (segments > 1)
        chains(queue, longest, segments);
    lengths_and_places(queue, longest < room ? longest : room);
    offload_requests(queue, offloads);
    one_bad_frame_stops_nobody(queue);
}
