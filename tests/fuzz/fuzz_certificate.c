/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A certificate from anybody: read, printed, asked what it is about, compared with itself and with
 * the one before it. What is read and written again is the same, and nothing that is shown of it
 * steers a terminal. The same bytes as what a worker printed: the certificate that takes them up
 * can be read again.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aether/certificate.h>

#include "base/text.h"

#define SHOWN_MOST 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* C0 but line ends, DEL, C1 as UTF-8, in a text that is UTF-8. */
static void must_be_plain(const char *text, bool lines)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text, next = (unsigned char)text[1];

        if ((byte < ' ' && !(lines && byte == '\n')) || byte == 0x7f ||
            (byte == 0xc2 && next >= 0x80 && next <= 0x9f))
            abort();
    }
}

static char *page_of(const struct ae_certificate *certificate)
{
    char *page = NULL;
    size_t size;
    FILE *out = open_memstream(&page, &size);

    if (!out)
        abort();
    ae_certificate_print(certificate, out);
    fclose(out);
    must_be_plain(page, true);
    return page;
}

static void read_again(const struct ae_certificate *certificate)
{
    char *text = ae_certificate_json(certificate), *page, *again;
    struct ae_certificate *second;
    struct ae_error err;

    must_be_plain(text, true);
    /* Set in, it may have become too long. */
    if (ae_certificate_parse(&second, text, strlen(text), &err)) {
        if (!strstr(err.text, "are the most"))
            abort();
        free(text);
        return;
    }
    page = page_of(certificate);
    again = page_of(second);
    if (strcmp(page, again) != 0)
        abort();
    free(page);
    free(again);
    ae_certificate_free(second);
    free(text);
}

static void ask(const struct ae_certificate *certificate)
{
    struct ae_certificate_subject subject;
    struct ae_certificate_demand demand = {.greatest_age = 1e9};
    struct ae_error err;

    ae_certificate_subject(certificate, &subject);
    demand.machine = subject.machine;
    demand.nonce = subject.nonce;
    demand.name = subject.name;
    ae_certificate_meets(certificate, &demand, &err);
    demand.nonce = "another";
    if (strcmp(subject.nonce, demand.nonce) != 0) {
        if (ae_certificate_meets(certificate, &demand, &err) != -ESTALE)
            abort();
        must_be_plain(err.text, false);
    }
}

/* Whatever it is: it is shown in one line, within its bounds, and what was shown is shown as it
 * is. */
static void show(const uint8_t *data, size_t size)
{
    char text[SHOWN_MOST], shown[SHOWN_MOST], again[SHOWN_MOST];
    size_t length = size < sizeof(text) ? size : sizeof(text) - 1, room = 1 + length / 2;

    memcpy(text, data, length);
    text[length] = '\0';
    if (strlen(ae_text_shown(shown, sizeof(shown), text)) > strlen(text))
        abort();
    must_be_plain(shown, false);
    if (strcmp(ae_text_shown(again, sizeof(again), shown), shown) != 0 ||
        strcmp(ae_text_shown(text, sizeof(text), text), shown) != 0)
        abort();
    if (strlen(ae_text_shown(again, room, shown)) >= room)
        abort();
    must_be_plain(again, false);
}

/* A certificate around it, as prove puts one together; begun anew now and then, for its limits
 * grow. */
static void take_up(const uint8_t *data, size_t size)
{
    static struct ae_certificate *certificate;
    static unsigned times;
    struct ae_error err;
    char *text = strndup((const char *)data, size);

    if (times++ % 64 == 0) {
        ae_certificate_free(certificate);
        if (ae_certificate_begin(&certificate, 0, NULL, &err))
            abort();
    }
    ae_certificate_add(certificate, "worker_output", text);
    ae_certificate_add(certificate, "gaps", text);
    ae_certificate_add(certificate, "worker_loops", text);
    ae_certificate_limit(certificate, "%s", text);
    ae_certificate_add_nonce(certificate, text);
    free(text);
    text = ae_certificate_json(certificate);
    if (!text)
        abort();
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ae_certificate *last;
    struct ae_certificate *certificate;
    struct ae_error err;

    show(data, size);
    if (size % 4 == 0)
        take_up(data, size);
    if (ae_certificate_parse(&certificate, (const char *)data, size, &err)) {
        must_be_plain(err.text, false);
        return 0;
    }
    read_again(certificate);
    ask(certificate);
    /* A certificate is not worse than itself, whatever it says. */
    if (ae_certificate_compare(certificate, certificate, NULL, NULL, NULL))
        abort();
    if (last)
        ae_certificate_compare(last, certificate, NULL, NULL, NULL);
    ae_certificate_free(last);
    last = certificate;
    return 0;
}
