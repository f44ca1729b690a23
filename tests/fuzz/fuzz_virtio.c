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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ae_packet *held[PACKETS];
static bool is_held[PACKETS];
static uint32_t held_count;

static void receive(struct bench *bench, uint16_t count)
{
    struct ae_packet *packets[64];
    uint16_t got = ae_receive(bench->queue, packets, count);

    CHECK(got <= count);
    for (uint16_t i = 0; i < got; i++) {
        struct ae_packet *packet = packets[i];

        CHECK(!packet->in_pool && !is_held[ae_packet_index(packet)]);
        CHECK(packet->length >= 14 && packet->length <= BENCH_FRAME);
        CHECK(packet->data == packet->buffer + AE_PACKET_HEADROOM);
        is_held[ae_packet_index(packet)] = true;
        held[held_count++] = packet;
    }
}

static void send(struct bench *bench, uint16_t count, uint8_t kind)
{
    struct ae_packet *packets[64];
    uint16_t ready = 0, sent;

    for (; ready < count; ready++) {
        if (kind & 1 && held_count) {
            packets[ready] = held[--held_count];
            is_held[ae_packet_index(packets[ready])] = false;
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
    sent = ae_send(bench->queue, packets, ready);
    CHECK(sent <= ready);
    for (; sent < ready; sent++)
        ae_packet_put(packets[sent]);
}

static void put_all(void)
{
    while (held_count) {
        is_held[ae_packet_index(held[--held_count])] = false;
        ae_packet_put(held[held_count]);
    }
}

/* As a device should; addresses are checked, since the device wrote over them before perhaps. */
static void behave(struct bench *bench, struct device_queue *queue, uint8_t count, uint8_t length)
{
    struct device_buffer buffer;
    static const uint8_t frame[2048];

    while (count-- && device_fetch(queue, &buffer)) {
        if (queue == &bench->receive && buffer.len >= HEADER + sizeof(frame) &&
            bench_at(bench, buffer.addr, buffer.len))
            bench_put_frame(bench, &buffer, frame, length * 8u);
        device_use(queue, buffer.id, HEADER + length * 8u, 0);
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
    uint16_t ring;

    if (size < 2)
        return 0;
    features = (data[0] & 1 ? PACKED : 0) | (data[0] & 2 ? ORDER : 0) | (data[0] & 4 ? MERGE : 0) |
               (data[0] & 8 ? SUM_IN : 0) | (data[0] & 16 ? SUM_OUT : 0);
    ring = features & PACKED ? 2 + data[1] % 20 : (uint16_t)(2u << data[1] % 4);
    CHECK(bench_open(&bench, features, ring, PACKETS) == 0);
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
            behave(&bench, &bench.receive, op[1], op[2]);
            break;
        case 4:
            behave(&bench, &bench.send, op[1], op[2]);
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
        CHECK(ae_pool_available(bench.pair.pool) + held_count <= PACKETS);
    }
    put_all();
    CHECK(bench_close(&bench) == 0);
    return 0;
}
