/* SPDX-License-Identifier: Apache-2.0 */

/* The owner of an 82574L on a made-up function. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <string.h>

#include <aether/owner.h>

#include "made_e1000e.h"
#include "made_owner.h"
#include "made_root.h"
#include "port/handoff.h"
#include "port/owner.h"

#define SECOND 1000000000ull

static const struct ae_port_options small = {
    .receive_ring = 32, .send_ring = 32, .packets = 32, .page_size = 4096};
static struct ae_error err;

static int begin(void **state)
{
    int rc = made_root_begin(state);

    if (!rc)
        made_e1000e_begin();
    memset(&err, 0, sizeof(err));
    return rc;
}

/* Refused for a reason, in bounded time, the function as it should be left. */
static void assert_refused(int wanted, const char *word)
{
    struct ae_port_owner *owner;

    made_function.slept = 0;
    assert_int_equal(ae_port_owner_open(&owner, MADE_ADDRESS, &small, &err), wanted);
    if (!strstr(err.text, word))
        fail_msg("'%s' is not in '%s'", word, err.text);
    assert_true(made_function.slept < 2 * SECOND);
    assert_false(made_owner_masters());
}

static uint64_t statistic(struct ae_port_owner *owner, const char *name)
{
    struct ae_port_statistic list[64];
    int count = ae_port_owner_get_statistics(owner, list, 64);

    for (int i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return list[i].value;
    fail_msg("no statistic %s", name);
    return 0;
}

static void the_card_starts_in_order(void **state)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};
    struct ae_port_handoff handoff;
    struct ae_port_owner *owner = made_owner_open(&small);

    (void)state;
    assert_int_equal(ae_port_owner_get_handoff(owner, 0, 1, &handoff), 0);
    assert_memory_equal(handoff.info.mac, mac, 6);
    assert_int_equal(made_e1000e_get(RDBAL), (uint32_t)owner->memory_iova.value);
    assert_int_equal(made_e1000e_get(RDLEN), 32 * 16);
    assert_int_equal(made_e1000e_get(RDT), 0);
    assert_int_equal(made_e1000e_get(TDBAL), (uint32_t)owner->memory_iova.value + 4096);
    assert_true(made_e1000e_get(RCTL) & RCTL_EN);
    assert_true(made_e1000e_get(TCTL) & TCTL_EN);
    assert_true(made_owner_masters());
    assert_int_equal(ae_handoff_find(&handoff, AE_PORT_MAP_REGISTERS, 0)->length, 0x20000);
    ae_port_owner_close(owner);
    assert_int_equal(made_e1000e.stops, 1);
    assert_false(made_owner_masters());
}

/* Once to begin, once to end. */
static void a_function_is_reset_once_on_closing(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&small);

    (void)state;
    assert_int_equal(made_function.resets, 1);
    ae_port_owner_close(owner);
    assert_int_equal(made_function.resets, 2);
    assert_int_equal(made_function.masters, 0);
}

static void a_restart_makes_all_as_new(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&small);

    (void)state;
    made_e1000e_set(RDT, 31);
    assert_int_equal(ae_port_owner_restart(owner, &err), 0);
    assert_int_equal(made_e1000e_get(RDT), 0);
    assert_true(made_owner_masters());
    assert_true(made_e1000e_get(RCTL) & RCTL_EN);
    ae_port_owner_close(owner);
}

static void a_function_without_a_reset_restarts_and_closes(void **state)
{
    struct ae_port_owner *owner;

    (void)state;
    made_function.no_reset = true;
    owner = made_owner_open(&small);
    made_e1000e_set(RDT, 31);
    made_e1000e_set(CTRL, CTRL_VME); /* as the kernel's driver leaves it */
    if (ae_port_owner_restart(owner, &err))
        fail_msg("%s", err.text);
    assert_int_equal(made_e1000e_get(RDT), 0);
    assert_false(made_e1000e_get(CTRL) & CTRL_VME);
    assert_true(made_owner_masters());
    ae_port_owner_close(owner);
    assert_false(made_owner_masters());
    assert_int_equal(made_function.resets, 0);
}

