/* SPDX-License-Identifier: Apache-2.0 */

/* A back end, both halves in this process, and front ends that connect to it, good and bad. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <aether/owner.h>

#include "base/now.h"
#include "descriptors.h"
#include "port/vhost/back/session.h"
#include "port/vhost/stream.h"
#include "vhost_driver.h"

#define SIZE     128
#define GUEST    0x100000000ull
#define USER     0x7f0000000000ull
#define PAIR     (2u * DRIVER_RING_BYTES) /* bytes of a pair's rings */
#define BUFFERS  (4u * PAIR)              /* offset; 2048 each */
#define MEMORY   (4u << 20)
#define PATIENCE 20 /* seconds, for what must come: who receives is another process */

struct front {
    int fd;
    struct vhost_user_stream stream;
    int memory_fd;
    uint8_t *memory;
    uint64_t features;
    struct driver rings[8];
    int calls[8];
};

static char directory[] = "/tmp/aether-vhost.XXXXXX", path[64], spec[96];
static struct ae_port *port;
static struct front front;

/* ---- Both sides take turns ---- */

static int64_t patience(void)
{
    return ae_now_ms() + PATIENCE * 1000;
}

static uint16_t turn(struct ae_packet **packets, uint16_t count)
{
    uint16_t got = 0;

    ae_port_owner_step(ae_port_get_owner(port));
    for (unsigned i = 0; ae_port_queue(port, i); i++)
        got = (uint16_t)(got + ae_receive(ae_port_queue(port, i), packets + got,
                                          (uint16_t)(count - got)));
    return got;
}

/* Without a frame. */
static void idle(int turns)
{
    struct ae_packet *packet;

    for (int i = 0; i < turns; i++)
        assert_int_equal(turn(&packet, 1), 0);
}

static struct ae_link link_now(void)
{
    struct ae_link link;

    ae_port_get_link(port, &link);
    return link;
}

static void wait_for_link(bool up)
{
    for (int64_t end = patience(); ae_now_ms() < end && link_now().up != up;)
        idle(1);
    assert_int_equal(link_now().up, up);
}

static uint64_t statistic(const char *name)
{
    struct ae_port_statistic all[16];
    int count = (int)ae_port_owner_get_statistics(ae_port_get_owner(port), all, 16);

    for (int i = 0; i < count; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].value;
    fail_msg("no statistic %s", name);
    return 0;
}

/* ---- A front end ---- */

static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static struct vhost_user_message make(uint32_t request, const void *payload, uint32_t size)
{
    struct vhost_user_message message;

    ae_vhost_init(&message, VHOST_USER_FRONTEND_REQUEST, request);
    if (size)
        memcpy(&message.payload, payload, size);
    message.size = size;
    return message;
}

static void say(uint32_t request, const void *payload, uint32_t size, int fd)
{
    struct vhost_user_message message = make(request, payload, size);

    if (fd >= 0) {
        message.fds[0] = fd;
        message.fd_count = 1;
    }
    assert_int_equal(ae_vhost_send(front.fd, &message, 0, NULL), 0);
}

static void say_number(uint32_t request, uint64_t number)
{
    say(request, &number, sizeof(number), -1);
}

static void say_state(uint32_t request, uint32_t index, uint32_t number)
{
    say(request, &(struct vhost_user_vring_state){index, number}, 8, -1);
}

/* The answer, or what ended the connection: negative. */
static int hear(struct vhost_user_message *reply)
{
    int rc = 0;

    for (int64_t end = patience(); ae_now_ms() < end && rc == 0;) {
        idle(1);
        rc = ae_vhost_receive(&front.stream, VHOST_USER_BACKEND_REPLY, 0, reply, NULL);
    }
    return rc;
}

static uint64_t ask_number(uint32_t request)
{
    struct vhost_user_message reply;

    say(request, NULL, 0, -1);
    assert_int_equal(hear(&reply), 1);
    assert_int_equal(reply.request, request);
    return reply.payload.u64;
}

