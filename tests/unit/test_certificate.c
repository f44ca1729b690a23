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
#include <time.h>
#include <unistd.h>

#include "base/root.h"
#include "made_certificate.h"
#include "made_root.h"
#include "proof/certificate/certificate.h"
#include "repeated.h"

#define CPU 1000 /* no machine that runs this test has it */
#define PID 4242

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
    static const char *const needed[] = {"certificate",
                                         "issued",
                                         "verdict",
                                         "statement",
                                         "cpu",
                                         "pid",
                                         "seconds",
                                         "long_enough",
                                         "machine",
                                         "kernel",
                                         "partition",
                                         "rows",
                                         "causes",
                                         "gaps",
                                         "limits",
                                         "not_seen",
                                         "rows/0/row",
                                         "rows/0/count",
                                         "knobs/1/quiet",
                                         "knobs/0/accepted/answer",
                                         "gaps/measured",
                                         "partition/journal/0/old",
                                         "worker/arguments"};

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
    static const char *const numbers[] = {"issued",
                                          "machine",
                                          "rows",
                                          "causes",
                                          "limits",
                                          "knobs",
                                          "gaps",
                                          "long_enough",
                                          "rows/0/row",
                                          "worker/arguments",
                                          "machine/cpu",
                                          "knobs/0/quiet",
                                          "partition/journal"};
    static const char *const texts[] = {"cpu",          "seconds",     "pid",
                                        "rows/0/count", "gaps/p99_ns", "gaps/histogram/0/gaps"};

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
    made_change(json, "ports/0/caller", json_string("worker"));
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

/* Two names that look the same to whoever reads them. */
static void what_looks_the_same_is_the_same(void **state)
{
    json_t *json = made_certificate();

    (void)state;
    made_change(json, "rows/0/row", json_string("irq:LOC\x01"));
    made_change(json, "rows/1/row", json_string("irq:LOC\x02"));
    refused(json, "is twice the same name");
}

