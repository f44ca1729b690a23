/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/nic.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/command.h"
#include "base/error.h"
#include "base/root.h"
#include "machine/iommu.h"
#include "machine/netdev.h"
#include "machine/netdev_state.h"
#include "machine/netns.h"
#include "machine/pci.h"
#include "nic/record.h"
#include "partition/kernel.h"
#include "vfio/holder.h"
#include "vfio/released.h"

#define VFIO_PCI  "vfio-pci"
#define UNSAFE    "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
#define PATH_SIZE 192
#define STEP_MS   20

/* An interface appears a moment after its driver; a killed process lets go a moment later. */
static unsigned interface_ms = 10000;
static unsigned release_ms = 2000;

static int look_up(const char *text, struct ae_pci *pci, struct ae_error *err)
{
    char address[AE_PCI_ADDRESS_TEXT];

    if (ae_pci_parse(text, address))
        return ae_error_set(err, -EINVAL, "'%s' is no PCI address; one looks like 0000:01:00.0",
                            text);
    return ae_pci_read(pci, address, err);
}

static int check_kind(const struct ae_pci *pci, struct ae_error *err)
{
    const char *address = pci->info.address;

    if (pci->info.class_code >> 16 == PCI_CLASS_BRIDGE)
        return ae_error_set(err, -ENODEV, "%s is a bridge; other devices are behind it", address);
    if (pci->info.class_code >> 16 != PCI_CLASS_NETWORK)
        return ae_error_set(err, -ENODEV, "%s is no network card (class %06x)", address,
                            pci->info.class_code);
    if (pci->virtual_functions)
        return ae_error_set(err, -EBUSY,
                            "%s has %u virtual functions enabled, which would lose their card; "
                            "write 0 to /sys/bus/pci/devices/%s/sriov_numvfs first",
                            address, pci->virtual_functions, address);
    if (pci->netdev_count > 1)
        return ae_error_set(err, -EBUSY,
                            "%s has %u network interfaces, and only one could be given back as it "
                            "was",
                            address, pci->netdev_count);
    return 0;
}

static int check_iommu(const struct ae_pci *pci, bool allow_no_iommu, struct ae_error *err)
{
    char text[8];

    if (!allow_no_iommu || pci->iommu_group >= 0)
        return ae_iommu_check_group(pci, err);
    if (ae_root_read(UNSAFE, text, sizeof(text)) > 0 && text[0] == 'Y')
        return 0;
    return ae_error_set(err, -EPERM,
                        "%s: VFIO does not work without an IOMMU until it is told to: echo Y > %s "
                        "(kernels without CONFIG_VFIO_NOIOMMU have no such file)",
                        pci->info.address, UNSAFE);
}

/* sysfs shows an interface to its own network namespace only: no interface is not nothing to
 * lose. */
static int check_elsewhere(const struct ae_pci *pci, struct ae_error *err)
{
    struct ae_netns found;
    json_t *saved;
    int rc = ae_netns_find(pci->info.address, &found, &saved);

    if (rc == 1)
        ae_error_set(err, -EBUSY,
                     "its interface %s is in another network namespace, %s, and would be gone from "
                     "there; insist with --force, and it is put back there afterwards",
                     json_string_value(json_object_get(saved, "name")), found.name);
    else if (rc < 0)
        ae_error_set(err, -EBUSY,
                     "it is bound to %s, and no interface of it is to be seen: is it in a network "
                     "namespace that only root may look into? insist with --force",
                     pci->driver);
    json_decref(saved);
    return rc ? -EBUSY : 0;
}

static int check(const struct ae_pci *pci, const struct ae_nic_options *options,
                 struct ae_error *err)
{
    int rc = check_kind(pci, err);

    if (!rc && pci->driver[0] && !(options && options->force)) {
        rc = pci->netdev[0] ? ae_netdev_check_idle(pci->netdev, err) : check_elsewhere(pci, err);
        if (rc)
            return ae_error_prefix(err, rc, "%s", pci->info.address);
    }
    return rc ? rc : check_iommu(pci, options && options->allow_no_iommu, err);
}

int ae_nic_check(const char *text, const struct ae_nic_options *options, struct ae_error *err)
{
    struct ae_pci pci;
    int rc = look_up(text, &pci, err);

    if (rc || ae_pci_is_vfio(&pci))
        return rc;
    return check(&pci, options, err);
}

