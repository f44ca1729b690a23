/* SPDX-License-Identifier: Apache-2.0 */

/* How it was measured, and on what. */

#include "measure/bench/tables.h"

#include <string.h>

#include "measure/bench/svg.h"

static void begin(FILE *out, const char *caption, const char *heads)
{
    fprintf(out,
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"%s\"><table>"
            "<caption><span>%s</span></caption>\n<thead><tr>",
            caption, caption);
    while (*heads) {
        size_t length = strcspn(heads, "|");

        fprintf(out, "<th scope=\"col\">%.*s</th>", (int)length, heads);
        heads += length + (heads[length] == '|');
    }
    fputs("</tr></thead>\n<tbody>\n", out);
}

static void end(FILE *out)
{
    fputs("</tbody></table></div>\n", out);
}

static void cell(FILE *out, const char *text)
{
    fputs("<td>", out);
    ae_html_text(out, text);
    fputs("</td>", out);
}

static void row(FILE *out, const char *name, const char *text)
{
    fprintf(out, "<tr><th scope=\"row\">%s</th>", name);
    cell(out, text);
    fputs("</tr>\n", out);
}

static bool is_plain_word(const char *word)
{
    return *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "_-./:=,@%+") == strlen(word);
}

/* A quote inside quotes ends them, stands for itself, and begins them again. */
static void quoted(FILE *out, const char *word)
{
    fputs("&#39;", out);
    for (; *word; word++)
        if (*word == '\'')
            fputs("&#39;\\&#39;&#39;", out);
        else
            ae_html_text(out, (char[]){*word, '\0'});
    fputs("&#39;", out);
}

void ae_bench_command(const json_t *words, FILE *out)
{
    size_t i;
    json_t *word;

    fputs("<code>", out);
    json_array_foreach (words, i, word) {
        if (i)
            putc(' ', out);
        if (is_plain_word(json_string_value(word)))
            ae_html_text(out, json_string_value(word));
        else
            quoted(out, json_string_value(word));
    }
    fputs("</code>", out);
}

static void command_row(FILE *out, const char *name, const json_t *words)
{
    fprintf(out, "<tr><th scope=\"row\">%s</th><td>", name);
    if (json_is_array(words))
        ae_bench_command(words, out);
    else
        fputs("–", out);
    fputs("</td></tr>\n", out);
}

/* ---- The machine ---- */

static void clock_row(const json_t *clock, FILE *out)
{
    char text[200];

    snprintf(text, sizeof(text),
             "%s, %.6g GHz as calibrated (two calibrations differ by %.3g ppm), %s",
             ae_bench_text(clock, "source"), json_number_value(json_object_get(clock, "hz")) / 1e9,
             json_number_value(json_object_get(clock, "error_ppm")),
             json_is_true(json_object_get(clock, "invariant")) ? "invariant" : "not invariant");
    row(out, "Clock", text);
}

void ae_bench_table_machine(const struct ae_bench *bench, FILE *out)
{
    const json_t *machine = bench->machine, *wire;
    char text[200];
    size_t i;

    begin(out, "The machine", "|");
    row(out, "Processor", ae_bench_text(machine, "processor"));
    snprintf(text, sizeof(text), "%s%s; %lld CPUs, contenders on CPU %lld",
             json_is_true(json_object_get(machine, "emulated"))     ? "emulated"
             : json_is_true(json_object_get(machine, "hypervisor")) ? "a virtual machine"
                                                                    : "hardware",
             "", (long long)json_integer_value(json_object_get(machine, "cpus_online")),
             (long long)json_integer_value(json_object_get(machine, "quiet_cpu")));
    row(out, "Kind", text);
    row(out, "Kernel", ae_bench_text(machine, "kernel"));
    row(out, "Its parameters", ae_bench_text(machine, "kernel_parameters"));
    clock_row(json_object_get(machine, "clock"), out);
    command_row(out, "Noise of a noisy host", json_object_get(machine, "noise"));
    command_row(out, "Benchmark", json_object_get(bench->all, "command"));
    end(out);
    begin(out, "The wires", "Wire|Card|Driver|Far end|Frames are stamped by");
    json_array_foreach (bench->wires, i, wire) {
        fputs("<tr>", out);
        cell(out, ae_bench_text(wire, "what"));
        cell(out, ae_bench_text(wire, "card"));
        cell(out, ae_bench_text(wire, "driver"));
        cell(out, ae_bench_text(wire, "far_end"));
        cell(out, ae_bench_text(wire, "timestamps"));
        fputs("</tr>\n", out);
    }
    end(out);
}

