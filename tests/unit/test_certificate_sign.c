/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/command.h"
#include "made_certificate.h"

static char directory[64], file[128], key[128], public_key[128], other[128], other_key[128];
static char signer[128];
static struct ae_error error;

static void make_key(const char *path)
{
    const char *const argv[] = {"ssh-keygen", "-q",   "-t", "ed25519", "-N", "",
                                "-C",         "test", "-f", path,      NULL};
    char output[256];

    if (ae_command_run(argv, -1, output, sizeof(output), &error))
        fail_msg("ssh-keygen: %s %s", error.text, output);
}

static void put(const char *path, const char *text, size_t length)
{
    FILE *out = fopen(path, "we");

    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, length, out), length);
    assert_int_equal(fclose(out), 0);
}

static char *get(const char *path, size_t *length)
{
    static char text[65536];
    FILE *in = fopen(path, "re");

    assert_non_null(in);
    *length = fread(text, 1, sizeof(text), in);
    fclose(in);
    return text;
}

/* Takes json over. */
static void issue(const char *path, json_t *json, const char *by)
{
    struct ae_certificate *certificate;

    if (made_parse(&certificate, json, &error) ||
        ae_certificate_write(certificate, path, by, &error))
        fail_msg("%s", error.text);
    ae_certificate_free(certificate);
}

