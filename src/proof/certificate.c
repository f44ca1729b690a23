/* SPDX-License-Identifier: Apache-2.0 */
#include "proof/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

#define FILE_MAX (16 << 20)

static const char *const verdicts[] = {"quiet", "disturbed", "incomplete"};

const char *ae_certificate_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

/* ---- Making one ---- */

static int choose_partition(struct ae_certificate *certificate, const char *name,
                            struct ae_error *err)
{
    if (!name && ae_partition_applied_on(certificate->cpu, certificate->partition, NULL)) {
        json_object_set_new(certificate->all, "partition", json_null());
        return 0;
    }
    if (name && strlen(name) >= sizeof(certificate->partition))
        return ae_error_set(err, -ENOENT, "there is no partition '%s'", name);
    if (name)
        strcpy(certificate->partition, name);
    return ae_certificate_add_partition(certificate, err);
}

int ae_certificate_begin(struct ae_certificate **out, int cpu, const char *partition,
                         struct ae_error *err)
{
    struct ae_certificate *certificate = calloc(1, sizeof(*certificate));
    int rc;

    if (!certificate || !(certificate->all = json_object())) {
        free(certificate);
        return ae_error_set(err, -ENOMEM, "making a certificate: out of memory");
    }
    certificate->cpu = cpu;
    certificate->watch_fd = -1;
    json_object_set_new(certificate->all, "certificate", json_integer(AE_CERTIFICATE_SCHEMA));
    json_object_set_new(certificate->all, "limits", json_array());
    json_object_set_new(certificate->all, "not_seen", json_array());
    ae_certificate_add_machine(certificate);
    rc = choose_partition(certificate, partition, err);
    if (rc)
        ae_certificate_free(certificate);
    else
        *out = certificate;
    return rc;
}

int ae_certificate_add(struct ae_certificate *certificate, const char *name, const char *json)
{
    static const char *const names[] = {"command", "gaps", "ports", "worker-output"};
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);

    for (size_t i = 0; value && i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return json_object_set_new(certificate->all, name, value) ? -ENOMEM : 0;
    json_decref(value);
    return -EINVAL;
}

static void __attribute__((format(printf, 3, 0)))
append(struct ae_certificate *certificate, const char *list, const char *format, va_list arguments)
{
    char text[512];

    vsnprintf(text, sizeof(text), format, arguments);
    json_array_append_new(json_object_get(certificate->all, list), json_string(text));
}

void ae_certificate_limit(struct ae_certificate *certificate, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    append(certificate, "limits", format, arguments);
    va_end(arguments);
}

void ae_certificate_miss(struct ae_certificate *certificate, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    append(certificate, "not_seen", format, arguments);
    va_end(arguments);
}

static void add_proof(struct ae_certificate *certificate, const struct ae_proof *proof)
{
    static const char *const taken[] = {"cpu", "pid", "seconds", "rows", "causes"};
    char *text = ae_proof_json(proof);
    json_t *all = text ? json_loads(text, 0, NULL) : NULL;

    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        json_object_set(certificate->all, taken[i], json_object_get(all, taken[i]));
    json_array_extend(json_object_get(certificate->all, "not_seen"),
                      json_object_get(all, "not_seen"));
    json_array_extend(json_object_get(certificate->all, "limits"), json_object_get(all, "notes"));
    json_decref(all);
    free(text);
}

/* "interrupts 12", or that nobody could look: a sum of no rows is no number. */
static void add_sum(char *text, size_t size, const json_t *all, const char *title,
                    const char *prefix)
{
    size_t used = strlen(text), seen = 0, i;
    uint64_t sum = 0;
    json_t *row;

    json_array_foreach(json_object_get(all, "rows"), i, row) {
        if (strncmp(ae_certificate_text(row, "row"), prefix, strlen(prefix)) != 0)
            continue;
        seen++;
        sum += (uint64_t)json_integer_value(json_object_get(row, "count"));
    }
    if (seen)
        snprintf(text + used, size - used, "%s %" PRIu64, title, sum);
    else
        snprintf(text + used, size - used, "%s not seen", title);
}

