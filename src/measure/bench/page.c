/* SPDX-License-Identifier: Apache-2.0 */

/* A page that holds all it shows, and a policy by which a browser fetches nothing for it. */

#include "measure/bench/bench.h"

#include <string.h>

#include "measure/bench/plots.h"
#include "measure/bench/style.h"
#include "measure/bench/svg.h"
#include "measure/bench/tables.h"

static const struct {
    const char *name, *title, *text;
} works[] = {
    {"loss_free", "The highest rate without a loss",
     "Searched for as RFC 2544 has it: the rate at which every frame comes back."},
    {"receive", "Receiving", "Frames a second that the contender received."},
    {"send", "Sending", "Frames a second that the contender sent."},
    {"echo", "Returning", "Frames a second that the contender received and sent back."},
};

#define WORKS (sizeof(works) / sizeof(works[0]))

/* ---- Pieces ---- */

static const char *wire_text(const struct ae_bench *bench, unsigned wire)
{
    return ae_bench_text(json_array_get(bench->wires, wire), "what");
}

/* Of one wire no heading is needed. */
static void wire_heading(const struct ae_bench *bench, unsigned wire, FILE *out)
{
    if (bench->wire_count == 1)
        return;
    fputs("<h3>", out);
    ae_html_text(out, wire_text(bench, wire));
    fputs("</h3>\n", out);
}

static void caption(FILE *out, const char *text)
{
    fprintf(out, "<figcaption>%s</figcaption></figure>\n", text);
}

static const char *const beside[AE_BENCH_HOSTS] = {"Beside a quiet host.", "Beside a noisy host."};

/* ---- Sections ---- */

static void heading(const struct ae_bench *bench, FILE *out)
{
    const char *ended = ae_bench_text(bench->all, "ended");

    fputs("<header><p class=\"over\">Aether benchmark</p><h1>", out);
    for (unsigned i = 0; i < bench->wire_count; i++) {
        fputs(i ? " · " : "", out);
        ae_html_text(out, wire_text(bench, i));
    }
    fputs("</h1>\n<p class=\"soft\">", out);
    ae_html_text(out, ae_bench_text(bench->machine, "processor"));
    fputs(", Linux ", out);
    ae_html_text(out, ae_bench_text(bench->machine, "kernel"));
    fputs(". Measured ", out);
    ae_html_text(out, ae_bench_text(bench->all, "at"));
    fprintf(out, " in %.0f s by ", json_number_value(json_object_get(bench->all, "seconds")));
    ae_html_text(out, ae_bench_text(bench->all, "made_by"));
    fputs(".</p>\n", out);
    if (json_is_true(json_object_get(bench->machine, "emulated")))
        fputs("<p class=\"note\"><strong>Emulated.</strong> The processor and the card are an "
              "emulator’s: compare the contenders with each other, and take no time here for one "
              "of hardware.</p>\n",
              out);
    if (strcmp(ended, "whole") != 0)
        fprintf(out,
                "<p class=\"note\"><strong>Not whole.</strong> %s; this is what was measured until "
                "then.</p>\n",
                strcmp(ended, "time") == 0 ? "The time was up" : "It was interrupted");
    fputs("</header>\n", out);
}

static void in_short(const struct ae_bench *bench, const struct ae_bench_load *load, FILE *out)
{
    fputs("<section><h2>In short</h2>\n"
          "<p class=\"soft\">Path: how frames travel. Caller: who enters the kernel for it; a "
          "contender whose caller is the worker itself cannot be quiet, and its lines are dashed. "
          "Bold: the fastest of its wire of those that lost no more than one in a "
          "thousand. Lost frames are in no percentile.</p>\n",
          out);
    for (unsigned wire = 0; wire < bench->wire_count; wire++) {
        wire_heading(bench, wire, out);
        ae_bench_table_short(bench, load, wire, out);
    }
    if (bench->wire_count > 1)
        fputs("<p class=\"soft\">What a wire takes is in every time on it: contenders on different "
              "wires are not compared.</p>\n",
              out);
    fputs("</section>\n", out);
}

static void ladders(const struct ae_bench *bench, const struct ae_bench_load *load, unsigned index,
                    FILE *out)
{
    char id[40];

    for (unsigned wire = 0; wire < bench->wire_count; wire++) {
        wire_heading(bench, wire, out);
        fputs("<div class=\"pair\">\n", out);
        for (unsigned host = 0; host < AE_BENCH_HOSTS; host++) {
            snprintf(id, sizeof(id), "ladder-%u-%u-%s", index, wire, ae_bench_hosts[host]);
            fputs("<figure>", out);
            ae_bench_plot_ladder(bench, load, wire, host, id, out);
            caption(out, beside[host]);
        }
        fputs("</div>\n", out);
        ae_bench_table_ladder(bench, load, wire, out);
    }
}

static void over_time(const struct ae_bench *bench, const struct ae_bench_load *load,
                      unsigned index, FILE *out)
{
    char id[40];

    fputs("<h3>Over time</h3>\n<p class=\"soft\">The longest round trip of each slot of time, of "
          "the last round that counts; all of a wire on one scale.</p>\n<div class=\"pair\">\n",
          out);
    for (unsigned i = 0; i < bench->contender_count; i++)
        for (unsigned host = 0; host < AE_BENCH_HOSTS; host++) {
            const struct ae_bench_latency *latency = ae_bench_latency(bench, i, host, load);

            if (!latency || latency->slot_count == 0)
                continue;
            snprintf(id, sizeof(id), "slots-%u-%u-%s", index, i, ae_bench_hosts[host]);
            fputs("<figure>", out);
            ae_bench_plot_slots(bench, load, i, host, id, out);
            fputs("</figure>\n", out);
        }
    fputs("</div>\n", out);
}

