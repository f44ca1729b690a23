/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/report.h"

const char *ae_line_state_name(enum ae_line_state state)
{
    static const char *const names[AE_LINE_STATES] = {
        [AE_LINE_OK] = "ok",
        [AE_LINE_CHANGE] = "change",
        [AE_LINE_SET] = "set",
        [AE_LINE_RESTORED] = "restored",
        [AE_LINE_DRIFT] = "drift",
        [AE_LINE_CONFLICT] = "conflict",
        [AE_LINE_REFUSED] = "refused",
        [AE_LINE_IMMOVABLE] = "immovable",
        [AE_LINE_DEFERRED] = "deferred",
        [AE_LINE_SHORT] = "short",
        [AE_LINE_ABSENT] = "absent",
        [AE_LINE_OFF] = "off",
        [AE_LINE_GONE] = "gone",
    };

    return state < AE_LINE_STATES ? names[state] : "?";
}

const char *ae_level_name(enum ae_level level)
{
    static const char *const names[] = {"none", "partial", "run-time tier", "boot tier"};

    return level <= AE_LEVEL_BOOT ? names[level] : "?";
}

void ae_tell(struct ae_telling *telling, const struct ae_partition_line *line)
{
    telling->summary.count[line->state]++;
    if (telling->report)
        telling->report(line, telling->context);
}

void ae_tell_missing(struct ae_telling *telling, const struct ae_plan *plan)
{
    for (size_t i = 0; i < plan->knob_count; i++) {
        const struct ae_plan_knob *slot = &plan->knobs[i];

        if (slot->state != AE_LINE_OK)
            ae_tell(telling,
                    &(struct ae_partition_line){.knob = slot->knob->name,
                                                .state = slot->state,
                                                .note = slot->note[0] ? slot->note : NULL});
    }
}
