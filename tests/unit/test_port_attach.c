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
    ae_port_set_link(card.state, &link);
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
        {FIELD(info.queues), 8}, /* of which the rings are not there */
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
        {FIELD(packet_first), 1},
        {FIELD(packet_first), -1},
        {FIELD(packet_count), 0},
        {FIELD(packet_count), 32},
        {FIELD(packet_count), 201},
        {FIELD(packet_count), 1u << 21},
        {FIELD(packet_count), -1},
        {FIELD(buffer_size), 0},
        {FIELD(buffer_size), 1024},
        {FIELD(buffer_size), 3072},
        {FIELD(buffer_size), 4096}, /* which the domain does not hold */
        {FIELD(buffer_size), 8192},
        {FIELD(buffer_size), -1},
        {FIELD(version), 0},
        {FIELD(version), AE_PORT_HANDOFF_VERSION + 1},
        {FIELD(size), 0},
        {FIELD(size), sizeof(card.handoff) - 8},
        {FIELD(map_count), 0},
        {FIELD(map_count), 2},
        {FIELD(map_count), 6}, /* the sixth is of no kind */
        {FIELD(map_count), AE_PORT_MAPS + 1},
        {FIELD(map_count), -1},
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
    handoff.packet_count = 0;
    assert_refused(&handoff, -EPROTO, "makes no sense", 2);
}

/* What is good of map 0, the memory, 1, the registers, 2, the state, 3, that of the queue, and 4,
 * the domain, and then is not. */
