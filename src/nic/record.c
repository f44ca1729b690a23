/* SPDX-License-Identifier: Apache-2.0 */
#include "nic/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "base/trusted.h"
#include "machine/netdev_state.h"
#include "machine/netns.h"

#define DIRECTORY "/run/aether/nic"

static const char *record_path(const struct ae_pci *pci, char path[64])
{
    snprintf(path, 64, DIRECTORY "/%s.json", pci->info.address);
    return path;
}

static int describe_interface(const struct ae_pci *pci, json_t *record, struct ae_error *err)
{
    char path[128];
    uint64_t index;
    json_t *state;
    int rc;

    snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", pci->netdev);
    rc = ae_root_read_u64(path, &index);
    if (rc)
        return ae_error_set(err, rc, "%s: %s", path, strerror(-rc));
    state = ae_netdev_save((unsigned)index, err);
    if (!state)
        return err ? err->code : -EIO;
    return json_object_set_new(record, "interface", state)
               ? ae_error_set(err, -ENOMEM, "describing %s: out of memory", pci->netdev)
               : 0;
}

/* One that was given to a container. */
static int describe_elsewhere(const struct ae_pci *pci, json_t *record)
{
    struct ae_netns found;
    json_t *saved;

    if (ae_netns_find(pci->info.address, &found, &saved) != 1)
        return 0;
    return json_object_set_new(record, "interface", saved) ||
                   json_object_set_new(record, "namespace",
                                       json_pack("{s:s, s:I}", "name", found.name, "inode",
                                                 (json_int_t)found.inode))
               ? -ENOMEM
               : 0;
}

static json_t *describe(const struct ae_pci *pci)
{
    char path[128], override[AE_PCI_NAME];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", pci->info.address);
    if (ae_root_read(path, override, sizeof(override)) < 0 || strcmp(override, "(null)") == 0)
        override[0] = '\0';
    return json_pack("{s:s, s:s, s:s}", "address", pci->info.address, "driver", pci->driver,
                     "driver_override", override);
}

int ae_nic_record_write(const struct ae_pci *pci, struct ae_error *err)
{
    json_t *record = describe(pci);
    char path[64], *text;
    struct ae_error why;
    int rc = 0;

    if (record && pci->netdev[0])
        rc = describe_interface(pci, record, &why);
    else if (record && pci->driver[0] && (rc = describe_elsewhere(pci, record)))
        ae_error_set(&why, rc, "describing the interface of %s: out of memory", pci->info.address);
    if (rc) {
        json_decref(record);
        return ae_error_set(err, rc, "%s", why.text);
    }
    text = json_dumps(record, JSON_INDENT(2));
    json_decref(record);
    rc = text ? ae_root_make_directory(DIRECTORY) : -ENOMEM;
    if (!rc)
        rc = ae_root_save(record_path(pci, path), text, 0644);
    free(text);
    return rc ? ae_error_set(err, rc, "writing %s: %s%s", record_path(pci, path), strerror(-rc),
                             rc == -EACCES ? "; run as root" : "")
              : 0;
}

int ae_nic_record_read(const struct ae_pci *pci, json_t **record, struct ae_error *err)
{
    json_error_t why;
    char path[64], *text;
    ssize_t length = ae_trusted_read(record_path(pci, path), &text, err);

    *record = NULL;
    if (length < 0)
        return length == -ENOENT ? 0 : (int)length;
    *record = json_loads(text, 0, &why);
    free(text);
    if (*record && json_is_string(json_object_get(*record, "driver")))
        return 0;
    json_decref(*record);
    *record = NULL;
    return ae_error_set(err, -EBADMSG,
                        "%s is no record of Aether's; delete it, and the card comes back without "
                        "its interface's name and addresses",
                        path);
}

int ae_nic_record_remove(const struct ae_pci *pci, struct ae_error *err)
{
    char path[64];
    int rc = ae_root_remove(record_path(pci, path));

    return rc ? ae_error_set(err, rc, "removing %s: %s", path, strerror(-rc)) : 0;
}
