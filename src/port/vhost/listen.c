/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/listen.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"

#define OWN_PLACE "/run/aether"

static int name(struct sockaddr_un *address, const char *path, struct ae_error *err)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path))
        return ae_error_set(err, -ENAMETOOLONG, "'%s': a socket's path has at most %zu characters",
                            path, sizeof(address->sun_path) - 1);
    memcpy(address->sun_path, path, strlen(path));
    return 0;
}

/* Is the name in the way, and may it be removed? 0: it is free now. */
static int make_room(const struct sockaddr_un *address, struct ae_error *err)
{
    struct stat status;
    int fd, rc;

    if (lstat(address->sun_path, &status))
        return errno == ENOENT
                   ? 0
                   : ae_error_set(err, -errno, "%s: %s", address->sun_path, strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return ae_error_set(err, -EEXIST, "%s is there already, and is no socket",
                            address->sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ae_error_set(err, -errno, "making a socket: %s", strerror(errno));
    rc = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? -errno : 0;
    close(fd);
    if (rc != -ECONNREFUSED)
        return ae_error_set(err, -EADDRINUSE,
                            "%s: another program listens there; end it, or choose another name",
                            address->sun_path);
    if (unlink(address->sun_path))
        return ae_error_set(err, -errno, "removing the dead socket %s: %s", address->sun_path,
                            strerror(errno));
    return 0;
}

/* Aether's own directory is there when somebody listens in it, also where no systemd-tmpfiles(8)
 * made it, and as that makes it: others have to come through to connect. Any other is its owner's
 * to make. */
static int make_place(const char *path, struct ae_error *err)
{
    char place[PATH_MAX];
    size_t length;

    if (ae_root_path(place, sizeof(place), OWN_PLACE))
        return 0;
    length = strlen(place);
    if (strncmp(path, place, length) != 0 || path[length] != '/' || strstr(path, "/../"))
        return 0;
    snprintf(place, sizeof(place), "%s", path);
    for (char *slash = place + length; slash; slash = strchr(slash + 1, '/')) {
        int rc = 0;

        *slash = '\0';
        /* The mode is not the umask's to change. */
        if (mkdir(place, 0755) ? errno != EEXIST : chmod(place, 0755))
            rc =
                ae_error_set(err, -errno, "listening at %s: making the directory %s: %s%s", path,
                             place, strerror(errno),
                             errno == EACCES ? "; as root, or choose a directory of your own" : "");
        if (rc)
            return rc;
        *slash = '/';
    }
    return 0;
}

int ae_vhost_listen(struct ae_vhost_listener *listener, const char *path, struct ae_error *err)
{
    struct sockaddr_un *address = &listener->address;
    struct stat status;
    int rc;

    memset(listener, 0, sizeof(*listener));
    listener->fd = -1;
    rc = name(address, path, err);
    if (!rc)
        rc = make_place(path, err);
    if (!rc)
        rc = make_room(address, err);
    if (rc)
        return rc;
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0 ||
        bind(listener->fd, (const struct sockaddr *)address, sizeof(*address)) ||
        listen(listener->fd, 8) || lstat(path, &status)) {
        rc = ae_error_set(err, -errno, "listening at %s: %s%s", path, strerror(errno),
                          errno == ENOENT ? "; its directory has to be there" : "");
        if (listener->fd >= 0)
            close(listener->fd);
        listener->fd = -1;
        return rc;
    }
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
    return 0;
}

int ae_vhost_accept(const struct ae_vhost_listener *listener)
{
    return accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

void ae_vhost_unlisten(struct ae_vhost_listener *listener, struct ae_vhost_receivers *receivers)
{
    struct stat status;
    int fd;

    if (listener->fd < 0)
        return;
    if (!lstat(listener->address.sun_path, &status) && status.st_dev == listener->device &&
        status.st_ino == listener->inode)
        unlink(listener->address.sun_path);
    /* Nobody comes from here on. What those who wait have sent would be closed with the socket. */
    shutdown(listener->fd, SHUT_RDWR);
    while ((fd = ae_vhost_accept(listener)) >= 0)
        if (ae_vhost_let_go(receivers, fd))
            close(fd);
    close(listener->fd);
    listener->fd = -1;
}

/* What to do about it, beside what the caller advises. */
static const struct {
    int code;
    const char *text;
} advices[] = {
    {EAGAIN, "others wait there already"},
    {EACCES, "this user must be allowed to write to it, and to look into its directory"},
    {EPROTOTYPE, "it is a socket of another kind, not of streams"},
};

static int explain(int code, const char *path, const char *advice, struct ae_error *err)
{
    struct stat status;

    /* The kernel says the same of it as of a socket that was left behind. */
    if (code == ECONNREFUSED && !stat(path, &status) && !S_ISSOCK(status.st_mode))
        return ae_error_set(err, -ENOTSOCK, "connecting to %s: it is there, but is no socket",
                            path);
    if (code != ECONNREFUSED && code != ENOENT)
        advice = NULL;
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
        if (advices[i].code == code)
            advice = advices[i].text;
    return ae_error_set(err, -code, "connecting to %s: %s%s%s", path, strerror(code),
                        advice ? "; " : "", advice ? advice : "");
}

int ae_vhost_connect(const char *path, const char *advice, struct ae_error *err)
{
    struct sockaddr_un address;
    int fd, rc = name(&address, path, err);

    if (rc)
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ae_error_set(err, -errno, "making a socket: %s", strerror(errno));
    if (!connect(fd, (const struct sockaddr *)&address, sizeof(address)))
        return fd;
    rc = explain(errno, path, advice, err);
    close(fd);
    return rc;
}
