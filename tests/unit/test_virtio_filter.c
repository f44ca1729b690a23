/* SPDX-License-Identifier: Apache-2.0 */

/* What a virtio device is told to let in, by the owner of its port. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "made_owner.h"
#include "made_root.h"
#include "made_virtio.h"
#include "port/owner.h"
#include "port/virtio/pci.h"

static const uint8_t group[1][6] = {{1, 0, 0x5e, 1, 2, 3}};
static const struct ae_port_filter joined = {.addresses = group, .address_count = 1};
static const struct ae_port_options options = {.packets = 32, .page_size = 4096};
static struct ae_error err;

static int begin(void **state)
{
    int rc = made_root_begin(state);

    if (!rc)
        made_virtio_begin();
    return rc;
}

static int end(void **state)
{
    return made_owner_end(state) || made_virtio.wrong ? -1 : 0;
}

/* Of the last commands: how many were this one. */
static unsigned told(uint8_t class, uint8_t command)
{
    unsigned count = 0;

    for (unsigned i = 0; i < made_virtio.commands && i < MADE_COMMANDS; i++)
        count += made_virtio.command[i][0] == class && made_virtio.command[i][1] == command;
    made_virtio.commands = 0;
    return count;
}

/* What a device lets in is its best (5.1.6.5.1): workers look at all of it. */
static void a_filter_is_told_and_outlives_a_restart(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&options);

    (void)state;
    assert_int_equal(owner->state->filter.version, 0);
    assert_int_equal(told(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET), 1);
    assert_int_equal(ae_port_owner_filter(owner, &joined, &err), 0);
    assert_int_equal(told(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET), 1);
    assert_int_not_equal(owner->state->filter.version, 0);
    assert_int_equal(ae_port_owner_restart(owner, &err), 0);
    assert_int_equal(told(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET), 1);
    assert_int_equal(owner->state->filter.filter.addresses[0], 0x0302015e0001);
    assert_int_not_equal(owner->state->filter.version, 0);
    ae_port_owner_close(owner);
}

/* ",vlan=N" holds beside any filter. */
static void a_chosen_vlan_is_let_in(void **state)
{
    struct ae_port_owner *owner;

    (void)state;
    made_virtio.offered |= VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VLAN);
    assert_int_equal(ae_port_owner_open(&owner, MADE_ADDRESS ",vlan=77", &options, &err), 0);
    assert_int_equal(told(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD), 2);
    assert_int_equal(ae_port_owner_filter(owner, &joined, &err), 0);
    assert_int_equal(told(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD), 0);
    assert_true(ae_filter_has_vlan(&owner->state->filter.filter, 77));
    ae_port_owner_close(owner);
}

/* Workers can drop what it lets in, and nobody can have it let in more. */
static void a_device_that_cannot_be_told_is_no_success(void **state)
{
    static const struct ae_port_filter own = {0}, more[] = {
                                                      {.promiscuous = true},
                                                      {.all_multicast = true},
                                                      {.addresses = group, .address_count = 1},
                                                  };

    (void)state;
    for (unsigned feature = 0; feature < 2; feature++) {
        struct ae_port_options at_once = options;
        struct ae_port_owner *owner;

        made_virtio.offered &=
            ~VIRTIO_FEATURE(feature ? VIRTIO_NET_F_CTRL_VQ : VIRTIO_NET_F_CTRL_RX);
        owner = made_owner_open(&options);
        made_virtio.commands = 0;
        for (unsigned i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
            assert_int_equal(ae_port_owner_filter(owner, &more[i], &err), -EOPNOTSUPP);
            assert_non_null(strstr(err.text, "ctrl_rx=on"));
            assert_int_equal(owner->state->filter.version, 0);
            assert_false(owner->filter.set);
        }
        assert_int_equal(ae_port_owner_filter(owner, &own, &err), 0);
        assert_int_equal(made_virtio.commands, 0);
        assert_int_not_equal(owner->state->filter.version, 0);
        ae_port_owner_close(owner);
        at_once.filter = &more[feature];
        assert_int_equal(ae_port_owner_open(&owner, MADE_ADDRESS, &at_once, &err), -EOPNOTSUPP);
    }
}

static void a_refusal_keeps_the_filter_before(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&options);

    (void)state;
    made_virtio.verdict = VIRTIO_NET_ERR;
    assert_int_equal(ae_port_owner_filter(owner, &joined, &err), -EIO);
    assert_non_null(strstr(err.text, "1.0"));
    assert_int_equal(owner->state->filter.version, 0);
    assert_false(owner->filter.set);
    made_virtio.verdict = VIRTIO_NET_OK;
    assert_int_equal(ae_port_owner_filter(owner, &joined, &err), 0);
    ae_port_owner_close(owner);
}

