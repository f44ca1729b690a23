/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/kernel.h"

#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/cgroup.h"

/* Task ids of a made-up machine are those of other tasks here. */
static int set_affinity(pid_t task, const struct ae_cpus *cpus)
{
    if (!ae_root_is_real())
        return -EPERM;
    return sched_setaffinity(task, sizeof(cpus->bits), (const cpu_set_t *)cpus->bits) ? -errno : 0;
}

/* A card of a made-up machine has the name of a card here. */
static int request_channels(const char *card, struct ethtool_channels *channels)
{
    struct ifreq request = {.ifr_data = (char *)channels};
    int rc, fd;

    if (!ae_root_is_real())
        return -EOPNOTSUPP;
    if (strlen(card) >= sizeof(request.ifr_name))
        return -EINVAL;
    strcpy(request.ifr_name, card);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    rc = ioctl(fd, SIOCETHTOOL, &request) ? -errno : 0;
    close(fd);
    return rc;
}

/* Empty groups of runs whose supervisor and guard were both killed
 * (src/worker/supervisor/descent.h). */
static int remove_run(const char *name, void *context)
{
    const char *const *directory = context;
    char path[512];

    if (strncmp(name, AE_CGROUP_RUN, strlen(AE_CGROUP_RUN)) == 0 &&
        snprintf(path, sizeof(path), "%s/%s", *directory, name) < (int)sizeof(path))
        ae_root_remove(path); /* one that is not empty is told of when the directory is */
    return 0;
}

static int remove_directory(const char *path)
{
    ae_root_list(path, remove_run, &path);
    return ae_root_exists(path) ? ae_root_remove(path) : -ENOENT;
}

static int no_cards(const char *address, struct ae_error *err)
{
    return ae_error_set(err, -ENOSYS, "%s: this program does not take cards", address);
}

struct ae_kernel ae_kernel = {
    .write = ae_root_write,
    .make_directory = ae_root_make_directory,
    .remove_directory = remove_directory,
    .channels = request_channels,
    .set_affinity = set_affinity,
    .check_card = no_cards,
    .take_card = no_cards,
    .give_card = no_cards,
};