static bool listed(const uint8_t address[6])
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t low = made_e1000e_get(RAL(i)), high = made_e1000e_get(RAH(i));

        if (high & RAH_AV && memcmp(&low, address, 4) == 0 && memcmp(&high, address + 4, 2) == 0)
            return true;
    }
    return false;
}

static unsigned hashed(void)
{
    unsigned bits = 0;

    for (unsigned i = 0; i < MTA_COUNT; i++)
        bits += (unsigned)__builtin_popcount(made_e1000e_get(MTA + 4 * i));
    return bits;
}

/* 10.2.5.1, RCTL.MO 0: the last 12 bits that are sent. */
static bool is_hashed(const uint8_t address[6])
{
    unsigned bit = (unsigned)(address[5] << 4 | address[4] >> 4);

    return made_e1000e_get(MTA + 4 * (bit / 32)) >> bit % 32 & 1;
}

static uint32_t modes(void)
{
    return made_e1000e_get(RCTL) & (RCTL_UPE | RCTL_MPE | RCTL_VFE);
}

static void filter(struct ae_port_owner *owner, const struct ae_port_filter *given)
{
    if (ae_port_owner_filter(owner, given, &err))
        fail_msg("%s", err.text);
    assert_true(made_e1000e_get(RCTL) & RCTL_EN && made_e1000e_get(RCTL) & RCTL_BAM);
}

static void a_group_is_matched_exactly(void **state)
{
    static const uint8_t addresses[][6] = {{1, 0, 0x5e, 1, 2, 3}, {2, 0, 0, 0, 0, 9}};
    const uint16_t vlans[] = {33, 4094};
    const struct ae_port_filter given = {
        .addresses = addresses, .address_count = 2, .vlans = vlans, .vlan_count = 2};
    struct ae_port_owner *owner = made_owner_open(&small);

    (void)state;
    assert_int_equal(modes(), 0);
    filter(owner, &given);
    for (int i = 0; i < 2; i++) {
        assert_true(listed(made_e1000e.mac) && listed(addresses[0]) && listed(addresses[1]));
        assert_int_equal(hashed(), 0);
        assert_int_equal(modes(), RCTL_VFE);
        assert_int_equal(made_e1000e_get(VET), 0x8100);
        assert_int_equal(made_e1000e_get(VFTA), 1); /* a priority only */
        assert_int_equal(made_e1000e_get(VFTA + 4), 2);
        assert_int_equal(made_e1000e_get(VFTA + 4 * 127), 1u << 30);
        assert_int_equal(owner->state->filter.version, 0); /* nothing is left to the worker */
        assert_int_equal(ae_port_owner_restart(owner, &err), 0);
    }
    filter(owner, NULL);
    assert_true(listed(made_e1000e.mac) && !listed(addresses[0]) && !listed(addresses[1]));
    assert_int_equal(modes(), 0);
    ae_port_owner_close(owner);
}

/* More than it can match: groups go by their hash, and the worker is to look. */
static void many_groups_are_hashed(void **state)
{
    static uint8_t many[AE_FILTER_ADDRESSES][6];
    struct ae_port_filter given = {.addresses = many, .address_count = AE_FILTER_ADDRESSES};
    struct ae_port_owner *owner = made_owner_open(&small);
    unsigned exact = 0;

    (void)state;
    for (unsigned i = 0; i < AE_FILTER_ADDRESSES; i++)
        memcpy(many[i], (const uint8_t[]){1, 0, 0x5e, 1, (uint8_t)(i * 5), (uint8_t)(i * 3)}, 6);
    memcpy(many[0], (const uint8_t[]){2, 0, 0, 0, 0, 9}, 6);
    filter(owner, &given);
    assert_true(listed(made_e1000e.mac) && listed(many[0]));
    for (unsigned i = 0; i < AE_FILTER_ADDRESSES; i++) {
        assert_true(listed(many[i]) || is_hashed(many[i]));
        exact += listed(many[i]);
    }
    assert_int_equal(exact, 14);
    assert_int_equal(modes(), RCTL_VFE);
    assert_int_not_equal(owner->state->filter.version, 0);
    given.all_multicast = true;
    filter(owner, &given);
    assert_int_equal(modes(), RCTL_VFE | RCTL_MPE);
    given = (struct ae_port_filter){.promiscuous = true};
    filter(owner, &given);
    assert_int_equal(modes(), RCTL_UPE | RCTL_MPE);
    assert_int_equal(hashed(), 0);
    assert_int_equal(owner->state->filter.version, 0);
    ae_port_owner_close(owner);
}

