/* SPDX-License-Identifier: Apache-2.0 */

/* Takes a card from a made-up kernel and gives it back, with every write failing once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made_root.h"

#define ae_root_write        made_up_write
#define ae_netdev_save       made_up_save
#define ae_netdev_restore    made_up_restore
#define ae_netdev_check_idle made_up_check_idle
#include "nic/bind.c"
#include "nic/record.c"

#define ADDRESS "0000:01:00.0"
#define CARD    "/sys/bus/pci/devices/" ADDRESS
#define RECORD  "/run/aether/nic/" ADDRESS ".json"

/* What the made-up kernel is to do, and what was done to it. */
static struct {
    unsigned writes, fail_at; /* the write that fails; 0: none */
    bool fail_on;             /* and all after it */
    bool no_vfio;             /* vfio-pci does not take the card */
    bool no_driver;           /* the card's own driver is not loaded */
    bool no_interface;        /* it makes none */
    int restore;              /* what ae_netdev_restore returns */
    unsigned restored;
    int busy; /* what ae_netdev_check_idle returns */
} kernel;

static void remove_below(const char *path)
{
    char full[PATH_SIZE];

    snprintf(full, sizeof(full), CARD "/%s", path);
    ae_root_remove(full);
}

static void bind_driver(const char *driver)
{
    char target[64];

    snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
    made_root_link(CARD "/driver", target);
}

static void make_interface(const char *name, const char *index)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), CARD "/net/%s", name);
    made_root_put(path, NULL);
    snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", name);
    made_root_put(path, index);
}

static int probe_card(void)
{
    char override[32];

    if (ae_root_exists(CARD "/driver/.") || ae_root_link_name(CARD "/driver", override, 32) == 0)
        return 0;
    ae_root_read(CARD "/driver_override", override, sizeof(override));
    if (strcmp(override, "vfio-pci") == 0) {
        if (kernel.no_vfio)
            return -EINVAL;
        bind_driver("vfio-pci");
        return 0;
    }
    if (kernel.no_driver)
        return -EINVAL;
    bind_driver("e1000e");
    if (!kernel.no_interface)
        make_interface("eth0", "6\n");
    return 0;
}

int made_up_write(const char *path, const char *text)
{
    kernel.writes++;
    if (kernel.fail_at &&
        (kernel.writes == kernel.fail_at || (kernel.fail_on && kernel.writes > kernel.fail_at)))
        return -EIO;
    if (strcmp(path, CARD "/driver_override") == 0) {
        made_root_put(path, *text == '\n' ? "(null)\n" : text);
        return 0;
    }
    assert_string_equal(text, ADDRESS);
    if (strcmp(path, "/sys/bus/pci/drivers_probe") == 0)
        return probe_card();
    assert_string_equal(path, CARD "/driver/unbind");
    remove_below("driver");
    remove_below("net/wire0");
    remove_below("net/eth0");
    return 0;
}

json_t *made_up_save(unsigned index, struct ae_error *err)
{
    (void)err;
    return json_pack("{s:i}", "index", (int)index);
}

int made_up_restore(unsigned index, const json_t *saved, struct ae_error *err)
{
    assert_true(index == 5 || index == 6);
    assert_int_equal(json_integer_value(json_object_get(saved, "index")), 5);
    kernel.restored++;
    if (kernel.restore)
        return ae_error_set(err, kernel.restore, "not restored");
    remove_below("net/eth0");
    make_interface("wire0", "5\n");
    return 0;
}

int made_up_check_idle(const char *name, struct ae_error *err)
{
    return kernel.busy ? ae_error_set(err, kernel.busy, "%s is busy", name) : 0;
}

static int begin(void **state)
{
    int rc = made_root_begin(state);

    memset(&kernel, 0, sizeof(kernel));
    interface_ms = release_ms = 40;
    made_root_put(CARD "/vendor", "0x8086\n");
    made_root_put(CARD "/device", "0x10d3\n");
    made_root_put(CARD "/class", "0x020000\n");
    made_root_put(CARD "/enable", "0\n");
    made_root_put(CARD "/driver_override", "(null)\n");
    made_root_link(CARD "/iommu_group", "../../../kernel/iommu_groups/8");
    made_root_put("/sys/kernel/iommu_groups/8/devices/" ADDRESS, NULL);
    made_root_put("/sys/bus/pci/drivers/vfio-pci", NULL);
    bind_driver("e1000e");
    make_interface("wire0", "5\n");
    return rc;
}

