/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "descriptors.h"
#include "fake_card.h"
#include "port/owner.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct fake_card card;

static int begin(void **state)
{
    (void)state;
    fake_card_make(&card, 32, 64, 200);
    return 0;
}

static int end(void **state)
{
    (void)state;
    fake_card_destroy(&card);
    return 0;
}

static void assert_same_link(const struct ae_link *a, const struct ae_link *b)
{
    assert_true(a->up == b->up && a->full_duplex == b->full_duplex);
    assert_true(a->device_gone == b->device_gone);
    assert_int_equal(a->mbps, b->mbps);
    assert_int_equal(a->changes, b->changes);
}

static void assert_refused(const struct ae_port_handoff *handoff, int rc, const char *says,
                           size_t number)
{
    unsigned before = count_fds();
    struct ae_port *port = NULL;
    struct ae_error err = {0};
    int got = ae_port_attach(&port, handoff, &err);

    if (got != rc || port || !strstr(err.text, says))
        fail_msg("case %zu: %d, '%s'", number, got, err.text);
    assert_int_equal(count_fds(), before);
}

static void a_good_handoff_is_taken(void **state)
{
    struct ae_port_info info;
    struct ae_link link = {.up = true, .full_duplex = true, .mbps = 1000, .changes = 3}, seen;

    (void)state;
    fake_card_attach(&card);
    ae_port_get_info(card.port, &info);
    assert_string_equal(info.driver, "e1000e");
    assert_int_equal(info.mtu, 1500);
    assert_non_null(ae_port_queue(card.port, 0));
    assert_null(ae_port_queue(card.port, 1));
    assert_null(ae_port_get_owner(card.port));
    ae_port_set_link(card.port->state, &link);
    ae_port_get_link(card.port, &seen);
    assert_same_link(&seen, &link);
    fake_card_detach(&card);
    ae_port_close(NULL);
}

static void every_number_is_checked(void **state)
{
#define FIELD(member) offsetof(struct ae_port_handoff, member), sizeof(card.handoff.member)
    static const struct {
        size_t at, size;
        int64_t value;
    } cases[] = {
        {FIELD(info.queues), 0},
        {FIELD(info.queues), 2}, /* of which the rings would lie where the buffers are */
        {FIELD(info.queues), AE_PORT_QUEUES + 1},
        {FIELD(info.queues), 0xffff},
        {FIELD(queue_count), 0},
        {FIELD(queue_count), 2},
        {FIELD(queue_first), 1},
        {FIELD(queue_first), 0xffff},
        {FIELD(receive_ring), 0},
        {FIELD(receive_ring), 1},
        {FIELD(receive_ring), 16},
        {FIELD(receive_ring), 33},
        {FIELD(receive_ring), 8192},
        {FIELD(receive_ring), 256}, /* more than there are packets */
        {FIELD(send_ring), 0},
        {FIELD(send_ring), 63},
        {FIELD(send_ring), 0x8000},
        {FIELD(packets), 0},
        {FIELD(packets), 32},
        {FIELD(packets), 201},
        {FIELD(packets), 1u << 21},
        {FIELD(packets), -1},
        {FIELD(buffer_size), 0},
        {FIELD(buffer_size), 2048},
        {FIELD(buffer_size), -1},
        {FIELD(buffers_offset), 0},
        {FIELD(buffers_offset), 64},
        {FIELD(buffers_offset), -4096},
        {FIELD(memory_size), 0},
        {FIELD(memory_size), 4096},
        {FIELD(registers_size), 0},
        {FIELD(registers_size), 0x2000}, /* too few for the tails */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_port_handoff handoff = card.handoff;

        memcpy((uint8_t *)&handoff + cases[i].at, &cases[i].value, cases[i].size);
        assert_refused(&handoff, -EPROTO, "", i);
    }
}

static void unknown_drivers_are_refused(void **state)
{
    struct ae_port_handoff handoff = card.handoff;

    (void)state;
    strcpy(handoff.info.driver, "tulip");
    assert_refused(&handoff, -EPROTO, "'tulip'", 0);
    memset(handoff.info.driver, 'e', sizeof(handoff.info.driver)); /* never ends */
    memset(handoff.info.spec, 'x', sizeof(handoff.info.spec));
    assert_refused(&handoff, -EPROTO, "'eeeeeeeeeeeeeee'", 1);
    strcpy(handoff.info.driver, "e1000e");
    handoff.packets = 0;
    assert_refused(&handoff, -EPROTO, "makes no sense", 2);
}

