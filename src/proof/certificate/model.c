/* SPDX-License-Identifier: Apache-2.0 */

/* The object: its facts, what it cannot say and what was not seen, and the verdict. */

#include "proof/certificate/certificate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/port.h>

#include "base/child.h"

const json_t *ae_certificate_fact(const json_t *facts, const char *name)
{
    const json_t *fact = json_object_get(facts, name);
    char before[64];

    if (fact)
        return fact;
    snprintf(before, sizeof(before), "%s", name);
    for (char *at = before; (at = strchr(at, '_'));)
        *at = '-';
    return json_object_get(facts, before);
}

static void __attribute__((format(printf, 3, 0)))
append(struct ae_certificate *certificate, const char *list, const char *format, va_list arguments)
{
    char text[512];

    vsnprintf(text, sizeof(text), format, arguments);
    /* What JSON refuses would be a lack that is not named. */
    json_array_append_new(json_object_get(certificate->all, list), ae_certificate_string(text));
}

void ae_certificate_limit(struct ae_certificate *certificate, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    append(certificate, "limits", format, arguments);
    va_end(arguments);
}

void ae_certificate_miss(struct ae_certificate *certificate, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    append(certificate, "not_seen", format, arguments);
    va_end(arguments);
}

bool ae_certificate_worker_calls(const json_t *all)
{
    json_t *port;
    size_t i;

    json_array_foreach (json_object_get(all, "ports"), i, port)
        if (strcmp(ae_certificate_text(port, "caller"), ae_caller_name(AE_CALLER_WORKER)) == 0)
            return true;
    return false;
}

enum ae_proof_verdict ae_certificate_judge(const json_t *all)
{
    json_t *row;
    size_t i;

    json_array_foreach (json_object_get(all, "rows"), i, row)
        if (json_integer_value(json_object_get(row, "count")) != 0)
            return AE_PROOF_DISTURBED;
    if (json_array_size(json_object_get(all, "causes")) || ae_certificate_worker_calls(all))
        return AE_PROOF_DISTURBED;
    return json_array_size(json_object_get(all, "not_seen")) ? AE_PROOF_INCOMPLETE : AE_PROOF_QUIET;
}

enum ae_proof_verdict ae_certificate_verdict(const struct ae_certificate *certificate)
{
    const char *stated = ae_certificate_text(certificate->all, "verdict");
    enum ae_proof_verdict verdict = AE_PROOF_QUIET;

    while (verdict != AE_PROOF_INCOMPLETE && strcmp(stated, ae_proof_verdict_name(verdict)) != 0)
        verdict++;
    return verdict;
}

char *ae_certificate_json(const struct ae_certificate *certificate)
{
    return json_dumps(certificate->all, JSON_INDENT(2));
}

void ae_certificate_free(struct ae_certificate *certificate)
{
    if (!certificate)
        return;
    /* Who still gathers does so for nobody. */
    if (certificate->watcher && waitpid(certificate->watcher, NULL, WNOHANG) == 0)
        ae_child_kill(certificate->watcher);
    if (certificate->watch_fd >= 0)
        close(certificate->watch_fd);
    json_decref(certificate->all);
    free(certificate);
}
