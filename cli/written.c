/* SPDX-License-Identifier: Apache-2.0 */
#include "written.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/* A device, a pipe: nothing may take its place. */
static bool is_no_file(const char *file)
{
    struct stat status;

    return stat(file, &status) == 0 && !S_ISREG(status.st_mode);
}

static int write_to(FILE *out, const char *file, const char *text, size_t length,
                    struct ae_error *err)
{
    bool whole = out && fwrite(text, 1, length, out) == length && fflush(out) == 0;
    int rc = whole ? 0 : ae_error_set(err, -errno, "writing %s: %s", file, strerror(errno));

    if (out && out != stdout)
        fclose(out);
    return rc;
}

static int replace(const char *file, const char *text, size_t length, struct ae_error *err)
{
    char *temporary;
    int fd, rc;

    if (asprintf(&temporary, "%s.XXXXXX", file) < 0)
        return ae_error_set(err, -ENOMEM, "writing %s: out of memory", file);
    fd = mkostemp(temporary, O_CLOEXEC);
    rc = write_to(fd < 0 ? NULL : fdopen(fd, "w"), file, text, length, err);
    if (!rc && (chmod(temporary, 0644) || rename(temporary, file)))
        rc = ae_error_set(err, -errno, "writing %s: %s", file, strerror(errno));
    if (rc && fd >= 0)
        unlink(temporary);
    free(temporary);
    return rc;
}

int cli_write(const char *file, const char *text, size_t length, struct ae_error *err)
{
    if (strcmp(file, "-") == 0)
        return write_to(stdout, "standard output", text, length, err);
    if (is_no_file(file))
        return write_to(fopen(file, "we"), file, text, length, err);
    return replace(file, text, length, err);
}
