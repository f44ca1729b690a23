/* SPDX-License-Identifier: Apache-2.0 */
#include "proof/causes.h"

#include <stdio.h>
#include <string.h>

#define KEPT 3 /* for "other causes", and for the two that have no text */

static struct ae_cause *look(struct ae_cause *list, unsigned count, enum ae_attribution attribution,
                             const char *text)
{
    for (unsigned i = 0; i < count; i++)
        if (list[i].attribution == attribution &&
            strncmp(list[i].text, text, sizeof(list[i].text) - 1) == 0)
            return &list[i];
    return NULL;
}

struct ae_cause *ae_cause_find(struct ae_cause *list, unsigned size, unsigned *count,
                               enum ae_attribution attribution, const char *text)
{
    struct ae_cause *cause = look(list, *count, attribution, text);

    if (!cause && attribution == AE_ATTRIBUTED && *count + KEPT >= size) {
        text = AE_CAUSE_OTHERS;
        cause = look(list, *count, attribution, text);
    }
    if (cause)
        return cause;
    cause = &list[*count < size ? (*count)++ : size - 1];
    memset(cause, 0, sizeof(*cause));
    cause->attribution = attribution;
    snprintf(cause->text, sizeof(cause->text), "%s", text);
    return cause;
}
