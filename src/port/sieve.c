/* SPDX-License-Identifier: Apache-2.0 */

/* What a port receives, the worker's side: drops what its device lets in beyond the filter. */

#include "port/filter.h"

#include <errno.h>
#include <stdlib.h>

struct ae_sieve {
    const struct ae_shared_filter *shared;
    uint32_t version;               /* of the copy in use */
    const struct ae_filter *filter; /* NULL: none is yet */
    struct ae_filter copies[2];
};

#define TYPE_AT   12 /* bytes into a frame: type; with a tag, TYPE_VLAN and then its id (802.1Q) */
#define TYPE_VLAN 0x8100

/* Takes a copy, unless it is being written just now: then what was holds a little longer. */
static void take_over(struct ae_sieve *sieve)
{
    const struct ae_shared_filter *shared = sieve->shared;
    /* Pairs with the release store in ae_filter_publish. */
    uint32_t version = __atomic_load_n(&shared->version, __ATOMIC_ACQUIRE);
    struct ae_filter *next = sieve->filter == sieve->copies ? sieve->copies + 1 : sieve->copies;

    if (version & 1 || version == sieve->version)
        return;
    *next = shared->filter;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&shared->version, __ATOMIC_RELAXED) != version)
        return;
    /* What others write is checked before it is used, though the owner is trusted. */
    if (next->count > AE_FILTER_ADDRESSES)
        next->count = 0;
    sieve->filter = next;
    sieve->version = version;
}

static bool has_address(const struct ae_filter *filter, ae_mac_t mac)
{
    unsigned low = 0, high = filter->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (filter->addresses[middle] == mac)
            return true;
        if (filter->addresses[middle] < mac)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool ae_filter_lets_in(const struct ae_filter *filter, const uint8_t *frame, uint32_t length)
{
    ae_mac_t mac = ae_mac_of(frame);

    if (frame[TYPE_AT] == TYPE_VLAN >> 8 && frame[TYPE_AT + 1] == (TYPE_VLAN & 0xff) &&
        length >= TYPE_AT + 4 &&
        !ae_filter_has_vlan(filter, (frame[TYPE_AT + 2] & 0xfu) << 8 | frame[TYPE_AT + 3]))
        return false;
    return mac == filter->own || mac == AE_MAC_BROADCAST ||
           (filter->all_multicast && ae_mac_is_group(mac)) || has_address(filter, mac);
}

uint16_t ae_queue_receive_sifted(struct ae_queue *queue, struct ae_packet **packets, uint16_t count)
{
    struct ae_sieve *sieve = queue->sieve;
    uint16_t kept = 0;

    take_over(sieve);
    count = queue->receive(queue, packets, count);
    if (!sieve->filter)
        return count;
    for (uint16_t i = 0; i < count; i++)
        if (ae_filter_lets_in(sieve->filter, packets[i]->data, packets[i]->length))
            packets[kept++] = packets[i];
        else
            ae_packet_put(packets[i]);
    queue->counters->receive_filtered += (uint64_t)(count - kept);
    return kept;
}

int ae_sieve_attach(struct ae_queue *queue, const struct ae_shared_filter *shared)
{
    queue->sieve = calloc(1, sizeof(*queue->sieve));
    if (!queue->sieve)
        return -ENOMEM;
    queue->sieve->shared = shared;
    queue->filter = &shared->version;
    return 0;
}

void ae_sieve_detach(struct ae_queue *queue)
{
    free(queue->sieve);
}
