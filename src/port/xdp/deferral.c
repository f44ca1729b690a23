/* SPDX-License-Identifier: Apache-2.0 */
#include "port/xdp/deferral.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/root.h"

#define DIRECTORY "/run/aether/xdp"

static const struct {
    const char *name;
    uint64_t value; /* a poll holds interrupts back, twice, for 200 us from the last one */
} settings[XDP_DEFERRALS] = {{"gro_flush_timeout", 200000}, {"napi_defer_hard_irqs", 2}};

/* By the name that it has now: interfaces are renamed while they are up. */
static void path_of(char path[128], const struct xdp_deferral *deferral, unsigned setting)
{
    char name[IF_NAMESIZE];

    if (!if_indextoname(deferral->index, name))
        strcpy(name, deferral->interface);
    snprintf(path, 128, "/sys/class/net/%s/%s", name, settings[setting].name);
}

/* Interfaces of two network namespaces may have the same number. */
static void record_of(char path[128], const struct xdp_deferral *deferral)
{
    struct stat namespace = {.st_ino = 0};

    stat("/proc/self/ns/net", &namespace);
    snprintf(path, 128, DIRECTORY "/%ju-%u", (uintmax_t) namespace.st_ino, deferral->index);
}

/* As they are, or, where they are still ours, as they were before somebody who could not put them
 * back. */
static int read_before(struct xdp_deferral *deferral, struct ae_error *err)
{
    char path[128], text[64];
    uint64_t recorded[XDP_DEFERRALS];
    bool left;
    int rc = 0;

    record_of(path, deferral);
    left = ae_root_read(path, text, sizeof(text)) > 0 &&
           sscanf(text, "%" SCNu64 " %" SCNu64, &recorded[0], &recorded[1]) == 2;
    for (unsigned i = 0; i < XDP_DEFERRALS && !rc; i++) {
        path_of(path, deferral, i);
        rc = ae_root_read_u64(path, &deferral->before[i]);
        if (left && deferral->before[i] == settings[i].value)
            deferral->before[i] = recorded[i];
    }
    return rc ? ae_error_set(err, rc,
                             "%s: %s; /sys must be of this network namespace, or nothing is held "
                             "back: defer=off",
                             path, strerror(-rc))
              : 0;
}

static int record(const struct xdp_deferral *deferral, struct ae_error *err)
{
    char path[128], text[64];
    int rc = ae_root_make_directory(DIRECTORY);

    record_of(path, deferral);
    snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 "\n", deferral->before[0],
             deferral->before[1]);
    if (!rc)
        rc = ae_root_save(path, text, 0644);
    return rc ? ae_error_set(err, rc, "writing %s: %s", path, strerror(-rc)) : 0;
}

static int write_setting(const struct xdp_deferral *deferral, unsigned setting, uint64_t value)
{
    char path[128], text[24];

    path_of(path, deferral, setting);
    snprintf(text, sizeof(text), "%" PRIu64, value);
    return ae_root_write(path, text);
}

int ae_xdp_defer(struct xdp_deferral *deferral, const char *interface, struct ae_error *err)
{
    int rc;

    *deferral = (struct xdp_deferral){.index = if_nametoindex(interface)};
    snprintf(deferral->interface, sizeof(deferral->interface), "%s", interface);
    rc = read_before(deferral, err);
    if (!rc)
        rc = record(deferral, err);
    if (rc)
        return rc;
    deferral->set = true;
    for (unsigned i = 0; i < XDP_DEFERRALS && !rc; i++)
        rc = write_setting(deferral, i, settings[i].value);
    return rc ? ae_error_set(err, rc,
                             "holding back the interrupts of %s: %s; where nobody may, and without "
                             "that: defer=off",
                             interface, strerror(-rc))
              : 0;
}

void ae_xdp_undefer(struct xdp_deferral *deferral)
{
    char path[128];
    uint64_t now;
    int rc = 0;

    for (unsigned i = 0; i < XDP_DEFERRALS && deferral->set; i++) {
        path_of(path, deferral, i);
        if (!ae_root_read_u64(path, &now) && now == settings[i].value)
            rc = write_setting(deferral, i, deferral->before[i]) ?: rc;
    }
    if (!deferral->set || rc)
        return;
    record_of(path, deferral);
    ae_root_remove(path);
    deferral->set = false;
}
