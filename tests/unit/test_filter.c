/* SPDX-License-Identifier: Apache-2.0 */

/* What a port receives: what is made of a user's wish, and that the data half keeps to it where no
 * device does: between the ends of a pair. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "port/owner.h"

#define GROUP                     \
    {                             \
        0x01, 0x00, 0x5e, 1, 2, 3 \
    }
#define NEIGHBOUR                 \
    {                             \
        0x01, 0x00, 0x5e, 1, 2, 4 \
    }
#define UNICAST             \
    {                       \
        0x02, 0, 0, 0, 7, 7 \
    }
#define ELSEWHERE           \
    {                       \
        0x02, 0, 0, 0, 7, 8 \
    }
#define BROADCAST                          \
    {                                      \
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff \
    }
#define NO_TAG 0x10000u

static const uint8_t own[6] = {2, 0, 0, 0, 0, 2}; /* of a pair's second end */
static const uint8_t addresses[][6] = {GROUP, UNICAST, GROUP, BROADCAST, {2, 0, 0, 0, 0, 2}};
static struct ae_error err;

/* ---- What is made of a wish ---- */

static void addresses_are_sorted_each_once(void **state)
{
    const uint16_t vlans[] = {1, 4094};
    const struct ae_port_filter given = {
        .addresses = addresses, .address_count = 5, .vlans = vlans, .vlan_count = 2};
    struct ae_filter filter;

    (void)state;
    assert_int_equal(ae_filter_make(&filter, &given, own, 77, &err), 0);
    assert_int_equal(filter.count, 2);
    assert_int_equal(filter.addresses[0], 0x0302015e0001);
    assert_int_equal(filter.addresses[1], 0x070700000002);
    for (unsigned id = 0; id < 4096; id++)
        assert_int_equal(ae_filter_has_vlan(&filter, id),
                         id == 0 || id == 1 || id == 77 || id == 4094);
    assert_true(filter.set);
    assert_int_equal(ae_filter_make(&filter, NULL, own, 0, &err), 0);
    assert_false(filter.set);
}

static void what_cannot_be_is_refused(void **state)
{
    static uint8_t many[AE_FILTER_ADDRESSES + 1][6];
    static const uint8_t none[1][6];
    const uint16_t vlans[] = {0, 4095, 65535};
    struct ae_filter filter;

    (void)state;
    for (unsigned i = 0; i <= AE_FILTER_ADDRESSES; i++)
        many[i][0] = 2, many[i][5] = (uint8_t)i;
    assert_int_equal(
        ae_filter_make(
            &filter,
            &(struct ae_port_filter){.addresses = many, .address_count = AE_FILTER_ADDRESSES + 1},
            own, 0, &err),
        -EINVAL);
    assert_int_equal(ae_filter_make(&filter,
                                    &(struct ae_port_filter){.addresses = many,
                                                             .address_count = AE_FILTER_ADDRESSES},
                                    own, 0, &err),
                     0);
    assert_int_equal(ae_filter_make(&filter,
                                    &(struct ae_port_filter){.addresses = none, .address_count = 1},
                                    own, 0, &err),
                     -EINVAL);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(
            ae_filter_make(&filter, &(struct ae_port_filter){.vlans = &vlans[i], .vlan_count = 1},
                           own, 0, &err),
            -EINVAL);
        assert_non_null(strstr(err.text, "VLAN"));
    }
}

/* ---- What comes through ---- */

struct ends {
    struct ae_port *port[2];
    struct ae_queue *queue[2];
};

static int begin(void **state)
{
    static struct ends ends;
    const struct ae_port_options options = {.receive_ring = 64, .send_ring = 64, .packets = 64};

    for (int end = 0; end < 2; end++) {
        if (ae_port_open(&ends.port[end], "pair:filtered", &options, &err))
            fail_msg("%s", err.text);
        ends.queue[end] = ae_port_queue(ends.port[end], 0);
    }
    *state = &ends;
    return 0;
}

static int end(void **state)
{
    struct ends *ends = *state;

    ae_port_close(ends->port[0]);
    ae_port_close(ends->port[1]);
    return 0;
}

static void filter(struct ends *ends, const struct ae_port_filter *given)
{
    if (ae_port_owner_filter(ae_port_get_owner(ends->port[1]), given, &err))
        fail_msg("%s", err.text);
}

/* Is a frame to this address, with this tag, received at the second end? */
static bool passes(struct ends *ends, const uint8_t to[6], uint32_t tag)
{
    struct ae_packet *packet = ae_packet_get(ends->queue[0]->pool);
    uint32_t free_before = ae_pool_available(ends->queue[1]->pool);

    assert_non_null(packet);
    memset(packet->data, 0, 60);
    memcpy(packet->data, to, 6);
    packet->length = 60;
    if (tag != NO_TAG) {
        packet->data[12] = 0x81;
        packet->data[14] = (uint8_t)(tag >> 8);
        packet->data[15] = (uint8_t)tag;
    }
    assert_int_equal(ae_send(ends->queue[0], &packet, 1), 1);
    if (!ae_receive(ends->queue[1], &packet, 1)) {
        assert_int_equal(ae_pool_available(ends->queue[1]->pool), free_before);
        return false;
    }
    assert_memory_equal(packet->data, to, 6);
    ae_packet_put(packet);
    return true;
}

