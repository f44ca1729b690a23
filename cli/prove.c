/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aether/worker.h>

#include "cli.h"
#include "json.h"
#include "proof/certificate/certificate.h"
#include "prove.h"

enum {
    KEY_PARTITION = 0x100,
    KEY_KEY,
    KEY_BASELINE,
    KEY_TOLERANCE,
    KEY_TOLERANCE_US,
    KEY_GAPS,
    KEY_PID,
    KEY_SHOW,
    KEY_VERIFY,
    KEY_SIGNER,
    KEY_SIGNERS,
    KEY_IDENTITY,
    KEY_MACHINE,
    KEY_NAME,
    KEY_NONCE,
    KEY_MAX_AGE,
    KEY_SIGNATURE_ONLY,
};

static const struct argp_option options[] = {
    {"certificate", 'o', "FILE", 0, "write the certificate to FILE and its page to FILE.txt", 1},
    {"key", KEY_KEY, "FILE", 0,
     "sign it with this key of ssh-keygen's: a private key, or a public one whose private half an "
     "agent or a token holds",
     1},
    {"nonce", KEY_NONCE, "TEXT", 0,
     "put this text into what is signed, so that whoever chose it sees that it was made for him; "
     "with "
     "--verify: demand it",
     1},
    {"partition", KEY_PARTITION, "NAME", 0, "the partition (the applied one that has the CPU)", 1},
    {"gaps", KEY_GAPS, "SECONDS", 0,
     "measure gaps on the CPU for so long before the worker runs (5); 0: do not", 1},
    {"pid", KEY_PID, "PID", 0, "do not start a worker, watch this one, which runs already", 1},
    {"baseline", KEY_BASELINE, "FILE", 0,
     "compare with this earlier certificate; exit status 3 when anything is worse", 2},
    {"tolerance", KEY_TOLERANCE, "PERCENT", 0,
     "rates and gaps may be greater by so much and are not worse (20)", 2},
    {"tolerance-us", KEY_TOLERANCE_US, "US", 0, "so may gaps by this (1)", 2},
    {"show", KEY_SHOW, "FILE", 0, "run nothing: print the page of this certificate", 3},
    {"verify", KEY_VERIFY, "FILE", 0,
     "run nothing: is this certificate signed by whom --signer names, untouched, the one that is "
     "asked "
     "for, and quiet? Says of which machine, CPU and time it is",
     3},
    {"signer", KEY_SIGNER, "FILE", 0, "the public key to trust", 3},
    {"signers", KEY_SIGNERS, "FILE", 0, "or an allowed-signers file of ssh-keygen's", 3},
    {"identity", KEY_IDENTITY, "NAME", 0, "and who of them", 3},
    {"machine", KEY_MACHINE, "ID", 0,
     "verify that it is of this machine: the 32 digits that certificates call it by, or 'this'", 3},
    {"max-age", KEY_MAX_AGE, "TIME", 0,
     "verify that it was issued no longer ago: seconds, or a number with m, h or d behind it", 3},
    {"name", KEY_NAME, "NAME", 0,
     "verify that it was issued as the file of this name (the name that it has now)", 3},
    {"signature-only", KEY_SIGNATURE_ONLY, NULL, 0,
     "exit status 0 for every verdict: the signature and what else is asked for is all", 3},
    {0}};

static double number(struct argp_state *state, const char *option, const char *text, double most)
{
    char *end;
    double value = strtod(text, &end);

    if (text[0] < '0' || text[0] > '9' || *end || !(value <= most))
        argp_error(state, "%s=%s: a number from 0 to %.0f is needed", option, text, most);
    return value;
}

