/* SPDX-License-Identifier: Apache-2.0 */
#include "base/trusted.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"

static int check_owner(int fd, const char *path, bool directory, struct ae_error *err)
{
    struct stat status;

    if (fstat(fd, &status))
        return ae_error_set(err, -errno, "%s: %s", path, strerror(errno));
    if (!directory && !S_ISREG(status.st_mode))
        return ae_error_set(err, -EINVAL, "%s is no regular file", path);
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return ae_error_set(
            err, -EPERM,
            "%s belongs to user %u, who could do to the machine through it what only "
            "root may; run chown root on it",
            path, status.st_uid);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) && !(directory && (status.st_mode & S_ISVTX)))
        return ae_error_set(err, -EPERM,
                            "%s can be written by others than its owner, and so could the kernel "
                            "through it; run chmod go-w on it",
                            path);
    return 0;
}

/* Takes the next step from the directory *fd: to a name in it, without following a link. */
static int step(int *fd, const char *name, const char *path, bool last, struct ae_error *err)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK | O_NOCTTY : O_DIRECTORY);
    int next = openat(*fd, name, flags);

    if (next < 0)
        return ae_error_set(err, -errno, "reading %s: %s", path, strerror(errno));
    close(*fd);
    *fd = next;
    return check_owner(next, path, !last, err);
}

/* From the root to the file, each step looked at by the descriptor that the next one starts
 * from. */
static int walk(const char *top, char *path, struct ae_error *err)
{
    char *name = path + strlen(top), *slash;
    int rc, fd = open(*top ? top : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return ae_error_set(err, -errno, "reading %s: %s", *top ? top : "/", strerror(errno));
    do {
        while (*name == '/')
            name++;
        slash = strchr(name, '/');
        if (slash)
            *slash = '\0';
        rc = step(&fd, name, path, !slash, err);
        if (slash) {
            *slash = '/';
            name = slash;
        }
    } while (!rc && slash);
    if (!rc)
        return fd;
    close(fd);
    return rc;
}

static ssize_t read_whole(int fd, char **text)
{
    struct stat status;
    size_t used = 0, size;
    ssize_t got = 1;
    char *buffer;

    if (fstat(fd, &status))
        return -errno;
    if (status.st_size > AE_TRUSTED_MAX)
        return -EFBIG;
    size = (size_t)status.st_size + 1;
    buffer = malloc(size);
    while (buffer && used < size && got > 0) {
        got = read(fd, buffer + used, size - used);
        if (got > 0)
            used += (size_t)got;
    }
    if (buffer && got >= 0 && used < size) {
        buffer[used] = '\0';
        *text = buffer;
        return (ssize_t)used;
    }
    got = !buffer ? -ENOMEM : got < 0 ? -errno : -ESTALE; /* it grew meanwhile */
    free(buffer);
    return got;
}

/* Where the root is and where the file is, links resolved. A file that links lead out of a made-up
 * root is looked at from the real one. */
static int resolve(const char *path, char top[PATH_MAX], char file[PATH_MAX])
{
    char full[PATH_MAX];
    size_t length;
    int rc = ae_root_path(full, sizeof(full), "/");

    if (!rc && !realpath(full, top))
        rc = -errno;
    if (!rc)
        rc = ae_root_path(full, sizeof(full), path);
    if (!rc && !realpath(full, file))
        rc = -errno;
    if (rc)
        return rc;
    length = strcmp(top, "/") == 0 ? 0 : strlen(top);
    if (strncmp(file, top, length) != 0 || file[length] != '/')
        length = 0;
    top[length] = '\0';
    return 0;
}

ssize_t ae_trusted_read(const char *path, char **text, struct ae_error *err)
{
    char top[PATH_MAX], file[PATH_MAX];
    int fd, rc = resolve(path, top, file);
    ssize_t length;

    if (rc)
        return rc == -ENOENT ? rc : ae_error_set(err, rc, "reading %s: %s", path, strerror(-rc));
    fd = walk(top, file, err);
    if (fd < 0)
        return fd;
    length = read_whole(fd, text);
    close(fd);
    if (length == -EFBIG)
        return ae_error_set(err, -EFBIG, "%s is longer than %u bytes; is it the right file?", path,
                            AE_TRUSTED_MAX);
    return length < 0
               ? ae_error_set(err, (int)length, "reading %s: %s", path, strerror((int)-length))
               : length;
}
