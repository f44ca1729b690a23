/* SPDX-License-Identifier: Apache-2.0 */

/* What a certificate is about, and whether that is what somebody asked for: a signature says who
 * wrote it, not that it is of this machine, of today, or the answer to this question. */

#include "proof/certificate/certificate.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/text.h"
#include "machine/identity.h"

#define AHEAD 300 /* s by which another machine's clock may be ahead of ours */

/* This purpose, for systemd-id128(1) and sd_id128_get_machine_app_specific(3). docs/prove.md names
 * it. */
static const uint8_t purpose[16] = {0x14, 0xd3, 0xb5, 0x03, 0x31, 0xfc, 0x49, 0x41,
                                    0xa6, 0x17, 0xdc, 0x6a, 0xe0, 0xbc, 0x6b, 0xec};

int ae_certificate_this_machine(char text[33], struct ae_error *err)
{
    int rc = ae_identity_hashed(purpose, text);

    return rc ? ae_error_set(err, rc, "/etc/machine-id %s (systemd-machine-id-setup makes one)",
                             rc == -ENOENT ? "is not there" : "holds no machine's identity")
              : 0;
}

int ae_certificate_parse_time(const char *text, int64_t *seconds)
{
    char again[32];
    struct tm utc = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc);

    /* strptime takes blanks and single digits; what is meant reads the same again. */
    if (!end || *end)
        return -EINVAL;
    *seconds = timegm(&utc);
    if (!strftime(again, sizeof(again), "%Y-%m-%dT%H:%M:%SZ", &utc) || strcmp(again, text) != 0)
        return -EINVAL;
    return 0;
}

bool ae_certificate_is_nonce(const char *text)
{
    return *text && strlen(text) <= AE_CERTIFICATE_NONCE && strcmp(AE_TEXT(text), text) == 0;
}

void ae_certificate_subject(const struct ae_certificate *certificate,
                            struct ae_certificate_subject *subject)
{
    const json_t *all = certificate->all;
    int64_t issued = 0;

    *subject = (struct ae_certificate_subject){
        .machine = ae_certificate_text(all, "machine_identity"),
        .host = ae_certificate_text(json_object_get(all, "machine"), "host"),
        .name = ae_certificate_text(all, "name"),
        .nonce = ae_certificate_text(all, "nonce"),
        .issued = ae_certificate_text(all, "issued"),
        .statement = ae_certificate_text(all, "statement"),
        .cpu = certificate->cpu,
        .seconds = json_number_value(json_object_get(all, "seconds")),
    };
    ae_certificate_parse_time(subject->issued, &issued);
    subject->age = (double)(time(NULL) - issued);
}

/* The same digits, however they are written. */
static bool same_machine(const char *one, const char *other)
{
    for (;; one++, other++) {
        one += strspn(one, "-");
        other += strspn(other, "-");
        if (tolower((unsigned char)*one) != tolower((unsigned char)*other))
            return false;
        if (!*one)
            return true;
    }
}

static int check_machine(const struct ae_certificate_subject *subject, const char *machine,
                         struct ae_error *err)
{
    if (!*subject->machine)
        return ae_error_set(err, -ESTALE,
                            "this certificate does not name its machine, and %s was "
                            "demanded",
                            machine);
    if (!same_machine(subject->machine, machine))
        return ae_error_set(err, -ESTALE,
                            "this certificate is of machine %s (host %s), and not of "
                            "%s",
                            subject->machine, subject->host, machine);
    return 0;
}

static int check_nonce(const struct ae_certificate_subject *subject, const char *nonce,
                       struct ae_error *err)
{
    if (!*subject->nonce)
        return ae_error_set(err, -ESTALE,
                            "this certificate has no nonce, and '%s' was demanded: it "
                            "answers nobody's question",
                            nonce);
    if (strcmp(subject->nonce, nonce) != 0)
        return ae_error_set(err, -ESTALE,
                            "this certificate has the nonce '%s', and not '%s': it "
                            "answers another question",
                            subject->nonce, nonce);
    return 0;
}

/* Certificates of the first format carry no name. */
static int check_name(const struct ae_certificate_subject *subject, const char *name,
                      struct ae_error *err)
{
    if (!*subject->name || strcmp(subject->name, name) == 0)
        return 0;
    return ae_error_set(err, -ESTALE,
                        "this certificate was issued as %s, and not as %s: the file was "
                        "renamed, or is another one",
                        subject->name, name);
}

static int check_age(const struct ae_certificate_subject *subject, double greatest,
                     struct ae_error *err)
{
    if (subject->age < -AHEAD)
        return ae_error_set(err, -ESTALE,
                            "this certificate was issued %s, which is still to come: one "
                            "of the two clocks is wrong",
                            subject->issued);
    if (greatest > 0 && subject->age > greatest)
        return ae_error_set(err, -ESTALE,
                            "this certificate was issued %s, %.0f s ago, and %.0f s was "
                            "the most",
                            subject->issued, subject->age, greatest);
    return 0;
}

int ae_certificate_meets(const struct ae_certificate *certificate,
                         const struct ae_certificate_demand *demand, struct ae_error *err)
{
    struct ae_certificate_subject subject;
    int rc = 0;

    ae_certificate_subject(certificate, &subject);
    if (demand->name)
        rc = check_name(&subject, demand->name, err);
    if (!rc && demand->machine)
        rc = check_machine(&subject, demand->machine, err);
    if (!rc && demand->nonce)
        rc = check_nonce(&subject, demand->nonce, err);
    return rc ? rc : check_age(&subject, demand->greatest_age, err);
}
