/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Receives a multicast feed on a quiet CPU and hands its messages to any number of other processes,
 * none of which can make it wait.
 *
 *     aether run --cpu 1 --port 0000:01:00.0 --bind --join 239.1.2.3 \
 *         build/examples/feed 239.1.2.3 7000 /dev/shm/feed
 *     build/examples/feed --read /dev/shm/feed
 */

#include <aether/broadcast.h>
#include <aether/clock.h>
#include <aether/net.h>
#include <aether/worker.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BURST     32
#define SLOTS     1024
#define SLOT_SIZE 2048

/* A message: when it was received, and what the datagram carried. */
struct message {
    uint64_t ticks;
    uint8_t payload[SLOT_SIZE - 16 - sizeof(uint64_t)];
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

/* A file that readers may open; one from before goes on where it was. */
static int open_writer(struct ae_broadcast_writer *writer, const char *path, struct ae_error *err)
{
    size_t size = ae_broadcast_size(SLOTS, SLOT_SIZE);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), rc = 0;
    void *memory = MAP_FAILED;
    struct stat status;

    /* Whatever the umask: all may read. */
    if (fd >= 0 && !fchmod(fd, 0644) && !fstat(fd, &status) && !ftruncate(fd, (off_t)size))
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        snprintf(err->text, sizeof(err->text), "%s: %s", path, strerror(errno));
        return -EIO;
    }
    close(fd);
    if (status.st_size != (off_t)size)
        rc = ae_broadcast_create(memory, SLOTS, SLOT_SIZE, err);
    return rc ? rc : ae_broadcast_open_writer(writer, memory, size, err);
}

static int work(struct ae_worker *worker, struct feed *feed, const char *path)
{
    struct ae_error err;

    if (ae_worker_port_count(worker) != 1)
        return complain("one port is needed: aether run --port SPEC --join GROUP");
    if (open_writer(&feed->writer, path, &err))
        return complain(err.text);
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

static int read_from(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct ae_broadcast_reader reader;
    void *memory = MAP_FAILED;
    struct ae_error err;
    struct stat status;

    if (fd >= 0 && !fstat(fd, &status))
        memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return complain(strerror(errno));
    if (ae_clock_calibrate(&err) ||
        ae_broadcast_open_reader(&reader, memory, (size_t)status.st_size, 0, &err))
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
    if (argc != 4 || ae_ipv4_parse(argv[1], &feed.group)) {
        fprintf(stderr, "Usage: aether run --cpu N --port SPEC --join GROUP feed GROUP PORT FILE\n"
                        "       feed --read FILE\n");
        return 2;
    }
    feed.port = (uint16_t)atoi(argv[2]);
    if (ae_worker_start(&worker, &err))
        return complain(err.text);
    status = work(worker, &feed, argv[3]);
    ae_worker_finish(worker);
    return status;
}
