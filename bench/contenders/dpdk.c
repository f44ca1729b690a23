/* SPDX-License-Identifier: Apache-2.0 */

/* DPDK: virtio-user against a vhost-user back end, run to completion, as a DPDK program would be
 * written. */

#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "frame.h"
#include "program.h"

#define BURST 32
#define RING  1024
#define POOL  4096
#define CACHE 256

static const struct setting settings[] = {
    {"mrg_rxbuf, in_order, vectorized", "0, 1, 1",
     "DPDK, Network Interface Controller Drivers, virtio: for its vector paths"},
    {"packed_vq", "1", "as Aether's contender"},
    {"queue_size", "1024", "as the back end's"},
    {"burst", "32", "DPDK, Sample Applications, l2fwd: MAX_PKT_BURST"},
    {0}};

static int start_eal(const char *path)
{
    static char vdev[512];
    const char *arguments[] = {/* getopt reorders them */
                               "dpdk",
                               "--in-memory",
                               "--single-file-segments",
                               "--no-pci",
                               "--no-telemetry",
                               "--log-level=4",
                               "-m",
                               "64",
                               "--vdev",
                               vdev,
                               NULL};
    int count = (int)(sizeof(arguments) / sizeof(arguments[0])) - 1;

    snprintf(vdev, sizeof(vdev),
             "net_virtio_user0,path=%s,queues=1,queue_size=%d,packed_vq=1,mrg_rxbuf=0,in_order=1,"
             "vectorized=1",
             path, RING);
    return rte_eal_init(count, (char **)(uintptr_t)(void *)arguments) < 0 ? -1 : 0;
}

static int start_port(struct rte_mempool **pool)
{
    struct rte_eth_conf conf = {0};
    int rc;

    *pool = rte_pktmbuf_pool_create("frames", POOL, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    if (!*pool || rte_eth_dev_count_avail() != 1)
        return -1;
    rc = rte_eth_dev_configure(0, 1, 1, &conf);
    if (!rc)
        rc = rte_eth_rx_queue_setup(0, 0, RING, 0, NULL, *pool);
    if (!rc)
        rc = rte_eth_tx_queue_setup(0, 0, RING, 0, NULL);
    return rc ? rc : rte_eth_dev_start(0);
}

static int check(const struct contender *self, const char *wire, struct ae_error *err)
{
    (void)self, (void)wire, (void)err;
    return 0; /* it was built, so DPDK is there */
}

static void turn_burst(struct counts *counts)
{
    struct rte_mbuf *frames[BURST];
    uint16_t came = rte_eth_rx_burst(0, 0, frames, BURST), turned = 0, sent;

    counts->calls++;
    counts->empty += came == 0;
    for (uint16_t i = 0; i < came; i++) {
        if (frame_turn(rte_pktmbuf_mtod(frames[i], uint8_t *), frames[i]->pkt_len)) {
            frames[turned++] = frames[i];
        } else {
            rte_pktmbuf_free(frames[i]);
            counts->strange++;
        }
    }
    sent = turned ? rte_eth_tx_burst(0, 0, frames, turned) : 0;
    counts->received += turned;
    counts->sent += sent;
    for (; sent < turned; sent++)
        rte_pktmbuf_free(frames[sent]);
}

static int respond(const struct contender *self, const char *wire, struct counts *counts,
                   struct ae_error *err)
{
    struct rte_mempool *pool;

    (void)self;
    if (start_eal(wire) || start_port(&pool)) {
        snprintf(err->text, sizeof(err->text), "DPDK does not start on %s: %s", wire,
                 rte_strerror(rte_errno));
        return -1;
    }
    while (!program_ended)
        turn_burst(counts);
    rte_eth_dev_stop(0);
    rte_eth_dev_close(0);
    rte_eal_cleanup();
    return 0;
}

int main(int argc, char **argv)
{
    static const struct contender contender = {
        "dpdk", "DPDK, virtio-user", "vhost-user", "frame", "device", "none", settings, NULL, check,
        respond};

    return program_main(argc, argv, &contender, 1);
}
