/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_EXPOSITION_H
#define AE_CLI_EXPOSITION_H

/* Runs as metrics: Prometheus' text format 0.0.4, or OpenMetrics 1.0. */

#include "views.h"

#define CLI_TEXT_TYPE        "text/plain; version=0.0.4; charset=utf-8"
#define CLI_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

void cli_expose(const struct cli_views *views, bool openmetrics, FILE *out);

#endif
