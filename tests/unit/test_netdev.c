/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "made_root.h"

/* The machine's addresses are made up too: eth0 and br0 have one of each family. */
#define ae_netlink_addresses made_up_addresses
#define ae_netlink_routes    made_up_routes
#define if_nametoindex       made_up_index
#include "machine/netdev.c"
#undef ae_netlink_addresses
#undef ae_netlink_routes
#undef if_nametoindex

unsigned if_nametoindex(const char *name);
int ae_netlink_routes(int (*each)(const struct ae_route *route, void *context), void *context);
#define real_routes ae_netlink_routes

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

/* The machine's routes. */
static struct ae_route made_routes[8];
static unsigned made_count;
static int made_failure;

int made_up_routes(int (*each)(const struct ae_route *route, void *context), void *context)
{
    int rc = made_failure;

    for (unsigned i = 0; !rc && i < made_count; i++)
        rc = each(&made_routes[i], context);
    return rc;
}

static void wide_routes_are_found(void **state)
{
    static const struct {
        struct ae_route routes[2];
        int found;
    } trials[] = {
        {{{AF_INET, 0, 254, 2}}, 1},
        {{{AF_INET, 0, 254, 9}}, 0},
        {{{AF_INET, 0, 254, 9}, {AF_INET, 0, 254, 2}}, 1}, /* the second hop of one */
        {{{AF_INET, 0, 100, 2}}, 1},                       /* in a table that a rule chooses */
        {{{AF_INET, 1, 254, 2}, {AF_INET, 1, 254, 9}}, 1}, /* a half */
        {{{AF_INET, 2, 254, 2}}, 1},
        {{{AF_INET, 8, 254, 2}}, 0},
        {{{AF_INET, 24, 254, 2}}, 0},
        {{{AF_INET6, 0, 254, 2}}, 1},
        {{{AF_INET6, 3, 254, 2}}, 1}, /* 2000::/3 */
        {{{AF_INET6, 7, 254, 2}, {AF_INET6, 64, 254, 2}}, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
        memcpy(made_routes, trials[i].routes, sizeof(trials[i].routes));
        made_count = 2;
        assert_int_equal(ae_netdev_has_default_route("eth0"), trials[i].found);
    }
    assert_int_equal(ae_netdev_has_default_route("nosuch"), 0);
    made_count = 0;
}

static void a_kernel_that_does_not_tell_is_no_permission(void **state)
{
    struct ae_error err;

    (void)state;
    made_failure = -EPERM;
    assert_int_equal(ae_netdev_check_idle("eth0", &err), -EPERM);
    assert_non_null(strstr(err.text, "does not tell its routes"));
    made_failure = 0;
}

/* What the kernel itself says, in a network namespace of our own. */
static int look_at_kernel(void)
{
    static const struct {
        const char *command;
        bool a, b;
    } routes[] = {
        {"ip route add default via 192.0.2.2 dev va", true, false},
        {"ip route add default nexthop via 192.0.2.2 dev va nexthop via 198.51.100.2 dev vb", true,
         true},
        {"ip route add default via 198.51.100.2 dev vb table 100", false, true},
        {"ip route add 0.0.0.0/1 via 192.0.2.2; ip route add 128.0.0.0/1 via 192.0.2.2", true,
         false},
        {"ip -6 route add default nexthop via 2001:db8:1::2 dev va nexthop via 2001:db8:2::2 dev "
         "vb",
         true, true},
        {"ip -6 route add 2000::/3 via 2001:db8:2::2 dev vb", false, true},
        {"ip nexthop add id 7 via 198.51.100.2 dev vb; ip route add default nhid 7", false, true},
        {"ip nexthop add id 7 via 192.0.2.2 dev va; ip nexthop add id 8 via 198.51.100.2 dev vb; "
         "ip nexthop add id 9 group 7/8; sysctl -qw net.ipv4.nexthop_compat_mode=0; "
         "ip route add default nhid 9",
         true, true},
        {"ip route add unreachable default", false, false},
        {"ip route add 10.0.0.0/8 via 192.0.2.2", false, false},
    };

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        unsigned a, b;
        int in_a, in_b;

        if (unshare(CLONE_NEWNET) || system("command -v ip >/dev/null") ||
            system(
                "ip link add va type veth peer name pa && ip link add vb type veth peer name pb && "
                "for i in va pa vb pb; do ip link set $i up; done && ip address add 192.0.2.1/24 "
                "dev va && "
                "ip address add 198.51.100.1/24 dev vb && ip address add 2001:db8:1::1/64 dev va "
                "nodad && "
                "ip address add 2001:db8:2::1/64 dev vb nodad"))
            return 77;
        a = if_nametoindex("va");
        b = if_nametoindex("vb");
        if (system(routes[i].command)) {
            print_message("not here: %s\n", routes[i].command);
            continue;
        }
        in_a = real_routes(look_for_wide, &a);
        in_b = real_routes(look_for_wide, &b);
        if (in_a != (int)routes[i].a || in_b != (int)routes[i].b) {
            print_message("%s: %d %d\n", routes[i].command, in_a, in_b);
            return 1;
        }
    }
    return 0;
}

static void the_kernels_routes_are_read(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    if (geteuid() != 0)
        skip();
    pid = fork();
    if (pid == 0)
        _exit(look_at_kernel());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
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
    made_routes[0] = (struct ae_route){AF_INET, 0, 254, 2};
    made_count = 1;
    assert_int_equal(ae_netdev_check_idle("eth0", &err), -EBUSY);
    assert_string_equal(err.text,
                        "eth0 carries the default route: this machine would drop off the network; "
                        "move the route, or insist with --force");
    made_count = 0;
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
    made_routes[0] = (struct ae_route){AF_INET, 0, 254, 3};
    made_count = 1;
    assert_int_equal(ae_netdev_check_idle("eth0", &err), -EBUSY);
    assert_non_null(strstr(err.text, "default route through br0"));
    made_count = 0;
}

#define ON_MADE_ROOT(test) cmocka_unit_test_setup_teardown(test, made_root_begin, made_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MADE_ROOT(wide_routes_are_found),
        ON_MADE_ROOT(a_kernel_that_does_not_tell_is_no_permission),
        ON_MADE_ROOT(the_kernels_routes_are_read),
        ON_MADE_ROOT(ssh_session_is_found),
        ON_MADE_ROOT(own_session_is_found_on_any_port),
        ON_MADE_ROOT(idle_interface_may_go),
        ON_MADE_ROOT(busy_interface_is_refused),
        ON_MADE_ROOT(what_is_stacked_on_it_counts),
    };

    return cmocka_run_group_tests_name("netdev", tests, NULL, NULL);
}
