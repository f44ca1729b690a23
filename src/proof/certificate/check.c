/* SPDX-License-Identifier: Apache-2.0 */

/* A certificate comes from a file that anybody may have written: its shape is checked once,
 * here. */

#include "proof/certificate/certificate.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

/* A NAME is a text that nothing else in its list has. */
enum kind { TEXT, NAME, TIME, NUMBER, COUNT, TRUTH, OBJECT, TEXTS, OBJECTS, FACTS };

struct member {
    const char *name;
    enum kind kind;
    bool needed;
    const struct member *inside; /* of an OBJECT, or of each of OBJECTS */
};

static const struct member answer_members[] = {
    {"answer", TEXT, true, NULL}, {"detail", TEXT, true, NULL}, {0}};

static const struct member knob_members[] = {{"knob", NAME, true, NULL},
                                             {"tier", TEXT, true, NULL},
                                             {"accepted", OBJECT, true, answer_members},
                                             {"effective", OBJECT, true, answer_members},
                                             {"quiet", OBJECT, true, answer_members},
                                             {0}};

static const struct member row_members[] = {{"row", NAME, true, NULL},
                                            {"count", COUNT, true, NULL},
                                            {"means", TEXT, false, NULL},
                                            {"because", TEXT, false, NULL},
                                            {0}};

static const struct member cause_members[] = {
    {"cause", NAME, true, NULL}, {"times", COUNT, true, NULL}, {0}};

static const struct member journal_members[] = {{"knob", TEXT, true, NULL},
                                                {"target", TEXT, true, NULL},
                                                {"old", TEXT, true, NULL},
                                                {"new", TEXT, true, NULL},
                                                {0}};

static const struct member partition_members[] = {{"name", TEXT, true, NULL},
                                                  {"file", TEXT, true, NULL},
                                                  {"quiet_cpus", TEXT, true, NULL},
                                                  {"config", TEXT, false, NULL},
                                                  {"level", TEXT, false, NULL},
                                                  {"journal", OBJECTS, false, journal_members},
                                                  {0}};

static const struct member worker_members[] = {{"pid", COUNT, true, NULL},
                                               {"program", TEXT, false, NULL},
                                               {"sha256", TEXT, false, NULL},
                                               {"arguments", TEXTS, true, NULL},
                                               {0}};

static const struct member call_members[] = {
    {"call", TEXT, true, NULL}, {"times", COUNT, true, NULL}, {"fate", TEXT, true, NULL}, {0}};

static const struct member calls_members[] = {
    {"quiet", TEXT, true, NULL}, {"calls", OBJECTS, true, call_members}, {0}};

/* Before the fifth format they had no name, and nobody looked at them. */
static const struct member port_members[] = {{"port", TEXT, false, NULL},
                                             {"path", TEXT, false, NULL},
                                             {"caller", TEXT, false, NULL},
                                             {"received_frames", COUNT, false, NULL},
                                             {"received_bytes", COUNT, false, NULL},
                                             {"sent_frames", COUNT, false, NULL},
                                             {"sent_bytes", COUNT, false, NULL},
                                             {0}};

static const struct member power_members[] = {
    {"from_ns", COUNT, true, NULL}, {"times", COUNT, true, NULL}, {0}};

static const struct member times_members[] = {{"count", COUNT, true, NULL},
                                              {"min_ns", COUNT, true, NULL},
                                              {"p50_ns", COUNT, true, NULL},
                                              {"p99_ns", COUNT, true, NULL},
                                              {"p99_9_ns", COUNT, true, NULL},
                                              {"p99_99_ns", COUNT, true, NULL},
                                              {"max_ns", COUNT, true, NULL},
                                              {"histogram", OBJECTS, true, power_members},
                                              {0}};

static const struct member miss_members[] = {
    {"at_ns", COUNT, true, NULL}, {"took_ns", COUNT, true, NULL}, {0}};

static const struct member loop_members[] = {{"loop", TEXT, true, NULL},
                                             {"kind", TEXT, true, NULL},
                                             {"bound_ns", COUNT, true, NULL},
                                             {"turns", COUNT, true, NULL},
                                             {"misses", COUNT, true, NULL},
                                             {"missed", OBJECT, true, times_members},
                                             {"last_misses", OBJECTS, true, miss_members},
                                             {"period_ns", COUNT, false, NULL},
                                             {"skipped", COUNT, false, NULL},
                                             {"wakeup", OBJECT, false, times_members},
                                             {0}};

