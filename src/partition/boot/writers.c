/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/boot/writers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"

/* In the order in which they are looked for. */
static const struct ae_boot_writer *const writers[] = {
    &ae_boot_rpm_ostree,
    &ae_boot_grubby,
    &ae_boot_grub,
    &ae_boot_kernel_install,
};

const struct ae_boot_writer *ae_boot_find_writer(const char *name)
{
    for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++)
        if (strcmp(writers[i]->name, name) == 0)
            return writers[i];
    return NULL;
}

/* systemd-boot says so in an EFI variable (systemd.io/BOOT_LOADER_INTERFACE), in UTF-16. */
static bool booted_by_systemd_boot(void)
{
    static const char path[] =
        "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
    char raw[128], text[64];
    size_t used = 0;
    int fd = ae_root_open(path, O_RDONLY);
    ssize_t got = fd < 0 ? 0 : read(fd, raw, sizeof(raw));

    if (fd >= 0)
        close(fd);
    for (ssize_t i = 4; i < got && used < sizeof(text) - 1; i += 2)
        text[used++] = raw[i];
    text[used] = '\0';
    return strstr(text, "systemd-boot") != NULL;
}

const struct ae_boot_writer *ae_boot_detect_writer(struct ae_error *err)
{
    char looked_for[256] = "";

    if (booted_by_systemd_boot() && ae_boot_kernel_install.is_here())
        return &ae_boot_kernel_install;
    for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
        size_t used = strlen(looked_for);

        if (writers[i]->is_here())
            return writers[i];
        snprintf(looked_for + used, sizeof(looked_for) - used, "%s%s", used ? "; " : "",
                 writers[i]->looks_for);
    }
    ae_error_set(
        err, -ENOENT,
        "boot parameters: no boot loader that Aether can write for was found (looked for %s); "
        "put the parameters on the kernel's command line by hand",
        looked_for);
    return NULL;
}
