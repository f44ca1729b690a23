/* SPDX-License-Identifier: Apache-2.0 */
#include "partition_print.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpus.h"
#include "base/text.h"
#include "json.h"

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool belongs(const struct partition_output *output, const struct partition_group *group,
                    const struct ae_partition_line *line)
{
    return !output->verbose && group->state == line->state && same(group->knob, line->knob) &&
           same(group->old_value, line->old_value) && same(group->new_value, line->new_value) &&
           same(group->note, line->note);
}

static void collect(struct partition_output *output, const struct ae_partition_line *line)
{
    struct partition_group *bigger;

    for (size_t i = 0; i < output->group_count; i++)
        if (belongs(output, &output->groups[i], line)) {
            output->groups[i].count++;
            return;
        }
    bigger = realloc(output->groups, (output->group_count + 1) * sizeof(*bigger));
    if (!bigger)
        return;
    output->groups = bigger;
    bigger[output->group_count++] = (struct partition_group){.knob = copy(line->knob),
                                                             .target = copy(line->target),
                                                             .old_value = copy(line->old_value),
                                                             .new_value = copy(line->new_value),
                                                             .note = copy(line->note),
                                                             .state = line->state,
                                                             .count = 1};
}

void partition_line(const struct ae_partition_line *line, void *context)
{
    struct partition_output *output = context;
    bool dull =
        line->state == AE_LINE_OK || line->state == AE_LINE_OFF || line->state == AE_LINE_GONE;

    if (!output->json) {
        if (!dull || output->verbose)
            collect(output, line);
        return;
    }
    if (!output->lines)
        output->lines = json_array();
    json_array_append_new(
        output->lines,
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "knob", line->knob, "state",
                  ae_line_state_name(line->state), "target", text_or_null(line->target), "old",
                  text_or_null(line->old_value), "new", text_or_null(line->new_value), "note",
                  text_or_null(line->note)));
}

static json_t *answer(const struct ae_evidence *evidence)
{
    return json_pack("{s:s, s:s}", "answer", ae_answer_name(evidence->answer), "detail",
                     AE_TEXT(evidence->detail));
}

static void print_answer(const char *question, const struct ae_evidence *evidence)
{
    printf("    %-10s %-7s %s\n", question, ae_answer_name(evidence->answer),
           AE_TEXT(evidence->detail));
}

void partition_evidence(const struct ae_knob_evidence *evidence, void *context)
{
    struct partition_output *output = context;

    if (output->json) {
        if (!output->lines)
            output->lines = json_array();
        json_array_append_new(output->lines,
                              json_pack("{s:s, s:s, s:o, s:o, s:o}", "knob", evidence->knob, "tier",
                                        evidence->tier, "accepted", answer(&evidence->accepted),
                                        "effective", answer(&evidence->effective), "quiet",
                                        answer(&evidence->quiet)));
        return;
    }
    if (evidence->accepted.answer == AE_ANSWER_OFF ||
        evidence->accepted.answer == AE_ANSWER_ABSENT) {
        if (output->verbose || evidence->accepted.answer == AE_ANSWER_ABSENT)
            printf("  %-18s %-8s  %s: %s\n", evidence->knob, evidence->tier,
                   ae_answer_name(evidence->accepted.answer), AE_TEXT(evidence->accepted.detail));
        return;
    }
    printf("  %-18s %s\n", evidence->knob, evidence->tier);
    print_answer("accepted", &evidence->accepted);
    print_answer("effective", &evidence->effective);
    print_answer("quiet", &evidence->quiet);
}

/* A file's whole text may be long; a line of ours is not. */
static const char *shown(char text[AE_TEXT_SHOWN], const char *value)
{
    return !value ? "-" : *value ? ae_text_shown(text, AE_TEXT_SHOWN, value) : "\"\"";
}

