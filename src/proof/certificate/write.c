/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A certificate to its files. They lie where the user says, perhaps in a directory of somebody who
 * would rather have another text there: what is published is what is in memory.
 */

#include "proof/certificate/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"

/* What stands behind the last slash, as a certificate holds it: freed by the caller. */
static char *name_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    json_t *string = ae_certificate_string(slash ? slash + 1 : file);
    char *name = string ? strdup(json_string_value(string)) : NULL;

    json_decref(string);
    return name;
}

/* Where the files go: the directory is looked up once for all of them. */
struct place {
    const char *file, *name;
    int directory;
};

static int open_place(struct place *place, const char *file, struct ae_error *err)
{
    const char *slash = strrchr(file, '/');
    char *directory = slash ? strndup(file, (size_t)(slash - file) + 1) : strdup(".");

    place->file = file;
    place->name = slash ? slash + 1 : file;
    place->directory = directory ? open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    free(directory);
    if (place->directory < 0)
        return ae_error_set(err, -errno, "writing %s: its directory: %s", file, strerror(errno));
    if (strlen(place->name) == 0 || strlen(place->name) > 200) {
        close(place->directory);
        return ae_error_set(err, -EINVAL, "writing %s: a file's name of 1 to 200 bytes is needed",
                            file);
    }
    return 0;
}

/* A device or a pipe, through links, too: its name is not ours to give to a file. */
static int check_replaceable(const struct place *place, struct ae_error *err)
{
    struct stat status;

    if (fstatat(place->directory, place->name, &status, 0) || S_ISREG(status.st_mode))
        return 0;
    return ae_error_set(err, -EINVAL, "writing %s: it is no regular file, and a certificate is one",
                        place->file);
}

static int write_whole(int fd, const char *text, size_t length)
{
    int rc = ae_descriptor_write(fd, text, length);

    return rc ? rc : fchmod(fd, 0644) || fsync(fd) ? -errno : 0;
}

/* A file of the user's, not of the machine: never below the root that tests make up. */
static int put_file(const struct place *place, const char *ending,
                    const struct ae_certificate_bytes *text, struct ae_error *err)
{
    char name[256], temporary[300];
    uint64_t random = 0;
    int fd, rc;

    if (getrandom(&random, sizeof(random), 0) < 0)
        return ae_error_set(err, -errno, "writing %s%s: %s", place->file, ending, strerror(errno));
    snprintf(name, sizeof(name), "%s%s", place->name, ending);
    snprintf(temporary, sizeof(temporary), "%s.%016llx", name, (unsigned long long)random);
    fd = openat(place->directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                0600);
    if (fd < 0)
        return ae_error_set(err, -errno, "writing %s%s: %s", place->file, ending, strerror(errno));
    rc = write_whole(fd, text->data, text->length);
    if (!rc && renameat(place->directory, temporary, place->directory, name))
        rc = -errno;
    close(fd);
    if (rc)
        unlinkat(place->directory, temporary, 0);
    return rc ? ae_error_set(err, rc, "writing %s%s: %s", place->file, ending, strerror(-rc)) : 0;
}

/* An old signature is of another text. */
static int remove_signature(const struct place *place, struct ae_error *err)
{
    char name[256];

    snprintf(name, sizeof(name), "%s.sig", place->name);
    if (unlinkat(place->directory, name, 0) && errno != ENOENT)
        return ae_error_set(err, -errno, "replacing %s.sig: %s", place->file, strerror(errno));
    return 0;
}

struct files {
    struct ae_certificate_bytes text, page, signature;
};

/* What nobody could read again is no evidence: the reader sees it before a key does. */
static int make_files(const struct ae_certificate *certificate, const char *key,
                      struct files *files, struct ae_error *err)
{
    struct ae_certificate *again;
    int rc;

    files->text.data = ae_certificate_json(certificate);
    if (!files->text.data)
        return ae_error_set(err, -ENOMEM, "a certificate's text: out of memory");
    files->text.length = strlen(files->text.data);
    rc = ae_certificate_parse(&again, files->text.data, files->text.length, err);
    if (rc)
        return ae_error_prefix(err, rc, "this certificate could not be read again");
    files->page.data = ae_certificate_page(again);
    ae_certificate_free(again);
    if (!files->page.data)
        return ae_error_set(err, -ENOMEM, "a certificate's page: out of memory");
    files->page.length = strlen(files->page.data);
    return key ? ae_certificate_sign_bytes(&files->text, key, &files->signature, err) : 0;
}

static int put_files(const struct place *place, const struct files *files, struct ae_error *err)
{
    int rc = check_replaceable(place, err);

    if (!rc)
        rc = remove_signature(place, err);
    if (!rc)
        rc = put_file(place, "", &files->text, err);
    if (!rc)
        rc = put_file(place, ".txt", &files->page, err);
    if (!rc && files->signature.data)
        rc = put_file(place, ".sig", &files->signature, err);
    return rc;
}

int ae_certificate_write(struct ae_certificate *certificate, const char *file, const char *key,
                         struct ae_error *err)
{
    char *name = name_of(file);
    struct files files;
    struct place place;
    int rc = name ? open_place(&place, file, err)
                  : ae_error_set(err, -ENOMEM, "writing %s: out of memory", file);

    memset(&files, 0, sizeof(files));
    if (!rc) {
        json_object_set_new(certificate->all, "name", json_string(name));
        rc = make_files(certificate, key, &files, err);
        if (rc)
            ae_error_prefix(err, rc, "writing %s", file);
        else
            rc = put_files(&place, &files, err);
        close(place.directory);
    }
    free(files.text.data);
    free(files.page.data);
    free(files.signature.data);
    free(name);
    return rc;
}
