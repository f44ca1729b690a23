/* SPDX-License-Identifier: Apache-2.0 */

/* A certificate from anybody: read, printed, and compared with itself and with the one before it. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <aether/certificate.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const struct ae_certificate *certificate)
{
    char *page = NULL;
    size_t size;
    FILE *out = open_memstream(&page, &size);

    if (!out)
        return;
    ae_certificate_print(certificate, out);
    fclose(out);
    free(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ae_certificate *last;
    struct ae_certificate *certificate;
    struct ae_error err;

    if (ae_certificate_parse(&certificate, (const char *)data, size, &err))
        return 0;
    print(certificate);
    /* A certificate is not worse than itself, whatever it says. */
    if (ae_certificate_compare(certificate, certificate, NULL, NULL, NULL))
        abort();
    if (last)
        ae_certificate_compare(last, certificate, NULL, NULL, NULL);
    ae_certificate_free(last);
    last = certificate;
    return 0;
}