static uint32_t ask_base(uint32_t index)
{
    struct vhost_user_message reply;

    say_state(VHOST_USER_GET_VRING_BASE, index, 0);
    assert_int_equal(hear(&reply), 1);
    assert_int_equal(reply.payload.state.index, index);
    return reply.payload.state.num;
}

static void open_front(void)
{
    memset(&front, 0, sizeof(front));
    front.fd = connect_to(path);
    ae_vhost_stream_init(&front.stream, front.fd);
    front.memory_fd = memfd_create("guest", MFD_CLOEXEC);
    assert_int_equal(ftruncate(front.memory_fd, MEMORY), 0);
    front.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, front.memory_fd, 0);
    for (unsigned i = 0; i < 8; i++)
        front.calls[i] = eventfd(0, EFD_CLOEXEC);
}

static void close_front(void)
{
    ae_vhost_stream_drop(&front.stream);
    close(front.fd);
    close(front.memory_fd);
    munmap(front.memory, MEMORY);
    for (unsigned i = 0; i < 8; i++)
        close(front.calls[i]);
}

static void say_memory(uint64_t size)
{
    struct vhost_user_memory memory = {
        .num_regions = 1,
        .regions = {{.guest_address = GUEST, .size = size, .user_address = USER}}};

    say(VHOST_USER_SET_MEM_TABLE, &memory, 8 + 32, front.memory_fd);
}

static void say_ring(unsigned index, uint32_t base)
{
    const struct driver *driver = &front.rings[index];
    uint64_t at = USER + (uint64_t)(driver->at - front.memory), number = index;
    struct vhost_user_vring_addr addr = {.index = index,
                                         .descriptor = at,
                                         .available = at + driver->available,
                                         .used = at + driver->used};

    say_state(VHOST_USER_SET_VRING_NUM, index, driver->size);
    say_state(VHOST_USER_SET_VRING_BASE, index, base);
    say(VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
    say(VHOST_USER_SET_VRING_CALL, &number, 8, front.calls[index]);
    say(VHOST_USER_SET_VRING_KICK, &number, 8, front.calls[index]);
}

static void negotiate(uint64_t features)
{
    front.features = features | VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
                     VIRTIO_FEATURE(VHOST_USER_F_PROTOCOL_FEATURES);
    assert_int_equal(ask_number(VHOST_USER_GET_FEATURES) & front.features, front.features);
    say_number(VHOST_USER_SET_PROTOCOL_FEATURES, ask_number(VHOST_USER_GET_PROTOCOL_FEATURES));
    say(VHOST_USER_SET_OWNER, NULL, 0, -1);
    say_number(VHOST_USER_SET_FEATURES, front.features);
}

static void start_pair(unsigned pair)
{
    bool packed = front.features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);

    for (unsigned i = 2 * pair; i < 2 * pair + 2; i++) {
        driver_init(&front.rings[i], front.memory + i * DRIVER_RING_BYTES, SIZE, packed,
                    front.features & VIRTIO_FEATURE(VIRTIO_F_IN_ORDER));
        say_ring(i, packed ? 0x80008000 : 0);
        say_state(VHOST_USER_SET_VRING_ENABLE, i, 1);
    }
}

static void connect_front(uint64_t features)
{
    open_front();
    negotiate(features);
    say_memory(MEMORY);
    start_pair(0);
    wait_for_link(true);
}

/* ---- Frames ---- */

static uint64_t buffer(unsigned index)
{
    return BUFFERS + index * 2048;
}

