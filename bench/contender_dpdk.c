/* SPDX-License-Identifier: Apache-2.0 */

/* DPDK's virtio-user, as a DPDK program would use it. */

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_version.h>

typedef struct rte_mbuf packet;

#define POOL  1024 /* beside what the rings hold: as many as Aether's port has */
#define CACHE 256

static uint16_t port;
static struct rte_mempool *pool;

static inline uint16_t take(packet **packets, uint16_t count)
{
    return rte_eth_rx_burst(port, 0, packets, count);
}

static inline uint16_t give(packet **packets, uint16_t count)
{
    return rte_eth_tx_burst(port, 0, packets, count);
}

static inline bool get(packet **packets, uint16_t count)
{
    return rte_pktmbuf_alloc_bulk(pool, packets, count) == 0;
}

static inline void put(packet **packets, uint16_t count)
{
    if (count)
        rte_pktmbuf_free_bulk(packets, count);
}

static inline uint8_t *data(packet *one)
{
    return rte_pktmbuf_mtod(one, uint8_t *);
}

static inline uint32_t length(const packet *one)
{
    return one->pkt_len;
}

static inline void set_length(packet *one, uint16_t bytes)
{
    one->data_len = bytes;
    one->pkt_len = bytes;
}

#include "work.h"

static void start_eal(void)
{
    static char lcores[32], vdev[512];
    const char *arguments[] = {/* getopt reorders them */
                               "contender_dpdk",
                               "--lcores",
                               lcores,
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

    snprintf(lcores, sizeof(lcores), "0@%d", contender.cpu < 0 ? 0 : contender.cpu);
    snprintf(vdev, sizeof(vdev), "net_virtio_user0,path=%s,queues=1,queue_size=%u,packed_vq=%d%s%s",
             contender.path, contender.queue_size, contender.packed, *contender.driver ? "," : "",
             contender.driver);
    if (rte_eal_init(count, (char **)(uintptr_t)(void *)arguments) < 0)
        rte_exit(1, "contender_dpdk: the EAL does not start\n");
}

static void start_port(void)
{
    struct rte_eth_conf conf = {0};
    int rc;

    if (rte_eth_dev_count_avail() != 1)
        rte_exit(1, "contender_dpdk: no port came up\n");
    pool = rte_pktmbuf_pool_create("frames", POOL + 2u * contender.queue_size, CACHE, 0,
                                   RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    if (!pool)
        rte_exit(1, "contender_dpdk: no memory for %d frames\n", POOL);
    rc = rte_eth_dev_configure(port, 1, 1, &conf);
    if (!rc)
        rc = rte_eth_rx_queue_setup(port, 0, contender.queue_size, 0, NULL, pool);
    if (!rc)
        rc = rte_eth_tx_queue_setup(port, 0, contender.queue_size, 0, NULL);
    if (!rc)
        rc = rte_eth_dev_start(port);
    if (rc)
        rte_exit(1, "contender_dpdk: the port does not start: %s\n", rte_strerror(-rc));
}

/* Which of its functions the driver chose: the name of its receive mode. */
static const char *describe(void)
{
    static char text[160];
    struct rte_eth_burst_mode receive;

    if (rte_eth_rx_burst_mode_get(port, 0, &receive))
        snprintf(receive.info, sizeof(receive.info), "receive mode not named");
    snprintf(text, sizeof(text), "%s, %.100s", rte_version(), receive.info);
    return text;
}

int main(int argc, char **argv)
{
    contender_parse(&contender, argc, argv, "contender_dpdk");
    start_eal();
    contender_prepare(&contender);
    start_port();
    contender.described = describe();
    run_work();
    fflush(stdout);
    rte_eth_dev_stop(port);
    rte_eth_dev_close(port);
    rte_eal_cleanup();
    return 0;
}
