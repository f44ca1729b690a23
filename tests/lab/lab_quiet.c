/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A worker for `aether run` that is quiet until it is asked to stop, and does one deliberate thing
 * that a quiet worker must not do, when the test says so.
 *
 *     lab_quiet PAGE-FILE hold      nothing of its own; the test disturbs it from outside
 *     lab_quiet PAGE-FILE syscall   makes a system call
 *     lab_quiet PAGE-FILE fault     goes deeper into its stack than it said it would
 *     lab_quiet PAGE-FILE timer     left a timer running
 *     lab_quiet PAGE-FILE stray     gives its card the address of memory that is not mapped for it
 *
 * Words of the page: it is quiet; do it; it is done; frames that came back. With a third argument,
 * "each", those of the worker on CPU N begin at word 16 N.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <aether/clock.h>
#include <aether/worker.h>

#define PAGE     4096
#define EACH     64 /* bytes a worker */
#define FRAME    200
#define EVERY_NS UINT64_C(1000000)
#define NOWHERE  UINT64_C(0x00007fff00000000)
#define DEEP     (1024 * 1024) /* below what ae_quiet_enter faults in */

struct page {
    volatile uint32_t quiet, go, done, returned;
};

static const uint8_t far_mac[6] = {0x52, 0x54, 0x00, 0x77, 0xff, 0x01};

static void on_signal(int number)
{
    (void)number;
}

static __attribute__((noinline)) void go_deep(void)
{
    volatile uint8_t stack[DEEP];

    for (size_t i = sizeof(stack); i > 0; i -= 4096)
        stack[i - 1] = 0;
}

/* Says of a packet that its buffer is so far on. */
static void move(struct ae_packet *packet, uint64_t distance)
{
    packet->buffer = (uint8_t *)((uintptr_t)packet->buffer + distance);
    packet->data = (uint8_t *)((uintptr_t)packet->data + distance);
}

/* One frame to the far end; from nowhere, the card is told the address of memory that is not
 * its. */
static void send_frame(struct ae_queue *queue, const uint8_t *mac, bool from_nowhere)
{
    struct ae_packet *packet = ae_packet_get(queue->pool);
    uint64_t distance = from_nowhere ? NOWHERE - queue->pool->iova.value : 0;
    uint16_t taken;

    if (!packet)
        return;
    memcpy(packet->data, far_mac, 6);
    memcpy(packet->data + 6, mac, 6);
    packet->data[12] = 0x88;
    packet->data[13] = 0xB5;
    packet->length = FRAME;
    move(packet, distance);
    taken = ae_send(queue, &packet, 1);
    move(packet, -distance);
    if (taken == 0)
        ae_packet_put(packet);
}

static void take_frames(struct ae_queue *queue, struct page *page)
{
    struct ae_packet *packets[16];
    uint16_t count = ae_receive(queue, packets, 16);

    for (uint16_t i = 0; i < count; i++) {
        page->returned += packets[i]->length == FRAME && packets[i]->data[12] == 0x88;
        ae_packet_put(packets[i]);
    }
}

static void misbehave(const char *what, struct ae_queue *queue, const uint8_t *mac)
{
    if (strcmp(what, "syscall") == 0)
        syscall(SYS_getppid);
    else if (strcmp(what, "fault") == 0)
        go_deep();
    else if (strcmp(what, "stray") == 0)
        send_frame(queue, mac, true);
}

static void prepare(const char *what)
{
    /* Counts the CPU time of the process, which takes the tick on its CPU. */
    const struct itimerval hour = {.it_value = {.tv_sec = 3600}};
    const struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGUSR1, &action, NULL);
    if (strcmp(what, "timer") == 0)
        setitimer(ITIMER_VIRTUAL, &hour, NULL);
}

static void be_quiet(struct ae_worker *worker, struct page *page, const char *what)
{
    struct ae_port *port = ae_worker_port(worker, 0);
    struct ae_queue *queue = port ? ae_port_queue(port, 0) : NULL;
    uint64_t pause = ae_clock_from_ns(EVERY_NS), last = 0;
    struct ae_port_info info = {0};

    if (port)
        ae_port_get_info(port, &info);
    page->quiet = 1;
    while (ae_worker_running(worker)) {
        if (page->go && !page->done) {
            misbehave(what, queue, info.mac);
            page->done = 1;
        }
        if (!queue)
            continue;
        take_frames(queue, page);
        if (ae_clock_ticks() - last >= pause) {
            send_frame(queue, info.mac, false);
            last = ae_clock_ticks();
        }
    }
}

int main(int argc, char **argv)
{
    struct ae_worker *worker;
    struct ae_error err;
    struct page *page;
    int fd = argc == 3 || argc == 4 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0) {
        fprintf(stderr, "Usage: lab_quiet PAGE-FILE hold|syscall|fault|timer|stray [each]\n");
        return 2;
    }
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        perror("lab_quiet: mmap");
        return 1;
    }
    prepare(argv[2]);
    if (ae_worker_start(&worker, &err)) {
        fprintf(stderr, "lab_quiet: %s\n", err.text);
        return 1;
    }
    if (argc == 4)
        page += (size_t)ae_worker_cpu(worker) * EACH / sizeof(*page);
    if (ae_quiet_enter(worker, NULL, &err)) {
        fprintf(stderr, "lab_quiet: %s\n", err.text);
        ae_worker_finish(worker);
        return 1;
    }
    be_quiet(worker, page, argv[2]);
    ae_quiet_leave(worker);
    ae_worker_finish(worker);
    return 0;
}
