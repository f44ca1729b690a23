/* SPDX-License-Identifier: Apache-2.0 */

/* The control queue against a device in memory, which answers when it is notified; and what is made
 * of a device's features and configuration. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "port/virtio/control.h"
#include "port/virtio/net.h"
#include "port/virtio/spread.h"

#define IOVA 0x10000

/* What the device saw, and how it answers. */
struct device {
    struct ae_virtio_control control;
    _Alignas(64) uint8_t memory[AE_VIRTIO_CONTROL_BYTES];
    uint16_t avail; /* split: seen; packed: the slot */
    bool wrap;
    bool silent;
    uint8_t answer;
    unsigned commands;
    unsigned stop_at; /* that command is refused */
    uint8_t class, command;
    uint8_t data[AE_VIRTIO_CONTROL_DATA];
    uint32_t length;
};

static uint8_t *at(struct device *device, uint64_t address, uint32_t length)
{
    assert_in_range(address, IOVA, IOVA + AE_VIRTIO_CONTROL_BYTES - length);
    return device->memory + (address - IOVA);
}

static void take(struct device *device, unsigned piece, uint64_t address, uint32_t length,
                 bool write, bool last)
{
    uint8_t *bytes = at(device, address, length);

    if (piece == 0) {
        assert_int_equal(length, 2);
        assert_false(write);
        device->class = bytes[0];
        device->command = bytes[1];
        device->length = 0;
    } else if (!last) {
        assert_false(write);
        memcpy(device->data, bytes, length);
        device->length = length;
    } else {
        assert_true(write);
        assert_int_equal(length, 1);
        *bytes = device->commands == device->stop_at ? VIRTIO_NET_ERR : device->answer;
    }
}

static void run_split(struct device *device)
{
    struct virtq_desc *table = (void *)(device->memory + AE_VIRTIO_CONTROL_DESCRIPTORS);
    struct virtq_avail *avail = (void *)(device->memory + AE_VIRTIO_CONTROL_DRIVER);
    struct virtq_used *used = (void *)(device->memory + AE_VIRTIO_CONTROL_DEVICE);
    uint16_t head, slot;

    assert_int_equal((uint16_t)(avail->idx - device->avail), 1);
    head = slot = avail->ring[device->avail++ % device->control.size];
    for (unsigned piece = 0;; piece++, slot = table[slot].next) {
        bool last = !(table[slot].flags & VIRTQ_DESC_F_NEXT);

        take(device, piece, table[slot].addr, table[slot].len,
             table[slot].flags & VIRTQ_DESC_F_WRITE, last);
        if (last)
            break;
    }
    used->ring[used->idx % device->control.size] = (struct virtq_used_elem){head, 1};
    used->idx++;
}

static void run_packed(struct device *device)
{
    struct pvirtq_desc *ring = (void *)(device->memory + AE_VIRTIO_CONTROL_DESCRIPTORS);
    uint16_t head = device->avail;
    bool head_wrap = device->wrap;

    for (unsigned piece = 0;; piece++) {
        struct pvirtq_desc *slot = &ring[device->avail];
        bool last = !(slot->flags & VIRTQ_DESC_F_NEXT);

        /* 2.8.1: available is AVAIL as the counter, USED not. */
        assert_int_equal(!!(slot->flags & VIRTQ_DESC_F_AVAIL), device->wrap);
        assert_int_equal(!!(slot->flags & VIRTQ_DESC_F_USED), !device->wrap);
        take(device, piece, slot->addr, slot->len, slot->flags & VIRTQ_DESC_F_WRITE, last);
        if (++device->avail == device->control.size) {
            device->avail = 0;
            device->wrap = !device->wrap;
        }
        if (last)
            break;
    }
    ring[head].len = 1;
    ring[head].flags = head_wrap ? VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED : 0;
}

static void notify(void *context)
{
    struct device *device = context;

    device->commands++;
    if (device->silent)
        return;
    if (device->control.packed)
        run_packed(device);
    else
        run_split(device);
}

static struct device *make(bool packed, uint16_t size)
{
    struct device *device = aligned_alloc(64, (sizeof(*device) + 63) / 64 * 64);

    memset(device, 0, sizeof(*device));
    device->wrap = true;
    device->control = (struct ae_virtio_control){
        .memory = device->memory,
        .iova = {IOVA},
        .packed = packed,
        .size = size,
        .wrap = true,
        .notify = notify,
        .context = device,
        .timeout_ms = 20,
    };
    return device;
}

