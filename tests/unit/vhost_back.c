/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost_back.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "port/vhost/format.h"
#include "port/vhost/stream.h"
#include "port/virtio/queue.h"

void back_init(struct back *back)
{
    static atomic_uint number;

    memset(back, 0, sizeof(*back));
    snprintf(back->path, sizeof(back->path), "/tmp/aether-test-%d-%u.sock", getpid(), number++);
    back->features = VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) |
                     VIRTIO_FEATURE(VIRTIO_F_IN_ORDER) | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
                     VIRTIO_FEATURE(VIRTIO_NET_F_MTU) | VIRTIO_FEATURE(VIRTIO_NET_F_MAC) |
                     VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) | VIRTIO_FEATURE(VIRTIO_NET_F_MQ) |
                     VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM) |
                     VIRTIO_FEATURE(VIRTIO_F_NOTIFICATION_DATA) |
                     VIRTIO_FEATURE(VHOST_USER_F_PROTOCOL_FEATURES);
    back->protocol = ~(UINT64_C(1) << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD);
    back->queues = 1;
    memcpy(back->mac, "\x02\x11\x22\x33\x44\x55", 6);
    back->fd = back->listen_fd = -1;
    back->laid_out = true;
}

/* ---- The connection ---- */

static void forget_connection(struct back *back)
{
    for (unsigned i = 0; i < BACK_VRINGS; i++) {
        if (back->vrings[i].kick > 0)
            close(back->vrings[i].kick);
        if (back->vrings[i].error > 0)
            close(back->vrings[i].error);
    }
    memset(back->vrings, 0, sizeof(back->vrings));
    back_forget_buffer(back);
    for (unsigned i = 0; i < BACK_REGIONS && back->memory[i]; i++)
        munmap(back->memory[i], back->regions[i].size);
    memset(back->memory, 0, sizeof(back->memory));
    if (back->fd >= 0)
        close(back->fd);
    back->fd = -1;
    back->messages = 0;
    back->enabled_pairs = 0;
}

uint8_t *back_at(const struct back *back, uint64_t address)
{
    for (unsigned i = 0; i < BACK_REGIONS && back->memory[i]; i++)
        if (address - back->regions[i].user_address < back->regions[i].size)
            return back->memory[i] + (address - back->regions[i].user_address);
    abort();
}

static void map_memory(struct back *back, struct vhost_user_message *message)
{
    assert(message->payload.memory.num_regions == BACK_REGIONS &&
           message->fd_count == BACK_REGIONS);
    for (unsigned i = 0; i < BACK_REGIONS; i++) {
        back->regions[i] = message->payload.memory.regions[i];
        assert(back->regions[i].mmap_offset == 0 &&
               back->regions[i].guest_address == back->regions[i].user_address);
        back->memory[i] = mmap(NULL, back->regions[i].size, PROT_READ | PROT_WRITE, MAP_SHARED,
                               message->fds[i], 0);
        assert(back->memory[i] != MAP_FAILED);
    }
}

static void begin(struct back *back, struct back_vring *vring)
{
    device_queue_init(&vring->device, back_at(back, vring->addr.descriptor), (uint16_t)vring->num,
                      back->taken & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED));
}

/* The receive ring is full of buffers, the send ring is empty. */
static bool is_new(struct back *back, struct back_vring *vring, bool receive)
{
    uint32_t count = 0;
    struct device_buffer buffer;

    begin(back, vring);
    while (device_fetch(&vring->device, &buffer) && buffer.write == receive)
        count++;
    return vring->base == (vring->device.packed ? 0x80008000 : 0) &&
           count == (receive ? vring->num : 0);
}

/* What the front end owes us: rings that are as new, or as we left them. */
static void enable(struct back *back, unsigned index, bool on)
{
    struct back_vring *vring = &back->vrings[index];
    bool packed = back->taken & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED), fresh = true;

    vring->enabled = on;
    if (!on)
        return;
    if (vring->kick <= 0 || vring->has_call ||
        (uint8_t *)vring->addr.used - (uint8_t *)vring->addr.descriptor !=
            (ptrdiff_t)ae_virtio_ring_layout((uint16_t)vring->num, packed).device)
        back->laid_out = false;
    begin(back, vring);
    if (back_tracks(back) && !back_begin_tracked(back, index, &fresh))
        back->laid_out = false;
    if (fresh) {
        if (!is_new(back, vring, !(index & 1)))
            back->laid_out = false;
        begin(back, vring);
    }
    if (index & 1)
        back->enabled_pairs++;
}

