/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/pci.h"

#include <errno.h>
#include <pci/pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"

#define DEVICES "/sys/bus/pci/devices"

/* One hexadecimal number of least to most digits, which *text is moved behind. */
static bool take_hex(const char **text, size_t least, size_t most, unsigned *value)
{
    size_t digits = strspn(*text, "0123456789abcdefABCDEF");

    if (digits < least || digits > most)
        return false;
    *value = (unsigned)strtoul(*text, NULL, 16);
    *text += digits;
    return true;
}

static bool take(const char **text, char wanted)
{
    if (**text != wanted)
        return false;
    ++*text;
    return true;
}

/* Domains have more than four digits behind Intel's VMD ("10000:e1:00.0"). */
int ae_pci_parse(const char *text, char address[AE_PCI_ADDRESS_TEXT])
{
    const char *colon = strchr(text, ':');
    unsigned domain = 0, bus, slot, function;

    if (colon && strchr(colon + 1, ':') && !(take_hex(&text, 4, 6, &domain) && take(&text, ':')))
        return -EINVAL;
    if (!take_hex(&text, 2, 2, &bus) || !take(&text, ':') || !take_hex(&text, 2, 2, &slot) ||
        !take(&text, '.') || !take_hex(&text, 1, 1, &function) || *text || slot > 0x1f ||
        function > 7)
        return -EINVAL;
    snprintf(address, AE_PCI_ADDRESS_TEXT, "%04x:%02x:%02x.%x", domain & 0xffffffu, bus & 0xffu,
             slot & 0x1fu, function & 7u);
    return 0;
}

static int read_number(const char *address, const char *file, uint64_t *value)
{
    char path[128];

    snprintf(path, sizeof(path), DEVICES "/%s/%s", address, file);
    return ae_root_read_u64(path, value);
}

static int note_netdev(const char *name, void *context)
{
    struct ae_pci *pci = context;

    if (pci->netdev_count++ == 0)
        snprintf(pci->netdev, sizeof(pci->netdev), "%s", name);
    return 0;
}

/* virtio cards have their interfaces one level down, below virtioN. */
static int look_below(const char *name, void *context)
{
    struct ae_pci *pci = context;
    char path[192];

    if (strncmp(name, "virtio", 6) != 0)
        return 0;
    snprintf(path, sizeof(path), DEVICES "/%s/%.60s/net", pci->info.address, name);
    ae_root_list(path, note_netdev, pci);
    return 0;
}

static void read_netdevs(struct ae_pci *pci)
{
    char path[128];

    snprintf(path, sizeof(path), DEVICES "/%s/net", pci->info.address);
    ae_root_list(path, note_netdev, pci);
    snprintf(path, sizeof(path), DEVICES "/%s", pci->info.address);
    ae_root_list(path, look_below, pci);
}

static int read_group(const char *address)
{
    char path[128], group[16];

    snprintf(path, sizeof(path), DEVICES "/%s/iommu_group", address);
    return ae_root_link_name(path, group, sizeof(group)) ? -1 : atoi(group);
}

int ae_pci_read(struct ae_pci *pci, const char *address, struct ae_error *err)
{
    uint64_t vendor, device, value;
    char path[128], text[16];

    memset(pci, 0, sizeof(*pci));
    snprintf(pci->info.address, sizeof(pci->info.address), "%s", address);
    if (read_number(address, "vendor", &vendor) || read_number(address, "device", &device))
        return ae_error_set(err, -ENODEV,
                            "there is no PCI function %s; 'aether nic list' shows what there is",
                            address);
    pci->info.vendor = (uint16_t)vendor;
    pci->info.device = (uint16_t)device;
    if (!read_number(address, "subsystem_vendor", &value))
        pci->info.subsystem_vendor = (uint16_t)value;
    if (!read_number(address, "subsystem_device", &value))
        pci->info.subsystem_device = (uint16_t)value;
    if (!read_number(address, "class", &value))
        pci->info.class_code = (uint32_t)value;
    if (!read_number(address, "revision", &value))
        pci->info.revision = (uint8_t)value;
    if (!read_number(address, "sriov_numvfs", &value))
        pci->virtual_functions = (unsigned)value;
    snprintf(path, sizeof(path), DEVICES "/%s/numa_node", address);
    pci->info.numa_node = ae_root_read(path, text, sizeof(text)) > 0 ? atoi(text) : -1;
    snprintf(path, sizeof(path), DEVICES "/%s/driver", address);
    if (ae_root_link_name(path, pci->driver, sizeof(pci->driver)))
        pci->driver[0] = '\0';
    pci->iommu_group = read_group(address);
    read_netdevs(pci);
    return 0;
}

struct listing {
    int (*each)(const struct ae_pci *pci, void *context);
    void *context;
};

static int list_one(const char *name, void *context)
{
    struct listing *listing = context;
    char address[AE_PCI_ADDRESS_TEXT];
    struct ae_pci pci;

    if (ae_pci_parse(name, address) || ae_pci_read(&pci, address, NULL))
        return 0;
    return listing->each(&pci, listing->context);
}

int ae_pci_list(int (*each)(const struct ae_pci *pci, void *context), void *context)
{
    struct listing listing = {each, context};

    return ae_root_list(DEVICES, list_one, &listing);
}

/* pci_lookup_name calls these for a device it does not know; only pci_init would have set them. */
static void say_nothing(char *format, ...)
{
    (void)format;
}

void ae_pci_describe(const struct ae_pci *pci, char *text, size_t size)
{
    struct pci_access *access = pci_alloc();

    if (access)
        access->debug = access->warning = say_nothing;
    /* The library's own look-up only: it is never asked to scan the machine. */
    if (!access || !pci_lookup_name(access, text, (int)size, PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE,
                                    pci->info.vendor, pci->info.device))
        snprintf(text, size, "%04x:%04x", pci->info.vendor, pci->info.device);
    if (access)
        pci_cleanup(access);
}

bool ae_pci_is_vfio(const struct ae_pci *pci)
{
    return strstr(pci->driver, "vfio") != NULL;
}
