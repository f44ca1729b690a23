/* SPDX-License-Identifier: Apache-2.0 */
#include "launch_tell.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/text.h"
#include "calls.h"
#include "cli.h"
#include "counters.h"
#include "json.h"
#include "proof/certificate/certificate.h"
#include "proof/proof_tell.h"

static json_t *port_json(const struct ae_port_info *info, const struct ae_queue_counters *queue,
                         bool link)
{
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:b}", "port", AE_TEXT(info->spec), "path",
                  ae_path_name(info->path), "caller", ae_caller_name(info->caller), "link", link);

    cli_queue_counters_json(queue, json);
    return json;
}

/* Per port: what its worker's queues counted. */
static json_t *ports_json(const struct cli_launched *run, const struct ae_supervise_result *result,
                          const struct ae_queue_counters queues[AE_WORKER_PORTS])
{
    json_t *all = json_array();

    for (unsigned i = 0; i < run->launch->port_count; i++)
        json_array_append_new(all, port_json(&run->ports[i], &queues[i], result->links[i].up));
    return all;
}

static json_t *loops_json(const struct ae_supervise_worker *worker)
{
    return ae_certificate_loops(worker->loops, worker->loop_count);
}

static void print_json(const struct cli_launched *run, const struct ae_supervise_result *result,
                       json_t *output)
{
    json_t *all = json_object(), *workers = json_array();

    json_object_set_new(all, run->verb, output ? output : json_null());
    for (unsigned i = 0; i < run->launch->cpu_count; i++) {
        json_t *worker = json_object();

        json_object_set_new(worker, "cpu", json_integer(run->launch->cpus[i]));
        json_object_set_new(worker, "ports", ports_json(run, result, result->workers[i].queues));
        if (result->workers[i].calls_in_force)
            json_object_set_new(worker, "system_calls", cli_calls_json(&result->workers[i]));
        if (result->workers[i].loop_count)
            json_object_set_new(worker, "worker_loops", loops_json(&result->workers[i]));
        if (run->proofs[i].finished)
            json_object_set_new(worker, "proof", ae_proof_object(run->proofs[i].proof));
        json_array_append_new(workers, worker);
    }
    /* One worker's are the object's own. */
    if (run->launch->cpu_count == 1)
        json_object_update(all, json_array_get(workers, 0));
    else
        json_object_set(all, "workers", workers);
    json_decref(workers);
    ae_certificate_make_plain(all); /* the worker chose its words */
    cli_json_print(all, JSON_INDENT(2));
}

int cli_launch_status(const struct cli_launched *run, const struct ae_supervise_result *result)
{
    int worst = CLI_OK;

    for (unsigned i = 0; i < run->launch->cpu_count; i++) {
        const struct ae_supervise_worker *worker = &result->workers[i];
        int status = WIFEXITED(worker->status) ? WEXITSTATUS(worker->status) : CLI_FAILED;
        char text[160] = "";

        if (WIFSIGNALED(worker->status)) {
            snprintf(text, sizeof(text), "the worker on CPU %d was ended by signal %d (%s)%s",
                     run->launch->cpus[i], WTERMSIG(worker->status),
                     strsignal(WTERMSIG(worker->status)),
                     worker->stopped_by_us ? ", from here, since it did not stop when asked" : "");
            fprintf(stderr, "aether %s: %s\n", run->verb, text);
            status = 128 + WTERMSIG(worker->status);
        } else if (!status && !run->launch->watch && run->proofs[i].finished &&
                   run->proofs[i].verdict != AE_PROOF_QUIET) {
            status = CLI_NOT_QUIET;
        } else if (status) {
            snprintf(text, sizeof(text), "the worker on CPU %d ended with exit status %d",
                     run->launch->cpus[i], status);
        }
        if (status > worst) {
            worst = status;
            cli_json_because(text);
        }
    }
    return worst;
}

static void print_loops(const struct ae_supervise_worker *worker)
{
    json_t *loops = loops_json(worker);

    ae_certificate_print_loops(loops, stdout);
    json_decref(loops);
}

int cli_launch_tell(const struct cli_launched *run, const struct ae_supervise_result *result,
                    json_t *output)
{
    const struct cli_launch *launch = run->launch;
    const struct cli_launch_watch *watch = launch->watch;
    const struct cli_launched_proof *first = &run->proofs[0];
    int status = CLI_OK;

    if (watch) {
        json_t *ports = ports_json(run, result, result->workers[0].quiet_queues);

        status = watch->done(watch->context, first->finished ? first->proof : NULL, ports, output,
                             &result->workers[0]);
        json_decref(ports);
        json_decref(output);
    } else if (launch->json) {
        print_json(run, result, output);
    }
    for (unsigned i = 0; i < launch->cpu_count; i++)
        cli_calls_print(&result->workers[i], run->verb, launch->cpus[i], stderr);
    for (unsigned i = 0; i < launch->cpu_count && !launch->json && !watch; i++)
        if (run->proofs[i].finished)
            ae_proof_print(run->proofs[i].proof, stdout);
    for (unsigned i = 0; i < launch->cpu_count && !launch->json && !watch; i++)
        print_loops(&result->workers[i]);
    return status;
}