static void latency(const struct ae_bench *bench, const struct ae_bench_load *load, unsigned index,
                    FILE *out)
{
    char title[120];

    fprintf(out,
            "<section><h2>Round trips, %s</h2>\n<p class=\"soft\">The tail ladder, of all rounds "
            "together: each nine is as wide as the one before.</p>\n",
            ae_bench_load_title(load, title));
    ladders(bench, load, index, out);
    over_time(bench, load, index, out);
    fputs("</section>\n", out);
}

/* P99.9, or the highest below it that is not chance for all. */
static unsigned telling(const struct ae_bench *bench, const struct ae_bench_load *load,
                        unsigned wire)
{
    unsigned rung = AE_LADDER - 3;
    bool chance;

    do {
        chance = false;
        for (unsigned i = 0; i < bench->latency_count; i++)
            chance = chance || (ae_bench_is_at(bench, &bench->latencies[i], load, wire) &&
                                ae_bench_is_chance(&bench->latencies[i], rung));
    } while (chance && --rung > 1);
    return rung;
}

static void steadiness(const struct ae_bench *bench, const struct ae_bench_load *load,
                       unsigned wire, unsigned rung, unsigned index, FILE *out)
{
    char id[40];

    snprintf(id, sizeof(id), "steadiness-%u-%u-%s", index, wire, ae_ladder[rung].key);
    fputs("<figure>", out);
    ae_bench_plot_steadiness(bench, load, wire, rung, id, out);
    caption(out, ae_ladder[rung].name);
}

static void determinism(const struct ae_bench *bench, const struct ae_bench_load *load,
                        unsigned index, FILE *out)
{
    char title[120];

    fprintf(out, "<h3>%s</h3>\n", ae_bench_load_title(load, title));
    for (unsigned wire = 0; wire < bench->wire_count; wire++) {
        wire_heading(bench, wire, out);
        fputs("<div class=\"pair\">\n", out);
        steadiness(bench, load, wire, telling(bench, load, wire), index, out);
        steadiness(bench, load, wire, AE_LADDER - 1, index, out);
        fputs("</div>\n", out);
        ae_bench_table_steadiness(bench, load, wire, out);
    }
}

static bool has_work(const struct ae_bench *bench, const char *work, int wire)
{
    for (unsigned i = 0; i < bench->throughput_count; i++)
        if (strcmp(bench->throughputs[i].work, work) == 0 &&
            (wire < 0 || bench->contenders[bench->throughputs[i].contender].wire == (unsigned)wire))
            return true;
    return false;
}

static void throughput(const struct ae_bench *bench, unsigned work, FILE *out)
{
    char id[40];

    fprintf(out, "<section><h2>%s</h2>\n<p class=\"soft\">%s</p>\n", works[work].title,
            works[work].text);
    for (unsigned wire = 0; wire < bench->wire_count; wire++) {
        if (!has_work(bench, works[work].name, (int)wire))
            continue;
        wire_heading(bench, wire, out);
        fputs("<div class=\"pair\">\n", out);
        for (unsigned host = 0; host < AE_BENCH_HOSTS; host++) {
            snprintf(id, sizeof(id), "rates-%s-%u-%s", works[work].name, wire,
                     ae_bench_hosts[host]);
            fputs("<figure>", out);
            if (ae_bench_plot_rates(bench, works[work].name, wire, host, id, out))
                caption(out, beside[host]);
            else
                fputs("</figure>\n", out);
        }
        fputs("</div>\n", out);
        ae_bench_table_rates(bench, works[work].name, wire, out);
    }
    fputs("</section>\n", out);
}

static void how(const struct ae_bench *bench, FILE *out)
{
    fputs("<section><h2>How it was measured</h2>\n", out);
    ae_bench_table_machine(bench, out);
    ae_bench_table_contenders(bench, out);
    ae_bench_table_rounds(bench, out);
    if (json_array_size(bench->certificates))
        ae_bench_table_certificates(bench, out);
    fputs("<p class=\"soft\">Round trips are timed from when each was meant to be sent, so that a "
          "stall counts for all that it held back. A round in which the machine’s own floor was "
          "not the same is refused, and its figures are nowhere on this page.</p>\n</section>\n",
          out);
}

void ae_bench_page(const struct ae_bench *bench, FILE *out)
{
    struct ae_bench_load loads[AE_BENCH_LOADS];
    unsigned count = ae_bench_loads(bench, loads, AE_BENCH_LOADS);

    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
          "'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n"
          "<link rel=\"icon\" href=\"data:,\">\n<title>Aether benchmark: ",
          out);
    ae_html_text(out, wire_text(bench, 0));
    fprintf(out, "</title>\n<style>\n%s</style></head>\n<body>\n", ae_bench_style);
    heading(bench, out);
    fputs("<main>\n", out);
    if (count)
        in_short(bench, &loads[0], out);
    for (unsigned i = 0; i < count; i++)
        latency(bench, &loads[i], i, out);
    if (count) {
        fputs(
            "<section><h2>Determinism</h2>\n<p class=\"soft\">A percentile beside a noisy host by "
            "the same beside a quiet one: 1 is best.</p>\n",
            out);
        for (unsigned i = 0; i < count; i++)
            determinism(bench, &loads[i], i, out);
        fputs("</section>\n", out);
    }
    for (unsigned work = 0; work < WORKS; work++)
        if (has_work(bench, works[work].name, -1))
            throughput(bench, work, out);
    how(bench, out);
    fputs("</main>\n<footer><p class=\"soft\">Made by aether bench report. It needs no network and "
          "no script.</p></footer>\n</body></html>\n",
          out);
}
