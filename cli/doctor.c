/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/text.h"
#include "cli.h"
#include "doctor_report.h"
#include "json.h"
#include "machine/check.h"
#include "machine/kernel.h"
#include "partition/checks.h"
#include "port/check.h"

struct doctor {
    bool json;
    json_t *list;
    unsigned counts[4]; /* ok, missing, optional, unseen */
    struct cli_doctor_report report;
};

enum { KEY_JSON = 256, KEY_REPORT, KEY_BY, KEY_BENCH, KEY_CERTIFICATE };

static const struct argp_option arguments[] = {
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {"report", KEY_REPORT, "FILE", 0,
     "write what a person needs to judge this machine, without names, addresses and serial "
     "numbers; -: here",
     1},
    {"by", KEY_BY, "WHO", 0, "in a report: who tested", 1},
    {"bench", KEY_BENCH, "FILE", 0, "in a report: what 'aether bench' wrote; repeatable", 1},
    {"certificate", KEY_CERTIFICATE, "FILE", 0,
     "in a report: what this certificate says of the CPU; repeatable", 1},
    {0},
};

static void add(struct argp_state *state, const char **files, unsigned *count, const char *file)
{
    if (*count == CLI_REPORT_EACH)
        argp_error(state, "%s: at most %d of them are in a report", file, CLI_REPORT_EACH);
    else
        files[(*count)++] = file;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct doctor *doctor = state->input;
    struct cli_doctor_report *report = &doctor->report;

    switch (key) {
    case KEY_JSON:
        doctor->json = true;
        cli_json_ask();
        return 0;
    case KEY_REPORT:
        report->file = arg;
        return 0;
    case KEY_BY:
        report->by = arg;
        return 0;
    case KEY_BENCH:
        add(state, report->benchmarks, &report->benchmark_count, arg);
        return 0;
    case KEY_CERTIFICATE:
        add(state, report->certificates, &report->certificate_count, arg);
        return 0;
    case ARGP_KEY_END:
        if (!report->file && (report->by || report->benchmark_count || report->certificate_count))
            argp_error(state, "--by, --bench and --certificate are of a report: --report=FILE");
        if (report->file && doctor->json)
            argp_error(state, "a report is JSON already: --report without --json");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    arguments,
    parse,
    NULL,
    "Says what this machine has of what Aether wants, and what to do about the rest. Changes "
    "nothing. Exit status 1 when something required is missing.",
    NULL,
    NULL,
    NULL};

static unsigned *count_of(struct doctor *doctor, const char *word)
{
    static const char *const words[] = {"ok", "missing", "optional", "unseen"};

    for (unsigned i = 0; i < 4; i++)
        if (strcmp(word, words[i]) == 0)
            return &doctor->counts[i];
    return &doctor->counts[3];
}

static void tell(struct doctor *doctor, const struct ae_check *check,
                 const struct ae_finding *found)
{
    struct ae_finding shown = *found, *finding = &shown;
    const char *word = ae_check_word(check, found);

    ++*count_of(doctor, word);
    /* Machines and kernels say of themselves what they like. */
    ae_text_shown(finding->reason, sizeof(finding->reason), finding->reason);
    ae_text_shown(finding->remedy, sizeof(finding->remedy), finding->remedy);
    if (doctor->json || doctor->report.file) {
        json_array_append_new(
            doctor->list, json_pack("{s:s, s:s, s:b, s:s, s:s, s:s}", "check", check->name, "what",
                                    check->what, "required", (int)check->required, "result", word,
                                    "reason", finding->reason, "remedy", finding->remedy));
        return;
    }
    printf("%-9s %-20s %s\n", word, check->name, finding->reason);
    if (finding->remedy[0])
        printf("%-9s %-20s -> %s\n", "", "", finding->remedy);
}

static void run_table(struct doctor *doctor, const struct ae_check *table)
{
    for (const struct ae_check *check = table; check->name; check++) {
        struct ae_finding finding;

        ae_check_run(check, &finding);
        tell(doctor, check, &finding);
    }
}

static void tell_card(const struct ae_pci *pci, const struct ae_finding *finding, void *context)
{
    struct ae_check check = {"cards", "a network card that Aether drives", true, NULL, ""};

    if (pci) {
        check.name = pci->info.address;
        check.what = "this network card";
        check.required = false;
    }
    tell(context, &check, finding);
}

static void print_json(struct doctor *doctor, const char *release)
{
    json_t *all =
        json_pack("{s:s, s:b, s:i, s:i, s:i, s:i, s:o}", "kernel", release, "root", geteuid() == 0,
                  "ok", (int)doctor->counts[0], "missing", (int)doctor->counts[1], "optional",
                  (int)doctor->counts[2], "unseen", (int)doctor->counts[3], "checks", doctor->list);

    cli_json_print(all, JSON_INDENT(2));
}

int cli_doctor(int argc, char **argv)
{
    static char program[] = "aether doctor";
    struct doctor doctor = {.list = NULL};
    char release[128];

    argv[0] = program;
    if (argp_parse(&argp, argc, argv, 0, NULL, &doctor))
        return CLI_USAGE;
    if (ae_kernel_release(release, sizeof(release)))
        strcpy(release, "unknown");
    ae_text_shown(release, sizeof(release), release);
    doctor.list = json_array();
    if (!doctor.json && !doctor.report.file)
        printf("Linux %s%s\n", release,
               geteuid() == 0 ? "" : "; as an ordinary user, who cannot see everything");
    run_table(&doctor, ae_machine_checks);
    run_table(&doctor, ae_partition_checks);
    ae_port_check_cards(tell_card, &doctor);
    if (doctor.report.file) {
        int status = cli_doctor_report(&doctor.report, doctor.list);

        json_decref(doctor.list);
        return status;
    }
    if (doctor.json) {
        cli_json_because(
            "something that is required is missing; 'checks' says what, and what to do");
        print_json(&doctor, release);
    } else {
        printf("%u ok, %u missing, %u optional, %u could not be seen\n", doctor.counts[0],
               doctor.counts[1], doctor.counts[2], doctor.counts[3]);
        json_decref(doctor.list);
    }
    return doctor.counts[1] ? CLI_FAILED : CLI_OK;
}
