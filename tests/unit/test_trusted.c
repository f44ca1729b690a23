/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/root.h"
#include "base/trusted.h"
#include "made_root.h"
#include "partition/hold.h"
#include "partition/journal.h"
#include "partition/partition.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOBODY       65534

static const char *full(const char *path)
{
    static char text[2][PATH_MAX];
    static int turn;

    turn ^= 1;
    assert_int_equal(ae_root_path(text[turn], PATH_MAX, path), 0);
    return text[turn];
}

static struct stat look(const char *path)
{
    struct stat status;

    assert_int_equal(lstat(full(path), &status), 0);
    return status;
}

/* What a process of user nobody's comes to; -1 where this test is nobody itself. */
static int as_nobody(int (*work)(void))
{
    int status;
    pid_t pid;

    if (geteuid() != 0)
        return -1;
    pid = fork();
    if (pid == 0)
        _exit(setgid(NOBODY) || setuid(NOBODY) ? 99 : work());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

/* ---- replacing ---- */

static void a_replaced_file_keeps_its_mode_and_owner(void **state)
{
    static const mode_t modes[] = {0600, 0640, 0444, 0755, 04750};

    (void)state;
    made_root_put("/etc/kernel/cmdline", "before");
    for (size_t i = 0; i < COUNT(modes); i++) {
        if (geteuid() == 0)
            assert_int_equal(chown(full("/etc/kernel/cmdline"), 12, 34), 0);
        assert_int_equal(chmod(full("/etc/kernel/cmdline"), modes[i]), 0);
        assert_int_equal(ae_root_replace("/etc/kernel/cmdline", "after"), 0);
        assert_string_equal(made_root_get("/etc/kernel/cmdline"), "after");
        assert_int_equal(look("/etc/kernel/cmdline").st_mode & 07777, modes[i]);
        if (geteuid() == 0) {
            assert_int_equal(look("/etc/kernel/cmdline").st_uid, 12);
            assert_int_equal(look("/etc/kernel/cmdline").st_gid, 34);
        }
    }
    assert_int_equal(ae_root_replace("/etc/kernel/new", "x"), 0);
    assert_int_equal(look("/etc/kernel/new").st_mode & 07777, 0644);
}

/* user::rw-, user:12:r--, group::r--, mask::r--, other::--- (linux/posix_acl_xattr.h, version 2) */
static const uint8_t list[] = {2,    0,    0,    0,    1,    0,    6,  0,    0xff, 0xff, 0xff,
                               0xff, 2,    0,    4,    0,    12,   0,  0,    0,    4,    0,
                               4,    0,    0xff, 0xff, 0xff, 0xff, 16, 0,    4,    0,    0xff,
                               0xff, 0xff, 0xff, 32,   0,    0,    0,  0xff, 0xff, 0xff, 0xff};

static void a_replaced_file_keeps_labels_and_lists(void **state)
{
    char value[64];

    (void)state;
    made_root_put("/a/file", "before");
    if (setxattr(full("/a/file"), "user.label", "kept", 4, 0)) {
        print_message("no extended attributes here\n");
        skip();
    }
    if (setxattr(full("/a/file"), "system.posix_acl_access", list, sizeof(list), 0) == 0)
        assert_int_equal(setxattr(full("/a"), "system.posix_acl_default", list, sizeof(list), 0),
                         0);
    assert_int_equal(ae_root_replace("/a/file", "after"), 0);
    assert_int_equal(getxattr(full("/a/file"), "user.label", value, sizeof(value)), 4);
    assert_memory_equal(value, "kept", 4);
    assert_int_equal(getxattr(full("/a/file"), "system.posix_acl_access", value, sizeof(value)),
                     sizeof(list));
    assert_memory_equal(value, list, sizeof(list));

    /* A list that the directory would give, and the old file had not. */
    assert_int_equal(removexattr(full("/a/file"), "system.posix_acl_access"), 0);
    assert_int_equal(chmod(full("/a/file"), 0600), 0);
    assert_int_equal(ae_root_replace("/a/file", "again"), 0);
    assert_true(getxattr(full("/a/file"), "system.posix_acl_access", value, sizeof(value)) < 0);
    assert_int_equal(look("/a/file").st_mode & 07777, 0600);
}

static void a_link_stays_and_what_it_points_to_is_replaced(void **state)
{
    (void)state;
    made_root_put("/etc/kernel/site", "before");
    made_root_put("/srv/real", "before");
    chmod(full("/srv/real"), 0640);
    made_root_link("/etc/kernel/cmdline", "site");
    made_root_link("/etc/kernel/far", "/srv/near"); /* absolute: of the made-up machine */
    made_root_link("/srv/near", "real");
    assert_int_equal(ae_root_replace("/etc/kernel/cmdline", "after"), 0);
    assert_int_equal(ae_root_replace("/etc/kernel/far", "after"), 0);
    assert_true(S_ISLNK(look("/etc/kernel/cmdline").st_mode));
    assert_true(S_ISLNK(look("/etc/kernel/far").st_mode));
    assert_true(S_ISLNK(look("/srv/near").st_mode));
    assert_string_equal(made_root_get("/etc/kernel/site"), "after");
    assert_string_equal(made_root_get("/srv/real"), "after");
    assert_int_equal(look("/srv/real").st_mode & 07777, 0640);
}

static void what_cannot_be_replaced_whole_is_refused(void **state)
{
    (void)state;
    made_root_put("/a/file", "before");
    made_root_put("/a/directory", NULL);
    made_root_link("/a/dangling", "nowhere");
    made_root_link("/a/round", "round");
    assert_int_equal(link(full("/a/file"), full("/a/other")), 0);
    assert_int_equal(mkfifo(full("/a/pipe"), 0600), 0);
    assert_int_equal(ae_root_replace("/a/file", "after"), -EMLINK);
    assert_int_equal(ae_root_replace("/a/dangling", "after"), -ELOOP);
    assert_int_equal(ae_root_replace("/a/round", "after"), -ELOOP);
    assert_int_equal(ae_root_replace("/a/directory", "after"), -EISDIR);
    assert_int_equal(ae_root_replace("/a/pipe", "after"), -EINVAL);
    assert_string_equal(made_root_get("/a/other"), "before");
    assert_true(S_ISLNK(look("/a/dangling").st_mode));
}

static void a_file_of_our_own_is_as_private_as_it_should_be(void **state)
{
    (void)state;
    made_root_put("/var/state", "of an older version, for all to read");
    made_root_put("/etc/shadow", "secret");
    made_root_link("/var/link", "/etc/shadow");
    assert_int_equal(ae_root_save("/var/state", "new", 0600), 0);
    assert_int_equal(look("/var/state").st_mode & 07777, 0600);
    assert_int_equal(ae_root_save("/var/link", "new", 0600), 0);
    assert_true(S_ISREG(look("/var/link").st_mode));
    assert_string_equal(made_root_get("/etc/shadow"), "secret");
}

/* ---- believing ---- */

static int believe(const char *path, const char *says)
{
    struct ae_error err = {.text = ""};
    char *text = NULL;
    ssize_t length = ae_trusted_read(path, &text, &err);

    free(text);
    if (says && !strstr(err.text, says))
        fail_msg("%s says: %s", path, err.text);
    return (int)length;
}

static void what_others_may_write_is_not_believed(void **state)
{
    (void)state;
    made_root_put("/etc/aether/partitions.d/a.conf", "12345");
    assert_int_equal(believe("/etc/aether/partitions.d/a.conf", NULL), 5);
    assert_int_equal(believe("/etc/aether/partitions.d/b.conf", NULL), -ENOENT);

    chmod(full("/etc/aether/partitions.d/a.conf"), 0664);
    assert_int_equal(believe("/etc/aether/partitions.d/a.conf", "a.conf can be written"), -EPERM);
    chmod(full("/etc/aether/partitions.d/a.conf"), 0646);
    assert_int_equal(believe("/etc/aether/partitions.d/a.conf", "chmod go-w"), -EPERM);
    chmod(full("/etc/aether/partitions.d/a.conf"), 0644);
    chmod(full("/etc/aether/partitions.d"), 0775);
    assert_int_equal(believe("/etc/aether/partitions.d/a.conf", "partitions.d can be"), -EPERM);
    chmod(full("/etc/aether/partitions.d"), 0755);
    chmod(full("/etc"), 0777);
    assert_int_equal(believe("/etc/aether/partitions.d/a.conf", "/etc can be"), -EPERM);
    chmod(full("/etc"), 01777); /* as /tmp is: nobody renames what is another's */
    assert_int_equal(believe("/etc/aether/partitions.d/a.conf", NULL), 5);
}

static void what_belongs_to_others_is_not_believed(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    made_root_put("/etc/a.conf", "12345");
    made_root_put("/home/user/own.conf", "12345");
    made_root_link("/etc/b.conf", "../home/user/own.conf");
    assert_int_equal(chown(full("/etc/a.conf"), NOBODY, 0), 0);
    assert_int_equal(believe("/etc/a.conf", "belongs to user 65534"), -EPERM);
    assert_int_equal(chown(full("/etc/a.conf"), 0, NOBODY), 0);
    assert_int_equal(believe("/etc/a.conf", NULL), 5);
    assert_int_equal(believe("/etc/b.conf", NULL), 5);
    assert_int_equal(chown(full("/home/user"), NOBODY, 0),
                     0); /* who could put another in its place */
    assert_int_equal(believe("/etc/b.conf", "/home/user belongs to user 65534"), -EPERM);
}

static void what_is_no_small_regular_file_is_not_believed(void **state)
{
    (void)state;
    made_root_put("/etc/directory", NULL);
    made_root_put("/etc/long", "x");
    assert_int_equal(mkfifo(full("/etc/pipe"), 0600), 0);
    assert_int_equal(truncate(full("/etc/long"), (off_t)1 << 40), 0);
    assert_int_equal(believe("/etc/pipe", "no regular file"), -EINVAL);
    assert_int_equal(believe("/etc/directory", "no regular file"), -EINVAL);
    assert_int_equal(believe("/etc/long", "longer than"), -EFBIG);
}

/* ---- locks ---- */

static int lock_everything(void)
{
    static const char *const paths[] = {AE_PARTITION_LOCKS, AE_PARTITION_LOCKS "/apply",
                                        AE_PARTITION_LOCKS "/hold-net-timestamping"};

    for (size_t i = 0; i < COUNT(paths); i++) {
        int fd = ae_root_open(paths[i], O_RDONLY);

        if (fd >= 0)
            return flock(fd, LOCK_EX | LOCK_NB) ? 1 : 0;
        if (fd != -EACCES)
            return 2;
    }
    return 3;
}

static void nobody_else_reaches_what_root_locks(void **state)
{
    struct stat status;
    int lock, again;

    (void)state;
    made_root_put(AE_PARTITION_LOCKS "/apply", ""); /* of an older version, open to all */
    chmod(full(AE_PARTITION_LOCKS), 0777);
    chmod(full("/"), 0755);
    lock = ae_journal_lock(NULL);
    assert_true(lock >= 0);
    status = look(AE_PARTITION_LOCKS);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(ae_hold_write("net timestamping", "held"), 0);
    assert_int_equal(look(AE_PARTITION_LOCKS "/hold-net-timestamping").st_mode & 0777, 0600);
    again = as_nobody(lock_everything);
    assert_true(again == 3 || again == -1);
    assert_int_equal(ae_hold_write("net timestamping", "free"), 0);
    close(lock);
}

static void a_directory_for_locks_that_is_anothers_is_refused(void **state)
{
    struct ae_error err;

    (void)state;
    made_root_put("/elsewhere", NULL);
    made_root_put("/run/aether", NULL);
    made_root_link(AE_PARTITION_LOCKS, "../../elsewhere");
    assert_true(ae_journal_lock(&err) < 0);
    assert_int_equal(unlink(full(AE_PARTITION_LOCKS)), 0);
    if (geteuid() != 0)
        return;
    made_root_put(AE_PARTITION_LOCKS, NULL);
    assert_int_equal(chown(full(AE_PARTITION_LOCKS), NOBODY, NOBODY), 0);
    assert_int_equal(ae_journal_lock(&err), -EPERM);
    assert_true(ae_hold_write("net timestamping", "held") < 0);
}

static bool held(const char *target)
{
    char *value = NULL;
    bool is;

    assert_int_equal(ae_hold_read(target, &value), 0);
    is = strcmp(value, "held") == 0;
    free(value);
    return is;
}

static void each_hold_is_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < 100;
         i++) /* so that descriptors have all the numbers that one might choose */
        assert_true(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
    assert_false(held("net timestamping"));
    assert_int_equal(ae_hold_write("net timestamping", "held"), 0);
    assert_int_equal(ae_hold_write("net timestamping", "held"), 0);
    assert_int_equal(ae_hold_write("other timestamping", "held"), 0);
    assert_true(held("net timestamping") && held("other timestamping"));
    assert_int_equal(ae_hold_write("net timestamping", "free"), 0);
    assert_true(!held("net timestamping") && held("other timestamping"));
    assert_int_equal(ae_hold_write("other timestamping", "free"), 0);
    assert_int_equal(ae_hold_write("other timestamping", "free"), 0);
    assert_false(held("other timestamping"));
    close_range(100, ~0u, 0);
}

