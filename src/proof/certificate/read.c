/* SPDX-License-Identifier: Apache-2.0 */

/* A certificate from its file, which anybody may have put there: it is opened once, and looked at
 * before it is read. */

#include "proof/certificate/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

static int read_opened(int fd, struct ae_certificate_bytes *bytes, const char *file, size_t most,
                       struct ae_error *err)
{
    struct stat status;
    size_t size, done = 0;

    if (fstat(fd, &status))
        return ae_error_set(err, -errno, "reading %s: %s", file, strerror(errno));
    if (!S_ISREG(status.st_mode) || status.st_size < 0 || (size_t)status.st_size > most)
        return ae_error_set(err, -EBADMSG, "reading %s: it is not a file of at most %zu bytes",
                            file, most);
    size = (size_t)status.st_size;
    bytes->data = malloc(size + 1);
    if (!bytes->data)
        return ae_error_set(err, -ENOMEM, "reading %s: out of memory", file);
    while (done < size) {
        ssize_t got = pread(fd, bytes->data + done, size - done, (off_t)done);

        if (got <= 0) {
            int rc = got ? -errno : -EBADMSG;

            free(bytes->data);
            bytes->data = NULL;
            return ae_error_set(err, rc, "reading %s: %s", file,
                                got ? strerror(-rc) : "it got shorter meanwhile");
        }
        done += (size_t)got;
    }
    bytes->data[done] = '\0';
    bytes->length = done;
    return 0;
}

int ae_certificate_take(struct ae_certificate_bytes *bytes, const char *file, size_t most,
                        struct ae_error *err)
{
    /* Without a wait for whoever may be at the other end of a pipe. */
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc;

    *bytes = (struct ae_certificate_bytes){0};
    if (fd < 0)
        return ae_error_set(err, -errno, "reading %s: %s", file, strerror(errno));
    rc = read_opened(fd, bytes, file, most, err);
    close(fd);
    return rc;
}

int ae_certificate_take_beside(struct ae_certificate_bytes *bytes, const char *file,
                               const char *ending, size_t most, struct ae_error *err)
{
    char *name;
    int rc;

    *bytes = (struct ae_certificate_bytes){0};
    if (asprintf(&name, "%s%s", file, ending) < 0)
        return ae_error_set(err, -ENOMEM, "reading %s%s: out of memory", file, ending);
    rc = ae_certificate_take(bytes, name, most, err);
    free(name);
    return rc;
}

int ae_certificate_parse(struct ae_certificate **out, const char *text, size_t length,
                         struct ae_error *err)
{
    struct ae_certificate *certificate;
    json_error_t where;
    json_t *all;
    int rc;

    if (length > AE_CERTIFICATE_MOST)
        return ae_error_set(err, -EBADMSG, "no certificate: it has %zu bytes, and %d are the most",
                            length, AE_CERTIFICATE_MOST);
    all = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!all)
        return ae_error_set(err, -EBADMSG, "no certificate: line %d: %s", where.line, where.text);
    /* First: two names that are shown alike are the same to whoever reads them. */
    ae_certificate_make_plain(all);
    rc = ae_certificate_check(all, err);
    certificate = rc ? NULL : calloc(1, sizeof(*certificate));
    if (!certificate) {
        json_decref(all);
        return rc ? rc : ae_error_set(err, -ENOMEM, "reading a certificate: out of memory");
    }
    certificate->all = all;
    certificate->watch_fd = -1;
    certificate->cpu = (int)json_integer_value(json_object_get(all, "cpu"));
    *out = certificate;
    return 0;
}

int ae_certificate_read(struct ae_certificate **out, const char *file, struct ae_error *err)
{
    struct ae_certificate_bytes bytes;
    int rc = ae_certificate_take(&bytes, file, AE_CERTIFICATE_MOST, err);

    if (rc)
        return rc;
    rc = ae_certificate_parse(out, bytes.data, bytes.length, err);
    if (rc)
        ae_error_prefix(err, rc, "%s", file);
    free(bytes.data);
    return rc;
}
