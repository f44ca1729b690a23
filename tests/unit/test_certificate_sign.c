/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/command.h"
#include "made_certificate.h"

static char directory[64], file[128], key[128], public_key[128], other[128];
static char signer[128];
static struct ae_error error;

static void make_key(const char *path)
{
    const char *const argv[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test",
                                "-f", path, NULL};
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

static int begin(void **state)
{
    struct ae_certificate *certificate;
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
    strcat(other, ".pub");
    if (made_parse(&certificate, made_certificate(), &error) ||
        ae_certificate_write(certificate, file, &error) || ae_certificate_sign(file, key, &error))
        fail_msg("%s", error.text);
    ae_certificate_free(certificate);
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
    assert_int_equal(ae_certificate_sign(file, key, &error), 0);
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
    assert_int_equal(verify(public_key), -ENOENT);
    assert_non_null(strstr(error.text, "nothing vouches"));
    assert_int_equal(ae_certificate_sign(file, "/nowhere/key", &error), -EIO);
    assert_non_null(strstr(error.text, "/nowhere/key"));
    assert_int_equal(access(path, F_OK), -1);
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
        cmocka_unit_test(programs_are_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
