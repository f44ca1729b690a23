/* SPDX-License-Identifier: Apache-2.0 */

/* What a worker says of its loops: put down as JSON, and read from there for people. Nothing else
 * counted it, and no verdict asks it. */

#include "proof/certificate/certificate.h"

#include <inttypes.h>

/* ---- Put down ---- */

/* What JSON's whole numbers hold of it: a worker writes what it likes. */
static json_t *number(uint64_t value)
{
    return json_integer(value < INT64_MAX ? (json_int_t)value : INT64_MAX);
}

static json_t *put_times(const struct ae_loop_times *times)
{
    json_t *all = json_object(), *histogram = json_array();

    json_object_set_new(all, "count", number(times->count));
    json_object_set_new(all, "min_ns", number(times->min));
    json_object_set_new(all, "p50_ns", number(times->p50));
    json_object_set_new(all, "p99_ns", number(times->p99));
    json_object_set_new(all, "p99_9_ns", number(times->p99_9));
    json_object_set_new(all, "p99_99_ns", number(times->p99_99));
    json_object_set_new(all, "max_ns", number(times->max));
    for (unsigned i = 0; i < AE_LOOP_POWERS; i++)
        if (times->powers[i])
            json_array_append_new(histogram, json_pack("{s:o, s:o}", "from_ns",
                                                       number(i ? UINT64_C(1) << (i - 1) : 0),
                                                       "times", number(times->powers[i])));
    json_object_set_new(all, "histogram", histogram);
    return all;
}

static json_t *put_loop(const struct ae_worker_loop *loop)
{
    json_t *all = json_object(), *last = json_array();

    json_object_set_new(all, "loop", ae_certificate_string(loop->name));
    json_object_set_new(all, "kind", json_string(loop->cyclic ? "cycle" : "deadline"));
    json_object_set_new(all, "bound_ns", number(loop->bound_ns));
    json_object_set_new(all, "turns", number(loop->turns));
    json_object_set_new(all, "misses", number(loop->misses));
    json_object_set_new(all, "missed", put_times(&loop->missed));
    for (unsigned i = 0; i < loop->last_count; i++)
        json_array_append_new(last, json_pack("{s:o, s:o}", "at_ns", number(loop->last[i].at_ns),
                                              "took_ns", number(loop->last[i].took_ns)));
    json_object_set_new(all, "last_misses", last);
    if (!loop->cyclic)
        return all;
    json_object_set_new(all, "period_ns", number(loop->period_ns));
    json_object_set_new(all, "skipped", number(loop->skipped));
    json_object_set_new(all, "wakeup", put_times(&loop->wakeup));
    return all;
}

json_t *ae_certificate_loops(const struct ae_worker_loop *loops, unsigned count)
{
    json_t *all = json_array();

    for (unsigned i = 0; i < count; i++)
        json_array_append_new(all, put_loop(&loops[i]));
    return all;
}

/* ---- Printed ---- */

static uint64_t count(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static double us(const json_t *object, const char *name)
{
    return (double)count(object, name) / 1000;
}

static void print_times(const json_t *times, const char *title, FILE *out)
{
    const json_t *power;
    size_t i;

    if (!count(times, "count"))
        return;
    fprintf(out,
            "    %s: 50%% %.3f us, 99%% %.3f us, 99.9%% %.3f us, 99.99%% %.3f us, longest "
            "%.3f us\n",
            title, us(times, "p50_ns"), us(times, "p99_ns"), us(times, "p99_9_ns"),
            us(times, "p99_99_ns"), us(times, "max_ns"));
    json_array_foreach (json_object_get(times, "histogram"), i, power)
        fprintf(out, "  %12" PRIu64 " ns and more %12" PRIu64 "\n", count(power, "from_ns"),
                count(power, "times"));
}

static void print_loop(const json_t *loop, FILE *out)
{
    const json_t *miss;
    size_t i;

    fprintf(out, "  %s: ", ae_certificate_text(loop, "loop"));
    if (count(loop, "period_ns"))
        fprintf(out, "released every %.3f us, ", us(loop, "period_ns"));
    fprintf(out, "%" PRIu64 " turns, of which %" PRIu64 " missed %.3f us", count(loop, "turns"),
            count(loop, "misses"), us(loop, "bound_ns"));
    if (count(loop, "period_ns"))
        fprintf(out, "; %" PRIu64 " releases skipped", count(loop, "skipped"));
    fprintf(out, "\n");
    print_times(json_object_get(loop, "wakeup"), "began after its release", out);
    print_times(json_object_get(loop, "missed"), "turns that missed took", out);
    json_array_foreach (json_object_get(loop, "last_misses"), i, miss)
        fprintf(out, "    missed %.6f s after the loop began, by a turn of %.3f us\n",
                us(miss, "at_ns") / 1e6, us(miss, "took_ns"));
}

void ae_certificate_print_loops(const json_t *loops, FILE *out)
{
    const json_t *loop;
    size_t i;

    if (json_array_size(loops))
        fprintf(out, "\nLOOPS, BY THE WORKER'S OWN WORD (nothing else counted them)\n");
    json_array_foreach (loops, i, loop)
        print_loop(loop, out);
}
