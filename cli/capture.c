/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/error.h"
#include "base/now.h"
#include "capture_files.h"
#include "capture_filter.h"
#include "cli.h"
#include "json.h"
#include "stopped.h"
#include "views.h"
#include "worker/capture.h"
#include "worker/mirror.h"

#define SNAPLEN 256
#define TURN    256 /* frames, before the time is looked at */
#define IDLE_MS 1
#define NS      UINT64_C(1000000000)

struct arguments {
    const char *which;
    const char *ports[AE_WORKER_PORTS];
    unsigned port_count; /* 0: all */
    const char *path;
    struct cli_capture_limits limits;
    uint64_t count; /* 0: no end for that */
    unsigned seconds;
    uint32_t snaplen;
    bool json;
    char filter[4096];
};

/* ---- The command line ---- */

static uint64_t number(struct argp_state *state, const char *option, const char *text,
                       uint64_t most)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || value > most)
        argp_error(state, "%s=%s: a number from 0 to %" PRIu64 " is needed", option, text, most);
    return value;
}

/* As dumpcap's -b. */
static void parse_ring(struct arguments *arguments, struct argp_state *state, const char *text)
{
    if (strncmp(text, "filesize:", 9) == 0)
        arguments->limits.bytes = number(state, "--ring", text + 9, UINT32_MAX) * 1000;
    else if (strncmp(text, "duration:", 9) == 0)
        arguments->limits.ns = number(state, "--ring", text + 9, UINT32_MAX) * NS;
    else if (strncmp(text, "files:", 6) == 0)
        arguments->limits.files = (unsigned)number(state, "--ring", text + 6, CLI_CAPTURE_FILES);
    else
        argp_error(state, "--ring=%s: filesize:KB, duration:SECONDS and files:N are known", text);
}

static void add_word(struct arguments *arguments, struct argp_state *state, const char *word)
{
    size_t used = strlen(arguments->filter);

    if (used + strlen(word) + 2 > sizeof(arguments->filter))
        argp_error(state, "the filter is too long");
    else
        snprintf(arguments->filter + used, sizeof(arguments->filter) - used, "%s%s",
                 used ? " " : "", word);
}

