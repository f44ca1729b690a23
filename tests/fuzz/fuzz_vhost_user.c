/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A hostile vhost-user back end: each answer that the front end waits for is made from the input.
 * Per answer one byte says what is wrong with it (0: nothing), then come the fields that are, then
 * the payload.
 */

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz_input.h"
#include "port/vhost/front/dialogue.h"
#include "port/vhost/front/front.h"
#include "port/vhost/front/inflight.h"
#include "port/vhost/front/negotiation.h"
#include "port/vhost/front/rings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum wrong {
    WRONG_REQUEST = 1,
    WRONG_SIZE = 2,
    WRONG_FLAGS = 4,
    WITH_FD = 8,
    IN_PIECES = 16,
    TWICE = 32,
    HANG_UP = 64,
    RAW = 128,
};

static uint8_t take_byte(struct input *input)
{
    uint8_t byte;

    take(input, &byte, 1);
    return byte;
}

/* What the front end said is not of interest, but its descriptors must be closed. */
static void drain(int fd)
{
    struct vhost_user_stream stream;
    struct vhost_user_message message;

    ae_vhost_stream_init(&stream, fd);
    while (ae_vhost_receive(&stream, VHOST_USER_FRONTEND_REQUEST, 0, &message, NULL) > 0)
        ae_vhost_close_fds(&message);
    ae_vhost_stream_drop(&stream);
}

/* One page, as an in-flight buffer. */
static int page(void)
{
    static int fd = -1;

    if (fd < 0 && ((fd = memfd_create("page", MFD_CLOEXEC)) < 0 || ftruncate(fd, 4096)))
        abort();
    return fd;
}