static const struct member length_members[] = {
    {"from_ns", COUNT, true, NULL}, {"gaps", COUNT, true, NULL}, {0}};

static const struct member gap_members[] = {{"measured", TRUTH, true, NULL},
                                            {"why", TEXT, false, NULL},
                                            {"how", TEXT, false, NULL},
                                            {"seconds", NUMBER, false, NULL},
                                            {"threshold_ns", COUNT, false, NULL},
                                            {"gaps", COUNT, false, NULL},
                                            {"p50_ns", COUNT, false, NULL},
                                            {"p99_ns", COUNT, false, NULL},
                                            {"p99_9_ns", COUNT, false, NULL},
                                            {"longest_ns", COUNT, false, NULL},
                                            {"histogram", OBJECTS, false, length_members},
                                            {0}};

static const struct member command_members[] = {
    {"aether", TEXT, true, NULL}, {"way", TEXT, true, NULL}, {0}};

static const struct member members[] = {{"certificate", COUNT, true, NULL},
                                        {"issued", TIME, true, NULL},
                                        {"verdict", TEXT, true, NULL},
                                        {"statement", TEXT, true, NULL},
                                        {"cpu", COUNT, true, NULL},
                                        {"pid", COUNT, true, NULL},
                                        {"seconds", NUMBER, true, NULL},
                                        {"long_enough", TRUTH, true, NULL},
                                        {"machine", FACTS, true, NULL},
                                        {"kernel", FACTS, true, NULL},
                                        {"partition", OBJECT, true, partition_members},
                                        {"worker", OBJECT, false, worker_members},
                                        {"ports", OBJECTS, false, port_members},
                                        {"system_calls", OBJECT, false, calls_members},
                                        {"worker_loops", OBJECTS, false, loop_members},
                                        {"command", OBJECT, false, command_members},
                                        {"knobs", OBJECTS, false, knob_members},
                                        {"rows", OBJECTS, true, row_members},
                                        {"causes", OBJECTS, true, cause_members},
                                        {"gaps", OBJECT, true, gap_members},
                                        {"limits", TEXTS, true, NULL},
                                        {"not_seen", TEXTS, true, NULL},
                                        {"machine_identity", TEXT, false, NULL},
                                        {"name", TEXT, false, NULL},
                                        {"nonce", TEXT, false, NULL},
                                        {0}};

static int check_members(const json_t *object, const struct member *list, const char *where,
                         struct ae_error *err);

static int wrong(const char *where, const char *name, const char *should, struct ae_error *err)
{
    return ae_error_set(err, -EBADMSG, "no certificate: %s%s is %s", where, name, should);
}

static int check_texts(const json_t *value, const struct member *member, const char *where,
                       struct ae_error *err)
{
    const json_t *text;
    size_t i;

    if (!json_is_array(value))
        return wrong(where, member->name, "not a list", err);
    json_array_foreach (value, i, text)
        if (!json_is_string(text))
            return wrong(where, member->name, "not a list of texts", err);
    return 0;
}

/* Whoever looks for a name in the list has to find the one that is meant. */
static int check_names(const json_t *list, const struct member *member, const char *where,
                       struct ae_error *err)
{
    json_t *seen = json_object();
    const json_t *object;
    int rc = 0;
    size_t i;

    json_array_foreach (list, i, object) {
        const char *name = ae_certificate_text(object, member->name);

        if (!rc && json_object_get(seen, name))
            rc = wrong(where, member->name, "twice the same name", err);
        json_object_set_new(seen, name, json_true());
    }
    json_decref(seen);
    return rc;
}

static int check_objects(const json_t *value, const struct member *member, const char *where,
                         struct ae_error *err)
{
    const json_t *object;
    char path[64];
    int rc = 0;
    size_t i;

    if (!json_is_array(value))
        return wrong(where, member->name, "not a list", err);
    snprintf(path, sizeof(path), "%s, ", member->name);
    json_array_foreach (value, i, object)
        if (!rc)
            rc = check_members(object, member->inside, path, err);
    if (!rc && member->inside->kind == NAME)
        rc = check_names(value, member->inside, path, err);
    return rc;
}

