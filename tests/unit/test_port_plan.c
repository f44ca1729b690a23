/* SPDX-License-Identifier: Apache-2.0 */

/* What memory a port needs, told before it is opened, beside what it then takes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <aether/supervise.h>

#include "made_e1000e.h"
#include "made_owner.h"
#include "made_root.h"
#include "port/owner.h"

#define HUGE    "/sys/kernel/mm/hugepages/hugepages-2048kB"
#define ON_NODE "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages"

static struct ae_port_plan plan;
static struct ae_error err;

static int begin(void **state)
{
    int rc = made_root_begin(state);

    if (!rc)
        made_e1000e_begin();
    made_root_put("/proc/meminfo", "MemTotal: 1 kB\nHugepagesize:       2048 kB\n");
    made_root_put(HUGE "/free_hugepages", "7\n");
    made_root_put(HUGE "/nr_hugepages", "9\n");
    made_root_put(HUGE "/resv_hugepages", "0\n");
    memset(&err, 0, sizeof(err));
    return rc;
}

static void a_plan_is_what_a_port_takes(void **state)
{
    const struct ae_port_options options = {
        .receive_ring = 256, .send_ring = 64, .packets = 100, .page_size = 4096};
    struct ae_port_owner *owner;

    (void)state;
    assert_int_equal(ae_port_plan(&plan, MADE_ADDRESS, &options, &err), 0);
    assert_int_equal(made_function.resets, 0);
    assert_int_equal(plan.rings, 2 * 4096);
    assert_int_equal(plan.packets, 256 + 64 + 100);
    assert_int_equal(plan.buffers, plan.packets * AE_DOMAIN_BUFFER_LEAST);
    assert_int_equal(plan.page_size, 4096);
    assert_int_equal(plan.owner, 0);
    assert_int_equal(plan.state, 5 * 4096);
    owner = made_owner_open(&options);
    assert_int_equal(plan.pages * plan.page_size,
                     ae_memory_size(owner->memory) + ae_memory_size(owner->domain->memory));
    ae_port_owner_close(owner);
}

static void huge_pages_are_counted_where_they_should_be(void **state)
{
    const struct ae_port_options near = {.on_node = true, .node = 1};

    (void)state;
    assert_int_equal(ae_port_plan(&plan, MADE_ADDRESS, NULL, &err), 0);
    assert_int_equal(plan.page_size, 2 << 20);
    assert_int_equal(plan.pages, 2 + plan.buffers / (2 << 20)); /* one of rings */
    assert_int_equal(plan.node, -1);
    assert_int_equal(plan.free, 7);
    made_root_put(ON_NODE, "3\n");
    assert_int_equal(ae_port_plan(&plan, MADE_ADDRESS, &near, &err), 0);
    assert_int_equal(plan.node, 1);
    assert_int_equal(plan.free, 3);
    made_root_put("/sys/bus/pci/devices/" MADE_ADDRESS "/numa_node", "0\n");
    assert_int_equal(ae_port_plan(&plan, MADE_ADDRESS, &near, &err), 0);
    assert_int_equal(plan.node, 0); /* the card's own; and nobody tells of its pages */
    assert_int_equal(plan.free, 7);
}

static void what_cannot_be_is_told_as_on_opening(void **state)
{
    const struct ae_port_options ring = {.receive_ring = 33}, pages = {.page_size = 3 << 20};

    (void)state;
    assert_int_equal(ae_port_plan(&plan, "0000:02:00.0", NULL, &err), -ENODEV);
    assert_int_equal(ae_port_plan(&plan, "nonsense", NULL, &err), -EINVAL);
    assert_int_equal(ae_port_plan(&plan, MADE_ADDRESS, &ring, &err), -EINVAL);
    assert_non_null(strstr(err.text, "33 descriptors"));
    assert_int_equal(ae_port_plan(&plan, MADE_ADDRESS, &pages, &err), -EINVAL);
    made_root_put("/proc/meminfo", "MemTotal: 1 kB\n");
    assert_int_equal(ae_port_plan(&plan, MADE_ADDRESS, NULL, &err), -ENOMEM);
    assert_non_null(strstr(err.text, "has no huge pages"));
}

/* What no device reaches is on ordinary pages, of which nobody has to make any. */
static void a_pair_needs_no_huge_pages(void **state)
{
    (void)state;
    assert_int_equal(ae_port_plan(&plan, "pair:planned", NULL, &err), 0);
    assert_int_equal(plan.page_size, sysconf(_SC_PAGESIZE));
    assert_int_equal(plan.rings, 0);
    made_root_put(HUGE "/free_hugepages", "0\n");
    assert_int_equal(ae_port_plans_fit(&plan, 1, &err), 0);
}

static void ports_share_what_there_is(void **state)
{
    struct ae_port_plan plans[] = {{.page_size = 2 << 20, .pages = 4},
                                   {.page_size = 4096, .pages = 1000},
                                   {.page_size = 2 << 20, .pages = 3}};

    (void)state;
    assert_int_equal(ae_port_plans_fit(plans, 0, &err), 0);
    assert_int_equal(ae_port_plans_fit(plans, 3, &err), 0);
    plans[2].pages++;
    assert_int_equal(ae_port_plans_fit(plans, 3, &err), -ENOMEM);
    assert_string_equal(err.text,
                        "memory of all ports: 8 pages of 2048 kB are needed, 7 are free, 1 are "
                        "missing; add them: echo 10 > " HUGE "/nr_hugepages");
    plans[0].page_size = 1 << 30;
    assert_int_equal(ae_port_plans_fit(plans, 3, &err), -ENOMEM);
    assert_non_null(strstr(err.text, "no pages of 1048576 kB"));
}

/* The card is as it was: nothing was opened. */
static void a_supervisor_asks_before_it_takes_anything(void **state)
{
    static const char *const ports[] = {MADE_ADDRESS, "pair:planned"};
    const struct ae_supervise_options options = {
        .cpus = (const int[]){0, 1}, .cpu_count = 2, .ports = ports, .port_count = 2};
    struct ae_port_plan plans[AE_WORKER_PORTS];
    struct ae_supervise_options one = options;

    (void)state;
    one.cpu_count = 1;
    assert_int_equal(ae_supervise_plan(&one, plans, &err), 0);
    assert_int_equal(plans[1].page_size, sysconf(_SC_PAGESIZE));
    /* An 82574L has one queue. */
    assert_int_equal(ae_supervise_plan(&options, plans, &err), -EINVAL);
    made_root_put(HUGE "/free_hugepages", "0\n");
    assert_int_equal(ae_supervise_plan(&one, plans, &err), -ENOMEM);
    assert_int_equal(plans[0].free, 0);
    assert_true(plans[0].pages > 0);
    assert_int_equal(made_function.resets, 0);
    assert_int_equal(made_function.accesses, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, made_owner_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plan_is_what_a_port_takes),
        TEST(huge_pages_are_counted_where_they_should_be),
        TEST(what_cannot_be_is_told_as_on_opening),
        TEST(a_pair_needs_no_huge_pages),
        TEST(ports_share_what_there_is),
        TEST(a_supervisor_asks_before_it_takes_anything),
    };

    return cmocka_run_group_tests_name("port_plan", tests, NULL, NULL);
}