static void put(int fd, const void *bytes, size_t size)
{
    if (send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return;
}

/* False: it has hung up. */
static bool answer(int fd, uint32_t awaited, struct input *input)
{
    uint8_t wrong = take_byte(input);
    struct vhost_user_message message;

    if (wrong & HANG_UP)
        return false;
    if (wrong & RAW) {
        uint8_t raw[64];

        take(input, raw, sizeof(raw));
        put(fd, raw, take_byte(input) % (sizeof(raw) + 1));
        return true;
    }
    ae_vhost_init(&message, VHOST_USER_BACKEND_REPLY, awaited);
    message.size = awaited == VHOST_USER_GET_CONFIG        ? take_byte(input)
                   : awaited == VHOST_USER_GET_INFLIGHT_FD ? sizeof(struct vhost_user_inflight)
                                                           : 8;
    if (wrong & WRONG_REQUEST)
        message.request = take_byte(input);
    if (wrong & WRONG_SIZE)
        take(input, &message.size, 2);
    if (wrong & WRONG_FLAGS)
        message.flags = take_byte(input);
    if (message.size > sizeof(message.payload))
        message.size = sizeof(message.payload);
    take(input, &message.payload, message.size);
    if (awaited == VHOST_USER_GET_INFLIGHT_FD)
        message.fds[message.fd_count++] = page();
    if (wrong & WITH_FD) /* one too many, or one that is no file */
        message.fds[message.fd_count && take_byte(input) & 1 ? 0 : message.fd_count++] = fd;
    if (wrong & IN_PIECES) {
        put(fd, &message, 5);
        put(fd, (uint8_t *)&message + 5, VHOST_USER_HEADER_SIZE - 5);
        put(fd, &message.payload, message.size);
        return true;
    }
    for (int i = 0; i <= (wrong & TWICE ? 1 : 0); i++)
        ae_vhost_send(fd, &message, 0, NULL);
    return true;
}

/* What is a process of its own otherwise. */
static struct ae_vhost_receiver receiver;

/* Passes on what is there, or says that it is over: in both cases the front end has something to
 * read. */
static void receive(void)
{
    struct pollfd there = {.fd = receiver.stream.fd, .events = POLLIN};

    while (poll(&there, 1, 0) == 1 && ae_vhost_receiver_turn(&receiver) == 0)
        ;
}

static int converse(struct ae_vhost_front *front, const struct ae_vhost_step *dialogue, int peer,
                    struct input *input)
{
    struct ae_error err;
    int rc;

    ae_vhost_begin(front, dialogue, 0);
    while ((rc = ae_vhost_advance(front, &err)) == 0) {
        drain(peer);
        if (!front->awaited)
            return -1; /* it wants to say more than the socket takes: it was not drained whole */
        if (input->at == input->end || !answer(peer, front->awaited, input))
            shutdown(peer, SHUT_RDWR);
        receive();
    }
    return rc;
}

static struct ae_port_owner *make_owner(void)
{
    static struct ae_port_owner owner;
    struct ae_port_handoff *handoff = &owner.handoff;

    if (owner.ops)
        return &owner;
    owner.ops = &ae_port_vhost_user;
    owner.state = aligned_alloc(4096, sizeof(*owner.state));
    owner.queue_states = aligned_alloc(4096, 2 * sizeof(*owner.queue_states));
    if (!owner.state || !owner.queue_states)
        abort();
    memset(owner.state, 0, sizeof(*owner.state));
    memset(owner.queue_states, 0, 2 * sizeof(*owner.queue_states));
    handoff->receive_ring = handoff->send_ring = 16;
    if (ae_memory_create(&owner.memory, ae_port_receive_ring_offset(owner.ops->queue, handoff, 2),
                         4096, NULL) ||
        ae_domain_create(&owner.domain,
                         &(struct ae_domain_options){.packets = 2, .page_size = 4096}, NULL))
        abort();
    ae_domain_settle(owner.domain);
    owner.memory_iova = ae_iova_add(owner.domain->iova, ae_memory_size(owner.domain->memory));
    return &owner;
}

/* What is kept lies within the file that came. */
static int settle_inflight(struct ae_vhost_front *front, int peer, struct input *input)
{
    if (!ae_vhost_has(front, VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD))
        ae_vhost_inflight_forget(front);
    front->inflight.sent = false;
    if (!ae_vhost_inflight_due(front))
        return 0;
    if (converse(front, ae_vhost_inflight, peer, input) < 0)
        return -1;
    if (front->inflight.fd < 0 || !front->inflight.size || front->inflight.size > 4096 ||
        front->inflight.offset > 4096 - front->inflight.size)
        abort();
    return 0;
}

static void talk(struct ae_vhost_front *front, int peer, struct input *input)
{
    struct ae_error err;

    if (converse(front, ae_vhost_negotiation, peer, input) < 0)
        return;
    /* What was taken is what was offered, and what a queue can serve. */
    if (front->features & ~front->offered ||
        front->features & VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM))
        abort();
    if (ae_virtio_learn(front->owner, front->features, &front->config, &err))
        return;
    front->agreed = true;
    if (converse(front, ae_vhost_memory, peer, input) < 0 ||
        settle_inflight(front, peer, input) < 0 ||
        converse(front, ae_vhost_pair_start, peer, input) < 0 ||
        converse(front, ae_vhost_pair_stop, peer, input) < 0)
        return;
    /* It comes back and may have changed its mind. */
    front->returned = true;
    if (converse(front, ae_vhost_negotiation, peer, input) > 0)
        settle_inflight(front, peer, input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ae_vhost_front front = {.listener.fd = -1, .epoll_fd = -1, .inflight.fd = -1};
    struct input input = {data, data + size};
    int ends[2], relay[2];

    front.owner = make_owner();
    front.owner->handoff.info.queues = 1;
    front.owner->handoff.info.mtu = 1500;
    front.config.mtu = 1500;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, relay) ||
        (!receiver.notifier.context && ae_vhost_notifier_open(&receiver.notifier, NULL)))
        abort();
    receiver.kind = VHOST_USER_BACKEND_REPLY;
    receiver.relay = relay[1];
    ae_vhost_stream_init(&receiver.stream, ends[0]);
    memset(front.kicks, 0xff, sizeof(front.kicks));
    front.kicks[0] = front.kicks[1] = eventfd(0, EFD_CLOEXEC);
    front.error_fd = eventfd(0, EFD_CLOEXEC);
    front.peer = (struct ae_vhost_peer){.fd = ends[0], .relay = relay[0], .process = -1};
    talk(&front, ends[1], &input);
    ae_vhost_stream_drop(&receiver.stream);
    close(relay[0]);
    close(relay[1]);
    ae_vhost_inflight_forget(&front);
    close(ends[0]);
    close(ends[1]);
    close(front.kicks[0]);
    close(front.error_fd);
    /* A descriptor that stayed open would soon be seen here. */
    if (front.error_fd > 200)
        abort();
    return 0;
}