/* Texts and truths under any name: what a machine or kernel tells of itself may grow. */
static int check_facts(const json_t *value, const struct member *member, const char *where,
                       struct ae_error *err)
{
    const char *name;
    json_t *fact;

    if (!json_is_object(value))
        return wrong(where, member->name, "not an object", err);
    json_object_foreach ((json_t *)(size_t)value, name, fact)
        if (!json_is_string(fact) && !json_is_boolean(fact))
            return wrong(where, member->name, "not made of texts", err);
    return 0;
}

static int check_member(const json_t *value, const struct member *member, const char *where,
                        struct ae_error *err)
{
    char path[64];
    int64_t seconds;

    switch (member->kind) {
    case TEXT:
    case NAME:
        return json_is_string(value) ? 0 : wrong(where, member->name, "no text", err);
    case TIME:
        return ae_certificate_parse_time(json_is_string(value) ? json_string_value(value) : "",
                                         &seconds)
                   ? wrong(where, member->name, "no time such as 2026-01-02T03:04:05Z", err)
                   : 0;
    case NUMBER:
        return json_is_number(value) && json_number_value(value) >= 0
                   ? 0
                   : wrong(where, member->name, "no number from 0 on", err);
    case COUNT:
        return json_is_integer(value) && json_integer_value(value) >= 0
                   ? 0
                   : wrong(where, member->name, "no whole number from 0 on", err);
    case TRUTH:
        return json_is_boolean(value) ? 0
                                      : wrong(where, member->name, "neither true nor false", err);
    case TEXTS:
        return check_texts(value, member, where, err);
    case OBJECTS:
        return check_objects(value, member, where, err);
    case FACTS:
        return check_facts(value, member, where, err);
    case OBJECT:
        break;
    }
    if (json_is_null(value))
        return 0; /* there is none, and it says so */
    snprintf(path, sizeof(path), "%s, ", member->name);
    return check_members(value, member->inside, path, err);
}

static int check_members(const json_t *object, const struct member *list, const char *where,
                         struct ae_error *err)
{
    if (!json_is_object(object))
        return wrong(where, "this", "not an object", err);
    for (; list->name; list++) {
        const json_t *value = json_object_get(object, list->name);
        int rc;

        if (!value && !list->needed)
            continue;
        if (!value)
            return wrong(where, list->name, "missing", err);
        rc = check_member(value, list, where, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* The verdict is no more than what the counts add up to. */
static int check_verdict(const json_t *all, struct ae_error *err)
{
    const char *stated = ae_certificate_text(all, "verdict");
    const char *due = ae_proof_verdict_name(ae_certificate_judge(all));

    if (strcmp(stated, due) == 0)
        return 0;
    return ae_error_set(err, -EBADMSG,
                        "this certificate contradicts itself: it says '%.20s', and what it counts "
                        "comes to '%s'",
                        stated, due);
}

static int check_length(const json_t *all, struct ae_error *err)
{
    bool due = json_number_value(json_object_get(all, "seconds")) >= AE_CERTIFICATE_SECONDS;

    if (json_is_true(json_object_get(all, "long_enough")) == due)
        return 0;
    return ae_error_set(err, -EBADMSG,
                        "this certificate contradicts itself: what it says of how long "
                        "it has to last is not what its seconds come to");
}

int ae_certificate_check_one(const char *name, const json_t *value, struct ae_error *err)
{
    for (const struct member *member = members; member->name; member++)
        if (strcmp(member->name, name) == 0)
            return check_member(value, member, "", err);
    return 0;
}

int ae_certificate_check(const json_t *all, struct ae_error *err)
{
    json_int_t schema = json_integer_value(json_object_get(all, "certificate"));
    int rc;

    if (json_is_object(all) && json_is_integer(json_object_get(all, "certificate")) &&
        (schema < 1 || schema > AE_CERTIFICATE_SCHEMA))
        return ae_error_set(err, -EBADMSG,
                            "this certificate has format %lld; this program reads formats 1 to %d",
                            (long long)schema, AE_CERTIFICATE_SCHEMA);
    rc = check_members(all, members, "", err);
    if (!rc)
        rc = check_length(all, err);
    return rc ? rc : check_verdict(all, err);
}
