/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Receives a multicast feed on a quiet CPU and hands its messages to any number of other processes,
 * none of which can make it wait.
 *
 *     aether run --cpu 1 --port 0000:01:00.0 --bind --join 239.1.2.3 \
 *         --channel messages,kind=broadcast,size=2097152,slot=2048 build/examples/feed 239.1.2.3
 * 7000 build/examples/feed --read feed:messages
 */

#include <aether/broadcast.h>
#include <aether/clock.h>
#include <aether/named.h>
#include <aether/net.h>
#include <aether/worker.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BURST   32
#define CHANNEL "messages"
#define ROOM    2032 /* bytes of a message: a slot of 2048 has 16 of its own */

/* A message: when it was received, and what the datagram carried. */
struct message {
    uint64_t ticks;
    uint8_t payload[ROOM - sizeof(uint64_t)];
};

struct feed {
    ae_ipv4_t group;
    uint16_t port;
    struct ae_broadcast_writer writer;
    uint64_t *messages, *others;
};

static int complain(const char *what)
{
    fprintf(stderr, "feed: %s\n", what);
    return 1;
}

/* ---- Received ---- */

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/*
 * What a datagram of the feed carries (RFC 791, 3.1; RFC 768), or NULL: it is none. Several groups
 * share a MAC address, so the IP address is looked at. Checksums are not: a feed has numbers of its
 * own. Nor are fragments put together.
 */
static const uint8_t *payload_of(const struct feed *feed, const struct ae_packet *packet,
                                 uint32_t *length)
{
    const uint8_t *ip = packet->data + 14, *udp;
    uint32_t header, total;

    if (packet->length < 14 + 20 + 8 || get16(packet->data + 12) != 0x0800 || ip[0] >> 4 != 4)
        return NULL;
    header = (ip[0] & 15u) * 4;
    total = get16(ip + 2);
    if (header < 20 || total < header + 8 || total > packet->length - 14 || ip[9] != 17 ||
        get16(ip + 6) & 0x3fff || memcmp(ip + 16, &feed->group, 4) != 0)
        return NULL;
    udp = ip + header;
    *length = get16(udp + 4);
    if (get16(udp + 2) != feed->port || *length < 8 || *length > total - header)
        return NULL;
    *length -= 8;
    return udp + 8;
}

static void hand_on(struct feed *feed, const struct ae_packet *packet, uint64_t now)
{
    struct message message = {.ticks = now};
    uint32_t length;
    const uint8_t *payload = payload_of(feed, packet, &length);

    if (!payload || length > sizeof(message.payload)) {
        ++*feed->others;
        return;
    }
    memcpy(message.payload, payload, length);
    ae_broadcast_put(&feed->writer, &message, (uint32_t)sizeof(message.ticks) + length);
    ++*feed->messages;
}

static void receive(struct ae_worker *worker, struct feed *feed)
{
    struct ae_queue *queue = ae_port_queue(ae_worker_port(worker, 0), 0);
    struct ae_packet *packets[BURST];

    while (ae_worker_running(worker)) {
        uint16_t count = ae_receive(queue, packets, BURST);
        uint64_t now = ae_clock_ticks();

        for (uint16_t i = 0; i < count; i++)
            hand_on(feed, packets[i], now);
        ae_packet_put_burst(packets, count);
    }
}

/* A worker that is started again goes on where the one before was. */
static int open_writer(struct ae_worker *worker, struct ae_broadcast_writer *writer,
                       struct ae_error *err)
{
    struct ae_named named;
    int rc = ae_worker_named(worker, CHANNEL, &named, err);

    return rc ? rc : ae_broadcast_open_writer(writer, named.memory, named.size, err);
}

static int work(struct ae_worker *worker, struct feed *feed)
{
    struct ae_error err;

    if (ae_worker_port_count(worker) != 1)
        return complain("one port is needed: aether run --port SPEC --join GROUP");
    if (open_writer(worker, &feed->writer, &err))
        return complain(err.text);
    if (feed->writer.room < ROOM)
        return complain("slots of 2048 bytes are needed: --channel " CHANNEL ",slot=2048");
    feed->messages = ae_worker_counter(worker, "messages");
    feed->others = ae_worker_counter(worker, "other frames");
    if (ae_quiet_enter(worker, NULL, &err))
        return complain(err.text);
    receive(worker, feed);
    ae_quiet_leave(worker);
    printf("Handed on %llu messages; %llu frames were none\n", (unsigned long long)*feed->messages,
           (unsigned long long)*feed->others);
    return 0;
}

/* ---- Read ---- */

static void print(const struct message *message, uint32_t length, uint64_t number)
{
    uint64_t age = ae_clock_to_ns(ae_clock_ticks() - message->ticks);

    printf("%llu, %llu us old: ", (unsigned long long)number, (unsigned long long)age / 1000);
    for (uint32_t i = 0; i < length; i++)
        putchar(isprint(message->payload[i]) ? message->payload[i] : '.');
    putchar('\n');
}

/* Until a signal ends it. */
static _Noreturn void read_all(struct ae_broadcast_reader *reader)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    struct message message;
    uint64_t lost = 0;

    for (;;) {
        uint32_t length;

        if (!ae_broadcast_get(reader, &message, &length)) {
            fflush(stdout);
            nanosleep(&pause, NULL);
        } else if (length >= sizeof(message.ticks)) {
            print(&message, length - (uint32_t)sizeof(message.ticks), reader->next - 1);
        }
        if (reader->lost != lost)
            printf("%llu were lost: too slow\n", (unsigned long long)(reader->lost - lost));
        lost = reader->lost;
    }
}

static int read_from(const char *name)
{
    struct ae_broadcast_reader reader;
    struct ae_named named;
    struct ae_error err;

    if (ae_clock_calibrate(&err) || ae_named_open(&named, name, &err) ||
        ae_broadcast_open_reader(&reader, named.memory, named.size, 0, &err))
        return complain(err.text);
    if (reader.room > sizeof(struct message))
        return complain("its messages are longer than a feed's");
    read_all(&reader);
}

int main(int argc, char **argv)
{
    struct ae_worker *worker;
    struct feed feed = {0};
    struct ae_error err;
    int status;

    if (argc == 3 && strcmp(argv[1], "--read") == 0)
        return read_from(argv[2]);
    if (argc != 3 || ae_ipv4_parse(argv[1], &feed.group)) {
        fprintf(stderr, "Usage: aether run --cpu N --port SPEC --join GROUP --channel " CHANNEL
                        ",kind=broadcast,... feed GROUP PORT\n"
                        "       feed --read RUN:" CHANNEL "\n");
        return 2;
    }
    feed.port = (uint16_t)atoi(argv[2]);
    if (ae_worker_start(&worker, &err))
        return complain(err.text);
    status = work(worker, &feed);
    ae_worker_finish(worker);
    return status;
}