/* From the peer to us: what arrives must be it. */
static void exchange_one(unsigned pair, unsigned number, uint32_t length)
{
    struct driver *from = &front.rings[2 * pair + 1], *to = &front.rings[2 * pair];
    struct driver_piece out = {GUEST + buffer(0), 12 + length, false};
    struct driver_piece in = {GUEST + buffer(1), 2048, true};
    struct ae_packet *packet;
    uint32_t used;
    uint16_t id, got = 0;

    memset(front.memory + buffer(0), 0, 12);
    memset(front.memory + buffer(0) + 12, (int)(number & 0xff), length);
    memset(front.memory + buffer(1), 0, 2048);
    driver_offer(from, &out, 1);
    driver_offer(to, &in, 1);
    for (int64_t end = patience(); ae_now_ms() < end && !got;)
        got = turn(&packet, 1);
    assert_int_equal(got, 1);
    assert_int_equal(packet->length, length);
    assert_int_equal(packet->data[length - 1], number & 0xff);
    packet->data[0] = 0xee;
    assert_int_equal(ae_send(ae_port_queue(port, pair), &packet, 1), 1);
    assert_true(driver_collect(from, &id, &used));
    assert_true(driver_collect(to, &id, &used));
    assert_int_equal(used, 12 + length);
    assert_int_equal(front.memory[buffer(1) + 12], 0xee);
    assert_int_equal(front.memory[buffer(1) + 12 + length - 1], number & 0xff);
}

static void exchange(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        exchange_one(0, i, 60 + i % 1400);
}

/* ---- Around each test ---- */

static void open_port(uint16_t queues)
{
    struct ae_error err;

    if (ae_port_open(&port, spec,
                     &(struct ae_port_options){.queues = queues, .packets = 64, .page_size = 4096},
                     &err))
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    (void)state;
    open_port(2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ae_port_close(port);
    return 0;
}

static int mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    int count = 0, byte;

    while ((byte = fgetc(file)) != EOF)
        count += byte == '\n';
    fclose(file);
    return count;
}

/* ---- Tests ---- */

static const uint64_t forms[] = {
    0,
    VIRTIO_FEATURE(VIRTIO_F_IN_ORDER) | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF),
    VIRTIO_FEATURE(VIRTIO_F_RING_PACKED),
    VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) | VIRTIO_FEATURE(VIRTIO_F_IN_ORDER) |
        VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM),
};

static void frames_go_both_ways(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        connect_front(forms[i]);
        exchange(500);
        close_front();
        wait_for_link(false);
    }
    assert_int_equal(statistic("connections"), 4);
    assert_int_equal(statistic("refused"), 0);
    assert_int_equal(link_now().changes, 8);
}

static void rings_stop_and_go_on(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool packed = forms[i] & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);

        connect_front(forms[i]);
        for (unsigned round = 1; round < 5; round++) {
            uint16_t place, position;
            uint32_t base;

            exchange(100);
            base = ask_base(1);
            place = front.rings[1].next_used;
            position = packed ? (uint16_t)(place | front.rings[1].used_wrap << 15) : place;
            assert_int_equal(base & 0xffff, position);
            if (packed)
                assert_int_equal(base >> 16, position);
            /* Stopped: what is offered now stays untouched until it starts again. */
            idle(10);
            say_ring(1, base);
            base = ask_base(0);
            say_ring(0, base);
            wait_for_link(true);
        }
        exchange(50);
        close_front();
        wait_for_link(false);
    }
}

static void a_thousand_reconnects_leave_nothing_behind(void **state)
{
    unsigned fds = 0;
    int maps = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        connect_front(forms[i % 4]);
        exchange(2);
        /* Every other leaves in the middle of a message. */
        if (i % 2)
            assert_int_equal(write(front.fd, "\5\0\0\0\1\0\0\0", 8), 8);
        close_front();
        wait_for_link(false);
        if (i == 10) {
            idle(100);
            fds = count_fds();
            maps = mappings();
        }
    }
    idle(100);
    assert_int_equal(count_fds(), fds);
    assert_in_range(mappings(), 0, maps + 2); /* the heap may have grown by one */
    assert_int_equal(statistic("connections"), 1000);
    assert_int_equal(ae_pool_available(ae_port_queue(port, 0)->pool), 2 * (64 + 2 * 256));
}

