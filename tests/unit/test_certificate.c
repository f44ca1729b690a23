/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"
#include "made_certificate.h"
#include "made_root.h"

#define CPU   1000 /* no machine that runs this test has it */
#define PID   4242

static struct ae_error error;

/* ---- Reading: anything but a whole certificate is refused ---- */

static void a_whole_one_is_read(void **state)
{
    struct ae_certificate *certificate;

    (void)state;
    assert_int_equal(made_parse(&certificate, made_certificate(), &error), 0);
    assert_int_equal(ae_certificate_verdict(certificate), AE_PROOF_QUIET);
    ae_certificate_free(certificate);
}

static void refused(json_t *json, const char *text)
{
    struct ae_certificate *certificate;

    assert_int_equal(made_parse(&certificate, json, &error), -EBADMSG);
    if (!strstr(error.text, text))
        fail_msg("'%s' does not say '%s'", error.text, text);
}

static void what_is_missing_is_named(void **state)
{
    static const char *const needed[] = {
        "certificate", "issued", "verdict", "statement", "cpu",    "pid",    "seconds",  "long_enough",
        "machine",     "kernel", "partition", "rows",    "causes", "gaps",   "limits",   "not_seen",
        "rows/0/row",  "rows/0/count", "knobs/1/quiet", "knobs/0/accepted/answer", "gaps/measured",
        "partition/journal/0/old", "worker/arguments"};

    (void)state;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        json_t *json = made_certificate();
        const char *last = strrchr(needed[i], '/');
        char text[64];

        made_change(json, needed[i], NULL);
        snprintf(text, sizeof(text), "%s is missing", last ? last + 1 : needed[i]);
        refused(json, text);
    }
}

static void a_wrong_type_is_named(void **state)
{
    static const char *const numbers[] = {"issued", "machine", "rows", "causes", "limits", "knobs",
                                          "gaps", "long_enough", "rows/0/row", "worker/arguments",
                                          "machine/cpu", "knobs/0/quiet", "partition/journal"};
    static const char *const texts[] = {"cpu", "seconds", "pid", "rows/0/count", "gaps/p99_ns",
                                        "gaps/histogram/0/gaps"};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        json_t *json = made_certificate();

        made_change(json, numbers[i], json_integer(7));
        refused(json, "no certificate:");
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_t *json = made_certificate();

        made_change(json, texts[i], json_string("7"));
        refused(json, "number from 0 on");
        json = made_certificate();
        made_change(json, texts[i], json_integer(-7));
        refused(json, "number from 0 on");
    }
}

static void one_that_contradicts_itself_is_refused(void **state)
{
    json_t *json = made_certificate();

    (void)state;
    made_change(json, "rows/0/count", json_integer(1));
    refused(json, "it says 'quiet', and what it counts comes to 'disturbed'");
    json = made_certificate();
    made_change(json, "not_seen/+", json_string("system calls: no tracing"));
    refused(json, "comes to 'incomplete'");
    json = made_certificate();
    made_change(json, "causes/+", json_pack("{s:s, s:i}", "cause", "syscall 1", "times", 1));
    refused(json, "comes to 'disturbed'");
    json = made_certificate();
    made_change(json, "verdict", json_string("splendid"));
    refused(json, "it says 'splendid'");
}

static void what_is_told_twice_is_refused(void **state)
{
    static const char *const lists[] = {"rows", "knobs"};
    json_t *json, *one;

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        json = made_certificate();
        one = json_array_get(json_object_get(json, lists[i]), 0);
        json_array_append_new(json_object_get(json, lists[i]), json_deep_copy(one));
        refused(json, "is twice the same name");
    }
}

static void other_things_are_refused(void **state)
{
    struct ae_certificate *certificate;
    static const char twice[] = "{\"certificate\": 1, \"certificate\": 1}";
    json_t *json = made_certificate();

    (void)state;
    made_change(json, "certificate", json_integer(2));
    refused(json, "has format 2; this program reads format 1");
    refused(json_array(), "not an object");
    refused(json_object(), "certificate is missing");
    assert_int_equal(ae_certificate_parse(&certificate, twice, strlen(twice), &error), -EBADMSG);
    assert_int_equal(ae_certificate_parse(&certificate, "", 0, &error), -EBADMSG);
    assert_int_equal(ae_certificate_read(&certificate, "/nowhere/x", &error), -ENOENT);
    assert_int_equal(ae_certificate_read(&certificate, "/tmp", &error), -EBADMSG);
}

/* ---- The page ---- */

