/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "prove.h"

/* ---- Against a baseline ---- */

static void print_change(enum ae_certificate_change change, const char *text, void *context)
{
    static const char *const words[] = {"changed", "better", "WORSE"};

    fprintf(context, "  %-8s %s\n", words[change], text);
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
    /* JSON on standard output stays JSON. */
    FILE *out = prove->launch.json ? stderr : stdout;
    struct ae_certificate *before;
    struct ae_error err;
    unsigned worse;

    if (read_baseline(&before, prove, &err))
        return cli_fail("prove", &err);
    fprintf(out, "\nAGAINST %s\n", prove->baseline);
    worse = ae_certificate_compare(before, after, &prove->tolerance, print_change, out);
    ae_certificate_free(before);
    fprintf(out, "  %u worse\n", worse);
    return worse ? CLI_NOT_QUIET : CLI_OK;
}

/* ---- What is done with a certificate ---- */

static int store(const struct cli_prove *prove, const struct ae_certificate *certificate)
{
    struct ae_error err;

    if (ae_certificate_write(certificate, prove->file, &err) ||
        (prove->key && ae_certificate_sign(prove->file, prove->key, &err)))
        return cli_fail("prove", &err);
    return CLI_OK;
}

static void print(const struct cli_prove *prove, const struct ae_certificate *certificate)
{
    char *text;

    if (!prove->launch.json) {
        ae_certificate_print(certificate, stdout);
        return;
    }
    text = ae_certificate_json(certificate);
    puts(text ? text : "");
    free(text);
}

int cli_prove_end(const struct cli_prove *prove, const struct ae_certificate *certificate)
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

int cli_prove_verify(const struct cli_prove *prove)
{
    struct ae_certificate *certificate;
    char signer[128];
    struct ae_error err;
    int status;

    if (access(prove->verify, R_OK) == 0 &&
        ae_certificate_verify(&certificate, prove->verify, &prove->trust, signer, &err)) {
        fprintf(stderr, "aether prove: NOT VERIFIED: %s\n", err.text);
        return CLI_NOT_QUIET;
    }
    if (access(prove->verify, R_OK)) {
        perror("aether prove: reading the certificate");
        return CLI_FAILED;
    }
    status = prove->baseline ? compare(prove, certificate) : CLI_OK;
    printf("%s: untouched since it was signed with %s\n", prove->verify, signer);
    ae_certificate_free(certificate);
    return status;
}
