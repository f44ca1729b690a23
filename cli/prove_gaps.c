/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <aether/clock.h>
#include <aether/worker.h>

#include "cli.h"
#include "gap_json.h"
#include "proof/certificate/certificate.h"
#include "prove.h"

static void note_gap(struct ae_gap_record *record, uint64_t ticks)
{
    record->gaps++;
    record->gap_ticks += ticks;
    if (ticks > record->longest)
        record->longest = ticks;
    ae_histogram_record(&record->lengths, ae_clock_to_ns(ticks));
}

/* The gap loop of measure/gap.h, but one that can be asked to stop. */
static void poll_counter(const struct ae_worker *worker, struct ae_gap_record *record)
{
    uint64_t threshold = ae_clock_from_ns(CLI_PROVE_THRESHOLD_NS), last = ae_clock_ticks();

    record->start = last;
    while (ae_worker_running(worker)) {
        uint64_t now = ae_clock_ticks();

        if (now - last > threshold) {
            note_gap(record, now - last);
            now = ae_clock_ticks();
        }
        last = now;
    }
    record->end = last;
}

int cli_prove_gap_worker(const struct cli_prove *prove)
{
    static struct ae_gap_record record;
    const struct ae_quiet_options quiet = {.allow = prove->launch.allow};
    struct ae_worker *worker;
    struct ae_error err;
    json_t *gaps;

    ae_histogram_clear(&record.lengths);
    if (ae_worker_start(&worker, &err))
        return cli_fail("prove", &err);
    if (ae_quiet_enter(worker, &quiet, &err)) {
        ae_worker_finish(worker);
        return cli_fail("prove", &err);
    }
    poll_counter(worker, &record);
    ae_quiet_leave(worker);
    gaps = cli_gap_certificate(&record, CLI_PROVE_THRESHOLD_NS,
                               "by the worker, which polled the CPU's counter all the time that is "
                               "proved");
    json_dumpf(gaps, stdout, 0);
    fflush(stdout);
    json_decref(gaps);
    ae_worker_finish(worker);
    return CLI_OK;
}

static void add_not_measured(struct ae_certificate *certificate, const char *why)
{
    ae_certificate_add_value(certificate, "gaps",
                             json_pack("{s:b, s:s}", "measured", 0, "why", why));
}

void cli_prove_gaps_before(const struct cli_prove *prove, struct ae_certificate *certificate)
{
    struct ae_gap_options options = {.duration_ns = (uint64_t)prove->gap_seconds * 1000000000,
                                     .threshold_ns = CLI_PROVE_THRESHOLD_NS,
                                     .capacity = 1};
    struct ae_gap_run run = {0};
    struct ae_error err;

    if (!prove->gap_seconds) {
        add_not_measured(certificate, "not asked for (--gaps)");
        return;
    }
    ae_cpus_add(&options.cpus, (unsigned)prove->launch.cpus[0]);
    if (ae_clock_calibrate(&err) || ae_gap_run(&run, &options, &err)) {
        add_not_measured(certificate, err.text);
        return;
    }
    if (run.records[0].cpu_end != run.records[0].cpu) {
        add_not_measured(certificate,
                         "the loop that measures them was moved to another CPU meanwhile");
        ae_gap_run_free(&run);
        return;
    }
    ae_certificate_add_value(
        certificate, "gaps",
        cli_gap_certificate(&run.records[0], options.threshold_ns,
                            "by a loop on the CPU before the worker ran, not while it did"));
    ae_gap_run_free(&run);
}