/* Whoever has the lock is ended; a process that a text or an old number names is not. */
static void only_the_holder_is_ended(void **state)
{
    pid_t bystander;
    char text[32];
    int status;

    (void)state;
    bystander = fork();
    if (bystander == 0) {
        pause();
        _exit(0);
    }
    snprintf(text, sizeof(text), "%d\n", bystander);
    made_root_put(AE_PARTITION_LOCKS "/hold-net-timestamping", text);
    assert_false(held("net timestamping"));
    assert_int_equal(ae_hold_write("net timestamping", "free"), 0);
    assert_int_equal(waitpid(bystander, &status, WNOHANG), 0);
    kill(bystander, SIGKILL);
    waitpid(bystander, &status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_root_begin, made_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_replaced_file_keeps_its_mode_and_owner),
        TEST(a_replaced_file_keeps_labels_and_lists),
        TEST(a_link_stays_and_what_it_points_to_is_replaced),
        TEST(what_cannot_be_replaced_whole_is_refused),
        TEST(a_file_of_our_own_is_as_private_as_it_should_be),
        TEST(what_others_may_write_is_not_believed),
        TEST(what_belongs_to_others_is_not_believed),
        TEST(what_is_no_small_regular_file_is_not_believed),
        TEST(nobody_else_reaches_what_root_locks),
        TEST(a_directory_for_locks_that_is_anothers_is_refused),
        TEST(each_hold_is_its_own),
        TEST(only_the_holder_is_ended),
    };

    umask(022);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
