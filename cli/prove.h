/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_PROVE_H
#define AE_CLI_PROVE_H

/* `aether prove`: prove.c reads the command line, prove_run.c has a worker run or watches one,
 * prove_gaps.c measures gaps, prove_end.c does what is done with a certificate. */

#include <aether/certificate.h>

#include "launch.h"

#define CLI_PROVE_THRESHOLD_NS 1000 /* a gap is longer than this */

struct cli_prove {
    struct cli_launch launch;
    const char *partition; /* NULL: the applied one that has the CPU */
    const char *file;      /* NULL: the page goes to standard output */
    const char *key;       /* NULL: unsigned */
    const char *baseline;
    struct ae_certificate_trust trust;
    struct ae_certificate_tolerance tolerance;
    unsigned gap_seconds; /* measured before the worker runs */
    pid_t pid;            /* 0: not attached */
    const char *show, *verify;
    struct ae_certificate_demand demand; /* of --verify; the nonce goes into what is issued, too */
    bool signature_only;                 /* whatever the verdict */
    char **program;                      /* NULL: the gap loop is the worker */
    int program_count;
};

/* Each returns an exit status of the CLI's. */
int cli_prove_run(struct cli_prove *prove);
int cli_prove_attach(struct cli_prove *prove);
int cli_prove_verify(const struct cli_prove *prove);
int cli_prove_show(const struct cli_prove *prove);

/* Writes, signs, prints and compares it, as was asked for. */
int cli_prove_end(const struct cli_prove *prove, struct ae_certificate *certificate);

/* The worker itself, on the quiet CPU: polls the counter, and prints the member "gaps". */
int cli_prove_gap_worker(const struct cli_prove *prove);

/* Measures gaps on the CPU now, for gap_seconds. */
void cli_prove_gaps_before(const struct cli_prove *prove, struct ae_certificate *certificate);

/* For how long evidence is gathered beside a worker that runs for so many seconds. */
unsigned cli_prove_window_ms(unsigned seconds);

#endif
