/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/root.h"

struct source {
    struct ae_identity_fact fact;
    const char *path;
    const char *key; /* of /proc/cpuinfo's first processor; NULL: the whole file */
};

/* Documentation/ABI/stable/sysfs-class-dmi-id, proc(5),
 * Documentation/admin-guide/cputopology.rst. */
static const struct source sources[] = {
    {{"machine", "host", "host name"}, "/proc/sys/kernel/hostname", NULL},
    {{"machine", "vendor", "vendor"}, "/sys/class/dmi/id/sys_vendor", NULL},
    {{"machine", "product", "product"}, "/sys/class/dmi/id/product_name", NULL},
    {{"machine", "board", "board"}, "/sys/class/dmi/id/board_name", NULL},
    {{"machine", "firmware_vendor", "firmware by"}, "/sys/class/dmi/id/bios_vendor", NULL},
    {{"machine", "firmware", "firmware"}, "/sys/class/dmi/id/bios_version", NULL},
    {{"machine", "firmware_date", "firmware of"}, "/sys/class/dmi/id/bios_date", NULL},
    {{"machine", "firmware_release", "firmware release"}, "/sys/class/dmi/id/bios_release", NULL},
    {{"machine", "cpu", "CPU"}, "/proc/cpuinfo", "model name"},
    {{"machine", "cpu_family", "CPU family"}, "/proc/cpuinfo", "cpu family"},
    {{"machine", "cpu_model", "CPU model"}, "/proc/cpuinfo", "model"},
    {{"machine", "cpu_stepping", "CPU stepping"}, "/proc/cpuinfo", "stepping"},
    {{"machine", "microcode", "microcode"}, "/proc/cpuinfo", "microcode"},
    {{"machine", "cpus_online", "CPUs online"}, "/sys/devices/system/cpu/online", NULL},
    {{"machine", "smt", "SMT"}, "/sys/devices/system/cpu/smt/control", NULL},
    {{"kernel", "release", "release"}, "/proc/sys/kernel/osrelease", NULL},
    {{"kernel", "version", "build"}, "/proc/sys/kernel/version", NULL},
    {{"kernel", "command_line", "command line"}, "/proc/cmdline", NULL},
    {{"kernel", "clocksource", "clocksource"},
     "/sys/devices/system/clocksource/clocksource0/current_clocksource",
     NULL},
    {{"kernel", "tick_free", "CPUs without a tick"}, "/sys/devices/system/cpu/nohz_full", NULL},
    {{"kernel", "isolated", "isolated CPUs"}, "/sys/devices/system/cpu/isolated", NULL},
    {{"kernel", "boot_id", "boot"}, "/proc/sys/kernel/random/boot_id", NULL},
};

int ae_identity_describe(size_t index, struct ae_identity_fact *fact)
{
    if (index >= sizeof(sources) / sizeof(sources[0]))
        return -ENOENT;
    *fact = sources[index].fact;
    return 0;
}

/* "key<blanks>: value" of the first processor. */
static int find_value(const char *text, const char *key, char *value, size_t size)
{
    size_t length = strlen(key);

    for (const char *line = text; *line && *line != '\n';) {
        size_t whole = strcspn(line, "\n");
        const char *colon = memchr(line, ':', whole);

        if (strncmp(line, key, length) == 0 && colon &&
            strspn(line + length, " \t") == (size_t)(colon - line) - length) {
            colon += 1 + strspn(colon + 1, " \t");
            snprintf(value, size, "%.*s", (int)(line + whole - colon), colon);
            return 0;
        }
        line += whole + (line[whole] == '\n');
    }
    return -ENOENT;
}

int ae_identity_read(size_t index, char *text, size_t size)
{
    const struct source *source = &sources[index];
    char *all;
    ssize_t length = ae_root_read_all(source->path, &all);
    int rc = 0;

    if (length < 0)
        return -ENOENT;
    while (length > 0 && strchr(" \t\n", all[length - 1]))
        all[--length] = '\0';
    if (source->key)
        rc = find_value(all, source->key, text, size);
    else
        snprintf(text, size, "%s", all);
    free(all);
    return rc;
}

/* machine-id(5): 32 digits in lower case; "uninitialized" and all zeroes are no machine's. */
static int parse_machine(const char *text, uint8_t machine[16])
{
    static const char digits[] = "0123456789abcdef";

    if (strlen(text) != 32 || strspn(text, digits) != 32 || strspn(text, "0") == 32)
        return -EINVAL;
    for (unsigned i = 0; i < 16; i++)
        machine[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) << 4 |
                               (strchr(digits, text[2 * i + 1]) - digits));
    return 0;
}

int ae_identity_hashed(const uint8_t purpose[16], char text[AE_IDENTITY_HASHED])
{
    uint8_t machine[16], digest[AE_DIGEST_BYTES];
    char stored[64];
    int rc;

    if (ae_root_read("/etc/machine-id", stored, sizeof(stored)) < 0)
        return -ENOENT;
    rc = parse_machine(stored, machine);
    if (rc)
        return rc;
    ae_digest_hmac(machine, sizeof(machine), purpose, 16, digest);
    /* The marks of a random UUID, variant and version: RFC 4122, 4.4. */
    digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x40);
    digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
    ae_digest_text(digest, 16, text);
    return 0;
}
