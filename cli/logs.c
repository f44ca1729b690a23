/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/error.h"
#include "base/now.h"
#include "cli.h"
#include "json.h"
#include "views.h"
#include "worker/log_show.h"

#define LOOK_MS 500   /* whether a run goes on, and which are new */
#define IDLE_US 20000 /* whether there is something to read */

struct arguments {
    char **which; /* any of them; none: every run */
    unsigned count;
    bool once, json;
    enum ae_log_level level;
};

/* A worker's log, and its next line. */
struct log {
    struct ae_log_reader reader;
    uint64_t left; /* lines that may still be read */
    uint64_t told; /* of those that were lost */
    bool has;
    struct ae_log_line line;
};

/* A start of a run. */
struct followed {
    struct followed *next;
    struct ae_view *view;
    bool seen; /* it is still there */
    struct log logs[AE_SUPERVISE_WORKERS];
};

static const struct arguments *asked;
static struct ae_log_moment began;
static struct followed *all;

/* ---- Which ---- */

static bool is_wanted(const struct ae_view *view, unsigned worker)
{
    for (unsigned i = 0; i < asked->count; i++)
        if (cli_view_worker_is_meant(view, worker, asked->which[i]))
            return true;
    return !asked->count;
}

static struct followed *find(const struct ae_view *view)
{
    struct followed *one = all;

    while (one && (one->view->pid != view->pid || one->view->told.since_ms != view->told.since_ms ||
                   one->view->told.workers[0].pid != view->told.workers[0].pid))
        one = one->next;
    return one;
}

/* From the oldest record that is left. Takes the view. */
static void add(struct ae_view *view, bool tell_why)
{
    struct followed *one = calloc(1, sizeof(*one));
    struct ae_error err;
    int rc = one ? 0 : ae_error_set(&err, -ENOMEM, "out of memory");

    for (unsigned i = 0; i < view->told.worker_count && !rc; i++) {
        struct log *log = &one->logs[i];

        rc = ae_log_open_reader(&log->reader, view->logs[i], view->told.log_size, 0, &err);
        if (!rc && is_wanted(view, i))
            log->left = asked->once ? log->reader.records.mask + 1 : UINT64_MAX;
    }
    if (rc && tell_why)
        fprintf(stderr, "aether logs: run %s: %s\n", view->told.name, err.text);
    if (rc) {
        free(one);
        ae_view_close(view);
        return;
    }
    one->view = view;
    one->seen = true;
    one->next = all;
    all = one;
}

static bool is_any_wanted(const struct ae_view *view)
{
    for (unsigned i = 0; i < view->told.worker_count; i++)
        if (is_wanted(view, i))
            return true;
    return false;
}

/* Of what was named, each has to be there. */
static int check_names(const struct cli_views *views, struct ae_error *err)
{
    for (unsigned i = 0; i < asked->count; i++) {
        unsigned at = 0;

        while (at < views->count && !cli_view_is_meant(views->views[at], asked->which[i]))
            at++;
        if (at == views->count)
            return cli_views_none(views, asked->which[i], err);
    }
    return 0;
}

/* Which runs are there: those that are new are followed, too. */
static int look(bool first, struct ae_error *err)
{
    struct cli_views views;
    int rc = cli_views_take(&views, "logs") ? ae_error_set(err, -EIO, "runs cannot be found") : 0;

    for (struct followed *one = all; one; one = one->next) {
        char pid[16];

        snprintf(pid, sizeof(pid), "%d", one->view->pid);
        one->seen = cli_views_unseen(&views, pid) != NULL;
    }
    if (first)
        cli_views_tell_unseen(&views, "logs");
    if (first && !rc)
        rc = check_names(&views, err);
    for (unsigned i = 0; i < views.count && !rc; i++) {
        struct followed *known = find(views.views[i]);

        if (known) {
            known->seen = true;
        } else if (is_any_wanted(views.views[i])) {
            add(views.views[i], first);
            views.views[i] = NULL;
        }
    }
    cli_views_drop(&views);
    return rc;
}

/* ---- What they say ---- */

static void tell(json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(object);
}

/* Before a line, unless there is one run. */
static void print_name(const struct followed *one)
{
    if (asked->count != 1)
        printf("%s: ", one->view->told.name);
}

static void tell_lost(const struct followed *one, unsigned worker, uint64_t lost)
{
    if (asked->json) {
        tell(json_pack("{s:s, s:i, s:i, s:I}", "run", one->view->told.name, "pid",
                       (int)one->view->pid, "worker", (int)worker, "lost",
                       (json_int_t)(lost & INT64_MAX)));
        return;
    }
    print_name(one);
    printf("worker %u: %llu records were gone before they were read\n", worker,
           (unsigned long long)lost);
}

