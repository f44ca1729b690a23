/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_PROOF_TOLD_H
#define AE_TESTS_PROOF_TOLD_H

/* What the last proof that was finished told, for a person and for a program. */

#include <jansson.h>
#include <stdbool.h>

#include <aether/proof.h>

extern char *told;   /* what was printed; NULL: nothing yet */
extern json_t *json; /* NULL: nothing yet */

/* Finishes a proof, keeps what it tells instead of what was kept before, and destroys it. */
enum ae_proof_verdict told_finish(struct ae_proof *proof);

/* Whether the text stands somewhere in the JSON's member. */
bool told_says(const char *key, const char *text);

void told_forget(void);

#endif
