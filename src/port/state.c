/* SPDX-License-Identifier: Apache-2.0 */

/* The owner's side of its port's state and of its queues': the files that they are in. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/node.h"
#include "base/sealed.h"
#include "port/owner.h"

/* One behind another, so that they are an array here. */
static int make_queues(struct ae_port_owner *owner, int node, struct ae_error *err)
{
    unsigned queues = owner->options.queues;
    void *room = mmap(NULL, queues * sizeof(struct ae_queue_state), PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (room == MAP_FAILED)
        return ae_error_set(err, -errno, "making room for the queues' state: %s", strerror(errno));
    owner->queue_states = room;
    for (unsigned i = 0; i < queues; i++) {
        if (!ae_sealed_make(&owner->queue_fds[i], "aether-port", &owner->queue_states[i],
                            sizeof(struct ae_queue_state), AE_SEALS_SIZE))
            return ae_error_set(err, -errno, "making the state of queue %u: %s", i,
                                strerror(errno));
        ae_node_prefer(&owner->queue_states[i], sizeof(struct ae_queue_state), node);
    }
    return ae_fragile_expect(&owner->fragile_queues, room, queues * sizeof(struct ae_queue_state),
                             (size_t)sysconf(_SC_PAGESIZE), &owner->lost)
               ? ae_error_set(err, -EIO, "handling bus errors failed")
               : 0;
}

int ae_port_state_make(struct ae_port_owner *owner, struct ae_error *err)
{
    int node = owner->options.on_node ? owner->options.node : -1;

    /* Whoever else has it can neither write to it nor take it away, whoever he is. */
    owner->state = ae_sealed_make(&owner->state_fd, "aether-port", NULL, sizeof(*owner->state),
                                  AE_SEALS_SIZE | F_SEAL_FUTURE_WRITE);
    if (!owner->state)
        return ae_error_set(err, -errno, "making the port's state: %s (Linux 5.1 is needed)",
                            strerror(errno));
    ae_node_prefer(owner->state, sizeof(*owner->state), node);
    return make_queues(owner, node, err);
}

void ae_port_state_drop(struct ae_port_owner *owner)
{
    ae_fragile_forget(&owner->fragile_queues);
    if (owner->queue_states)
        munmap(owner->queue_states, owner->options.queues * sizeof(struct ae_queue_state));
    if (owner->state)
        munmap(owner->state, sizeof(*owner->state));
    for (unsigned i = 0; i < AE_PORT_QUEUES; i++)
        ae_descriptor_close(&owner->queue_fds[i]);
    ae_descriptor_close(&owner->state_fd);
}
