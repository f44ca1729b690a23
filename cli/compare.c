/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "measure/report.h"

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

/* What ping printed: bare, or as the member that the supervisor made of it. */
static json_t *load(const char *file)
{
    json_error_t why;
    json_t *root = json_load_file(file, 0, &why);
    json_t *ping = json_object_get(root, "ping");

    if (!root)
        fprintf(stderr, "aether compare: %s: %s (line %d)\n", file, why.text, why.line);
    ping = ping ? ping : root;
    if (root && !json_is_object(json_object_get(ping, "round_trip"))) {
        fprintf(stderr, "aether compare: %s: this is not what 'aether ping --json' prints\n", file);
        ping = NULL;
    }
    json_incref(ping);
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

int cli_compare(int argc, char **argv)
{
    static const struct argp argp = {NULL, parse, "FILE FILE",
                                     "Shows two results of 'aether ping --json' side by side.\v"
                                     "The ratio is the first by the second: above 1, the second is "
                                     "faster.",
                                     NULL, NULL, NULL};
    struct arguments arguments;
    json_t *a, *b;
    int status = CLI_FAILED;

    argv[0] = (char[]){"aether compare"};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
        return CLI_USAGE;
    a = load(arguments.files[0]);
    b = load(arguments.files[1]);
    if (a && b) {
        print(a, b);
        status = CLI_OK;
    }
    json_decref(a);
    json_decref(b);
    return status;
}