static void take_fd(struct back *back, struct vhost_user_message *message)
{
    struct back_vring *vring = &back->vrings[message->payload.u64 & 7];
    int fd = ae_vhost_take_fd(message, 0);

    if (message->request == VHOST_USER_SET_VRING_CALL) {
        vring->has_call = fd >= 0;
        if (fd >= 0)
            close(fd);
        return;
    }
    *(message->request == VHOST_USER_SET_VRING_KICK ? &vring->kick : &vring->error) = fd;
}

static void answer_config(const struct back *back, struct vhost_user_message *answer)
{
    struct virtio_net_config config = {.status = VIRTIO_NET_S_LINK_UP, .mtu = 1400};

    memcpy(config.mac, back->mac, 6);
    memcpy(answer->payload.config.payload, &config, sizeof(config));
}

/* Fills the answer's number. */
static void obey(struct back *back, struct vhost_user_message *message,
                 struct vhost_user_message *answer)
{
    struct back_vring *vring = &back->vrings[message->payload.state.index & 7];

    switch (message->request) {
    case VHOST_USER_GET_FEATURES:
        answer->payload.u64 = back->features;
        break;
    case VHOST_USER_SET_FEATURES:
        back->taken = message->payload.u64;
        break;
    case VHOST_USER_GET_PROTOCOL_FEATURES:
        answer->payload.u64 = back->protocol;
        break;
    case VHOST_USER_SET_PROTOCOL_FEATURES:
        back->taken_protocol = message->payload.u64;
        break;
    case VHOST_USER_GET_QUEUE_NUM:
        answer->payload.u64 = back->queues;
        break;
    case VHOST_USER_SET_STATUS:
        back->status = message->payload.u64;
        break;
    case VHOST_USER_GET_STATUS:
        answer->payload.u64 = back->status;
        break;
    case VHOST_USER_NET_SET_MTU:
        back->mtu = message->payload.u64;
        break;
    case VHOST_USER_SEND_RARP:
        back->rarp = message->payload.u64;
        break;
    case VHOST_USER_GET_CONFIG:
        answer_config(back, answer);
        break;
    case VHOST_USER_GET_INFLIGHT_FD:
        back_give_buffer(back, answer);
        break;
    case VHOST_USER_SET_INFLIGHT_FD:
        back_set_buffer(back, message);
        break;
    case VHOST_USER_SET_MEM_TABLE:
        map_memory(back, message);
        break;
    case VHOST_USER_SET_VRING_NUM:
        vring->num = message->payload.state.num;
        break;
    case VHOST_USER_SET_VRING_BASE:
        vring->base = message->payload.state.num;
        break;
    case VHOST_USER_SET_VRING_ADDR:
        vring->addr = message->payload.addr;
        break;
    case VHOST_USER_GET_VRING_BASE:
        vring->enabled = false;
        back->stops++;
        break;
    case VHOST_USER_SET_VRING_ENABLE:
        enable(back, message->payload.state.index & 7, message->payload.state.num);
        break;
    case VHOST_USER_SET_VRING_KICK:
    case VHOST_USER_SET_VRING_CALL:
    case VHOST_USER_SET_VRING_ERR:
        take_fd(back, message);
        break;
    default:
        break;
    }
}

static void send_bytes(struct back *back, const void *bytes, size_t size)
{
    ssize_t sent = send(back->fd, bytes, size, MSG_NOSIGNAL);

    (void)sent; /* the front end may have given up */
}

static void send_answer(struct back *back, struct vhost_user_message *reply, enum back_sin sin)
{
    if (sin == BACK_CONFUSED) {
        reply->request = reply->request == VHOST_USER_GET_FEATURES ? VHOST_USER_GET_STATUS
                                                                   : VHOST_USER_GET_FEATURES;
        reply->size = sizeof(uint64_t);
    }
    if (sin == BACK_JUNK)
        memset(reply, 0xa5, VHOST_USER_HEADER_SIZE);
    if (sin == BACK_DIES_MIDWAY || sin == BACK_JUNK) {
        send_bytes(back, reply, VHOST_USER_HEADER_SIZE);
        return;
    }
    ae_vhost_send(back->fd, reply, 1000, NULL);
    if (sin == BACK_FLOODS)
        ae_vhost_send(back->fd, reply, 1000, NULL);
}

/* False: the connection is over. */
static bool answer(struct back *back, struct vhost_user_message *message, enum back_sin sin)
{
    bool own = ae_vhost_has_reply(message->request);
    struct vhost_user_message reply = *message;

    reply.flags = VHOST_USER_VERSION | VHOST_USER_REPLY_MASK;
    reply.fd_count = 0;
    if (message->request != VHOST_USER_GET_CONFIG && message->request != VHOST_USER_GET_INFLIGHT_FD)
        reply.size = message->request == VHOST_USER_GET_VRING_BASE ? 8 : sizeof(uint64_t);
    if (!own)
        reply.payload.u64 = 0;
    obey(back, message, &reply);
    if (sin == BACK_REFUSES)
        reply.payload.u64 = own ? 0 : 1;
    if (sin != BACK_DIES && sin != BACK_SILENT &&
        (own || message->flags & VHOST_USER_NEED_REPLY_MASK))
        send_answer(back, &reply, sin);
    ae_vhost_close_fds(&reply);
    return sin != BACK_DIES && sin != BACK_DIES_MIDWAY;
}