static int make_descriptor(size_t size, int seals)
{
    int fd = memfd_create("other", MFD_ALLOW_SEALING);

    assert_true(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    assert_int_equal(seals ? fcntl(fd, F_ADD_SEALS, seals) : 0, 0);
    return fd;
}

static void memory_that_could_go_away_is_refused(void **state)
{
    struct ae_port_handoff handoff = card.handoff;
    int small = make_descriptor(4096, F_SEAL_SHRINK), loose = make_descriptor(1 << 20, 0);
    int file = open("/proc/self/exe", O_RDONLY), tiny = make_descriptor(100, F_SEAL_SHRINK);

    (void)state;
    handoff.memory_fd = -1;
    assert_refused(&handoff, -EBADF, "shared memory", 0);
    handoff.memory_fd = file;
    assert_refused(&handoff, -EINVAL, "shared memory", 1);
    handoff.memory_fd = small;
    assert_refused(&handoff, -EINVAL, "4096", 2);
    handoff.memory_fd = loose;
    assert_refused(&handoff, -EINVAL, "shrink", 3);
    handoff = card.handoff;
    handoff.state_fd = -1;
    assert_refused(&handoff, -EPROTO, "state page", 4);
    handoff.state_fd = file;
    assert_refused(&handoff, -EPROTO, "state page", 5);
    handoff.state_fd = tiny;
    assert_refused(&handoff, -EPROTO, "state page", 6);
    handoff.state_fd = loose;
    assert_refused(&handoff, -EPROTO, "state page", 7);
    handoff = card.handoff;
    handoff.device_fd = -1;
    assert_refused(&handoff, -EBADF, "registers", 8);
    handoff.device_fd = file;
    assert_refused(&handoff, -EACCES, "registers", 9);
    close(small);
    close(loose);
    close(file);
    close(tiny);
}

static void the_word_of_the_link_holds_all_of_it(void **state)
{
    static const struct ae_link links[] = {
        {0},
        {.up = true},
        {.full_duplex = true},
        {.device_gone = true},
        {.mbps = 0x1fffffff},
        {.changes = UINT32_MAX},
        {.up = true, .full_duplex = true, .device_gone = true, .mbps = 400000, .changes = 12345},
    };
    struct ae_port_state page = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(links); i++) {
        struct ae_link seen;

        ae_port_set_link(&page, &links[i]);
        ae_port_read_link(&page, &seen);
        assert_same_link(&seen, &links[i]);
    }
}

static void drivers_are_found(void **state)
{
    char text[512], little[8];

    (void)state;
    for (unsigned i = 0; ae_port_driver(i); i++)
        assert_ptr_equal(ae_queue_ops_named(ae_port_driver(i)->queue->name),
                         ae_port_driver(i)->queue);
    assert_null(ae_queue_ops_named(""));
    assert_null(ae_queue_ops_named("e1000"));
    assert_ptr_equal(ae_port_driver_for(0x8086, 0x10d3), &ae_port_e1000e);
    assert_null(ae_port_driver_for(0x8086, 0x10d4));
    assert_null(ae_port_driver_for(0, 0));
    ae_port_describe_drivers(text, sizeof(text));
    assert_non_null(strstr(text, "8086:10d3 Intel 82574L"));
    ae_port_describe_drivers(little, sizeof(little));
    assert_int_equal(strlen(little), sizeof(little) - 1);
    assert_string_equal(ae_path_name(AE_PATH_DEVICE), "device");
    assert_string_equal(ae_path_name(AE_PATH_KERNEL), "kernel");
    assert_string_equal(ae_path_name((enum ae_path)99), "unknown");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_handoff_is_taken),
        TEST(every_number_is_checked),
        TEST(unknown_drivers_are_refused),
        TEST(memory_that_could_go_away_is_refused),
        TEST(the_word_of_the_link_holds_all_of_it),
        TEST(drivers_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
