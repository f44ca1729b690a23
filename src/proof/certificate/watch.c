/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is gathered while the worker runs: who it is, and the evidence of the knobs over the very
 * time that is proved. A process of its own does it, for the supervisor has devices to tend. It
 * holds nothing of the supervisor's, and ends with it.
 */

#include "proof/certificate/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/child.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/root.h"

#define PATIENCE_MS 30000

/* A worker may write as many arguments over its own as it has memory. */
#define ARGUMENTS_MOST 65536 /* bytes */

static json_t *arguments_of(pid_t pid)
{
    json_t *list = json_array();
    char path[64], *text = calloc(1, ARGUMENTS_MOST + 1);
    ssize_t length = -1;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    fd = text ? ae_root_open(path, O_RDONLY) : -1;
    if (fd >= 0) {
        length = read(fd, text, ARGUMENTS_MOST);
        close(fd);
    }
    for (ssize_t at = 0; at < length; at += (ssize_t)strlen(text + at) + 1)
        json_array_append_new(list, ae_certificate_string(text + at));
    if (length == ARGUMENTS_MOST)
        json_array_append_new(list, json_string("..."));
    free(text);
    return list;
}

/* The number behind "\nKEY:" in /proc/PID/status; -1: not told. */
static long status_number(const char *status, const char *key)
{
    const char *at = strstr(status, key);

    return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

/* Of the very file that runs, which its path may not be any more. */
static void add_digest(json_t *worker, int program)
{
    char digest[AE_DIGEST_TEXT];

    if (program >= 0 && ae_digest_file(program, digest) == 0)
        json_object_set_new(worker, "sha256", json_string(digest));
}

/* What is quickly told. *program stays open: the file outlives the worker, its /proc entry does
 * not. */
static json_t *describe_worker(pid_t pid, int *program)
{
    json_t *worker = json_object();
    char path[64], *status, name[4096];
    ssize_t length;

    json_object_set_new(worker, "pid", json_integer(pid));
    snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    *program = open(path, O_RDONLY | O_CLOEXEC);
    length = readlink(path, name, sizeof(name) - 1);
    if (length > 0) {
        name[length] = '\0';
        json_object_set_new(worker, "program", ae_certificate_string(name));
    }
    json_object_set_new(worker, "arguments", arguments_of(pid));
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    if (ae_root_read_all(path, &status) < 0)
        return worker;
    json_object_set_new(worker, "user", json_integer(status_number(status, "\nUid:")));
    json_object_set_new(worker, "threads", json_integer(status_number(status, "\nThreads:")));
    json_object_set_new(worker, "locked_kb", json_integer(status_number(status, "\nVmLck:")));
    free(status);
    return worker;
}

static json_t *answer_json(const struct ae_evidence *evidence)
{
    return json_pack("{s:s, s:o}", "answer", ae_answer_name(evidence->answer), "detail",
                     ae_certificate_string(evidence->detail));
}

struct knobs {
    json_t *list;
    uint64_t counted; /* when the counters had been read for the second time */
};

static void add_knob(const struct ae_knob_evidence *evidence, void *context)
{
    struct knobs *knobs = context;

    if (!knobs->counted)
        knobs->counted = ae_clock_ticks();
    json_array_append_new(knobs->list,
                          json_pack("{s:s, s:s, s:o, s:o, s:o}", "knob", evidence->knob, "tier",
                                    evidence->tier, "accepted", answer_json(&evidence->accepted),
                                    "effective", answer_json(&evidence->effective), "quiet",
                                    answer_json(&evidence->quiet)));
}

static void gather_knobs(json_t *found, const char *name, unsigned window_ms)
{
    struct knobs knobs = {.list = json_array()};
    struct ae_partition *partition;
    struct ae_error err;
    enum ae_level level;
    bool quiet;
    int rc = ae_partition_load(&partition, name, &err);

    if (!rc) {
        rc = ae_partition_verify(partition, window_ms, add_knob, &knobs, &quiet, &err);
        if (!rc)
            rc = ae_partition_level(partition, &level, &err);
        ae_partition_free(partition);
    }
    if (rc) {
        json_object_set_new(found, "problem", json_string(err.text));
    } else {
        json_object_set(found, "knobs", knobs.list);
        json_object_set_new(found, "level", json_string(ae_level_name(level)));
        json_object_set_new(found, "counted", json_integer((json_int_t)knobs.counted));
    }
    json_decref(knobs.list);
}

static _Noreturn void gather(const struct ae_certificate *certificate, pid_t worker, pid_t parent,
                             unsigned window_ms)
{
    json_t *found = json_object(), *described;
    int fd = certificate->watch_fd, program;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    /* Its work is small, and on a loaded host it would come too late. */
    setpriority(PRIO_PROCESS, 0, -20);
    /* The supervisor's descriptors of devices must not live on in here. */
    if (dup2(fd, 3) != 3 || close_range(4, ~0U, 0))
        _exit(1);
    described = describe_worker(worker, &program);
    json_object_set_new(found, "worker", described);
    if (certificate->partition[0])
        gather_knobs(found, certificate->partition, window_ms);
    add_digest(described, program);
    _exit(json_dumpfd(found, 3, 0) ? 1 : 0);
}

int ae_certificate_watch(struct ae_certificate *certificate, pid_t worker, unsigned window_ms,
                         struct ae_error *err)
{
    pid_t self = getpid();

    if (certificate->watch_fd >= 0)
        return ae_error_set(err, -EALREADY,
                            "gathering evidence: it is being gathered; a certificate is "
                            "about one stretch of quiet");
    certificate->watch_fd = memfd_create("evidence", MFD_CLOEXEC);
    if (certificate->watch_fd < 0)
        return ae_error_set(err, -errno, "gathering evidence: %s", strerror(errno));
    certificate->watcher = fork();
    if (certificate->watcher == 0)
        gather(certificate, worker, self, window_ms);
    if (certificate->watcher < 0) {
        certificate->watcher = 0;
        return ae_error_set(err, -errno, "gathering evidence: %s", strerror(errno));
    }
    return 0;
}

/* It has to put its answers together after the time that it watched, on a host that may be
 * loaded. */
static bool wait_for_watcher(struct ae_certificate *certificate)
{
    int status = -1;
    pid_t ended;

    if (!certificate->watcher)
        return false;
    ended = ae_child_reap(certificate->watcher, &status, PATIENCE_MS);
    if (ended == 0)
        ae_child_kill(certificate->watcher);
    certificate->watcher = 0;
    return ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Evidence whose counters were read after the end is about another time. */
static void take_knobs(struct ae_certificate *certificate, const json_t *found, uint64_t end)
{
    json_t *knobs = json_object_get(found, "knobs");
    uint64_t counted = (uint64_t)json_integer_value(json_object_get(found, "counted"));

    if (!knobs) {
        ae_certificate_miss(certificate, "the evidence of the knobs: %s",
                            ae_certificate_text(found, "problem"));
    } else if (counted > end) {
        ae_certificate_miss(certificate,
                            "the evidence of the knobs: it was not gathered before the end");
    } else {
        json_object_set(certificate->all, "knobs", knobs);
        json_object_set(json_object_get(certificate->all, "partition"), "level",
                        json_object_get(found, "level"));
    }
}

void ae_certificate_watched(struct ae_certificate *certificate, uint64_t end)
{
    json_t *found = NULL, *worker;

    if (wait_for_watcher(certificate) && lseek(certificate->watch_fd, 0, SEEK_SET) == 0)
        found = json_loadfd(certificate->watch_fd, 0, NULL);
    worker = json_object_get(found, "worker");
    json_object_set(certificate->all, "worker", worker);
    if (!json_object_get(worker, "program"))
        ae_certificate_miss(certificate, "which program the worker was: not told in time");
    if (certificate->partition[0] && found)
        take_knobs(certificate, found, end);
    else if (certificate->partition[0])
        ae_certificate_miss(certificate,
                            "the evidence of the knobs: the process that gathers it "
                            "was not ready %d s after the end",
                            PATIENCE_MS / 1000);
    json_decref(found);
}