static void many_unicast_addresses_let_all_in(void **state)
{
    static uint8_t many[15][6];
    const struct ae_port_filter given = {.addresses = many, .address_count = 15};
    struct ae_port_options options = small;
    struct ae_port_owner *owner;

    (void)state;
    for (unsigned i = 0; i < 15; i++)
        memcpy(many[i], (const uint8_t[]){2, 0, 0, 0, 1, (uint8_t)i}, 6);
    options.filter = &given;
    owner = made_owner_open(&options);
    assert_int_equal(modes(), RCTL_UPE | RCTL_VFE);
    assert_int_not_equal(owner->state->filter.version, 0);
    assert_int_equal(owner->state->filter.filter.own, 0x030201005452);
    made_e1000e.gone = true;
    assert_int_equal(ae_port_owner_filter(owner, NULL, &err), -ENODEV);
    made_e1000e.gone = false;
    ae_port_owner_close(owner);
}

/* 10.2.5.1: buffers that the card fills stay within ours, behind their headroom. */
static void an_mtu_is_chosen_within_what_the_card_has(void **state)
{
    static const struct {
        const char *spec;
        uint32_t mtu, bits;
    } cases[] = {
        {MADE_ADDRESS, 1500, 0},
        {MADE_ADDRESS ",mtu=1500", 1500, 0},
        {MADE_ADDRESS ",mtu=1501", 1501, RCTL_LPE | RCTL_BSIZE_1K},
        {MADE_ADDRESS ",mtu=9212", 9212, RCTL_LPE | RCTL_BSIZE_1K},
    };
    struct ae_port_capabilities capabilities;
    struct ae_port_owner *owner;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (ae_port_owner_open(&owner, cases[i].spec, &small, &err))
            fail_msg("%s", err.text);
        assert_int_equal(made_e1000e_get(RCTL) & (RCTL_LPE | 3u << 16 | 1u << 25), cases[i].bits);
        ae_port_owner_get_capabilities(owner, &capabilities);
        assert_int_equal(capabilities.frame_max, cases[i].mtu + 18);
        assert_int_equal(capabilities.mtu_max, 9212);
        assert_int_equal(capabilities.segments_max, 16);
        ae_port_owner_close(owner);
    }
    assert_int_equal(ae_port_owner_open(&owner, MADE_ADDRESS ",mtu=9213", &small, &err), -EINVAL);
    assert_non_null(strstr(err.text, "a number from 68 to 9212 is needed"));
}