static void assert_driver(const char *driver)
{
    char name[32] = "";

    ae_root_link_name(CARD "/driver", name, sizeof(name));
    assert_string_equal(name, driver);
}

static void assert_returned(void)
{
    assert_driver("e1000e");
    assert_string_equal(made_root_get(CARD "/driver_override"), "(null)\n");
    assert_false(ae_root_exists(RECORD));
}

static int bind_it(struct ae_error *err)
{
    return ae_nic_bind(ADDRESS, NULL, err);
}

static void card_is_taken_and_given_back(void **state)
{
    (void)state;
    assert_int_equal(bind_it(NULL), 0);
    assert_driver("vfio-pci");
    assert_true(ae_root_exists(RECORD));
    assert_int_equal(bind_it(NULL), 0);
    assert_int_equal(ae_nic_unbind("01:00.0", NULL), 0);
    assert_returned();
    assert_int_equal(kernel.restored, 1);
    assert_int_equal(ae_nic_unbind(ADDRESS, NULL), 0);
    assert_int_equal(kernel.restored, 1);
}

static void override_of_the_user_comes_back(void **state)
{
    (void)state;
    made_root_put(CARD "/driver_override", "e1000e\n");
    assert_int_equal(bind_it(NULL), 0);
    assert_int_equal(ae_nic_unbind(ADDRESS, NULL), 0);
    assert_string_equal(made_root_get(CARD "/driver_override"), "e1000e");
}

static void card_without_driver_stays_without(void **state)
{
    (void)state;
    remove_below("driver");
    remove_below("net/wire0");
    assert_int_equal(bind_it(NULL), 0);
    assert_driver("vfio-pci");
    assert_int_equal(ae_nic_unbind(ADDRESS, NULL), 0);
    assert_driver("");
    assert_int_equal(kernel.restored, 0);
}

static void one_failing_write_is_rolled_back(void **state)
{
    unsigned at;

    (void)state;
    for (at = 1;; at++) {
        struct ae_error err;

        kernel.writes = kernel.restored = 0;
        kernel.fail_at = at;
        if (bind_it(&err) == 0)
            break;
        assert_non_null(strstr(err.text, "binding " ADDRESS " to vfio-pci"));
        assert_returned();
        assert_int_equal(kernel.restored, 1);
    }
    assert_int_equal(at, 4);
}

/* Nothing can be written any more, as if the power of writing were lost; then it is there again. */
static void lost_work_is_finished_later(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 3; at++) {
        struct ae_error err;

        kernel.writes = 0;
        kernel.fail_at = at;
        kernel.fail_on = true;
        assert_int_equal(bind_it(&err), -EIO);
        assert_non_null(strstr(err.text, "it did not come back"));
        assert_true(ae_root_exists(RECORD));
        kernel.fail_at = 0;
        if (at % 2) {
            assert_int_equal(bind_it(NULL), 0);
            assert_driver("vfio-pci");
        }
        assert_int_equal(ae_nic_unbind(ADDRESS, NULL), 0);
        assert_returned();
    }
}

static void unbind_can_be_tried_again(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 3; at++) {
        assert_int_equal(bind_it(NULL), 0);
        kernel.writes = 0;
        kernel.fail_at = at;
        assert_true(ae_nic_unbind(ADDRESS, NULL) < 0);
        assert_true(ae_root_exists(RECORD));
        kernel.fail_at = 0;
        assert_int_equal(ae_nic_unbind(ADDRESS, NULL), 0);
        assert_returned();
    }
}

static void interface_that_is_not_restored_keeps_its_record(void **state)
{
    struct ae_error err;

    (void)state;
    assert_int_equal(bind_it(NULL), 0);
    kernel.restore = -EEXIST;
    assert_int_equal(ae_nic_unbind(ADDRESS, &err), -EEXIST);
    assert_true(ae_root_exists(RECORD));
    kernel.restore = 0;
    assert_int_equal(ae_nic_unbind(ADDRESS, NULL), 0);
    assert_returned();
}

static void vfio_that_does_not_take_it_is_reported(void **state)
{
    struct ae_error err;

    (void)state;
    kernel.no_vfio = true;
    assert_int_equal(bind_it(&err), -EINVAL);
    assert_non_null(strstr(err.text, "drivers_probe"));
    assert_returned();
}

