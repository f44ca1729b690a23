/* SPDX-License-Identifier: Apache-2.0 */

/* What every driver uses: names, where in its memory a port has what, the word that is its link. */

#include "port/port.h"

#include <errno.h>

const char *ae_path_name(enum ae_path path)
{
    static const char *const names[] = {"device", "zero-copy", "copy", "kernel"};

    return (unsigned)path < sizeof(names) / sizeof(names[0]) ? names[path] : "unknown";
}

const char *ae_caller_name(enum ae_caller caller)
{
    static const char *const names[] = {"none", "kernel", "owner", "worker"};

    return (unsigned)caller < sizeof(names) / sizeof(names[0]) ? names[caller] : "unknown";
}

static uint64_t ring_bytes(const struct ae_queue_ops *ops, uint16_t descriptors)
{
    uint64_t bytes = ops->ring_bytes ? ops->ring_bytes(descriptors) : 0;

    return (bytes + AE_RING_ALIGNMENT - 1) / AE_RING_ALIGNMENT * AE_RING_ALIGNMENT;
}

uint64_t ae_port_receive_ring_offset(const struct ae_queue_ops *ops,
                                     const struct ae_port_handoff *handoff, unsigned queue)
{
    return queue * (ring_bytes(ops, handoff->receive_ring) + ring_bytes(ops, handoff->send_ring));
}

uint64_t ae_port_send_ring_offset(const struct ae_queue_ops *ops,
                                  const struct ae_port_handoff *handoff, unsigned queue)
{
    return ae_port_receive_ring_offset(ops, handoff, queue) +
           ring_bytes(ops, handoff->receive_ring);
}

/* Layout of the word: changes 63:32, Mb/s 31:3, gone 2, full duplex 1, up 0. */
void ae_port_set_link(struct ae_port_state *state, const struct ae_link *link)
{
    uint64_t word = (uint64_t)link->changes << 32 | (uint64_t)(link->mbps & 0x1fffffff) << 3 |
                    (uint64_t)link->device_gone << 2 | (uint64_t)link->full_duplex << 1 | link->up;

    __atomic_store_n(&state->link, word, __ATOMIC_RELAXED);
}

void ae_port_read_link(const struct ae_port_state *state, struct ae_link *link)
{
    uint64_t word = __atomic_load_n(&state->link, __ATOMIC_RELAXED);

    *link = (struct ae_link){
        .up = word & 1,
        .full_duplex = word >> 1 & 1,
        .device_gone = word >> 2 & 1,
        .mbps = (uint32_t)(word >> 3) & 0x1fffffff,
        .changes = (uint32_t)(word >> 32),
        .announces = __atomic_load_n(&state->announce, __ATOMIC_RELAXED),
    };
}

int ae_sent_timestamp(struct ae_queue *queue, uint64_t *ns)
{
    return queue->sent_timestamp ? queue->sent_timestamp(queue, ns) : -EOPNOTSUPP;
}
