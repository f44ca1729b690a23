/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli.h"
#include "json.h"
#include "measure/report.h"
#include "proof/certificate/certificate.h"

#define FILE_MOST (4 << 20) /* bytes of what ping printed; it is a hundredth of that */

#define PAIRS  4
#define BEYOND 5 /* probes beyond a percentile, below which it is one or two events */

struct arguments {
    const char *files[2 * PAIRS];
    const char *titles[PAIRS];
    unsigned file_count, title_count;
    bool json;
};

struct pair {
    const char *title; /* as it may be shown */
    json_t *ping[2], *proof[2];
};

enum { KEY_TITLE = 0x100, KEY_JSON };

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_TITLE:
        if (arguments->title_count == PAIRS)
            argp_error(state, "--title=%s: there are at most %d pairs", value, PAIRS);
        else
            arguments->titles[arguments->title_count++] = value;
        return 0;
    case KEY_JSON:
        arguments->json = true;
        cli_json_ask();
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->file_count == 2 * PAIRS)
            argp_error(state, "at most %d files are compared: '%s' is one more", 2 * PAIRS, value);
        else
            arguments->files[arguments->file_count++] = value;
        return 0;
    case ARGP_KEY_END:
        if (arguments->file_count < 2 || arguments->file_count % 2)
            argp_error(state, "two files are needed, from 'aether ping --json', or pairs of such");
        if (arguments->title_count > arguments->file_count / 2)
            argp_error(state, "--title=%s: there is no pair for it",
                       arguments->titles[arguments->title_count - 1]);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What ping printed: bare, or as the member that the supervisor made of it, beside its proof. */
static json_t *load(const char *file, json_t **proof)
{
    struct ae_certificate_bytes bytes;
    json_error_t why = {.text = ""};
    struct ae_error err;
    json_t *root, *ping;

    if (ae_certificate_take(&bytes, file, FILE_MOST, &err)) {
        cli_fail("compare", &err);
        *proof = NULL;
        return NULL;
    }
    root = json_loadb(bytes.data, bytes.length, 0, &why);
    free(bytes.data);
    if (root)
        ae_certificate_make_plain(root);
    else
        fprintf(stderr, "aether compare: %s: %s (line %d)\n", AE_TEXT(file), AE_TEXT(why.text),
                why.line);
    ping = json_object_get(root, "ping");
    ping = ping ? ping : root;
    if (root && !json_is_object(json_object_get(ping, "round_trip"))) {
        fprintf(stderr, "aether compare: %s: this is not what 'aether ping --json' prints\n",
                AE_TEXT(file));
        ping = NULL;
    }
    json_incref(ping);
    *proof = json_incref(json_object_get(root, "proof"));
    json_decref(root);
    return ping;
}

static uint64_t at(const json_t *ping, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(json_object_get(ping, "round_trip"), key));
}

static const char *name_of(const json_t *ping)
{
    const char *driver = json_string_value(json_object_get(ping, "driver"));

    return driver && strcmp(driver, "socket") == 0 ? "kernel socket" : "Aether";
}

/* Do too few probes lie beyond this percentile, in any column, for it to be more than chance? */
static bool is_chance(const struct pair *pairs, unsigned count, const struct ae_rung *rung)
{
    if (rung->percent <= 0 || rung->percent >= 100)
        return false;
    for (unsigned i = 0; i < 2 * count; i++)
        if ((double)at(pairs[i / 2].ping[i % 2], "count") * (100 - rung->percent) / 100 < BEYOND)
            return true;
    return false;
}

static void print_rung(const struct pair *pairs, unsigned count, const struct ae_rung *rung)
{
    char name[16];

    snprintf(name, sizeof(name), "%s%s", rung->name, is_chance(pairs, count, rung) ? "*" : "");
    printf("  %-8s", name);
    for (unsigned i = 0; i < count; i++) {
        uint64_t left = at(pairs[i].ping[0], rung->key), right = at(pairs[i].ping[1], rung->key);
        char left_text[16], right_text[16];

        ae_report_time(left, left_text);
        ae_report_time(right, right_text);
        printf("%14s%14s%7.2f", left_text, right_text, right ? (double)left / (double)right : 0);
    }
    putchar('\n');
}

static void print_count(const struct pair *pairs, unsigned count, const char *key)
{
    printf("  %-8s", key);
    for (unsigned i = 0; i < 2 * count; i++)
        printf("%14lld%s",
               (long long)json_integer_value(json_object_get(pairs[i / 2].ping[i % 2], key)),
               i % 2 && i + 1 < 2 * count ? "       " : "");
    putchar('\n');
}

static void print(const struct pair *pairs, unsigned count)
{
    bool chance = false;

    for (unsigned i = 0; i < count && pairs[i].title; i++)
        printf("%*s%s", i ? 35 - (int)strnlen(pairs[i - 1].title, 34) : 11, "", pairs[i].title);
    printf("%s%-10s", pairs[0].title ? "\n" : "", "Round trip");
    for (unsigned i = 0; i < count; i++)
        printf("%14s%14s%7s", name_of(pairs[i].ping[0]), name_of(pairs[i].ping[1]), "ratio");
    putchar('\n');
    for (unsigned i = 0; i < AE_LADDER; i++) {
        print_rung(pairs, count, &ae_ladder[i]);
        chance = chance || is_chance(pairs, count, &ae_ladder[i]);
    }
    print_count(pairs, count, "sent");
    print_count(pairs, count, "lost");
    if (chance)
        printf("  * fewer than %d probes of a column lie beyond it: chance\n", BEYOND);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "?";
}

