/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "base/trusted.h"
#include "partition/journal.h"
#include "partition/partition.h"

#define VERSION "1"

static void no_step(void)
{
}

void (*ae_journal_step)(void) = no_step;

static int append(struct ae_journal *journal, const char *const *value)
{
    char *line = NULL, *copy[AE_JOURNAL_FIELDS];
    int length, rc = 0;

    for (size_t i = 0; i < AE_JOURNAL_FIELDS; i++)
        if (strpbrk(value[i], "\t\n"))
            return -EINVAL;
    length = asprintf(&line, "%s\t%s\t%s\t%s\t%s\t%s", value[0], value[1], value[2], value[3],
                      value[4], value[5]);
    if (length < 0)
        return -ENOMEM;
    ae_journal_step();
    if (dprintf(journal->fd, "%s\t%08" PRIx32 "\n", line,
                ae_journal_checksum(line, (size_t)length)) < 0)
        rc = -errno;
    ae_journal_step();
    free(line);
    for (size_t i = 0; i < AE_JOURNAL_FIELDS; i++)
        copy[i] = (char *)(uintptr_t)value[i];
    return rc ? rc : ae_journal_take(journal, copy);
}

int ae_journal_intent(struct ae_journal *journal, const char *knob, enum ae_setting_kind kind,
                      const char *target, const char *old_value, const char *new_value)
{
    const char *const value[] = {"intent", knob,      ae_setting_kind_name(kind),
                                 target,   old_value, new_value};

    return append(journal, value);
}

/* A record about an entry that is there already. */
static int amend(struct ae_journal *journal, const char *record,
                 const struct ae_journal_entry *entry, const char *old_value, const char *now)
{
    const char *const value[] = {record,        entry->knob, ae_setting_kind_name(entry->kind),
                                 entry->target, old_value,   now};

    return append(journal, value);
}

int ae_journal_left(struct ae_journal *journal, const struct ae_journal_entry *entry,
                    const char *value)
{
    return amend(journal, "left", entry, "", value);
}

int ae_journal_inherit(struct ae_journal *journal, const struct ae_journal_entry *entry,
                       const char *old_value)
{
    return amend(journal, "inherit", entry, old_value, "");
}

int ae_journal_conflict(struct ae_journal *journal, const struct ae_journal_entry *entry)
{
    return amend(journal, "conflict", entry, "", "");
}

int ae_journal_mark(struct ae_journal *journal, const char *mark)
{
    const char *const value[] = {"mark", mark, "", "", "", ""};
    int rc = append(journal, value);

    return rc ? rc : ae_journal_sync(journal);
}

int ae_journal_sync(struct ae_journal *journal)
{
    int rc = fsync(journal->fd) ? -errno : 0;

    ae_journal_step();
    return rc;
}

static void path_of(const char *name, const char *file, char *path, size_t size)
{
    snprintf(path, size, "%s/%s%s", AE_PARTITION_STATE, name, file);
}

/* The first line is "head", version, boot id, name, quiet CPUs. */
static int check_head(const char *text, const char *name, bool *stale)
{
    char boot[64], line[256];
    int length;

    if (ae_root_read("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) < 0)
        strcpy(boot, "unknown");
    length = snprintf(line, sizeof(line), "head\t%s\t%s\t%s\t", VERSION, boot, name);
    *stale = false;
    if (strncmp(text, line, (size_t)length) == 0)
        return 0;
    *stale = strncmp(text, "head\t" VERSION "\t", sizeof("head\t" VERSION "\t") - 1) == 0;
    return -EBADMSG;
}

/* Reads what is there; *good becomes the length of its whole records. */
static int load(struct ae_journal *journal, const char *name, size_t *good, struct ae_error *err)
{
    char path[128], *text;
    ssize_t length;
    bool stale;
    int rc;

    memset(journal, 0, sizeof(*journal));
    journal->fd = -1;
    snprintf(journal->name, sizeof(journal->name), "%s", name);
    path_of(name, "/journal", path, sizeof(path));
    *good = 0;
    length = ae_trusted_read(path, &text, err);
    if (length < 0)
        return (int)length;
    if (!memchr(text, '\n', (size_t)length)) {
        free(text);
        return -ENOENT; /* not even the head was written: nothing was done */
    }
    rc = check_head(text, name, &stale);
    if (!rc)
        rc = ae_journal_parse(journal, text, (size_t)length, good);
    free(text);
    if (stale)
        return -ENOENT;
    if (rc || !journal->quiet)
        return ae_error_set(err, -EBADMSG,
                            "%s is not a journal of this version; look at it, undo "
                            "by hand what it lists, then remove it",
                            path);
    return 0;
}

int ae_journal_read(struct ae_journal *journal, const char *name, struct ae_error *err)
{
    size_t good;
    int rc = load(journal, name, &good, err);

    if (rc)
        ae_journal_close(journal);
    return rc;
}

static int write_head(struct ae_journal *journal, const char *name, const char *quiet)
{
    char boot[64];
    const char *value[] = {"head", VERSION, boot, name, quiet, ""};
    int rc;

    if (ae_root_read("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) < 0)
        strcpy(boot, "unknown");
    rc = append(journal, value);
    return rc ? rc : ae_journal_sync(journal);
}

int ae_journal_open(struct ae_journal *journal, const char *name, const char *quiet,
                    struct ae_error *err)
{
    char directory[128], path[128];
    size_t good;
    int rc = load(journal, name, &good, err);
    bool fresh = rc == -ENOENT;

    if (rc && !fresh)
        goto failed;
    path_of(name, "", directory, sizeof(directory));
    rc = ae_root_make_directory(directory);
    if (rc) {
        ae_error_set(err, rc, "making %s failed: %s; run as root", directory, strerror(-rc));
        goto failed;
    }
    path_of(name, "/journal", path, sizeof(path));
    journal->fd = ae_root_create(path, O_WRONLY | O_APPEND, 0644);
    rc = journal->fd < 0 ? journal->fd : 0;
    /* A record that was cut off must not become the beginning of the next one. */
    if (!rc && ftruncate(journal->fd, (off_t)(fresh ? 0 : good)))
        rc = -errno;
    if (!rc && fresh)
        rc = write_head(journal, name, quiet);
    /* The directory's entry must last as long as the records. */
    if (!rc)
        rc = ae_root_sync_directory(directory);
    if (!rc)
        return 0;
    ae_error_set(err, rc, "writing %s failed: %s", path, strerror(-rc));
failed:
    ae_journal_close(journal);
    return rc;
}

int ae_journal_remove(struct ae_journal *journal)
{
    char path[128];
    int rc;

    path_of(journal->name, "/journal", path, sizeof(path));
    rc = ae_root_remove(path);
    path_of(journal->name, "", path, sizeof(path));
    return rc ? rc : ae_root_remove(path);
}

int ae_journal_lock(struct ae_error *err)
{
    int fd, rc = ae_root_make_private(AE_PARTITION_LOCKS);

    if (rc)
        return ae_error_set(err, rc,
                            "making %s, which root alone may enter, failed: %s; run as root",
                            AE_PARTITION_LOCKS, strerror(-rc));
    fd = ae_root_create(AE_PARTITION_LOCKS "/apply", O_RDWR, 0600);
    if (fd < 0)
        return ae_error_set(err, fd, "opening %s/apply failed: %s", AE_PARTITION_LOCKS,
                            strerror(-fd));
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        close(fd);
        return ae_error_set(err, -EBUSY, "another apply or revert is at work; wait for its end");
    }
    return fd;
}