static void two_pairs(void **state)
{
    (void)state;
    open_front();
    negotiate(0);
    assert_int_equal(ask_number(VHOST_USER_GET_QUEUE_NUM), 2);
    say_memory(MEMORY);
    start_pair(0);
    start_pair(1);
    wait_for_link(true);
    for (unsigned i = 0; i < 200; i++)
        exchange_one(i % 2, i, 100);
    close_front();
    wait_for_link(false);
}

static void a_disabled_ring_drops_what_it_is_given(void **state)
{
    struct driver_piece out = {GUEST + buffer(0), 12 + 60, false};
    uint32_t length;
    uint16_t id;

    (void)state;
    connect_front(0);
    say_state(VHOST_USER_SET_VRING_ENABLE, 1, 0);
    wait_for_link(false);
    driver_offer(&front.rings[1], &out, 1);
    idle(100);
    assert_true(driver_collect(&front.rings[1], &id, &length));
    say_state(VHOST_USER_SET_VRING_ENABLE, 1, 1);
    wait_for_link(true);
    exchange(10);
    close_front();
}

static void the_driver_is_notified_when_it_wants_to_be(void **state)
{
    struct driver_piece out = {GUEST + buffer(0), 12 + 60, false};
    struct ae_packet *packet;
    uint64_t times;

    (void)state;
    connect_front(0);
    exchange(10);
    idle(10);
    while (fcntl(front.calls[1], F_SETFL, O_NONBLOCK) == 0 &&
           read(front.calls[1], &times, sizeof(times)) > 0)
        ; /* the one for a new descriptor */
    exchange(10);
    idle(10);
    assert_int_equal(read(front.calls[1], &times, sizeof(times)), -1);
    driver_want_interrupts(&front.rings[1], true);
    driver_offer(&front.rings[1], &out, 1);
    assert_int_equal(turn(&packet, 1), 1);
    ae_packet_put(packet);
    idle(10);
    assert_int_equal(read(front.calls[1], &times, sizeof(times)), sizeof(times));
    close_front();
}

/* The driver turns its interrupts on after the last poll there is: it hears at the latest when we
 * stop. */
static void a_worker_that_stops_polling_tells_first(void **state)
{
    struct driver_piece out = {GUEST + buffer(0), 12 + 60, false};
    struct ae_packet *packet;
    uint64_t times;
    uint16_t got = 0;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        connect_front(forms[i]);
        exchange(10);
        assert_int_equal(fcntl(front.calls[1], F_SETFL, O_NONBLOCK), 0);
        idle(10);
        while (read(front.calls[1], &times, sizeof(times)) > 0)
            ;
        driver_offer(&front.rings[1], &out, 1);
        for (int64_t end = patience(); ae_now_ms() < end && !got;)
            got = turn(&packet, 1);
        assert_int_equal(got, 1);
        got = 0;
        ae_packet_put(packet);
        driver_want_interrupts(&front.rings[1], true);
        ae_port_pause(port);
        ae_port_owner_step(ae_port_get_owner(port));
        assert_int_equal(read(front.calls[1], &times, sizeof(times)), sizeof(times));
        close_front();
        wait_for_link(false);
    }
}

