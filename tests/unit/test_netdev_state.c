/* SPDX-License-Identifier: Apache-2.0 */

/* Works on interfaces of a network namespace of its own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/netdev_state.h"
#include "machine/netlink.h"
#include "wire.h"

static bool separate;

static int begin(void **state)
{
    (void)state;
    separate = wire_have_namespace();
    return 0;
}

static void run(const char *command)
{
    assert_int_equal(system(command), 0);
}

/* A fresh pair of interfaces, wire0 being the one that is looked at. */
static unsigned make_wire(const char *name)
{
    char command[128];

    if (!separate)
        skip();
    snprintf(command, sizeof(command), "ip link add name %s type veth peer name far0", name);
    run(command);
    return if_nametoindex(name);
}

static void remove_wire(const char *name)
{
    char command[64];

    snprintf(command, sizeof(command), "ip link del %s", name);
    run(command);
}

static json_t *save(unsigned index)
{
    struct ae_error err = {0};
    json_t *saved = ae_netdev_save(index, &err);

    assert_string_equal(err.text, "");
    assert_non_null(saved);
    return saved;
}

/* Everything but what is another one's: index and time. */
static void assert_same(json_t *a, json_t *b)
{
    static const char *const own[] = {"index", "saved_at"};

    for (size_t i = 0; i < 2; i++) {
        json_object_del(a, own[i]);
        json_object_del(b, own[i]);
    }
    if (!json_equal(a, b)) {
        char *was = json_dumps(a, 0), *is = json_dumps(b, 0);

        fail_msg("was %s, is %s", was, is);
    }
    json_decref(a);
    json_decref(b);
}

static void everything_comes_back(void **state)
{
    unsigned index = make_wire("wire0");
    struct ae_error err;
    json_t *saved;

    (void)state;
    run("ip link set wire0 mtu 1400 && ip link set wire0 up");
    run("ip link set wire0 address 02:aa:bb:cc:dd:01 txqueuelen 333 alias 'the left one' arp off");
    run("ip link set wire0 promisc on");
    run("ip link property add dev wire0 altname wire-on-the-left altname wl0");
    run("ip address add 192.0.2.7/28 broadcast + dev wire0");
    run("ip address add 192.0.2.40/28 label wire0:1 dev wire0");
    run("ip address add 198.51.100.1 peer 198.51.100.2 dev wire0");
    run("ip address add 2001:db8::7/64 nodad noprefixroute dev wire0");
    saved = save(index);
    assert_int_equal(json_array_size(json_object_get(saved, "addresses")), 4);
    remove_wire("wire0");
    index = make_wire("other0");
    run("ip link set other0 up");
    assert_int_equal(ae_netdev_restore(index, saved, &err), 0);
    assert_int_equal(if_nametoindex("wire0"), index);
    assert_int_equal(ae_netdev_restore(index, saved, &err), 0);
    assert_same(saved, save(index));
    remove_wire("wire0");
}

static void down_stays_down(void **state)
{
    unsigned index = make_wire("wire0");
    struct ae_link_state link;
    json_t *saved = save(index);

    (void)state;
    run("ip link set wire0 up");
    assert_int_equal(ae_netdev_restore(index, saved, NULL), 0);
    assert_int_equal(ae_netlink_get_link(index, &link), 0);
    assert_false(link.up);
    json_decref(saved);
    remove_wire("wire0");
}

static void leases_go_on(void **state)
{
    unsigned index = make_wire("wire0");
    json_t *saved, *addresses;

    (void)state;
    run("ip address add 192.0.2.7/28 valid_lft 1000 preferred_lft 500 dev wire0");
    run("ip address add 192.0.2.8/28 valid_lft 100 preferred_lft 50 dev wire0");
    saved = save(index);
    json_object_set_new(saved, "saved_at",
                        json_integer(json_integer_value(json_object_get(saved, "saved_at")) - 600));
    remove_wire("wire0");
    index = make_wire("wire0");
    assert_int_equal(ae_netdev_restore(index, saved, NULL), 0);
    json_decref(saved);
    saved = save(index);
    addresses = json_object_get(saved, "addresses");
    assert_int_equal(json_array_size(addresses), 1);
    assert_in_range(json_integer_value(json_object_get(json_array_get(addresses, 0), "valid")), 390,
                    400);
    json_decref(saved);
    remove_wire("wire0");
}

static void name_of_another_is_refused(void **state)
{
    unsigned index = make_wire("wire0");
    json_t *saved = save(index);
    struct ae_error err;

    (void)state;
    run("ip link set wire0 name other0 && ip link set far0 name wire0");
    assert_int_equal(ae_netdev_restore(index, saved, &err), -EEXIST);
    assert_non_null(strstr(err.text, "other0 cannot have its name wire0 back"));
    json_decref(saved);
    remove_wire("other0");
}

static void absent_interface_is_refused(void **state)
{
    struct ae_error err;

    (void)state;
    if (!separate)
        skip();
    assert_null(ae_netdev_save(4711, &err));
    assert_int_equal(err.code, -ENODEV);
}

static void nonsense_changes_nothing(void **state)
{
    static const char *const records[] = {
        "{}",
        "{\"name\": 3, \"mtu\": 1500}",
        "{\"name\": \"\", \"mtu\": 1500}",
        "{\"name\": \"a_name_that_is_too_long\", \"mtu\": 1500}",
        "{\"name\": \"other0\"}",
        "{\"name\": \"other0\", \"mtu\": -1}",
        "{\"name\": \"other0\", \"mtu\": \"1500\"}",
        "{\"name\": \"other0\", \"mtu\": 1500, \"addresses\": [3]}",
        "{\"name\": \"other0\", \"mtu\": 1500, \"addresses\": [{\"local\": \"192.0.2\"}]}",
        "{\"name\": \"other0\", \"mtu\": 1500, \"addresses\": [{\"local\": \"192.0.2.1\", "
        "\"peer\": \"192.0.2.1\", \"prefix\": 33, \"scope\": 0, \"flags\": 0, \"preferred\": 1, "
        "\"valid\": 1}]}",
    };
    unsigned index = make_wire("wire0");
    json_t *before = save(index);

    (void)state;
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        json_t *record = json_loads(records[i], 0, NULL);
        struct ae_error err;

        assert_non_null(record);
        assert_int_equal(ae_netdev_restore(index, record, &err), -EBADMSG);
        json_decref(record);
    }
    assert_same(before, save(index));
    remove_wire("wire0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back),
        cmocka_unit_test(down_stays_down),
        cmocka_unit_test(leases_go_on),
        cmocka_unit_test(name_of_another_is_refused),
        cmocka_unit_test(absent_interface_is_refused),
        cmocka_unit_test(nonsense_changes_nothing),
    };

    return cmocka_run_group_tests_name("netdev_state", tests, begin, NULL);
}
