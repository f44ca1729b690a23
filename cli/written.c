/* SPDX-License-Identifier: Apache-2.0 */
#include "written.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

int cli_write(const char *file, const char *text, size_t length, struct ae_error *err)
{
    char *temporary;
    FILE *out;
    int fd, rc = 0;

    if (strcmp(file, "-") == 0)
        return fwrite(text, 1, length, stdout) == length && fflush(stdout) == 0
                   ? 0
                   : ae_error_set(err, -EIO, "writing to standard output: %s", strerror(errno));
    if (asprintf(&temporary, "%s.XXXXXX", file) < 0)
        return ae_error_set(err, -ENOMEM, "writing %s: out of memory", file);
    fd = mkostemp(temporary, O_CLOEXEC);
    out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out || fwrite(text, 1, length, out) != length || fchmod(fd, 0644) || fclose(out) ||
        rename(temporary, file)) {
        rc = ae_error_set(err, -errno, "writing %s: %s", file, strerror(errno));
        if (fd >= 0)
            unlink(temporary);
    }
    free(temporary);
    return rc;
}
