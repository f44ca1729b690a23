/* SPDX-License-Identifier: Apache-2.0 */

/* Made from a proof: begun before the worker runs, added to meanwhile, and put together at the
 * end. */

#include "proof/certificate/certificate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "proof/proof_tell.h"

/* Of what the caller adds, so that all of it stays below AE_CERTIFICATE_MOST and can be read
 * again. */
#define ADDED_MOST  (1 << 20)
#define ADDED_DEPTH 32

static int choose_partition(struct ae_certificate *certificate, const char *name,
                            struct ae_error *err)
{
    if (!name && ae_partition_applied_on(certificate->cpu, certificate->partition, NULL)) {
        json_object_set_new(certificate->all, "partition", json_null());
        return 0;
    }
    if (name && strlen(name) >= sizeof(certificate->partition))
        return ae_error_set(err, -ENOENT, "there is no partition '%s'", name);
    if (name)
        strcpy(certificate->partition, name);
    return ae_certificate_add_partition(certificate, err);
}

static void add_identity(struct ae_certificate *certificate)
{
    char text[33];
    struct ae_error err;

    if (ae_certificate_this_machine(text, &err))
        ae_certificate_limit(certificate, "which machine this is: %s", err.text);
    else
        json_object_set_new(certificate->all, "machine_identity", json_string(text));
}

int ae_certificate_begin(struct ae_certificate **out, int cpu, const char *partition,
                         struct ae_error *err)
{
    struct ae_certificate *certificate = calloc(1, sizeof(*certificate));
    int rc;

    if (!certificate || !(certificate->all = json_object())) {
        free(certificate);
        return ae_error_set(err, -ENOMEM, "making a certificate: out of memory");
    }
    certificate->cpu = cpu;
    certificate->watch_fd = -1;
    json_object_set_new(certificate->all, "certificate", json_integer(AE_CERTIFICATE_SCHEMA));
    json_object_set_new(certificate->all, "limits", json_array());
    json_object_set_new(certificate->all, "not_seen", json_array());
    ae_certificate_add_machine(certificate);
    add_identity(certificate);
    rc = choose_partition(certificate, partition, err);
    if (rc)
        ae_certificate_free(certificate);
    else
        *out = certificate;
    return rc;
}

int ae_certificate_add_nonce(struct ae_certificate *certificate, const char *nonce)
{
    if (!ae_certificate_is_nonce(nonce))
        return -EINVAL;
    return json_object_set_new(certificate->all, "nonce", json_string(nonce)) ? -ENOMEM : 0;
}