static void check(const struct arguments *arguments, struct argp_state *state)
{
    bool ring = arguments->limits.bytes || arguments->limits.ns;

    if (!arguments->which)
        argp_error(state, "the name or process of a run is needed ('aether ps')");
    else if (!arguments->path)
        argp_error(state, "--write=FILE is needed; --write=- is standard output");
    else if (strcmp(arguments->path, "-") == 0 && (ring || arguments->json))
        argp_error(state, "--write=-: neither --ring nor --json goes with standard output");
    else if (arguments->limits.files && !ring)
        argp_error(state, "--ring=files: it goes with filesize: or duration:");
    else if (strcmp(arguments->path, "-") == 0 && isatty(STDOUT_FILENO))
        argp_error(state, "--write=-: standard output is a terminal; give it a pipe or a file");
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'i':
        if (arguments->port_count == AE_WORKER_PORTS)
            argp_error(state, "--port: %d are the most", AE_WORKER_PORTS);
        else
            arguments->ports[arguments->port_count++] = value;
        return 0;
    case 'w':
        arguments->path = value;
        return 0;
    case 'b':
        parse_ring(arguments, state, value);
        return 0;
    case 'c':
        arguments->count = number(state, "--count", value, INT64_MAX);
        return 0;
    case 's':
        arguments->snaplen = (uint32_t)number(state, "--snaplen", value, AE_MIRROR_MOST);
        return 0;
    case 'a':
        arguments->seconds = (unsigned)number(state, "--seconds", value, 1000000000);
        return 0;
    case 'j':
        arguments->json = true;
        cli_json_ask();
        return 0;
    case ARGP_KEY_ARG:
        if (!arguments->which)
            arguments->which = value;
        else
            add_word(arguments, state, value);
        return 0;
    case ARGP_KEY_END:
        check(arguments, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- A capture ---- */

struct session {
    const struct arguments *arguments;
    struct cli_capture_filter *filter;
    struct ae_view *view;
    struct ae_capture *capture;
    uint32_t most[AE_WORKER_PORTS];      /* as asked for, of each port of the run */
    unsigned interface[AE_WORKER_PORTS]; /* of those, which one in the file */
    struct cli_pcapng_interface interfaces[AE_WORKER_PORTS];
    struct cli_pcapng_statistics statistics[AE_WORKER_PORTS];
    struct cli_capture_files files;
    uint64_t captured, filtered;
    struct ae_capture_counts counts;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

static int find_port(const struct ae_view_message *told, const char *which, struct ae_error *err)
{
    char text[16];

    for (unsigned i = 0; i < told->port_count; i++) {
        snprintf(text, sizeof(text), "%u", i);
        if (strcmp(which, told->ports[i].info.spec) == 0 || strcmp(which, text) == 0)
            return (int)i;
    }
    return ae_error_set(err, -ENOENT, "%s: %s has no such port ('aether net')", which, told->name);
}

static void add_port(struct session *session, unsigned port)
{
    const struct ae_port_info *info = &session->view->told.ports[port].info;
    unsigned place = session->files.interface_count;

    if (session->most[port])
        return;
    session->most[port] = session->arguments->snaplen;
    session->interface[port] = place;
    session->interfaces[place] = (struct cli_pcapng_interface){
        .name = info->spec,
        .description = session->view->told.name,
        .filter = session->arguments->filter,
        .snaplen = session->arguments->snaplen,
    };
    memcpy(session->interfaces[place].mac, info->mac, sizeof(info->mac));
    session->files.interface_count++;
}

static int choose_ports(struct session *session, struct ae_error *err)
{
    const struct ae_view_message *told = &session->view->told;

    for (unsigned i = 0; i < session->arguments->port_count; i++) {
        int port = find_port(told, session->arguments->ports[i], err);

        if (port < 0)
            return port;
        add_port(session, (unsigned)port);
    }
    for (unsigned i = 0; i < told->port_count && !session->arguments->port_count; i++)
        add_port(session, i);
    return session->files.interface_count
               ? 0
               : ae_error_set(err, -ENOENT, "%s has no ports", told->name);
}

static int take(struct session *session, const struct ae_capture_frame *frame, struct ae_error *err)
{
    uint32_t most = session->most[frame->port];
    struct cli_pcapng_statistics *statistics =
        &session->statistics[session->interface[frame->port]];
    struct cli_pcapng_frame written = {
        .interface = session->interface[frame->port],
        .ns = frame->ns,
        .length = frame->length,
        .kept = frame->kept < most ? frame->kept : most,
        .bytes = frame->bytes,
        .sent = frame->sent,
        .queue = frame->queue,
    };
    int rc;

    /* Somebody else asked for it, or for more of it. */
    if (!most)
        return 0;
    if (!cli_capture_filter_accepts(session->filter, written.bytes, written.kept, written.length)) {
        statistics->received++;
        session->filtered++;
        return 0;
    }
    session->captured++;
    /* Which may end a file, with the statistics of those before this one. */
    rc = cli_capture_files_frame(&session->files, &written, err);
    statistics->received++;
    statistics->accepted++;
    return rc;
}

static bool is_enough(const struct session *session)
{
    return session->arguments->count && session->captured >= session->arguments->count;
}

/* Mirrors are workers', whose ports they may have in common: the first interface has what was
 * lost. Returns how many frames there were, or -errno. */
static int take_some(struct session *session, struct ae_error *err)
{
    uint64_t before = session->counts.lost;
    struct ae_capture_frame frame;
    int rc = 0, taken = 0;

    while (!rc && taken < TURN && !is_enough(session) &&
           ae_capture_read(session->capture, &frame)) {
        rc = take(session, &frame, err);
        taken++;
    }
    ae_capture_get_counts(session->capture, &session->counts);
    session->statistics[0].lost += session->counts.lost - before;
    return rc ? rc : taken;
}

/* Until it is told to end, or has enough, or nothing more can come. */
static int go_on(struct session *session, struct ae_error *err)
{
    struct pollfd end = {.fd = session->view->fd, .events = POLLIN};
    int64_t begin = ae_now_ms(), span = (int64_t)session->arguments->seconds * 1000;

    while (!cli_stopped() && !is_enough(session) && !(span && ae_now_ms() - begin >= span)) {
        bool over = ae_capture_is_over(session->capture);
        int taken = take_some(session, err);

        if (taken < 0)
            return taken;
        if (taken)
            continue;
        if (cli_capture_files_flush(&session->files, now_ns(), err))
            return err->code;
        if (over) {
            fprintf(stderr, "aether capture: the run has ended\n");
            return 0;
        }
        poll(&end, 1, IDLE_MS);
    }
    return 0;
}

/* What was mirrored until now is still read. */
static int finish(struct session *session, struct ae_error *err)
{
    static const uint32_t nothing[AE_WORKER_PORTS];
    int taken = 1;

    if (!ae_capture_is_over(session->capture))
        ae_capture_ask(session->capture, nothing, NULL);
    for (unsigned i = 0; i < AE_SUPERVISE_MIRROR && taken > 0 && !is_enough(session); i++)
        taken = take_some(session, err);
    return taken < 0 ? taken : 0;
}

static int open_all(struct session *session, struct ae_error *err)
{
    int rc = choose_ports(session, err);

    if (!rc)
        rc = ae_clock_calibrate(err);
    if (!rc)
        rc = ae_capture_open(&session->capture, session->view, err);
    if (rc)
        return ae_error_prefix(err, rc, "capturing %s", session->view->told.name);
    rc = cli_capture_files_open(&session->files, now_ns(), err);
    if (!rc)
        rc = cli_capture_files_flush(&session->files, now_ns(), err);
    return rc ? rc : ae_capture_ask(session->capture, session->most, err);
}

static void tell(const struct session *session)
{
    if (session->arguments->json)
        cli_json_print(
            json_pack("{s:I, s:I, s:I, s:I, s:i}", "captured", (json_int_t)session->captured,
                      "filtered_out", (json_int_t)session->filtered, "not_mirrored",
                      (json_int_t)session->counts.lost, "impossible",
                      (json_int_t)session->counts.broken, "files", (int)session->files.number),
            JSON_INDENT(2));
    fprintf(stderr,
            "%" PRIu64 " frames captured\n%" PRIu64 " frames filtered out\n%" PRIu64
            " frames not mirrored\n",
            session->captured, session->filtered, session->counts.lost);
    if (session->counts.broken)
        fprintf(stderr, "%" PRIu64 " frames or times that a worker wrote cannot be\n",
                session->counts.broken);
}

static int capture(struct session *session, struct ae_error *err)
{
    struct ae_error why;
    int rc = open_all(session, err), last;

    if (!session->files.out)
        return rc;
    cli_stopped_hear();
    if (!rc) {
        fprintf(stderr, "aether capture: %u ports of %s, up to %u bytes of a frame\n",
                session->files.interface_count, session->view->told.name,
                session->arguments->snaplen);
        rc = go_on(session, err);
    }
    if (!rc)
        rc = finish(session, err);
    last = cli_capture_files_close(&session->files, now_ns(), &why);
    if (!rc && last) {
        *err = why;
        rc = last;
    }
    /* Who reads a pipe may have enough, or take no more when it is to end. */
    if ((rc == -EPIPE || (rc == -EINTR && cli_stopped())) &&
        strcmp(session->arguments->path, "-") == 0)
        rc = 0;
    tell(session);
    return rc;
}

int cli_capture(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"port", 'i', "PORT", 0, "This port, by its name or number; repeatable (all of them)", 0},
        {"write", 'w', "FILE", 0, "Where to, as pcapng; -: standard output", 0},
        {"ring", 'b', "NAME:VALUE", 0,
         "Another file after filesize:KB or duration:SECONDS, of which the last files:N stay", 0},
        {"count", 'c', "N", 0, "End after so many frames", 0},
        {"seconds", 'a', "N", 0, "End after so many seconds", 0},
        {"snaplen", 's', "BYTES", 0, "Of each frame so many (256); 0: all, up to 65535", 0},
        {"json", 'j', NULL, 0, "The counts as one JSON object", 0},
        {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "NAME|PID [FILTER...]",
        .doc = "Writes what goes through the ports of a run, in both directions.\v"
               "A run is named as 'aether stop' takes it; FILTER is pcap-filter(7)'s. Nothing "
               "is waited for on the quiet CPU: frames that come too fast are counted instead."};
    static struct arguments arguments = {.snaplen = SNAPLEN};
    static struct session session;
    struct cli_views views;
    struct ae_error err;
    int status;

    argv[0] = (char[]){"aether capture"};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (!arguments.snaplen)
        arguments.snaplen = AE_MIRROR_MOST;
    session.arguments = &arguments;
    session.files = (struct cli_capture_files){.path = arguments.path,
                                               .application = "aether capture " AE_VERSION,
                                               .limits = arguments.limits,
                                               .interfaces = session.interfaces,
                                               .statistics = session.statistics};
    if (cli_capture_filter_make(&session.filter, arguments.filter, &err))
        return cli_fail("capture", &err);
    status = cli_views_take(&views, "capture");
    if (!status) {
        session.view = cli_views_find(&views, arguments.which, &err);
        if (!session.view || capture(&session, &err))
            status = cli_fail("capture", &err);
    }
    ae_capture_close(session.capture);
    cli_views_drop(&views);
    cli_capture_filter_free(session.filter);
    return status;
}
