/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor_report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/root.h"
#include "base/text.h"
#include "cli.h"
#include "machine/identity.h"
#include "machine/pci.h"
#include "measure/bench/anonymous.h"
#include "measure/bench/bench.h"
#include "port/check.h"
#include "proof/certificate/certificate.h"
#include "written.h"

#define FORMAT 1

/* Facts that say whose machine it is, or that are of one boot alone. */
static bool is_private(const char *name)
{
    static const char *const names[] = {"host", "boot_id"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void add_facts(json_t *all)
{
    struct ae_identity_fact fact;

    json_object_set_new(all, "machine", json_object());
    json_object_set_new(all, "kernel", json_object());
    for (size_t i = 0; ae_identity_describe(i, &fact) == 0; i++) {
        char text[AE_IDENTITY_TEXT], *parameters;

        if (is_private(fact.name) || ae_identity_read(i, text, sizeof(text)))
            continue;
        if (strcmp(fact.name, "command_line") == 0) {
            parameters = ae_anonymous_parameters(text);
            snprintf(text, sizeof(text), "%s", parameters ? parameters : "");
            free(parameters);
        }
        json_object_set_new(json_object_get(all, fact.group), fact.name,
                            ae_certificate_string(text));
    }
}

static void add_card(const struct ae_pci *pci, const struct ae_finding *finding, void *context)
{
    char name[128], ids[16];
    struct ae_error why;

    if (!pci)
        return;
    ae_pci_describe(pci, name, sizeof(name));
    snprintf(ids, sizeof(ids), "%04x:%04x", pci->info.vendor, pci->info.device);
    json_array_append_new(context, json_pack("{s:s, s:s, s:s, s:b, s:s}", "ids", ids, "name",
                                             AE_TEXT(name), "driver", AE_TEXT(pci->driver),
                                             "driven", (int)!ae_port_check_function(pci, &why),
                                             "finding", AE_TEXT(finding->reason)));
}

/* The benchmark as it is, but for what a kernel was told besides. */
static int add_benchmark(json_t *list, const char *file, struct ae_error *err)
{
    struct ae_bench *bench;
    json_t *machine;
    char *parameters;
    int rc = ae_bench_read(&bench, file, err);

    if (rc)
        return rc;
    machine = json_object_get(bench->all, "machine");
    parameters = ae_anonymous_parameters(ae_bench_text(machine, "kernel_parameters"));
    json_object_set_new(machine, "kernel_parameters", json_string(parameters ? parameters : ""));
    free(parameters);
    json_array_append(list, bench->all);
    ae_bench_free(bench);
    return 0;
}

/* Of a certificate what it says of the CPU. Whom it was made for, and how that was set up, stays
 * in the certificate, which its digest names. */
static int add_certificate(json_t *list, const char *file, struct ae_error *err)
{
    static const char *const kept[] = {"certificate", "verdict", "statement", "seconds", "issued",
                                       "causes",      "limits",  "not_seen",  "ports"};
    struct ae_certificate *certificate;
    struct ae_certificate_bytes bytes;
    uint8_t digest[AE_DIGEST_BYTES];
    char text[AE_DIGEST_TEXT];
    struct ae_digest sum;
    json_t *one, *rows, *row;
    size_t i;
    int rc = ae_certificate_take(&bytes, file, AE_CERTIFICATE_MOST, err);

    if (rc)
        return rc;
    ae_digest_begin(&sum);
    ae_digest_add(&sum, bytes.data, bytes.length);
    ae_digest_end(&sum, digest);
    ae_digest_text(digest, sizeof(digest), text);
    rc = ae_certificate_parse(&certificate, bytes.data, bytes.length, err);
    free(bytes.data);
    if (rc)
        return ae_error_prefix(err, rc, "%s", file);
    one = json_pack("{s:s}", "sha256", text);
    for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        json_object_set(one, kept[i], json_object_get(certificate->all, kept[i]));
    rows = json_array();
    json_array_foreach (json_object_get(certificate->all, "rows"), i, row)
        if (json_integer_value(json_object_get(row, "count")))
            json_array_append(rows, row);
    json_object_set_new(one, "rows", rows);
    json_array_append_new(list, one);
    ae_certificate_free(certificate);
    return 0;
}

static int add_files(json_t *all, const struct cli_doctor_report *report, struct ae_error *err)
{
    json_t *benchmarks = json_array(), *certificates = json_array();
    int rc = 0;

    json_object_set_new(all, "benchmarks", benchmarks);
    json_object_set_new(all, "certificates", certificates);
    for (unsigned i = 0; !rc && i < report->benchmark_count; i++)
        rc = add_benchmark(benchmarks, report->benchmarks[i], err);
    for (unsigned i = 0; !rc && i < report->certificate_count; i++)
        rc = add_certificate(certificates, report->certificates[i], err);
    return rc;
}

static int write_report(const char *file, const json_t *all, struct ae_error *err)
{
    char *text = json_dumps(all, JSON_INDENT(1)), *line = NULL;
    int length = text ? asprintf(&line, "%s\n", text) : -1;
    int rc = length < 0 ? ae_error_set(err, -ENOMEM, "writing %s: out of memory", file)
                        : cli_write(file, line, (size_t)length, err);

    free(text);
    if (length >= 0)
        free(line);
    return rc;
}

int cli_doctor_report(const struct cli_doctor_report *report, const json_t *checks)
{
    json_t *all = json_pack("{s:i, s:s}", "report", FORMAT, "made_by", "aether " AE_VERSION);
    json_t *cards = json_array();
    char host[256] = "", at[32] = "";
    time_t now = time(NULL);
    struct ae_error err;
    struct tm utc;
    int rc;

    if (gmtime_r(&now, &utc))
        strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &utc);
    if (ae_root_read("/proc/sys/kernel/hostname", host, sizeof(host)) < 0)
        host[0] = '\0';
    ae_port_check_cards(add_card, cards);
    json_object_set_new(all, "at", json_string(at));
    add_facts(all);
    json_object_set_new(all, "cards", cards);
    json_object_set_new(all, "checks", json_deep_copy(checks));
    rc = add_files(all, report, &err);
    ae_anonymous(all, host);
    json_object_set_new(all, "by", report->by ? ae_certificate_string(report->by) : json_null());
    if (!rc)
        rc = write_report(report->file, all, &err);
    json_decref(all);
    return rc ? cli_fail("doctor", &err) : CLI_OK;
}