/* Rows of one kind: their sum, then those that are not zero. */
static void print_rows(const json_t *rows, const char *title, const char *prefix)
{
    size_t length = strlen(prefix), i;
    json_int_t sum = 0;
    json_t *row;

    json_array_foreach (rows, i, row)
        if (strncmp(text_of(row, "row"), prefix, length) == 0)
            sum += json_integer_value(json_object_get(row, "count"));
    printf("  %-34s %8lld\n", title, (long long)sum);
    json_array_foreach (rows, i, row) {
        long long count = json_integer_value(json_object_get(row, "count"));

        if (count && strncmp(text_of(row, "row"), prefix, length) == 0)
            printf("    %-32s %8lld\n", text_of(row, "row") + length, count);
    }
}

static void print_proof(const json_t *proof, const char *title)
{
    const json_t *rows = json_object_get(proof, "rows");
    json_t *one;
    size_t i;

    printf("\nProof%s%s: CPU %lld, %.1f s, %zu counters: %s\n", title ? ", " : "",
           title ? title : "", (long long)json_integer_value(json_object_get(proof, "cpu")),
           json_number_value(json_object_get(proof, "seconds")), json_array_size(rows),
           text_of(proof, "verdict"));
    print_rows(rows, "interrupts", "irq:");
    print_rows(rows, "softirqs", "softirq:");
    print_rows(rows, "times a task was put on the CPU", "sched:");
    print_rows(rows, "context switches, faults, moves", "task:");
    json_array_foreach (json_object_get(proof, "causes"), i, one)
        printf("  traced: %-26s %8lld\n", text_of(one, "cause"),
               (long long)json_integer_value(json_object_get(one, "times")));
    json_array_foreach (json_object_get(proof, "not_seen"), i, one)
        printf("  not seen: %s\n", json_string_value(one) ? json_string_value(one) : "?");
}

/* ---- For programs ---- */

static json_t *side_json(const struct pair *pair, unsigned side)
{
    const json_t *ping = pair->ping[side], *proof = pair->proof[side];
    json_t *trip = json_pack("{s:I}", "count", (json_int_t)at(ping, "count"));

    for (unsigned i = 0; i < AE_LADDER; i++)
        json_object_set_new(trip, ae_ladder[i].key,
                            json_integer((json_int_t)at(ping, ae_ladder[i].key)));
    return json_pack("{s:s, s:I, s:I, s:o, s:o}", "what", name_of(ping), "sent",
                     json_integer_value(json_object_get(ping, "sent")), "lost",
                     json_integer_value(json_object_get(ping, "lost")), "round_trip", trip,
                     "verdict", proof ? json_string(text_of(proof, "verdict")) : json_null());
}

static json_t *pair_json(const struct pair *pair, const struct pair *pairs, unsigned count)
{
    json_t *ratio = json_object(), *chance = json_array();

    for (unsigned i = 0; i < AE_LADDER; i++) {
        const char *key = ae_ladder[i].key;
        uint64_t right = at(pair->ping[1], key);

        json_object_set_new(ratio, key,
                            right ? json_real((double)at(pair->ping[0], key) / (double)right)
                                  : json_null());
        if (is_chance(pairs, count, &ae_ladder[i]))
            json_array_append_new(chance, json_string(key));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "title",
                     pair->title ? json_string(pair->title) : json_null(), "first",
                     side_json(pair, 0), "second", side_json(pair, 1), "ratio", ratio, "chance",
                     chance);
}

static void print_json(const struct pair *pairs, unsigned count)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < count; i++)
        json_array_append_new(list, pair_json(&pairs[i], pairs, count));
    cli_json_print(json_pack("{s:o}", "pairs", list), JSON_INDENT(2));
}

/* ---- For people ---- */

static void print_all(const struct pair *pairs, unsigned count)
{
    print(pairs, count);
    for (unsigned i = 0; i < 2 * count; i++)
        if (pairs[i / 2].proof[i % 2])
            print_proof(pairs[i / 2].proof[i % 2], pairs[i / 2].title);
}

static void drop(struct pair *pairs, unsigned count)
{
    for (unsigned i = 0; i < 2 * count; i++) {
        json_decref(pairs[i / 2].ping[i % 2]);
        json_decref(pairs[i / 2].proof[i % 2]);
    }
}

int cli_compare(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"title", KEY_TITLE, "TEXT", 0, "over the first pair of files; once more for the next", 1},
        {"json", KEY_JSON, NULL, 0, "print one JSON object", 1},
        {0}};
    static const struct argp argp = {
        options,
        parse,
        "FILE FILE [FILE FILE]...",
        "Shows results of 'aether ping --json' side by side, in pairs, "
        "and what proofs they hold.\v"
        "The ratio is the first of a pair by the second: above 1, the "
        "second is faster.",
        NULL,
        NULL,
        NULL};
    struct arguments arguments = {0};
    struct pair pairs[PAIRS] = {0};
    char titles[PAIRS][AE_TEXT_SHOWN];
    unsigned count;
    bool whole = true;

    argv[0] = (char[]){"aether compare"};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
        return CLI_USAGE;
    count = arguments.file_count / 2;
    for (unsigned i = 0; i < 2 * count; i++) {
        struct pair *pair = &pairs[i / 2];

        if (arguments.titles[i / 2])
            pair->title = ae_text_shown(titles[i / 2], AE_TEXT_SHOWN, arguments.titles[i / 2]);
        pair->ping[i % 2] = load(arguments.files[i], &pair->proof[i % 2]);
        whole = whole && pair->ping[i % 2];
    }
    if (whole && arguments.json)
        print_json(pairs, count);
    else if (whole)
        print_all(pairs, count);
    drop(pairs, count);
    return whole ? CLI_OK : CLI_FAILED;
}