static size_t depth_of(const json_t *value)
{
    size_t deepest = 0, i, depth;
    const char *name;
    json_t *item;

    json_array_foreach (value, i, item) {
        depth = depth_of(item);
        deepest = depth > deepest ? depth : deepest;
    }
    json_object_foreach ((json_t *)(size_t)value, name, item) {
        depth = depth_of(item);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

/* A worker that could make its certificate unreadable would be rid of it. */
static int check_added(struct ae_certificate *certificate, const char *name, const json_t *value)
{
    size_t length, depth = depth_of(value);
    struct ae_error err;

    if (depth > ADDED_DEPTH) {
        ae_certificate_limit(certificate, "%s: it is nested %zu deep, and %d is the most here",
                             name, depth, ADDED_DEPTH);
        return -E2BIG;
    }
    length = json_dumpb(value, NULL, 0, JSON_INDENT(2) | JSON_ENCODE_ANY);
    if (length > ADDED_MOST) {
        ae_certificate_limit(certificate, "%s: it has %zu bytes, and %d are the most here", name,
                             length, ADDED_MOST);
        return -E2BIG;
    }
    if (ae_certificate_check_one(name, value, &err)) {
        ae_certificate_limit(certificate, "%s: what was told is none: %s", name, err.text);
        return -EINVAL;
    }
    return 0;
}

int ae_certificate_add_value(struct ae_certificate *certificate, const char *name, json_t *value)
{
    static const char *const names[] = {"command",      "gaps",         "ports",
                                        "system_calls", "worker_loops", "worker_output"};
    int rc = -EINVAL;

    for (size_t i = 0; value && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        rc = check_added(certificate, name, value);
        if (!rc)
            return json_object_set_new(certificate->all, name, value) ? -ENOMEM : 0;
        break;
    }
    json_decref(value);
    return rc;
}

int ae_certificate_add(struct ae_certificate *certificate, const char *name, const char *json)
{
    return ae_certificate_add_value(certificate, name, json_loads(json, JSON_DECODE_ANY, NULL));
}

static void add_proof(struct ae_certificate *certificate, const struct ae_proof *proof)
{
    static const char *const taken[] = {"cpu", "pid", "seconds", "rows", "causes"};
    json_t *all = ae_proof_object(proof);

    if (!all)
        ae_certificate_miss(certificate, "the counts: there was no memory to put them down");
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        json_object_set(certificate->all, taken[i], json_object_get(all, taken[i]));
    json_array_extend(json_object_get(certificate->all, "not_seen"),
                      json_object_get(all, "not_seen"));
    json_array_extend(json_object_get(certificate->all, "limits"), json_object_get(all, "notes"));
    json_decref(all);
}

/* "interrupts 12", or that nobody could look: a sum of no rows is no number. */
static void add_sum(char *text, size_t size, const json_t *all, const char *title,
                    const char *prefix)
{
    size_t used = strlen(text), seen = 0, i;
    uint64_t sum = 0;
    json_t *row;

    json_array_foreach (json_object_get(all, "rows"), i, row) {
        if (strncmp(ae_certificate_text(row, "row"), prefix, strlen(prefix)) != 0)
            continue;
        seen++;
        sum += (uint64_t)json_integer_value(json_object_get(row, "count"));
    }
    if (seen)
        snprintf(text + used, size - used, "%s %" PRIu64, title, sum);
    else
        snprintf(text + used, size - used, "%s not seen", title);
}

/* The one sentence that people quote, so it must not say more than was seen. */
static void add_statement(struct ae_certificate *certificate, enum ae_proof_verdict verdict)
{
    const json_t *all = certificate->all;
    double seconds = json_number_value(json_object_get(all, "seconds"));
    char text[512];

    if (verdict == AE_PROOF_QUIET) {
        snprintf(text, sizeof(text),
                 "For %.3f s CPU %d had zero interrupts, zero softirqs, zero context switches and "
                 "zero faults; %zu counters stood still.",
                 seconds, certificate->cpu, json_array_size(json_object_get(all, "rows")));
    } else if (verdict == AE_PROOF_DISTURBED) {
        snprintf(text, sizeof(text), "In %.3f s CPU %d was disturbed: ", seconds, certificate->cpu);
        add_sum(text, sizeof(text), all, "interrupts", "irq:");
        add_sum(text, sizeof(text), all, ", softirqs", "softirq:");
        add_sum(text, sizeof(text), all, ", tasks put on the CPU", "sched:");
        add_sum(text, sizeof(text), all, ", switches, faults and migrations of the worker",
                "task:");
        if (ae_certificate_worker_calls(all))
            strcat(text, "; the worker itself made system calls for its frames");
    } else {
        snprintf(text, sizeof(text),
                 "This does not say that CPU %d was quiet: nothing was seen that disturbed it in "
                 "%.3f s, but not everything could be seen.",
                 certificate->cpu, seconds);
    }
    json_object_set_new(certificate->all, "statement", json_string(text));
}

static void add_time(struct ae_certificate *certificate)
{
    double seconds = json_number_value(json_object_get(certificate->all, "seconds"));
    time_t now = time(NULL);
    char text[32] = "";
    struct tm utc;

    if (gmtime_r(&now, &utc))
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    json_object_set_new(certificate->all, "issued", json_string(text));
    json_object_set_new(certificate->all, "long_enough",
                        json_boolean(seconds >= AE_CERTIFICATE_SECONDS));
}

enum ae_proof_verdict ae_certificate_finish(struct ae_certificate *certificate,
                                            const struct ae_proof *proof)
{
    enum ae_proof_verdict verdict;

    add_proof(certificate, proof);
    ae_certificate_watched(certificate, ae_proof_end_ticks(proof));
    if (!certificate->partition[0])
        ae_certificate_limit(certificate,
                             "no applied partition has CPU %d, so there is no evidence per knob",
                             certificate->cpu);
    if (!json_object_get(certificate->all, "gaps"))
        ae_certificate_add(certificate, "gaps",
                           "{\"measured\": false, \"why\": \"not asked for\"}");
    ae_certificate_add_reasons(certificate);
    verdict = ae_certificate_judge(certificate->all);
    json_object_set_new(certificate->all, "verdict", json_string(ae_proof_verdict_name(verdict)));
    add_statement(certificate, verdict);
    add_time(certificate);
    ae_certificate_make_plain(certificate->all);
    return verdict;
}