/* More commands than the ring has slots, so that it wraps in the middle of chains. */
static void many_commands(bool packed, uint16_t size)
{
    struct device *device = make(packed, size);

    for (uint32_t i = 0; i < 200; i++) {
        uint8_t data[64];
        size_t length = i % 3 ? i % 64 : 0;

        memset(data, (int)i, sizeof(data));
        assert_int_equal(ae_virtio_control_send(&device->control, (uint8_t)i, (uint8_t)(i + 1),
                                                data, length, NULL),
                         0);
        assert_int_equal(device->class, (uint8_t)i);
        assert_int_equal(device->command, (uint8_t)(i + 1));
        assert_int_equal(device->length, length);
        assert_memory_equal(device->data, data, length);
    }
    free(device);
}

static void commands_reach_a_split_ring(void **state)
{
    (void)state;
    many_commands(false, 16);
    many_commands(false, 4);
}

static void commands_reach_a_packed_ring(void **state)
{
    (void)state;
    many_commands(true, 16);
    many_commands(true, 5);
}

static void a_refusal_is_an_error(void **state)
{
    struct device *device = make(true, 16);
    struct ae_error err;

    (void)state;
    device->answer = VIRTIO_NET_ERR;
    assert_int_equal(ae_virtio_control_send(&device->control, 4, 0, NULL, 0, &err), -EIO);
    assert_non_null(strstr(err.text, "4.0"));
    free(device);
}

static void silence_ends(void **state)
{
    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        struct device *device = make(packed, 16);
        struct ae_error err;

        device->silent = true;
        assert_int_equal(ae_virtio_control_send(&device->control, 1, 2, NULL, 0, &err), -ETIMEDOUT);
        assert_non_null(strstr(err.text, "no answer in 20 ms"));
        free(device);
    }
}

static void too_much_is_refused(void **state)
{
    struct device *device = make(false, 16);
    uint8_t data[AE_VIRTIO_CONTROL_DATA + 1] = {0};

    (void)state;
    assert_int_equal(ae_virtio_control_send(&device->control, 1, 2, data, sizeof(data), NULL),
                     -EMSGSIZE);
    assert_int_equal(device->commands, 0);
    free(device);
}

/* ---- Set-up ---- */

static struct ae_port_owner *make_owner(const char *choices)
{
    static struct ae_port_owner owner;
    static struct ae_port_state port_state;

    memset(&owner, 0, sizeof(owner));
    memset(&port_state, 0, sizeof(port_state));
    owner.ops = &ae_port_virtio_pci;
    owner.state = &port_state;
    owner.handoff.info.queues = 1;
    owner.handoff.info.mtu = owner.ops->mtu;
    strcpy(owner.choices, choices);
    owner.filter.vlans[0] = 1;
    return &owner;
}

static void several_queues_are_spread(void **state)
{
    struct device *device = make(true, 16);
    struct ae_port_owner *owner = make_owner("");
    uint16_t spread[AE_VIRTIO_SPREAD];

    (void)state;
    for (unsigned i = 0; i < 128; i++)
        spread[i] = (uint16_t)(i % 3);
    device->control.spread = spread;
    owner->handoff.info.queues = 3;
    assert_int_equal(
        ae_virtio_control_set_up(&device->control, owner, VIRTIO_FEATURE(VIRTIO_NET_F_RSS), NULL),
        0);
    assert_int_equal(device->class, VIRTIO_NET_CTRL_MQ);
    assert_int_equal(device->command, VIRTIO_NET_CTRL_MQ_RSS_CONFIG);
    /* 8 bytes, 128 entries, max_tx_vq, key length, 40 bytes of key */
    assert_int_equal(device->length, 8 + 256 + 2 + 1 + 40);
    for (unsigned i = 0; i < 128; i++)
        assert_int_equal(device->data[8 + 2 * i] | device->data[9 + 2 * i] << 8, i % 3);
    assert_int_equal(device->data[264], 3);
    assert_int_equal(device->data[266], 40);
    assert_int_equal(
        ae_virtio_control_set_up(&device->control, owner, VIRTIO_FEATURE(VIRTIO_NET_F_MQ), NULL),
        0);
    assert_int_equal(device->command, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET);
    assert_int_equal(device->data[0], 3);
    free(device);
}

