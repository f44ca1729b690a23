/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Aether's own vhost-user back end as the other side of the wire: io sends every frame back as it
 * came, rxonly drops all, txonly sends as many as there is room for. Prints the id of the thread
 * that polls. Ends when its input does.
 */

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/owner.h>
#include <aether/packet.h>

#include "contender.h"

#define BURST   32
#define TEND_MS 100
#define LOOK    4096 /* turns of a loop between two looks at whether to end */

static struct ae_port *port;
static struct ae_queue *queue;
static uint8_t header[HEADER_BYTES];
static uint16_t frame;
static bool ended;

static bool has_ended(void)
{
    return __atomic_load_n(&ended, __ATOMIC_RELAXED);
}

static void give(struct ae_packet **packets, uint16_t count)
{
    uint16_t sent = ae_send(queue, packets, count);

    ae_packet_put_burst(packets + sent, (uint32_t)(count - sent));
}

static void io(void)
{
    struct ae_packet *packets[BURST];

    give(packets, ae_receive(queue, packets, BURST));
}

static void rxonly(void)
{
    struct ae_packet *packets[BURST];

    ae_packet_put_burst(packets, ae_receive(queue, packets, BURST));
}

static void txonly(void)
{
    struct ae_packet *packets[BURST];
    uint16_t count = (uint16_t)ae_packet_get_burst(queue->pool, packets, BURST);

    for (uint16_t i = 0; i < count; i++) {
        memcpy(packets[i]->data, header, HEADER_BYTES);
        packets[i]->length = frame;
    }
    give(packets, count);
}

static const struct {
    const char *name;
    void (*turn)(void);
} modes[] = {{"io", io}, {"rxonly", rxonly}, {"txonly", txonly}};

/* What a supervisor does for a worker; the contenders poll, so nothing has to be relayed to
 * them. */
static void *own(void *unused)
{
    struct ae_port_owner *owner = ae_port_get_owner(port);
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    char rest[64];

    (void)unused;
    fds[1].fd = ae_port_owner_fd(owner);
    while (!has_ended()) {
        ae_port_owner_step(owner);
        if (poll(fds, 2, TEND_MS) <= 0)
            continue;
        if (fds[0].revents && read(STDIN_FILENO, rest, sizeof(rest)) <= 0)
            __atomic_store_n(&ended, true, __ATOMIC_RELAXED);
    }
    return NULL;
}

static int work(void (*turn)(void), int cpu)
{
    pthread_t owner;
    int rc = pthread_create(&owner, NULL, own, NULL);

    if (rc) {
        fprintf(stderr, "back_end: no thread to be had: %s\n", strerror(rc));
        return 1;
    }
    /* The owner's thread stays where it may run anywhere. */
    contender_move_to(cpu);
    printf("%d\n", gettid());
    fflush(stdout);
    while (!has_ended())
        for (unsigned i = 0; i < LOOK; i++)
            turn();
    __atomic_store_n(&ended, true, __ATOMIC_RELAXED);
    pthread_join(owner, NULL);
    return 0;
}

static int usage(void)
{
    fprintf(stderr, "Usage: back_end io|rxonly|txonly SOCKET CPU FRAME\n"
                    "Serves one vhost-user front end after the other; FRAME: bytes, 64 to 1514.\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct ae_port_options options = {0};
    void (*turn)(void) = NULL;
    char spec[AE_PORT_SPEC], *end_cpu, *end_frame;
    struct ae_error err;
    long cpu, bytes;
    int rc;

    if (argc != 5)
        return usage();
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(argv[1], modes[i].name) == 0)
            turn = modes[i].turn;
    cpu = strtol(argv[3], &end_cpu, 10);
    bytes = strtol(argv[4], &end_frame, 10);
    if (!turn || *end_cpu || *end_frame || cpu < 0 || cpu >= CPU_SETSIZE || bytes < 64 ||
        bytes > 1514)
        return usage();
    frame = (uint16_t)bytes;
    contender_header(header, frame);
    snprintf(spec, sizeof(spec), "vhost-user-server:%s", argv[2]);
    if (ae_port_open(&port, spec, &options, &err)) {
        fprintf(stderr, "back_end: %s\n", err.text);
        return 1;
    }
    queue = ae_port_queue(port, 0);
    rc = work(turn, (int)cpu);
    ae_port_close(port);
    return rc;
}
