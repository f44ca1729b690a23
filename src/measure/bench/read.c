/* SPDX-License-Identifier: Apache-2.0 */

/* A benchmark's file: its shape is checked by a table, then what one member says of another. */

#include "measure/bench/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "measure/bench/format.h"
#include "proof/certificate/certificate.h"

const char *ae_bench_text(const json_t *object, const char *name)
{
    return ae_certificate_text(object, name);
}

static uint64_t count_of(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static enum ae_bench_host host_of(const json_t *object)
{
    return strcmp(ae_bench_text(object, "host"), ae_bench_hosts[AE_BENCH_NOISY]) == 0
               ? AE_BENCH_NOISY
               : AE_BENCH_QUIET;
}

/* ---- Wires, contenders, rounds ---- */

static int find_wire(const struct ae_bench *bench, const char *name)
{
    size_t i;
    json_t *wire;

    json_array_foreach (bench->wires, i, wire)
        if (strcmp(ae_bench_text(wire, "name"), name) == 0)
            return (int)i;
    return -1;
}

static int find_contender(const struct ae_bench *bench, const char *name)
{
    for (unsigned i = 0; i < bench->contender_count; i++)
        if (strcmp(bench->contenders[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int take_contenders(struct ae_bench *bench, struct ae_error *err)
{
    size_t i;
    json_t *one;

    json_array_foreach (json_object_get(bench->all, "contenders"), i, one) {
        const char *name = ae_bench_text(one, "name"), *wire_name = ae_bench_text(one, "wire");
        int wire = find_wire(bench, wire_name);

        if (find_contender(bench, name) >= 0)
            return ae_error_set(err, -EBADMSG, "contenders[%zu]: '%s' is there twice", i, name);
        if (wire < 0)
            return ae_error_set(err, -EBADMSG, "contenders[%zu].wire: there is no wire '%s'", i,
                                wire_name);
        bench->contenders[bench->contender_count++] = (struct ae_bench_contender){
            .name = name,
            .title = ae_bench_text(one, "title"),
            .path = ae_bench_text(one, "path"),
            .caller = ae_bench_text(one, "caller"),
            .why = ae_bench_text(one, "why"),
            .wire = (unsigned)wire,
            .runs = json_is_true(json_object_get(one, "runs")),
        };
    }
    return 0;
}

/* Numbers rise, so that none is there twice. */
static int take_round_numbers(struct ae_bench *bench, struct ae_error *err)
{
    uint64_t last = 0;
    size_t i;
    json_t *one;

    json_array_foreach (bench->rounds, i, one) {
        uint64_t number = count_of(one, "round");

        if (number <= last)
            return ae_error_set(err, -EBADMSG, "rounds[%zu].round: it is not above the one before",
                                i);
        bench->counts[host_of(one)][number] = json_is_null(json_object_get(one, "refused"));
        last = number;
    }
    return 0;
}

/* Whose it is. A refused round's figures are nowhere. */
static int check_whose(const struct ae_bench *bench, const json_t *one, unsigned *contender,
                       struct ae_error *err)
{
    const char *name = ae_bench_text(one, "contender");
    int found = find_contender(bench, name);
    const json_t *rounds = json_object_get(one, "rounds"), *each;
    uint64_t last = 0;
    size_t i;

    if (found < 0)
        return ae_error_set(err, -EBADMSG, "there is no contender '%s'", name);
    *contender = (unsigned)found;
    json_array_foreach (rounds, i, each) {
        uint64_t number = count_of(each, "round");

        if (!bench->counts[host_of(one)][number])
            return ae_error_set(err, -EBADMSG,
                                "rounds[%zu]: there is no round %llu beside this host that counts",
                                i, (unsigned long long)number);
        if (number <= last)
            return ae_error_set(err, -EBADMSG, "rounds[%zu].round: it is not above the one before",
                                i);
        last = number;
    }
    return 0;
}

/* ---- Latency ---- */

static int take_rounds(struct ae_bench_latency *latency, const json_t *rounds, struct ae_error *err)
{
    size_t i;
    json_t *one;

    latency->rounds = calloc(json_array_size(rounds), sizeof(*latency->rounds));
    if (!latency->rounds)
        return ae_error_set(err, -ENOMEM, "out of memory");
    json_array_foreach (rounds, i, one) {
        latency->rounds[i].sent = count_of(one, "sent");
        latency->rounds[i].lost = count_of(one, "lost");
        latency->rounds[i].count = count_of(one, "count");
        for (unsigned rung = 0; rung < AE_LADDER; rung++) {
            uint64_t at = count_of(one, ae_ladder[rung].key);

            if (rung && at < latency->rounds[i].at[rung - 1])
                return ae_error_set(err, -EBADMSG, "rounds[%zu].%s: it is below %s", i,
                                    ae_ladder[rung].key, ae_ladder[rung - 1].key);
            latency->rounds[i].at[rung] = at;
        }
        latency->round_count++;
    }
    return 0;
}

static int take_buckets(struct ae_bench_latency *latency, const json_t *buckets,
                        struct ae_error *err)
{
    size_t i;
    json_t *one;

    latency->buckets = calloc(json_array_size(buckets), sizeof(*latency->buckets));
    if (!latency->buckets)
        return ae_error_set(err, -ENOMEM, "out of memory");
    json_array_foreach (buckets, i, one) {
        struct ae_bench_bucket *bucket = &latency->buckets[i];

        bucket->ns = (uint64_t)json_integer_value(json_array_get(one, 0));
        bucket->count = (uint64_t)json_integer_value(json_array_get(one, 1));
        if (bucket->count == 0 || (i && bucket->ns <= bucket[-1].ns))
            return ae_error_set(err, -EBADMSG, "histogram[%zu]: it is %s", i,
                                bucket->count ? "not above the one before" : "empty");
        latency->bucket_count++;
        latency->count += bucket->count;
        if (latency->count > AE_BENCH_TRIPS)
            return ae_error_set(err, -EBADMSG, "histogram: it has more than %llu round trips",
                                (unsigned long long)AE_BENCH_TRIPS);
    }
    return 0;
}

static int take_slots(struct ae_bench_latency *latency, const json_t *over_time,
                      struct ae_error *err)
{
    const json_t *list = json_object_get(over_time, "max");
    size_t i;
    json_t *one;

    latency->slot_ns = count_of(over_time, "slot_ns");
    latency->slots = calloc(json_array_size(list) + 1, sizeof(*latency->slots));
    if (!latency->slots)
        return ae_error_set(err, -ENOMEM, "out of memory");
    json_array_foreach (list, i, one)
        latency->slots[latency->slot_count++] = json_is_null(one) ? -1 : json_integer_value(one);
    return 0;
}

/* The histogram is that of the rounds. */
static int check_counts(const struct ae_bench_latency *latency, struct ae_error *err)
{
    uint64_t count = 0, most = 0;

    for (unsigned i = 0; i < latency->round_count; i++) {
        uint64_t at = latency->rounds[i].at[AE_LADDER - 1];

        count += latency->rounds[i].count;
        most = at > most ? at : most;
    }
    if (count != latency->count)
        return ae_error_set(err, -EBADMSG, "the histogram has %llu round trips, its rounds %llu",
                            (unsigned long long)latency->count, (unsigned long long)count);
    if (most != latency->buckets[latency->bucket_count - 1].ns)
        return ae_error_set(err, -EBADMSG, "the histogram ends at %llu ns, its rounds at %llu",
                            (unsigned long long)latency->buckets[latency->bucket_count - 1].ns,
                            (unsigned long long)most);
    return 0;
}

static int take_latency(struct ae_bench *bench, const json_t *one, struct ae_error *err)
{
    const json_t *load = json_object_get(one, "load"), *percent = json_object_get(load, "percent");
    struct ae_bench_latency *latency = &bench->latencies[bench->latency_count++];
    int rc = check_whose(bench, one, &latency->contender, err);

    latency->host = host_of(one);
    latency->load = (struct ae_bench_load){
        .kind = ae_bench_text(load, "kind"),
        .rate = count_of(load, "rate"),
        .percent = json_is_null(percent) ? -1 : json_number_value(percent),
        .frame = (unsigned)count_of(one, "frame"),
    };
    if (!rc)
        rc = take_rounds(latency, json_object_get(one, "rounds"), err);
    if (!rc)
        rc = take_buckets(latency, json_object_get(one, "histogram"), err);
    if (!rc)
        rc = take_slots(latency, json_object_get(one, "over_time"), err);
    if (!rc)
        rc = check_counts(latency, err);
    for (unsigned i = 0; !rc && i + 1 < bench->latency_count; i++)
        if (bench->latencies[i].contender == latency->contender &&
            bench->latencies[i].host == latency->host &&
            ae_bench_same_load(&bench->latencies[i].load, &latency->load))
            return ae_error_set(err, -EBADMSG, "latency[%u] is of the same", i);
    return rc;
}

/* ---- Throughput, certificates ---- */

static int take_throughput(struct ae_bench *bench, const json_t *one, struct ae_error *err)
{
    struct ae_bench_throughput *throughput = &bench->throughputs[bench->throughput_count++];
    const json_t *rounds = json_object_get(one, "rounds"), *round;
    int rc = check_whose(bench, one, &throughput->contender, err);
    size_t i;

    throughput->host = host_of(one);
    throughput->work = ae_bench_text(one, "work");
    throughput->frame = (unsigned)count_of(one, "frame");
    throughput->rates = calloc(json_array_size(rounds), sizeof(*throughput->rates));
    if (rc || !throughput->rates)
        return rc ? rc : ae_error_set(err, -ENOMEM, "out of memory");
    json_array_foreach (rounds, i, round)
        throughput->rates[throughput->rate_count++] =
            json_number_value(json_object_get(round, "rate"));
    for (i = 0; i + 1 < bench->throughput_count; i++)
        if (bench->throughputs[i].contender == throughput->contender &&
            bench->throughputs[i].host == throughput->host &&
            bench->throughputs[i].frame == throughput->frame &&
            strcmp(bench->throughputs[i].work, throughput->work) == 0)
            return ae_error_set(err, -EBADMSG, "throughput[%zu] is of the same", i);
    return 0;
}

static int check_certificate(struct ae_bench *bench, const json_t *one, struct ae_error *err)
{
    unsigned contender;

    return check_whose(bench, one, &contender, err);
}

static int each(struct ae_bench *bench, const char *name,
                int (*take)(struct ae_bench *bench, const json_t *one, struct ae_error *err),
                struct ae_error *err)
{
    size_t i;
    json_t *one;

    json_array_foreach (json_object_get(bench->all, name), i, one) {
        int rc = take(bench, one, err);

        if (rc)
            return ae_error_prefix(err, rc, "%s[%zu]", name, i);
    }
    return 0;
}

/* ---- The file ---- */

/* Another format has another shape: it is asked first. */
static int check_format(const json_t *all, struct ae_error *err)
{
    const json_t *format = json_object_get(all, "benchmark");
    int64_t at;

    if (!json_is_integer(format))
        return ae_error_set(err, -EBADMSG, "this is not what 'aether bench --json' writes");
    if (json_integer_value(format) != AE_BENCH_FORMAT)
        return ae_error_set(err, -EBADMSG, "it has format %lld; this aether reads format %d",
                            (long long)json_integer_value(format), AE_BENCH_FORMAT);
    if (ae_shape_check(all, &ae_bench_format, err))
        return -EBADMSG;
    if (ae_certificate_parse_time(ae_bench_text(all, "at"), &at))
        return ae_error_set(err, -EBADMSG, "at: a time such as 2026-01-02T03:04:05Z is needed");
    return 0;
}

static int check_loads(const struct ae_bench *bench, struct ae_error *err)
{
    struct ae_bench_load loads[AE_BENCH_LOADS + 1];

    return ae_bench_loads(bench, loads, AE_BENCH_LOADS + 1) <= AE_BENCH_LOADS
               ? 0
               : ae_error_set(err, -EBADMSG, "latency: it has more than %d loads", AE_BENCH_LOADS);
}

static int take(struct ae_bench *bench, struct ae_error *err)
{
    const json_t *all = bench->all;
    int rc = check_format(all, err);

    if (rc)
        return rc;
    bench->machine = json_object_get(all, "machine");
    bench->wires = json_object_get(all, "wires");
    bench->wire_count = (unsigned)json_array_size(bench->wires);
    bench->rounds = json_object_get(all, "rounds");
    bench->certificates = json_object_get(all, "certificates");
    bench->latencies =
        calloc(json_array_size(json_object_get(all, "latency")) + 1, sizeof(*bench->latencies));
    bench->throughputs = calloc(json_array_size(json_object_get(all, "throughput")) + 1,
                                sizeof(*bench->throughputs));
    if (!bench->latencies || !bench->throughputs)
        return ae_error_set(err, -ENOMEM, "out of memory");
    rc = take_contenders(bench, err);
    if (!rc)
        rc = take_round_numbers(bench, err);
    if (!rc)
        rc = each(bench, "latency", take_latency, err);
    if (!rc)
        rc = check_loads(bench, err);
    if (!rc)
        rc = each(bench, "throughput", take_throughput, err);
    if (!rc)
        rc = each(bench, "certificates", check_certificate, err);
    return rc;
}

int ae_bench_parse(struct ae_bench **out, const char *text, size_t length, struct ae_error *err)
{
    struct ae_bench *bench = calloc(1, sizeof(*bench));
    json_error_t where;
    int rc = bench ? 0 : ae_error_set(err, -ENOMEM, "out of memory");

    if (!rc && length > AE_BENCH_MOST)
        rc = ae_error_set(err, -EBADMSG, "it has %zu bytes, and %u are the most", length,
                          AE_BENCH_MOST);
    if (!rc) {
        bench->all = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
        if (!bench->all)
            rc = ae_error_set(err, -EBADMSG, "line %d: %s", where.line, where.text);
    }
    if (!rc) {
        ae_certificate_make_plain(bench->all);
        rc = take(bench, err);
    }
    if (rc)
        ae_bench_free(bench);
    else
        *out = bench;
    return rc;
}

int ae_bench_read(struct ae_bench **bench, const char *file, struct ae_error *err)
{
    struct ae_certificate_bytes bytes;
    int rc = ae_certificate_take(&bytes, file, AE_BENCH_MOST, err);

    if (rc)
        return rc;
    rc = ae_bench_parse(bench, bytes.data, bytes.length, err);
    if (rc)
        ae_error_prefix(err, rc, "%s", file);
    free(bytes.data);
    return rc;
}

void ae_bench_free(struct ae_bench *bench)
{
    if (!bench)
        return;
    for (unsigned i = 0; i < bench->latency_count; i++) {
        free(bench->latencies[i].rounds);
        free(bench->latencies[i].buckets);
        free(bench->latencies[i].slots);
    }
    for (unsigned i = 0; i < bench->throughput_count; i++)
        free(bench->throughputs[i].rates);
    free(bench->latencies);
    free(bench->throughputs);
    json_decref(bench->all);
    free(bench);
}
