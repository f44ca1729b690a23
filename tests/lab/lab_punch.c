/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A worker that means harm: takes all free huge pages, punches a hole into its port's memory, takes
 * the page that came free, and has its supervisor look at the rings that lay there. Needs no right.
 * How: "rings", "state" (the queue's state and the worker's page), or "all".
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <aether/worker.h>

#include "port/handoff.h"
#include "worker/shared.h"

#define HUGE  (2ul << 20)
#define TRIES 200000

static struct ae_shared *shared;
static struct ae_queue_state *state;
static int memory_fd, state_fd, page_fd;

static bool take_page(void)
{
    uint8_t *page =
        mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

    if (page == MAP_FAILED)
        return false;
    page[0] = 1;
    return true;
}

static void punch(int fd, size_t size)
{
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)size))
        printf("punching %d: %s\n", fd, strerror(errno));
}

static void ask_for_notifications(void)
{
    state->notify_receive = state->notify_send = 1;
}

static void take_the_rings(void)
{
    unsigned taken = 0, tries = 0;

    while (take_page())
        taken++;
    /* Whoever touches the page first has it. */
    do
        punch(memory_fd, HUGE);
    while (!take_page() && ++tries < TRIES);
    printf("uid %u took %u huge pages, and that of the rings at try %u of %u\n", getuid(), taken,
           tries, TRIES);
}

int main(int argc, char **argv)
{
    bool all = argc > 1 && strcmp(argv[1], "all") == 0;
    struct ae_worker *worker;
    struct ae_packet *packet;
    struct ae_error err;

    setvbuf(stdout, NULL, _IOLBF, 0);
    page_fd = dup(atoi(getenv(AE_SHARED_ENVIRONMENT)));
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
    memory_fd = dup(ae_handoff_find(&shared->ports[0], AE_PORT_MAP_MEMORY, 0)->fd);
    state_fd = dup(ae_handoff_find(&shared->ports[0], AE_PORT_MAP_QUEUE, 0)->fd);
    state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, state_fd, 0);
    if (ae_worker_start(&worker, &err)) {
        printf("%s\n", err.text);
        return 1;
    }
    /* Until the rings run. */
    for (int i = 0; i < 2000; i++) {
        if (ae_receive(ae_port_queue(ae_worker_port(worker, 0), 0), &packet, 1))
            ae_packet_put(packet);
        usleep(1000);
    }
    if (all || strcmp(argv[1], "rings") == 0)
        take_the_rings();
    if (all || strcmp(argv[1], "state") == 0) {
        punch(state_fd, sizeof(*state));
        punch(page_fd, sizeof(*shared));
    }
    for (int i = 0; i < 20000 && ae_worker_running(worker); i++) {
        ask_for_notifications();
        usleep(100);
    }
    printf("asked to stop: %d\n", !ae_worker_running(worker));
    return 0; /* and its end frees what it took */
}
