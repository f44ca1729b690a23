/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_ROOT_H
#define AE_BASE_ROOT_H

/*
 * The one way to /proc, /sys, /dev, /etc and /run. Every path given here is absolute and is looked
 * up below a root directory, "/" unless set, so that tests run on made-up machines.
 *
 * The root is set once, before other threads exist. Functions return 0 or a negative errno; callers
 * describe the failure, for only they know what the file was wanted for.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Sets the root directory; NULL or "/" means the real machine. -ENAMETOOLONG if it is too long. */
int ae_root_set(const char *directory);

/* True when the root is the real machine's. */
bool ae_root_is_real(void);

/* Writes the full path of a path below the root. -ENAMETOOLONG if it does not fit. */
int ae_root_path(char *full, size_t size, const char *path);

/* open(2) below the root of what is there, close-on-exec always set. A descriptor or a negative
 * errno. */
int ae_root_open(const char *path, int flags);

/* The same, and makes the file, of this mode, if it is not there. A link is not followed
 * (-ELOOP). */
int ae_root_create(const char *path, int flags, mode_t mode);

bool ae_root_exists(const char *path);

/*
 * Reads a whole small file into text, NUL-terminated, trailing white space removed. Returns its
 * length, or a negative errno (-EFBIG when it does not fit).
 */
ssize_t ae_root_read(const char *path, char *text, size_t size);

/* Reads a whole file of any size into a new NUL-terminated buffer, which the caller frees. */
ssize_t ae_root_read_all(const char *path, char **text);

/* Reads one number, decimal or 0x hexadecimal. -EINVAL when the file holds anything else. */
int ae_root_read_u64(const char *path, uint64_t *value);

/* Writes text to an existing file in one write(2); a short write is -EIO. */
int ae_root_write(const char *path, const char *text);

/* The same, to a file that is open. */
int ae_root_write_to(int fd, const char *text);

/* What was made, renamed or removed in a directory lasts once the directory is on the disk. */
int ae_root_sync_directory(const char *path);

/*
 * Gives a file, somebody else's perhaps, a new text whole (temporary file, fsync, rename). All that
 * is not text stays: mode, owner, access control list, label, other attributes; through a symbolic
 * link it is the file behind it that is replaced, found below the root. A new file has mode 0644.
 * Refused: what has other names by hard links (-EMLINK), a link to nothing (-ELOOP), what is no
 * regular file.
 */
int ae_root_replace(const char *path, const char *text);

/* Creates or replaces a file of Aether's own whole, with this mode; a link is replaced itself. */
int ae_root_save(const char *path, const char *text, mode_t mode);

/* Creates a directory and its parents, mode 0755. An existing one is no error. */
int ae_root_make_directory(const char *path);

/*
 * The same, but nobody else reaches into the directory itself: mode 0700, also of an existing one.
 * -EPERM: it is another user's; -ENOTDIR, -ELOOP: it is none.
 */
int ae_root_make_private(const char *path);

/* Creates a directory that must not be there yet, not even as a link: -EEXIST. Its parent must
 * be. */
int ae_root_create_directory(const char *path);

/* Removes a file or an empty directory. A missing one is no error. */
int ae_root_remove(const char *path);

/* The last component of what a symbolic link points to: a driver's or a group's name. */
int ae_root_link_name(const char *path, char *name, size_t size);

/*
 * Calls each(name, context) for every entry of a directory but "." and "..", in strcmp order. Stops
 * at, and returns, the first non-zero result.
 */
int ae_root_list(const char *path, int (*each)(const char *name, void *context), void *context);

/*
 * Calls each(path, context) for every existing path that matches a pattern, whose components may
 * hold the wildcards of fnmatch(3); in strcmp order ("10" before "2"). Stops at, and returns, the
 * first non-zero result. A pattern that matches nothing is no error.
 */
int ae_root_glob(const char *pattern, int (*each)(const char *path, void *context), void *context);

#endif