static int begin(void **state)
{
    const char *second;

    (void)state;
    strcpy(directory, "/tmp/aether-sign-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(file, sizeof(file), "%s/c.json", directory);
    snprintf(key, sizeof(key), "%s/key", directory);
    snprintf(public_key, sizeof(public_key), "%s/key.pub", directory);
    snprintf(other, sizeof(other), "%s/other.pub", directory);
    make_key(key);
    other[strlen(other) - 4] = '\0';
    second = other;
    make_key(second);
    strcpy(other_key, second);
    strcat(other, ".pub");
    issue(file, made_certificate(), key);
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static int end(void **state)
{
    (void)state;
    return nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int verify(const char *trusted)
{
    const struct ae_certificate_trust trust = {.key = trusted};

    return ae_certificate_verify(NULL, file, &trust, signer, &error);
}

static void a_signature_holds(void **state)
{
    struct ae_certificate *certificate;
    const struct ae_certificate_trust trust = {.key = public_key};

    (void)state;
    if (ae_certificate_verify(&certificate, file, &trust, signer, &error))
        fail_msg("%s", error.text);
    assert_int_equal(ae_certificate_verdict(certificate), AE_PROOF_QUIET);
    assert_non_null(strstr(signer, "SHA256:"));
    ae_certificate_free(certificate);
    /* Signing again replaces it. */
    issue(file, made_certificate(), key);
    assert_int_equal(verify(public_key), 0);
}

static void nobody_else_is_believed(void **state)
{
    (void)state;
    assert_int_equal(verify(other), -ENOKEY);
    assert_non_null(strstr(error.text, "not by whom you named"));
    assert_int_equal(verify(NULL), -ENOKEY);
    assert_non_null(strstr(error.text, "anybody can make one"));
    assert_int_equal(verify(file), -EINVAL); /* no key at all */
    assert_int_equal(verify("/nowhere/key.pub"), -ENOENT);
}

static void a_file_of_signers_is_believed(void **state)
{
    char path[160], text[1024], kind[64], body[512];
    struct ae_certificate_trust trust = {.signers = path, .identity = "ann@example.org"};
    size_t length;

    (void)state;
    assert_int_equal(sscanf(get(public_key, &length), "%63s %511s", kind, body), 2);
    snprintf(path, sizeof(path), "%s/signers", directory);
    snprintf(text, sizeof(text), "ann@example.org %s %s\n", kind, body);
    put(path, text, strlen(text));
    assert_int_equal(ae_certificate_verify(NULL, file, &trust, signer, &error), 0);
    trust.identity = "bob@example.org";
    assert_int_equal(ae_certificate_verify(NULL, file, &trust, signer, &error), -ENOKEY);
    /* A signature for another purpose is none here. */
    snprintf(text, sizeof(text), "ann@example.org namespaces=\"git\" %s %s\n", kind, body);
    put(path, text, strlen(text));
    trust.identity = "ann@example.org";
    assert_int_equal(ae_certificate_verify(NULL, file, &trust, signer, &error), -ENOKEY);
}

/* One bit, at places all over the file. */
static void every_change_is_seen(const char *path, size_t stride)
{
    char whole[65536];
    size_t length;

    memcpy(whole, get(path, &length), sizeof(whole));
    for (size_t i = 0; i < length; i += stride) {
        whole[i] ^= 1;
        put(path, whole, length);
        if (verify(public_key) == 0)
            fail_msg("%s: byte %zu of %zu was changed, and nobody saw it", path, i, length);
        whole[i] ^= 1;
    }
    put(path, whole, length - 1);
    assert_int_not_equal(verify(public_key), 0);
    put(path, whole, length);
    assert_int_equal(verify(public_key), 0);
}

static void tampering_is_seen(void **state)
{
    char path[160];

    (void)state;
    every_change_is_seen(file, 797);
    snprintf(path, sizeof(path), "%s.txt", file);
    every_change_is_seen(path, 397);
}

static void what_lacks_is_said(void **state)
{
    char path[160];

    (void)state;
    snprintf(path, sizeof(path), "%s.txt", file);
    assert_int_equal(unlink(path), 0); /* the page is a convenience */
    assert_int_equal(verify(public_key), 0);
    snprintf(path, sizeof(path), "%s.sig", file);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(verify(public_key), -ENODATA);
    assert_non_null(strstr(error.text, "nothing vouches"));
}

/* Without its key nothing is published, and what was there stays. */
static void a_key_that_fails_changes_nothing(void **state)
{
    struct ae_certificate *certificate;
    char path[160];

    (void)state;
    assert_int_equal(made_parse(&certificate, made_certificate(), &error), 0);
    assert_int_equal(ae_certificate_write(certificate, file, "/nowhere/key", &error), -EIO);
    assert_non_null(strstr(error.text, "/nowhere/key"));
    assert_int_equal(verify(public_key), 0);
    snprintf(path, sizeof(path), "%s/new.json", directory);
    assert_int_equal(ae_certificate_write(certificate, path, "/nowhere/key", &error), -EIO);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof(path), "%s/nowhere/new.json", directory);
    assert_int_equal(ae_certificate_write(certificate, path, key, &error), -ENOENT);
    snprintf(path, sizeof(path), "%s/", directory);
    assert_int_equal(ae_certificate_write(certificate, path, key, &error), -EINVAL);
    for (unsigned i = 0; i < 2; i++) { /* what is no file keeps its name, by a link, too */
        snprintf(path, sizeof(path), "%s/%s", directory, i ? "link" : "pipe");
        assert_int_equal(i ? symlink("pipe", path) : mkfifo(path, 0600), 0);
        assert_int_equal(ae_certificate_write(certificate, path, key, &error), -EINVAL);
        assert_non_null(strstr(error.text, "no regular file"));
    }
    ae_certificate_free(certificate);
    /* Unsigned, it does not leave the signature of another text beside it. */
    issue(file, made_certificate(), NULL);
    assert_int_equal(verify(public_key), -ENODATA);
}

/* ---- Somebody else's directory ---- */

/* Renames a forged certificate over the true one as soon as that is there, again and again. */
static pid_t start_swapper(const char *forged)
{
    pid_t pid = fork();

    if (pid == 0) {
        for (;;) {
            char link_name[200];

            snprintf(link_name, sizeof(link_name), "%s/swap", directory);
            if (link(forged, link_name) == 0 && access(file, F_OK) == 0)
                rename(link_name, file);
            unlink(link_name);
        }
    }
    return pid;
}

static json_t *made_disturbed(void)
{
    json_t *json = made_certificate();

    made_change(json, "rows/0/count", json_integer(7));
    made_change(json, "verdict", json_string("disturbed"));
    return json;
}

/* A key signs what was measured, whatever lies at the name meanwhile. */
static void a_swapped_file_is_not_signed(void **state)
{
    char forged[160];

    (void)state;
    snprintf(forged, sizeof(forged), "%s/forged.json", directory);
    for (unsigned i = 0; i < 3; i++) {
        struct ae_certificate *certificate = NULL;
        const struct ae_certificate_trust trust = {.key = public_key};
        pid_t swapper;

        issue(forged, made_certificate(), NULL);
        unlink(file);
        swapper = start_swapper(forged);
        issue(file, made_disturbed(), key);
        usleep(20000);
        kill(swapper, SIGKILL);
        waitpid(swapper, NULL, 0);
        /* Either the swap came too late, or what it left has no signature. */
        if (ae_certificate_verify(&certificate, file, &trust, signer, &error) == 0)
            assert_int_equal(ae_certificate_verdict(certificate), AE_PROOF_DISTURBED);
        else
            assert_non_null(strstr(error.text, "no signature of this text"));
        ae_certificate_free(certificate);
    }
}

/* Names that lead elsewhere are replaced, not followed. */
static void a_link_is_not_followed(void **state)
{
    static const char *const endings[] = {"", ".txt", ".sig"};
    char path[160], victim[160];
    size_t length;

    (void)state;
    snprintf(victim, sizeof(victim), "%s/victim", directory);
    put(victim, "precious", 8);
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", file, endings[i]);
        unlink(path);
        assert_int_equal(symlink(victim, path), 0);
    }
    issue(file, made_certificate(), key);
    assert_int_equal(verify(public_key), 0);
    get(victim, &length);
    assert_int_equal(length, 8);
}

/* ---- What is no file, or too much of one ---- */

static void only_files_of_a_limited_size_are_read(void **state)
{
    static const char *const endings[] = {"", ".txt", ".sig"};
    char path[160];

    (void)state;
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        issue(file, made_certificate(), key);
        snprintf(path, sizeof(path), "%s%s", file, endings[i]);
        assert_int_equal(truncate(path, (off_t)1 << 40), 0); /* all of it holes */
        assert_int_equal(verify(public_key), -EBADMSG);
        assert_non_null(strstr(error.text, "is not a file of at most"));
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0); /* nobody will ever write to it */
        assert_int_equal(verify(public_key), -EBADMSG);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(verify(public_key), -EBADMSG);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(symlink("/dev/zero", path), 0);
        assert_int_equal(verify(public_key), -EBADMSG);
        assert_int_equal(unlink(path), 0);
    }
    issue(file, made_certificate(), key);
    assert_int_equal(verify("/dev/zero"), -EBADMSG); /* the key, too */
    snprintf(path, sizeof(path), "%s/big", directory);
    put(path, "x", 1);
    assert_int_equal(truncate(path, 1 << 30), 0);
    assert_int_equal(verify(path), -EBADMSG);
}

