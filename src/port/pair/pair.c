/* SPDX-License-Identifier: Apache-2.0 */

/* All pairs of a process: found by name or id, freed with their last owner or queue. */

#include "port/pair/pair.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all pairs; not taken by queues */
static struct pair *pairs;

static void free_pair(struct pair *pair)
{
    for (unsigned i = 0; i < pair->queues; i++)
        for (unsigned end = 0; end < 2; end++)
            free(pair->wires[i][end].slots);
    free(pair);
}

static int make_wire(struct pair_wire *wire, uint16_t size, uint16_t mtu)
{
    wire->size = size;
    wire->bytes = ((uint32_t)sizeof(struct pair_slot) + AE_FRAME_MAX(mtu) + 63) / 64 * 64;
    wire->slots = aligned_alloc(64, (size_t)size * wire->bytes);
    if (!wire->slots)
        return -ENOMEM;
    memset(wire->slots, 0, (size_t)size * wire->bytes); /* faulted in before anybody polls */
    return 0;
}

/* One without wires yet. */
static struct pair *add_pair(uint64_t id, uint16_t queues, uint16_t mtu)
{
    struct pair *pair = aligned_alloc(64, sizeof(*pair));

    if (!pair)
        return NULL;
    memset(pair, 0, sizeof(*pair));
    pair->id = id;
    pair->queues = queues;
    pair->mtu = mtu;
    pair->next = pairs;
    pairs = pair;
    return pair;
}

static void remove_pair(struct pair *pair)
{
    struct pair **at = &pairs;

    while (*at != pair)
        at = &(*at)->next;
    *at = pair->next;
    free_pair(pair);
}

/* As the first end wants it; it is end 0. */
static struct pair *make_pair(const struct ae_port_owner *owner)
{
    const struct ae_port_options *options = &owner->options;
    static uint64_t last_id;
    struct pair *pair = add_pair(++last_id, options->queues, owner->handoff.info.mtu);
    int rc = 0;

    if (!pair)
        return NULL;
    strcpy(pair->name, owner->base);
    for (unsigned i = 0; i < pair->queues && !rc; i++) {
        rc = make_wire(&pair->wires[i][0], options->send_ring, pair->mtu);
        if (!rc)
            rc = make_wire(&pair->wires[i][1], options->receive_ring, pair->mtu);
    }
    if (!rc)
        return pair;
    remove_pair(pair);
    return NULL;
}

static struct pair *find(const char *name)
{
    struct pair *pair = pairs;

    while (pair && strcmp(pair->name, name) != 0)
        pair = pair->next;
    return pair;
}

static void drop(struct pair *pair)
{
    if (--pair->references == 0)
        remove_pair(pair);
}

static struct pair *with_id(uint64_t id)
{
    struct pair *pair = pairs;

    while (pair && pair->id != id)
        pair = pair->next;
    return pair;
}

/* A worker's own, which has no name: nobody opens a third end of it. */
static struct pair *make_here(const struct ae_port_handoff *handoff, unsigned queue)
{
    const struct pair_handoff *told = pair_handoff(handoff);
    struct pair *pair = with_id(told->id);
    struct pair_wire *wires;

    if (!pair)
        pair = add_pair(told->id, handoff->info.queues, handoff->info.mtu);
    if (!pair)
        return NULL;
    wires = pair->wires[queue];
    if (wires->slots || (!make_wire(&wires[told->end], handoff->send_ring, pair->mtu) &&
                         !make_wire(&wires[!told->end], handoff->receive_ring, pair->mtu)))
        return pair;
    if (!pair->references)
        remove_pair(pair);
    return NULL;
}

struct pair *ae_pair_hold(const struct ae_port_handoff *handoff, unsigned queue)
{
    const struct pair_handoff *told = pair_handoff(handoff);
    struct pair *pair;

    pthread_mutex_lock(&lock);
    pair = told->process == getpid() ? with_id(told->id) : make_here(handoff, queue);
    if (pair)
        pair->references++;
    pthread_mutex_unlock(&lock);
    return pair;
}

void ae_pair_release(struct pair *pair)
{
    pthread_mutex_lock(&lock);
    drop(pair);
    pthread_mutex_unlock(&lock);
}

/* A wire's ends must agree: what one sends into, the other receives from. */
static int check_other_end(const struct pair *pair, unsigned end, const struct ae_port_owner *owner,
                           struct ae_error *err)
{
    uint32_t send = pair->wires[0][end].size, receive = pair->wires[0][!end].size;
    const struct ae_port_options *options = &owner->options;
    uint16_t mtu = owner->handoff.info.mtu;

    if (options->queues == pair->queues && options->send_ring == send &&
        options->receive_ring == receive && mtu == pair->mtu)
        return 0;
    return ae_error_set(err, -EINVAL,
                        "its other end has %u queues and an MTU of %u, for which this one must "
                        "have rings of %u to send and %u to receive; asked for: %u queues, an MTU "
                        "of %u, rings of %u and %u",
                        pair->queues, pair->mtu, send, receive, options->queues, mtu,
                        options->send_ring, options->receive_ring);
}

/* The link of both ends is up while both are there. */
static void set_links(struct pair *pair)
{
    bool up = pair->ends[0] && pair->ends[1];

    for (unsigned end = 0; end < 2; end++) {
        struct ae_link link;

        if (!pair->ends[end])
            continue;
        ae_port_read_link(pair->ends[end]->state, &link);
        link.changes += link.up != up;
        link.up = link.full_duplex = up;
        ae_port_set_link(pair->ends[end]->state, &link);
    }
}

static int join(struct ae_port_owner *owner, struct ae_error *err)
{
    struct pair *pair = find(owner->base);
    unsigned end = pair && pair->ends[0];
    int rc;

    if (pair && pair->ends[end])
        return ae_error_set(err, -EBUSY, "both its ends are open already in this process");
    if (!pair)
        pair = make_pair(owner);
    if (!pair)
        return ae_error_set(err, -ENOMEM, "out of memory");
    rc = check_other_end(pair, end, owner, err);
    if (rc)
        return rc;
    pair->ends[end] = owner;
    pair->references++;
    *ae_pair_handoff(owner) = (struct pair_handoff){pair->id, end, getpid()};
    return 0;
}

int ae_pair_join(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc;

    pthread_mutex_lock(&lock);
    rc = join(owner, err);
    pthread_mutex_unlock(&lock);
    return rc;
}

void ae_pair_set_links(struct ae_port_owner *owner)
{
    pthread_mutex_lock(&lock);
    set_links(with_id(ae_pair_handoff(owner)->id));
    pthread_mutex_unlock(&lock);
}

void ae_pair_leave(struct ae_port_owner *owner)
{
    struct pair *pair;

    pthread_mutex_lock(&lock);
    pair = with_id(ae_pair_handoff(owner)->id); /* none: it was not joined */
    if (pair) {
        pair->ends[ae_pair_handoff(owner)->end] = NULL;
        set_links(pair);
        drop(pair);
    }
    pthread_mutex_unlock(&lock);
}