static void missing_driver_is_reported(void **state)
{
    struct ae_error err;

    (void)state;
    assert_int_equal(bind_it(NULL), 0);
    kernel.no_driver = true;
    assert_int_equal(ae_nic_unbind(ADDRESS, &err), -EINVAL);
    assert_non_null(strstr(err.text, "modprobe e1000e"));
    kernel.no_driver = false;
    kernel.no_interface = true;
    assert_int_equal(ae_nic_unbind(ADDRESS, &err), -ETIMEDOUT);
    assert_non_null(strstr(err.text, "its network interface has not come"));
    make_interface("eth0", "6\n");
    assert_int_equal(ae_nic_unbind(ADDRESS, NULL), 0);
    assert_returned();
}

static void card_in_use_is_refused(void **state)
{
    struct ae_error err;

    (void)state;
    assert_int_equal(bind_it(NULL), 0);
    made_root_put(CARD "/enable", "1\n");
    assert_int_equal(ae_nic_unbind(ADDRESS, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use by a process"));
    made_root_put("/proc/4711/comm", "trader\n");
    made_root_put("/proc/4711/fd", NULL);
    made_root_link("/proc/4711/fd/9", "/dev/vfio/8");
    assert_int_equal(ae_nic_unbind(ADDRESS, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use by trader (pid 4711)"));
    assert_driver("vfio-pci");
}

static void assert_holder(const char *says)
{
    struct ae_error err;

    assert_int_equal(ae_nic_unbind(ADDRESS, &err), -EBUSY);
    if (!strstr(err.text, says))
        fail_msg("'%s' is not in '%s'", says, err.text);
}

/* It can be held without its group: by the device's own descriptor, or only by mapped registers. */
static void holder_of_the_device_itself_is_named(void **state)
{
    (void)state;
    assert_int_equal(bind_it(NULL), 0);
    made_root_put(CARD "/enable", "1\n");
    made_root_put("/sys/kernel/iommu_groups/8/devices/" ADDRESS, NULL);
    /* Of another run: group, device and mapping of another card. */
    made_root_put("/proc/100/comm", "other\n");
    made_root_put("/proc/100/fd", NULL);
    made_root_link("/proc/100/fd/5", "/dev/vfio/80");
    made_root_link("/proc/100/fd/6", "anon_inode:[vfio-device]");
    made_root_put("/proc/100/maps", "7f00-7f01 rw-s 00000000 00:0e 1 anon_inode:[vfio-device]\n");
    assert_holder("in use by a process");
    /* The kernel does not tell whose registers they are. */
    made_root_put("/proc/4711/comm", "orphan\n");
    made_root_put("/proc/4711/fd", NULL);
    made_root_put("/proc/4711/maps", "7f00-7f01 rw-s 00000000 00:0e 1 anon_inode:[vfio-device]\n");
    assert_holder("it seems by orphan (pid 4711)");
    made_root_put("/proc/4712/comm", "hoarder\n");
    made_root_put("/proc/4712/fd", NULL);
    made_root_link("/proc/4712/fd/3", "anon_inode:[vfio-device]");
    made_root_put("/proc/4712/fdinfo/3", "pos:\t0\nvfio-device-syspath: /sys/devices/pci/" ADDRESS);
    assert_holder("in use by hoarder (pid 4712)");
    made_root_put("/proc/4712/fdinfo/3", "pos:\t0\nvfio-device-syspath: /sys/devices/0000:77:00.0");
    assert_holder("it seems by orphan (pid 4711)");
    /* A device's own file, of iommufd. */
    made_root_put("/proc/4713/comm", "modern\n");
    made_root_put("/proc/4713/fd", NULL);
    made_root_link("/proc/4713/fd/3", "/dev/vfio/devices/vfio2");
    assert_holder("it seems by orphan (pid 4711)");
    made_root_put("/sys/class/vfio-dev/vfio2", NULL);
    made_root_link("/sys/class/vfio-dev/vfio2/device", "../../" ADDRESS);
    assert_holder("in use by modern (pid 4713)");
    ae_root_remove("/proc/4713/fd/3");
    made_root_put("/proc/4713/maps", "7f00-7f01 rw-s 00000000 00:05 1 /dev/vfio/devices/vfio20\n"
                                     "7f02-7f03 rw-s 00000000 00:05 1 /dev/vfio/devices/vfio2\n");
    assert_holder("in use by modern (pid 4713)");
}

static void card_bound_by_others_is_returned(void **state)
{
    (void)state;
    remove_below("driver");
    remove_below("net/wire0");
    made_root_put(CARD "/driver_override", "vfio-pci\n");
    bind_driver("vfio-pci");
    assert_int_equal(ae_nic_unbind(ADDRESS, NULL), 0);
    assert_returned();
}

static void nonsense_record_is_refused(void **state)
{
    static const char *const records[] = {"", "{", "[]", "{\"driver\": 3}"};

    (void)state;
    assert_int_equal(bind_it(NULL), 0);
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        struct ae_error err;

        made_root_put(RECORD, records[i]);
        assert_int_equal(ae_nic_unbind(ADDRESS, &err), -EBADMSG);
        assert_non_null(strstr(err.text, RECORD " is no record of Aether's"));
        assert_driver("vfio-pci");
    }
}

/* Each needs a change to the machine, and a word that its error has. */
static const struct {
    const char *path, *text;
    int rc;
    const char *word;
} refusals[] = {
    {CARD "/class", "0x060400\n", -ENODEV, "is a bridge"},
    {CARD "/class", "0x010802\n", -ENODEV, "is no network card (class 010802)"},
    {CARD "/sriov_numvfs", "2\n", -EBUSY, "2 virtual functions"},
    {CARD "/net/wire1", NULL, -EBUSY, "2 network interfaces"},
};

static void refusals_have_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct ae_error err;

        made_root_end(state);
        begin(state);
        made_root_put(refusals[i].path, refusals[i].text);
        assert_int_equal(ae_nic_check(ADDRESS, NULL, &err), refusals[i].rc);
        assert_non_null(strstr(err.text, refusals[i].word));
        assert_int_equal(bind_it(&err), refusals[i].rc);
        assert_int_equal(kernel.writes, 0);
        assert_returned();
    }
}

static void bad_addresses_are_refused(void **state)
{
    struct ae_error err;

    (void)state;
    assert_int_equal(ae_nic_bind("eth0", NULL, &err), -EINVAL);
    assert_non_null(strstr(err.text, "'eth0' is no PCI address"));
    assert_int_equal(ae_nic_bind("0000:02:00.0", NULL, &err), -ENODEV);
    assert_int_equal(ae_nic_unbind("0000:02:00.0", &err), -ENODEV);
}

static void busy_interface_needs_force(void **state)
{
    const struct ae_nic_options force = {.force = true};
    struct ae_error err;

    (void)state;
    kernel.busy = -EBUSY;
    assert_int_equal(bind_it(&err), -EBUSY);
    assert_string_equal(err.text, ADDRESS ": wire0 is busy");
    assert_returned();
    assert_int_equal(ae_nic_bind(ADDRESS, &force, NULL), 0);
}

static void no_iommu_needs_to_be_allowed(void **state)
{
    const struct ae_nic_options allow = {.allow_no_iommu = true};
    struct ae_error err;

    (void)state;
    remove_below("iommu_group");
    assert_int_equal(bind_it(&err), -EPERM);
    assert_int_equal(ae_nic_bind(ADDRESS, &allow, &err), -EPERM);
    assert_non_null(strstr(err.text, "enable_unsafe_noiommu_mode"));
    assert_returned();
    made_root_put(UNSAFE, "Y\n");
    assert_int_equal(bind_it(&err), -EPERM);
    assert_int_equal(ae_nic_bind(ADDRESS, &allow, NULL), 0);
}

static void missing_vfio_is_reported(void **state)
{
    struct ae_error err;

    (void)state;
    ae_root_remove("/sys/bus/pci/drivers/vfio-pci");
    assert_int_equal(bind_it(&err), -ENOENT);
    assert_non_null(strstr(err.text, "modprobe vfio-pci"));
    assert_returned();
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, begin, made_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(card_is_taken_and_given_back),
        CASE(override_of_the_user_comes_back),
        CASE(card_without_driver_stays_without),
        CASE(one_failing_write_is_rolled_back),
        CASE(lost_work_is_finished_later),
        CASE(unbind_can_be_tried_again),
        CASE(interface_that_is_not_restored_keeps_its_record),
        CASE(vfio_that_does_not_take_it_is_reported),
        CASE(missing_driver_is_reported),
        CASE(card_in_use_is_refused),
        CASE(holder_of_the_device_itself_is_named),
        CASE(card_bound_by_others_is_returned),
        CASE(nonsense_record_is_refused),
        CASE(refusals_have_a_reason),
        CASE(bad_addresses_are_refused),
        CASE(busy_interface_needs_force),
        CASE(no_iommu_needs_to_be_allowed),
        CASE(missing_vfio_is_reported),
    };

    return cmocka_run_group_tests_name("vfio_bind", tests, NULL, NULL);
}
