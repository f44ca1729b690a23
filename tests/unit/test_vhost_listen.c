/* SPDX-License-Identifier: Apache-2.0 */

/* Where a socket's name is, and who makes the directory. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/root.h"
#include "made_root.h"
#include "port/vhost/listen.h"

static struct ae_error error;

static const char *full(const char *path)
{
    static char text[PATH_MAX];

    assert_int_equal(ae_root_path(text, sizeof(text), path), 0);
    return text;
}

/* Listens at a path below the made-up root, and lets go of it. */
static int listen_at(const char *path)
{
    static struct ae_vhost_receivers receivers;
    struct ae_vhost_listener listener;
    int rc = ae_vhost_listen(&listener, full(path), &error);

    if (!rc)
        ae_vhost_unlisten(&listener, &receivers);
    return rc;
}

static void assert_mode(const char *path, mode_t mode)
{
    struct stat status;

    assert_int_equal(stat(full(path), &status), 0);
    assert_int_equal(status.st_mode & 07777, mode);
}

static void our_own_directory_is_made(void **state)
{
    mode_t mask = umask(077);

    (void)state;
    made_root_put("/run", NULL);
    assert_int_equal(listen_at("/run/aether/vm0"), 0);
    assert_mode("/run/aether", 0755);
    assert_int_equal(listen_at("/run/aether/guests/a/vm0"), 0);
    assert_mode("/run/aether/guests/a", 0755);
    umask(mask);
}

/* Whoever made it narrower knows why. */
static void one_that_is_there_is_left_as_it_is(void **state)
{
    (void)state;
    made_root_put("/run/aether", NULL);
    assert_int_equal(chmod(full("/run/aether"), 0710), 0);
    assert_int_equal(listen_at("/run/aether/vm0"), 0);
    assert_mode("/run/aether", 0710);
}

static void no_other_is_made(void **state)
{
    static const char *const paths[] = {"/run/other/vm0", "/run/aether2/vm0", "/srv/run/aether/vm0",
                                        "/run/aether/../other/vm0", "/run/aether/a/../../b/vm0"};

    (void)state;
    made_root_put("/run", NULL);
    made_root_put("/srv", NULL);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(listen_at(paths[i]), -ENOENT);
        assert_non_null(strstr(error.text, "directory has to be there"));
    }
    assert_false(ae_root_exists("/run/other"));
    assert_false(ae_root_exists("/run/aether"));
    assert_false(ae_root_exists("/run/aether2"));
    assert_false(ae_root_exists("/srv/run"));
}

static void what_is_in_the_way_is_named(void **state)
{
    (void)state;
    made_root_put("/run/aether", "a file\n");
    assert_true(listen_at("/run/aether/vm0") < 0);
    assert_non_null(strstr(error.text, "/run/aether"));
    assert_string_equal(made_root_get("/run/aether"), "a file\n");
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, made_root_begin, made_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROOT(our_own_directory_is_made),
        WITH_ROOT(one_that_is_there_is_left_as_it_is),
        WITH_ROOT(no_other_is_made),
        WITH_ROOT(what_is_in_the_way_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
