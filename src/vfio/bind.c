/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/nic.h>

#include <errno.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "machine/iommu.h"
#include "machine/netdev.h"
#include "machine/pci.h"

#define RECORDS   "/run/aether/nic"
#define VFIO_PCI  "vfio-pci"
#define PATH_SIZE 192

extern char **environ;

static int look_up(const char *text, struct ae_pci *pci, struct ae_error *err)
{
    char address[AE_PCI_ADDRESS_TEXT];

    if (ae_pci_parse(text, address))
        return ae_error_set(err, -EINVAL,
                            "'%s' is no PCI address; one looks like 0000:01:00.0", text);
    return ae_pci_read(pci, address, err);
}

static int check(const struct ae_pci *pci, bool force, struct ae_error *err)
{
    const char *address = pci->info.address;

    if (pci->info.class_code >> 16 != PCI_CLASS_NETWORK)
        return ae_error_set(err, -ENODEV, "%s is no network card (class %06x)", address,
                            pci->info.class_code);
    if (pci->virtual_functions)
        return ae_error_set(err, -EBUSY,
                            "%s has %u virtual functions enabled, which would lose their card; "
                            "write 0 to /sys/bus/pci/devices/%s/sriov_numvfs first",
                            address, pci->virtual_functions, address);
    if (pci->netdev[0] && !force && ae_netdev_has_default_route(pci->netdev))
        return ae_error_set(err, -EBUSY,
                            "%s (%s) carries the default route: this machine would drop off the "
                            "network; move the route, or insist with --force",
                            address, pci->netdev);
    if (pci->netdev[0] && !force && ae_netdev_has_ssh(pci->netdev))
        return ae_error_set(err, -EBUSY,
                            "%s (%s) carries an SSH session, which would end; log in another way, "
                            "or insist with --force",
                            address, pci->netdev);
    return ae_iommu_check_group(pci, err);
}

/* Before binding, the function's own kernel driver does not stand in the way of its group. */
int ae_nic_check(const char *text, const struct ae_nic_options *options, struct ae_error *err)
{
    struct ae_pci pci;
    int rc = look_up(text, &pci, err);

    if (rc || ae_pci_is_vfio(&pci))
        return rc;
    return check(&pci, options && options->force, err);
}

static void record_path(const struct ae_pci *pci, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, RECORDS "/%s.json", pci->info.address);
}

static int write_record(const struct ae_pci *pci, struct ae_error *err)
{
    json_t *record = json_pack("{s:s, s:s}", "address", pci->info.address, "driver", pci->driver);
    char path[PATH_SIZE], *text;
    int rc;

    if (pci->netdev[0])
        json_object_set_new(record, "interface", ae_netdev_save(pci->netdev));
    text = json_dumps(record, JSON_INDENT(2));
    json_decref(record);
    record_path(pci, path);
    rc = ae_root_make_directory(RECORDS);
    if (!rc)
        rc = text ? ae_root_replace(path, text) : -ENOMEM;
    free(text);
    return rc ? ae_error_set(err, rc, "writing %s: %s; run as root", path, strerror(-rc)) : 0;
}

static json_t *read_record(const struct ae_pci *pci)
{
    char path[PATH_SIZE], *text;
    json_t *record;

    record_path(pci, path);
    if (ae_root_read_all(path, &text) < 0)
        return NULL;
    record = json_loads(text, 0, NULL);
    free(text);
    return record;
}

static int load_driver(struct ae_error *err)
{
    char *const argv[] = {(char[]){"modprobe"}, (char[]){VFIO_PCI}, NULL};
    int status = -1;
    pid_t pid;

    if (ae_root_exists("/sys/bus/pci/drivers/" VFIO_PCI))
        return 0;
    if (ae_root_is_real() && !posix_spawnp(&pid, "modprobe", NULL, NULL, argv, environ))
        waitpid(pid, &status, 0);
    if (status == 0 && ae_root_exists("/sys/bus/pci/drivers/" VFIO_PCI))
        return 0;
    return ae_error_set(err, -ENOENT,
                        "the kernel's driver vfio-pci is not there and 'modprobe vfio-pci' does "
                        "not bring it; Debian's kernels have it as a module");
}

