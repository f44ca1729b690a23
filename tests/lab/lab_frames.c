/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sends frames of random lengths and contents through a port to a far end that returns them, and
 * checks that each comes back once, in order and unaltered.
 *
 *     lab_frames ADDRESS [FRAMES [SEED [BUFFER]]]    of so many bytes each, 2048 or 4096
 */

#include <aether/clock.h>
#include <aether/owner.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW   200 /* in flight, below what the emulated wire holds */
#define BURST    16
#define IDLE_NS  UINT64_C(5000000000)
#define HEADER   14
#define SHORTEST 60
#define LONGEST  1514
#define NOISE    (1 << 20)

static const uint8_t far_mac[6] = {0x52, 0x54, 0x00, 0x77, 0xff, 0x01};

/* xorshift64* */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

static uint64_t noise[NOISE / 8 + LONGEST / 8 + 1];

static void make_noise(uint64_t seed)
{
    uint64_t state = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;

    for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
        noise[i] = next_random(&state);
}

/*
 * What frame n carries depends on n and the seed only: its number, then a random window of the
 * noise. Returns the frame's length.
 */
static uint32_t choose(uint64_t frame, uint64_t seed, const uint8_t **window)
{
    uint64_t state = (frame + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ seed;
    uint32_t length = SHORTEST + (uint32_t)(next_random(&state) % (LONGEST - SHORTEST + 1));

    *window = (const uint8_t *)noise + next_random(&state) % NOISE;
    return length;
}

static uint32_t fill(uint8_t *payload, uint64_t frame, uint64_t seed)
{
    const uint8_t *window;
    uint32_t length = choose(frame, seed, &window);

    memcpy(payload, &frame, sizeof(frame));
    memcpy(payload + sizeof(frame), window, length - HEADER - sizeof(frame));
    return length;
}

static bool is_frame(const struct ae_packet *packet, uint64_t frame, uint64_t seed)
{
    const uint8_t *window, *payload = packet->data + HEADER;
    uint32_t length = choose(frame, seed, &window);

    return packet->length == length && memcmp(payload, &frame, sizeof(frame)) == 0 &&
           memcmp(payload + sizeof(frame), window, length - HEADER - sizeof(frame)) == 0;
}

struct run {
    struct ae_queue *queue;
    uint8_t mac[6];
    uint64_t frames, seed, sent, received, altered, strange;
    bool stamps;
};

static void send_some(struct run *run)
{
    struct ae_packet *packets[BURST];
    uint16_t made = 0, accepted;

    while (made < BURST && run->sent + made < run->frames &&
           run->sent + made - run->received < WINDOW) {
        struct ae_packet *packet = ae_packet_get(run->queue->pool);

        if (!packet)
            break;
        memcpy(packet->data, far_mac, 6);
        memcpy(packet->data + 6, run->mac, 6);
        packet->data[12] = 0x88;
        packet->data[13] = 0xB5;
        packet->length = fill(packet->data + HEADER, run->sent + made, run->seed);
        if (run->stamps && run->sent + made == 0)
            packet->flags |= AE_PACKET_SEND_TIMESTAMP;
        packets[made++] = packet;
    }
    accepted = made ? ae_send(run->queue, packets, made) : 0;
    run->sent += accepted;
    for (uint16_t i = accepted; i < made; i++)
        ae_packet_put(packets[i]);
}

static void check(struct run *run, const struct ae_packet *packet)
{
    if (packet->data[12] != 0x88 || packet->data[13] != 0xB5) {
        run->strange++;
        return;
    }
    if (!is_frame(packet, run->received, run->seed) || memcmp(packet->data, run->mac, 6) != 0 ||
        memcmp(packet->data + 6, far_mac, 6) != 0) {
        if (run->altered++ == 0)
            printf("# frame %" PRIu64 " is not what was sent: %u bytes\n", run->received,
                   packet->length);
    }
    run->received++;
}

static void exchange(struct run *run)
{
    uint64_t last = ae_clock_ticks(), patience = ae_clock_from_ns(IDLE_NS);

    while (run->received < run->frames && ae_clock_ticks() - last < patience) {
        struct ae_packet *packets[BURST];
        uint16_t count;

        send_some(run);
        count = ae_receive(run->queue, packets, BURST);
        for (uint16_t i = 0; i < count; i++) {
            check(run, packets[i]);
            ae_packet_put(packets[i]);
        }
        if (count)
            last = ae_clock_ticks();
    }
}

/* Of the first frame, where the card says that it can: QEMU's keeps no time. */
static bool check_stamp(struct run *run)
{
    uint64_t ns = 0;
    int rc = ae_sent_timestamp(run->queue, &ns);

    printf("# the first frame's time: %s, %" PRIu64 " ns\n", strerror(-rc), ns);
    return run->stamps ? rc == 0 || rc == -EAGAIN || rc == -ENODATA : rc == -EOPNOTSUPP;
}

/* All came back, so all were sent; the device may be a moment behind with saying so. */
static bool is_all_sent(struct run *run)
{
    uint64_t start = ae_clock_ticks(), patience = ae_clock_from_ns(IDLE_NS);

    while (ae_unsent(run->queue) > 0)
        if (ae_clock_ticks() - start > patience)
            return false;
    return true;
}

static void print_statistics(struct ae_port *port)
{
    struct ae_port_statistic statistics[64];
    int count = ae_port_owner_get_statistics(ae_port_get_owner(port), statistics, 64);

    for (int i = 0; i < count; i++)
        if (statistics[i].value)
            printf("# %s %" PRIu64 "\n", statistics[i].name, statistics[i].value);
}

static int open_port(struct ae_port **port, const char *spec, uint32_t buffer, struct ae_error *err)
{
    struct ae_domain_options memory = {.buffer_size = buffer};
    struct ae_port_options options = {0};
    struct ae_port_plan plan;
    int rc = ae_port_plan(&plan, spec, &options, err);

    if (rc)
        return rc;
    memory.packets = plan.packets;
    rc = ae_domain_create(&options.domain, &memory, err);
    if (!rc)
        rc = ae_port_open(port, spec, &options, err);
    ae_domain_close(options.domain);
    return rc;
}

int main(int argc, char **argv)
{
    struct run run = {.frames = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000,
                      .seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1};
    struct ae_port_info info;
    struct ae_port *port;
    struct ae_error err;
    const struct ae_queue_counters *counters;
    uint64_t start;
    int ok;

    if (argc < 2) {
        fprintf(stderr, "Usage: lab_frames ADDRESS [FRAMES [SEED [BUFFER]]]\n");
        return 2;
    }
    if (ae_clock_calibrate(&err) ||
        open_port(&port, argv[1], argc > 4 ? (uint32_t)atoi(argv[4]) : 0, &err)) {
        fprintf(stderr, "lab_frames: %s\n", err.text);
        return 1;
    }
    ae_port_get_info(port, &info);
    memcpy(run.mac, info.mac, 6);
    run.stamps = info.features & AE_PORT_SEND_TIMESTAMP;
    make_noise(run.seed);
    run.queue = ae_port_queue(port, 0);
    counters = run.queue->counters;
    start = ae_clock_ticks();
    exchange(&run);
    printf("# seed %" PRIu64 ", %.1f s\n", run.seed,
           (double)ae_clock_to_ns(ae_clock_ticks() - start) / 1e9);
    print_statistics(port);
    ok = run.sent == run.frames && run.received == run.frames && !run.altered &&
         !counters->receive_errors && !counters->receive_bad_descriptors && check_stamp(&run) &&
         is_all_sent(&run);
    printf("%s - %" PRIu64 " frames sent, %" PRIu64 " came back, %" PRIu64 " altered\n",
           ok ? "ok" : "not ok", run.sent, run.received, run.altered);
    ae_port_close(port);
    return ok ? 0 : 1;
}
