/* SPDX-License-Identifier: Apache-2.0 */
#include "capture_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

#define BUFFER (1u << 18)
#define NS     UINT64_C(1000000000)

static bool is_ring(const struct cli_capture_files *files)
{
    return files->limits.bytes || files->limits.ns;
}

/* Freed by the caller; NULL: out of memory. */
static char *name_of(const struct cli_capture_files *files, uint64_t ns)
{
    const char *slash = strrchr(files->path, '/'), *dot = strrchr(files->path, '.');
    size_t stem = strlen(files->path);
    time_t seconds = (time_t)(ns / NS);
    char when[32], *name;
    struct tm parts;

    if (!is_ring(files))
        return strdup(files->path);
    if (dot && dot > (slash ? slash + 1 : files->path))
        stem = (size_t)(dot - files->path);
    strftime(when, sizeof(when), "%Y%m%d%H%M%S", localtime_r(&seconds, &parts));
    return asprintf(&name, "%.*s_%05u_%s%s", (int)stem, files->path, files->number + 1, when,
                    files->path + stem) < 0
               ? NULL
               : name;
}

/* In the place of the oldest that is kept, which goes. */
static void remember(struct cli_capture_files *files, char *name)
{
    char **place = &files->names[files->number % (files->limits.files ? files->limits.files : 1)];

    if (*place && files->limits.files)
        unlink(*place);
    free(*place);
    *place = name;
}

static int open_next(struct cli_capture_files *files, uint64_t ns, struct ae_error *err)
{
    char *name = name_of(files, ns);
    int fd;

    if (!name)
        return ae_error_set(err, -ENOMEM, "out of memory");
    /* What is in it is other people's, as in dumpcap's. */
    fd = strcmp(files->path, "-") == 0
             ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
             : open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0) {
        int rc = ae_error_set(err, -errno, "%s: %s", name, strerror(errno));

        free(name);
        return rc;
    }
    remember(files, name);
    files->number++;
    files->out = fdopen(fd, "w");
    if (!files->out) {
        close(fd);
        return ae_error_set(err, -ENOMEM, "out of memory");
    }
    setvbuf(files->out, NULL, _IOFBF, BUFFER);
    files->written = cli_pcapng_section(files->out, files->application);
    for (unsigned i = 0; i < files->interface_count; i++) {
        files->written += cli_pcapng_interface(files->out, &files->interfaces[i]);
        files->statistics[i] = (struct cli_pcapng_statistics){.interface = i, .begin_ns = ns};
    }
    return 0;
}

static int check(struct cli_capture_files *files, int failed, struct ae_error *err)
{
    return failed || ferror(files->out) ? ae_error_set(err, errno ? -errno : -EIO, "writing %s: %s",
                                                       files->path, strerror(errno ? errno : EIO))
                                        : 0;
}

int cli_capture_files_open(struct cli_capture_files *files, uint64_t ns, struct ae_error *err)
{
    files->names = calloc(files->limits.files ? files->limits.files : 1, sizeof(*files->names));
    return files->names ? open_next(files, ns, err) : ae_error_set(err, -ENOMEM, "out of memory");
}

static int close_one(struct cli_capture_files *files, uint64_t ns, struct ae_error *err)
{
    FILE *out = files->out;
    int rc;

    if (!out)
        return 0;
    for (unsigned i = 0; i < files->interface_count; i++) {
        files->statistics[i].end_ns = ns;
        cli_pcapng_statistics(out, &files->statistics[i]);
    }
    errno = 0;
    rc = check(files, fflush(out), err);
    files->out = NULL;
    if (fclose(out) && !rc)
        rc = ae_error_set(err, -errno, "writing %s: %s", files->path, strerror(errno));
    return rc;
}

static int go_on(struct cli_capture_files *files, uint64_t ns, struct ae_error *err)
{
    const struct cli_capture_limits *limits = &files->limits;
    uint64_t begin = files->statistics[0].begin_ns;
    int rc;

    if (!(limits->bytes && files->written >= limits->bytes) &&
        !(limits->ns && ns >= begin && ns - begin >= limits->ns))
        return 0;
    rc = close_one(files, ns, err);
    return rc ? rc : open_next(files, ns, err);
}

int cli_capture_files_frame(struct cli_capture_files *files, const struct cli_pcapng_frame *frame,
                            struct ae_error *err)
{
    int rc = go_on(files, frame->ns, err);

    if (rc)
        return rc;
    errno = 0;
    files->written += cli_pcapng_frame(files->out, frame);
    return check(files, 0, err);
}

int cli_capture_files_flush(struct cli_capture_files *files, uint64_t ns, struct ae_error *err)
{
    errno = 0;

    int rc = check(files, fflush(files->out), err);

    return rc ? rc : go_on(files, ns, err);
}

int cli_capture_files_close(struct cli_capture_files *files, uint64_t ns, struct ae_error *err)
{
    int rc = close_one(files, ns, err);

    for (unsigned i = 0; files->names && i < (files->limits.files ? files->limits.files : 1); i++)
        free(files->names[i]);
    free(files->names);
    files->names = NULL;
    return rc;
}