static int write_attribute(const struct ae_pci *pci, const char *attribute, const char *text)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", pci->info.address, attribute);
    return ae_root_write(path, text);
}

/* Takes the function from whatever driver has it and lets the bus choose anew. */
static int reprobe(const struct ae_pci *pci, const char *override)
{
    struct ae_pci now;
    int rc = write_attribute(pci, "driver_override", override);

    if (!rc && !ae_pci_read(&now, pci->info.address, NULL) && now.driver[0])
        rc = write_attribute(pci, "driver/unbind", pci->info.address);
    if (!rc)
        rc = ae_root_write("/sys/bus/pci/drivers_probe", pci->info.address);
    return rc;
}

/* An interface appears when its driver is ready for it, a moment after binding. */
static int wait_for_interface(const struct ae_pci *pci, struct ae_pci *now)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};

    for (int i = 0; i < 500; i++) {
        if (!ae_pci_read(now, pci->info.address, NULL) && now->netdev[0])
            return 0;
        nanosleep(&pause, NULL);
    }
    return -ETIMEDOUT;
}

static int give_back(const struct ae_pci *pci, const json_t *record, struct ae_error *err)
{
    const char *driver = json_string_value(json_object_get(record, "driver"));
    const json_t *interface = json_object_get(record, "interface");
    struct ae_pci now;
    int rc = reprobe(pci, "\n");

    if (rc)
        return ae_error_set(err, rc, "giving %s back to the kernel: %s", pci->info.address,
                            strerror(-rc));
    ae_pci_read(&now, pci->info.address, NULL);
    if (driver && driver[0] && strcmp(now.driver, driver) != 0)
        return ae_error_set(err, -EIO,
                            "giving %s back to the kernel: its driver was %s and is now '%s'; "
                            "modprobe %s may help",
                            pci->info.address, driver, now.driver, driver);
    if (!interface)
        return 0;
    rc = wait_for_interface(pci, &now);
    if (rc)
        return ae_error_set(err, rc, "%s is back with %s, but its interface has not come",
                            pci->info.address, now.driver);
    return ae_netdev_restore(now.netdev, interface, err);
}

static void remove_record(const struct ae_pci *pci)
{
    char path[PATH_SIZE];

    record_path(pci, path);
    ae_root_remove(path);
}

int ae_nic_bind(const char *text, const struct ae_nic_options *options, struct ae_error *err)
{
    struct ae_pci pci, now;
    int rc = look_up(text, &pci, err);

    if (rc || ae_pci_is_vfio(&pci))
        return rc;
    rc = check(&pci, options && options->force, err);
    if (!rc)
        rc = load_driver(err);
    if (!rc)
        rc = write_record(&pci, err);
    if (rc)
        return rc;
    rc = reprobe(&pci, VFIO_PCI);
    if (!rc && !ae_pci_read(&now, pci.info.address, NULL) && ae_pci_is_vfio(&now))
        return 0;
    if (!rc)
        rc = -EIO;
    ae_error_set(err, rc, "binding %s to vfio-pci: %s; it is with %s again", pci.info.address,
                 strerror(-rc), pci.driver[0] ? pci.driver : "no driver");
    json_t *record = read_record(&pci);
    struct ae_error second;

    if (give_back(&pci, record, &second))
        ae_error_set(err, rc, "binding %s to vfio-pci: %s; and then %s", pci.info.address,
                     strerror(-rc), second.text);
    else
        remove_record(&pci);
    json_decref(record);
    return rc;
}

int ae_nic_unbind(const char *text, struct ae_error *err)
{
    struct ae_pci pci;
    json_t *record;
    int rc = look_up(text, &pci, err);

    if (rc)
        return rc;
    record = read_record(&pci);
    if (!ae_pci_is_vfio(&pci) && !record)
        return 0;
    rc = give_back(&pci, record, err);
    json_decref(record);
    if (!rc)
        remove_record(&pci);
    return rc;
}