/* In seconds. */
static double parse_age(struct argp_state *state, const char *text)
{
    static const struct {
        char letter;
        double seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    double value = strtod(text, &end), unit = *end ? 0 : 1;

    for (size_t i = 0; *end && i < sizeof(units) / sizeof(units[0]); i++)
        if (*end == units[i].letter && !end[1])
            unit = units[i].seconds;
    if (text[0] < '0' || text[0] > '9' || !(value * unit > 0) || !(value * unit < 1e10))
        argp_error(state, "--max-age=%s: a time such as 90, 15m, 24h or 7d is needed", text);
    return value * unit;
}

static bool is_machine(const char *text)
{
    unsigned digits = 0;

    for (; *text; text++)
        if (isxdigit((unsigned char)*text))
            digits++;
        else if (*text != '-')
            return false;
    return digits == 32;
}

static error_t parse_demand(int key, char *value, struct cli_prove *prove, struct argp_state *state)
{
    switch (key) {
    case KEY_MACHINE:
        prove->demand.machine = value;
        if (strcmp(value, "this") != 0 && !is_machine(value))
            argp_error(state, "--machine=%s: 32 hexadecimal digits are needed, or 'this'", value);
        return 0;
    case KEY_NAME:
        prove->demand.name = value;
        return 0;
    case KEY_NONCE:
        prove->demand.nonce = value;
        if (!ae_certificate_is_nonce(value))
            argp_error(state, "--nonce: 1 to %d bytes of plain text are needed",
                       AE_CERTIFICATE_NONCE);
        return 0;
    case KEY_MAX_AGE:
        prove->demand.greatest_age = parse_age(state, value);
        return 0;
    case KEY_SIGNATURE_ONLY:
        prove->signature_only = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_file(int key, char *value, struct cli_prove *prove, struct argp_state *state)
{
    switch (key) {
    case 'o':
        prove->file = value;
        return 0;
    case KEY_KEY:
        prove->key = value;
        return 0;
    case KEY_BASELINE:
        prove->baseline = value;
        return 0;
    case KEY_SHOW:
        prove->show = value;
        return 0;
    case KEY_VERIFY:
        prove->verify = value;
        return 0;
    case KEY_SIGNER:
        prove->trust.key = value;
        return 0;
    case KEY_SIGNERS:
        prove->trust.signers = value;
        return 0;
    case KEY_IDENTITY:
        prove->trust.identity = value;
        return 0;
    default:
        return parse_demand(key, value, prove, state);
    }
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct cli_prove *prove = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &prove->launch;
        return 0;
    case KEY_PARTITION:
        prove->partition = value;
        return 0;
    case KEY_GAPS:
        prove->gap_seconds = (unsigned)number(state, "--gaps", value, 604800);
        return 0;
    case KEY_PID:
        prove->pid = (pid_t)number(state, "--pid", value, 4194304);
        return 0;
    case KEY_TOLERANCE:
        prove->tolerance.percent = number(state, "--tolerance", value, 1e6);
        return 0;
    case KEY_TOLERANCE_US:
        prove->tolerance.gap_us = number(state, "--tolerance-us", value, 1e9);
        return 0;
    case ARGP_KEY_ARG:
        /* The program's own options are not ours. */
        cli_json_end_of_ours();
        prove->program = state->argv + state->next - 1;
        prove->program_count = state->argc - state->next + 1;
        state->next = state->argc;
        return 0;
    default:
        return parse_file(key, value, prove, state);
    }
}

static const char *mistake(const struct cli_prove *prove)
{
    const bool reads = prove->show || prove->verify;

    if (prove->show && prove->verify)
        return "--show and --verify: one of the two";
    if (reads && (prove->pid || prove->program || prove->file || prove->key))
        return "--show and --verify run nothing and write nothing";
    if (!prove->verify && (prove->demand.machine || prove->demand.name ||
                           prove->demand.greatest_age > 0 || prove->signature_only))
        return "--machine, --name, --max-age and --signature-only belong to --verify";
    if (prove->show && prove->demand.nonce)
        return "--nonce is issued, or with --verify demanded; --show does neither";
    if (prove->pid && prove->program)
        return "--pid watches a worker that runs; a program is not started then";
    if (prove->pid && prove->launch.port_count)
        return "--pid watches a worker that has its ports already";
    if (prove->key && !prove->file)
        return "--key signs a file: --certificate=FILE is needed";
    if (prove->trust.signers && !prove->trust.identity)
        return "--signers names several: --identity=NAME says whom to believe";
    if (prove->trust.identity && !prove->trust.signers)
        return "--identity is a name in a file that --signers=FILE gives";
    if (prove->launch.no_proof)
        return "--no-proof: this verb is for nothing else";
    return NULL;
}

static int run(struct cli_prove *prove)
{
    if (prove->verify)
        return cli_prove_verify(prove);
    if (prove->show)
        return cli_prove_show(prove);
    if (!prove->launch.seconds)
        prove->launch.seconds = 60;
    if (prove->pid)
        return cli_prove_attach(prove);
    if (!prove->program && ae_worker_supervised())
        return cli_prove_gap_worker(prove);
    return cli_prove_run(prove);
}

int cli_prove(int argc, char **argv)
{
    static const struct argp_child children[] = {{&cli_launch_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        "[PROGRAM [ARGUMENT...]]",
        "Has a worker run on a quiet CPU and issues a certificate of what the kernel did there.\v"
        "PROGRAM is one that enters quiet, or 'echo' or 'ping' for those of aether; without one "
        "the "
        "worker polls the CPU's counter and so measures gaps. It lasts 60 s unless --seconds says "
        "otherwise. Exit status: 0 quiet, 3 not quiet or not all could be seen; with --baseline, 3 "
        "when anything is worse; with --verify, 3 for whatever is not a quiet certificate that was "
        "asked "
        "for.\n"
        "Example: aether prove --cpu 1 --port 0000:01:00.0 --bind -o today.json --key "
        "~/.ssh/id_ed25519 "
        "ping --address 10.77.0.2/24 --count 0 10.77.0.1:7",
        children,
        NULL,
        NULL};
    struct cli_prove prove = {.gap_seconds = 5};
    const char *wrong;

    cli_launch_init(&prove.launch);
    argv[0] = (char[]){"aether prove"};
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &prove))
        return CLI_USAGE;
    wrong = mistake(&prove);
    if (wrong) {
        fprintf(stderr, "aether prove: %s\n", wrong);
        return CLI_USAGE;
    }
    return run(&prove);
}
