/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wordexp.h>

#include "base/error.h"
#include "base/text.h"
#include "base/trusted.h"

#define DIRECTORY "/etc/aether/workers.d"
#define NAME_SIZE 64

/* What a file said is used as long as the process lives: there is one. */
static char path[sizeof(DIRECTORY) + NAME_SIZE + 8];
static char *kept, *original; /* taken apart, and as it was */
static wordexp_t words;

static char *strip(char *text)
{
    size_t length;

    while (isspace((unsigned char)*text))
        text++;
    length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    text[length] = '\0';
    return text;
}

/* And which of the settings it is of. */
static const struct argp_option *option_named(const struct cli_settings **settings,
                                              const char *name)
{
    for (; (*settings)->argp; ++*settings)
        for (const struct argp_option *option = (*settings)->argp->options; option->name; option++)
            if (strcmp(option->name, name) == 0)
                return option;
    return NULL;
}

/* As the command line would have it; what the option says against it is the error. */
static int set(const struct cli_settings *settings, const struct argp_option *option, char *value,
               struct ae_error *err)
{
    struct argp_state state = {.root_argp = settings->argp,
                               .input = settings->input,
                               .flags = ARGP_NO_EXIT,
                               .name = (char[]){""}};
    char *said = NULL;
    size_t size = 0;
    int rc;

    state.err_stream = open_memstream(&said, &size);
    if (!state.err_stream)
        return ae_error_set(err, -ENOMEM, "out of memory");
    rc = settings->argp->parser(option->key, value, &state);
    fclose(state.err_stream);
    if (size > 0) {
        said[strcspn(said, "\n")] = '\0';
        rc = ae_error_set(err, -EINVAL, "%s", said + strspn(said, ": "));
    } else if (rc) {
        rc = ae_error_set(err, -rc, "--%s: %s", option->name, strerror(rc));
    }
    free(said);
    return rc;
}

static int set_program(char *value, char ***program, struct ae_error *err)
{
    int rc;

    wordfree(&words);
    rc = wordexp(value, &words, WRDE_NOCMD | WRDE_UNDEF);
    if (rc || !words.we_wordc)
        return ae_error_set(
            err, -EINVAL,
            "program = %s: a program and its arguments are needed, as a shell takes "
            "them, without commands and unknown variables",
            AE_TEXT(value));
    *program = words.we_wordv;
    return 0;
}

static int read_line(const struct cli_settings *settings, char *line, char ***program,
                     struct ae_error *err)
{
    char *value = strchr(line, '='), *key;
    const struct argp_option *option;

    if (value)
        *value++ = '\0';
    key = strip(line);
    value = value ? strip(value) : NULL;
    if (!*key && !value)
        return 0;
    if (strcmp(key, "program") == 0)
        return set_program(value ? value : (char[]){""}, program, err);
    option = option_named(&settings, key);
    if (!option)
        return ae_error_set(err, -EINVAL,
                            "there is no setting '%s': it is 'program' or a long option of 'aether "
                            "run' (aether run --help)",
                            AE_TEXT(key));
    if (option->arg && !value)
        return ae_error_set(err, -EINVAL, "%s: a value is needed: %s = %s", key, key, option->arg);
    if (!option->arg && value && strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return ae_error_set(err, -EINVAL, "%s = %s: on and off are known", key, AE_TEXT(value));
    if (!option->arg && value && strcmp(value, "off") == 0)
        return 0;
    return set(settings, option, option->arg ? value : NULL, err);
}

static int read_lines(const struct cli_settings *settings, char *text, char ***program,
                      struct ae_error *err)
{
    unsigned number = 0;
    int rc = 0;

    for (char *line; (line = strsep(&text, "\n")) && !rc;) {
        number++;
        line = strip(line);
        if (*line != '#' && *line != ';')
            rc = read_line(settings, line, program, err);
    }
    return rc ? ae_error_prefix(err, rc, "%s:%u", path, number) : 0;
}

/* -ENOENT, too, is told. */
static int read_text(char **text, struct ae_error *err)
{
    ssize_t got = ae_trusted_read(path, text, err);

    if (got == -ENOENT)
        return ae_error_set(err, -ENOENT, "%s: there is no such file", path);
    if (got >= 0 && strlen(*text) != (size_t)got) {
        free(*text);
        return ae_error_set(err, -EINVAL, "%s: it has a NUL", path);
    }
    return got < 0 ? (int)got : 0;
}

int cli_worker_file_read(const struct cli_settings *settings, const char *name, char ***program,
                         struct ae_error *err)
{
    size_t length = strlen(name);
    int rc;

    if (!length || length >= NAME_SIZE ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
        return ae_error_set(err, -EINVAL,
                            "a worker called '%s': lower-case letters, digits and '-' are possible",
                            AE_TEXT(name));
    if (kept)
        return ae_error_set(err, -EINVAL, "a worker called '%s': one file is read, and was", name);
    snprintf(path, sizeof(path), DIRECTORY "/%s.conf", name);
    rc = read_text(&kept, err);
    if (rc)
        return rc;
    original = strdup(kept);
    if (!original)
        return ae_error_set(err, -ENOMEM, "out of memory");
    return read_lines(settings, kept, program, err);
}

int cli_worker_file_has_changed(struct ae_error *err)
{
    char *text;
    int rc = read_text(&text, err);

    if (!rc) {
        rc = strcmp(text, original) != 0;
        free(text);
    }
    return rc;
}