static char *page_of(json_t *json)
{
    struct ae_certificate *certificate;
    char *page = NULL;
    size_t size;
    FILE *out = open_memstream(&page, &size);

    if (made_parse(&certificate, json, &error))
        fail_msg("%s", error.text);
    ae_certificate_print(certificate, out);
    fclose(out);
    ae_certificate_free(certificate);
    return page;
}

static void page_has(json_t *json, const char *text)
{
    char *page = page_of(json);

    if (!strstr(page, text))
        fail_msg("no '%s' in:\n%s", text, page);
    free(page);
}

static void the_page_says_what_matters(void **state)
{
    static const char *const texts[] = {
        "AETHER CERTIFICATE: QUIET\n", "Imaginary 9000", "0x11", "nohz_full=3", "PARTITION fast",
        "level: boot tier", "cpus = 3", "thp /sys/thp: always -> never", "/bin/worker",
        "longest 10.000 us", "prove 12 hours or more", "  softirqs "};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        page_has(made_certificate(), texts[i]);
}

static void what_was_not_seen_is_no_number(void **state)
{
    json_t *json = made_certificate();

    (void)state;
    made_change(json, "rows/3", NULL); /* sched:slices */
    made_change(json, "not_seen/+", json_string("/proc/schedstat: no row"));
    made_change(json, "verdict", json_string("incomplete"));
    page_has(json_incref(json), "times a task was put on the CPU        not seen\n");
    page_has(json, "NOT SEEN\n  - /proc/schedstat: no row\n");
}

static void nothing_in_it_steers_a_terminal(void **state)
{
    json_t *json = made_certificate();
    char *page;

    (void)state;
    made_change(json, "machine/cpu", json_string("\x1b[2J\x1b]0;x\x07"));
    page = page_of(json);
    assert_null(strchr(page, '\x1b'));
    assert_null(strchr(page, '\x07'));
    free(page);
}

/* ---- Making one, on a made-up machine ---- */

static void put_worker(char run_state, unsigned cpu_time, unsigned faults)
{
    char text[512];

    snprintf(text, sizeof(text), "%d (worker) %c 1 1 1 0 -1 0 %u 0 0 0 %u 0 0 0 20 0 1 0 1 0 0\n", PID,
             run_state, faults, cpu_time);
    made_root_put("/proc/4242/stat", text);
    made_root_put("/proc/4242/status", "Name:\tworker\nvoluntary_ctxt_switches:\t5\n"
                                       "nonvoluntary_ctxt_switches:\t6\n");
}

static void put_counters(unsigned timer)
{
    char text[256];

    snprintf(text, sizeof(text), "      CPU0  CPU1000\nLOC:  9 %u  Local timer interrupts\n", timer);
    made_root_put("/proc/interrupts", text);
    made_root_put("/proc/softirqs", "      CPU0  CPU1000\nTIMER:  9 9\n");
    made_root_put("/proc/schedstat", "version 15\ntimestamp 1\ncpu1000 0 0 0 0 0 0 1 2 3\n");
}

static void put_machine(void)
{
    made_root_put("/proc/cpuinfo", "processor\t: 0\nvendor_id\t: Nobody\nmodel\t\t: 7\n"
                                   "model name\t: Imaginary 9000\nmicrocode\t: 0x42\nflags\t\t: fpu\n\n"
                                   "processor\t: 1\nmodel name\t: Another\n");
    made_root_put("/sys/class/dmi/id/bios_version", "2.71\n");
    made_root_put("/proc/sys/kernel/osrelease", "6.12.1-test\n");
    made_root_put("/proc/cmdline", "root=/dev/nothing nohz_full=1000\n");
    put_counters(10);
    put_worker('R', 100, 3);
}

/* One proof, over which `meanwhile` changes the machine. */
static json_t *certify(void (*meanwhile)(void))
{
    struct ae_certificate *certificate;
    struct ae_proof *proof;
    json_t *json;
    char *text;

    assert_int_equal(ae_certificate_begin(&certificate, CPU, NULL, &error), 0);
    assert_int_equal(ae_proof_prepare(&proof, CPU, &error), 0);
    assert_int_equal(ae_proof_begin(proof, PID, &error), 0);
    meanwhile();
    assert_int_equal(ae_proof_end(proof, &error), 0);
    ae_proof_finish(proof);
    ae_certificate_finish(certificate, proof);
    text = ae_certificate_json(certificate);
    json = json_loads(text, 0, NULL);
    free(text);
    ae_proof_destroy(proof);
    ae_certificate_free(certificate);
    return json;
}

static const char *text_at(const json_t *json, const char *group, const char *name)
{
    const char *text = json_string_value(json_object_get(json_object_get(json, group), name));

    return text ? text : "(none)";
}

