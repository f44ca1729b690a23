/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VIRTIO_SPREAD_H
#define AE_PORT_VIRTIO_SPREAD_H

/* Receive-side scaling (OASIS VIRTIO 1.2, 5.1.6.5.7): which queue a frame comes to. */

#include <stdint.h>

#include <aether/owner.h>

#define AE_VIRTIO_SPREAD     128 /* entries of the table; so many flows' hashes are told apart */
#define AE_VIRTIO_SPREAD_KEY 40

/* What VIRTIO_NET_CTRL_MQ_RSS_CONFIG takes, 5.1.6.5.7.1. */
struct __attribute__((packed)) ae_virtio_spread {
    uint32_t hash_types;
    uint16_t indirection_table_mask;
    uint16_t unclassified_queue;
    uint16_t indirection_table[AE_VIRTIO_SPREAD];
    uint16_t max_tx_vq;
    uint8_t hash_key_length;
    uint8_t hash_key_data[AE_VIRTIO_SPREAD_KEY];
};

/* Frames go to queues by this table, of numbers below `pairs`. */
void ae_virtio_spread_make(struct ae_virtio_spread *rss, const uint16_t table[AE_VIRTIO_SPREAD],
                           uint16_t pairs);

/* Toeplitz, 5.1.6.4.3: of at most 36 bytes. */
uint32_t ae_virtio_hash(const uint8_t key[AE_VIRTIO_SPREAD_KEY], const uint8_t *bytes,
                        unsigned length);

/* The entry of the table by which the device sends this flow's frames. */
unsigned ae_virtio_spread_entry(const struct ae_port_flow *flow);

#endif
