/* SPDX-License-Identifier: Apache-2.0 */

/* The owner of a virtio network device on a made-up function: what it does to one that behaves, and
 * what one that does not can do to it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

#include <aether/owner.h>

#include "made_owner.h"
#include "made_root.h"
#include "made_virtio.h"
#include "port/handoff.h"
#include "port/virtio/net.h"

#define SECOND 1000000000ull
#define PACKED VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)
#define DATA   VIRTIO_FEATURE(VIRTIO_F_NOTIFICATION_DATA)
#define MQ     VIRTIO_FEATURE(VIRTIO_NET_F_MQ)

static struct ae_port_options options;
static struct ae_error err;

static int begin(void **state)
{
    int rc = made_root_begin(state);

    options = (struct ae_port_options){.packets = 32, .page_size = 4096};
    memset(&err, 0, sizeof(err));
    if (!rc)
        made_virtio_begin();
    return rc;
}

static int end(void **state)
{
    return made_owner_end(state) || made_virtio.wrong ? -1 : 0;
}

/* Another device for the same test. */
static void again(void)
{
    assert_int_equal(made_virtio.wrong, 0);
    made_function_end();
    made_virtio_begin();
}

static void assert_refused(int wanted, const char *word)
{
    struct ae_port_owner *owner;
    int rc;

    made_function.slept = 0;
    rc = ae_port_owner_open(&owner, MADE_ADDRESS, &options, &err);
    if (!rc)
        ae_port_owner_close(owner);
    if (rc != wanted || !strstr(err.text, word))
        fail_msg("%d, '%s' is not in '%s'", rc, word, rc ? err.text : "");
    assert_true(made_function.slept < 4 * SECOND);
    assert_false(made_owner_masters());
}

static void interrupt(struct ae_port_owner *owner)
{
    made_signal(made_function.vector);
    ae_port_owner_step(owner);
}

static void the_device_starts_and_ends(void **state)
{
    static const uint64_t forms[] = {0, PACKED};
    static const uint8_t mac[6] = {0x52, 0x54, 0, 4, 5, 6};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct ae_port_handoff handoff;
        struct ae_port_owner *owner;

        again();
        made_virtio.offered |= forms[i];
        owner = made_owner_open(&options);
        assert_int_equal(ae_port_owner_get_handoff(owner, 0, 1, &handoff), 0);
        assert_memory_equal(handoff.info.mac, mac, 6);
        assert_int_equal(made_virtio.status, 15);
        assert_int_equal(made_virtio.accepted & PACKED, forms[i]);
        assert_true(made_virtio.queues[0].enabled && made_virtio.queues[1].enabled);
        assert_int_equal(made_virtio.queues[0].desc, owner->memory_iova.value);
        assert_int_equal(made_virtio.queues[0].used_size, 256);
        assert_int_equal(made_virtio.commands, 3); /* the filters */
        assert_true(made_owner_masters() && made_owner_link(owner).up);
        ae_port_owner_close(owner);
        assert_int_equal(made_function.resets, 2);
        assert_int_equal(made_virtio.status, 0);
        assert_false(made_owner_masters());
    }
}

/* A worker maps the pages of the notifications, and nothing else of the device's. */
static void a_worker_reaches_notifications_only(void **state)
{
    struct ae_port_handoff handoff;
    struct ae_port_owner *owner = made_owner_open(&options);
    const struct ae_port_map *map;
    struct ae_packet *packet;
    struct ae_port *port;

    (void)state;
    assert_int_equal(ae_port_owner_get_handoff(owner, 0, 1, &handoff), 0);
    map = ae_handoff_find(&handoff, AE_PORT_MAP_REGISTERS, 0);
    assert_int_equal(map->offset, 4 * MADE_BAR_ROOM + MADE_NOTIFY);
    assert_int_equal(map->length, 0x1000);
    assert_int_equal(ae_port_attach(&port, &handoff, &err), 0);
    packet = ae_packet_get(ae_port_queue(port, 0)->pool);
    packet->length = 60;
    assert_int_equal(ae_send(ae_port_queue(port, 0), &packet, 1), 1);
    ae_port_close(port);
    ae_port_owner_close(owner);
}

