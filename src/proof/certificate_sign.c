/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Signatures are made and checked by ssh-keygen(1), -Y sign and -Y verify: it is on every server, uses
 * the keys, agents and security tokens that people have already, and binds a signature to a purpose
 * (its namespace), so that one made for something else is none here.
 */

#include "proof/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/command.h"
#include "base/error.h"

#define NAMESPACE "aether-certificate"
#define ANYBODY   "signer"

int ae_certificate_sign(const char *file, const char *key, struct ae_error *err)
{
    const char *const argv[] = {"ssh-keygen", "-Y", "sign", "-f", key, "-n", NAMESPACE, file, NULL};
    char output[512], name[4096];
    int rc;

    if ((size_t)snprintf(name, sizeof(name), "%s.sig", file) >= sizeof(name))
        return ae_error_set(err, -ENAMETOOLONG, "signing %.100s...: the name is too long", file);
    /* An old signature would make it ask. */
    if (unlink(name) && errno != ENOENT)
        return ae_error_set(err, -errno, "replacing %s: %s", name, strerror(errno));
    rc = ae_command_run(argv, -1, output, sizeof(output), err);
    if (rc > 0 || (!rc && access(name, F_OK)))
        rc = ae_error_set(err, -EIO, "signing %s with %s: %.300s", file, key, output);
    return rc;
}

/* The one line of an allowed-signers file that names this key: "signer KEYTYPE BASE64". */
static int allow_key(const char *key, char path[64], struct ae_error *err)
{
    char text[16384], type[64], body[16000];
    int file = open(key, O_RDONLY | O_CLOEXEC), fd;
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof(text) - 1);

    if (length < 0) {
        int rc = ae_error_set(err, -errno, "reading the public key %s: %s", key, strerror(errno));

        if (file >= 0)
            close(file);
        return rc;
    }
    close(file);
    text[length] = '\0';
    if (sscanf(text, "%63s %15999s", type, body) != 2 ||
        (strncmp(type, "ssh-", 4) != 0 && strncmp(type, "ecdsa-", 6) != 0 &&
         strncmp(type, "sk-", 3) != 0))
        return ae_error_set(err, -EINVAL, "%s is no public key of ssh-keygen's (a file .pub)", key);
    fd = memfd_create("signers", MFD_CLOEXEC);
    if (fd < 0 || dprintf(fd, "%s %s %s\n", ANYBODY, type, body) < 0)
        return ae_error_set(err, -errno, "handing a key to ssh-keygen: %s", strerror(errno));
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

/* What ssh-keygen says about the signature alone: "Good "..." signature with ED25519 key SHA256:..." */
static int check_signature(int fd, const char *signature, char signer[128], struct ae_error *err)
{
    const char *const argv[] = {"ssh-keygen", "-Y", "check-novalidate", "-n", NAMESPACE, "-s",
                                signature, NULL};
    char output[512];
    const char *key;
    int rc = lseek(fd, 0, SEEK_SET) ? -errno : ae_command_run(argv, fd, output, sizeof(output), err);

    if (rc < 0)
        return rc;
    if (rc)
        return ae_error_set(err, -EBADMSG,
                            "%s is no signature of this file: one of the two was changed "
                            "(ssh-keygen: %.200s)",
                            signature, output);
    key = strstr(output, " with ");
    snprintf(signer, 128, "%.120s", key ? key + strlen(" with ") : output);
    return 0;
}

static int check_signer(int fd, const char *signature, const char *signers, int signers_fd,
                        const char *identity, const char *signer, struct ae_error *err)
{
    const int given[] = {signers_fd, -1};
    const char *const argv[] = {"ssh-keygen", "-Y", "verify", "-f", signers, "-I", identity, "-n",
                                NAMESPACE, "-s", signature, NULL};
    char output[512];
    int rc;

    if (lseek(fd, 0, SEEK_SET))
        return ae_error_set(err, -errno, "reading the certificate again: %s", strerror(errno));
    rc = ae_command_run_given(argv, fd, given, output, sizeof(output), err);
    return rc > 0 ? ae_error_set(err, -ENOKEY,
                                 "the signature is whole, but by %s, and not by whom you named "
                                 "(ssh-keygen: %.200s)",
                                 signer, output)
                  : rc;
}