static void every_map_is_checked(void **state)
{
#define OF_MAP(member) offsetof(struct ae_port_map, member), sizeof(card.handoff.maps[0].member)
    static const struct {
        unsigned map;
        size_t at, size;
        uint64_t value;
        const char *says;
    } cases[] = {
        {0, OF_MAP(kind), 0, "no kind 0"},
        {0, OF_MAP(kind), 99, "no kind 99"},
        {0, OF_MAP(kind), UINT32_MAX, "no kind"},
        {0, OF_MAP(kind), AE_PORT_MAP_CONTROL, "e1000e has no use for it"},
        {0, OF_MAP(kind), AE_PORT_MAP_STATE, "map 0, state"},
        {0, OF_MAP(index), 1, "no number 1"},
        {2, OF_MAP(index), UINT32_MAX, "no number"},
        {0, OF_MAP(protection), PROT_READ, "protection 1"},
        {2, OF_MAP(protection), PROT_READ | PROT_WRITE, "protection 3"},
        {3, OF_MAP(protection), PROT_READ, "protection 1"},
        {3, OF_MAP(index), 1, "no number 1 for this worker"},
        {3, OF_MAP(length), 4096, "state of queue 0 is too small"},
        {0, OF_MAP(protection), PROT_READ | PROT_WRITE | PROT_EXEC, "protection 7"},
        {1, OF_MAP(protection), 0, "protection 0"},
        {0, OF_MAP(keep), 1, "keep 1"},
        {1, OF_MAP(keep), 0xffff, "keep 65535"},
        {0, OF_MAP(length), 0, "cannot be"},
        {0, OF_MAP(length), 1024, "does not hold its rings"},
        {4, OF_MAP(length), 4096, "packets 0 to 200 of a domain of 2"},
        {4, OF_MAP(length), 1 << 20, "of which there are"},
        {4, OF_MAP(length), 0, "cannot be"},
        {4, OF_MAP(offset), 4096, "cannot be"},
        {4, OF_MAP(index), 1, "no number 1"},
        {4, OF_MAP(protection), PROT_READ, "protection 1"},
        {4, OF_MAP(keep), 1, "keep 1"},
        {4, OF_MAP(iova), UINT64_MAX, "cannot be"},
        {4, OF_MAP(iova), FAKE_IOVA + 1024, "map 4, domain, overlaps map 0"},
        {4, OF_MAP(kind), AE_PORT_MAP_MEMORY, "map 4, memory, overlaps map 0"},
        {0, OF_MAP(length), UINT64_C(1) << 40, "of which there are"},
        {0, OF_MAP(length), INT64_MAX, "cannot be"},
        {0, OF_MAP(length), UINT64_MAX, "cannot be"},
        {1, OF_MAP(length), UINT64_MAX - 4095, "cannot be"},
        {1, OF_MAP(length), 0, "cannot be"},
        {1, OF_MAP(length), 0x2000, "too few"}, /* for the tails */
        {2, OF_MAP(length), 64, "too small"},
        {0, OF_MAP(offset), 4096, "cannot be"},
        {1, OF_MAP(offset), 1, "cannot be"},
        {1, OF_MAP(offset), INT64_MAX - 4095, "cannot be"},
        {1, OF_MAP(offset), UINT64_MAX - 4095, "cannot be"},
        {2, OF_MAP(offset), 4096, "cannot be"},
        {0, OF_MAP(iova), INT64_MAX, "cannot be"},
        {0, OF_MAP(iova), UINT64_MAX, "cannot be"},
        {1, OF_MAP(iova), 4096, "cannot be"},
        {0, OF_MAP(mapped), 4096, "cannot be"},
        {1, OF_MAP(mapped), 1, "cannot be"},
        {1, OF_MAP(mapped), UINT64_MAX - 4095, "cannot be"},
        {1, OF_MAP(mapped), 1 << 20, "has a descriptor"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_port_handoff handoff = card.handoff;

        memcpy((uint8_t *)&handoff.maps[cases[i].map] + cases[i].at, &cases[i].value,
               cases[i].size);
        assert_refused(&handoff, -EPROTO, cases[i].says, i);
    }
}

static void each_of_its_maps_is_there_once(void **state)
{
    struct ae_port_handoff handoff;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        handoff = card.handoff;
        handoff.maps[i] = handoff.maps[--handoff.map_count];
        assert_refused(&handoff, -EPROTO, "is missing", i);
        handoff = card.handoff;
        handoff.maps[handoff.map_count++] = handoff.maps[i];
        assert_refused(&handoff, -EPROTO, "overlaps map", i);
    }
    /* Buffers in the rings. */
    handoff = card.handoff;
    handoff.maps[4].fd = handoff.maps[0].fd;
    handoff.maps[4].length = 1024;
    assert_refused(&handoff, -EPROTO, "map 4, domain, overlaps map 0", 3);
    /* The registers in the state. */
    handoff = card.handoff;
    handoff.maps[1].fd = handoff.maps[2].fd;
    assert_refused(&handoff, -EPROTO, "map 2, state, overlaps map 1", 4);
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
    int loose = make_descriptor(1 << 20, 0), file = open("/proc/self/exe", O_RDONLY);
    int tiny = make_descriptor(100, F_SEAL_SHRINK);
    const struct {
        unsigned map;
        int fd, rc;
        const char *says;
    } cases[] = {
        {0, -1, -EBADF, "map 0, memory"},    {0, file, -EPROTO, "shrink"},
        {0, loose, -EPROTO, "shrink"},       {0, tiny, -EPROTO, "of which there are 100"},
        {1, -1, -EBADF, "map 1, registers"}, {1, file, -EACCES, "mapping its registers"},
        {2, -1, -EBADF, "map 2, state"},     {2, file, -EPROTO, "shrink"},
        {2, loose, -EPROTO, "shrink"},       {2, tiny, -EPROTO, "of which there are 100"},
        {4, -1, -EBADF, "map 4, domain"},    {4, file, -EPROTO, "shrink"},
        {4, loose, -EPROTO, "shrink"},       {4, tiny, -EPROTO, "of which there are 100"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_port_handoff handoff = card.handoff;

        handoff.maps[cases[i].map].fd = cases[i].fd;
        assert_refused(&handoff, cases[i].rc, cases[i].says, i);
    }
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
    static struct ae_port_state page;

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
    assert_string_equal(ae_caller_name(AE_CALLER_NONE), "none");
    assert_string_equal(ae_caller_name(AE_CALLER_WORKER), "worker");
    assert_string_equal(ae_caller_name((enum ae_caller) - 1), "unknown");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_handoff_is_taken),
        TEST(every_number_is_checked),
        TEST(unknown_drivers_are_refused),
        TEST(every_map_is_checked),
        TEST(each_of_its_maps_is_there_once),
        TEST(memory_that_could_go_away_is_refused),
        TEST(the_word_of_the_link_holds_all_of_it),
        TEST(drivers_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