/* ---- Is it the one that was asked for? ---- */

static void change_all(const json_t *at, const char *path, json_t *whole);

/* This very certificate, with another text where `path` leads. */
static void edited(json_t *whole, const char *path, json_t *value)
{
    json_t *copy = json_deep_copy(whole);
    char *text;

    made_change(copy, path, value);
    text = json_dumps(copy, JSON_INDENT(2));
    put(file, text, strlen(text));
    if (verify(public_key) != -EBADMSG)
        fail_msg("%s was edited, and nobody saw it", path);
    free(text);
    json_decref(copy);
}

static void change_one(const json_t *value, const char *path, json_t *whole)
{
    if (json_is_object(value) || json_is_array(value))
        change_all(value, path, whole);
    else if (json_is_string(value))
        edited(whole, path, json_string("another"));
    else if (json_is_number(value))
        edited(whole, path, json_integer((json_int_t)json_number_value(value) + 1));
    else if (json_is_boolean(value))
        edited(whole, path, json_boolean(!json_is_true(value)));
}

static void change_all(const json_t *at, const char *path, json_t *whole)
{
    const char *name;
    char step[128];
    json_t *value;
    size_t i;

    json_object_foreach ((json_t *)(size_t)at, name, value) {
        snprintf(step, sizeof(step), "%s%s%s", path, *path ? "/" : "", name);
        change_one(value, step, whole);
    }
    json_array_foreach (at, i, value) {
        snprintf(step, sizeof(step), "%s/%zu", path, i);
        change_one(value, step, whole);
    }
}

static void every_field_is_signed(void **state)
{
    char path[160];
    json_t *whole;

    (void)state;
    snprintf(path, sizeof(path), "%s.txt", file);
    unlink(path); /* the page alone would tell some of it */
    whole = json_load_file(file, 0, NULL);
    assert_non_null(whole);
    change_all(whole, "", whole);
    json_decref(whole);
}

static void truncated_at_any_place_it_is_refused(void **state)
{
    static const char *const endings[] = {"", ".txt", ".sig"};

    (void)state;
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        char path[160], *text;
        size_t length;

        issue(file, made_certificate(), key);
        snprintf(path, sizeof(path), "%s%s", file, endings[i]);
        text = get(path, &length);
        for (size_t kept = 0; kept < length - 1; kept += length / 7) {
            put(path, text, kept);
            assert_int_equal(verify(public_key), -EBADMSG);
        }
    }
}