static void configuration_and_announcement(void **state)
{
    struct vhost_user_config wanted = {.size = sizeof(struct virtio_net_config)};
    struct virtio_net_config config;
    struct vhost_user_message message, reply;
    struct ae_port_info info;
    struct ae_packet *packet;
    uint64_t mac = 0x665544332202;
    int got = 0;

    (void)state;
    ae_port_get_info(port, &info);
    connect_front(0);
    say(VHOST_USER_GET_CONFIG, &wanted, 12 + wanted.size, -1);
    assert_int_equal(hear(&reply), 1);
    memcpy(&config, reply.payload.config.payload, sizeof(config));
    assert_int_equal(config.max_virtqueue_pairs, 2);
    assert_int_equal(config.mtu, 1500);
    assert_int_equal(config.mac[0] & 3, 2);
    assert_memory_not_equal(config.mac, info.mac, 6);
    wanted.offset = UINT32_MAX;
    say(VHOST_USER_GET_CONFIG, &wanted, 12 + wanted.size, -1);
    assert_int_equal(hear(&reply), 1);
    assert_int_equal(reply.size, 0);
    for (unsigned i = 0; i < 2; i++) {
        message = make(VHOST_USER_NET_SET_MTU, &(uint64_t){i ? 9000 : 1400}, 8);
        message.flags |= VHOST_USER_NEED_REPLY_MASK;
        assert_int_equal(ae_vhost_send(front.fd, &message, 0, NULL), 0);
        assert_int_equal(hear(&reply), 1);
        assert_int_equal(reply.payload.u64, i);
    }
    say_number(VHOST_USER_SEND_RARP, mac);
    for (int64_t end = patience(); ae_now_ms() < end && !got;)
        got = turn(&packet, 1);
    assert_int_equal(got, 1);
    assert_int_equal(packet->length, 60);
    assert_memory_equal(packet->data + 6, &mac, 6);
    assert_int_equal(packet->data[12], 0x80);
    assert_int_equal(packet->data[13], 0x35);
    ae_packet_put(packet);
    exchange(10);
    close_front();
}

static void a_broken_ring_ends_the_connection_and_the_next_peer_finds_it_as_new(void **state)
{
    struct vhost_user_message reply;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        connect_front(forms[i]);
        exchange(3);
        if (forms[i] & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED))
            for (unsigned at = 0; at < SIZE * 16; at++)
                front.rings[1].at[at] = at % 16 == 14 ? 0x81 | (front.rings[1].wrap ? 0 : 0x80) : 0;
        else
            memset(front.rings[1].at + front.rings[1].available, 0x7f, 4);
        assert_int_equal(hear(&reply), -ECONNRESET);
        assert_int_equal(statistic("broken"), i + 1);
        close_front();
        wait_for_link(false);
    }
    connect_front(0);
    exchange(10);
    close_front();
}

static void memory_that_shrinks_under_us(void **state)
{
    struct vhost_user_message reply;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        connect_front(forms[i]);
        exchange(3);
        assert_int_equal(ftruncate(front.memory_fd, 0), 0);
        assert_int_equal(hear(&reply), -ECONNRESET);
        assert_int_equal(statistic("broken"), i + 1);
        close_front();
        wait_for_link(false);
    }
    connect_front(0);
    exchange(10);
    close_front();
}

static void expect_refusal(const struct vhost_user_message *message)
{
    struct vhost_user_message reply;
    uint64_t refused = statistic("refused");

    connect_front(0);
    assert_int_equal(ae_vhost_send(front.fd, message, 0, NULL), 0);
    assert_int_equal(hear(&reply), -ECONNRESET);
    assert_int_equal(statistic("refused"), refused + 1);
    close_front();
    wait_for_link(false);
}

static void messages_that_ask_for_the_impossible(void **state)
{
    static const struct vhost_user_vring_addr odd = {.index = 0, .descriptor = USER + 1},
                                              far = {.index = 4}, logged = {.flags = 1};
    static const struct {
        uint32_t request;
        uint64_t payload;
    } bad[] = {
        {VHOST_USER_SET_VRING_NUM, 0},                          /* no descriptor */
        {VHOST_USER_SET_VRING_NUM, 3ull << 32},                 /* no power of two */
        {VHOST_USER_SET_VRING_NUM, 65536ull << 32},             /* too many */
        {VHOST_USER_SET_VRING_NUM, 128ull << 32 | 4},           /* no such virtqueue */
        {VHOST_USER_SET_VRING_NUM, 128ull << 32 | 32},          /* nor this */
        {VHOST_USER_GET_VRING_BASE, UINT32_MAX},                /* nor this */
        {VHOST_USER_SET_VRING_ENABLE, 1ull << 32 | 0x80000000}, /* nor this */
        {VHOST_USER_SET_VRING_CALL, 0x1ff},                     /* nor this */
        {VHOST_USER_SET_VRING_BASE, 65536ull << 32},            /* no such place */
        {VHOST_USER_SET_FEATURES, 0},                           /* legacy */
        {VHOST_USER_SET_FEATURES, UINT64_MAX},                  /* more than there is */
        {VHOST_USER_SET_PROTOCOL_FEATURES, UINT64_MAX},         /* likewise */
        {VHOST_USER_SET_LOG_BASE, 0},                           /* not offered */
        {VHOST_USER_SET_VRING_ENDIAN, 0},                       /* not offered */
    };
    struct vhost_user_message message;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        message = make(bad[i].request, &bad[i].payload, 8);
        expect_refusal(&message);
    }
    message = make(VHOST_USER_SET_VRING_ADDR, &odd, sizeof(odd));
    expect_refusal(&message);
    message = make(VHOST_USER_SET_VRING_ADDR, &far, sizeof(far));
    expect_refusal(&message);
    message = make(VHOST_USER_SET_VRING_ADDR, &logged, sizeof(logged));
    expect_refusal(&message);
}

