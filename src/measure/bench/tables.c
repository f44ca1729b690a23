/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/bench/tables.h"

#include <math.h>
#include <string.h>

#include "measure/bench/svg.h"

/* ---- Pieces ---- */

static void begin(FILE *out, const char *caption)
{
    fputs("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"", out);
    ae_html_text(out, caption);
    fputs("\"><table><caption><span>", out);
    ae_html_text(out, caption);
    fputs("</span></caption>\n<thead><tr>", out);
}

static void end(FILE *out)
{
    fputs("</tbody></table></div>\n", out);
}

static void head(FILE *out, const char *text, bool number)
{
    fprintf(out, "<th scope=\"col\"%s>%s</th>", number ? " class=\"n\"" : "", text);
}

static void body(FILE *out)
{
    fputs("</tr></thead>\n<tbody>\n", out);
}

static void key(const struct ae_bench *bench, unsigned contender, FILE *out)
{
    fprintf(out, "<tr><th scope=\"row\"><span class=\"key c%u\">%c</span>",
            contender % AE_SVG_COLOURS, ae_bench_letter(contender));
    ae_html_text(out, bench->contenders[contender].title);
    fprintf(out, "<small>%s, %s</small></th>", bench->contenders[contender].path,
            bench->contenders[contender].caller);
}

static void cell(FILE *out, const char *text)
{
    fputs("<td>", out);
    ae_html_text(out, text);
    fputs("</td>", out);
}

typedef const char *text_of(double value, char text[24]);

/* "3.1 – 3.4 µs": a unit that both have stands once. */
static void range(const char *least, const char *most, FILE *out)
{
    const char *unit = strchr(least, ' '), *other = strchr(most, ' ');

    if (unit && other && strcmp(unit, other) == 0)
        fprintf(out, "%.*s – %s", (int)(unit - least), least, most);
    else
        fprintf(out, "%s – %s", least, most);
}

/* The median, and below it the least and the greatest. */
static void spread_cell(const struct ae_bench_spread *spread, text_of *format, bool mark, FILE *out)
{
    char median[24], least[24], most[24];

    if (spread->rounds == 0) {
        fputs("<td class=\"n soft\">–</td>", out);
        return;
    }
    fprintf(out, "<td class=\"n%s\">%s", mark ? " best" : "", format(spread->median, median));
    if (spread->rounds > 1) {
        fputs("<small>", out);
        range(format(spread->least, least), format(spread->most, most), out);
        fputs("</small>", out);
    }
    fputs("</td>", out);
}

static const char *time_text(double value, char text[24])
{
    return ae_bench_time(value, "µs", text);
}

static const char *part_text(double value, char text[24])
{
    snprintf(text, 24, "%.3g %%", 100 * value);
    return text;
}

static const char *times(double value, char text[24])
{
    snprintf(text, 24, "%.*f ×", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value);
    return text;
}

/* ---- Latency ---- */

static bool has_any(const struct ae_bench *bench, const struct ae_bench_load *load, unsigned wire,
                    unsigned contender)
{
    return bench->contenders[contender].wire == wire &&
           (ae_bench_latency(bench, contender, AE_BENCH_QUIET, load) ||
            ae_bench_latency(bench, contender, AE_BENCH_NOISY, load));
}

#define LOST_MOST 0.001 /* of what was sent, by who may be the fastest */

/* Is this percentile told, of who may be the fastest by it? */
static bool competes(const struct ae_bench_latency *latency, unsigned rung)
{
    return latency && !ae_bench_is_chance(latency, rung) &&
           ae_bench_lost(latency).median <= LOST_MOST;
}

/* The lowest median on a wire; infinite: there is none. */
static double best_of(const struct ae_bench *bench, const struct ae_bench_load *load, unsigned wire,
                      enum ae_bench_host host, unsigned rung)
{
    double best = INFINITY;

    for (unsigned i = 0; i < bench->contender_count; i++) {
        const struct ae_bench_latency *latency = ae_bench_latency(bench, i, host, load);
        double median = ae_bench_percentile(latency, rung).median;

        if (bench->contenders[i].wire == wire && competes(latency, rung) && median < best)
            best = median;
    }
    return best;
}

/* Of the shortest frames, beside a quiet host where that was measured: {0} if nothing was. */
static struct ae_bench_spread short_rate(const struct ae_bench *bench, unsigned contender)
{
    const struct ae_bench_throughput *best = NULL;

    for (unsigned i = 0; i < bench->throughput_count; i++) {
        const struct ae_bench_throughput *one = &bench->throughputs[i];

        if (one->contender == contender && (!best || one->frame < best->frame ||
                                            (one->frame == best->frame && one->host < best->host)))
            best = one;
    }
    return best ? ae_bench_rate(best) : (struct ae_bench_spread){0};
}

/* The worst verdict of a contender, in the order of the words; "–": no proof. */
static const char *verdict_of(const struct ae_bench *bench, unsigned contender)
{
    static const char *const words[] = {"disturbed", "incomplete", "none", "quiet"};
    const char *worst = "–";
    size_t i;
    json_t *one;

    for (unsigned word = 4; word > 0; word--)
        json_array_foreach (bench->certificates, i, one)
            if (strcmp(ae_bench_text(one, "contender"), bench->contenders[contender].name) == 0 &&
                strcmp(ae_bench_text(one, "verdict"), words[word - 1]) == 0)
                worst = words[word - 1];
    return worst;
}

static void short_row(const struct ae_bench *bench, const struct ae_bench_load *load, unsigned wire,
                      unsigned contender, FILE *out)
{
    static const unsigned rungs[] = {1, 4, 6}; /* P50, P99.9, max */
    const struct ae_bench_latency *of[AE_BENCH_HOSTS];
    struct ae_bench_spread steadiness, noisy, rate = short_rate(bench, contender);
    double best = best_of(bench, load, wire, AE_BENCH_NOISY, 4);
    char text[24];

    key(bench, contender, out);
    for (unsigned host = 0; host < AE_BENCH_HOSTS; host++) {
        of[host] = ae_bench_latency(bench, contender, host, load);
        for (unsigned i = 0; i < 3; i++) {
            struct ae_bench_spread one = ae_bench_percentile(of[host], rungs[i]);

            if (of[host] && ae_bench_is_chance(of[host], rungs[i]))
                one.rounds = 0;
            spread_cell(&one, time_text,
                        competes(of[host], rungs[i]) &&
                            one.median <= best_of(bench, load, wire, host, rungs[i]),
                        out);
        }
    }
    steadiness = ae_bench_steadiness(of[AE_BENCH_QUIET], of[AE_BENCH_NOISY], 4);
    spread_cell(&steadiness, times, false, out);
    noisy = ae_bench_percentile(of[AE_BENCH_NOISY], 4);
    if (noisy.rounds && ae_bench_is_chance(of[AE_BENCH_NOISY], 4))
        noisy.rounds = 0;
    fprintf(out, "<td class=\"n\">%s</td>",
            noisy.rounds && best > 0 && isfinite(best) ? times(noisy.median / best, text) : "–");
    for (unsigned host = 0; host < AE_BENCH_HOSTS; host++) {
        struct ae_bench_spread lost = {0};

        if (of[host])
            lost = ae_bench_lost(of[host]);
        spread_cell(&lost, part_text, false, out);
    }
    spread_cell(&rate, ae_bench_rate_text, false, out);
    fprintf(out, "<td>%s</td></tr>\n", verdict_of(bench, contender));
}

void ae_bench_table_short(const struct ae_bench *bench, const struct ae_bench_load *load,
                          unsigned wire, FILE *out)
{
    static const char *const heads[] = {"P50<small>quiet host</small>",
                                        "P99.9<small>quiet host</small>",
                                        "max<small>quiet host</small>",
                                        "P50<small>noisy host</small>",
                                        "P99.9<small>noisy host</small>",
                                        "max<small>noisy host</small>",
                                        "noisy / quiet<small>at P99.9</small>",
                                        "by the fastest<small>P99.9, noisy</small>",
                                        "lost<small>quiet host</small>",
                                        "lost<small>noisy host</small>",
                                        "frames a second<small>the shortest</small>"};
    char title[120], caption[200];

    snprintf(caption, sizeof(caption),
             "Round trips, %s: medians of the rounds, with the least and the greatest",
             ae_bench_load_title(load, title));
    begin(out, caption);
    head(out, "Contender<small>path, caller</small>", false);
    for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        head(out, heads[i], true);
    head(out, "Proof", false);
    body(out);
    for (unsigned i = 0; i < bench->contender_count; i++)
        if (has_any(bench, load, wire, i))
            short_row(bench, load, wire, i, out);
    end(out);
}

static void ladder_row(const struct ae_bench *bench, const struct ae_bench_load *load,
                       unsigned contender, enum ae_bench_host host, FILE *out)
{
    const struct ae_bench_latency *latency = ae_bench_latency(bench, contender, host, load);
    uint64_t sent = 0, lost = 0;
    char rate[24];

    if (!latency)
        return;
    key(bench, contender, out);
    cell(out, ae_bench_hosts[host]);
    for (unsigned rung = 0; rung < AE_LADDER; rung++) {
        struct ae_bench_spread one = ae_bench_percentile(latency, rung);

        if (ae_bench_is_chance(latency, rung))
            one.rounds = 0;
        spread_cell(&one, time_text, false, out);
    }
    for (unsigned i = 0; i < latency->round_count; i++) {
        sent += latency->rounds[i].sent;
        lost += latency->rounds[i].lost;
    }
    fprintf(out, "<td class=\"n\">%s</td><td class=\"n\">%llu</td><td class=\"n\">%llu</td></tr>\n",
            latency->load.rate ? ae_bench_rate_text((double)latency->load.rate, rate) : "–",
            (unsigned long long)sent, (unsigned long long)lost);
}

void ae_bench_table_ladder(const struct ae_bench *bench, const struct ae_bench_load *load,
                           unsigned wire, FILE *out)
{
    begin(out, "Percentiles: medians of the rounds, with the least and the greatest. "
               "– where fewer than five round trips lie beyond.");
    head(out, "Contender", false);
    head(out, "Host", false);
    for (unsigned rung = 0; rung < AE_LADDER; rung++)
        head(out, ae_ladder[rung].name, true);
    head(out, "a second", true);
    head(out, "sent", true);
    head(out, "lost", true);
    body(out);
    for (unsigned i = 0; i < bench->contender_count; i++)
        for (unsigned host = 0; host < AE_BENCH_HOSTS; host++)
            if (bench->contenders[i].wire == wire)
                ladder_row(bench, load, i, host, out);
    end(out);
}

void ae_bench_table_steadiness(const struct ae_bench *bench, const struct ae_bench_load *load,
                               unsigned wire, FILE *out)
{
    begin(out, "Noisy by quiet: medians of pairs of rounds, with the least and the greatest");
    head(out, "Contender", false);
    for (unsigned rung = 1; rung < AE_LADDER; rung++)
        head(out, ae_ladder[rung].name, true);
    body(out);
    for (unsigned i = 0; i < bench->contender_count; i++) {
        if (!has_any(bench, load, wire, i))
            continue;
        key(bench, i, out);
        for (unsigned rung = 1; rung < AE_LADDER; rung++) {
            struct ae_bench_spread one =
                ae_bench_steadiness(ae_bench_latency(bench, i, AE_BENCH_QUIET, load),
                                    ae_bench_latency(bench, i, AE_BENCH_NOISY, load), rung);

            spread_cell(&one, times, false, out);
        }
        fputs("</tr>\n", out);
    }
    end(out);
}

/* ---- Rates ---- */

void ae_bench_table_rates(const struct ae_bench *bench, const char *work, unsigned wire, FILE *out)
{
    begin(out, "Frames a second: medians of the rounds, with the least and the greatest");
    head(out, "Contender", false);
    head(out, "Host", false);
    head(out, "bytes", true);
    head(out, "frames a second", true);
    head(out, "Gbit/s<small>without FCS and gaps</small>", true);
    body(out);
    for (unsigned i = 0; i < bench->throughput_count; i++) {
        const struct ae_bench_throughput *one = &bench->throughputs[i];
        struct ae_bench_spread rate = ae_bench_rate(one);

        if (bench->contenders[one->contender].wire != wire || strcmp(one->work, work) != 0)
            continue;
        key(bench, one->contender, out);
        cell(out, ae_bench_hosts[one->host]);
        fprintf(out, "<td class=\"n\">%u</td>", one->frame);
        spread_cell(&rate, ae_bench_rate_text, false, out);
        fprintf(out, "<td class=\"n\">%.3g</td></tr>\n", rate.median * one->frame * 8 / 1e9);
    }
    end(out);
}
