/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A hostile device: it writes what it likes where it likes in the rings and buffers, between all
 * that the driver does, and now and then goes on as a device should, so that its lies find the
 * driver in the middle of its work. No packet may get lost or be given out twice, none may be of a
 * length that cannot be.
 *
 * Input: a byte of features, a byte of ring size, then operations of four bytes.
 */

#include "../unit/virtio_bench.h"
#include "../unit/virtio_device.c"

#define CHECK(condition)      \
    do {                      \
        if (!(condition))     \
            __builtin_trap(); \
    } while (0)

#define PACKETS 64
#define JUMBO   9000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ae_packet *held[PACKETS];
static bool is_held[PACKETS];
static uint32_t held_count; /* frames, in ... */
static uint32_t held_packets;

/* Returns its bytes. */
static uint32_t hold(struct ae_packet *packet)
{
    CHECK(!packet->in_pool && !is_held[ae_packet_index(packet)]);
    CHECK(packet->length > 0 && packet->length <= BENCH_BUFFER);
    CHECK(packet->data >= packet->buffer &&
          packet->data + packet->length <= packet->buffer + BENCH_BUFFER);
    is_held[ae_packet_index(packet)] = true;
    held_packets++;
    return packet->length;
}

static void receive(struct bench *bench, uint16_t count)
{
    struct ae_packet *packets[64];
    uint16_t got = ae_receive(bench->queue, packets, count);

    CHECK(got <= count);
    for (uint16_t i = 0; i < got; i++) {
        struct ae_packet *packet = packets[i];
        uint32_t length = hold(packet), more = packet->more;

        CHECK(length >= 14 && packet->data == packet->buffer + AE_PACKET_HEADROOM);
        CHECK(more == 0 || (bench->pair.mtu == JUMBO && more < AE_FRAME_SEGMENTS));
        while ((packet = ae_packet_next(packet))) {
            CHECK(packet->more == --more);
            length += hold(packet);
        }
        CHECK(length <= bench->pair.mtu + 18u);
        held[held_count++] = packets[i];
    }
}

static struct ae_packet *release(void)
{
    struct ae_packet *frame = held[--held_count];

    for (struct ae_packet *packet = frame; packet; packet = ae_packet_next(packet)) {
        is_held[ae_packet_index(packet)] = false;
        held_packets--;
    }
    return frame;
}

/* Frames of `more` + 1 packets each, and one of what is over. Returns how many. */
static uint16_t chain(struct ae_packet **packets, uint16_t count, uint8_t more)
{
    uint16_t frames = 0;

    for (uint16_t i = 0; i < count; i++) {
        uint16_t place = i % (more + 1u), left = (uint16_t)(count - 1 - i);

        packets[i]->more = (uint8_t)(more - place < left ? more - place : left);
        packets[i]->next = packets[i]->more ? packets[i + 1] : NULL;
        if (place == 0)
            packets[frames++] = packets[i];
    }
    return frames;
}

static void send(struct bench *bench, uint16_t count, uint8_t kind)
{
    struct ae_packet *packets[64];
    uint16_t ready = 0, sent;

    for (; ready < count; ready++) {
        if (kind & 1 && held_count) {
            packets[ready] = release();
        } else if (!(packets[ready] = ae_packet_get(bench->pair.pool))) {
            break;
        } else {
            packets[ready]->length = 10u + kind * 8u;
        }
        CHECK(!is_held[ae_packet_index(packets[ready])]);
        if (kind & 2) {
            packets[ready]->flags = AE_PACKET_SEND_UDP_CHECKSUM;
            packets[ready]->l4_offset = kind;
        }
    }
    if (!(kind & 1))
        ready = chain(packets, ready, kind >> 2 & 15);
    sent = ae_send(bench->queue, packets, ready);
    CHECK(sent <= ready);
    for (; sent < ready; sent++)
        ae_packet_put(packets[sent]);
}

static void put_all(void)
{
    while (held_count)
        ae_packet_put(release());
}

