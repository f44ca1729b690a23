/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/place.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/root.h"
#include "worker/letter.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

#define WAITING 8 /* who connected and was not answered yet; more are told to come again */

static int make_directory(const char *kind, char *directory, size_t size, struct ae_error *err)
{
    char home[32] = "/run";
    mode_t mask;
    int rc;

    if (geteuid()) {
        snprintf(home, sizeof(home), "/run/user/%u", geteuid());
        if (!ae_root_exists(home))
            return ae_error_set(err, -ENOENT,
                                "%s is not there, where a user's runs are found (systemd-logind "
                                "makes it)",
                                home);
    }
    snprintf(directory, size, "%s/aether/%s", home, kind);
    mask = umask(022); /* others find their runs there */
    rc = ae_root_make_directory(directory);
    umask(mask);
    return rc ? ae_error_set(err, rc, "making %s: %s", directory, strerror(-rc)) : 0;
}

/* From the name that nobody looks for. */
static int take_name(const struct ae_place *place, const char *early, const char *name)
{
    if (!link(early, name))
        return 0;
    if (errno != EEXIST)
        return -errno;
    ae_letter_forget(place->path);
    return link(early, name) ? -errno : 0;
}

static int listen_at(struct ae_place *place, const char *directory, struct ae_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char early[96], name[PATH_MAX];
    int rc = 0;

    place->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (place->fd < 0)
        return ae_error_set(err, -errno, "making a socket: %s", strerror(errno));
    /* A descriptor that a peer sends is closed in our name, which may take as long as he likes.
     * Before Linux 6.16 nothing can be done about it here. */
    setsockopt(place->fd, SOL_SOCKET, SO_PASSRIGHTS, &(int){0}, sizeof(int));
    snprintf(early, sizeof(early), "%s/.%d", directory, getpid());
    if (ae_root_path(address.sun_path, sizeof(address.sun_path), early) ||
        ae_root_path(name, sizeof(name), place->path) || strlen(name) >= sizeof(address.sun_path))
        return ae_error_set(err, -ENAMETOOLONG, "%s: the path is too long", place->path);
    unlink(address.sun_path);
    if (bind(place->fd, (const struct sockaddr *)&address, sizeof(address)) ||
        chmod(address.sun_path, 0600) || chown(address.sun_path, place->user, (gid_t)-1) ||
        listen(place->fd, WAITING))
        rc = -errno;
    if (!rc)
        rc = take_name(place, address.sun_path, name);
    unlink(address.sun_path);
    return rc ? ae_error_set(err, rc, "listening at %s: %s", name,
                             rc == -EEXIST ? "another run does" : strerror(-rc))
              : 0;
}

int ae_place_open(struct ae_place *place, const char *kind, const char *name, uid_t user,
                  struct ae_error *err)
{
    char directory[64];
    int rc = make_directory(kind, directory, sizeof(directory), err);

    *place = (struct ae_place){.fd = -1, .user = user};
    if (rc)
        return rc;
    snprintf(place->path, sizeof(place->path), "%s/%s", directory, name);
    rc = listen_at(place, directory, err);
    if (!rc)
        return 0;
    ae_descriptor_close(&place->fd);
    place->path[0] = '\0';
    return rc;
}

void ae_place_close(struct ae_place *place)
{
    if (place->path[0])
        ae_root_remove(place->path);
    place->path[0] = '\0';
    ae_descriptor_close(&place->fd);
}

/* The workers' user may have changed the mode of the socket, which is his. */
static bool may_come(const struct ae_place *place, int fd, pid_t *pid)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
        return false;
    *pid = peer.pid;
    return peer.uid == 0 || peer.uid == geteuid() || peer.uid == place->user;
}

int ae_place_accept(const struct ae_place *place, pid_t *pid)
{
    int fd = place->fd < 0 ? -1 : accept4(place->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0 || may_come(place, fd, pid))
        return fd;
    close(fd);
    return -1;
}