static int check_trust(int fd, const char *signature, const struct ae_certificate_trust *trust,
                       const char *signer, struct ae_error *err)
{
    char path[64];
    int key, rc;

    if (trust && trust->signers)
        return check_signer(fd, signature, trust->signers, -1,
                            trust->identity ? trust->identity : ANYBODY, signer, err);
    if (!trust || !trust->key)
        return ae_error_set(err, -ENOKEY,
                            "the signature is whole, by %s, but anybody can make one: name the key "
                            "you trust",
                            signer);
    key = allow_key(trust->key, path, err);
    if (key < 0)
        return key;
    rc = check_signer(fd, signature, path, key, ANYBODY, signer, err);
    close(key);
    return rc;
}

/* The page, if there is one, is exactly what the certificate prints. */
static int check_page(const char *file, const struct ae_certificate *certificate,
                      struct ae_error *err)
{
    char *page = NULL, *stored = NULL, name[4096];
    size_t length, got = 0;
    FILE *out, *in;
    bool same;

    snprintf(name, sizeof(name), "%s.txt", file);
    in = fopen(name, "re");
    if (!in)
        return errno == ENOENT ? 0
                               : ae_error_set(err, -errno, "reading %s: %s", name, strerror(errno));
    out = open_memstream(&page, &length);
    if (out) {
        ae_certificate_print(certificate, out);
        fclose(out);
        stored = malloc(length + 2);
    }
    if (stored)
        got = fread(stored, 1, length + 1, in);
    same = stored && got == length && memcmp(stored, page, length) == 0;
    fclose(in);
    free(page);
    free(stored);
    return same ? 0
                : ae_error_set(err, -EBADMSG,
                               "%s is not the page of %s: it was changed, or another version of "
                               "aether wrote it ('aether prove --show %s' prints what it should be)",
                               name, file, file);
}

/* What is checked and what is read must be the same bytes, whatever happens to the file meanwhile. */
static int take_copy(const char *file, struct ae_error *err)
{
    int from = open(file, O_RDONLY | O_CLOEXEC), copy = memfd_create("certificate", MFD_CLOEXEC);
    ssize_t moved = -1;

    if (from >= 0 && copy >= 0)
        do {
            moved = sendfile(copy, from, NULL, 1 << 20);
        } while (moved > 0);
    if (moved < 0) {
        ae_error_set(err, -errno, "reading %s: %s", file, strerror(errno));
        if (copy >= 0)
            close(copy);
        copy = err ? err->code : -EIO;
    }
    if (from >= 0)
        close(from);
    return copy;
}

static int check_all(struct ae_certificate **certificate, int fd, const char *file,
                     const struct ae_certificate_trust *trust, char signer[128],
                     struct ae_error *err)
{
    char signature[4096];
    int rc;

    if ((size_t)snprintf(signature, sizeof(signature), "%s.sig", file) >= sizeof(signature))
        return ae_error_set(err, -ENAMETOOLONG, "%.100s...: the name is too long", file);
    if (access(signature, R_OK))
        return ae_error_set(err, -ENOENT, "there is no %s to be read, so nothing vouches for %s",
                            signature, file);
    rc = check_signature(fd, signature, signer, err);
    if (!rc)
        rc = check_trust(fd, signature, trust, signer, err);
    if (!rc)
        rc = ae_certificate_read_fd(certificate, fd, file, err);
    if (!rc)
        rc = check_page(file, *certificate, err);
    return rc;
}

int ae_certificate_verify(struct ae_certificate **out, const char *file,
                          const struct ae_certificate_trust *trust, char signer[128],
                          struct ae_error *err)
{
    struct ae_certificate *certificate = NULL;
    int fd = take_copy(file, err), rc;

    signer[0] = '\0';
    if (fd < 0)
        return fd;
    rc = check_all(&certificate, fd, file, trust, signer, err);
    close(fd);
    if (rc || !out)
        ae_certificate_free(certificate);
    else
        *out = certificate;
    return rc;
}