/* A device that answers nothing any more is given up, and a restart is what helps. */
static void silence_ends(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&options);

    (void)state;
    made_virtio.silent = true;
    assert_int_equal(ae_port_owner_filter(owner, &joined, &err), -ETIMEDOUT);
    assert_int_equal(ae_port_owner_filter(owner, &joined, &err), -ENOLINK);
    made_virtio.silent = false;
    assert_int_equal(ae_port_owner_restart(owner, &err), 0);
    assert_int_equal(ae_port_owner_filter(owner, &joined, &err), 0);
    ae_port_owner_close(owner);
}

/* The control queue may be under way with something else. */
static void an_acknowledgement_has_its_time(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&options);

    (void)state;
    made_virtio.silent = true;
    made_virtio.config.status |= VIRTIO_NET_S_ANNOUNCE;
    made_signal(made_function.vector);
    ae_port_owner_step(owner);
    assert_int_equal(ae_port_owner_filter(owner, &joined, &err), -ENOLINK);
    made_virtio.silent = false;
    made_virtio.config.status &= (uint16_t)~VIRTIO_NET_S_ANNOUNCE;
    assert_int_equal(ae_port_owner_restart(owner, &err), 0);
    made_virtio.silent = true;
    made_virtio.config.status |= VIRTIO_NET_S_ANNOUNCE;
    made_signal(made_function.vector);
    ae_port_owner_step(owner);
    made_virtio.silent = false;
    made_virtio_answer();
    assert_int_equal(ae_port_owner_filter(owner, &joined, &err), 0);
    ae_port_owner_close(owner);
}

/* ---- Which queue ---- */

static const struct ae_port_flow flow = {.source = {10, 0, 0, 1},
                                         .destination = {10, 0, 0, 2},
                                         .source_port = 4000,
                                         .destination_port = 7,
                                         .protocol = 17};

static void a_flow_is_steered(void **state)
{
    const unsigned entry = ae_virtio_spread_entry(&flow);
    struct ae_port_options two = options;
    struct ae_port_owner *owner;
    struct ae_port_capabilities able;
    struct virtio_pci *virtio;
    unsigned queue;

    (void)state;
    made_virtio.offered |= VIRTIO_FEATURE(VIRTIO_NET_F_RSS) | VIRTIO_FEATURE(VIRTIO_NET_F_MQ);
    made_virtio.num_queues = 5;
    made_virtio.control = 4;
    two.queues = 2;
    assert_int_equal(ae_port_owner_open(&owner, MADE_ADDRESS ",rss=on", &two, &err), 0);
    ae_port_owner_get_capabilities(owner, &able);
    assert_true(able.steering);
    assert_int_equal(able.queues, 2);
    virtio = owner->driver;
    queue = !virtio->spread[entry];
    assert_int_equal(told(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG), 1);
    assert_int_equal(ae_port_owner_steer(owner, &flow, queue, &err), 0);
    assert_int_equal(told(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG), 1);
    assert_int_equal(ae_port_owner_restart(owner, &err), 0);
    for (unsigned i = 0; i < AE_VIRTIO_SPREAD; i++)
        assert_int_equal(virtio->spread[i], i == entry ? queue : i % 2);
    assert_int_equal(ae_port_owner_steer(owner, &flow, 2, &err), -EINVAL);
    made_virtio.verdict = VIRTIO_NET_ERR;
    assert_int_equal(ae_port_owner_steer(owner, &flow, !queue, &err), -EIO);
    assert_int_equal(virtio->spread[entry], queue);
    made_virtio.verdict = VIRTIO_NET_OK;
    ae_port_owner_close(owner);
}

static void without_a_hash_nothing_is_steered(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&options);
    struct ae_port_capabilities able;

    (void)state;
    ae_port_owner_get_capabilities(owner, &able);
    assert_false(able.steering);
    assert_int_equal(ae_port_owner_steer(owner, &flow, 0, &err), -EOPNOTSUPP);
    assert_non_null(strstr(err.text, "rss=on"));
    ae_port_owner_close(owner);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_filter_is_told_and_outlives_a_restart),
        TEST(a_chosen_vlan_is_let_in),
        TEST(a_device_that_cannot_be_told_is_no_success),
        TEST(a_refusal_keeps_the_filter_before),
        TEST(silence_ends),
        TEST(an_acknowledgement_has_its_time),
        TEST(a_flow_is_steered),
        TEST(without_a_hash_nothing_is_steered),
    };

    return cmocka_run_group_tests_name("virtio_filter", tests, NULL, NULL);
}