static void memory_that_cannot_be(void **state)
{
    const struct vhost_user_region good = {GUEST, 4096, USER, 0};
    const struct vhost_user_region bad[][2] = {
        {{GUEST, 0, USER, 0}, good},                     /* nothing */
        {{GUEST, MEMORY + 1, USER, 0}, {0, 4096, 0, 0}}, /* more than the file */
        {{GUEST, 4096, USER, MEMORY}, {0, 4096, 0, 0}},  /* behind its end */
        {{GUEST, 4096, USER, UINT64_MAX - 4095}, {0, 4096, 0, 0}},
        {{UINT64_MAX - 4095, 4096, USER, 0}, {0, 4096, 0, 0}}, /* over the end of everything */
        {{GUEST, 4096, UINT64_MAX - 4095, 0}, {0, 4096, 0, 0}},
        {good, {GUEST + 4095, 4096, 0, 0}}, /* one over the other */
        {good, {0, 4096, USER - 4095, 0}},
    };
    int memory = memfd_create("guest", MFD_CLOEXEC), disk, device = open("/dev/zero", O_RDWR);
    int files[2];
    char name[96];

    (void)state;
    assert_int_equal(ftruncate(memory, MEMORY), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vhost_user_memory table = {.num_regions = 2, .regions = {bad[i][0], bad[i][1]}};
        struct vhost_user_message message = make(VHOST_USER_SET_MEM_TABLE, &table, 8 + 64);

        message.fd_count = 2;
        message.fds[0] = message.fds[1] = memory;
        expect_refusal(&message);
    }
    /* Neither a device nor a file that a disk, or worse a program, has to bring in. */
    snprintf(name, sizeof(name), "/var/tmp/aether-vhost.%d", getpid());
    disk = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    unlink(name);
    assert_int_equal(ftruncate(disk, MEMORY), 0);
    files[0] = device;
    files[1] = disk;
    for (unsigned i = 0; i < 2; i++) {
        struct vhost_user_memory table = {.num_regions = 1, .regions = {good}};
        struct vhost_user_message message = make(VHOST_USER_SET_MEM_TABLE, &table, 8 + 32);

        message.fd_count = 1;
        message.fds[0] = files[i];
        expect_refusal(&message);
    }
    close(memory);
    close(disk);
    close(device);
}

/* Addresses that are not in the memory given show when the ring is to run. */
static void rings_outside_of_memory(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct vhost_user_message reply;
        struct vhost_user_vring_addr addr = {.index = 1};
        uint64_t *part = i == 0 ? &addr.descriptor : i == 1 ? &addr.available : &addr.used;

        connect_front(0);
        addr.descriptor = addr.available = addr.used = USER;
        *part = USER + MEMORY - 16; /* its beginning is inside */
        say(VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
        assert_int_equal(hear(&reply), -ECONNRESET);
        assert_int_equal(statistic("broken"), i + 1);
        close_front();
        wait_for_link(false);
    }
}

/* Whoever sleeps until something happens would not. */
static bool is_awake(void)
{
    struct pollfd due = {.fd = ae_port_owner_fd(ae_port_get_owner(port)), .events = POLLIN};

    return poll(&due, 1, 0) > 0;
}