/* Microsoft's "Verifying the RSS Hash Calculation", IPv4. */
static void the_hash_is_toeplitzs(void **state)
{
    static const uint8_t key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                    0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                    0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                    0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
    static const uint8_t flow[12] = {66,  9,  149,       187,         161,       142,
                                     100, 80, 2794 >> 8, 2794 & 0xff, 1766 >> 8, 1766 & 0xff};
    const struct ae_port_flow there = {.source = {10, 0, 0, 1},
                                       .destination = {10, 0, 0, 2},
                                       .source_port = 4000,
                                       .destination_port = 7,
                                       .protocol = 17};
    const struct ae_port_flow back = {.source = {10, 0, 0, 2},
                                      .destination = {10, 0, 0, 1},
                                      .source_port = 7,
                                      .destination_port = 4000,
                                      .protocol = 17};

    (void)state;
    assert_int_equal(ae_virtio_hash(key, flow, 12), 0x51ccc178);
    assert_int_equal(ae_virtio_hash(key, flow, 8), 0x323e8fc2);
    assert_int_equal(ae_virtio_spread_entry(&there), ae_virtio_spread_entry(&back));
}

#define FILTERS (VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VLAN))

static void filters_are_set(void **state)
{
    struct device *device = make(false, 16);
    struct ae_port_owner *owner = make_owner("");

    (void)state;
    owner->filter.vlans[77 / 32] |= 1u << 77 % 32;
    /* Two empty tables, two modes, VLAN 0. */
    assert_int_equal(ae_virtio_control_set_up(&device->control, owner, FILTERS, NULL), 0);
    assert_int_equal(device->commands, 5);
    assert_int_equal(device->class, VIRTIO_NET_CTRL_VLAN);
    assert_int_equal(device->data[0], 77);
    free(device);
}

static void last_command_is(const struct device *device, uint8_t class, uint8_t command,
                            uint16_t value)
{
    assert_int_equal(device->class, class);
    assert_int_equal(device->command, command);
    assert_int_equal(device->data[0] | device->data[1] << 8, value);
}

/* 5.1.6.5.2: unicast addresses, then the groups. */
static void addresses_come_in_two_tables(void **state)
{
    static uint8_t many[AE_FILTER_ADDRESSES][6];
    static const uint8_t expected[] = {1, 0, 0, 0, 2, 0, 0,    0, 0, 9,
                                       1, 0, 0, 0, 1, 0, 0x5e, 1, 2, 3};
    const struct ae_port_filter given = {.addresses = many, .address_count = 2};
    struct device *device = make(true, 16);
    struct ae_filter filter;

    (void)state;
    memcpy(many[0], expected + 14, 6);
    memcpy(many[1], expected + 4, 6);
    assert_int_equal(ae_filter_make(&filter, &given, expected + 4, 0, NULL), 0);
    assert_int_equal(filter.count, 1);
    assert_int_equal(ae_filter_make(&filter, &given, (const uint8_t[]){2, 0, 0, 0, 0, 1}, 0, NULL),
                     0);
    device->stop_at = 1;
    assert_int_equal(ae_virtio_control_filter(&device->control, &filter, FILTERS, NULL), -EIO);
    assert_int_equal(device->class, VIRTIO_NET_CTRL_MAC);
    assert_int_equal(device->command, VIRTIO_NET_CTRL_MAC_TABLE_SET);
    assert_int_equal(device->length, sizeof(expected));
    assert_memory_equal(device->data, expected, sizeof(expected));
    free(device);
}

/* Only what changes is told. */
static void vlans_come_and_go(void **state)
{
    const uint16_t vlans[] = {5, 4094};
    struct ae_port_filter given = {.vlans = vlans, .vlan_count = 2, .all_multicast = true};
    const uint64_t only_vlans = VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VLAN);
    static const uint8_t own[6] = {2, 0, 0, 0, 0, 1};
    struct device *device = make(true, 16);
    struct ae_filter filter;

    (void)state;
    assert_int_equal(ae_filter_make(&filter, &given, own, 0, NULL), 0);
    assert_int_equal(ae_virtio_control_filter(&device->control, &filter, only_vlans, NULL), 0);
    assert_int_equal(device->commands, 3);
    last_command_is(device, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, 4094);
    assert_int_equal(ae_virtio_control_filter(&device->control, &filter, only_vlans, NULL), 0);
    assert_int_equal(device->commands, 3);
    given.vlan_count = 1;
    assert_int_equal(ae_filter_make(&filter, &given, own, 0, NULL), 0);
    assert_int_equal(ae_virtio_control_filter(&device->control, &filter, only_vlans, NULL), 0);
    assert_int_equal(device->commands, 4);
    last_command_is(device, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, 4094);
    device->stop_at = 6;
    assert_int_equal(ae_virtio_control_filter(&device->control, &filter, FILTERS, NULL), -EIO);
    assert_int_equal(device->class, VIRTIO_NET_CTRL_RX);
    assert_int_equal(device->command, VIRTIO_NET_CTRL_RX_ALLMULTI);
    assert_int_equal(device->data[0], 1);
    free(device);
}