static void other_things_are_refused(void **state)
{
    struct ae_certificate *certificate;
    static const char twice[] = "{\"certificate\": 1, \"certificate\": 1}";
    json_t *json = made_certificate();

    (void)state;
    made_change(json, "certificate", json_integer(6));
    refused(json, "has format 6; this program reads formats 1 to 5");
    json = made_certificate();
    made_change(json, "certificate", json_integer(0));
    refused(json, "has format 0");
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

/* Before the third format their names had hyphens. */
static void one_of_an_earlier_format_has_the_same_page(void **state)
{
    static const char *const names[] = {"command_line", "command-line", "boot_id", "boot-id"};
    json_t *json = made_certificate(), *kernel = json_object_get(json, "kernel");
    char *now, *before;

    (void)state;
    json_incref(json);
    now = page_of(json);
    for (size_t i = 0; i < 4; i += 2) {
        json_object_set(kernel, names[i + 1], json_object_get(kernel, names[i]));
        json_object_del(kernel, names[i]);
    }
    json_object_set_new(json, "certificate", json_integer(2));
    before = page_of(json);
    assert_non_null(strstr(now, "quiet nohz_full=3 isolcpus=3\n"));
    assert_string_equal(before, now);
    free(now);
    free(before);
}

static void the_page_says_what_matters(void **state)
{
    static const char *const texts[] = {
        "AETHER CERTIFICATE: QUIET\n",
        "Imaginary 9000",
        "0x11",
        "nohz_full=3",
        "PARTITION fast",
        "level: boot tier",
        "cpus = 3",
        "thp /sys/thp: always -> never",
        "/bin/worker",
        "WORD\n  0000:01:00.0, path device, caller none: received 0 ",
        "longest 10.000 us",
        "prove 12 hours or more",
        "  softirqs "};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        page_has(made_certificate(), texts[i]);
}

/* As a worker wrote them, who may write anything. */
static void loops_are_the_workers_word(void **state)
{
    static struct ae_worker_loop loops[2];
    json_t *json = made_certificate();

    (void)state;
    strcpy(loops[0].name, "control");
    loops[0].cyclic = true;
    loops[0].period_ns = loops[0].bound_ns = 250000;
    loops[0].turns = 240000;
    loops[0].misses = loops[0].last_count = 1;
    loops[0].skipped = 200;
    loops[0].wakeup = (struct ae_loop_times){
        .count = 240000, .p50 = 31, .p99 = 47, .p99_9 = 63, .p99_99 = 127, .max = 50000000};
    loops[0].wakeup.powers[5] = 240000;
    loops[0].last[0] = (struct ae_loop_miss){1500000000, 50000000};
    json_object_set_new(json, "worker_loops", ae_certificate_loops(loops, 1));
    page_has(json_incref(json), "LOOPS, BY THE WORKER'S OWN WORD");
    page_has(json_incref(json), "control: released every 250.000 us, 240000 turns, of which 1 "
                                "missed 250.000 us; 200 releases skipped\n");
    page_has(json_incref(json), "50% 0.031 us, 99% 0.047 us, 99.9% 0.063 us, 99.99% 0.127 us, "
                                "longest 50000.000 us\n            16 ns and more       240000\n");
    page_has(json, "missed 1.500000 s after the loop began, by a turn of 50000.000 us\n");

    memset(loops, 0xff, sizeof(loops));
    strcpy(loops[0].name, "same");
    strcpy(loops[1].name, "same");
    loops[0].cyclic = true;
    loops[1].cyclic = false;
    loops[0].last_count = loops[1].last_count = AE_LOOP_MISSES;
    json = made_certificate();
    json_object_set_new(json, "worker_loops", ae_certificate_loops(loops, 2));
    page_has(json, "9223372036854775807 turns");
    json = made_certificate();
    json_object_set_new(json, "worker_loops", json_pack("[{s:s}]", "loop", "control"));
    refused(json, "kind is missing");
}

/* Those of an earlier format had no names, and are on no page. */
static void frames_are_counted(void **state)
{
    json_t *json = made_certificate();

    (void)state;
    json_object_set_new(json, "ports",
                        json_pack("[{s:s, s:s, s:s, s:b, s:i, s:i, s:i, s:i, s:i, s:i}]", "port",
                                  "0000:01:00.0", "path", "copy", "caller", "owner", "link", 1,
                                  "received_frames", 7, "received_bytes", 420, "sent_frames", 8,
                                  "sent_bytes", 480, "send_full", 3, "send_bad", 0));
    page_has(json_incref(json),
             "FRAMES WHILE QUIET, BY THE WORKER'S OWN WORD\n  0000:01:00.0, path "
             "copy, caller owner: received 7 (420 bytes), sent 8 (480 bytes)\n    send_full ");
    page_has(json_incref(json), "  3\n\n");
    made_change(json, "ports/0/sent_frames", json_integer(-1));
    refused(json, "sent_frames is no whole number from 0 on");
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

/* Puts a text everywhere, also into what nobody looks at. */
static json_t *full_of(const char *text)
{
    static const char *const places[] = {"issued",
                                         "machine/cpu",
                                         "machine/host",
                                         "kernel/release",
                                         "statement",
                                         "limits/+",
                                         "rows/0/means",
                                         "rows/1/row",
                                         "knobs/0/knob",
                                         "knobs/1/quiet/detail",
                                         "partition/name",
                                         "partition/config",
                                         "partition/journal/0/old",
                                         "partition/level",
                                         "worker/program",
                                         "worker/sha256",
                                         "worker/arguments/+",
                                         "command/way",
                                         "command/aether",
                                         "gaps/how",
                                         "machine_identity",
                                         "name",
                                         "nonce",
                                         "worker_output"};
    json_t *json = made_certificate();

    for (size_t i = 1; i < sizeof(places) / sizeof(places[0]); i++)
        made_change(json, places[i], json_string(text));
    made_change(json, "knobs/1/quiet/answer", json_string("no"));
    made_change(json, "machine", json_object());
    json_object_set_new(json_object_get(json, "machine"), text, json_string(text));
    made_change(json, "worker_output", json_pack("{s:[s]}", text, text));
    return json;
}

static void nothing_in_it_steers_a_terminal(void **state)
{
    static const char *const texts[] = {"\x1b[2J\x1b]0;x\x07",
                                        "\xc2\x9b"
                                        "31m",
                                        "\x7f",
                                        "a\nSIGNED AND VERIFIED by x\n",
                                        "a\r\xc2\x85"
                                        "SIGNED",
                                        "\u2028SIGNED",
                                        "\u202esknaht"};
    static const char *const bad[] = {"\x1b", "\x07",   "\xc2\x9b", "\xc2\x85", "\x7f",
                                      "\r",   "\u2028", "\u202e",   "\nSIGNED"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct ae_certificate *certificate;
        char *page = page_of(full_of(texts[i])), *text;

        assert_int_equal(made_parse(&certificate, full_of(texts[i]), &error), 0);
        text = ae_certificate_json(certificate);
        ae_certificate_free(certificate);
        for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
            if (i != 3 && strstr(page, bad[j]))
                fail_msg("text %zu, %zu, comes through:\n%s", i, j, page);
            if (strstr(text, bad[j]))
                fail_msg("text %zu, %zu, comes through:\n%s", i, j, text);
        }
        free(page);
        free(text);
    }
}

/* Only the partition's file has lines, and those are set in. */
static void no_text_adds_a_line(void **state)
{
    char *page = page_of(full_of("a\nSIGNED AND VERIFIED by x\n"));

    (void)state;
    assert_null(strstr(page, "\nSIGNED"));
    free(page);
}

static void an_error_about_it_is_one_plain_line(void **state)
{
    struct ae_certificate *certificate;
    json_t *json = made_certificate();

    (void)state;
    made_change(json, "verdict", json_string("\x1b[2J\nok"));
    assert_int_equal(made_parse(&certificate, json, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "it says '?[2J ok'"));
}

/* ---- Is it the one that was asked for? ---- */

static struct ae_certificate *parsed(json_t *json)
{
    struct ae_certificate *certificate;

    if (made_parse(&certificate, json, &error))
        fail_msg("%s", error.text);
    return certificate;
}

static void put_time(json_t *json, time_t when)
{
    char text[32];
    struct tm utc;

    gmtime_r(&when, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    made_change(json, "issued", json_string(text));
}

/* NULL: it meets the demand; else what the refusal says. */
static void asked_for(json_t *json, struct ae_certificate_demand demand, const char *refusal)
{
    struct ae_certificate *certificate = parsed(json);
    int rc = ae_certificate_meets(certificate, &demand, &error);

    ae_certificate_free(certificate);
    assert_int_equal(rc, refusal ? -ESTALE : 0);
    if (refusal && !strstr(error.text, refusal))
        fail_msg("'%s' does not say '%s'", error.text, refusal);
}

#define DEMAND(...) ((struct ae_certificate_demand){__VA_ARGS__})

static void one_of_another_machine_is_refused(void **state)
{
    json_t *json = made_certificate();

    (void)state;
    asked_for(made_certificate(), DEMAND(.machine = "00112233445546778899aabbccddeeff"), NULL);
    asked_for(made_certificate(), DEMAND(.machine = "00112233-4455-4677-8899-AABBCCDDEEFF"), NULL);
    asked_for(made_certificate(), DEMAND(.machine = "00112233445546778899aabbccddeefe"),
              "of machine 00112233445546778899aabbccddeeff");
    asked_for(made_certificate(), DEMAND(.machine = "00112233445546778899aabbccddeef"),
              "and not of");
    asked_for(made_certificate(), DEMAND(.machine = ""), "and not of");
    made_change(json, "machine_identity", NULL);
    asked_for(json, DEMAND(.machine = "00112233445546778899aabbccddeeff"),
              "does not name its machine");
}

static void a_replayed_one_is_refused(void **state)
{
    json_t *json = made_certificate();

    (void)state;
    asked_for(made_certificate(), DEMAND(.nonce = "4711"), "has no nonce");
    made_change(json, "nonce", json_string("4711"));
    asked_for(json_incref(json), DEMAND(.nonce = "4711"), NULL);
    asked_for(json_incref(json), DEMAND(.nonce = "4712"), "answers another question");
    asked_for(json_incref(json), DEMAND(.nonce = "471"), "answers another question");
    asked_for(json, DEMAND(.nonce = NULL), NULL);
}

static void one_that_is_too_old_is_refused(void **state)
{
    time_t now = time(NULL);
    json_t *json = made_certificate();

    (void)state;
    put_time(json, now - 1000);
    asked_for(json_incref(json), DEMAND(.greatest_age = 2000), NULL);
    asked_for(json_incref(json), DEMAND(.greatest_age = 500), "s ago, and 500 s was the most");
    asked_for(json_incref(json), DEMAND(.greatest_age = 0), NULL);
    put_time(json, now + 100); /* another clock, a little ahead */
    asked_for(json_incref(json), DEMAND(.greatest_age = 500), NULL);
    put_time(json, now + 100000);
    asked_for(json_incref(json), DEMAND(.greatest_age = 500), "still to come");
    asked_for(json, DEMAND(.greatest_age = 0), "still to come");
}

static void a_renamed_one_is_refused(void **state)
{
    json_t *json = made_certificate();

    (void)state;
    made_change(json, "name", json_string("monday.json"));
    asked_for(json_incref(json), DEMAND(.name = "monday.json"), NULL);
    asked_for(json, DEMAND(.name = "today.json"),
              "was issued as monday.json, and not as today.json");
}

static void a_time_is_a_time(void **state)
{
    static const char *const wrong[] = {"",
                                        "today",
                                        "2026-01-02",
                                        "2026-01-02T03:04:05",
                                        "2026-01-02T03:04:05Z ",
                                        " 2026-01-02T03:04:05Z",
                                        "2026-02-31T03:04:05Z",
                                        "2026-1-2T3:4:5Z",
                                        "2026-01-02T03:04:05+01:00"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        json_t *json = made_certificate();

        made_change(json, "issued", json_string(wrong[i]));
        refused(json, "issued is no time");
    }
}

/* ---- Making one, on a made-up machine ---- */

static void put_worker(char run_state, unsigned cpu_time, unsigned faults)
{
    char text[512];

    snprintf(text, sizeof(text), "%d (worker) %c 1 1 1 0 -1 0 %u 0 0 0 %u 0 0 0 20 0 1 0 1 0 0\n",
             PID, run_state, faults, cpu_time);
    made_root_put("/proc/4242/stat", text);
    made_root_put("/proc/4242/status", "Name:\tworker\nvoluntary_ctxt_switches:\t5\n"
                                       "nonvoluntary_ctxt_switches:\t6\n");
}

static void put_counters(unsigned timer)
{
    char text[256];

    snprintf(text, sizeof(text), "      CPU0  CPU1000\nLOC:  9 %u  Local timer interrupts\n",
             timer);
    made_root_put("/proc/interrupts", text);
    made_root_put("/proc/softirqs", "      CPU0  CPU1000\nTIMER:  9 9\n");
    made_root_put("/proc/schedstat", "version 15\ntimestamp 1\ncpu1000 0 0 0 0 0 0 1 2 3\n");
}

static void put_machine(void)
{
    made_root_put("/proc/cpuinfo",
                  "processor\t: 0\nvendor_id\t: Nobody\nmodel\t\t: 7\n"
                  "model name\t: Imaginary 9000\nmicrocode\t: 0x42\nflags\t\t: fpu\n\n"
                  "processor\t: 1\nmodel name\t: Another\n");
    made_root_put("/sys/class/dmi/id/bios_version", "2.71\n");
    made_root_put("/proc/sys/kernel/osrelease", "6.12.1-test\n");
    made_root_put("/proc/cmdline", "root=/dev/nothing nohz_full=1000\n");
    made_root_put("/etc/machine-id", "00112233445566778899aabbccddeeff\n");
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

    json_array_foreach (json_object_get(json, list), i, item)
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
    assert_string_equal(text_at(json, "machine", "cpu_model"), "7");
    assert_string_equal(text_at(json, "machine", "microcode"), "0x42");
    assert_string_equal(text_at(json, "machine", "firmware"), "2.71");
    assert_string_equal(text_at(json, "machine", "product"), "(none)");
    assert_string_equal(text_at(json, "kernel", "command_line"),
                        "root=/dev/nothing nohz_full=1000");
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
    assert_string_equal(json_string_value(json_object_get(row, "because")),
                        "this CPU keeps its tick");
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

/* As `systemd-id128 machine-id --app-specific=14d3b50331fc4941a617dc6ae0bc6bec` says. */
static void a_machine_has_an_identity_that_does_not_give_its_number_away(void **state)
{
    static const char *const none[] = {"uninitialized\n",
                                       "00000000000000000000000000000000\n",
                                       "",
                                       "00112233445566778899aabbccddeef\n",
                                       "00112233445566778899AABBCCDDEEFF\n",
                                       "00112233445566778899aabbccddeeff0\n"};
    char text[33];
    json_t *json;

    (void)state;
    put_machine();
    assert_int_equal(ae_certificate_this_machine(text, &error), 0);
    assert_string_equal(text, "3761c05e2b9a4725872081b6dd344fda");
    json = certify(nothing_happens);
    assert_string_equal(json_string_value(json_object_get(json, "machine_identity")), text);
    json_decref(json);
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        made_root_put("/etc/machine-id", none[i]);
        assert_int_equal(ae_certificate_this_machine(text, &error), -EINVAL);
    }
    json = certify(nothing_happens);
    assert_null(json_object_get(json, "machine_identity"));
    assert_true(list_has(json, "limits", "which machine this is: /etc/machine-id holds no"));
    json_decref(json);
}

/* Whatever a machine says of itself, the certificate can be read again. */
static void what_a_machine_says_is_made_plain(void **state)
{
    struct ae_certificate *certificate;
    json_t *json;

    (void)state;
    put_machine();
    made_root_put("/proc/sys/kernel/hostname", "\x1b[2Jhost\xff\n");
    made_root_put("/sys/class/dmi/id/product_name", "Gr\xfc\xdf"
                                                    "e\n"); /* Latin-1 */
    json = certify(nothing_happens);
    assert_string_equal(text_at(json, "machine", "host"), "?[2Jhost?");
    assert_string_equal(text_at(json, "machine", "product"), "Gr??e");
    assert_int_equal(made_parse(&certificate, json, &error), 0);
    ae_certificate_free(certificate);
}

/* A lack that JSON cannot hold would be a lack that is not named. */
static void a_lack_is_named_in_any_encoding(void **state)
{
    struct ae_certificate *certificate;
    char *text;

    (void)state;
    put_machine();
    assert_int_equal(ae_certificate_begin(&certificate, CPU, NULL, &error), 0);
    ae_certificate_miss(certificate, "the knobs: %s", "\xff\x1b");
    text = ae_certificate_json(certificate);
    assert_non_null(strstr(text, "the knobs: ??"));
    free(text);
    ae_certificate_free(certificate);
}

/* ---- What a worker printed ---- */

/* Issues a certificate with this in it, and reads it again; the JSON of it. */
static json_t *with_output(const char *name, const char *output, int rc)
{
    struct ae_certificate *certificate, *again = NULL;
    struct ae_proof *proof;
    char file[] = "/tmp/aether-output-XXXXXX", name_of_page[64], *text;
    int fd = mkstemp(file);
    json_t *json;

    put_machine();
    assert_int_equal(ae_certificate_begin(&certificate, CPU, NULL, &error), 0);
    assert_int_equal(ae_certificate_add(certificate, name, output), rc);
    assert_int_equal(ae_proof_prepare(&proof, CPU, &error), 0);
    assert_int_equal(ae_proof_begin(proof, PID, &error), 0);
    assert_int_equal(ae_proof_end(proof, &error), 0);
    ae_proof_finish(proof);
    ae_certificate_finish(certificate, proof);
    if (ae_certificate_write(certificate, file, NULL, &error) ||
        ae_certificate_read(&again, file, &error))
        fail_msg("%s", error.text);
    text = ae_certificate_json(again);
    json = json_loads(text, 0, NULL);
    free(text);
    ae_proof_destroy(proof);
    ae_certificate_free(certificate);
    ae_certificate_free(again);
    snprintf(name_of_page, sizeof(name_of_page), "%s.txt", file);
    unlink(name_of_page);
    unlink(file);
    close(fd);
    return json;
}

static void no_output_makes_a_certificate_unreadable(void **state)
{
    const struct {
        char *json;
        const char *limit;
    } cases[] = {
        {repeated("", "[", 33, "", "]", ""), "nested 33 deep"},
        {repeated("", "[", 2000, "", "]", ""), "nested 2000 deep"},
        {repeated("", "{\"a\":", 500, "1", "}", ""), "nested 501 deep"},
        {repeated("[", "[],", 700000, "[]", "", "]"), "are the most here"},
        {repeated("\"", "A", 17 << 20, "", "", "\""), "are the most here"},
    };
    json_t *json;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json = with_output("worker_output", cases[i].json, -E2BIG);
        assert_true(list_has(json, "limits", cases[i].limit));
        assert_null(json_object_get(json, "worker_output"));
        json_decref(json);
        free(cases[i].json);
    }
    json = with_output("worker_output", "{\"a\\u001b\": \"b\\u009b\\n\"}", 0);
    assert_string_equal(text_at(json, "worker_output", "a?"), "b? ");
    json_decref(json);
    /* What its loop told is not what a loop tells. */
    json = with_output("gaps", "{\"measured\": 7}", -EINVAL);
    assert_true(list_has(json, "limits", "gaps: what was told is none"));
    assert_false(json_is_true(json_object_get(json_object_get(json, "gaps"), "measured")));
    json_decref(json);
}

static void a_nonce_is_plain_and_short(void **state)
{
    struct ae_certificate *certificate;
    char text[AE_CERTIFICATE_NONCE + 2];

    (void)state;
    put_machine();
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(ae_certificate_begin(&certificate, CPU, NULL, &error), 0);
    assert_int_equal(ae_certificate_add_nonce(certificate, ""), -EINVAL);
    assert_int_equal(ae_certificate_add_nonce(certificate, "a\nb"), -EINVAL);
    assert_int_equal(ae_certificate_add_nonce(certificate, text), -EINVAL);
    text[AE_CERTIFICATE_NONCE] = '\0';
    assert_int_equal(ae_certificate_add_nonce(certificate, text), 0);
    ae_certificate_free(certificate);
}

static void its_evidence_is_gathered_once(void **state)
{
    struct ae_certificate *certificate;

    (void)state;
    put_machine();
    assert_int_equal(ae_certificate_begin(&certificate, CPU, NULL, &error), 0);
    assert_int_equal(ae_certificate_watch(certificate, getpid(), 1, &error), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ae_certificate_watch(certificate, getpid(), 1, &error), -EALREADY);
    assert_non_null(strstr(error.text, "one stretch of quiet"));
    ae_certificate_free(certificate);
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
        cmocka_unit_test(what_looks_the_same_is_the_same),
        cmocka_unit_test(other_things_are_refused),
        cmocka_unit_test(one_of_an_earlier_format_has_the_same_page),
        cmocka_unit_test(the_page_says_what_matters),
        cmocka_unit_test(loops_are_the_workers_word),
        cmocka_unit_test(frames_are_counted),
        cmocka_unit_test(what_was_not_seen_is_no_number),
        cmocka_unit_test(nothing_in_it_steers_a_terminal),
        cmocka_unit_test(no_text_adds_a_line),
        cmocka_unit_test(an_error_about_it_is_one_plain_line),
        cmocka_unit_test(one_of_another_machine_is_refused),
        cmocka_unit_test(a_replayed_one_is_refused),
        cmocka_unit_test(one_that_is_too_old_is_refused),
        cmocka_unit_test(a_renamed_one_is_refused),
        cmocka_unit_test(a_time_is_a_time),
        cmocka_unit_test_setup_teardown(without_a_trace_nothing_is_called_zero, made_root_begin,
                                        made_root_end),
        cmocka_unit_test_setup_teardown(a_row_says_why_it_counted, made_root_begin, made_root_end),
        cmocka_unit_test_setup_teardown(a_worker_that_is_not_there_is_no_evidence, made_root_begin,
                                        made_root_end),
        cmocka_unit_test_setup_teardown(
            a_machine_has_an_identity_that_does_not_give_its_number_away, made_root_begin,
            made_root_end),
        cmocka_unit_test_setup_teardown(what_a_machine_says_is_made_plain, made_root_begin,
                                        made_root_end),
        cmocka_unit_test_setup_teardown(a_lack_is_named_in_any_encoding, made_root_begin,
                                        made_root_end),
        cmocka_unit_test_setup_teardown(no_output_makes_a_certificate_unreadable, made_root_begin,
                                        made_root_end),
        cmocka_unit_test_setup_teardown(a_nonce_is_plain_and_short, made_root_begin, made_root_end),
        cmocka_unit_test_setup_teardown(its_evidence_is_gathered_once, made_root_begin,
                                        made_root_end),
        cmocka_unit_test_setup_teardown(a_partition_that_is_not_there, made_root_begin,
                                        made_root_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
