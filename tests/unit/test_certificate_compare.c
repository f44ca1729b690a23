/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "made_certificate.h"

static char told[16384];

static void tell(enum ae_certificate_change change, const char *text, void *context)
{
    static const char *const words[] = {"changed", "better", "worse"};
    size_t used = strlen(told);

    (void)context;
    snprintf(told + used, sizeof(told) - used, "%s: %s\n", words[change], text);
}

/* Takes both over; returns how many are worse. */
static unsigned compare(json_t *before, json_t *after)
{
    struct ae_certificate *old = NULL, *new = NULL;
    struct ae_error error;
    unsigned worse;

    told[0] = '\0';
    if (made_parse(&old, before, &error) || made_parse(&new, after, &error))
        fail_msg("%s", error.text);
    worse = ae_certificate_compare(old, new, NULL, tell, NULL);
    ae_certificate_free(old);
    ae_certificate_free(new);
    return worse;
}

struct change {
    const char *path;
    const char *json; /* NULL: removed */
    const char *text; /* what must be told */
    unsigned worse;   /* how much of it */
};

static json_t *changed(const struct change *change)
{
    json_t *json = made_certificate();

    made_change(json, change->path,
                change->json ? json_loads(change->json, JSON_DECODE_ANY, NULL) : NULL);
    /* The verdict follows. */
    if (strncmp(change->text, "worse: not seen", 15) == 0)
        made_change(json, "verdict", json_string("incomplete"));
    else if (strncmp(change->path, "rows/", 5) == 0 && change->json)
        made_change(json, "verdict", json_string("disturbed"));
    else if (strncmp(change->path, "causes/", 7) == 0)
        made_change(json, "verdict", json_string("disturbed"));
    return json;
}

static const struct change changes[] = {
    {"rows/0/count", "60", "worse: irq:LOC stood still, and now counts 60 (1 a second)", 2},
    {"rows/+", "{\"row\": \"irq:77\", \"count\": 1}",
     "worse: irq:77 stood still or was not there, and now counts 1", 2},
    {"rows/0", NULL, "worse: evidence missing: the counter irq:LOC", 1},
    {"rows/3", NULL, "worse: evidence missing: the counter sched:slices", 1},
    {"rows/1", NULL, "", 0}, /* an interrupt of a device that is gone */
    {"causes/+", "{\"cause\": \"syscall 3\", \"times\": 2}",
     "worse: a cause that was not there: syscall 3, 2 times", 2},
    {"not_seen/+", "\"system calls: locked down\"", "worse: not seen: system calls", 2},
    {"limits/+", "\"the tick: it stays\"", "worse: said to be a limit: the tick", 1},
    {"knobs/0/effective/answer", "\"no\"", "worse: knob tick, effective: no, was yes", 1},
    {"knobs/0/quiet/answer", "\"unseen\"", "worse: knob tick, quiet: unseen, was yes", 1},
    {"knobs/1/accepted/answer", "\"off\"", "worse: knob thp, accepted: off, was yes", 1},
    {"knobs/1", NULL, "worse: evidence missing: the knob thp", 1},
    {"partition/level", "\"run-time tier\"",
     "worse: the partition's level: run-time tier, was boot tier", 1},
    {"partition/level", NULL, "worse: the partition's level: not seen, was boot tier", 1},
    {"gaps", "{\"measured\": false, \"why\": \"busy\"}",
     "worse: evidence missing: gaps are not measured: busy", 1},
    {"gaps/p99_ns", "9000", "worse: 99% of the gaps are up to: 9.000 us, was 5.000 us", 1},
    {"gaps/p99_ns", "5900", "", 0}, /* within 20 % */
    {"gaps/p50_ns", "2900", "", 0}, /* more than 20 %, but less than 1 us */
    {"gaps/longest_ns", "12001", "worse: the longest gap: 12.001 us, was 10.000 us", 1},
    {"gaps/longest_ns", "5000", "better: the longest gap: 5.000 us, was 10.000 us", 0},
    {"gaps/threshold_ns", "5000", "changed: gaps are measured in another way", 0},
    {"kernel/release", "\"6.12.0\"", "changed: release: 6.12.0, was 6.1.0-1", 0},
    {"kernel/command_line", "\"quiet isolcpus=3 mitigations=off\"",
     "changed: the kernel's command line: without nohz_full=3\n"
     "changed: the kernel's command line: with mitigations=off\n",
     0},
    {"kernel/boot_id", "\"b\"", "", 0},
    {"machine/firmware", "\"1.1\"", "changed: firmware: 1.1, was 1.0", 0},
    {"machine/microcode", "\"0x12\"", "changed: microcode: 0x12, was 0x11", 0},
    {"machine/firmware", NULL, "changed: firmware: not told, was 1.0", 0},
    {"partition/config", "\"[partition]\\ncpus = 3\\nthp = off\\n\"",
     "changed: the partition's file: with thp = off\n", 0},
    {"ports/0/path", "\"copy\"", "worse: port 0000:01:00.0, path: copy, was device", 1},
    {"ports/0/caller", "\"owner\"", "worse: port 0000:01:00.0, caller: owner, was none", 1},
    {"ports/0/caller", NULL, "worse: port 0000:01:00.0, caller: not told, was none", 1},
    {"worker/sha256", "\"01\"", "changed: the worker's SHA-256: 01, was 00", 0},
    {"worker/arguments", "[\"worker\", \"-v\"]", "changed: the worker has other arguments", 0},
    {"seconds", "30.0", "changed: it lasted 30.000 s, was 60.000 s", 0},
};