/* What it says is of no use; what matters is whether the driver is there afterwards. */
static void modprobe(void)
{
    const char *const argv[] = {"modprobe", "-a", VFIO_PCI, "vfio_iommu_type1", NULL};
    const struct ae_child_world world = {.argv = argv,
                                         .input = -1,
                                         .output = STDOUT_FILENO,
                                         .errors = -1,
                                         .capabilities = AE_CHILD_ALL_CAPABILITIES,
                                         .directory = "/",
                                         .mask = 022};

    if (ae_root_is_real())
        ae_command_run_in(&world, NULL, 0, NULL);
}

static int load_driver(struct ae_error *err)
{
    if (!ae_root_exists("/sys/bus/pci/drivers/" VFIO_PCI))
        modprobe();
    if (ae_root_exists("/sys/bus/pci/drivers/" VFIO_PCI))
        return 0;
    return ae_error_set(err, -ENOENT,
                        "the kernel's driver vfio-pci is not there; as root: modprobe vfio-pci "
                        "(Debian's kernels have it as a module)");
}

static int write_attribute(const struct ae_pci *pci, const char *attribute, const char *text)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", pci->info.address, attribute);
    return ae_root_write(path, text);
}

/* Lets the bus choose a driver, which it does by driver_override first. */
static int probe(const struct ae_pci *pci)
{
    return ae_root_write("/sys/bus/pci/drivers_probe", pci->info.address);
}

static int take(const struct ae_pci *pci, struct ae_error *err)
{
    struct ae_pci now;
    const char *step = "driver_override";
    int rc = write_attribute(pci, step, VFIO_PCI);

    if (!rc && pci->driver[0])
        rc = write_attribute(pci, step = "driver/unbind", pci->info.address);
    if (!rc) {
        step = "drivers_probe";
        rc = probe(pci);
    }
    if (!rc && (ae_pci_read(&now, pci->info.address, NULL) || !ae_pci_is_vfio(&now)))
        rc = -EIO;
    return rc ? ae_error_set(err, rc, "binding %s to vfio-pci: %s: %s", pci->info.address, step,
                             strerror(-rc))
              : 0;
}

static void pause_step(void)
{
    nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000 * 1000}, NULL);
}

static int refuse_in_use(const struct ae_pci *pci, struct ae_error *err)
{
    char holder[AE_VFIO_HOLDER_TEXT];

    switch (ae_vfio_holder(pci->iommu_group, holder, sizeof(holder))) {
    case AE_VFIO_HOLDER:
        return ae_error_set(err, -EBUSY, "%s is in use by %s; stop it first", pci->info.address,
                            holder);
    case AE_VFIO_PERHAPS:
        return ae_error_set(
            err, -EBUSY, "%s is in use, it seems by %s, which has a device by VFIO; stop it first",
            pci->info.address, holder);
    case AE_VFIO_NOBODY:
        break;
    }
    return ae_error_set(err, -EBUSY, "%s is in use by a process; stop it first", pci->info.address);
}

static int release_from_vfio(const struct ae_pci *pci, struct ae_error *err)
{
    int rc;

    for (unsigned ms = 0; ae_vfio_is_enabled(pci->info.address) && ms < release_ms; ms += STEP_MS)
        pause_step();
    if (ae_vfio_is_enabled(pci->info.address))
        return refuse_in_use(pci, err);
    rc = write_attribute(pci, "driver/unbind", pci->info.address);
    return rc ? ae_error_set(err, rc, "taking %s from vfio-pci: %s%s", pci->info.address,
                             strerror(-rc), rc == -EACCES ? "; run as root" : "")
              : 0;
}

/* `driver`: what it had; "": none; NULL: not known, the kernel's choice is fine. */
static int return_driver(const struct ae_pci *pci, const char *driver, struct ae_error *err)
{
    struct ae_pci now = *pci;
    int rc;

    if (driver && !driver[0])
        return 0;
    if (!pci->driver[0] || ae_pci_is_vfio(pci)) {
        rc = probe(pci);
        if (rc && driver)
            return ae_error_set(err, rc,
                                "giving %s back to %s: %s; is the driver loaded? modprobe %s, and "
                                "try again",
                                pci->info.address, driver, strerror(-rc), driver);
        ae_pci_read(&now, pci->info.address, NULL);
    }
    if (!driver || strcmp(now.driver, driver) == 0)
        return 0;
    return ae_error_set(err, -EIO,
                        "giving %s back to %s: its driver is now '%s'; is %s loaded? modprobe %s, "
                        "and try again",
                        pci->info.address, driver, now.driver, driver, driver);
}

