/* SPDX-License-Identifier: Apache-2.0 */
#include "base/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The file whose place a new text takes. */
struct old {
    int fd; /* O_PATH; -1: there is none */
    struct stat status;
    char path[PATH_MAX]; /* where it lies, links resolved */
};

/* Links are followed as the made-up machine itself would: never out of the root. */
static int open_in_root(const char *path)
{
    char top[PATH_MAX];
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    int directory, fd, rc = ae_root_path(top, sizeof(top), "/");

    if (rc)
        return rc;
    directory = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -errno;
    fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));
    rc = fd < 0 ? -errno : fd;
    close(directory);
    return rc;
}

static int find_old(struct old *old, const char *path)
{
    char link[64];
    ssize_t length;

    old->fd = open_in_root(path);
    if (old->fd == -ENOENT) {
        int rc = ae_root_path(old->path, sizeof(old->path), path);

        old->fd = -1;
        return !rc && lstat(old->path, &old->status) == 0 ? -ELOOP : rc; /* a link to nothing */
    }
    if (old->fd < 0)
        return old->fd;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", old->fd);
    length = readlink(link, old->path, sizeof(old->path) - 1);
    if (length < 0 || fstat(old->fd, &old->status))
        return -errno;
    old->path[length] = '\0';
    if (!S_ISREG(old->status.st_mode))
        return S_ISDIR(old->status.st_mode) ? -EISDIR : -EINVAL;
    return old->status.st_nlink > 1 ? -EMLINK : 0; /* its other names would keep the old text */
}

/* What is over the text itself cannot hold for another one. */
static bool is_over_text(const char *name)
{
    return strcmp(name, "security.ima") == 0 || strcmp(name, "security.evm") == 0;
}

static int copy_attribute(const char *from, int to, const char *name)
{
    char value[XATTR_SIZE_MAX];
    ssize_t size = getxattr(from, name, value, sizeof(value));

    if (size < 0)
        return errno == ENODATA ? 0 : -errno;
    return fsetxattr(to, name, value, (size_t)size, 0) ? -errno : 0;
}

/* Labels, access control lists, whatever else: the new file has those of the old one, and no others
 * (a directory's default list would add one). */
static int copy_attributes(const struct old *old, int to)
{
    char names[XATTR_LIST_MAX], from[64];
    ssize_t length = flistxattr(to, names, sizeof(names));
    int rc = 0;

    snprintf(from, sizeof(from), "/proc/self/fd/%d", old->fd);
    for (const char *name = names; name < names + length; name += strlen(name) + 1)
        if (getxattr(from, name, NULL, 0) < 0 && errno == ENODATA && fremovexattr(to, name))
            return -errno;
    length = listxattr(from, names, sizeof(names));
    if (length < 0)
        return errno == ENOTSUP ? 0 : -errno;
    for (const char *name = names; !rc && name < names + length; name += strlen(name) + 1)
        if (!is_over_text(name))
            rc = copy_attribute(from, to, name);
    return rc;
}

/* The owner first: changing it takes set-id bits away. The list last: a mode changes its mask. */
static int look_like(const struct old *old, int fd)
{
    if (old->fd < 0)
        return fchmod(fd, 0644) ? -errno : 0;
    if (fchown(fd, old->status.st_uid, old->status.st_gid) ||
        fchmod(fd, old->status.st_mode & 07777))
        return -errno;
    return copy_attributes(old, fd);
}

/* In the place of `path`, whole or not at all. */
static int put(const char *path, const char *text, const struct old *old, mode_t mode)
{
    char temporary[PATH_MAX + 8];
    int fd, rc;

    snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = ae_root_write_to(fd, text);
    if (!rc && old)
        rc = look_like(old, fd);
    else if (!rc && fchmod(fd, mode))
        rc = -errno;
    if (!rc && fsync(fd))
        rc = -errno;
    if (close(fd) && !rc)
        rc = -errno;
    if (!rc && rename(temporary, path))
        rc = -errno;
    if (rc)
        unlink(temporary);
    return rc;
}

int ae_root_replace(const char *path, const char *text)
{
    struct old old = {.fd = -1};
    int rc = find_old(&old, path);

    if (!rc)
        rc = put(old.path, text, &old, 0);
    if (old.fd >= 0)
        close(old.fd);
    return rc;
}

int ae_root_save(const char *path, const char *text, mode_t mode)
{
    char full[PATH_MAX];
    int rc = ae_root_path(full, sizeof(full), path);

    return rc ? rc : put(full, text, NULL, mode);
}
