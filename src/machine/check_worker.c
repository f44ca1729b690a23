/* SPDX-License-Identifier: Apache-2.0 */

/* What keeps a worker, and what comes of it, in its place. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"
#include "base/text.h"
#include "machine/check.h"
#include "machine/kernel.h"

#define PTRACE_SCOPE "/proc/sys/kernel/yama/ptrace_scope"

void ae_check_groups(struct ae_finding *finding)
{
    char *text, path[256] = "";

    if (ae_root_read_all("/proc/mounts", &text) < 0) {
        ae_finding_set(finding, AE_CHECK_UNSEEN, "/proc/mounts cannot be read");
        return;
    }
    for (char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char type[32];

        if (sscanf(line, "%*s %255s %31s", path, type) == 2 && strcmp(type, "cgroup2") == 0)
            break;
        path[0] = '\0';
    }
    if (path[0])
        ae_finding_set(finding, AE_CHECK_OK, "control groups of version 2 at %s", AE_TEXT(path));
    else
        ae_finding_set(finding, AE_CHECK_LACKS,
                       "no control groups of version 2: what workers leave behind is looked for by "
                       "its parents");
    free(text);
}

/* Documentation/admin-guide/syscall-user-dispatch.rst; it cannot be configured away. */
void ae_check_calls(struct ae_finding *finding)
{
    if (ae_kernel_at_least(5, 11))
        ae_finding_set(finding, AE_CHECK_OK, "run --quiet=observe and enforce are there");
    else
        ae_finding_set(finding, AE_CHECK_LACKS,
                       "no Syscall User Dispatch: run --quiet=observe and enforce are not there");
}

/* Yama's word; where there is none, root may trace. */
void ae_check_ptrace(struct ae_finding *finding)
{
    uint64_t scope = 0;

    if (!ae_root_exists(PTRACE_SCOPE))
        ae_finding_set(finding, AE_CHECK_OK, "nothing forbids the supervisor to trace");
    else if (ae_root_read_u64(PTRACE_SCOPE, &scope))
        ae_finding_set(finding, AE_CHECK_UNSEEN, "%s cannot be read", PTRACE_SCOPE);
    else if (scope > 2)
        ae_finding_set(finding, AE_CHECK_LACKS,
                       "nobody may trace, until the next boot (%s is %llu)", PTRACE_SCOPE,
                       (unsigned long long)scope);
    else
        ae_finding_set(finding, AE_CHECK_OK, "the supervisor may trace (ptrace_scope %llu)",
                       (unsigned long long)scope);
}
