/* SPDX-License-Identifier: Apache-2.0 */

/* Tells a proof, to a person and as JSON. */

#include "proof/proof_tell.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "proof/explain.h"
#include "proof/proof_record.h"

static double seconds(const struct ae_proof *proof)
{
    return (double)ae_proof_length_ns(proof) / 1e9;
}

static uint64_t task_growth(const struct ae_proof *proof, unsigned i)
{
    return proof->after.task.value[i] - proof->before.task.value[i];
}

static uint64_t sum_of(const struct ae_proof *proof, const char *prefix)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < proof->after.cpu.count; i++)
        if (strncmp(proof->after.cpu.items[i].name, prefix, strlen(prefix)) == 0)
            sum += ae_proof_growth(proof, &proof->after.cpu.items[i]);
    return sum;
}

static void print_group(const struct ae_proof *proof, FILE *out, const char *title,
                        const char *prefix)
{
    if (!ae_proof_has_rows(&proof->after.cpu, prefix)) {
        fprintf(out, "  %-34s not seen\n", title);
        return;
    }
    fprintf(out, "  %-34s %8" PRIu64 "\n", title, sum_of(proof, prefix));
    for (size_t i = 0; i < proof->after.cpu.count; i++) {
        const struct ae_counter *row = &proof->after.cpu.items[i];
        const char *name = strchr(row->name, ':') + 1;

        if (strncmp(row->name, prefix, strlen(prefix)) == 0 && ae_proof_growth(proof, row))
            fprintf(out, "    %-32s %8" PRIu64 "  %s\n", name, ae_proof_growth(proof, row),
                    ae_proof_explain(row->name));
    }
}

void ae_proof_print(const struct ae_proof *proof, FILE *out)
{
    fprintf(out, "Proof: CPU %u, process %d, %.3f s: %s\n", proof->cpu, proof->pid, seconds(proof),
            ae_proof_verdict_name(proof->verdict));
    if (proof->ended) {
        print_group(proof, out, "interrupts (all rows)", "irq:");
        print_group(proof, out, "softirqs (all rows)", "softirq:");
        print_group(proof, out, "times a task was put on the CPU", "sched:");
    }
    for (unsigned i = 0; i < AE_TASK_COUNTERS && proof->task_seen; i++) {
        if (proof->before.task.seen[i] && proof->after.task.seen[i])
            fprintf(out, "  %-34s %8" PRIu64 "\n", ae_task_counter_names[i].name,
                    task_growth(proof, i));
        else
            fprintf(out, "  %-34s not seen\n", ae_task_counter_names[i].name);
    }
    for (unsigned i = 0; i < proof->cause_count; i++)
        fprintf(out, "  traced: %-26s %8" PRIu64 "\n", proof->causes[i].text,
                proof->causes[i].times);
    for (unsigned i = 0; i < proof->missing_count; i++)
        fprintf(out, "  not seen: %s\n", proof->missing[i]);
    for (unsigned i = 0; i < proof->remark_count; i++)
        fprintf(out, "  note: %s\n", proof->remarks[i]);
}

static json_t *rows_json(const struct ae_proof *proof)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < proof->after.cpu.count; i++) {
        const struct ae_counter *row = &proof->after.cpu.items[i];

        json_array_append_new(rows, json_pack("{s:s, s:I, s:s}", "row", row->name, "count",
                                              (json_int_t)ae_proof_growth(proof, row), "means",
                                              ae_proof_explain(row->name)));
    }
    for (unsigned i = 0; i < AE_TASK_COUNTERS && proof->task_seen; i++)
        if (proof->before.task.seen[i] && proof->after.task.seen[i])
            json_array_append_new(rows, json_pack("{s:s+, s:I}", "row",
                                                  "task:", ae_task_counter_names[i].name, "count",
                                                  (json_int_t)task_growth(proof, i)));
    return rows;
}

json_t *ae_proof_object(const struct ae_proof *proof)
{
    json_t *causes = json_array(), *missing = json_array(), *remarks = json_array();
    struct utsname machine;

    uname(&machine);
    for (unsigned i = 0; i < proof->cause_count; i++)
        json_array_append_new(causes, json_pack("{s:s, s:I}", "cause", proof->causes[i].text,
                                                "times", (json_int_t)proof->causes[i].times));
    for (unsigned i = 0; i < proof->missing_count; i++)
        json_array_append_new(missing, json_string(proof->missing[i]));
    for (unsigned i = 0; i < proof->remark_count; i++)
        json_array_append_new(remarks, json_string(proof->remarks[i]));
    return json_pack("{s:i, s:s, s:s, s:s, s:i, s:i, s:f, s:o, s:o, s:o, s:o}", "schema", 1,
                     "verdict", ae_proof_verdict_name(proof->verdict), "host", machine.nodename,
                     "kernel", machine.release, "cpu", (int)proof->cpu, "pid", (int)proof->pid,
                     "seconds", seconds(proof), "rows", rows_json(proof), "causes", causes,
                     "not_seen", missing, "notes", remarks);
}

char *ae_proof_json(const struct ae_proof *proof)
{
    json_t *all = ae_proof_object(proof);
    char *text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;

    json_decref(all);
    return text;
}
