/* SPDX-License-Identifier: Apache-2.0 */

/* A peer's memory: that nothing beside it is touched. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "port/vhost/back/map.h"

#define PAGE  4096u
#define SIZE  (10 * PAGE)
#define GUEST 0x100000u
#define USER  0x7f0000000000u

static struct ae_vhost_map map;

static struct vhost_user_region region_of(uint64_t size)
{
    return (struct vhost_user_region){.guest_address = GUEST, .size = size, .user_address = USER};
}

/* What a child says by its exit status. */
enum { GOOD, SKIP = 77, BAD = 1 };

/* In a child that may mount what it likes, and that ends after a while whatever happens. */
static void in_a_child(int (*check)(const char *directory))
{
    char directory[] = "/tmp/aether-map.XXXXXX";
    int status;
    pid_t pid;

    assert_non_null(mkdtemp(directory));
    pid = fork();
    if (pid == 0) {
        alarm(240);
        if ((unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS)) ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
            _exit(SKIP);
        _exit(check(directory));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    rmdir(directory);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIP)
        skip();
    assert_int_equal(WEXITSTATUS(status), GOOD);
}

/* ---- A tmpfs of huge pages: st_blksize is 2 MiB, what is mapped is not ---- */

static bool is_mapped(const volatile uint8_t *page)
{
    unsigned char in_memory;

    return mincore((void *)(uintptr_t)page, PAGE, &in_memory) == 0;
}

static int neighbours_stay(const char *directory)
{
    struct vhost_user_region region = region_of(SIZE);
    volatile uint8_t *room;
    uint8_t *beside;
    char path[64];
    struct stat status;
    int fd;

    if (mount("none", directory, "tmpfs", 0, "huge=always"))
        return SKIP;
    snprintf(path, sizeof(path), "%s/memory", directory);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, SIZE) || fstat(fd, &status) || status.st_blksize == PAGE)
        return SKIP;
    if (ae_vhost_check_regions(&region, &region.size, 1, NULL) ||
        ae_vhost_map(&map, &region, &fd, 1))
        return BAD;
    room = map.memory.regions[0].at;
    beside = mmap((void *)(uintptr_t)(room + SIZE), PAGE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (beside == MAP_FAILED && errno == EEXIST)
        beside = (uint8_t *)(uintptr_t)(room + SIZE); /* somebody's already */
    if (beside == MAP_FAILED)
        return BAD;
    /* A page that is gone is replaced, it alone. */
    room[0] = 0x5a;
    if (ftruncate(fd, PAGE))
        return BAD;
    room[PAGE] = 1;
    if (!map.lost || room[0] != 0x5a)
        return BAD;
    ae_vhost_unmap(&map);
    return is_mapped(beside) && !is_mapped(room) ? GOOD : BAD;
}

static void test_neighbours(void **state)
{
    (void)state;
    in_a_child(neighbours_stay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_neighbours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
