/* SPDX-License-Identifier: Apache-2.0 */

/* The owner's side of its port's state and of its queues': the files that they are in. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "port/owner.h"

/* Nobody can change its size. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* At this address, or anywhere; the seals come when we have it. */
static void *make(int *fd, void *at, size_t size, int seals)
{
    void *state;

    *fd = memfd_create("aether-port", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0 || ftruncate(*fd, (off_t)size))
        return NULL;
    state = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), *fd, 0);
    return state == MAP_FAILED || fcntl(*fd, F_ADD_SEALS, seals) ? NULL : state;
}

/* One behind another, so that they are an array here. */
static int make_queues(struct ae_port_owner *owner, struct ae_error *err)
{
    unsigned queues = owner->options.queues;
    void *room = mmap(NULL, queues * sizeof(struct ae_queue_state), PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (room == MAP_FAILED)
        return ae_error_set(err, -errno, "making room for the queues' state: %s", strerror(errno));
    owner->queue_states = room;
    for (unsigned i = 0; i < queues; i++)
        if (!make(&owner->queue_fds[i], &owner->queue_states[i], sizeof(struct ae_queue_state),
                  SEALS))
            return ae_error_set(err, -errno, "making the state of queue %u: %s", i,
                                strerror(errno));
    return ae_fragile_expect(&owner->fragile_queues, room, queues * sizeof(struct ae_queue_state),
                             (size_t)sysconf(_SC_PAGESIZE), &owner->lost)
               ? ae_error_set(err, -EIO, "handling bus errors failed")
               : 0;
}

int ae_port_state_make(struct ae_port_owner *owner, struct ae_error *err)
{
    /* Whoever else has it can neither write to it nor take it away, whoever he is. */
    owner->state = make(&owner->state_fd, NULL, sizeof(*owner->state), SEALS | F_SEAL_FUTURE_WRITE);
    if (!owner->state)
        return ae_error_set(err, -errno, "making the port's state: %s (Linux 5.1 is needed)",
                            strerror(errno));
    return make_queues(owner, err);
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
