/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PROOF_TELL_H
#define AE_PROOF_TELL_H

#include <aether/proof.h>
#include <jansson.h>

/* What ae_proof_json gives as text; NULL when memory is short. */
json_t *ae_proof_object(const struct ae_proof *proof);

#endif
