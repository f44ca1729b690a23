/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Signatures are made and checked by ssh-keygen(1), -Y sign and -Y verify: it is on every server,
 * uses the keys, agents and security tokens that people have already, and binds a signature to a
 * purpose (its namespace), so that one made for something else is none here.
 *
 * It is never given the name of a file that somebody else could exchange: what is signed, and all
 * that is checked, is in sealed memory, which nobody can write to any more.
 */

#include "proof/certificate/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/command.h"
#include "base/error.h"
#include "base/text.h"

#define NAMESPACE "aether-certificate"
#define ANYBODY   "signer"
#define BEGIN     "-----BEGIN SSH SIGNATURE-----"
#define END       "-----END SSH SIGNATURE-----"

#define SIGNATURE_MOST (64 << 10)
#define KEY_MOST       (16 << 10)
#define SIGNERS_MOST   (1 << 20)

/* ---- Sealed memory ---- */

struct sealed {
    int fd;
    char path[32]; /* what a program that is given the descriptor may open */
};

static int seal(struct sealed *sealed, const char *data, size_t length, struct ae_error *err)
{
    size_t done = 0;
    ssize_t wrote = 0;

    sealed->fd = memfd_create("certificate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    while (sealed->fd >= 0 && done < length &&
           (wrote = pwrite(sealed->fd, data + done, length - done, (off_t)done)) > 0)
        done += (size_t)wrote;
    if (sealed->fd < 0 || done < length ||
        fcntl(sealed->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)) {
        int rc = ae_error_set(err, -errno, "sealing %zu bytes for ssh-keygen: %s", length,
                              strerror(errno));

        if (sealed->fd >= 0)
            close(sealed->fd);
        sealed->fd = -1;
        return rc;
    }
    snprintf(sealed->path, sizeof(sealed->path), "/proc/self/fd/%d", sealed->fd);
    return 0;
}

/* ssh-keygen on this text, with what its arguments name. Its exit status or a negative errno. */
static int run(const char *const argv[], const struct sealed *text, const struct sealed *first,
               const struct sealed *second, char *output, size_t size, struct ae_error *err)
{
    const int given[] = {first ? first->fd : -1, second ? second->fd : -1, -1};

    if (lseek(text->fd, 0, SEEK_SET))
        return ae_error_set(err, -errno, "handing a text to ssh-keygen: %s", strerror(errno));
    return ae_command_run_given(argv, text->fd, given, output, size, err);
}

/* ---- Checking ---- */

/* What ssh-keygen says about the signature alone: "Good "..." signature with ED25519 key
 * SHA256:..." */
static int check_signature(const struct sealed *text, const struct sealed *signature,
                           char signer[128], struct ae_error *err)
{
    const char *const argv[] = {"ssh-keygen", "-Y", "check-novalidate", "-n",
                                NAMESPACE,    "-s", signature->path,    NULL};
    char output[512];
    const char *key;
    int rc = run(argv, text, signature, NULL, output, sizeof(output), err);

    if (rc < 0)
        return rc;
    if (rc)
        return ae_error_set(err, -EBADMSG,
                            "this is no signature of this text: one of the two was changed "
                            "(ssh-keygen: %.200s)",
                            output);
    key = strstr(output, " with ");
    ae_text_shown(signer, 128, key ? key + strlen(" with ") : output);
    return 0;
}

static int check_signer(const struct sealed *text, const struct sealed *signature,
                        const struct sealed *signers, const char *identity, const char *signer,
                        struct ae_error *err)
{
    const char *const argv[] = {"ssh-keygen", "-Y", "verify",  "-f", signers->path,   "-I",
                                identity,     "-n", NAMESPACE, "-s", signature->path, NULL};
    char output[512];
    int rc = run(argv, text, signature, signers, output, sizeof(output), err);

    return rc > 0 ? ae_error_set(err, -ENOKEY,
                                 "the signature is whole, but by %s, and not by whom you named "
                                 "(ssh-keygen: %.200s)",
                                 signer, output)
                  : rc;
}

