/* SPDX-License-Identifier: Apache-2.0 */

/* The page: what a certificate says, for somebody who reads it once and decides. */

#include "proof/certificate/certificate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "machine/identity.h"

static const json_t *get(const json_t *object, const char *name)
{
    return json_object_get(object, name);
}

static uint64_t count(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(get(object, name));
}

static const char *verdict_words(const struct ae_certificate *certificate)
{
    switch (ae_certificate_verdict(certificate)) {
    case AE_PROOF_QUIET:
        return "QUIET";
    case AE_PROOF_DISTURBED:
        return "DISTURBED";
    case AE_PROOF_INCOMPLETE:
        break;
    }
    return "INCOMPLETE";
}

static void print_list(FILE *out, const json_t *list, const char *title)
{
    const json_t *text;
    size_t i;

    if (json_array_size(list))
        fprintf(out, "\n%s\n", title);
    json_array_foreach (list, i, text)
        fprintf(out, "  - %s\n", json_string_value(text));
}

static void print_head(const struct ae_certificate *certificate, FILE *out)
{
    const json_t *all = certificate->all, *command = get(all, "command");
    double seconds = json_number_value(get(all, "seconds"));

    fprintf(out, "AETHER CERTIFICATE: %s\n\n%s\n", verdict_words(certificate),
            ae_certificate_text(all, "statement"));
    fprintf(out, "Issued %s", ae_certificate_text(all, "issued"));
    if (json_is_object(command))
        fprintf(out, " by aether %s; the worker was %s", ae_certificate_text(command, "aether"),
                ae_certificate_text(command, "way"));
    fprintf(out, ".\n");
    /* Not there in the first format. */
    if (get(all, "machine_identity"))
        fprintf(out, "Of machine %s.\n", ae_certificate_text(all, "machine_identity"));
    if (get(all, "name"))
        fprintf(out, "As the file %s.\n", ae_certificate_text(all, "name"));
    if (get(all, "nonce"))
        fprintf(out, "Nonce %s\n", ae_certificate_text(all, "nonce"));
    if (!json_is_true(get(all, "long_enough")))
        fprintf(out,
                "%.0f s are a check. Rare causes come hours apart: for a statement about this "
                "machine, prove %d hours or more.\n",
                seconds, AE_CERTIFICATE_SECONDS / 3600);
}

/* A group that has no row was not seen, which is not the same as none. */
static void print_group(FILE *out, const json_t *rows, const char *title, const char *prefix)
{
    size_t i, seen = 0;
    uint64_t sum = 0;
    const json_t *row;

    json_array_foreach (rows, i, row) {
        if (strncmp(ae_certificate_text(row, "row"), prefix, strlen(prefix)) != 0)
            continue;
        seen++;
        sum += count(row, "count");
    }
    if (!seen) {
        fprintf(out, "  %-36s   not seen\n", title);
        return;
    }
    fprintf(out, "  %-36s %10" PRIu64 "   in %zu rows\n", title, sum, seen);
    json_array_foreach (rows, i, row) {
        const char *name = ae_certificate_text(row, "row");
        const char *because = ae_certificate_text(row, "because");

        if (strncmp(name, prefix, strlen(prefix)) == 0 && count(row, "count"))
            fprintf(out, "    %-34s %10" PRIu64 "   %s%s%s\n", name + strlen(prefix),
                    count(row, "count"), ae_certificate_text(row, "means"), *because ? "; " : "",
                    because);
    }
}

static void print_counts(const struct ae_certificate *certificate, FILE *out)
{
    const json_t *rows = get(certificate->all, "rows"), *causes = get(certificate->all, "causes");
    const json_t *cause;
    size_t i;

    fprintf(out, "\nCOUNTED ON CPU %d\n", certificate->cpu);
    print_group(out, rows, "interrupts", "irq:");
    print_group(out, rows, "softirqs", "softirq:");
    print_group(out, rows, "times a task was put on the CPU", "sched:");
    print_group(out, rows, "switches, faults, migrations", "task:");
    if (json_array_size(causes))
        fprintf(out, "\nWHAT THE KERNEL'S TRACE SAYS OF IT\n");
    json_array_foreach (causes, i, cause)
        fprintf(out, "  %-36s %10" PRIu64 "\n", ae_certificate_text(cause, "cause"),
                count(cause, "times"));
}