static bool list_has(const json_t *json, const char *list, const char *text)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(json, list), i, item)
        if (strstr(json_string_value(item), text))
            return true;
    return false;
}

static void nothing_happens(void)
{
}

static void without_a_trace_nothing_is_called_zero(void **state)
{
    struct ae_certificate *certificate;
    json_t *json;

    (void)state;
    put_machine();
    json = certify(nothing_happens);
    assert_string_equal(text_at(json, "machine", "cpu"), "Imaginary 9000");
    assert_string_equal(text_at(json, "machine", "cpu-model"), "7");
    assert_string_equal(text_at(json, "machine", "microcode"), "0x42");
    assert_string_equal(text_at(json, "machine", "firmware"), "2.71");
    assert_string_equal(text_at(json, "machine", "product"), "(none)");
    assert_string_equal(text_at(json, "kernel", "command-line"), "root=/dev/nothing nohz_full=1000");
    assert_string_equal(json_string_value(json_object_get(json, "verdict")), "incomplete");
    assert_null(strstr(json_string_value(json_object_get(json, "statement")), "zero"));
    assert_true(list_has(json, "not_seen", "system calls"));
    assert_true(list_has(json, "not_seen", "which program the worker was"));
    assert_true(list_has(json, "limits", "no applied partition has CPU 1000"));
    assert_true(list_has(json, "limits", "nohz_full= and has not taken CPU 1000"));
    assert_true(list_has(json, "limits", "the deadline server: this kernel has one, and what"));
    /* What is made can be read again. */
    assert_int_equal(made_parse(&certificate, json, &error), 0);
    ae_certificate_free(certificate);
}

static void the_timer_fires(void)
{
    put_counters(12);
}

static void a_row_says_why_it_counted(void **state)
{
    json_t *json, *row;

    (void)state;
    put_machine();
    json = certify(the_timer_fires);
    row = json_array_get(json_object_get(json, "rows"), 0);
    assert_int_equal(json_integer_value(json_object_get(row, "count")), 2);
    assert_string_equal(json_string_value(json_object_get(row, "because")), "this CPU keeps its tick");
    json_decref(json);

    put_machine();
    made_root_put("/sys/devices/system/cpu/nohz_full", "1000\n");
    made_root_put("/sys/kernel/debug/sched/fair_server/cpu1000/runtime", "50000000\n");
    json = certify(the_timer_fires);
    assert_string_equal(json_string_value(json_object_get(json, "verdict")), "disturbed");
    row = json_array_get(json_object_get(json, "rows"), 0);
    assert_non_null(strstr(json_string_value(json_object_get(row, "because")), "deadline server"));
    assert_true(list_has(json, "limits", "knob fair-server = on"));
    assert_false(list_has(json, "limits", "the tick:"));
    json_decref(json);
}

static void it_sleeps(void)
{
    put_worker('S', 100, 3);
}

static void it_faults(void)
{
    put_worker('R', 100, 4);
}

static void a_worker_that_is_not_there_is_no_evidence(void **state)
{
    json_t *json;

    (void)state;
    put_machine();
    json = certify(it_sleeps);
    assert_true(list_has(json, "not_seen", "that the worker had the CPU: it was not running"));
    json_decref(json);
    put_machine();
    json = certify(it_faults);
    assert_false(list_has(json, "not_seen", "that the worker had the CPU"));
    assert_string_equal(json_string_value(json_object_get(json, "verdict")), "disturbed");
    json_decref(json);
}

static void a_partition_that_is_not_there(void **state)
{
    struct ae_certificate *certificate;

    (void)state;
    put_machine();
    assert_true(ae_certificate_begin(&certificate, CPU, "nothing", &error) < 0);
    assert_non_null(strstr(error.text, "nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_one_is_read),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(a_wrong_type_is_named),
        cmocka_unit_test(one_that_contradicts_itself_is_refused),
        cmocka_unit_test(what_is_told_twice_is_refused),
        cmocka_unit_test(other_things_are_refused),
        cmocka_unit_test(the_page_says_what_matters),
        cmocka_unit_test(what_was_not_seen_is_no_number),
        cmocka_unit_test(nothing_in_it_steers_a_terminal),
        cmocka_unit_test_setup_teardown(without_a_trace_nothing_is_called_zero, made_root_begin,
                                        made_root_end),
        cmocka_unit_test_setup_teardown(a_row_says_why_it_counted, made_root_begin, made_root_end),
        cmocka_unit_test_setup_teardown(a_worker_that_is_not_there_is_no_evidence, made_root_begin,
                                        made_root_end),
        cmocka_unit_test_setup_teardown(a_partition_that_is_not_there, made_root_begin,
                                        made_root_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