/* The one line of an allowed-signers file that names this key: "signer KEYTYPE BASE64". */
static int allow_key(const char *key, struct ae_certificate_bytes *line, struct ae_error *err)
{
    struct ae_certificate_bytes file;
    char type[64];
    char *body = malloc(KEY_MOST + 1), *text = NULL;
    int rc = body ? ae_certificate_take(&file, key, KEY_MOST, err)
                  : ae_error_set(err, -ENOMEM, "reading the public key %s: out of memory", key);

    if (rc) {
        free(body);
        return ae_error_prefix(err, rc, "the public key");
    }
    if (sscanf(file.data, "%63s %16384s", type, body) != 2 ||
        (strncmp(type, "ssh-", 4) != 0 && strncmp(type, "ecdsa-", 6) != 0 &&
         strncmp(type, "sk-", 3) != 0))
        rc = ae_error_set(err, -EINVAL, "%s is no public key of ssh-keygen's (a file .pub)", key);
    else if (asprintf(&text, "%s %s %s\n", ANYBODY, type, body) < 0)
        rc = ae_error_set(err, -ENOMEM, "reading the public key %s: out of memory", key);
    free(file.data);
    free(body);
    if (!rc)
        *line = (struct ae_certificate_bytes){text, strlen(text)};
    return rc;
}

static int check_trust(const struct sealed *text, const struct sealed *signature,
                       const struct ae_certificate_trust *trust, const char *signer,
                       struct ae_error *err)
{
    const char *identity = trust && trust->signers && trust->identity ? trust->identity : ANYBODY;
    struct ae_certificate_bytes lines = {0};
    struct sealed signers;
    int rc;

    if (!trust || (!trust->signers && !trust->key))
        return ae_error_set(err, -ENOKEY,
                            "the signature is whole, by %s, but anybody can make one: name the key "
                            "you trust",
                            signer);
    rc = trust->signers ? ae_certificate_take(&lines, trust->signers, SIGNERS_MOST, err)
                        : allow_key(trust->key, &lines, err);
    if (!rc)
        rc = seal(&signers, lines.data, lines.length, err);
    if (!rc) {
        rc = check_signer(text, signature, &signers, identity, signer, err);
        close(signers.fd);
    }
    free(lines.data);
    return rc;
}

/* Not `trusted`: is it a signature of this text at all, whoever made it? */
static int check_bytes(const struct ae_certificate_bytes *text,
                       const struct ae_certificate_bytes *signature,
                       const struct ae_certificate_trust *trust, bool trusted, char signer[128],
                       struct ae_error *err)
{
    struct sealed what, by;
    int rc = seal(&what, text->data, text->length, err);

    if (rc)
        return rc;
    rc = seal(&by, signature->data, signature->length, err);
    if (!rc) {
        rc = check_signature(&what, &by, signer, err);
        if (!rc && trusted)
            rc = check_trust(&what, &by, trust, signer, err);
        close(by.fd);
    }
    close(what.fd);
    return rc;
}

/* ---- Signing ---- */

/* Out of what ssh-keygen printed, which begins with what it is about to do. */
static int cut_signature(const char *output, struct ae_certificate_bytes *signature)
{
    const char *begin = strstr(output, BEGIN), *end = begin ? strstr(begin, END) : NULL;

    if (!end)
        return -EIO;
    if (asprintf(&signature->data, "%.*s\n", (int)(end - begin + (ptrdiff_t)strlen(END)), begin) <
        0)
        return -ENOMEM;
    signature->length = strlen(signature->data);
    return 0;
}