static enum back_sin sin_now(struct back *back)
{
    if (back->sin == BACK_GOOD || back->sin_at != back->messages || back->sin_times == 0)
        return BACK_GOOD;
    back->sin_times--;
    return back->sin;
}

static bool listen_once(struct back *back, struct vhost_user_stream *stream)
{
    struct vhost_user_message message;
    int rc = ae_vhost_receive(stream, VHOST_USER_FRONTEND_REQUEST, 0, &message, NULL);
    bool go_on;

    if (rc <= 0)
        return rc == 0;
    if (back->messages < 64)
        back->order[back->messages] = message.request;
    back->messages++;
    back->heard++;
    go_on = answer(back, &message, sin_now(back));
    ae_vhost_close_fds(&message);
    return go_on;
}

/* ---- Frames ---- */

/* Returns what was sent on a pair. */
static void echo(struct back *back, unsigned pair)
{
    struct back_vring *in = &back->vrings[2 * pair + 1], *out = &back->vrings[2 * pair];
    struct device_buffer sent, free;

    while (in->enabled && out->enabled && device_fetch(&in->device, &sent)) {
        if (device_fetch(&out->device, &free)) {
            struct virtio_net_hdr header = {.num_buffers = 1};

            memcpy(back_at(back, free.addr), back_at(back, sent.addr), sent.len);
            memcpy(back_at(back, free.addr), &header, sizeof(header));
            device_use(&out->device, free.id, sent.len, 0);
        }
        device_use(&in->device, sent.id, 0, 0);
    }
}

static void count_kicks(struct back *back)
{
    uint64_t times;

    for (unsigned i = 0; i < BACK_VRINGS; i++)
        if (back->vrings[i].kick > 0 &&
            read(back->vrings[i].kick, &times, sizeof(times)) == sizeof(times))
            back->kicks += (unsigned)times;
}

static void report_error(struct back *back)
{
    uint64_t one = 1;
    ssize_t done = back->vrings[0].error > 0 ? write(back->vrings[0].error, &one, sizeof(one)) : 0;

    (void)done;
}

static void serve(struct back *back)
{
    struct vhost_user_stream stream;

    ae_vhost_stream_init(&stream, back->fd);
    back->connections++;
    while (!back->stop && listen_once(back, &stream)) {
        struct pollfd poll_fd = {.fd = back->fd, .events = POLLIN};

        count_kicks(back);
        for (unsigned i = 0; i < BACK_VRINGS / 2 && !back->quiet; i++)
            back_tracks(back) ? back_echo_tracked(back, i) : echo(back, i);
        back->passes++;
        if (atomic_exchange(&back->blame, false))
            report_error(back);
        if (atomic_exchange(&back->hang_up, false))
            break;
        poll(&poll_fd, 1, back->enabled_pairs ? 0 : 1);
    }
    ae_vhost_stream_drop(&stream);
    forget_connection(back);
}

void back_be_quiet(struct back *back)
{
    unsigned passes = back->passes;

    back->quiet = true;
    for (unsigned i = 0; i < 10000 && back->passes - passes < 2; i++)
        usleep(1000);
    if (back->passes - passes < 2)
        abort(); /* it may still take frames */
}

static void *run(void *argument)
{
    struct back *back = argument;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", back->path);
    while (!back->stop) {
        struct pollfd poll_fd = {.fd = back->listen_fd, .events = POLLIN};

        if (back->connects) {
            back->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            if (connect(back->fd, (struct sockaddr *)&address, sizeof(address))) {
                close(back->fd);
                back->fd = -1;
                usleep(1000);
            }
        } else if (poll(&poll_fd, 1, 1) == 1) {
            back->fd = accept4(back->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        }
        if (back->fd >= 0)
            serve(back);
    }
    return NULL;
}

void back_start(struct back *back)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    back->stop = false;
    if (!back->connects) {
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", back->path);
        unlink(back->path);
        back->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert(!bind(back->listen_fd, (struct sockaddr *)&address, sizeof(address)));
        assert(!listen(back->listen_fd, 4));
    }
    assert(!pthread_create(&back->thread, NULL, run, back));
}

void back_stop(struct back *back)
{
    back->stop = true;
    pthread_join(back->thread, NULL);
    if (back->listen_fd >= 0) {
        close(back->listen_fd);
        unlink(back->path);
    }
    back->listen_fd = -1;
}
