/* SPDX-License-Identifier: Apache-2.0 */

#include "port/virtio/spread.h"

#include <string.h>

#include "port/virtio/virtio.h"

#define KEY AE_VIRTIO_SPREAD_KEY

/* The key repeats two bytes, so that both directions of a flow have one hash and come to one queue
 * (S. Woo, K. Park: "Scalable TCP Session Monitoring with Symmetric Receive-side Scaling", 2012).
 */
static void make_key(uint8_t key[KEY])
{
    for (unsigned i = 0; i < KEY; i++)
        key[i] = i & 1 ? 0x5a : 0x6d;
}

uint32_t ae_virtio_hash(const uint8_t key[KEY], const uint8_t *bytes, unsigned length)
{
    uint32_t window =
        (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
    uint32_t hash = 0;

    for (unsigned bit = 0; bit < 8 * length; bit++) {
        unsigned next = bit + 32;

        if (bytes[bit / 8] >> (7 - bit % 8) & 1)
            hash ^= window;
        window = window << 1 | (key[next / 8] >> (7 - next % 8) & 1u);
    }
    return hash;
}

unsigned ae_virtio_spread_entry(const struct ae_port_flow *flow)
{
    bool ports = flow->protocol == 6 || flow->protocol == 17;
    uint8_t bytes[12], key[KEY];

    memcpy(bytes, flow->source, 4);
    memcpy(bytes + 4, flow->destination, 4);
    bytes[8] = (uint8_t)(flow->source_port >> 8);
    bytes[9] = (uint8_t)flow->source_port;
    bytes[10] = (uint8_t)(flow->destination_port >> 8);
    bytes[11] = (uint8_t)flow->destination_port;
    make_key(key);
    return ae_virtio_hash(key, bytes, ports ? 12 : 8) % AE_VIRTIO_SPREAD;
}

void ae_virtio_spread_make(struct ae_virtio_spread *rss, const uint16_t table[AE_VIRTIO_SPREAD],
                           uint16_t pairs)
{
    *rss = (struct ae_virtio_spread){
        .hash_types =
            VIRTIO_NET_HASH_TYPE_IPv4 | VIRTIO_NET_HASH_TYPE_TCPv4 | VIRTIO_NET_HASH_TYPE_UDPv4,
        .indirection_table_mask = AE_VIRTIO_SPREAD - 1,
        .max_tx_vq = pairs,
        .hash_key_length = KEY,
    };
    memcpy(rss->indirection_table, table, sizeof(rss->indirection_table));
    make_key(rss->hash_key_data);
}