static int sign_sealed(const struct sealed *text, const char *key,
                       struct ae_certificate_bytes *signature, struct ae_error *err)
{
    /* The key may ask for its passphrase, or be an agent's; under sudo both are another user's. */
    static const char *const pass[] = {"SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE",
                                       "DISPLAY", NULL};
    const char *const argv[] = {"ssh-keygen", "-Y", "sign", "-f", key, "-n", NAMESPACE, NULL};
    const struct ae_child_world world = {.argv = argv,
                                         .input = text->fd,
                                         .pass = pass,
                                         .capabilities = 1ull << CAP_DAC_OVERRIDE,
                                         .terminal = true};
    char *output = malloc(SIGNATURE_MOST);
    int rc = output ? ae_command_run_in(&world, output, SIGNATURE_MOST, err)
                    : ae_error_set(err, -ENOMEM, "signing: out of memory");

    if (rc > 0 || (!rc && cut_signature(output, signature)))
        rc = ae_error_set(err, -EIO, "signing with %s: ssh-keygen: %.300s", key, output);
    free(output);
    return rc;
}

int ae_certificate_sign_bytes(const struct ae_certificate_bytes *text, const char *key,
                              struct ae_certificate_bytes *signature, struct ae_error *err)
{
    struct sealed sealed;
    char signer[128];
    int rc = seal(&sealed, text->data, text->length, err);

    *signature = (struct ae_certificate_bytes){0};
    if (rc)
        return rc;
    rc = sign_sealed(&sealed, key, signature, err);
    close(sealed.fd);
    if (!rc)
        rc = check_bytes(text, signature, NULL, false, signer, err);
    return rc;
}

/* ---- Verifying ---- */

/* The first format's pages had the line ends and tabs that stand in texts. */
static bool same_page(const char *stored, const char *page, bool first_format)
{
    for (; *stored && *page; stored++, page++)
        if (*stored != *page && !(first_format && *page == ' ' && strchr("\n\t", *stored)))
            return false;
    return *stored == *page;
}

/* The page, if there is one, is exactly what the certificate prints. */
static int check_page(const char *file, const struct ae_certificate *certificate,
                      struct ae_error *err)
{
    bool first = json_integer_value(json_object_get(certificate->all, "certificate")) == 1;
    struct ae_certificate_bytes stored;
    int rc = ae_certificate_take_beside(&stored, file, ".txt", AE_CERTIFICATE_MOST, err);
    char *page;

    if (rc)
        return rc == -ENOENT ? 0 : rc;
    page = ae_certificate_page(certificate);
    if (!page)
        rc = ae_error_set(err, -ENOMEM, "%s.txt: out of memory", file);
    else if (strlen(stored.data) != stored.length || !same_page(stored.data, page, first))
        rc = ae_error_set(
            err, -EBADMSG,
            "%s.txt is not the page of %s: it was changed, or another version of aether "
            "wrote it ('aether prove --show %s' prints what it should be)",
            file, file, file);
    free(stored.data);
    free(page);
    return rc;
}

static int take_signature(struct ae_certificate_bytes *signature, const char *file,
                          struct ae_error *err)
{
    int rc = ae_certificate_take_beside(signature, file, ".sig", SIGNATURE_MOST, err);

    return rc == -ENOENT ? ae_error_set(err, -ENODATA,
                                        "there is no %s.sig, so nothing vouches for %s", file, file)
                         : rc;
}

int ae_certificate_verify(struct ae_certificate **out, const char *file,
                          const struct ae_certificate_trust *trust, char signer[128],
                          struct ae_error *err)
{
    struct ae_certificate *certificate = NULL;
    struct ae_certificate_bytes text, signature = {0};
    int rc = ae_certificate_take(&text, file, AE_CERTIFICATE_MOST, err);

    signer[0] = '\0';
    if (rc)
        return rc;
    rc = take_signature(&signature, file, err);
    if (!rc)
        rc = check_bytes(&text, &signature, trust, true, signer, err);
    if (!rc)
        rc = ae_certificate_parse(&certificate, text.data, text.length, err);
    if (!rc)
        rc = check_page(file, certificate, err);
    free(text.data);
    free(signature.data);
    if (rc || !out)
        ae_certificate_free(certificate);
    else
        *out = certificate;
    return rc;
}