/* What the control queue is made of is no worker's. */
static void the_control_queue_is_the_owners_alone(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&options);
    const struct made_queue *control = &made_virtio.queues[2];

    (void)state;
    assert_true(control->enabled);
    assert_false(control->desc - owner->memory_iova.value < ae_memory_size(owner->memory));
    assert_non_null(made_dma(control->desc, 4096));
    ae_port_owner_close(owner);
}

static void a_function_without_a_reset_restarts(void **state)
{
    struct ae_port_owner *owner;

    (void)state;
    made_function.no_reset = true;
    owner = made_owner_open(&options);
    if (ae_port_owner_restart(owner, &err))
        fail_msg("%s", err.text);
    assert_int_equal(made_virtio.status, 15);
    assert_true(made_owner_masters());
    ae_port_owner_close(owner);
    assert_int_equal(made_virtio.status, 0);
    assert_false(made_owner_masters());
}

static void what_never_ends_is_given_up(void **state)
{
    (void)state;
    made_virtio.never_reset = true;
    made_virtio.status = 7;
    assert_refused(-ETIMEDOUT, "not reset");
    again();
    made_virtio.gone = true;
    assert_refused(-ENODEV, "gone");
    again();
    made_virtio.silent = true;
    assert_refused(-ETIMEDOUT, "no answer");
    again();
    made_virtio.verdict = 1;
    assert_refused(-EIO, "refused");
    again();
    made_virtio.no_features_ok = true;
    assert_refused(-EOPNOTSUPP, "features");
    again();
    made_virtio.no_vector = true;
    assert_refused(-EIO, "interrupt");
    again();
    made_virtio.restless = true;
    assert_refused(-EPROTO, "changed");
}

static void hostile_capabilities_are_passed_over(void **state)
{
    (void)state;
    /* Each of these before the good one, which is then the first that can be used. */
    for (unsigned kind = 0; kind < 7; kind++) {
        uint8_t type = kind < 4 ? VIRTIO_PCI_CAP_NOTIFY_CFG : VIRTIO_PCI_CAP_COMMON_CFG;
        static const struct {
            uint8_t bar;
            uint32_t offset, length;
        } bad[] = {{6, 0, 4},  {0, 0, 4},       {4, 0x4000, 4}, {4, 0xfffffffc, 8},
                   {4, 2, 64}, {4, 0x3ff0, 64}, {4, 0, 55}};

        again();
        made_config_put(PCI_CAPABILITY_LIST, 1, 0);
        made_virtio_capability(0xc0, type, bad[kind].bar, bad[kind].offset, bad[kind].length, 4);
        made_virtio_capability(0x40, VIRTIO_PCI_CAP_COMMON_CFG, 4, MADE_COMMON, 64, 0);
        made_virtio_capability(0x60, VIRTIO_PCI_CAP_DEVICE_CFG, 4, MADE_CONFIG, 64, 0);
        made_virtio_capability(0x70, VIRTIO_PCI_CAP_NOTIFY_CFG, 4, MADE_NOTIFY, 0x1000, 4);
        ae_port_owner_close(made_owner_open(&options));
    }
    /* One at the end of configuration space, with nothing behind it. */
    again();
    made_config_put(PCI_CAPABILITY_LIST, 1, 0);
    made_virtio_capability(0x40, VIRTIO_PCI_CAP_COMMON_CFG, 4, MADE_COMMON, 64, 0);
    made_virtio_capability(0x70, VIRTIO_PCI_CAP_NOTIFY_CFG, 4, MADE_NOTIFY, 0x1000, 4);
    made_virtio_capability(0xf0, VIRTIO_PCI_CAP_DEVICE_CFG, 4, MADE_CONFIG, 64, 0);
    ae_port_owner_close(made_owner_open(&options));
    /* A circle of such as are of no use has no end. */
    again();
    made_config_put(PCI_CAPABILITY_LIST, 1, 0);
    made_virtio_capability(0x40, VIRTIO_PCI_CAP_COMMON_CFG, 6, 0, 64, 0);
    made_config_put(0x40 + PCI_CAP_LIST_NEXT, 1, 0x40);
    alarm(60);
    assert_refused(-ENODEV, "no modern interface");
    alarm(0);
}