static void print_gaps(const struct ae_certificate *certificate, FILE *out)
{
    const json_t *gaps = get(certificate->all, "gaps"), *length;
    size_t i;

    fprintf(out, "\nGAPS\n");
    if (!json_is_true(get(gaps, "measured"))) {
        fprintf(out, "  Not measured: %s.\n", ae_certificate_text(gaps, "why"));
        return;
    }
    fprintf(out, "  Measured %s, %.1f s.\n", ae_certificate_text(gaps, "how"),
            json_number_value(get(gaps, "seconds")));
    fprintf(out, "  %" PRIu64 " over %" PRIu64 " ns", count(gaps, "gaps"),
            count(gaps, "threshold_ns"));
    if (count(gaps, "gaps"))
        fprintf(out, "; 50%% %.3f us, 99%% %.3f us, 99.9%% %.3f us, longest %.3f us",
                (double)count(gaps, "p50_ns") / 1000, (double)count(gaps, "p99_ns") / 1000,
                (double)count(gaps, "p99_9_ns") / 1000, (double)count(gaps, "longest_ns") / 1000);
    fprintf(out, "\n");
    json_array_foreach (get(gaps, "histogram"), i, length)
        fprintf(out, "  %12" PRIu64 " ns and more %12" PRIu64 "\n", count(length, "from_ns"),
                count(length, "gaps"));
}

static const char *answer(const json_t *knob, const char *question)
{
    return ae_certificate_text(get(knob, question), "answer");
}

static void print_knobs(const struct ae_certificate *certificate, FILE *out)
{
    static const char *const questions[] = {"accepted", "effective", "quiet"};
    const json_t *knobs = get(certificate->all, "knobs"), *knob;
    size_t i;

    if (!json_array_size(knobs))
        return;
    fprintf(out, "\nKNOBS                    accepted   effective  quiet\n");
    json_array_foreach (knobs, i, knob) {
        fprintf(out, "  %-22s %-10s %-10s %s\n", ae_certificate_text(knob, "knob"),
                answer(knob, "accepted"), answer(knob, "effective"), answer(knob, "quiet"));
        for (size_t j = 0; j < sizeof(questions) / sizeof(questions[0]); j++)
            if (strcmp(answer(knob, questions[j]), "no") == 0)
                fprintf(out, "      %s: %s\n", questions[j],
                        ae_certificate_text(get(knob, questions[j]), "detail"));
    }
}

