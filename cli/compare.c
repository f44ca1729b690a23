/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli.h"
#include "measure/report.h"
#include "proof/certificate.h"

#define FILE_MOST (4 << 20) /* bytes of what ping printed; it is a hundredth of that */

struct arguments {
    const char *files[2];
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num > 1)
            argp_error(state, "two files are compared: '%s' is one more", value);
        else
            arguments->files[state->arg_num] = value;
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num < 2)
            argp_error(state, "two files are needed, from 'aether ping --json'");
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

static void print(const json_t *a, const json_t *b)
{
    printf("%-22s %15s %15s %8s\n", "Round trip", name_of(a), name_of(b), "ratio");
    for (unsigned i = 0; i < AE_LADDER; i++) {
        uint64_t left = at(a, ae_ladder[i].key), right = at(b, ae_ladder[i].key);
        char left_text[16], right_text[16];

        ae_report_time(left, left_text);
        ae_report_time(right, right_text);
        printf("  %-20s %15s %15s %8.2f\n", ae_ladder[i].name, left_text, right_text,
               right ? (double)left / (double)right : 0);
    }
    printf("  %-20s %15lld %15lld\n", "probes",
           (long long)json_integer_value(json_object_get(a, "sent")),
           (long long)json_integer_value(json_object_get(b, "sent")));
    printf("  %-20s %15lld %15lld\n", "lost",
           (long long)json_integer_value(json_object_get(a, "lost")),
           (long long)json_integer_value(json_object_get(b, "lost")));
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

    json_array_foreach(rows, i, row)
        if (strncmp(text_of(row, "row"), prefix, length) == 0)
            sum += json_integer_value(json_object_get(row, "count"));
    printf("  %-34s %8lld\n", title, (long long)sum);
    json_array_foreach(rows, i, row) {
        long long count = json_integer_value(json_object_get(row, "count"));

        if (count && strncmp(text_of(row, "row"), prefix, length) == 0)
            printf("    %-32s %8lld\n", text_of(row, "row") + length, count);
    }
}

static void print_proof(const json_t *proof)
{
    const json_t *rows = json_object_get(proof, "rows");
    json_t *one;
    size_t i;

    printf("\nProof: CPU %lld, %.1f s, %zu counters: %s\n",
           (long long)json_integer_value(json_object_get(proof, "cpu")),
           json_number_value(json_object_get(proof, "seconds")), json_array_size(rows),
           text_of(proof, "verdict"));
    print_rows(rows, "interrupts", "irq:");
    print_rows(rows, "softirqs", "softirq:");
    print_rows(rows, "times a task was put on the CPU", "sched:");
    print_rows(rows, "context switches, faults, moves", "task:");
    json_array_foreach(json_object_get(proof, "causes"), i, one)
        printf("  traced: %-26s %8lld\n", text_of(one, "cause"),
               (long long)json_integer_value(json_object_get(one, "times")));
    json_array_foreach(json_object_get(proof, "not_seen"), i, one)
        printf("  not seen: %s\n", json_string_value(one) ? json_string_value(one) : "?");
}

int cli_compare(int argc, char **argv)
{
    static const struct argp argp = {NULL, parse, "FILE FILE",
                                     "Shows two results of 'aether ping --json' side by side, and "
                                     "what proofs they hold.\v"
                                     "The ratio is the first by the second: above 1, the second is "
                                     "faster.",
                                     NULL, NULL, NULL};
    struct arguments arguments;
    json_t *a, *b, *proofs[2] = {NULL, NULL};
    int status = CLI_FAILED;

    argv[0] = (char[]){"aether compare"};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
        return CLI_USAGE;
    a = load(arguments.files[0], &proofs[0]);
    b = load(arguments.files[1], &proofs[1]);
    if (a && b) {
        print(a, b);
        for (unsigned i = 0; i < 2; i++)
            if (proofs[i])
                print_proof(proofs[i]);
        status = CLI_OK;
    }
    json_decref(a);
    json_decref(b);
    json_decref(proofs[0]);
    json_decref(proofs[1]);
    return status;
}
