/* SPDX-License-Identifier: Apache-2.0 */
#include "calls.h"

#include <inttypes.h>
#include <string.h>

static const char *const ways[] = {"trace", "observe", "enforce"};

static const char *const fates[] = {
    [AE_CALL_MADE] = "made",
    [AE_CALL_REFUSED] = "refused",
    [AE_CALL_LAST] = "made, and none after it was looked at",
    [AE_CALL_OURS] = "the library's, for a peer's memory that came or went",
};

bool cli_calls_parse(enum ae_quiet_calls *calls, const char *name)
{
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        if (strcmp(ways[i], name) == 0) {
            *calls = (enum ae_quiet_calls)i;
            return true;
        }
    return false;
}

json_t *cli_calls_json(const struct ae_supervise_worker *worker)
{
    json_t *calls = json_array();

    for (unsigned i = 0; i < worker->call_count; i++)
        json_array_append_new(calls, json_pack("{s:s, s:I, s:s}", "call", worker->calls[i].name,
                                               "times", (json_int_t)worker->calls[i].times, "fate",
                                               fates[worker->calls[i].fate]));
    return json_pack("{s:s, s:o}", "quiet", ways[worker->calls_in_force], "calls", calls);
}

void cli_calls_prove(const struct ae_supervise_worker *worker, struct ae_proof *proof)
{
    for (unsigned i = 0; i < worker->call_count; i++) {
        char text[128];

        snprintf(text, sizeof(text), "system call %s (%s)", worker->calls[i].name,
                 fates[worker->calls[i].fate]);
        ae_proof_add_cause(proof, text, worker->calls[i].times);
    }
}

void cli_calls_print(const struct ae_supervise_worker *worker, const char *verb, int cpu, FILE *out)
{
    for (unsigned i = 0; i < worker->call_count; i++)
        fprintf(out,
                "aether %s: the worker on CPU %d made a system call while quiet: %s, %" PRIu64
                " times (%s)\n",
                verb, cpu, worker->calls[i].name, worker->calls[i].times,
                fates[worker->calls[i].fate]);
}
