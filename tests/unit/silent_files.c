/* SPDX-License-Identifier: Apache-2.0 */
#include "silent_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_SIZE (1u << 20)
#define LONG_TIME 3600

static struct fuse_attr attributes_of(uint64_t node)
{
    return (struct fuse_attr){
        .ino = node,
        .size = FILE_SIZE,
        .blocks = 8,
        .mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0666,
        .nlink = 1,
        .blksize = 4096,
    };
}

static void answer(int fd, const struct fuse_in_header *in, int error, const void *body,
                   size_t size)
{
    struct fuse_out_header out = {
        .len = (uint32_t)(sizeof(out) + size), .error = error, .unique = in->unique};
    struct iovec pieces[] = {{&out, sizeof(out)}, {(void *)(uintptr_t)body, size}};

    if (writev(fd, pieces, 2) < 0)
        return; /* whoever asked is gone */
}

static void serve_one(int fd, const struct fuse_in_header *in)
{
    struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION,
                                 .minor = 31,
                                 .flags = FUSE_WRITEBACK_CACHE,
                                 .max_background = 12,
                                 .congestion_threshold = 9,
                                 .max_write = 65536};
    /* Files have numbers for names. */
    uint64_t node = in->opcode == FUSE_LOOKUP ? (uint64_t)atoi((const char *)(in + 1)) : 0;
    struct fuse_entry_out entry = {.nodeid = node,
                                   .entry_valid = LONG_TIME,
                                   .attr_valid = LONG_TIME,
                                   .attr = attributes_of(node)};
    struct fuse_attr_out attributes = {.attr_valid = LONG_TIME, .attr = attributes_of(in->nodeid)};
    struct fuse_open_out opened = {.fh = 1};
    struct fuse_write_out written = {0};

    switch (in->opcode) {
    case FUSE_INIT:
        answer(fd, in, 0, &init, sizeof(init));
        return;
    case FUSE_LOOKUP:
        answer(fd, in, 0, &entry, sizeof(entry));
        return;
    case FUSE_GETATTR:
        answer(fd, in, 0, &attributes, sizeof(attributes));
        return;
    case FUSE_OPEN:
        answer(fd, in, 0, &opened, sizeof(opened));
        return;
    case FUSE_WRITE:
        written.size = ((const struct fuse_write_in *)(in + 1))->size;
        answer(fd, in, 0, &written, sizeof(written));
        return;
    case FUSE_FLUSH: /* must be known, or it is never asked again */
    case FUSE_RELEASE:
    case FUSE_SETATTR:
        answer(fd, in, 0, in->opcode == FUSE_SETATTR ? &attributes : NULL,
               in->opcode == FUSE_SETATTR ? sizeof(attributes) : 0);
        return;
    case FUSE_FORGET:
    case FUSE_INTERRUPT:
        return;
    default:
        answer(fd, in, -ENOSYS, NULL, 0);
    }
}

static _Noreturn void serve(int fd, const volatile bool *silent)
{
    static union {
        struct fuse_in_header header;
        uint8_t bytes[(1 << 17) + 1];
    } request;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (read(fd, &request, sizeof(request)) > 0)
        if (!*silent)
            serve_one(fd, &request.header);
    _exit(0);
}

static bool mount_it(const struct silent_files *files, int fd, const char **why)
{
    char options[96];

    if ((unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS)) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
        *why = "no mount namespace may be made";
        return false;
    }
    snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%d,group_id=%d,allow_other",
             fd, getuid(), getgid());
    if (mount("silent", files->directory, "fuse", 0, options)) {
        *why = "no FUSE file system may be mounted";
        return false;
    }
    return true;
}

bool silent_files_start(struct silent_files *files, const char **why)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    *why = "there is no /dev/fuse";
    if (fd < 0)
        return false;
    snprintf(files->directory, sizeof(files->directory), "/tmp/aether-silent.XXXXXX");
    files->silent = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (files->silent == MAP_FAILED || !mkdtemp(files->directory))
        abort();
    if (!mount_it(files, fd, why)) {
        rmdir(files->directory);
        close(fd);
        return false;
    }
    files->server = fork();
    if (files->server == 0)
        serve(fd, files->silent);
    close(fd);
    return true;
}

int silent_files_open(const struct silent_files *files)
{
    static int number = FUSE_ROOT_ID;
    char path[64];

    snprintf(path, sizeof(path), "%s/%d", files->directory, ++number);
    return open(path, O_RDWR | O_CLOEXEC);
}

void silent_files_be_silent(const struct silent_files *files, int fd)
{
    static const char page[4096] = "to be written back";

    *files->silent = fd >= 0 && pwrite(fd, page, sizeof(page), 0) == sizeof(page);
}

void silent_files_end(struct silent_files *files)
{
    kill(files->server, SIGKILL);
    waitpid(files->server, NULL, 0);
    umount2(files->directory, MNT_DETACH);
    rmdir(files->directory);
}