/* Nanoseconds, also where the low half overflows; what cannot be is not believed. */
static void the_clock_is_read(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&small);
    struct ae_port_capabilities capabilities;
    struct ae_port_time first, second;

    (void)state;
    assert_int_equal(made_e1000e_get(TIMINCA), 0x01000028);
    ae_port_owner_get_capabilities(owner, &capabilities);
    assert_true(capabilities.clock && capabilities.filter_vlans);
    assert_int_equal(capabilities.filter_addresses, 14);
    assert_int_equal(capabilities.frame_max, 1518);
    made_e1000e.ns = 0xffffff00 - 0xffffff00 % 1000;
    assert_int_equal(ae_port_owner_clock(owner, &first, &err), 0);
    assert_int_equal(ae_port_owner_clock(owner, &second, &err), 0);
    assert_true(second.device_ns > first.device_ns && second.device_ns - first.device_ns < 10000);
    assert_true(second.device_ns > UINT32_MAX);
    assert_true(first.before <= first.after && first.after <= second.before);
    made_e1000e.clock_jumps = true;
    made_e1000e.ns++;
    assert_int_equal(ae_port_owner_clock(owner, &first, &err), 0); /* by and by a multiple of 40 */
    made_e1000e.clock_lies = true;
    assert_int_equal(ae_port_owner_clock(owner, &first, &err), -EIO);
    made_e1000e.clock_lies = false;
    made_e1000e.clock_stands = true;
    assert_int_equal(ae_port_owner_clock(owner, &first, &err), -EIO);
    made_e1000e.gone = true;
    assert_int_equal(ae_port_owner_clock(owner, &first, &err), -ENODEV);
    made_e1000e.gone = false;
    ae_port_owner_close(owner);
}

static void what_never_ends_is_given_up(void **state)
{
    (void)state;
    made_e1000e.never_reset = true;
    assert_refused(-ETIMEDOUT, "reset");
    made_e1000e.never_reset = false;
    made_e1000e.never_nvm = true;
    assert_refused(-ETIMEDOUT, "NVM");
    made_e1000e.never_nvm = false;
    made_e1000e.gone = true;
    assert_refused(-ENODEV, "gone");
    made_e1000e.gone = false;
    made_e1000e.never_stops = true;
    ae_port_owner_close(made_owner_open(&small));
    assert_false(made_owner_masters());
}

static void impossible_addresses_are_refused(void **state)
{
    static const uint8_t bad[][6] = {{0}, {1, 2, 3, 4, 5, 6}, {255, 255, 255, 255, 255, 255}};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memcpy(made_e1000e.mac, bad[i], 6);
        assert_refused(-EIO, "MAC");
    }
    made_e1000e.mac[0] = 2;
    made_e1000e.no_mac = true;
    assert_refused(-EIO, "MAC");
}

static void bars_that_do_not_hold_the_registers_are_refused(void **state)
{
    const uint32_t msix_at_0[3] = {0x00040000 | PCI_CAP_ID_MSIX, 0x2000, 0x3000};
    const uint32_t pending_at_5[3] = {0x00040000 | PCI_CAP_ID_MSIX, 0x3, 0x5400};

    (void)state;
    made_function.bars[0].size = 0x5000;
    assert_refused(-EPROTO, "BAR 0");
    made_function.bars[0].size = 0x1000;
    assert_refused(-EPROTO, "BAR 0");
    made_function.bars[0].size = 0;
    assert_refused(-ENXIO, "BAR 0");
    made_function.bars[0].size = 0x20000;
    made_function.bars[0].io = true;
    assert_refused(-ENXIO, "BAR 0");
    made_function.bars[0].io = false;
    made_function.bars[0].sparse = true; /* a hole where the receive registers are */
    made_function.bars[0].area[0][1] = 0x2000;
    made_function.bars[0].area[1][0] = 0x3000;
    made_function.bars[0].area[1][1] = 0x1d000;
    assert_refused(-EPROTO, "keeps to itself");
    made_function.bars[0].sparse = false;
    made_capability(0x50, msix_at_0, sizeof(msix_at_0));
    assert_refused(-EPROTO, "MSI-X");
    made_config_put(PCI_CAPABILITY_LIST, 1, 0);
    made_capability(0x60, pending_at_5, sizeof(pending_at_5));
    assert_refused(-EPROTO, "MSI-X");
}

static void what_the_kernel_refuses_is_told(void **state)
{
    (void)state;
    made_function.msix = 0;
    assert_refused(-ERANGE, "interrupts");
    made_function.msix = 5;
    made_function.irqs_error = EBUSY;
    assert_refused(-EBUSY, "interrupts");
    made_function.irqs_error = 0;
    made_function.reset_error = EIO;
    assert_refused(-EIO, "resetting");
}