/* As a device should; addresses are checked, since the device wrote over them before perhaps. */
static void use_sent(struct bench *bench, uint8_t count)
{
    struct device_buffer buffer;

    while (count-- && device_fetch(&bench->send, &buffer))
        device_use(&bench->send, buffer.id, 0,
                   (uint16_t)(bench->send.packed ? buffer.count - 1 : 0));
}

/* Frames over so many buffers each, the last of them with `length` bytes. */
static void deliver(struct bench *bench, uint8_t count, uint32_t length, uint16_t pieces)
{
    const struct virtio_net_hdr header = {.num_buffers = pieces};
    struct device_buffer buffer;

    for (uint16_t i = 0; i < count && device_fetch(&bench->receive, &buffer); i++) {
        uint8_t *at = bench_at(bench, buffer.addr, HEADER);
        bool last = i % pieces == pieces - 1u;

        if (at && i % pieces == 0)
            memcpy(at, &header, sizeof(header));
        device_use(&bench->receive, buffer.id, last ? length : buffer.len, 0);
    }
}

/* Anything, anywhere in the rings; mostly where it matters: the words that say what is used. */
static void lie(struct bench *bench, uint16_t where, uint8_t what)
{
    struct ae_virtio_layout layout =
        ae_virtio_ring_layout(bench->pair.receive.size, bench->features & PACKED);
    uint8_t *rings = bench->pair.receive.memory;
    struct device_queue *queue = where & 1 ? &bench->receive : &bench->send;
    struct pvirtq_desc *desc;

    if (where & 2) {
        rings[where / 4u % (2 * layout.size)] = what;
    } else if (where & 4) {
        uint32_t offset = where / 8u % ((uint32_t)bench->packets * 200);

        bench->memory[offset / 200 * BENCH_BUFFER + offset % 200] = what;
    } else if (queue->packed) {
        desc = &queue->ring[(queue->next_used + (where >> 3 & 1)) % queue->size];
        desc->id = (uint16_t)(where >> 4 & 0x7f);
        desc->len = (uint32_t)what * 8;
        desc->flags = queue->used_wrap ? VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED : 0;
    } else {
        device_write_used(queue, 0, where >> 4, (uint32_t)what * 8);
        device_publish_used(queue, what & 7);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bench bench;
    uint64_t features;
    uint16_t ring, mtu;

    if (size < 2)
        return 0;
    features = (data[0] & 1 ? PACKED : 0) | (data[0] & 2 ? ORDER : 0) | (data[0] & 4 ? MERGE : 0) |
               (data[0] & 8 ? SUM_IN : 0) | (data[0] & 16 ? SUM_OUT : 0);
    ring = features & PACKED ? 2 + data[1] % 20 : (uint16_t)(2u << data[1] % 4);
    mtu = data[0] & 32 && features & MERGE && ring >= 5 ? JUMBO : BENCH_MTU;
    CHECK(bench_open_mtu(&bench, features, ring, PACKETS, mtu) == 0);
    for (size_t at = 2; at + 4 <= size; at += 4) {
        const uint8_t *op = data + at;

        switch (op[0] % 8) {
        case 0:
            receive(&bench, op[1] % 64);
            break;
        case 1:
            send(&bench, op[1] % 64, op[2]);
            break;
        case 2:
            put_all();
            break;
        case 3:
            deliver(&bench, op[1], HEADER + op[2] * 8u, 1 + op[3] % 18);
            break;
        case 4:
            use_sent(&bench, op[1]);
            break;
        case 5:
        case 6:
            lie(&bench, (uint16_t)(op[1] | op[2] << 8), op[3]);
            break;
        default:
            /* Broken or not: as new afterwards. */
            if (op[1] < 32) {
                ae_virtio_reset(bench.queue);
                bench_devices(&bench);
                CHECK(!ae_virtio_broken(bench.queue));
            }
        }
        CHECK(ae_pool_available(bench.pair.pool) + held_packets <= PACKETS);
    }
    put_all();
    CHECK(bench_close(&bench) == 0);
    return 0;
}