/* The one sentence that people quote, so it must not say more than was seen. */
static void add_statement(struct ae_certificate *certificate, enum ae_proof_verdict verdict)
{
    const json_t *all = certificate->all;
    double seconds = json_number_value(json_object_get(all, "seconds"));
    char text[512];

    if (verdict == AE_PROOF_QUIET) {
        snprintf(text, sizeof(text),
                 "For %.3f s CPU %d had zero interrupts, zero softirqs, zero context switches and "
                 "zero faults; %zu counters stood still.",
                 seconds, certificate->cpu, json_array_size(json_object_get(all, "rows")));
    } else if (verdict == AE_PROOF_DISTURBED) {
        snprintf(text, sizeof(text), "In %.3f s CPU %d was disturbed: ", seconds, certificate->cpu);
        add_sum(text, sizeof(text), all, "interrupts", "irq:");
        add_sum(text, sizeof(text), all, ", softirqs", "softirq:");
        add_sum(text, sizeof(text), all, ", tasks put on the CPU", "sched:");
        add_sum(text, sizeof(text), all, ", switches, faults and migrations of the worker", "task:");
    } else {
        snprintf(text, sizeof(text),
                 "This does not say that CPU %d was quiet: nothing was seen that disturbed it in "
                 "%.3f s, but not everything could be seen.",
                 certificate->cpu, seconds);
    }
    json_object_set_new(certificate->all, "statement", json_string(text));
}

static void add_time(struct ae_certificate *certificate)
{
    double seconds = json_number_value(json_object_get(certificate->all, "seconds"));
    time_t now = time(NULL);
    char text[32] = "";
    struct tm utc;

    if (gmtime_r(&now, &utc))
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    json_object_set_new(certificate->all, "issued", json_string(text));
    json_object_set_new(certificate->all, "long_enough",
                        json_boolean(seconds >= AE_CERTIFICATE_SECONDS));
}

enum ae_proof_verdict ae_certificate_finish(struct ae_certificate *certificate,
                                            const struct ae_proof *proof)
{
    enum ae_proof_verdict verdict;

    add_proof(certificate, proof);
    ae_certificate_watched(certificate, ae_proof_end_ticks(proof));
    if (!certificate->partition[0])
        ae_certificate_limit(certificate,
                             "no applied partition has CPU %d, so there is no evidence per knob",
                             certificate->cpu);
    if (!json_object_get(certificate->all, "gaps"))
        ae_certificate_add(certificate, "gaps", "{\"measured\": false, \"why\": \"not asked for\"}");
    ae_certificate_add_reasons(certificate);
    verdict = ae_certificate_judge(certificate->all);
    json_object_set_new(certificate->all, "verdict", json_string(verdicts[verdict]));
    add_statement(certificate, verdict);
    add_time(certificate);
    return verdict;
}

/* ---- Judging ---- */

enum ae_proof_verdict ae_certificate_judge(const json_t *all)
{
    json_t *row;
    size_t i;

    json_array_foreach(json_object_get(all, "rows"), i, row)
        if (json_integer_value(json_object_get(row, "count")) != 0)
            return AE_PROOF_DISTURBED;
    if (json_array_size(json_object_get(all, "causes")))
        return AE_PROOF_DISTURBED;
    return json_array_size(json_object_get(all, "not_seen")) ? AE_PROOF_INCOMPLETE : AE_PROOF_QUIET;
}

enum ae_proof_verdict ae_certificate_verdict(const struct ae_certificate *certificate)
{
    const char *verdict = ae_certificate_text(certificate->all, "verdict");

    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
        if (strcmp(verdict, verdicts[i]) == 0)
            return (enum ae_proof_verdict)i;
    return AE_PROOF_INCOMPLETE;
}

/* ---- Files ---- */

char *ae_certificate_json(const struct ae_certificate *certificate)
{
    return json_dumps(certificate->all, JSON_INDENT(2));
}