static void one_at_a_time(void **state)
{
    int second, third;

    (void)state;
    connect_front(0);
    second = connect_to(path);
    third = connect_to(path);
    exchange(20);
    assert_false(is_awake());
    assert_int_equal(statistic("connections"), 1);
    close(second); /* before its turn came */
    close_front();
    idle(100);
    close(third);
    idle(100);
    connect_front(0);
    exchange(20);
    close_front();
}

static void the_name_of_the_socket(void **state)
{
    struct ae_port *other;
    struct ae_error err;
    struct stat status;
    int fd;

    (void)state;
    assert_int_equal(ae_port_open(&other, spec, &(struct ae_port_options){.page_size = 4096}, &err),
                     -EADDRINUSE);
    idle(10);
    ae_port_close(port);
    assert_int_equal(stat(path, &status), -1);
    /* Left behind by a program that died: taken over. */
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    {
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    }
    close(fd);
    open_port(1);
    ae_port_close(port);
    /* Somebody's file: left alone. */
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(ae_port_open(&other, spec, &(struct ae_port_options){.page_size = 4096}, &err),
                     -EEXIST);
    assert_int_equal(unlink(path), 0);
    open_port(1);
}

static void a_restart_for_a_new_worker(void **state)
{
    struct vhost_user_message reply;

    (void)state;
    connect_front(0);
    exchange(10);
    assert_int_equal(ae_port_owner_restart(ae_port_get_owner(port), NULL), 0);
    assert_int_equal(hear(&reply), -ECONNRESET);
    close_front();
    wait_for_link(false);
    connect_front(0);
    exchange(10);
    close_front();
}

/* None of these workers ever polls: what each was told is not kept for the next. */
static void workers_that_die_at_once_are_no_end_of_it(void **state)
{
    unsigned before = count_fds();

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(ae_port_owner_restart(ae_port_get_owner(port), NULL), 0);
    assert_int_equal(count_fds(), before);
    connect_front(0);
    exchange(10);
    close_front();
}

static void only_an_eventfd_is_signalled(void **state)
{
    struct vhost_user_message reply;
    uint64_t number = 1;
    int ends[2];
    char byte;

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    open_front();
    negotiate(0);
    say(VHOST_USER_SET_VRING_CALL, &number, 8, ends[1]);
    assert_int_equal(hear(&reply), -ECONNRESET);
    assert_int_equal(read(ends[0], &byte, 1), -1);
    assert_int_equal(statistic("refused"), 1);
    close(ends[0]);
    close(ends[1]);
    close_front();
    connect_front(0);
    exchange(10);
    close_front();
}

#define WITH_PORT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PORT(frames_go_both_ways),
        WITH_PORT(rings_stop_and_go_on),
        WITH_PORT(a_thousand_reconnects_leave_nothing_behind),
        WITH_PORT(two_pairs),
        WITH_PORT(a_disabled_ring_drops_what_it_is_given),
        WITH_PORT(the_driver_is_notified_when_it_wants_to_be),
        WITH_PORT(a_worker_that_stops_polling_tells_first),
        WITH_PORT(configuration_and_announcement),
        WITH_PORT(a_broken_ring_ends_the_connection_and_the_next_peer_finds_it_as_new),
        WITH_PORT(memory_that_shrinks_under_us),
        WITH_PORT(messages_that_ask_for_the_impossible),
        WITH_PORT(memory_that_cannot_be),
        WITH_PORT(rings_outside_of_memory),
        WITH_PORT(one_at_a_time),
        WITH_PORT(the_name_of_the_socket),
        WITH_PORT(a_restart_for_a_new_worker),
        WITH_PORT(workers_that_die_at_once_are_no_end_of_it),
        WITH_PORT(only_an_eventfd_is_signalled),
    };
    int rc;

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/socket", directory);
    snprintf(spec, sizeof(spec), "vhost-user-server:%s", path);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return rc;
}