/* Without one of them nothing is touched, not even to stop it. */
static void missing_structures_are_refused(void **state)
{
    static const uint8_t types[] = {VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PCI_CAP_DEVICE_CFG,
                                    VIRTIO_PCI_CAP_NOTIFY_CFG};
    static const uint32_t places[] = {MADE_COMMON, MADE_CONFIG, MADE_NOTIFY};

    (void)state;
    for (unsigned missing = 0; missing < 3; missing++) {
        again();
        made_config_put(PCI_CAPABILITY_LIST, 1, 0);
        for (unsigned i = 0; i < 3; i++)
            if (i != missing)
                made_virtio_capability(0x40 + 0x20 * i, types[i], 4, places[i], 0x100, 4);
        assert_refused(-ENODEV, "no modern interface");
    }
    again();
    made_config_put(0x72, 1, 16); /* the length of the capability of the notifications */
    assert_refused(-ENODEV, "has 16 bytes");
}

static void structures_in_holes_and_on_interrupts_are_refused(void **state)
{
    const uint32_t table[3] = {0x00070000 | PCI_CAP_ID_MSIX, (MADE_NOTIFY + 0x80) | 4, 3};
    const uint32_t pending[3] = {0x00070000 | PCI_CAP_ID_MSIX, 3, MADE_COMMON | 4};

    (void)state;
    made_function.bars[4].sparse = true;
    made_function.bars[4].area[0][1] = 0x1000;
    made_function.bars[4].area[1][0] = 0x3000;
    made_function.bars[4].area[1][1] = 0x1000;
    assert_refused(-ENODEV, "keeps to itself"); /* the configuration */
    again();
    made_capability(0xa0, table, sizeof(table));
    assert_refused(-ENODEV, "MSI-X");
    again();
    made_capability(0xa0, pending, sizeof(pending));
    assert_refused(-ENODEV, "MSI-X");
}

