/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/boot/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "base/trusted.h"
#include "partition/boot/files.h"
#include "partition/boot/writers.h"

#define STATE_DIRECTORY "/var/lib/aether"

json_t *ae_boot_text_json(const char *text)
{
    json_t *plain = text ? json_string(text) : json_null(), *latin = NULL;
    char *wide, *to;

    if (plain)
        return plain;
    to = wide = malloc(2 * strlen(text) + 1);
    for (const unsigned char *c = (const unsigned char *)text; to && *c; c++) {
        if (*c >= 0x80)
            *to++ = (char)(0xc0 | *c >> 6);
        *to++ = (char)(*c >= 0x80 ? 0x80 | (*c & 0x3f) : *c);
    }
    if (wide) {
        *to = '\0';
        latin = json_pack("{s:s}", "latin1", wide);
    }
    free(wide);
    return latin;
}

int ae_boot_state_save(const struct ae_boot_plan *plan, struct ae_error *err)
{
    json_t *files = json_array();
    json_t *all = json_pack("{s:s, s:s, s:o}", "writer", plan->writer, "parameters",
                            plan->parameters, "files", files);
    char *text;
    int rc = 0;

    for (unsigned i = 0; all && !rc && i < plan->count; i++)
        rc = json_array_append_new(files,
                                   json_pack("{s:s, s:o, s:o}", "path", plan->changes[i].path,
                                             "before", ae_boot_text_json(plan->changes[i].before),
                                             "after", ae_boot_text_json(plan->changes[i].after)));
    text = all && !rc ? json_dumps(all, JSON_INDENT(1)) : NULL;
    json_decref(all);
    if (!text)
        return ae_error_set(err, -ENOMEM, "boot parameters: no memory for " AE_BOOT_STATE);
    /* It holds what may have been readable by few. */
    rc = ae_root_make_private(STATE_DIRECTORY);
    if (!rc)
        rc = ae_root_save(AE_BOOT_STATE, text, 0600);
    if (!rc)
        rc = ae_root_sync_directory(STATE_DIRECTORY);
    free(text);
    return rc ? ae_error_set(err, rc, "boot parameters: writing " AE_BOOT_STATE ": %s; be root",
                             strerror(-rc))
              : 0;
}

/* Undoes ae_boot_text_json; NULL: it was none, or no memory. */
static char *copy_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *latin = json_string_value(json_object_get(value, "latin1"));
    const char *text = latin ? latin : json_string_value(value);
    char *copy = text ? strdup(text) : NULL;
    size_t length = 0;

    for (const unsigned char *c = (const unsigned char *)latin; copy && c && *c; c++) {
        bool pair = (*c & 0xe0) == 0xc0 && (c[1] & 0xc0) == 0x80;

        copy[length++] = (char)(pair ? (*c & 3) << 6 | (c[1] & 0x3f) : *c);
        c += pair;
    }
    if (copy && latin)
        copy[length] = '\0';
    return copy;
}

static int load_files(struct ae_boot_plan *plan, const json_t *files, struct ae_error *err)
{
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        const char *path = json_string_value(json_object_get(file, "path"));
        int rc;

        if (!path || path[0] != '/')
            return ae_error_set(err, -EBADMSG, AE_BOOT_STATE " is damaged: file %zu has no path",
                                i);
        rc = ae_boot_add_change(plan, path, copy_of(file, "before"), copy_of(file, "after"), err);
        if (rc)
            return rc;
    }
    return 0;
}

int ae_boot_state_load(struct ae_boot_plan *plan, struct ae_error *err)
{
    const struct ae_boot_writer *writer = NULL;
    const char *name;
    json_error_t why;
    ssize_t length;
    json_t *all;
    char *text;
    int rc;

    memset(plan, 0, sizeof(*plan));
    length = ae_trusted_read(AE_BOOT_STATE, &text, err);
    if (length == -ENOENT)
        return ae_error_set(err, -ENOENT,
                            "boot parameters: none were applied (no " AE_BOOT_STATE ")");
    if (length < 0)
        return (int)length;
    all = json_loads(text, 0, &why);
    free(text);
    name = json_string_value(json_object_get(all, "writer"));
    if (name)
        writer = ae_boot_find_writer(name);
    plan->parameters = copy_of(all, "parameters");
    if (!writer || !plan->parameters) {
        rc = ae_error_set(err, -EBADMSG,
                          AE_BOOT_STATE
                          " is damaged; it holds what the files were before, look into it "
                          "and put them back by hand");
    } else {
        plan->writer = writer->name;
        rc = load_files(plan, json_object_get(all, "files"), err);
    }
    json_decref(all);
    if (rc)
        ae_boot_plan_free(plan);
    return rc;
}

int ae_boot_applied(char **parameters, char **writer, struct ae_error *err)
{
    struct ae_boot_plan plan;
    int rc = ae_boot_state_load(&plan, err);

    if (rc)
        return rc;
    *parameters = plan.parameters;
    plan.parameters = NULL;
    *writer = strdup(plan.writer);
    ae_boot_plan_free(&plan);
    return *writer ? 0 : -ENOMEM;
}
