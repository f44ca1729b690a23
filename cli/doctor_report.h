/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_DOCTOR_REPORT_H
#define AE_CLI_DOCTOR_REPORT_H

/* What a person needs to judge a machine, in one file: share/aether.report.schema.json. */

#include <jansson.h>

#define CLI_REPORT_EACH 8 /* benchmarks, certificates */

struct cli_doctor_report {
    const char *file; /* "-": standard output; NULL: no report is asked for */
    const char *by;   /* who tested; NULL: nobody says */
    const char *benchmarks[CLI_REPORT_EACH], *certificates[CLI_REPORT_EACH];
    unsigned benchmark_count, certificate_count;
};

/* `checks`: the doctor's, as --json has them. Exit status; what failed was said. */
int cli_doctor_report(const struct cli_doctor_report *report, const json_t *checks);

#endif
