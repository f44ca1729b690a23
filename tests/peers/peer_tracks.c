/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A back end on DPDK's vhost library that tracks what it has in flight, which net_vhost does not:
 * returns every frame of split rings. Told so (SIGUSR1), it takes some without using them, and
 * kills itself; a new one is given them again.
 *
 *     peer_tracks SOCKET [EAL OPTION...]
 */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <rte_eal.h>
#include <rte_vhost.h>

#define HELD 20

struct side {
    struct rte_vhost_vring ring;
    struct rte_vhost_ring_inflight inflight;
    uint16_t avail, used; /* index of the next entry */
    unsigned again;       /* of inflight.resubmit_inflight, still to be taken */
};

static struct side sides[2]; /* to the driver, from the driver */
static struct rte_vhost_memory *memory;
static int device;
static atomic_bool running;
static volatile sig_atomic_t told_to_die;

static void fail(const char *what)
{
    printf("not ok - %s\n", what);
    fflush(stdout);
    _exit(1);
}

/* The oldest of those given again is the list's last. */
static bool take(unsigned vring, uint16_t *id)
{
    struct side *side = &sides[vring];

    if (side->again) {
        *id = (uint16_t)side->inflight.resubmit_inflight->resubmit_list[--side->again].index;
        return true;
    }
    if (__atomic_load_n(&side->ring.avail->idx, __ATOMIC_ACQUIRE) == side->avail)
        return false;
    *id = side->ring.avail->ring[side->avail++ & (side->ring.size - 1)];
    if (rte_vhost_set_inflight_desc_split(device, (uint16_t)vring, *id))
        fail("a buffer cannot be marked");
    return true;
}

static void use(unsigned vring, uint16_t id, uint32_t length)
{
    struct side *side = &sides[vring];
    struct vring_used_elem *elem = &side->ring.used->ring[side->used & (side->ring.size - 1)];

    elem->id = id;
    elem->len = length;
    rte_vhost_set_last_inflight_io_split(device, (uint16_t)vring, id);
    __atomic_store_n(&side->ring.used->idx, ++side->used, __ATOMIC_RELEASE);
    rte_vhost_clr_inflight_desc_split(device, (uint16_t)vring, side->used, id);
}

static uint8_t *bytes_of(unsigned vring, uint16_t id, uint64_t *length)
{
    const struct vring_desc *desc = &sides[vring].ring.desc[id];

    *length = desc->len;
    return (uint8_t *)(uintptr_t)rte_vhost_va_from_guest_pa(memory, desc->addr, length);
}

static void give_back(uint16_t sent, uint16_t free)
{
    struct virtio_net_hdr_mrg_rxbuf header = {.num_buffers = 1};
    uint64_t length, room;
    uint8_t *from = bytes_of(1, sent, &length), *to = bytes_of(0, free, &room);

    if (!from || !to || room < length)
        fail("a buffer is not where it should be");
    memcpy(to, from, length);
    memcpy(to, &header, sizeof(header));
    use(0, free, (uint32_t)length);
    use(1, sent, 0);
}

static void *serve(void *unused)
{
    unsigned held = 0;
    uint16_t sent, free;
    bool has_free = false;

    for (;;) {
        if (!running || (!has_free && !(has_free = take(0, &free))) || !take(1, &sent))
            continue;
        has_free = false;
        if (!told_to_die)
            give_back(sent, free);
        else if (++held == HELD)
            kill(getpid(), SIGKILL);
    }
    return unused;
}

static int begin(int vid)
{
    device = vid;
    if (rte_vhost_get_mem_table(vid, &memory))
        fail("there is no memory");
    for (uint16_t i = 0; i < 2; i++) {
        struct side *side = &sides[i];

        if (rte_vhost_get_vhost_vring(vid, i, &side->ring) ||
            rte_vhost_get_vring_base(vid, i, &side->avail, &side->used) ||
            rte_vhost_get_vhost_ring_inflight(vid, i, &side->inflight))
            fail("a ring is not complete");
        if (!side->inflight.inflight_split)
            fail("there is no in-flight buffer");
        if (side->used != side->ring.used->idx)
            fail("the base is not where the used ring ends");
        if (side->inflight.resubmit_inflight)
            side->again = side->inflight.resubmit_inflight->resubmit_num;
        printf("# ring %u: %u to take again\n", i, side->again);
    }
    fflush(stdout);
    running = true;
    return 0;
}

static void end(int vid)
{
    (void)vid;
    exit(0);
}

static void die(int number)
{
    told_to_die = number;
}

int main(int argc, char **argv)
{
    static const struct rte_vhost_device_ops ops = {.new_device = begin, .destroy_device = end};
    const char *path = argv[1];
    uint64_t protocol;
    pthread_t thread;

    if (argc < 2) {
        fprintf(stderr, "Usage: peer_tracks SOCKET [EAL OPTION...]\n");
        return 2;
    }
    argv[1] = argv[0];
    signal(SIGUSR1, die);
    unlink(path);
    if (rte_eal_init(argc - 1, argv + 1) < 0 || rte_vhost_driver_register(path, 0) ||
        rte_vhost_driver_disable_features(path, UINT64_C(1) << VIRTIO_F_RING_PACKED) ||
        rte_vhost_driver_get_protocol_features(path, &protocol) ||
        rte_vhost_driver_set_protocol_features(
            path, protocol | UINT64_C(1) << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) ||
        rte_vhost_driver_callback_register(path, &ops) ||
        pthread_create(&thread, NULL, serve, NULL) || rte_vhost_driver_start(path))
        fail("the library cannot be started");
    printf("# listening; net_vhost's own protocol features: 0x%llx\n",
           (unsigned long long)protocol);
    fflush(stdout);
    pthread_join(thread, NULL);
}