static void print_partition(const struct ae_certificate *certificate, FILE *out)
{
    const json_t *partition = get(certificate->all, "partition"), *entry;
    const char *config, *level;
    size_t i;

    if (!json_is_object(partition))
        return;
    config = ae_certificate_text(partition, "config");
    level = ae_certificate_text(partition, "level");
    fprintf(out, "\nPARTITION %s: quiet CPUs %s; level: %s; %zu settings journalled\n",
            ae_certificate_text(partition, "name"), ae_certificate_text(partition, "quiet_cpus"),
            *level ? level : "not seen", json_array_size(get(partition, "journal")));
    for (const char *line = config; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (*line != '#' && *line != '\n')
            fprintf(out, "  %.*s\n", (int)strcspn(line, "\n"), line);
    json_array_foreach (get(partition, "journal"), i, entry)
        if (strcmp(ae_certificate_text(entry, "old"), ae_certificate_text(entry, "new")) != 0)
            fprintf(out, "  %s %s: %s -> %s\n", ae_certificate_text(entry, "knob"),
                    ae_certificate_text(entry, "target"), ae_certificate_text(entry, "old"),
                    ae_certificate_text(entry, "new"));
}

static void print_worker(const struct ae_certificate *certificate, FILE *out)
{
    const json_t *worker = get(certificate->all, "worker"), *word;
    const json_t *calls = get(certificate->all, "system_calls");
    size_t i;

    fprintf(out, "\nWORKER\n  process %" PRIu64, count(certificate->all, "pid"));
    if (!json_is_object(worker)) {
        fprintf(out, "; which program it was is not seen\n");
        return;
    }
    fprintf(out, ", %s\n  SHA-256 %s\n  arguments:", ae_certificate_text(worker, "program"),
            *ae_certificate_text(worker, "sha256") ? ae_certificate_text(worker, "sha256")
                                                   : "not seen");
    json_array_foreach (get(worker, "arguments"), i, word)
        fprintf(out, " %s", json_string_value(word));
    fprintf(out, "\n");
    if (json_is_object(calls))
        fprintf(out,
                "  system calls while quiet, by its own process: %s; kinds that were made: %zu\n",
                ae_certificate_text(calls, "quiet"), json_array_size(get(calls, "calls")));
}

static bool is_trouble(const char *name)
{
    return !strstr(name, "_frames") && !strstr(name, "_bytes");
}

/* Those of formats before the fifth have no names, and count more than the time that was proved. */
static void print_ports(const struct ae_certificate *certificate, FILE *out)
{
    const json_t *ports = get(certificate->all, "ports"), *port;
    const char *name;
    json_t *counter;
    size_t i;

    if (!json_array_size(ports) || !get(json_array_get(ports, 0), "port"))
        return;
    fprintf(out, "\nFRAMES WHILE QUIET, BY THE WORKER'S OWN WORD\n");
    json_array_foreach (ports, i, port) {
        fprintf(out,
                "  %s, path %s, caller %s: received %" PRIu64 " (%" PRIu64 " bytes), sent %" PRIu64
                " (%" PRIu64 " bytes)\n",
                ae_certificate_text(port, "port"), ae_certificate_text(port, "path"),
                ae_certificate_text(port, "caller"), count(port, "received_frames"),
                count(port, "received_bytes"), count(port, "sent_frames"),
                count(port, "sent_bytes"));
        json_object_foreach ((json_t *)(size_t)port, name, counter)
            if (json_integer_value(counter) > 0 && is_trouble(name))
                fprintf(out, "    %-34s %10" PRIu64 "\n", name, count(port, name));
    }
}

static void print_facts(const struct ae_certificate *certificate, FILE *out)
{
    struct ae_identity_fact fact;
    const char *group = "";

    for (size_t i = 0; ae_identity_describe(i, &fact) == 0; i++) {
        const json_t *told = ae_certificate_fact(get(certificate->all, fact.group), fact.name);
        const char *value = json_string_value(told);

        if (strcmp(group, fact.group) != 0)
            fprintf(out, "\n%s\n", strcmp(fact.group, "machine") == 0 ? "MACHINE" : "KERNEL");
        group = fact.group;
        fprintf(out, "  %-20s %s\n", fact.title,
                !told             ? "not told"
                : value && *value ? value
                                  : "none");
    }
}

/* Every text in it was made plain when it entered. */
void ae_certificate_print(const struct ae_certificate *certificate, FILE *out)
{
    print_head(certificate, out);
    print_counts(certificate, out);
    print_list(out, get(certificate->all, "not_seen"), "NOT SEEN");
    print_list(out, get(certificate->all, "limits"), "WHAT THIS CANNOT SAY");
    print_gaps(certificate, out);
    print_knobs(certificate, out);
    print_partition(certificate, out);
    print_worker(certificate, out);
    print_ports(certificate, out);
    ae_certificate_print_loops(get(certificate->all, "worker_loops"), out);
    print_facts(certificate, out);
}

char *ae_certificate_page(const struct ae_certificate *certificate)
{
    char *page = NULL;
    size_t size;
    FILE *out = open_memstream(&page, &size);

    if (!out)
        return NULL;
    ae_certificate_print(certificate, out);
    return fclose(out) ? NULL : page;
}