static int wait_for_interface(const struct ae_pci *pci, unsigned *index, struct ae_error *err)
{
    struct ae_pci now = *pci;

    for (unsigned ms = 0; ms < interface_ms; ms += STEP_MS) {
        char path[128];
        uint64_t value;

        if (!ae_pci_read(&now, pci->info.address, NULL) && now.netdev[0]) {
            snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", now.netdev);
            if (!ae_root_read_u64(path, &value)) {
                *index = (unsigned)value;
                return 0;
            }
        }
        pause_step();
    }
    return ae_error_set(err, -ETIMEDOUT,
                        "%s is back with %s, but its network interface has not come",
                        pci->info.address, now.driver);
}

/* In the namespace it was in; where that is no more, the kernel would have brought it here as
 * well. */
static int restore_interface(unsigned index, const json_t *record, struct ae_error *err)
{
    const json_t *namespace = json_object_get(record, "namespace");
    const json_t *interface = json_object_get(record, "interface");
    const char *name = json_string_value(json_object_get(namespace, "name"));
    struct ae_netns netns = {.inode =
                                 (uint64_t)json_integer_value(json_object_get(namespace, "inode"))};
    int rc;

    if (!name)
        return ae_netdev_restore(index, interface, err);
    snprintf(netns.name, sizeof(netns.name), "%s", name);
    rc = ae_netns_return(index, &netns, interface, err);
    return rc == -ENOENT ? 0 : rc;
}

/* From wherever it stands - taken, half taken, half given back - to what the record says. */
static int give_back(const char *address, const json_t *record, struct ae_error *err)
{
    const char *driver = json_string_value(json_object_get(record, "driver"));
    const char *override = json_string_value(json_object_get(record, "driver_override"));
    const json_t *interface = json_object_get(record, "interface");
    struct ae_pci pci;
    unsigned index = 0;
    int rc = ae_pci_read(&pci, address, err);

    if (rc)
        return rc;
    if (ae_pci_is_vfio(&pci))
        rc = release_from_vfio(&pci, err);
    if (rc)
        return rc;
    rc = write_attribute(&pci, "driver_override", override && override[0] ? override : "\n");
    if (rc)
        return ae_error_set(err, rc, "%s: driver_override: %s", address, strerror(-rc));
    rc = return_driver(&pci, driver, err);
    if (rc || !interface)
        return rc;
    rc = wait_for_interface(&pci, &index, err);
    return rc ? rc : restore_interface(index, record, err);
}

/* A record of a card that VFIO does not hold: somebody was interrupted. Ends that work. */
static int finish_old_work(const struct ae_pci *pci, struct ae_error *err)
{
    json_t *record;
    int rc = ae_nic_record_read(pci, &record, err);

    if (rc || !record)
        return rc;
    rc = give_back(pci->info.address, record, err);
    json_decref(record);
    return rc ? rc : ae_nic_record_remove(pci, err);
}

int ae_nic_bind(const char *text, const struct ae_nic_options *options, struct ae_error *err)
{
    struct ae_error undo;
    struct ae_pci pci;
    int rc = look_up(text, &pci, err);

    if (rc || ae_pci_is_vfio(&pci))
        return rc;
    rc = finish_old_work(&pci, err);
    if (!rc)
        rc = look_up(text, &pci, err);
    if (!rc)
        rc = check(&pci, options, err);
    if (!rc)
        rc = load_driver(err);
    if (!rc)
        rc = ae_nic_record_write(&pci, err);
    if (rc)
        return rc;
    rc = take(&pci, err);
    if (rc && finish_old_work(&pci, &undo) && err) {
        struct ae_error first = *err;

        return ae_error_set(err, rc, "%.300s; and then it did not come back: %.300s", first.text,
                            undo.text);
    }
    return rc;
}

int ae_nic_unbind(const char *text, struct ae_error *err)
{
    struct ae_pci pci;
    json_t *record = NULL;
    int rc = look_up(text, &pci, err);

    if (!rc)
        rc = ae_nic_record_read(&pci, &record, err);
    if (rc || (!record && !ae_pci_is_vfio(&pci)))
        return rc;
    rc = give_back(pci.info.address, record, err);
    json_decref(record);
    return rc ? rc : ae_nic_record_remove(&pci, err);
}

static int check_card(const char *address, struct ae_error *err)
{
    return ae_nic_check(address, NULL, err);
}

static int take_card(const char *address, struct ae_error *err)
{
    return ae_nic_bind(address, NULL, err);
}

void ae_nic_serve_partitions(void)
{
    ae_kernel.check_card = check_card;
    ae_kernel.take_card = take_card;
    ae_kernel.give_card = ae_nic_unbind;
}
