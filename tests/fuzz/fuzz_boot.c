/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any text in any one file that the writers of kernel parameters read: parameters are planned,
 * written, checked and removed. Whatever the loader's command does, a removal that says that a file
 * is what it was has to be right. The first byte chooses the loader and the file.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"
#include "made_root.h"
#include "partition/boot/boot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *writer, *path;
} files[] = {
    {"grub.d", "/etc/default/grub"},
    {"grub.d", "/etc/default/grub.d/10-other.cfg"},
    {"grub.d", "/boot/grub/grub.cfg"},
    {"grubby", "/boot/loader/entries/a.conf"},
    {"grubby", "/boot/grub2/grubenv"},
    {"grubby", "/etc/kernel/cmdline"},
    {"kernel-install", "/etc/kernel/cmdline"},
    {"kernel-install", "/usr/lib/kernel/cmdline"},
    {"kernel-install", "/proc/cmdline"},
    {"grub.d", "/var/lib/aether/boot.json"},
    {"grub.d", "/proc/cmdline"},
    {"grub.d", "/sys/devices/system/cpu/isolated"},
};

static const char parameters[] = "nohz_full=2-3 isolcpus=managed_irq,domain,2-3 skew_tick=1";

static int run(const char *const argv[], struct ae_error *err)
{
    (void)argv;
    (void)err;
    return 0;
}

static void machine(void)
{
    made_root_put("/usr/sbin/update-grub", "");
    made_root_put("/usr/sbin/grubby", "");
    made_root_put("/usr/bin/kernel-install", "");
    made_root_put("/efi/loader/loader.conf", "");
    made_root_put("/usr/lib/modules/6.1-a/vmlinuz", "");
    made_root_put("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
    made_root_put("/boot/loader/entries/a.conf", "title x\nlinux /vmlinuz\noptions ro\n");
    made_root_put("/proc/cmdline", "root=/dev/x ro\n");
    /* What update-grub would make: the loader is never found to lack the parameters. */
    made_root_put("/boot/grub/grub.cfg", "menuentry 'x' {\n\tlinux /vmlinuz ro nohz_full=2-3 "
                                         "isolcpus=managed_irq,domain,2-3 skew_tick=1\n}\n");
}

static void ignore(const struct ae_boot_result *result, void *context)
{
    (void)result;
    (void)context;
}

static void work(const char *writer)
{
    struct ae_boot_removal removal;
    struct ae_boot_plan plan;
    char *applied, *by;

    if (ae_boot_plan(&plan, writer, parameters, NULL) == 0) {
        ae_boot_apply(&plan, run, NULL);
        ae_boot_plan_free(&plan);
    }
    ae_boot_check(parameters, ignore, NULL, NULL);
    if (ae_boot_applied(&applied, &by, NULL) == 0) {
        ae_boot_check(applied, ignore, NULL, NULL);
        free(applied);
        free(by);
    }
    ae_boot_remove(&removal, run, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[4096], *before;
    const char *path;
    size_t which;

    if (size == 0 || size > sizeof(text))
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    which = data[0] % (sizeof(files) / sizeof(files[0]));
    path = files[which].path;
    if (made_root_begin(NULL))
        abort();
    machine();
    made_root_put(path, text);
    before = strdup(made_root_get(path));
    work(files[which].writer);
    if (strcmp(path, "/var/lib/aether/boot.json") != 0 &&
        (!made_root_get(path) || strcmp(before, made_root_get(path)) != 0)) {
        fprintf(stderr, "%s: \"%s\" became \"%s\"\n", path, before, made_root_get(path));
        abort();
    }
    free(before);
    made_root_end(NULL);
    return 0;
}
