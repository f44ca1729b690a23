/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "bench.h"
#include "cli.h"
#include "json.h"
#include "measure/bench/bench.h"
#include "written.h"

struct arguments {
    const char *file, *html, *hdr, *baseline;
    bool text, json;
};

enum { KEY_HTML = 0x100, KEY_TEXT, KEY_HDR, KEY_BASELINE, KEY_JSON };

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_HTML:
        arguments->html = value;
        return 0;
    case KEY_TEXT:
        arguments->text = true;
        return 0;
    case KEY_HDR:
        arguments->hdr = value;
        return 0;
    case KEY_BASELINE:
        arguments->baseline = value;
        return 0;
    case KEY_JSON:
        arguments->json = true;
        cli_json_ask();
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->file)
            argp_error(state, "one file is reported on: '%s' is one more", value);
        else
            arguments->file = value;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->file)
            argp_error(state, "a file is needed, from 'aether bench --json'");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int write_page(const struct ae_bench *bench, const char *file, struct ae_error *err)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    int rc;

    if (!out)
        return ae_error_set(err, -ENOMEM, "writing %s: out of memory", file);
    ae_bench_page(bench, out);
    rc = fclose(out) ? ae_error_set(err, -ENOMEM, "writing %s: out of memory", file)
                     : cli_write(file, text, length, err);
    free(text);
    return rc;
}

static int write_one(const struct ae_bench_latency *latency, const char *file, struct ae_error *err)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    int rc;

    if (!out)
        return ae_error_set(err, -ENOMEM, "writing %s: out of memory", file);
    ae_bench_percentiles(latency, out);
    rc = fclose(out) ? ae_error_set(err, -ENOMEM, "writing %s: out of memory", file)
                     : cli_write(file, text, length, err);
    free(text);
    return rc;
}

static int write_percentiles(const struct ae_bench *bench, const char *directory,
                             struct ae_error *err)
{
    int rc = 0;

    if (mkdir(directory, 0755) && errno != EEXIST)
        return ae_error_set(err, -errno, "making %s: %s", directory, strerror(errno));
    for (unsigned i = 0; !rc && i < bench->latency_count; i++) {
        char name[160], *file;

        ae_bench_percentiles_name(bench, &bench->latencies[i], name);
        if (asprintf(&file, "%s/%s", directory, name) < 0)
            return ae_error_set(err, -ENOMEM, "writing to %s: out of memory", directory);
        rc = write_one(&bench->latencies[i], file, err);
        free(file);
    }
    return rc;
}

/* How many figures are worse than the baseline's, which is told; or a negative errno. */
static int against(const struct ae_bench *bench, const struct arguments *arguments, json_t *list,
                   struct ae_error *err)
{
    struct ae_bench *old;
    int worse = ae_bench_read(&old, arguments->baseline, err);

    if (worse)
        return ae_error_prefix(err, worse, "the baseline");
    /* Standard output may be the page's, or an object's. */
    worse = ae_bench_against(bench, old, stderr, list, err);
    ae_bench_free(old);
    return worse;
}

static int report(const struct ae_bench *bench, const struct arguments *arguments,
                  struct ae_error *err)
{
    json_t *list = json_array();
    int rc = 0;

    if (arguments->text || !(arguments->html || arguments->hdr || arguments->json))
        ae_bench_print(bench, stdout);
    if (arguments->html)
        rc = write_page(bench, arguments->html, err);
    if (!rc && arguments->hdr)
        rc = write_percentiles(bench, arguments->hdr, err);
    if (!rc && arguments->baseline)
        rc = against(bench, arguments, list, err);
    if (arguments->json && rc >= 0)
        cli_json_print(
            json_pack("{s:O, s:b}", "worse", list, "compared", (int)(arguments->baseline != NULL)),
            JSON_INDENT(2));
    json_decref(list);
    return rc;
}

int cli_bench_report(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"html", KEY_HTML, "FILE", 0, "write one page of HTML that needs nothing else; -: here", 1},
        {"text", KEY_TEXT, NULL, 0, "print tables; so it does where nothing else is asked for", 1},
        {"hdr", KEY_HDR, "DIR", 0, "write HdrHistogram's text of each histogram to this directory",
         1},
        {"baseline", KEY_BASELINE, "FILE", 0,
         "an earlier file: exit status 3 where a figure is worse by more than the rounds of both "
         "differ by",
         1},
        {"json", KEY_JSON, NULL, 0, "print one JSON object: which figures are worse", 1},
        {0}};
    static const struct argp argp = {
        options, parse, "FILE", "Makes tables and a page of what 'aether bench' measured.",
        NULL,    NULL,  NULL};
    struct arguments arguments = {0};
    struct ae_bench *bench;
    struct ae_error err;
    int rc;

    argv[0] = (char[]){"aether bench report"};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
        return CLI_USAGE;
    if (ae_bench_read(&bench, arguments.file, &err))
        return cli_fail("bench report", &err);
    rc = report(bench, &arguments, &err);
    ae_bench_free(bench);
    if (rc < 0)
        return cli_fail("bench report", &err);
    return rc ? CLI_NOT_QUIET : CLI_OK;
}
