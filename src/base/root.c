/* SPDX-License-Identifier: Apache-2.0 */
#include "base/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[PATH_MAX];

int ae_root_set(const char *directory)
{
    size_t length = directory ? strlen(directory) : 0;

    while (length > 0 && directory[length - 1] == '/')
        length--;
    if (length >= sizeof(root))
        return -ENAMETOOLONG;
    if (length > 0)
        memcpy(root, directory, length);
    root[length] = '\0';
    return 0;
}

bool ae_root_is_real(void)
{
    return root[0] == '\0';
}

int ae_root_path(char *full, size_t size, const char *path)
{
    int length = snprintf(full, size, "%s%s", root, path);

    return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

int ae_root_open(const char *path, int flags)
{
    char full[PATH_MAX];
    int fd;
    int rc = ae_root_path(full, sizeof(full), path);

    if (rc)
        return rc;
    fd = open(full, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int ae_root_create(const char *path, int flags, mode_t mode)
{
    char full[PATH_MAX];
    int fd;
    int rc = ae_root_path(full, sizeof(full), path);

    if (rc)
        return rc;
    fd = open(full, flags | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode);
    return fd < 0 ? -errno : fd;
}

bool ae_root_exists(const char *path)
{
    char full[PATH_MAX];

    return ae_root_path(full, sizeof(full), path) == 0 && access(full, F_OK) == 0;
}

/* Reads until end of file or until size bytes are there. */
static ssize_t read_fully(int fd, char *text, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t got = read(fd, text + used, size - used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

static size_t trim(char *text, size_t length)
{
    while (length > 0 && strchr(" \t\r\n", text[length - 1]))
        length--;
    text[length] = '\0';
    return length;
}

ssize_t ae_root_read(const char *path, char *text, size_t size)
{
    int fd = ae_root_open(path, O_RDONLY);
    ssize_t got;

    if (fd < 0)
        return fd;
    got = read_fully(fd, text, size);
    close(fd);
    if (got < 0)
        return got;
    if ((size_t)got >= size)
        return -EFBIG;
    return (ssize_t)trim(text, (size_t)got);
}

ssize_t ae_root_read_all(const char *path, char **text)
{
    int fd = ae_root_open(path, O_RDONLY);
    size_t size = 16384, used = 0;
    char *buffer = NULL;

    if (fd < 0)
        return fd;
    for (;;) {
        char *bigger = realloc(buffer, size);
        ssize_t got = -ENOMEM;

        if (bigger) {
            buffer = bigger;
            got = read_fully(fd, buffer + used, size - 1 - used);
        }
        if (got < 0) {
            free(buffer);
            close(fd);
            return got;
        }
        used += (size_t)got;
        if (used < size - 1)
            break;
        size *= 2;
    }
    close(fd);
    buffer[used] = '\0';
    *text = buffer;
    return (ssize_t)used;
}

int ae_root_read_u64(const char *path, uint64_t *value)
{
    char text[64], *end;
    ssize_t length = ae_root_read(path, text, sizeof(text));

    if (length < 0)
        return (int)length;
    if (text[0] < '0' || text[0] > '9')
        return -EINVAL;
    errno = 0;
    *value = strtoull(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
    return errno || *end ? -EINVAL : 0;
}

int ae_root_write_to(int fd, const char *text)
{
    size_t length = strlen(text);
    ssize_t put = write(fd, text, length);

    if (put < 0)
        return -errno;
    return (size_t)put == length ? 0 : -EIO;
}

int ae_root_write(const char *path, const char *text)
{
    int rc, fd = ae_root_open(path, O_WRONLY | O_TRUNC);

    if (fd < 0)
        return fd;
    rc = ae_root_write_to(fd, text);
    if (close(fd) && !rc)
        rc = -errno;
    return rc;
}

int ae_root_sync_directory(const char *path)
{
    int rc, fd = ae_root_open(path, O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return fd;
    rc = fsync(fd) ? -errno : 0;
    close(fd);
    return rc;
}

static int make_directories(char *full)
{
    for (char *slash = full + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(full, 0755) && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return *full && mkdir(full, 0755) && errno != EEXIST ? -errno : 0;
}

int ae_root_make_directory(const char *path)
{
    char full[PATH_MAX];
    int rc = ae_root_path(full, sizeof(full), path);

    return rc ? rc : make_directories(full);
}

static int close_to_others(int fd)
{
    struct stat status;

    if (fstat(fd, &status))
        return -errno;
    if (status.st_uid != geteuid())
        return -EPERM;
    return (status.st_mode & 077) && fchmod(fd, 0700) ? -errno : 0;
}

int ae_root_make_private(const char *path)
{
    char full[PATH_MAX], *last;
    int fd, rc = ae_root_path(full, sizeof(full), path);

    if (rc)
        return rc;
    last = strrchr(full, '/');
    *last = '\0';
    rc = make_directories(full);
    *last = '/';
    if (!rc && mkdir(full, 0700) && errno != EEXIST)
        rc = -errno;
    if (rc)
        return rc;
    fd = open(full, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = close_to_others(fd);
    close(fd);
    return rc;
}

int ae_root_create_directory(const char *path)
{
    char full[PATH_MAX];
    int rc = ae_root_path(full, sizeof(full), path);

    return rc ? rc : mkdir(full, 0755) ? -errno : 0;
}

int ae_root_remove(const char *path)
{
    char full[PATH_MAX];
    int rc = ae_root_path(full, sizeof(full), path);

    if (rc)
        return rc;
    return remove(full) && errno != ENOENT ? -errno : 0;
}

int ae_root_link_name(const char *path, char *name, size_t size)
{
    char full[PATH_MAX], target[PATH_MAX];
    const char *last;
    ssize_t length;
    int rc = ae_root_path(full, sizeof(full), path);

    if (rc)
        return rc;
    length = readlink(full, target, sizeof(target) - 1);
    if (length < 0)
        return -errno;
    target[length] = '\0';
    last = strrchr(target, '/');
    last = last ? last + 1 : target;
    if (strlen(last) >= size)
        return -ENAMETOOLONG;
    strcpy(name, last);
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int ae_root_list(const char *path, int (*each)(const char *name, void *context), void *context)
{
    char full[PATH_MAX];
    struct dirent **entries;
    int count, rc = ae_root_path(full, sizeof(full), path);

    if (rc)
        return rc;
    count = scandir(full, &entries, NULL, by_name);
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;

        if (!rc && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            rc = each(name, context);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

struct glob {
    const char *rest; /* the pattern behind the component being matched */
    char component[NAME_MAX + 1];
    char path[PATH_MAX];
    int (*each)(const char *path, void *context);
    void *context;
};

static int glob_below(const char *path, const char *rest,
                      int (*each)(const char *path, void *context), void *context);

static int glob_entry(const char *name, void *context)
{
    struct glob *glob = context;
    size_t length = strlen(glob->path);
    int rc = 0;

    if (fnmatch(glob->component, name, FNM_PERIOD) != 0)
        return 0;
    if (length + 1 + strlen(name) >= sizeof(glob->path))
        return -ENAMETOOLONG;
    glob->path[length] = '/';
    strcpy(glob->path + length + 1, name);
    rc = glob_below(glob->path, glob->rest, glob->each, glob->context);
    glob->path[length] = '\0';
    return rc;
}

/* `path` is settled, `rest` is "" or begins with the slash of the next component. */
static int glob_below(const char *path, const char *rest,
                      int (*each)(const char *path, void *context), void *context)
{
    struct glob glob = {.each = each, .context = context};
    size_t length;
    int rc;

    if (*rest == '\0')
        return ae_root_exists(path) ? each(path, context) : 0;
    length = strcspn(rest + 1, "/");
    if (length >= sizeof(glob.component) || strlen(path) + length + 2 > sizeof(glob.path))
        return -ENAMETOOLONG;
    memcpy(glob.component, rest + 1, length);
    glob.component[length] = '\0';
    glob.rest = rest + 1 + length;
    strcpy(glob.path, path);
    if (!strpbrk(glob.component, "*?[")) {
        strcat(strcat(glob.path, "/"), glob.component);
        return glob_below(glob.path, glob.rest, each, context);
    }
    rc = ae_root_list(*path ? path : "/", glob_entry, &glob);
    return rc == -ENOENT || rc == -ENOTDIR ? 0 : rc;
}

int ae_root_glob(const char *pattern, int (*each)(const char *path, void *context), void *context)
{
    return glob_below("", pattern, each, context);
}
