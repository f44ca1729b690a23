/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/kernel.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/root.h"

#define CONFIG_MAX (4 << 20) /* bytes; real ones have some 300 KB */

int ae_kernel_release(char *release, size_t size)
{
    ssize_t length = ae_root_read("/proc/sys/kernel/osrelease", release, size);

    return length < 0 ? (int)length : 0;
}

bool ae_kernel_at_least(unsigned major, unsigned minor)
{
    char release[128];
    unsigned is_major, is_minor;

    if (ae_kernel_release(release, sizeof(release)) ||
        sscanf(release, "%9u.%9u", &is_major, &is_minor) != 2)
        return false;
    return is_major > major || (is_major == major && is_minor >= minor);
}

int ae_kernel_option_in(const char *config, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = config; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, name, length) != 0 || line[length] != '=')
            continue;
        return line[length + 1] == 'm' || line[length + 1] == 'n' ? line[length + 1] : 'y';
    }
    return 'n';
}

/* gzip reads plain files as they are. */
static char *read_config(const char *path)
{
    char full[PATH_MAX], *text;
    gzFile file;
    int got;

    if (!ae_root_exists(path) || ae_root_path(full, sizeof(full), path))
        return NULL;
    file = gzopen(full, "rb");
    if (!file)
        return NULL;
    text = malloc(CONFIG_MAX);
    got = text ? gzread(file, text, CONFIG_MAX - 1) : -1;
    gzclose(file);
    if (got <= 0) {
        free(text);
        return NULL;
    }
    text[got] = '\0';
    return text;
}

int ae_kernel_option(const char *name)
{
    static const char *const places[] = {"/boot/config-%s", "/lib/modules/%s/config",
                                         "/usr/lib/modules/%s/config"};
    char release[128], path[256], *text = NULL;
    int set;

    if (ae_kernel_release(release, sizeof(release)) == 0) {
        for (size_t i = 0; !text && i < sizeof(places) / sizeof(places[0]); i++) {
            /* places[] holds one %s each */
            int prefix = (int)(strchr(places[i], '%') - places[i]);

            snprintf(path, sizeof(path), "%.*s%s%s", prefix, places[i], release,
                     places[i] + prefix + 2);
            text = read_config(path);
        }
    }
    if (!text)
        text = read_config("/proc/config.gz");
    if (!text)
        return -ENOENT;
    set = ae_kernel_option_in(text, name);
    free(text);
    return set;
}
