/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/text.h"
#include "cli.h"
#include "json.h"
#include "proof/certificate/certificate.h"
#include "prove.h"

/* ---- Against a baseline ---- */

static void print_change(enum ae_certificate_change change, const char *text, void *context)
{
    static const char *const words[] = {"changed", "better", "WORSE"};
    char shown[1024];

    fprintf(context, "  %-8s %s\n", words[change], ae_text_shown(shown, sizeof(shown), text));
}

static void note_change(enum ae_certificate_change change, const char *text, void *context)
{
    static const char *const words[] = {"changed", "better", "worse"};
    char shown[1024];

    json_array_append_new(context, json_pack("{s:s, s:s}", "change", words[change], "text",
                                             ae_text_shown(shown, sizeof(shown), text)));
}

static unsigned compare_json(const struct cli_prove *prove, const struct ae_certificate *before,
                             const struct ae_certificate *after)
{
    json_t *changes = json_array();
    unsigned worse = ae_certificate_compare(before, after, &prove->tolerance, note_change, changes);

    cli_json_add("against", json_pack("{s:s, s:i, s:o}", "file", AE_TEXT(prove->baseline), "worse",
                                      (int)worse, "changes", changes));
    return worse;
}

static unsigned compare_text(const struct cli_prove *prove, const struct ae_certificate *before,
                             const struct ae_certificate *after)
{
    unsigned worse;

    printf("\nAGAINST %s\n", AE_TEXT(prove->baseline));
    worse = ae_certificate_compare(before, after, &prove->tolerance, print_change, stdout);
    printf("  %u worse\n", worse);
    return worse;
}

static int read_baseline(struct ae_certificate **before, const struct cli_prove *prove,
                         struct ae_error *err)
{
    char signer[128];

    if (prove->trust.key || prove->trust.signers)
        return ae_certificate_verify(before, prove->baseline, &prove->trust, signer, err);
    return ae_certificate_read(before, prove->baseline, err);
}

static int compare(const struct cli_prove *prove, const struct ae_certificate *after)
{
    struct ae_certificate *before;
    struct ae_error err;
    unsigned worse;

    if (read_baseline(&before, prove, &err))
        return cli_fail("prove", &err);
    worse = prove->launch.json ? compare_json(prove, before, after)
                               : compare_text(prove, before, after);
    ae_certificate_free(before);
    return worse ? CLI_NOT_QUIET : CLI_OK;
}

/* ---- What is done with a certificate ---- */

/* A key that is not there after twelve hours does not take the evidence along. */
static int store(const struct cli_prove *prove, struct ae_certificate *certificate)
{
    struct ae_error err, second;

    if (!ae_certificate_write(certificate, prove->file, prove->key, &err))
        return CLI_OK;
    cli_fail("prove", &err);
    if (prove->key && !ae_certificate_write(certificate, prove->file, NULL, &second))
        fprintf(stderr, "aether prove: %s is written without a signature\n", AE_TEXT(prove->file));
    return CLI_FAILED;
}

static void print(const struct cli_prove *prove, const struct ae_certificate *certificate)
{
    if (prove->launch.json)
        cli_json_print(json_copy(certificate->all), JSON_INDENT(2));
    else
        ae_certificate_print(certificate, stdout);
}

int cli_prove_end(const struct cli_prove *prove, struct ae_certificate *certificate)
{
    int status = prove->file ? store(prove, certificate) : CLI_OK;

    print(prove, certificate);
    if (status)
        return status;
    if (prove->baseline)
        return compare(prove, certificate);
    return ae_certificate_verdict(certificate) == AE_PROOF_QUIET ? CLI_OK : CLI_NOT_QUIET;
}

/* ---- Of one that is there ---- */

int cli_prove_show(const struct cli_prove *prove)
{
    struct ae_certificate *certificate;
    struct ae_error err;
    int status;

    if (ae_certificate_read(&certificate, prove->show, &err))
        return cli_fail("prove", &err);
    status = cli_prove_end(prove, certificate);
    ae_certificate_free(certificate);
    return status;
}

static const char *verdict_of(const struct ae_certificate *certificate)
{
    return ae_proof_verdict_name(ae_certificate_verdict(certificate));
}

static void print_subject_json(const char *file, const struct ae_certificate *certificate,
                               const char *signer)
{
    struct ae_certificate_subject subject;
    json_t *all;

    ae_certificate_subject(certificate, &subject);
    all = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:f, s:s, s:f, s:s}", "file",
                    AE_TEXT(file), "signer", signer, "verdict", verdict_of(certificate),
                    "statement", subject.statement, "machine", subject.machine, "host",
                    subject.host, "cpu", subject.cpu, "seconds", subject.seconds, "issued",
                    subject.issued, "age", subject.age, "nonce", subject.nonce);
    cli_json_print(all, JSON_INDENT(2));
}

static void print_subject(const char *file, const struct ae_certificate *certificate,
                          const char *signer)
{
    struct ae_certificate_subject subject;

    ae_certificate_subject(certificate, &subject);
    printf("%s: untouched since it was signed with %s\n", AE_TEXT(file), signer);
    printf("  verdict  %s\n  says     %s\n", verdict_of(certificate), subject.statement);
    printf("  machine  %s (host %s)\n", *subject.machine ? subject.machine : "not told",
           *subject.host ? subject.host : "not told");
    printf("  CPU      %d\n  issued   %s, %.0f s ago\n", subject.cpu, subject.issued, subject.age);
    printf("  nonce    %s\n", *subject.nonce ? subject.nonce : "none");
}

/* What was read says no, or nobody whom we trust says anything: that is an answer, not a
 * failure. */
static bool is_refusal(int code)
{
    return code == -EBADMSG || code == -ENOKEY || code == -ENODATA || code == -ESTALE;
}

static int refuse(int code, const struct ae_error *err)
{
    if (!is_refusal(code))
        return cli_fail("prove", err);
    fprintf(stderr, "aether prove: NOT VERIFIED: %s\n", err->text);
    return CLI_NOT_QUIET;
}

static int meets(const struct cli_prove *prove, const struct ae_certificate *certificate,
                 struct ae_error *err)
{
    struct ae_certificate_demand demand = prove->demand;
    const char *slash = strrchr(prove->verify, '/');
    char machine[33], name[AE_TEXT_SHOWN];
    int rc = 0;

    if (!demand.name)
        demand.name = ae_text_shown(name, sizeof(name), slash ? slash + 1 : prove->verify);
    if (demand.machine && strcmp(demand.machine, "this") == 0) {
        rc = ae_certificate_this_machine(machine, err);
        demand.machine = machine;
    }
    return rc ? rc : ae_certificate_meets(certificate, &demand, err);
}

int cli_prove_verify(const struct cli_prove *prove)
{
    struct ae_certificate *certificate;
    char signer[128];
    struct ae_error err;
    int status = CLI_OK;
    int rc = ae_certificate_verify(&certificate, prove->verify, &prove->trust, signer, &err);

    if (rc)
        return refuse(rc, &err);
    rc = meets(prove, certificate, &err);
    if (rc) {
        status = refuse(rc, &err);
        ae_certificate_free(certificate);
        return status;
    }
    if (prove->launch.json)
        print_subject_json(prove->verify, certificate, signer);
    else
        print_subject(prove->verify, certificate, signer);
    if (!prove->signature_only && ae_certificate_verdict(certificate) != AE_PROOF_QUIET)
        status = CLI_NOT_QUIET;
    if (prove->baseline) {
        int compared = compare(prove, certificate);

        status = compared ? compared : status;
    }
    ae_certificate_free(certificate);
    return status;
}