/* ---- The contenders ---- */

static void settings(const json_t *list, FILE *out)
{
    size_t i;
    json_t *one;

    json_array_foreach (list, i, one) {
        fputs("<div>", out);
        ae_html_text(out, ae_bench_text(one, "what"));
        fputs(" = ", out);
        ae_html_text(out, ae_bench_text(one, "value"));
        fputs("<small>", out);
        ae_html_text(out, ae_bench_text(one, "source"));
        fputs("</small></div>", out);
    }
}

void ae_bench_table_contenders(const struct ae_bench *bench, FILE *out)
{
    const json_t *list = json_object_get(bench->all, "contenders");

    begin(out,
          "The contenders: settings were written down, with who recommends them, before "
          "anything was measured",
          "Contender|Path, caller|Command|Settings");
    for (unsigned i = 0; i < bench->contender_count; i++) {
        const struct ae_bench_contender *contender = &bench->contenders[i];
        const json_t *one = json_array_get(list, i);

        fprintf(out, "<tr><th scope=\"row\"><span class=\"key c%u\">%c</span>", i % AE_SVG_COLOURS,
                ae_bench_letter(i));
        ae_html_text(out, contender->title);
        if (contender->why[0]) {
            fprintf(out, "<small>%s: ", contender->runs ? "not to the end" : "did not run");
            ae_html_text(out, contender->why);
            fputs("</small>", out);
        }
        fprintf(out, "</th><td>%s, %s</td><td>", contender->path, contender->caller);
        ae_bench_command(json_object_get(one, "command"), out);
        fputs("</td><td>", out);
        settings(json_object_get(one, "settings"), out);
        fputs("</td></tr>\n", out);
    }
    end(out);
}

/* ---- Rounds and certificates ---- */

void ae_bench_table_rounds(const struct ae_bench *bench, FILE *out)
{
    size_t i;
    json_t *one;

    begin(out, "The rounds: each contender once, in turn",
          "Round|Host|Floor|P50|P99.9|max|Refused because");
    json_array_foreach (bench->rounds, i, one) {
        static const char *const keys[] = {"p50", "p99_9", "max"};
        const json_t *floor = json_object_get(one, "floor");
        char text[24];

        fprintf(out, "<tr><td>%lld</td>",
                (long long)json_integer_value(json_object_get(one, "round")));
        cell(out, ae_bench_text(one, "host"));
        cell(out, ae_bench_text(floor, "what")[0] == 'c' ? "a cache line's round trip"
                                                         : "gaps of a loop");
        for (unsigned key = 0; key < 3; key++)
            cell(out, ae_bench_time((double)json_integer_value(json_object_get(floor, keys[key])),
                                    "µs", text));
        cell(out, ae_bench_text(one, "refused"));
        fputs("</tr>\n", out);
    }
    end(out);
}

static void count_cell(const json_t *value, FILE *out)
{
    if (json_is_integer(value))
        fprintf(out, "<td>%lld</td>", (long long)json_integer_value(value));
    else
        fputs("<td>not seen</td>", out);
}

void ae_bench_table_certificates(const struct ae_bench *bench, FILE *out)
{
    size_t i;
    json_t *one;

    begin(out, "What the proof saw on the contender's CPU",
          "Contender|Host|Verdict|Seconds|Kernel entries|Frames received|Certificate (SHA-256)");
    json_array_foreach (bench->certificates, i, one) {
        const char *file = ae_bench_text(one, "file");

        fputs("<tr>", out);
        cell(out, ae_bench_text(one, "contender"));
        cell(out, ae_bench_text(one, "host"));
        cell(out, ae_bench_text(one, "verdict"));
        fprintf(out, "<td>%.1f</td>", json_number_value(json_object_get(one, "seconds")));
        count_cell(json_object_get(one, "entries"), out);
        count_cell(json_object_get(one, "frames"), out);
        fputs("<td class=\"mono\">", out);
        ae_html_text(out, file[0] ? file : "not kept");
        fputs("</td></tr>\n", out);
    }
    end(out);
}
