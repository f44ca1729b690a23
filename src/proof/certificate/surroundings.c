/* SPDX-License-Identifier: Apache-2.0 */

/* What is different about two certificates' surroundings: suspects, for a person. */

#include "proof/certificate/compare.h"

#include <math.h>
#include <string.h>

#include "machine/identity.h"

/* Is this word one of a text's, whose words are separated by characters of `between`? */
static bool has_word(const char *text, const char *word, size_t length, const char *between)
{
    while (*text) {
        size_t other = strcspn(text, between);

        if (other == length && strncmp(text, word, length) == 0)
            return true;
        text += other;
        text += strspn(text, between);
    }
    return false;
}

static void tell_words(struct ae_compare *compare, const char *title, const char *sign,
                       const char *from, const char *other, const char *between)
{
    for (const char *word = from + strspn(from, between); *word; word += strspn(word, between)) {
        size_t length = strcspn(word, between);

        if (!has_word(other, word, length, between))
            ae_compare_tell(compare, AE_CERTIFICATE_CHANGED, "%s: %s %.*s", title, sign,
                            (int)(length > 400 ? 400 : length), word);
        word += length;
    }
}

/* Word by word, or line by line: what went and what came. */
static void compare_words(struct ae_compare *compare, const char *title, const char *was,
                          const char *is, const char *between)
{
    tell_words(compare, title, "without", was, is, between);
    tell_words(compare, title, "with", is, was, between);
}

static void compare_text(struct ae_compare *compare, const char *title, const char *was,
                         const char *is)
{
    if (strcmp(was, is) != 0)
        ae_compare_tell(compare, AE_CERTIFICATE_CHANGED, "%s: %s, was %s", title,
                        *is ? is : "not told", *was ? was : "not told");
}

static const char *fact_of(const json_t *all, const struct ae_identity_fact *fact)
{
    const char *text =
        json_string_value(ae_certificate_fact(json_object_get(all, fact->group), fact->name));

    return text ? text : "";
}

static void compare_facts(struct ae_compare *compare)
{
    struct ae_identity_fact fact;

    for (size_t i = 0; ae_identity_describe(i, &fact) == 0; i++) {
        const char *was = fact_of(compare->before, &fact), *is = fact_of(compare->after, &fact);

        if (strcmp(fact.name, "boot_id") == 0)
            continue;
        if (strcmp(fact.name, "command_line") == 0)
            compare_words(compare, "the kernel's command line", was, is, " ");
        else
            compare_text(compare, fact.title, was, is);
    }
}

static void compare_arguments(struct ae_compare *compare, const json_t *was, const json_t *is)
{
    const json_t *before = json_object_get(was, "arguments");
    const json_t *after = json_object_get(is, "arguments");

    if (!json_equal((json_t *)(size_t)before, (json_t *)(size_t)after) && before && after)
        ae_compare_tell(compare, AE_CERTIFICATE_CHANGED, "the worker has other arguments");
}

void ae_compare_surroundings(struct ae_compare *compare)
{
    const json_t *was = json_object_get(compare->before, "worker");
    const json_t *is = json_object_get(compare->after, "worker");
    const json_t *partition = json_object_get(compare->before, "partition");
    const json_t *now = json_object_get(compare->after, "partition");
    double before = json_number_value(json_object_get(compare->before, "seconds"));
    double after = json_number_value(json_object_get(compare->after, "seconds"));

    compare_text(compare, "the machine's identity",
                 ae_certificate_text(compare->before, "machine_identity"),
                 ae_certificate_text(compare->after, "machine_identity"));
    compare_facts(compare);
    compare_text(compare, "partition", ae_certificate_text(partition, "name"),
                 ae_certificate_text(now, "name"));
    compare_text(compare, "quiet CPUs", ae_certificate_text(partition, "quiet_cpus"),
                 ae_certificate_text(now, "quiet_cpus"));
    compare_words(compare, "the partition's file", ae_certificate_text(partition, "config"),
                  ae_certificate_text(now, "config"), "\n");
    compare_text(compare, "the worker's program", ae_certificate_text(was, "program"),
                 ae_certificate_text(is, "program"));
    compare_text(compare, "the worker's SHA-256", ae_certificate_text(was, "sha256"),
                 ae_certificate_text(is, "sha256"));
    compare_arguments(compare, was, is);
    compare_text(compare, "aether",
                 ae_certificate_text(json_object_get(compare->before, "command"), "aether"),
                 ae_certificate_text(json_object_get(compare->after, "command"), "aether"));
    if (fabs(before - after) > before * 0.1)
        ae_compare_tell(compare, AE_CERTIFICATE_CHANGED, "it lasted %.3f s, was %.3f s", after,
                        before);
}
