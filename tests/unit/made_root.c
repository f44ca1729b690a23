/* SPDX-License-Identifier: Apache-2.0 */
#include "made_root.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/root.h"

static char directory[64];

int made_root_begin(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/aether-root-XXXXXX");
    return mkdtemp(directory) ? ae_root_set(directory) : -1;
}

void made_root_open(void)
{
    if (chmod(directory, 0755))
        abort();
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

int made_root_end(void **state)
{
    (void)state;
    ae_root_set(NULL);
    return nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void made_root_put(const char *path, const char *text)
{
    char parent[PATH_MAX], full[PATH_MAX];
    FILE *file;

    snprintf(parent, sizeof(parent), "%s", path);
    if (text)
        *strrchr(parent, '/') = '\0';
    if (*parent && ae_root_make_directory(parent))
        abort();
    if (!text)
        return;
    /* A new file, as ae_root_replace makes one, but not synced to the disk: that takes its time. */
    if (ae_root_path(full, sizeof(full), path) || (unlink(full) && errno != ENOENT) ||
        !(file = fopen(full, "wx")))
        abort();
    fputs(text, file);
    fclose(file);
}

void made_root_link(const char *path, const char *target)
{
    char full[PATH_MAX];

    if (ae_root_path(full, sizeof(full), path) || symlink(target, full))
        abort();
}

const char *made_root_get(const char *path)
{
    static char *text;

    free(text);
    text = NULL;
    return ae_root_read_all(path, &text) < 0 ? NULL : text;
}
