/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A hostile worker: writes words without meaning, and some with, wherever a worker can write to
 * what its supervisor looks at: the gate, counters and ports in the page that they share, the
 * state of its queues, each port's memory, its control sockets. Towards the end it also takes pages
 * away.
 *
 *     aether run --cpu 1 --port PORT... peer_chaos SECONDS SEED
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "port/handoff.h"
#include "worker/shared.h"

#define BATCH    64 /* words, then a pause: the supervisor is to have looked at most of them */
#define PAUSE_US 200
#define DATAGRAM 2048
#define READ     PROT_READ
#define BOTH     (PROT_READ | PROT_WRITE)

struct surface {
    struct ae_port_handoff handoff; /* as it was handed over, before anything was written */
    const struct ae_port_state *state;
    struct ae_queue_state *queue;
    uint8_t *rings; /* NULL: it has none */
    uint64_t rings_size;
    uint8_t *buffers;
    uint64_t buffers_size;
};

static uint64_t seed;

/* xorshift64* */
static uint32_t any(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)((seed * UINT64_C(0x2545f4914f6cdd1d)) >> 32);
}

/* Small ones are what counts and states are. */
static uint32_t word(void)
{
    return any() % 8 ? any() % 4 : any();
}

static void *map(int fd, size_t size, int protection)
{
    void *at = size ? mmap(NULL, size, protection, MAP_SHARED, fd, 0) : MAP_FAILED;

    return at == MAP_FAILED ? NULL : at;
}

static int fd_of(const struct surface *surface, enum ae_port_map_kind kind, unsigned index)
{
    return ae_handoff_find(&surface->handoff, kind, index)->fd;
}

static uint8_t *map_memory(const struct surface *surface, enum ae_port_map_kind kind,
                           uint64_t *size)
{
    const struct ae_port_map *found = ae_handoff_find(&surface->handoff, kind, 0);

    *size = found ? found->length : 0;
    return found ? map(found->fd, *size, BOTH) : NULL;
}

static void write_state(const struct surface *surface)
{
    struct ae_queue_state *queue = surface->queue;
    uint32_t generation = __atomic_load_n(&surface->state->generation, __ATOMIC_ACQUIRE);

    switch (any() % 5) {
    case 0:
        ((uint32_t *)queue)[any() % (sizeof(*queue) / 4)] = any();
        break;
    case 1: /* what a good worker says when it has taken over */
        __atomic_store_n(&queue->generation, generation, __ATOMIC_RELEASE);
        break;
    case 2:
        queue->notify_receive = queue->notify_send = word();
        break;
    case 3:
        queue->broken = any() % 2 ? generation : word();
        break;
    default:
        queue->positions[any() % 2] = (uint16_t)any();
    }
}

static void write_memory(const struct surface *surface)
{
    if (surface->rings && any() % 8)
        surface->rings[any() % surface->rings_size] = (uint8_t)any();
    else if (surface->buffers)
        surface->buffers[any() % surface->buffers_size] = (uint8_t)any();
}

/* What the owner tells is taken from it, and answered with anything. */
static void use_control(const struct surface *surface)
{
    const struct ae_port_map *map =
        ae_handoff_find(&surface->handoff, AE_PORT_MAP_CONTROL, any() % AE_PORT_QUEUES);
    uint8_t bytes[DATAGRAM];
    int fd;

    if (!map)
        return;
    fd = map->fd;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)any();
    send(fd, bytes, any() % sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (any() % 2)
        recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
}

static void write_shared(struct ae_shared *shared)
{
    switch (any() % 64) {
    case 0:
        shared->counter_count = any();
        break;
    case 1:
        ((uint8_t *)shared->ports)[any() % sizeof(shared->ports)] = (uint8_t)any();
        break;
    case 2:
        shared->head.asked = word();
        break;
    default: /* names among them, with control characters */
        ((uint32_t *)shared->counters)[any() % (sizeof(shared->counters) / 4)] = any();
    }
    if (any() % 4096 == 0)
        __atomic_store_n(&shared->wanted, word(), __ATOMIC_RELEASE);
}

/* A page that is taken away, or a file that is made another size. */
static void take_away(const struct surface *surface)
{
    const struct ae_port_map *maps = surface->handoff.maps;
    bool rings = surface->rings && any() % 2;
    int fd = any() % 4 ? fd_of(surface, rings ? AE_PORT_MAP_MEMORY : AE_PORT_MAP_DOMAIN, 0)
                       : maps[any() % surface->handoff.map_count].fd;
    off_t size = (off_t)(rings ? surface->rings_size : surface->buffers_size);

    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, size ? any() % size & ~4095 : 0,
                  4096) ||
        ftruncate(fd, any() % 65536))
        return; /* sealed */
}

static unsigned find_surfaces(const struct ae_shared *shared,
                              struct surface surfaces[AE_WORKER_PORTS])
{
    unsigned count = shared->port_count;

    for (unsigned i = 0; i < count; i++) {
        struct surface *surface = &surfaces[i];

        surface->handoff = shared->ports[i];
        surface->rings = map_memory(surface, AE_PORT_MAP_MEMORY, &surface->rings_size);
        surface->buffers = map_memory(surface, AE_PORT_MAP_DOMAIN, &surface->buffers_size);
        surface->state = map(fd_of(surface, AE_PORT_MAP_STATE, 0), sizeof(*surface->state), READ);
        surface->queue = map(fd_of(surface, AE_PORT_MAP_QUEUE, surface->handoff.queue_first),
                             sizeof(*surface->queue), BOTH);
        if (!surface->state || !surface->queue)
            exit(2);
    }
    return count;
}

int main(int argc, char **argv)
{
    static struct surface surfaces[AE_WORKER_PORTS];
    const char *number = getenv(AE_SHARED_ENVIRONMENT);
    struct ae_shared *shared = number ? map(atoi(number), sizeof(*shared), BOTH) : NULL;
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 1);
    unsigned long writes = 0;
    unsigned count;

    if (argc < 3 || !shared)
        return 2;
    seed = strtoull(argv[2], NULL, 10) | 1;
    count = find_surfaces(shared, surfaces);
    for (; time(NULL) < end; usleep(PAUSE_US))
        for (unsigned i = 0; i < BATCH; i++, writes++) {
            struct surface *surface = &surfaces[any() % count];
            bool late = time(NULL) + 1 >= end;

            switch (any() % 4) {
            case 0:
                write_memory(surface);
                break;
            case 1:
                if (any() % 4 == 0)
                    use_control(surface);
                break;
            case 2:
                write_shared(shared);
                break;
            default:
                write_state(surface);
            }
            if (late && any() % 1024 == 0)
                take_away(surface);
        }
    printf("# %lu writes\n", writes);
    return 0;
}