static void notifications_outside_are_refused(void **state)
{
    static const struct {
        uint64_t feature;
        uint32_t length, multiplier;
        uint16_t place;
        bool good;
    } cases[] = {
        {0, 10, 4, 2, true},     {0, 9, 4, 2, false},
        {DATA, 12, 4, 2, true},  {DATA, 11, 4, 2, false},
        {DATA, 10, 4, 2, false}, {DATA, 0x1000, 2, 1, false},
        {0, 0x1000, 2, 1, true}, {0, 0x1000, 1, 1, false},
        {0, 2, 0, 9, true},      {0, 0x1000, 0x80000000, 2, false},
        {DATA, 2, 0, 1, false},  {0, 0x1000, 65537, 65535, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        /* Of the control queue and of a worker's, each alone. */
        for (unsigned queue = 1; queue < 3; queue++) {
            again();
            made_virtio.offered |= cases[i].feature;
            made_virtio.queues[0].notify_off = made_virtio.queues[1].notify_off = 0;
            made_virtio.queues[2].notify_off = 0;
            made_virtio.queues[queue].notify_off = cases[i].place;
            made_virtio.silent = false;
            made_virtio_capabilities(cases[i].length, cases[i].multiplier);
            if (cases[i].good)
                ae_port_owner_close(made_owner_open(&options));
            else
                assert_refused(-EPROTO, "is notified by");
        }
    }
}

static void impossible_queues_are_refused(void **state)
{
    (void)state;
    made_virtio.num_queues = 1;
    assert_refused(-EPROTO, "there is no queue 1");
    again();
    made_virtio.num_queues = 2;
    assert_refused(-EPROTO, "there is no queue 2");
    again();
    made_virtio.queues[0].size = 0;
    assert_refused(-EPROTO, "has 0 descriptors");
    again();
    made_virtio.queues[1].size = 40000;
    assert_refused(-EPROTO, "40000");
    again();
    made_virtio.queues[1].size = 8; /* fewer than a worker takes */
    assert_refused(-EINVAL, "queue 1 has 8");
    again();
    options.send_ring = 512;
    assert_refused(-EINVAL, "queue 1 has 256");
    options.send_ring = 0;
    again();
    made_virtio.queues[2].size = 2;
    assert_refused(-EPROTO, "control queue has 2");
}

static void odd_queue_sizes_are_rounded_down(void **state)
{
    static const uint64_t forms[] = {0, PACKED};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct ae_port_capabilities able;
        struct ae_port_owner *owner;

        again();
        made_virtio.offered |= forms[i];
        made_virtio.queues[0].size = 100;
        made_virtio.queues[2].size = 7;
        made_virtio.offered |= VIRTIO_FEATURE(VIRTIO_NET_F_CSUM);
        owner = made_owner_open(&options);
        ae_port_owner_get_capabilities(owner, &able);
        assert_int_equal(able.ring_max, 64);
        assert_int_equal(able.queues, 1);
        assert_int_equal(able.features, 0);
        assert_int_equal(able.possible, AE_PORT_SEND_UDP_CHECKSUM | AE_PORT_SEND_TCP_CHECKSUM);
        assert_int_equal(made_virtio.queues[0].used_size, 64);
        assert_int_equal(made_virtio.queues[2].used_size, i ? 7 : 4);
        for (unsigned round = 0; round < 20; round++) { /* the control queue goes round */
            made_virtio.config.status |= VIRTIO_NET_S_ANNOUNCE;
            interrupt(owner);
            made_virtio.config.status = VIRTIO_NET_S_LINK_UP;
            ae_port_owner_step(owner);
        }
        assert_int_equal(made_owner_link(owner).announces, 20);
        assert_int_equal(made_virtio.commands, 23);
        ae_port_owner_close(owner);
    }
}

/* A control queue that would be one of the worker's. */
static void impossible_numbers_of_pairs_are_refused(void **state)
{
    static const uint16_t pairs[] = {0, 0x8000, 0xffff};

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        again();
        made_virtio.offered |= MQ;
        made_virtio.num_queues = 64;
        made_virtio.config.max_virtqueue_pairs = pairs[i];
        assert_refused(i ? -EPROTO : -EINVAL, i ? "queue pairs" : "queues are wanted");
    }
}

static void impossible_configurations_are_refused(void **state)
{
    (void)state;
    memset(made_virtio.config.mac, 0, 6);
    assert_refused(-EPROTO, "all zero");
    again();
    made_virtio.config.mac[0] |= 1;
    assert_refused(-EPROTO, "multicast");
    again();
    made_config_put(PCI_CAPABILITY_LIST, 1, 0);
    made_virtio_capability(0x40, VIRTIO_PCI_CAP_COMMON_CFG, 4, MADE_COMMON, 64, 0);
    made_virtio_capability(0x60, VIRTIO_PCI_CAP_DEVICE_CFG, 4, MADE_CONFIG, 5, 0);
    made_virtio_capability(0x70, VIRTIO_PCI_CAP_NOTIFY_CFG, 4, MADE_NOTIFY, 0x1000, 4);
    assert_refused(-EPROTO, "a configuration of 5 bytes");
}

static void the_link_is_followed(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&options);

    (void)state;
    made_virtio.config.status = 0;
    interrupt(owner);
    assert_false(made_owner_link(owner).up);
    made_virtio.config.status = VIRTIO_NET_S_LINK_UP;
    made_virtio.restless = true; /* what cannot be read tells nothing */
    interrupt(owner);
    assert_false(made_owner_link(owner).up);
    made_virtio.restless = false;
    interrupt(owner);
    assert_true(made_owner_link(owner).up);
    assert_false(made_owner_link(owner).device_gone);
    for (int i = 0; i < 2; i++) { /* a restart is that reset */
        made_virtio.status |= VIRTIO_STATUS_DEVICE_NEEDS_RESET;
        interrupt(owner);
        assert_true(made_owner_link(owner).device_gone);
        assert_int_equal(ae_port_owner_restart(owner, NULL), 0);
        assert_false(made_owner_link(owner).device_gone);
    }
    ae_port_owner_close(owner);
}

