/* SPDX-License-Identifier: Apache-2.0 */
#include "proof_told.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *told;
json_t *json;

void told_forget(void)
{
    json_decref(json);
    free(told);
    json = NULL;
    told = NULL;
}

enum ae_proof_verdict told_finish(struct ae_proof *proof)
{
    enum ae_proof_verdict verdict = ae_proof_finish(proof);
    char *text = ae_proof_json(proof);
    size_t size;
    FILE *out;

    told_forget();
    json = json_loads(text, 0, NULL);
    assert_non_null(json);
    free(text);
    out = open_memstream(&told, &size);
    ae_proof_print(proof, out);
    fclose(out);
    ae_proof_destroy(proof);
    return verdict;
}

bool told_says(const char *key, const char *text)
{
    char *all = json_dumps(json_object_get(json, key), 0);
    bool found = all && strstr(all, text);

    free(all);
    return found;
}