static void print_group(FILE *out, const struct partition_group *group)
{
    char old[AE_TEXT_SHOWN], new[AE_TEXT_SHOWN];

    fprintf(out, "  %-9s  %-18s", ae_line_state_name(group->state), group->knob);
    if (group->target)
        fprintf(out, " %s", AE_TEXT(group->target));
    if (group->count > 1)
        fprintf(out, " and %u more", group->count - 1);
    if (group->old_value || group->new_value) {
        if (same(group->old_value, group->new_value))
            fprintf(out, ": %s", shown(old, group->old_value));
        else
            fprintf(out, ": %s -> %s", shown(old, group->old_value), shown(new, group->new_value));
    }
    if (group->note)
        fprintf(out, "%s%s", group->target ? "  (" : " ", AE_TEXT(group->note));
    fprintf(out, "%s\n", group->note && group->target ? ")" : "");
}

static void forget(struct partition_output *output)
{
    for (size_t i = 0; i < output->group_count; i++) {
        free(output->groups[i].knob);
        free(output->groups[i].target);
        free(output->groups[i].old_value);
        free(output->groups[i].new_value);
        free(output->groups[i].note);
    }
    free(output->groups);
    output->groups = NULL;
    output->group_count = 0;
    json_decref(output->lines);
    output->lines = NULL;
    json_decref(output->memory);
    output->memory = NULL;
}

void partition_summary_text(const struct ae_partition_summary *summary, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (int state = 0; state < AE_LINE_STATES; state++) {
        int length;

        if (!summary->count[state])
            continue;
        length = snprintf(text + used, size - used, "%s%u %s", used ? ", " : "",
                          summary->count[state], ae_line_state_name((enum ae_line_state)state));
        if (length < 0 || (size_t)length >= size - used)
            return;
        used += (size_t)length;
    }
    if (used == 0)
        snprintf(text, size, "nothing to do");
}

static json_t *counts(const struct ae_partition_summary *summary)
{
    json_t *object = json_object();

    for (int state = 0; state < AE_LINE_STATES; state++)
        json_object_set_new(object, ae_line_state_name((enum ae_line_state)state),
                            json_integer(summary->count[state]));
    return object;
}

static void print_json(struct partition_output *output, FILE *out, const char *what,
                       const char *name, const struct ae_partition *partition, const char *level,
                       const struct ae_partition_summary *summary)
{
    json_t *object = json_pack("{s:s, s:s}", "verb", what, "partition", name);
    char cpus[AE_CPUS_TEXT];

    if (partition && ae_partition_quiet_cpus(partition, cpus, sizeof(cpus)) == 0)
        json_object_set_new(object, "quiet_cpus", json_string(cpus));
    if (partition && ae_partition_host_cpus(partition, cpus, sizeof(cpus)) == 0)
        json_object_set_new(object, "host_cpus", json_string(cpus));
    if (level)
        json_object_set_new(object, "level", json_string(level));
    if (output->quiet)
        json_object_set_new(object, "quiet", json_boolean(*output->quiet));
    if (summary)
        json_object_set_new(object, "summary", counts(summary));
    if (output->memory)
        json_object_set(object, "memory", output->memory);
    json_object_set_new(object, "error", json_null());
    json_object_set_new(object, "lines", output->lines ? json_incref(output->lines) : json_array());
    if (out == stdout) {
        cli_json_print(object, JSON_COMPACT);
        return;
    }
    json_dumpf(object, out, JSON_COMPACT);
    fputc('\n', out);
    json_decref(object);
}

void partition_print(struct partition_output *output, FILE *out, const char *what, const char *name,
                     const struct ae_partition *partition, const char *level,
                     const struct ae_partition_summary *summary)
{
    char text[256], quiet[AE_CPUS_TEXT] = "", host[AE_CPUS_TEXT] = "";

    if (output->json) {
        print_json(output, out, what, name, partition, level, summary);
        forget(output);
        return;
    }
    if (partition) {
        ae_partition_quiet_cpus(partition, quiet, sizeof(quiet));
        ae_partition_host_cpus(partition, host, sizeof(host));
        fprintf(out, "partition %s: quiet CPUs %s, host CPUs %s%s%s\n", name, quiet, host,
                level ? ", level: " : "", level ? level : "");
    }
    for (size_t i = 0; i < output->group_count; i++)
        print_group(out, &output->groups[i]);
    if (summary) {
        partition_summary_text(summary, text, sizeof(text));
        fprintf(out, "%s %s: %s\n", what, name, text);
    }
    fflush(out);
    forget(output);
}