static void it_is_no_worse_than_itself(void **state)
{
    (void)state;
    assert_int_equal(compare(made_certificate(), made_certificate()), 0);
    assert_string_equal(told, "");
}

static void each_change_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        unsigned worse = compare(made_certificate(), changed(&changes[i]));

        if (worse != changes[i].worse || !strstr(told, changes[i].text) ||
            (!changes[i].text[0] && told[0]))
            fail_msg("%s: %u worse, and not %u with '%s':\n%s", changes[i].path, worse,
                     changes[i].worse, changes[i].text, told);
    }
}

/* The other way round nothing is worse but what differs without an order. */
static void what_got_better_is_not_worse(void **state)
{
    static const char *const paths[] = {"rows/0/count",
                                        "causes/+",
                                        "not_seen/+",
                                        "limits/+",
                                        "knobs/0/effective/answer",
                                        "partition/level",
                                        "gaps/p99_ns",
                                        "ports/0/path",
                                        "ports/0/caller"};

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
        for (size_t j = 0; j < sizeof(paths) / sizeof(paths[0]); j++)
            if (strcmp(changes[i].path, paths[j]) == 0)
                assert_int_equal(compare(changed(&changes[i]), made_certificate()), 0);
}

static json_t *counting(int count, double seconds)
{
    json_t *json = made_certificate();

    made_change(json, "rows/0/count", json_integer(count));
    made_change(json, "seconds", json_real(seconds));
    made_change(json, "verdict", json_string("disturbed"));
    return json;
}

static void counts_are_compared_by_the_second(void **state)
{
    (void)state;
    assert_int_equal(compare(counting(1000, 10), counting(6000, 60)), 0);
    assert_int_equal(compare(counting(1000, 10), counting(1150, 10)), 0);
    assert_int_equal(compare(counting(1000, 10), counting(1300, 10)), 1);
    assert_non_null(strstr(told, "worse: irq:LOC: 130 a second, was 100"));
    assert_int_equal(compare(counting(1, 60), counting(3, 60)), 0); /* by chance */
    assert_int_equal(compare(counting(1000, 10), counting(100, 10)), 0);
    assert_non_null(strstr(told, "better: irq:LOC"));
}

static void the_tolerance_is_the_callers(void **state)
{
    const struct ae_certificate_tolerance wide = {.percent = 100, .gap_us = 50};
    const struct change change = {"gaps/longest_ns", "21000", "", 0};
    struct ae_certificate *old, *new;
    struct ae_error error;

    (void)state;
    assert_int_equal(made_parse(&old, made_certificate(), &error), 0);
    assert_int_equal(made_parse(&new, changed(&change), &error), 0);
    assert_int_equal(ae_certificate_compare(old, new, NULL, NULL, NULL), 1);
    assert_int_equal(ae_certificate_compare(old, new, &wide, NULL, NULL), 0);
    ae_certificate_free(old);
    ae_certificate_free(new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_no_worse_than_itself),
        cmocka_unit_test(each_change_is_told),
        cmocka_unit_test(what_got_better_is_not_worse),
        cmocka_unit_test(counts_are_compared_by_the_second),
        cmocka_unit_test(the_tolerance_is_the_callers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