/* A line that is to be shown, if there is one. */
static bool fill(const struct followed *one, unsigned worker, struct log *log)
{
    /* Of a worker that goes on so much at once, lest the others' lines wait for it. */
    uint64_t most = asked->once || !one->seen ? UINT64_MAX : 64;

    while (!log->has && log->left && most-- > 0 && ae_log_read(&log->reader, &log->line)) {
        log->left--;
        log->has = log->line.stream || log->line.level <= asked->level;
    }
    if (log->reader.records.lost != log->told)
        tell_lost(one, worker, log->reader.records.lost - log->told);
    log->told = log->reader.records.lost;
    return log->has;
}

static void print_line(const struct followed *one, unsigned worker, const struct ae_log_line *line)
{
    char text[AE_LOG_SHOWN];

    if (asked->json) {
        tell(json_pack("{s:s, s:i, s:i, s:I, s:s, s:s, s:s}", "run", one->view->told.name, "pid",
                       (int)one->view->pid, "worker", (int)worker, "time_ns",
                       (json_int_t)(ae_log_when_ns(&began, line) & INT64_MAX), "kind",
                       ae_log_kind_name(line), "place", line->place, "text", line->text));
        return;
    }
    ae_log_show(&began, worker, line, text);
    print_name(one);
    fputs(text, stdout);
}

/* The oldest that there is of all from `first` to before `end`. False: there is none. */
static bool print_next(struct followed *first, const struct followed *end)
{
    const struct followed *of = NULL;
    struct log *oldest = NULL;

    for (struct followed *one = first; one != end; one = one->next)
        for (unsigned i = 0; i < one->view->told.worker_count; i++)
            if (fill(one, i, &one->logs[i]) &&
                (!oldest || one->logs[i].line.ticks < oldest->line.ticks)) {
                of = one;
                oldest = &one->logs[i];
            }
    if (!oldest)
        return false;
    print_line(of, (unsigned)(oldest - of->logs), &oldest->line);
    oldest->has = false;
    return true;
}

/* What they had still to say is said first; whoever writes there all the same ends nothing. */
static void forget_those_that_ended(void)
{
    for (struct followed **at = &all; *at;) {
        struct followed *one = *at;

        if (one->seen) {
            at = &one->next;
            continue;
        }
        for (unsigned i = 0; i < one->view->told.worker_count; i++)
            if (one->logs[i].left)
                one->logs[i].left = one->logs[i].reader.records.mask + 1;
        while (print_next(one, one->next))
            ;
        *at = one->next;
        ae_view_close(one->view);
        free(one);
    }
}

static int show(struct ae_error *err)
{
    int rc = look(true, err);

    if (!rc && !all)
        rc = ae_error_set(err, -ENOENT, "there is no run whose log can be read ('aether ps')");
    while (!rc && all && !asked->once) {
        int64_t again = ae_now_ms() + LOOK_MS;

        while (ae_now_ms() < again)
            if (!print_next(all, NULL)) {
                fflush(stdout);
                usleep(IDLE_US);
            }
        rc = look(false, err);
        forget_those_that_ended();
    }
    while (print_next(all, NULL))
        ;
    return rc;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case '1':
        arguments->once = true;
        return 0;
    case 'j':
        arguments->json = true;
        cli_json_ask();
        return 0;
    case 'l':
        if (ae_log_level_parse(&arguments->level, value))
            argp_error(state, "--level=%s: error, warning, notice, info and debug are known",
                       value);
        return 0;
    case ARGP_KEY_ARGS:
        arguments->which = state->argv + state->next;
        arguments->count = (unsigned)(state->argc - state->next);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_logs(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"once", '1', NULL, 0, "Print what is still there and end", 0},
        {"level", 'l', "LEVEL", 0,
         "Up to this: error, warning, notice, info, debug (all that was logged)", 0},
        {"json", 'j', NULL, 0, "One JSON object a line", 0},
        {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[RUN|WORKER...]",
        .doc = "Prints what workers have logged, and printed while quiet, as far as it is still in "
               "memory, and what comes, until the last of the runs has ended.\v"
               "A run is named as 'aether ps' does, by its process or by the partition that it "
               "runs in, a worker by its process; without a name it is every run, also those that "
               "begin meanwhile."};
    struct arguments arguments = {.level = AE_LOG_DEBUG};
    struct ae_error err;

    argv[0] = (char[]){"aether logs"};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    asked = &arguments;
    if (ae_clock_calibrate(&err))
        return cli_fail("logs", &err);
    ae_log_moment_take(&began);
    return show(&err) ? cli_fail("logs", &err) : CLI_OK;
}
