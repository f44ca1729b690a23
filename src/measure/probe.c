/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/probe.h"

#include <string.h>

#include <aether/clock.h>

#include "base/unset.h"
#include "measure/pace.h"

#define SECOND_NS UINT64_C(1000000000)
#define LATE_NS   1000
#define SPAN      65536 /* probes in flight whose send times are kept, a power of two */

struct run {
    const struct ae_probe_wire *wire;
    const struct ae_probe_options *options;
    struct ae_probe_result *result;
    struct ae_pace pace;
    uint64_t total; /* warm-up included; UINT64_MAX: until the time is over */
    uint64_t next;  /* number to send */
    uint64_t mark;  /* of this run: what comes from elsewhere has another */
    uint64_t deadline;
    uint64_t last_sent; /* ticks */
};

/* What a probe carries. The rest of the payload is a pattern of its number. */
struct probe {
    uint64_t mark;
    uint64_t number;
};

static uint64_t meant[SPAN];

static void make(const struct run *run, uint8_t *payload, uint64_t number)
{
    struct probe probe = {run->mark, number};

    memcpy(payload, &probe, sizeof(probe));
    memset(payload + sizeof(probe), (int)(number & 0xff), run->options->payload - sizeof(probe));
}

static bool is_ours(const struct run *run, const uint8_t *payload, uint16_t length,
                    uint64_t *number)
{
    uint16_t rest = (uint16_t)(length - sizeof(struct probe));
    struct probe probe;

    if (length != run->options->payload)
        return false;
    memcpy(&probe, payload, sizeof(probe));
    *number = probe.number;
    return probe.mark == run->mark && probe.number < run->next &&
           run->next - probe.number <= SPAN &&
           (rest == 0 || (payload[sizeof(probe)] == (probe.number & 0xff) &&
                          payload[length - 1] == (probe.number & 0xff)));
}

static void receive_all(struct run *run)
{
    struct ae_probe_result *result = run->result;
    uint8_t payload[AE_PROBE_PAYLOAD_MAX] AE_UNSET;
    uint16_t length;

    while (run->wire->receive(run->wire->context, payload, &length)) {
        uint64_t now = ae_clock_ticks(), number;

        if (!is_ours(run, payload, length, &number)) {
            result->strange++;
            continue;
        }
        if (ae_sequence_note(&result->sequence, number) && number >= run->options->warm_up)
            ae_histogram_record(&result->round_trip,
                                ae_clock_to_ns(now - meant[number & (SPAN - 1)]));
    }
}

static bool send_next(struct run *run, uint64_t intended)
{
    uint8_t payload[AE_PROBE_PAYLOAD_MAX] AE_UNSET;
    uint64_t now;

    make(run, payload, run->next);
    now = ae_clock_ticks();
    meant[run->next & (SPAN - 1)] = intended ? intended : now;
    if (!run->wire->send(run->wire->context, payload, run->options->payload))
        return false;
    run->result->late_sends += intended && ae_clock_to_ns(now - intended) > LATE_NS;
    run->last_sent = now;
    run->next++;
    return true;
}

static bool time_is_over(const struct run *run, uint64_t now)
{
    return now >= run->deadline ||
           (run->options->worker && !ae_worker_running(run->options->worker));
}

static void run_open_loop(struct run *run)
{
    uint64_t span = ae_clock_from_ns(run->options->timeout_ns);

    while (run->next < run->total) {
        uint64_t now = ae_clock_ticks();
        uint64_t intended = ae_pace_intended(&run->pace, run->next);

        if (time_is_over(run, now))
            break;
        if (now >= intended)
            send_next(run, intended);
        receive_all(run);
    }
    while (run->result->sequence.received < run->next && ae_clock_ticks() - run->last_sent < span)
        receive_all(run);
}

/* One probe, there and back. False: it could not be sent, or no answer came, in the time for
 * one. */
static bool exchange(struct run *run)
{
    uint64_t span = ae_clock_from_ns(run->options->timeout_ns), since = ae_clock_ticks();
    uint64_t answered = run->result->sequence.received;
    bool sent = false;

    do {
        if (!sent && send_next(run, 0)) {
            sent = true;
            since = run->last_sent;
        }
        receive_all(run);
        if (sent && run->result->sequence.received != answered)
            return true;
    } while (ae_clock_ticks() - since < span);
    return false;
}

/* Without this, thousands of probes would each wait for somebody who is not there. */
static bool is_hopeless(const struct run *run, unsigned in_vain)
{
    if (run->result->sequence.received == 0)
        return in_vain >= AE_PROBE_PATIENCE_FIRST;
    return in_vain >= AE_PROBE_PATIENCE && run->deadline == UINT64_MAX;
}

static void run_back_to_back(struct run *run)
{
    unsigned in_vain = 0;

    while (run->next < run->total && !time_is_over(run, ae_clock_ticks())) {
        in_vain = exchange(run) ? 0 : in_vain + 1;
        run->result->gave_up = is_hopeless(run, in_vain);
        if (run->result->gave_up)
            break;
    }
}

void ae_probe_run(const struct ae_probe_wire *wire, const struct ae_probe_options *options,
                  struct ae_probe_result *result)
{
    struct ae_probe_options set = *options;
    struct run run = {.wire = wire, .options = &set, .result = result};
    uint64_t start;

    if (!set.timeout_ns)
        set.timeout_ns = SECOND_NS;
    memset(result, 0, sizeof(*result));
    memset(meant, 0, sizeof(meant));
    ae_histogram_clear(&result->round_trip);
    start = ae_clock_ticks();
    run.mark = start | 1;
    run.total = set.count ? set.count + set.warm_up : UINT64_MAX;
    run.deadline = set.duration_ns ? start + ae_clock_from_ns(set.duration_ns) : UINT64_MAX;
    run.pace = (struct ae_pace){start, ae_clock_hz(), set.rate};
    if (set.rate)
        run_open_loop(&run);
    else
        run_back_to_back(&run);
    result->elapsed_ns = ae_clock_to_ns(ae_clock_ticks() - start);
    result->sent = run.next;
    result->received = result->sequence.received;
    result->lost = ae_sequence_lost(&result->sequence, run.next);
    result->duplicates = result->sequence.duplicates;
    result->reordered = result->sequence.reordered;
}