/* Two true certificates: neither is the other's, in whole or in part. */
static void swapped_ones_are_refused(void **state)
{
    static const char *const endings[] = {"", ".txt", ".sig"};
    char second[160], from[200], to[200];
    struct ae_certificate *certificate;
    const struct ae_certificate_trust trust = {.key = public_key};
    struct ae_certificate_demand demand = {.name = "c.json"};
    json_t *json = made_certificate();

    (void)state;
    snprintf(second, sizeof(second), "%s/second.json", directory);
    made_change(json, "cpu", json_integer(4));
    issue(second, json, key);
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        issue(file, made_certificate(), key);
        snprintf(from, sizeof(from), "%s%s", second, endings[i]);
        snprintf(to, sizeof(to), "%s%s", file, endings[i]);
        assert_int_equal(unlink(to), 0);
        assert_int_equal(link(from, to), 0);
        assert_int_equal(verify(public_key), -EBADMSG);
    }
    /* All three: the signature holds, of another file. */
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        snprintf(from, sizeof(from), "%s%s", second, endings[i]);
        snprintf(to, sizeof(to), "%s%s", file, endings[i]);
        unlink(to);
        assert_int_equal(link(from, to), 0);
    }
    assert_int_equal(ae_certificate_verify(&certificate, file, &trust, signer, &error), 0);
    assert_int_equal(ae_certificate_meets(certificate, &demand, &error), -ESTALE);
    assert_non_null(strstr(error.text, "was issued as second.json, and not as c.json"));
    demand.name = "second.json";
    assert_int_equal(ae_certificate_meets(certificate, &demand, &error), 0);
    ae_certificate_free(certificate);
}

static void signed_by_another_it_is_refused(void **state)
{
    (void)state;
    issue(file, made_certificate(), other_key);
    assert_int_equal(verify(public_key), -ENOKEY);
    assert_non_null(strstr(error.text, "not by whom you named"));
    assert_int_equal(verify(other), 0);
}

/* As the first release wrote it, page and all, with line ends in a text; the key is gone. */
static void one_of_the_first_format_verifies(void **state)
{
    const struct ae_certificate_trust trust = {.key = FIRST_FORMAT "/key.pub"};
    struct ae_certificate *certificate;

    (void)state;
    if (ae_certificate_verify(&certificate, FIRST_FORMAT "/certificate.json", &trust, signer,
                              &error))
        fail_msg("%s", error.text);
    assert_int_equal(ae_certificate_verdict(certificate), AE_PROOF_QUIET);
    assert_int_equal(
        ae_certificate_meets(certificate, &(struct ae_certificate_demand){.name = "x"}, &error), 0);
    /* It names no machine and answers no question. */
    assert_int_equal(
        ae_certificate_meets(
            certificate,
            &(struct ae_certificate_demand){.machine = "00112233445566778899aabbccddeeff"}, &error),
        -ESTALE);
    assert_int_equal(
        ae_certificate_meets(certificate, &(struct ae_certificate_demand){.nonce = "x"}, &error),
        -ESTALE);
    ae_certificate_free(certificate);
}

static void programs_are_run(void **state)
{
    const char *const nothing[] = {"aether-no-such-program", NULL};
    const char *const seven[] = {"sh", "-c", "echo abcdefgh; echo more >&2; exit 7", NULL};
    const char *const killed[] = {"sh", "-c", "kill -9 $$", NULL};
    char output[6];

    (void)state;
    assert_int_equal(ae_command_run(nothing, -1, output, sizeof(output), &error), -ENOENT);
    assert_int_equal(ae_command_run(seven, -1, output, sizeof(output), &error), 7);
    assert_string_equal(output, "abcde");
    assert_int_equal(ae_command_run(killed, -1, output, sizeof(output), &error), -EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_signature_holds, begin, end),
        cmocka_unit_test_setup_teardown(nobody_else_is_believed, begin, end),
        cmocka_unit_test_setup_teardown(a_file_of_signers_is_believed, begin, end),
        cmocka_unit_test_setup_teardown(tampering_is_seen, begin, end),
        cmocka_unit_test_setup_teardown(what_lacks_is_said, begin, end),
        cmocka_unit_test_setup_teardown(a_key_that_fails_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_swapped_file_is_not_signed, begin, end),
        cmocka_unit_test_setup_teardown(a_link_is_not_followed, begin, end),
        cmocka_unit_test_setup_teardown(only_files_of_a_limited_size_are_read, begin, end),
        cmocka_unit_test_setup_teardown(every_field_is_signed, begin, end),
        cmocka_unit_test_setup_teardown(truncated_at_any_place_it_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(swapped_ones_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(signed_by_another_it_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(one_of_the_first_format_verifies, begin, end),
        cmocka_unit_test(programs_are_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