static void a_filter_is_exact(void **state)
{
    static const uint8_t all[][6] = {{2, 0, 0, 0, 0, 2}, BROADCAST, GROUP, UNICAST,
                                     NEIGHBOUR,          ELSEWHERE};
    static const struct {
        struct ae_port_filter filter;
        uint8_t through; /* a bit each, the first one lowest */
    } cases[] = {
        {{0}, 0x03},
        {{.addresses = addresses, .address_count = 1}, 0x07},
        {{.addresses = addresses, .address_count = 5}, 0x0f},
        {{.all_multicast = true}, 0x17},
        {{.promiscuous = true}, 0x3f},
        {{.addresses = addresses + 1, .address_count = 1}, 0x0b},
    };
    struct ends *ends = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        filter(ends, &cases[i].filter);
        for (unsigned j = 0; j < 6; j++)
            assert_int_equal(passes(ends, all[j], NO_TAG), cases[i].through >> j & 1);
    }
    filter(ends, NULL);
    for (unsigned j = 0; j < 6; j++)
        assert_true(passes(ends, all[j], NO_TAG));
}

static void vlans_are_told_apart(void **state)
{
    const uint16_t vlans[] = {5, 4000};
    const struct ae_port_filter given = {.vlans = vlans, .vlan_count = 2};
    struct ends *ends = *state;

    filter(ends, &given);
    assert_true(passes(ends, own, NO_TAG));
    assert_true(passes(ends, own, 5) && passes(ends, own, 4000));
    assert_true(passes(ends, own, 0x3000 | 5) && passes(ends, own, 0x7000));
    assert_false(passes(ends, own, 4) || passes(ends, own, 4001) || passes(ends, own, 4095));
    assert_false(passes(ends, (const uint8_t[])UNICAST, 5));
    filter(ends, &(struct ae_port_filter){.promiscuous = true});
    assert_true(passes(ends, own, 4));
}

static struct ae_packet *to(struct ae_queue *queue, const uint8_t address[6])
{
    struct ae_packet *packet = ae_packet_get(queue->pool);

    assert_non_null(packet);
    memcpy(packet->data, address, 6);
    packet->length = 60;
    return packet;
}

/* What is left of a burst moves up, in order. */
static void a_burst_closes_up(void **state)
{
    const struct ae_port_filter given = {.addresses = addresses, .address_count = 1};
    static const uint8_t group[6] = GROUP, neighbour[6] = NEIGHBOUR, left[] = {1, 2, 4, 5};
    struct ends *ends = *state;
    struct ae_packet *packets[6];
    uint64_t filtered = ends->queue[1]->counters->receive_filtered;

    filter(ends, &given);
    for (unsigned i = 0; i < 6; i++) {
        packets[i] = to(ends->queue[0], i % 3 == 0 ? neighbour : group);
        packets[i]->data[20] = (uint8_t)i;
    }
    assert_int_equal(ae_send(ends->queue[0], packets, 6), 6);
    assert_int_equal(ae_receive(ends->queue[1], packets, 6), 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(packets[i]->data[20], left[i]);
        ae_packet_put(packets[i]);
    }
    assert_int_equal(ends->queue[1]->counters->receive_filtered - filtered, 2);
}

static void a_filter_outlives_a_restart(void **state)
{
    const struct ae_port_filter given = {.addresses = addresses, .address_count = 1};
    struct ends *ends = *state;

    filter(ends, &given);
    assert_int_equal(ae_port_owner_restart(ae_port_get_owner(ends->port[1]), &err), 0);
    assert_true(passes(ends, (const uint8_t[])GROUP, NO_TAG));
    assert_false(passes(ends, (const uint8_t[])NEIGHBOUR, NO_TAG));
}

static void a_refused_filter_changes_nothing(void **state)
{
    const struct ae_port_filter given = {.addresses = addresses, .address_count = 1};
    const struct ae_port_filter bad = {.vlans = &(const uint16_t){0}, .vlan_count = 1};
    struct ends *ends = *state;

    filter(ends, &given);
    assert_int_equal(ae_port_owner_filter(ae_port_get_owner(ends->port[1]), &bad, &err), -EINVAL);
    assert_true(passes(ends, (const uint8_t[])GROUP, NO_TAG));
    assert_false(passes(ends, (const uint8_t[])NEIGHBOUR, NO_TAG));
}

/* While the owner writes, the filter before it holds; what cannot be does no harm. */
static void the_page_may_say_anything(void **state)
{
    const struct ae_port_filter given = {.addresses = addresses, .address_count = 1};
    struct ends *ends = *state;
    struct ae_shared_filter *shared = &ae_port_get_owner(ends->port[1])->state->filter;

    filter(ends, &given);
    assert_true(passes(ends, (const uint8_t[])GROUP, NO_TAG));
    shared->version++;
    shared->filter.count = 0;
    assert_true(passes(ends, (const uint8_t[])GROUP, NO_TAG));
    shared->version++;
    assert_false(passes(ends, (const uint8_t[])GROUP, NO_TAG));
    shared->version += 2;
    shared->filter.count = UINT16_MAX;
    assert_false(passes(ends, (const uint8_t[])GROUP, NO_TAG));
    assert_true(passes(ends, own, NO_TAG));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_sorted_each_once),
        cmocka_unit_test(what_cannot_be_is_refused),
        TEST(a_filter_is_exact),
        TEST(vlans_are_told_apart),
        TEST(a_burst_closes_up),
        TEST(a_filter_outlives_a_restart),
        TEST(a_refused_filter_changes_nothing),
        TEST(the_page_may_say_anything),
    };

    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
