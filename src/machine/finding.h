/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_FINDING_H
#define AE_MACHINE_FINDING_H

/* What a check (machine/check.h) found. */

enum ae_check_answer {
    AE_CHECK_OK,
    AE_CHECK_LACKS,  /* "missing" when it is required, else "optional" */
    AE_CHECK_UNSEEN, /* could not look: no rights, or no such file here */
};

struct ae_finding {
    enum ae_check_answer answer;
    char reason[256];
    char remedy[320]; /* "" when there is nothing to do */
};

void ae_finding_set(struct ae_finding *finding, enum ae_check_answer answer, const char *format,
                    ...) __attribute__((format(printf, 3, 4)));
void ae_finding_remedy(struct ae_finding *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
