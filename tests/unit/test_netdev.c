/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made_root.h"

/* The machine's addresses are made up too: eth0 and br0 have one of each family. */
#define ae_netlink_addresses made_up_addresses
#define if_nametoindex       made_up_index
#include "machine/netdev.c"
#undef ae_netlink_addresses
#undef if_nametoindex

#define ROUTE  "/proc/net/route"
#define ROUTE6 "/proc/net/ipv6_route"
#define HEADER "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
#define ZERO   "00000000000000000000000000000000"
#define FAR6   "fe800000000000000000000000000001"

unsigned made_up_index(const char *name)
{
    return strcmp(name, "eth0") == 0 ? 2 : strcmp(name, "br0") == 0 ? 3 : 0;
}

int made_up_addresses(int (*each)(const struct ae_address *address, void *context), void *context)
{
    static const struct {
        unsigned index;
        int family;
        const char *text;
    } addresses[] = {
        {2, AF_INET, "192.0.2.7"},
        {2, AF_INET6, "2001:db8::7"},
        {3, AF_INET, "192.0.2.8"},
        {3, AF_INET6, "2001:db8::8"},
    };

    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct ae_address address = {.index = addresses[i].index,
                                     .family = (uint8_t)addresses[i].family};
        int rc;

        inet_pton(addresses[i].family, addresses[i].text, address.local);
        rc = each(&address, context);
        if (rc)
            return rc;
    }
    return 0;
}

static void default_route_is_found(void **state)
{
    static const struct {
        const char *line;
        bool found;
    } trials[] = {
        {"eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", true},
        {"eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n", true},
        {"eth1\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", false},
        {"eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", false},
        {"eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n", false}, /* 0.0.0.0/1 */
        {"eth0\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n", false}, /* a reject */
        {"eth0\t00000000", false},
        {"", false},
    };

    (void)state;
    assert_false(ae_netdev_has_default_route("eth0"));
    for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
        char text[256];

        snprintf(text, sizeof(text), HEADER "%s", trials[i].line);
        made_root_put(ROUTE, text);
        assert_int_equal(ae_netdev_has_default_route("eth0"), trials[i].found);
    }
}

static void ipv6_default_route_is_found(void **state)
{
    static const struct {
        const char *line;
        bool found;
    } trials[] = {
        {ZERO " 00 " ZERO " 00 " FAR6 " 00000400 00000001 00000000 00000003     eth0\n", true},
        {ZERO " 00 " ZERO " 00 " ZERO " 00000400 00000001 00000000 00000001     eth0\n", true},
        {ZERO " 00 " ZERO " 00 " FAR6 " 00000400 00000001 00000000 00000003     eth1\n", false},
        {ZERO " 00 " ZERO " 00 " ZERO " ffffffff 00000001 00000000 00200200       lo\n", false},
        {ZERO " 00 " ZERO " 00 " ZERO " ffffffff 00000001 00000000 00000201     eth0\n", false},
        {ZERO " 40 " ZERO " 00 " FAR6 " 00000400 00000001 00000000 00000003     eth0\n", false},
        {FAR6 " 00 " ZERO " 00 " FAR6 " 00000400 00000001 00000000 00000003     eth0\n", false},
        {ZERO " 00 ", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
        made_root_put(ROUTE6, trials[i].line);
        assert_int_equal(ae_netdev_has_default_route("eth0"), trials[i].found);
    }
}

/* 192.0.2.7 is C0000207; the file has it as the little-endian machine's word, 070200C0. */
static void ssh_session_is_found(void **state)
{
    static const struct {
        const char *file, *line;
        bool found;
    } trials[] = {
        {"/proc/net/tcp", "   0: 070200C0:0016 090200C0:D431 01 0:0\n", true},
        {"/proc/net/tcp", "   0: 070200C0:0016 090200C0:D431 06 0:0\n", false},
        {"/proc/net/tcp", "   0: 00000000:0016 00000000:0000 0A 0:0\n", false},
        {"/proc/net/tcp", "   0: 070200C0:0050 090200C0:D431 01 0:0\n", false},
        {"/proc/net/tcp", "   0: 080200C0:0016 090200C0:D431 01 0:0\n", false},
        {"/proc/net/tcp", "   0: 070200C0:D431 090200C0:0016 01 0:0\n", false},
        {"/proc/net/tcp", "   0: 070200", false},
        {"/proc/net/tcp6",
         "   1: 0000000000000000FFFF0000070200C0:0016 0000000000000000FFFF0000090200C0:D431 01\n",
         true},
        {"/proc/net/tcp6",
         "   1: B80D0120000000000000000007000000:0016 B80D0120000000000000000009000000:D431 01\n",
         true},
        {"/proc/net/tcp6",
         "   1: B80D0120000000000000000008000000:0016 B80D0120000000000000000009000000:D431 01\n",
         false},
    };

    (void)state;
    unsetenv("SSH_CONNECTION");
    assert_false(ae_netdev_has_ssh("eth0"));
    for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
        made_root_put("/proc/net/tcp", "");
        made_root_put("/proc/net/tcp6", "");
        made_root_put(trials[i].file, trials[i].line);
        assert_int_equal(ae_netdev_has_ssh("eth0"), trials[i].found);
    }
}