/* A file of the user's, not of the machine: never below the root that tests make up. */
static int put_file(const char *file, const char *text, struct ae_error *err)
{
    size_t length = strlen(text), done = 0;
    char temporary[4096];
    int fd, rc = 0;

    if ((size_t)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", file) >= sizeof(temporary))
        return ae_error_set(err, -ENAMETOOLONG, "writing %.100s...: the name is too long", file);
    fd = mkstemp(temporary);
    if (fd < 0)
        return ae_error_set(err, -errno, "writing %s: %s", file, strerror(errno));
    while (!rc && done < length) {
        ssize_t wrote = write(fd, text + done, length - done);

        if (wrote < 0 && errno != EINTR)
            rc = -errno;
        else if (wrote > 0)
            done += (size_t)wrote;
    }
    if (!rc && (fchmod(fd, 0644) || fsync(fd) || rename(temporary, file)))
        rc = -errno;
    close(fd);
    if (rc)
        unlink(temporary);
    return rc ? ae_error_set(err, rc, "writing %s: %s", file, strerror(-rc)) : 0;
}

static char *page_of(const struct ae_certificate *certificate)
{
    char *page = NULL;
    size_t size;
    FILE *out = open_memstream(&page, &size);

    if (!out)
        return NULL;
    ae_certificate_print(certificate, out);
    fclose(out);
    return page;
}

int ae_certificate_write(const struct ae_certificate *certificate, const char *file,
                         struct ae_error *err)
{
    char *json = ae_certificate_json(certificate), *page = page_of(certificate), *name;
    int rc = -ENOMEM;

    if (json && page && asprintf(&name, "%s.txt", file) >= 0) {
        rc = put_file(file, json, err);
        if (!rc)
            rc = put_file(name, page, err);
        free(name);
    } else {
        ae_error_set(err, rc, "writing %s: out of memory", file);
    }
    free(json);
    free(page);
    return rc;
}

int ae_certificate_parse(struct ae_certificate **out, const char *text, size_t length,
                         struct ae_error *err)
{
    struct ae_certificate *certificate;
    json_error_t where;
    json_t *all = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    int rc;

    if (!all)
        return ae_error_set(err, -EBADMSG, "no certificate: line %d: %s", where.line, where.text);
    rc = ae_certificate_check(all, err);
    certificate = rc ? NULL : calloc(1, sizeof(*certificate));
    if (!certificate) {
        json_decref(all);
        return rc ? rc : ae_error_set(err, -ENOMEM, "reading a certificate: out of memory");
    }
    certificate->all = all;
    certificate->watch_fd = -1;
    certificate->cpu = (int)json_integer_value(json_object_get(all, "cpu"));
    *out = certificate;
    return 0;
}

/* The whole file in a new buffer. */
static int read_whole(int fd, const char *file, char **text, size_t *length, struct ae_error *err)
{
    struct stat status;
    size_t done = 0;

    if (fstat(fd, &status))
        return ae_error_set(err, -errno, "reading %s: %s", file, strerror(errno));
    if (!S_ISREG(status.st_mode) || status.st_size > FILE_MAX)
        return ae_error_set(err, -EBADMSG, "%s: no certificate: not a file of at most %d bytes",
                            file, FILE_MAX);
    *text = malloc((size_t)status.st_size + 1);
    if (!*text)
        return ae_error_set(err, -ENOMEM, "reading %s: out of memory", file);
    while (done < (size_t)status.st_size) {
        ssize_t got = pread(fd, *text + done, (size_t)status.st_size - done, (off_t)done);

        if (got <= 0) {
            free(*text);
            return ae_error_set(err, -EIO, "reading %s: it got shorter meanwhile", file);
        }
        done += (size_t)got;
    }
    *length = done;
    return 0;
}

int ae_certificate_read_fd(struct ae_certificate **out, int fd, const char *file,
                           struct ae_error *err)
{
    size_t length = 0;
    char *text = NULL;
    int rc = read_whole(fd, file, &text, &length, err);

    if (rc)
        return rc;
    rc = ae_certificate_parse(out, text, length, err);
    if (rc)
        ae_error_prefix(err, rc, "%s", file);
    free(text);
    return rc;
}

int ae_certificate_read(struct ae_certificate **out, const char *file, struct ae_error *err)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC), rc;

    if (fd < 0)
        return ae_error_set(err, -errno, "reading %s: %s", file, strerror(errno));
    rc = ae_certificate_read_fd(out, fd, file, err);
    close(fd);
    return rc;
}
