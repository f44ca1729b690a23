/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_VIEWS_H
#define AE_CLI_VIEWS_H

/* What ps, top, logs, metrics, stop, net and capture see: the runs that go on (worker/view.h). */

#include <argp.h>
#include <jansson.h>
#include <stdio.h>

#include <aether/histogram.h>

#include "worker/view.h"

struct cli_views {
    struct ae_view *views[2 * AE_VIEW_MOST];
    unsigned count;
    json_t *unseen; /* those that could not be looked at: name, why */
    uint64_t at_ns; /* CLOCK_MONOTONIC */
};

/* Of a verb that takes --json and nothing else; its input is a bool. */
extern const struct argp_option cli_views_options[];
error_t cli_views_parse(int key, char *value, struct argp_state *state);

/* Prints why and returns an exit status on failure; cli_views_drop in any case. */
int cli_views_take(struct cli_views *views, const char *verb);
void cli_views_drop(struct cli_views *views);

/* Is it named so: by its supervisor's process, its name, a worker's process, a worker's partition?
 * The first, of one worker: by what is its own, or all of its run's. */
bool cli_view_worker_is_meant(const struct ae_view *view, unsigned number, const char *which);
bool cli_view_is_meant(const struct ae_view *view, const char *which);

/* Why the run of this process may not be looked at; NULL: it may, or is not there. */
const char *cli_views_unseen(const struct cli_views *views, const char *pid);

/* -ENOENT: none is; the error says why. */
int cli_views_none(const struct cli_views *views, const char *which, struct ae_error *err);

/* To standard error, a line for each that could not be looked at. */
void cli_views_tell_unseen(const struct cli_views *views, const char *verb);

/* The one that is meant. It stays the views'. NULL: the error says what else there is. */
struct ae_view *cli_views_find(struct cli_views *views, const char *which, struct ae_error *err);

/* Everything there is about a run; json_object, never NULL but for want of memory. */
json_t *cli_view_json(const struct ae_view *view);

/* How long since a time of a struct ae_view_message; as "3 h 5 min". */
uint64_t cli_view_since_ms(const struct cli_views *views, uint64_t since_ms);
#define CLI_DURATION 32
const char *cli_duration(uint64_t ms, char text[CLI_DURATION]);

#define CLI_USER 33
const char *cli_view_user(uid_t uid, char text[CLI_USER]);

/* The name of the applied partition that its CPU is of; "" when it is of none. */
const char *cli_view_partition(const struct ae_view_worker *worker, char *name);

/* "aa:bb:cc:dd:ee:ff" */
#define CLI_MAC 18
const char *cli_mac(const uint8_t mac[6], char text[CLI_MAC]);

/* What the kernel counted on its CPU since it is quiet. False: it is not, or that is not known. */
bool cli_view_kernel(const struct ae_view_worker *worker, struct ae_view_kernel *since);

/* What a queue measures; the unit is "frames" or "ns". */
struct cli_measure {
    const char *name;
    const char *unit;
    const char *help;
};
extern const struct cli_measure cli_measures[AE_QUEUE_MEASURES];

#endif