static void own_session_is_found_on_any_port(void **state)
{
    static const struct {
        const char *connection;
        bool found;
    } trials[] = {
        {"192.0.2.9 54321 192.0.2.7 2222", true},
        {"192.0.2.7 2222 192.0.2.9 54321", false},
        {"2001:db8::9 5 2001:db8::7 22", true},
        {"::1 5 2001:db8::7%eth0 22", true},
        {"192.0.2.9 54321 192.0.2.8 22", false},
        {"nonsense", false},
        {"a b c d", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
        setenv("SSH_CONNECTION", trials[i].connection, 1);
        assert_int_equal(ae_netdev_has_ssh("eth0"), trials[i].found);
    }
    unsetenv("SSH_CONNECTION");
}

static void idle_interface_may_go(void **state)
{
    (void)state;
    made_root_put("/sys/class/net/eth0/queues", NULL);
    assert_int_equal(ae_netdev_check_idle("eth0", NULL), 0);
}

static void busy_interface_is_refused(void **state)
{
    struct ae_error err;

    (void)state;
    made_root_put(ROUTE, HEADER "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
    assert_int_equal(ae_netdev_check_idle("eth0", &err), -EBUSY);
    assert_string_equal(err.text,
                        "eth0 carries the default route: this machine would drop off the network; "
                        "move the route, or insist with --force");
    made_root_put(ROUTE, HEADER);
    made_root_put("/proc/net/tcp", "   0: 070200C0:0016 090200C0:D431 01 0:0\n");
    assert_int_equal(ae_netdev_check_idle("eth0", &err), -EBUSY);
    assert_non_null(strstr(err.text, "eth0 carries an SSH session, which would end"));
}

static void what_is_stacked_on_it_counts(void **state)
{
    struct ae_error err;

    (void)state;
    made_root_put("/sys/class/net/eth0/upper_bond0", NULL);
    made_root_put("/sys/class/net/bond0/upper_br0", NULL);
    made_root_put("/sys/class/net/br0/upper_eth0", NULL); /* would be a loop */
    assert_int_equal(ae_netdev_check_idle("eth0", &err), -EBUSY);
    assert_non_null(strstr(err.text, "eth0 is part of bond0"));
    made_root_put("/proc/net/tcp", "   0: 080200C0:0016 090200C0:D431 01 0:0\n");
    assert_int_equal(ae_netdev_check_idle("eth0", &err), -EBUSY);
    assert_non_null(strstr(err.text, "SSH session through br0"));
    made_root_put(ROUTE, HEADER "br0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
    assert_int_equal(ae_netdev_check_idle("eth0", &err), -EBUSY);
    assert_non_null(strstr(err.text, "default route through br0"));
}

#define ON_MADE_ROOT(test) cmocka_unit_test_setup_teardown(test, made_root_begin, made_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MADE_ROOT(default_route_is_found),       ON_MADE_ROOT(ipv6_default_route_is_found),
        ON_MADE_ROOT(ssh_session_is_found),         ON_MADE_ROOT(own_session_is_found_on_any_port),
        ON_MADE_ROOT(idle_interface_may_go),        ON_MADE_ROOT(busy_interface_is_refused),
        ON_MADE_ROOT(what_is_stacked_on_it_counts),
    };

    return cmocka_run_group_tests_name("netdev", tests, NULL, NULL);
}
