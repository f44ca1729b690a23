/* SPDX-License-Identifier: Apache-2.0 */
#include "vfio/holder.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "base/text.h"

#define DEVICE     "anon_inode:[vfio-device]"
#define FILES      "/dev/vfio/devices/" /* of devices, under iommufd */
#define RELEASE_MS 2000
#define STEP_MS    20

struct search {
    int group;
    char process[32]; /* "/proc/PID" */
    char *text;
    size_t size;
    enum ae_vfio_holding best;
    /* Of the process that is looked at. */
    bool holds;   /* the group, or a device of it */
    bool unknown; /* a device, who knows which */
    bool other;   /* another group: its devices are explained by that */
};

/* Is the function, by its address, in the group? */
static bool in_group(const struct search *search, const char *address)
{
    char path[128];

    snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices/%.40s", search->group,
             address);
    return ae_root_exists(path);
}

/* A device's own file under iommufd: "vfio3". */
static bool is_device_file(const struct search *search, const char *name)
{
    char path[96], address[64];

    snprintf(path, sizeof(path), "/sys/class/vfio-dev/%.40s/device", name);
    return ae_root_link_name(path, address, sizeof(address)) == 0 && in_group(search, address);
}

/* Which device, from the lines of /proc/PID/fdinfo/N. */
static void look_at_device(struct search *search, const char *number)
{
    static const char key[] = "vfio-device-syspath:";
    char path[96], text[1024], *at = NULL;

    snprintf(path, sizeof(path), "%s/fdinfo/%.20s", search->process, number);
    if (ae_root_read(path, text, sizeof(text)) >= 0)
        at = strstr(text, key);
    if (!at) {
        search->unknown = true;
        return;
    }
    at[strcspn(at, "\n")] = '\0';
    at = strrchr(at, '/');
    search->holds |= at && in_group(search, at + 1);
}

static int look_at_descriptor(const char *name, void *context)
{
    struct search *search = context;
    char path[128], full[PATH_MAX], target[64], plain[32], none[32];
    ssize_t length;

    snprintf(path, sizeof(path), "%s/fd/%.20s", search->process, name);
    if (ae_root_path(full, sizeof(full), path))
        return 0;
    length = readlink(full, target, sizeof(target) - 1);
    if (length < 0)
        return 0;
    target[length] = '\0';
    snprintf(plain, sizeof(plain), "/dev/vfio/%d", search->group);
    snprintf(none, sizeof(none), "/dev/vfio/noiommu-%d", search->group);
    if (strcmp(target, DEVICE) == 0)
        look_at_device(search, name);
    else if (strncmp(target, FILES, strlen(FILES)) == 0)
        search->holds |= is_device_file(search, target + strlen(FILES));
    else if (strcmp(target, plain) == 0 || strcmp(target, none) == 0)
        search->holds = true;
    else if (strncmp(target, "/dev/vfio/", 10) == 0 && strcmp(target, "/dev/vfio/vfio") != 0)
        search->other = true;
    return search->holds;
}

/* Registers stay mapped, and the device held, when every descriptor is closed. */
static void look_at_mappings(struct search *search)
{
    char path[64], name[41], *text;

    snprintf(path, sizeof(path), "%s/maps", search->process);
    if (ae_root_read_all(path, &text) < 0)
        return;
    search->unknown |= strstr(text, DEVICE) != NULL;
    for (char *at = text; (at = strstr(at, FILES)) != NULL;) {
        at += strlen(FILES);
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, "\n"), at);
        search->holds |= is_device_file(search, name);
    }
    free(text);
}

static void name_process(const struct search *search)
{
    char path[64], command[32] = "?";

    snprintf(path, sizeof(path), "%s/comm", search->process);
    ae_root_read(path, command, sizeof(command));
    snprintf(search->text, search->size, "%s (pid %s)", AE_TEXT(command),
             search->process + strlen("/proc/"));
}

static int look_at_process(const char *name, void *context)
{
    struct search *search = context;
    char path[64];

    if (name[strspn(name, "0123456789")])
        return 0;
    snprintf(search->process, sizeof(search->process), "/proc/%.20s", name);
    search->holds = search->unknown = search->other = false;
    snprintf(path, sizeof(path), "%s/fd", search->process);
    ae_root_list(path, look_at_descriptor, search);
    if (!search->holds)
        look_at_mappings(search);
    if (search->holds) {
        search->best = AE_VFIO_HOLDER;
        name_process(search);
        return 1;
    }
    if (search->best == AE_VFIO_NOBODY && search->unknown && !search->other) {
        search->best = AE_VFIO_PERHAPS;
        name_process(search);
    }
    return 0;
}

enum ae_vfio_holding ae_vfio_holder(int group, char *text, size_t size)
{
    struct search search = {.group = group, .text = text, .size = size};

    text[0] = '\0';
    ae_root_list("/proc", look_at_process, &search);
    return search.best;
}

int ae_vfio_open(const char *path, int group, ae_vfio_open_fn *open, const void *context,
                 struct ae_error *err)
{
    enum ae_vfio_holding who = AE_VFIO_NOBODY;
    char holder[AE_VFIO_HOLDER_TEXT];
    int fd = open(path, context);

    for (unsigned ms = 0; fd == -EBUSY && ms < RELEASE_MS; ms += STEP_MS) {
        who = ae_vfio_holder(group, holder, sizeof(holder));
        if (who == AE_VFIO_HOLDER)
            break;
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000 * 1000}, NULL);
        fd = open(path, context);
    }
    return fd == -EBUSY ? ae_error_set(err, fd, "%s: in use%s by %s; stop it first", path,
                                       who == AE_VFIO_PERHAPS ? ", it seems" : "",
                                       who == AE_VFIO_NOBODY ? "another process" : holder)
                        : fd;
}
