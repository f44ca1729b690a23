/* SPDX-License-Identifier: Apache-2.0 */

/* What was chosen behind a spec, ",key=value", for the driver that asks. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "port/owner.h"

/* The value of the last such choice, or NULL. */
static const char *find_choice(const struct ae_port_owner *owner, const char *key, size_t *length)
{
    const char *found = NULL;
    size_t key_length = strlen(key);

    for (const char *at = owner->choices; *at; at += strcspn(at, ",")) {
        at++;
        if (strncmp(at, key, key_length) == 0 && at[key_length] == '=') {
            found = at + key_length + 1;
            *length = strcspn(found, ",");
        }
    }
    return found;
}

bool ae_port_choice_is_made(const struct ae_port_owner *owner, const char *key)
{
    size_t length;

    return find_choice(owner, key, &length);
}

int ae_port_choice_bool(const struct ae_port_owner *owner, const char *key, bool *value,
                        struct ae_error *err)
{
    static const char *const words[] = {"off", "on", "0", "1"};
    size_t length = 0;
    const char *text = find_choice(owner, key, &length);

    if (!text)
        return 0;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == length && memcmp(words[i], text, length) == 0) {
            *value = i & 1;
            return 0;
        }
    return ae_error_set(err, -EINVAL, "%s=%.*s: on or off is needed", key, (int)length, text);
}

int ae_port_choice_word(const struct ae_port_owner *owner, const char *key,
                        const char *const *words, unsigned *value, struct ae_error *err)
{
    char text[AE_PORT_SPEC], known[128];
    size_t used = 0;

    ae_port_choice_text(owner, key, text);
    if (!text[0])
        return 0;
    for (unsigned i = 0; words[i] && used < sizeof(known); i++) {
        if (strcmp(words[i], text) == 0) {
            *value = i;
            return 0;
        }
        used +=
            (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", words[i]);
    }
    return ae_error_set(err, -EINVAL, "%s=%s: one of %s is needed", key, text, known);
}

void ae_port_choice_text(const struct ae_port_owner *owner, const char *key,
                         char text[AE_PORT_SPEC])
{
    size_t length = 0;
    const char *found = find_choice(owner, key, &length);

    snprintf(text, AE_PORT_SPEC, "%.*s", (int)length, found ? found : "");
}

int ae_port_choice_number(const struct ae_port_owner *owner, const char *key, unsigned long least,
                          unsigned long most, unsigned long *value, struct ae_error *err)
{
    size_t length = 0;
    const char *text = find_choice(owner, key, &length);
    unsigned long number;
    char *end;

    if (!text)
        return 0;
    number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || end != text + length || number < least || number > most)
        return ae_error_set(err, -EINVAL, "%s=%.*s: a number from %lu to %lu is needed", key,
                            (int)length, text, least, most);
    *value = number;
    return 0;
}
