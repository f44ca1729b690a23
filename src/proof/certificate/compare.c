/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A certificate against an earlier one of the same setup. Worse is: a counter that no longer stands
 * still, a longer gap, a knob that lost an answer, and evidence that was there and is not. What may
 * have caused it - kernel, firmware, configuration - is listed, and is neither good nor bad.
 */

#include "proof/certificate/compare.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include <aether/port.h>

#define COUNTS_APART 3 /* counts of rare things differ by chance */

/* The object of a list whose member `key` is `value`. */
static const json_t *find(const json_t *list, const char *key, const char *value)
{
    const json_t *item;
    size_t i;

    json_array_foreach (list, i, item)
        if (strcmp(ae_certificate_text(item, key), value) == 0)
            return item;
    return NULL;
}

static uint64_t count(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static double seconds(const json_t *all)
{
    double value = json_number_value(json_object_get(all, "seconds"));

    return value > 0 ? value : 1e-9;
}

/* ---- Counters ---- */

/* An interrupt with a number comes and goes with its device; the other rows belong to the
 * kernel. */
static bool belongs_to_device(const char *row)
{
    return strncmp(row, "irq:", 4) == 0 && isdigit((unsigned char)row[4]);
}

static void compare_row(struct ae_compare *compare, const char *name, const json_t *before,
                        const json_t *after)
{
    uint64_t was = count(before, "count"), is = count(after, "count");
    double factor = 1 + compare->tolerance.percent / 100;
    double was_rate = (double)was / seconds(compare->before);
    double is_rate = (double)is / seconds(compare->after);
    double chance = COUNTS_APART / seconds(compare->after);

    if (was == 0 && is > 0)
        ae_compare_tell(compare, AE_CERTIFICATE_WORSE,
                        "%s stood still%s, and now counts %" PRIu64 " (%.3g a second)", name,
                        before ? "" : " or was not there", is, is_rate);
    else if (is_rate > was_rate * factor + chance)
        ae_compare_tell(compare, AE_CERTIFICATE_WORSE, "%s: %.3g a second, was %.3g", name, is_rate,
                        was_rate);
    else if (is == 0 && was > 0)
        ae_compare_tell(compare, AE_CERTIFICATE_BETTER, "%s stands still, and counted %" PRIu64,
                        name, was);
    else if (was_rate > is_rate * factor + COUNTS_APART / seconds(compare->before))
        ae_compare_tell(compare, AE_CERTIFICATE_BETTER, "%s: %.3g a second, was %.3g", name,
                        is_rate, was_rate);
}

static void compare_rows(struct ae_compare *compare)
{
    const json_t *before = json_object_get(compare->before, "rows"), *row;
    const json_t *after = json_object_get(compare->after, "rows");
    size_t i;

    json_array_foreach (before, i, row) {
        const char *name = ae_certificate_text(row, "row");

        if (!find(after, "row", name) && !belongs_to_device(name))
            ae_compare_tell(compare, AE_CERTIFICATE_WORSE, "evidence missing: the counter %s",
                            name);
    }
    json_array_foreach (after, i, row) {
        const char *name = ae_certificate_text(row, "row");

        compare_row(compare, name, find(before, "row", name), row);
    }
}

static void compare_causes(struct ae_compare *compare)
{
    const json_t *before = json_object_get(compare->before, "causes"), *cause;
    size_t i;

    json_array_foreach (json_object_get(compare->after, "causes"), i, cause)
        if (!find(before, "cause", ae_certificate_text(cause, "cause")))
            ae_compare_tell(compare, AE_CERTIFICATE_WORSE,
                            "a cause that was not there: %s, %" PRIu64 " times",
                            ae_certificate_text(cause, "cause"), count(cause, "times"));
}

/* ---- Evidence ---- */

/* Texts are "WHAT: WHY"; the same what for another reason is the same lack. */
static bool has_what(const json_t *list, const char *text)
{
    size_t length = strcspn(text, ":"), i;
    const json_t *item;

    json_array_foreach (list, i, item) {
        const char *other = json_string_value(item);

        if (strcspn(other, ":") == length && strncmp(other, text, length) == 0)
            return true;
    }
    return false;
}

static void compare_lacks(struct ae_compare *compare, const char *list, const char *title)
{
    const json_t *before = json_object_get(compare->before, list), *text;
    const json_t *after = json_object_get(compare->after, list);
    size_t i;

    json_array_foreach (after, i, text)
        if (!has_what(before, json_string_value(text)))
            ae_compare_tell(compare, AE_CERTIFICATE_WORSE, "%s: %s", title,
                            json_string_value(text));
    json_array_foreach (before, i, text)
        if (!has_what(after, json_string_value(text)))
            ae_compare_tell(compare, AE_CERTIFICATE_BETTER, "no longer %s: %s", title,
                            json_string_value(text));
}

static void compare_answer(struct ae_compare *compare, const char *name, const char *question,
                           const json_t *before, const json_t *after)
{
    const char *was = ae_certificate_text(json_object_get(before, question), "answer");
    const json_t *now = json_object_get(after, question);
    const char *is = ae_certificate_text(now, "answer");
    bool lost = strcmp(is, "no") == 0 || strcmp(was, "yes") == 0;

    if (strcmp(was, is) != 0)
        ae_compare_tell(compare,
                        lost                     ? AE_CERTIFICATE_WORSE
                        : strcmp(is, "yes") == 0 ? AE_CERTIFICATE_BETTER
                                                 : AE_CERTIFICATE_CHANGED,
                        "knob %s, %s: %s, was %s (%s)", name, question, is, was,
                        ae_certificate_text(now, "detail"));
}

static void compare_knobs(struct ae_compare *compare)
{
    static const char *const questions[] = {"accepted", "effective", "quiet"};
    const json_t *after = json_object_get(compare->after, "knobs"), *knob;
    size_t i;

    json_array_foreach (json_object_get(compare->before, "knobs"), i, knob) {
        const char *name = ae_certificate_text(knob, "knob");
        const json_t *now = find(after, "knob", name);

        if (!now)
            ae_compare_tell(compare, AE_CERTIFICATE_WORSE, "evidence missing: the knob %s", name);
        for (size_t j = 0; now && j < sizeof(questions) / sizeof(questions[0]); j++)
            compare_answer(compare, name, questions[j], knob, now);
    }
}

static unsigned rank(const char *level)
{
    for (unsigned i = AE_LEVEL_NONE; i <= AE_LEVEL_BOOT; i++)
        if (strcmp(level, ae_level_name((enum ae_level)i)) == 0)
            return i;
    return 0;
}

static void compare_level(struct ae_compare *compare)
{
    const char *was = ae_certificate_text(json_object_get(compare->before, "partition"), "level");
    const char *is = ae_certificate_text(json_object_get(compare->after, "partition"), "level");

    if (rank(was) != rank(is))
        ae_compare_tell(
            compare, rank(is) < rank(was) ? AE_CERTIFICATE_WORSE : AE_CERTIFICATE_BETTER,
            "the partition's level: %s, was %s", *is ? is : "not seen", *was ? was : "not seen");
}

/* ---- Ports ---- */

/* The later in their enum, the slower the path, and the nearer the caller to the worker. */
static unsigned path_place(const char *name)
{
    unsigned place = AE_PATH_DEVICE;

    while (place <= AE_PATH_KERNEL && strcmp(ae_path_name((enum ae_path)place), name) != 0)
        place++;
    return place;
}

static unsigned caller_place(const char *name)
{
    unsigned place = AE_CALLER_NONE;

    while (place <= AE_CALLER_WORKER && strcmp(ae_caller_name((enum ae_caller)place), name) != 0)
        place++;
    return place;
}

static void compare_field(struct ae_compare *compare, const char *field, const json_t *before,
                          const json_t *after, unsigned (*place)(const char *name))
{
    const char *was = ae_certificate_text(before, field), *is = ae_certificate_text(after, field);

    if (*was && strcmp(was, is) != 0)
        ae_compare_tell(compare,
                        place(is) > place(was) ? AE_CERTIFICATE_WORSE : AE_CERTIFICATE_BETTER,
                        "port %s, %s: %s, was %s", ae_certificate_text(after, "port"), field,
                        *is ? is : "not told", was);
}

/* In the order in which the worker was given them. */
static void compare_ports(struct ae_compare *compare)
{
    const json_t *before = json_object_get(compare->before, "ports"), *port;
    size_t i;

    json_array_foreach (json_object_get(compare->after, "ports"), i, port) {
        compare_field(compare, "path", json_array_get(before, i), port, path_place);
        compare_field(compare, "caller", json_array_get(before, i), port, caller_place);
    }
}

/* ---- Gaps ---- */

static void compare_length(struct ae_compare *compare, const char *title, const char *name)
{
    const json_t *before = json_object_get(compare->before, "gaps");
    const json_t *after = json_object_get(compare->after, "gaps");
    double was = (double)count(before, name) / 1000, is = (double)count(after, name) / 1000;
    double factor = 1 + compare->tolerance.percent / 100, apart = compare->tolerance.gap_us;

    if (is > was * factor && is > was + apart)
        ae_compare_tell(compare, AE_CERTIFICATE_WORSE, "%s: %.3f us, was %.3f us", title, is, was);
    else if (was > is * factor && was > is + apart)
        ae_compare_tell(compare, AE_CERTIFICATE_BETTER, "%s: %.3f us, was %.3f us", title, is, was);
}

static void compare_gaps(struct ae_compare *compare)
{
    const json_t *before = json_object_get(compare->before, "gaps");
    const json_t *after = json_object_get(compare->after, "gaps");

    if (!json_is_true(json_object_get(before, "measured")))
        return;
    if (!json_is_true(json_object_get(after, "measured"))) {
        ae_compare_tell(compare, AE_CERTIFICATE_WORSE,
                        "evidence missing: gaps are not measured: %s",
                        ae_certificate_text(after, "why"));
    } else if (count(before, "threshold_ns") != count(after, "threshold_ns") ||
               strcmp(ae_certificate_text(before, "how"), ae_certificate_text(after, "how")) != 0) {
        ae_compare_tell(compare, AE_CERTIFICATE_CHANGED,
                        "gaps are measured in another way (%s, over %" PRIu64
                        " ns; was %s, over %" PRIu64 " ns), and not compared",
                        ae_certificate_text(after, "how"), count(after, "threshold_ns"),
                        ae_certificate_text(before, "how"), count(before, "threshold_ns"));
    } else {
        compare_length(compare, "half of the gaps are up to", "p50_ns");
        compare_length(compare, "99% of the gaps are up to", "p99_ns");
        compare_length(compare, "99.9% of the gaps are up to", "p99_9_ns");
        compare_length(compare, "the longest gap", "longest_ns");
    }
}

static void compare_verdict(struct ae_compare *compare)
{
    const char *was = ae_certificate_text(compare->before, "verdict");
    const char *is = ae_certificate_text(compare->after, "verdict");

    if (strcmp(was, is) != 0)
        ae_compare_tell(compare,
                        strcmp(is, "quiet") == 0    ? AE_CERTIFICATE_BETTER
                        : strcmp(was, "quiet") == 0 ? AE_CERTIFICATE_WORSE
                                                    : AE_CERTIFICATE_CHANGED,
                        "the verdict: %s, was %s", is, was);
}

unsigned ae_certificate_compare(const struct ae_certificate *before,
                                const struct ae_certificate *after,
                                const struct ae_certificate_tolerance *tolerance,
                                void (*report)(enum ae_certificate_change change, const char *text,
                                               void *context),
                                void *context)
{
    struct ae_compare compare = {
        .before = before->all, .after = after->all, .report = report, .context = context};

    if (tolerance)
        compare.tolerance = *tolerance;
    if (compare.tolerance.percent <= 0)
        compare.tolerance.percent = 20;
    if (compare.tolerance.gap_us <= 0)
        compare.tolerance.gap_us = 1;
    compare_verdict(&compare);
    compare_rows(&compare);
    compare_causes(&compare);
    compare_lacks(&compare, "not_seen", "not seen");
    compare_lacks(&compare, "limits", "said to be a limit");
    compare_level(&compare);
    compare_knobs(&compare);
    compare_ports(&compare);
    compare_gaps(&compare);
    ae_compare_surroundings(&compare);
    return compare.worse;
}