/* All ones are no configuration, also when the device goes while it is read. */
static void a_device_that_goes_is_seen_to(void **state)
{
    (void)state;
    for (unsigned at = 1; at < 12; at++) {
        struct ae_port_owner *owner;

        again();
        owner = made_owner_open(&options);
        made_virtio.gone_at = at;
        interrupt(owner);
        assert_true(made_owner_link(owner).device_gone);
        assert_int_equal(made_owner_link(owner).announces, 0);
        made_function.slept = 0;
        ae_port_owner_close(owner);
        assert_true(made_function.slept < 2 * SECOND);
    }
}

/* ---- 5.1.6.5.4: announcements ---- */

static void an_announcement_is_counted_and_acknowledged(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&options);
    unsigned before = made_virtio.commands;

    (void)state;
    assert_int_equal(ae_port_owner_step(owner), 0);
    made_virtio.config.status |= VIRTIO_NET_S_ANNOUNCE;
    interrupt(owner);
    assert_int_equal(made_owner_link(owner).announces, 1);
    assert_int_equal(made_virtio.commands, before + 1);
    assert_int_equal(made_virtio.command[before % MADE_COMMANDS][0], VIRTIO_NET_CTRL_ANNOUNCE);
    made_virtio.config.status = VIRTIO_NET_S_LINK_UP;
    assert_int_equal(ae_port_owner_step(owner), 0);
    ae_port_owner_close(owner);
}

/* Nothing waits for a device that takes its time, and it is still heard. */
static void an_acknowledgement_may_come_late(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&options);

    (void)state;
    made_function.slept = 0;
    made_virtio.silent = true;
    made_virtio.config.status |= VIRTIO_NET_S_ANNOUNCE;
    interrupt(owner);
    for (unsigned i = 0; i < 10; i++) {
        assert_true(ae_port_owner_step(owner) > 0);
        interrupt(owner); /* the same request, seen again */
        made_function.now += 5000000;
    }
    assert_int_equal(made_owner_link(owner).announces, 1);
    made_virtio.silent = false;
    made_virtio_answer();
    made_virtio.config.status = VIRTIO_NET_S_LINK_UP;
    assert_int_equal(ae_port_owner_step(owner), 0);
    made_virtio.config.status |= VIRTIO_NET_S_ANNOUNCE;
    interrupt(owner);
    assert_int_equal(made_owner_link(owner).announces, 2);
    assert_int_equal(made_function.slept, 0);
    ae_port_owner_close(owner);
}

static void an_acknowledgement_may_never_come(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&options);
    unsigned calls = 0;

    (void)state;
    made_function.slept = 0;
    made_virtio.silent = true;
    made_virtio.config.status |= VIRTIO_NET_S_ANNOUNCE;
    interrupt(owner);
    for (uint64_t soon = ae_port_owner_step(owner); soon; soon = ae_port_owner_step(owner)) {
        made_function.now += soon;
        assert_true(++calls < 2000);
    }
    /* It goes on without: links are followed, a restart brings the queue back. */
    made_virtio.config.status = 0;
    interrupt(owner);
    assert_false(made_owner_link(owner).up);
    assert_int_equal(made_function.slept, 0);
    assert_int_equal(made_owner_link(owner).announces, 1);
    made_virtio.silent = false;
    assert_int_equal(ae_port_owner_restart(owner, &err), 0);
    made_virtio.config.status = VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE;
    interrupt(owner);
    assert_int_equal(made_owner_link(owner).announces, 2);
    ae_port_owner_close(owner);
}

/* A device that asks for ever causes one command at a time. */
static void endless_announcements_cost_little(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&options);
    uint64_t accesses;

    (void)state;
    made_virtio.config.status |= VIRTIO_NET_S_ANNOUNCE;
    interrupt(owner);
    accesses = made_function.accesses;
    for (unsigned i = 0; i < 100; i++) {
        interrupt(owner);
        ae_port_owner_step(owner);
    }
    assert_true(made_function.accesses - accesses < 100 * 100);
    assert_true(made_owner_link(owner).announces <= 101);
    ae_port_owner_close(owner);
}

