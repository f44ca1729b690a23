/* SPDX-License-Identifier: Apache-2.0 */
#include "seen.h"

#include "made_root.h"

struct seen seen;

static int keep(struct ae_view *view, const char *name, const struct ae_error *why, void *context)
{
    (void)name;
    (void)context;
    if (view) {
        ae_view_close(seen.view);
        seen.view = view;
        seen.count++;
    } else {
        seen.refusal = *why;
        seen.refused++;
    }
    return 0;
}

static void forget(void)
{
    ae_view_close(seen.view);
    seen = (struct seen){.count = 0};
}

int seen_look(void)
{
    forget();
    return ae_view_each(keep, NULL);
}

int seen_end(void **state)
{
    forget();
    return made_root_end(state);
}
