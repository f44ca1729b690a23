/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_MADE_CERTIFICATE_H
#define AE_TESTS_MADE_CERTIFICATE_H

#include <jansson.h>

#include <aether/certificate.h>

/* A whole certificate of a quiet CPU, for tests to change. */
json_t *made_certificate(void);

/* Replaces what is at a path such as "rows/1/count" or "gaps/longest_ns"; value NULL: removes
 * it. */
void made_change(json_t *certificate, const char *path, json_t *value);

/* Reads it as if from a file; takes over json. */
int made_parse(struct ae_certificate **certificate, json_t *json, struct ae_error *err);

#endif