/* One that takes several buffers a frame is chosen by the user, and both ends have to do it. */
static void a_large_mtu_is_chosen(void **state)
{
    static const uint64_t merge = VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF),
                          mtu = VIRTIO_FEATURE(VIRTIO_NET_F_MTU);
    static const struct {
        const char *choices;
        uint64_t offered;
        uint16_t device; /* its MTU */
        int rc;
        const char *word;
        uint16_t mtu;
        uint64_t taken;
    } cases[] = {
        {"", merge | mtu, 9000, 0, NULL, 1500, mtu},
        {"", merge | mtu, 1400, 0, NULL, 1400, mtu},
        {",mtu=1400", mtu, 9000, 0, NULL, 1400, mtu},
        {",mtu=1902", mtu, 9000, 0, NULL, 1902, mtu},
        {",mtu=1903", mtu, 9000, -EOPNOTSUPP, "VIRTIO_NET_F_MRG_RXBUF", 0, 0},
        {",mtu=9000", merge | mtu, 9000, 0, NULL, 9000, merge | mtu},
        {",mtu=9000", merge, 0, 0, NULL, 9000, merge},
        {",mtu=9000", merge | mtu, 8999, -EINVAL, "the device is 8999", 0, 0},
        {",mtu=9000,mrg_rxbuf=off", merge | mtu, 9000, -EOPNOTSUPP, "mrg_rxbuf=off", 0, 0},
        {",mtu=9001", merge | mtu, 9216, -EINVAL, "68 to 9000", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ae_port_capabilities able;
        struct ae_port_owner *owner;
        char spec[64];

        again();
        made_virtio.offered |= cases[i].offered;
        made_virtio.config.mtu = cases[i].device;
        snprintf(spec, sizeof(spec), "%s%s", MADE_ADDRESS, cases[i].choices);
        assert_int_equal(ae_port_owner_open(&owner, spec, &options, &err), cases[i].rc);
        if (cases[i].rc) {
            assert_non_null(strstr(err.text, cases[i].word));
            continue;
        }
        ae_port_owner_get_capabilities(owner, &able);
        assert_int_equal(able.frame_max, cases[i].mtu + 18);
        assert_int_equal(able.segments_max, 16);
        assert_int_equal(able.mtu_max, cases[i].device == 1400    ? 1400
                                       : cases[i].offered & merge ? 9000
                                                                  : 1902);
        assert_int_equal(made_virtio.accepted & (merge | mtu), cases[i].taken);
        ae_port_owner_close(owner);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_device_starts_and_ends),
        TEST(a_worker_reaches_notifications_only),
        TEST(the_control_queue_is_the_owners_alone),
        TEST(a_function_without_a_reset_restarts),
        TEST(what_never_ends_is_given_up),
        TEST(hostile_capabilities_are_passed_over),
        TEST(missing_structures_are_refused),
        TEST(structures_in_holes_and_on_interrupts_are_refused),
        TEST(notifications_outside_are_refused),
        TEST(impossible_queues_are_refused),
        TEST(odd_queue_sizes_are_rounded_down),
        TEST(impossible_numbers_of_pairs_are_refused),
        TEST(impossible_configurations_are_refused),
        TEST(a_large_mtu_is_chosen),
        TEST(the_link_is_followed),
        TEST(a_device_that_goes_is_seen_to),
        TEST(an_announcement_is_counted_and_acknowledged),
        TEST(an_acknowledgement_may_come_late),
        TEST(an_acknowledgement_may_never_come),
        TEST(endless_announcements_cost_little),
    };

    int failed = cmocka_run_group_tests_name("virtio_owner", tests, NULL, NULL);

    made_iommufd = true;
    return failed + cmocka_run_group_tests_name("virtio_owner by iommufd", tests, NULL, NULL);
}