#define SUMS (VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM))
#define BASE (VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED))

static void choices_are_kept(void **state)
{
    uint64_t features;
    struct ae_error err;

    (void)state;
    assert_int_equal(ae_virtio_choose(make_owner(""), BASE, 0, &features, NULL), 0);
    assert_int_equal(features, BASE);
    assert_int_equal(ae_virtio_choose(make_owner(",packed=off"), BASE, 0, &features, NULL), 0);
    assert_int_equal(features, VIRTIO_FEATURE(VIRTIO_F_VERSION_1));
    assert_int_equal(ae_virtio_choose(make_owner(",packed=on,csum=off"), BASE, 0, &features, NULL),
                     0);
    assert_int_equal(features, BASE);
    assert_int_equal(ae_virtio_choose(make_owner(""), BASE | SUMS, 0, &features, NULL), 0);
    assert_int_equal(features, BASE);
    assert_int_equal(ae_virtio_choose(make_owner(",csum=on"), BASE | SUMS, 0, &features, NULL), 0);
    assert_int_equal(features, BASE | SUMS);
    assert_int_equal(ae_virtio_choose(make_owner(",csum=on"), BASE, 0, &features, &err),
                     -EOPNOTSUPP);
    assert_non_null(strstr(err.text, "csum=on: the device does not offer it"));
    assert_int_equal(ae_virtio_choose(make_owner(",packed=maybe"), BASE, 0, &features, &err),
                     -EINVAL);
    assert_non_null(strstr(err.text, "on or off"));
    assert_int_equal(ae_virtio_choose(make_owner(""), 0, 0, &features, &err), -EOPNOTSUPP);
    assert_non_null(strstr(err.text, "older than virtio 1.0"));
}

/* What needs the control queue goes when that is not offered. */
static void dependent_features_go(void **state)
{
    const uint64_t dependent = VIRTIO_FEATURE(VIRTIO_NET_F_MQ) | VIRTIO_FEATURE(VIRTIO_NET_F_RSS);
    uint64_t features;

    (void)state;
    assert_int_equal(ae_virtio_choose(make_owner(""), BASE | dependent, dependent, &features, NULL),
                     0);
    assert_int_equal(features & dependent, 0);
}

static void a_configuration_is_checked(void **state)
{
    struct virtio_net_config config = {
        .mac = {2, 0, 0, 0, 0, 1}, .mtu = 9000, .max_virtqueue_pairs = 1};
    const uint64_t features = BASE | VIRTIO_FEATURE(VIRTIO_NET_F_MAC) |
                              VIRTIO_FEATURE(VIRTIO_NET_F_MTU) | VIRTIO_FEATURE(VIRTIO_NET_F_MQ);
    struct ae_port_owner *owner = make_owner("");
    struct ae_error err;

    (void)state;
    assert_int_equal(ae_virtio_learn(owner, features, &config, NULL), 0);
    assert_memory_equal(owner->handoff.info.mac, config.mac, 6);
    assert_int_equal(owner->handoff.info.mtu, owner->ops->mtu);
    config.mtu = 20;
    assert_int_equal(ae_virtio_learn(owner, features, &config, &err), -EPROTO);
    assert_non_null(strstr(err.text, "MTU of 20"));
    config.mtu = 1400;
    config.mac[0] = 1;
    assert_int_equal(ae_virtio_learn(owner, features, &config, &err), -EPROTO);
    config.mac[0] = 2;
    owner->handoff.info.queues = 2;
    assert_int_equal(ae_virtio_learn(owner, features, &config, &err), -EINVAL);
    assert_non_null(strstr(err.text, "2 queues are wanted, the device has 1"));
    /* Without one of its own it gets a locally administered address, another each time. */
    owner->handoff.info.queues = 1;
    assert_int_equal(ae_virtio_learn(owner, BASE, &config, NULL), 0);
    assert_int_equal(owner->handoff.info.mac[0] & 3, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_reach_a_split_ring),
        cmocka_unit_test(commands_reach_a_packed_ring),
        cmocka_unit_test(a_refusal_is_an_error),
        cmocka_unit_test(silence_ends),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(several_queues_are_spread),
        cmocka_unit_test(the_hash_is_toeplitzs),
        cmocka_unit_test(filters_are_set),
        cmocka_unit_test(addresses_come_in_two_tables),
        cmocka_unit_test(vlans_come_and_go),
        cmocka_unit_test(choices_are_kept),
        cmocka_unit_test(dependent_features_go),
        cmocka_unit_test(a_configuration_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