/* Whoever sleeps by the owner's descriptor wakes, and a step hears what there was. */
static void signal_owner(struct ae_port_owner *owner, int descriptor)
{
    struct pollfd due = {.fd = ae_port_owner_fd(owner), .events = POLLIN};

    assert_int_equal(poll(&due, 1, 0), 0);
    made_signal(descriptor);
    assert_int_equal(poll(&due, 1, 0), 1);
    assert_int_equal(ae_port_owner_step(owner), 0);
    assert_int_equal(poll(&due, 1, 0), 0);
}

static void the_link_is_followed(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&small);

    (void)state;
    assert_false(made_owner_link(owner).up);
    made_e1000e.linked = true;
    made_e1000e_set(ICR, ICR_LSC);
    signal_owner(owner, made_function.vector);
    assert_true(made_owner_link(owner).up && made_owner_link(owner).full_duplex);
    assert_int_equal(made_owner_link(owner).mbps, 1000);
    assert_int_equal(made_owner_link(owner).changes, 1);
    assert_int_equal(made_e1000e_get(ICR), 0);
    made_e1000e.gone = true;
    signal_owner(owner, made_function.vector);
    assert_true(made_owner_link(owner).device_gone);
    assert_false(made_owner_link(owner).up);
    ae_port_owner_close(owner);
}

static void the_kernel_may_want_it_back(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&small);

    (void)state;
    signal_owner(owner, made_function.request);
    assert_true(made_owner_link(owner).device_gone);
    ae_port_owner_close(owner);
}

static void statistics_are_added_up(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&small);

    (void)state;
    made_e1000e_set(0x4074, 5);
    made_e1000e_set(0x4088, 0xfffffff0);
    made_e1000e_set(0x408c, 2);
    assert_int_equal(statistic(owner, "GPRC"), 5);
    made_e1000e_set(0x4074, 7);
    made_e1000e_set(0x4088, 0x10);
    assert_int_equal(statistic(owner, "GPRC"), 12);
    assert_int_equal(statistic(owner, "GORC"), 0x300000000);
    ae_port_owner_close(owner);
}

/* All ones are no count, also when the card goes in the middle. */
static void a_card_that_goes_counts_no_more(void **state)
{
    struct ae_port_owner *owner = made_owner_open(&small);

    (void)state;
    made_e1000e_set(0x4074, 5);
    assert_int_equal(statistic(owner, "GPRC"), 5);
    made_e1000e.gone_after = 10;
    assert_int_equal(statistic(owner, "TPT"), 0);
    assert_int_equal(statistic(owner, "CRCERRS"), 0);
    assert_int_equal(statistic(owner, "GPRC"), 5);
    made_function.slept = 0;
    ae_port_owner_close(owner);
    assert_true(made_function.slept < SECOND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, made_owner_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_card_starts_in_order),
        TEST(a_function_is_reset_once_on_closing),
        TEST(a_restart_makes_all_as_new),
        TEST(a_function_without_a_reset_restarts_and_closes),
        TEST(a_group_is_matched_exactly),
        TEST(many_groups_are_hashed),
        TEST(many_unicast_addresses_let_all_in),
        TEST(an_mtu_is_chosen_within_what_the_card_has),
        TEST(the_clock_is_read),
        TEST(what_never_ends_is_given_up),
        TEST(impossible_addresses_are_refused),
        TEST(bars_that_do_not_hold_the_registers_are_refused),
        TEST(what_the_kernel_refuses_is_told),
        TEST(the_link_is_followed),
        TEST(the_kernel_may_want_it_back),
        TEST(statistics_are_added_up),
        TEST(a_card_that_goes_counts_no_more),
    };

    int failed = cmocka_run_group_tests_name("e1000e_owner", tests, NULL, NULL);

    made_iommufd = true;
    return failed + cmocka_run_group_tests_name("e1000e_owner by iommufd", tests, NULL, NULL);
}
