/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/logger.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <aether/clock.h>
#include <aether/log.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/sealed.h"
#include "worker/log_show.h"

#define RECORDS 2048
#define TURN    64 /* records of one worker before the next one's */
#define IDLE_MS 5

size_t ae_logger_size(void)
{
    return ae_log_size(RECORDS);
}

int ae_logger_make_memory(struct ae_ward *ward, const struct ae_supervise_options *options,
                          struct ae_error *err)
{
    size_t size = ae_logger_size();

    ward->log = ae_sealed_make(&ward->log_fd, "aether-log", NULL, size, AE_SEALS_SIZE);
    if (!ward->log)
        return ae_error_set(err, -errno, "making the worker's log: %s", strerror(errno));
    ae_supervisor_place(ward->log, size, ward->cpu);
    ward->shared->log_fd = ward->log_fd;
    ward->shared->log_size = size;
    return ae_log_create(ward->log, RECORDS, options->log ? options->log : AE_LOG_INFO, err);
}

void ae_logger_drop_memory(struct ae_ward *ward)
{
    if (ward->log)
        munmap(ward->log, ae_logger_size());
    ward->log = NULL;
    ae_descriptor_close(&ward->log_fd);
}

/* ---- The process ---- */

struct printer {
    struct ae_log_reader reader;
    unsigned worker;
    uint64_t lost;
};

/* When it began. */
static struct ae_log_moment began;

/* What was printed goes on as it was. */
static void print_line(const struct printer *printer, const struct ae_log_line *line)
{
    char text[AE_LOG_SHOWN];
    size_t length;

    if (line->stream)
        length = (size_t)snprintf(text, sizeof(text), "%s\n", line->text);
    else
        length = ae_log_show(&began, printer->worker, line, text);
    ae_descriptor_write(line->stream == 1 ? STDOUT_FILENO : STDERR_FILENO, text, length);
}

static bool print_some(struct printer *printer)
{
    struct ae_log_line line;
    unsigned count = 0;

    while (count < TURN && ae_log_read(&printer->reader, &line)) {
        print_line(printer, &line);
        count++;
    }
    if (printer->reader.records.lost != printer->lost) {
        char text[96];
        int length = snprintf(text, sizeof(text), "worker %u: %llu records of its log were lost\n",
                              printer->worker,
                              (unsigned long long)(printer->reader.records.lost - printer->lost));

        printer->lost = printer->reader.records.lost;
        ae_descriptor_write(STDERR_FILENO, text, (size_t)length);
    }
    return count > 0;
}

static bool print_all(struct printer *printers, unsigned count)
{
    bool any = false;

    for (unsigned i = 0; i < count; i++)
        any |= print_some(&printers[i]);
    return any;
}

/* Until the other end of the pipe that is its input has gone, and then what is left. */
static _Noreturn void be_logger(const struct ae_supervisor *supervisor)
{
    struct printer printers[AE_SUPERVISE_WORKERS] = {0};
    struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned count = supervisor->options->cpu_count;
    struct ae_error err;

    if (ae_clock_calibrate(&err))
        _exit(1);
    ae_log_moment_take(&began);
    for (unsigned i = 0; i < count; i++) {
        printers[i].worker = i;
        if (ae_log_open_reader(&printers[i].reader, supervisor->wards[i].log, ae_logger_size(), 0,
                               &err))
            _exit(1);
    }
    while (poll(&end, 1, print_all(printers, count) ? 0 : IDLE_MS) <= 0)
        ;
    /* The writers are gone. */
    for (unsigned i = 0; i < 2 * RECORDS / TURN && print_all(printers, count); i++)
        ;
    _exit(0);
}

int ae_logger_open(struct ae_supervisor *supervisor, struct ae_error *err)
{
    const int outputs[] = {supervisor->relay.output, supervisor->relay.errors};
    int rc = ae_servant_open(&supervisor->logger, "aether-log", outputs, 2,
                             "printing what workers log", err);

    if (!rc && supervisor->logger.pid == 0)
        be_logger(supervisor);
    return rc;
}

void ae_logger_close(struct ae_supervisor *supervisor)
{
    ae_servant_close(&supervisor->logger);
}
