/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"
#include "cli.h"
#include "exposition.h"
#include "json.h"
#include "stopped.h"

#define PORT        9797
#define CONNECTIONS 16
#define TIMEOUT_S   10 /* of a connection that says nothing */
#define TURN_MS     1000

struct arguments {
    struct sockaddr_in at;
    const char *file; /* written once, instead of listening */
    bool json;
};

static void parse_address(struct arguments *arguments, struct argp_state *state, const char *given)
{
    char host[64], *colon, *end = NULL;
    unsigned long port = 0;

    snprintf(host, sizeof(host), "%s", given);
    colon = strrchr(host, ':');
    if (colon) {
        *colon = '\0';
        port = strtoul(colon + 1, &end, 10);
    }
    if (!colon || !colon[1] || *end || port < 1 || port > 65535 ||
        inet_pton(AF_INET, host, &arguments->at.sin_addr) != 1)
        argp_error(state, "--listen=%s: an address and a port such as 127.0.0.1:%d are needed",
                   given, PORT);
    arguments->at.sin_port = htons((uint16_t)port);
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'l':
        parse_address(arguments, state, value);
        return 0;
    case 't':
        if (value[0] != '/')
            argp_error(state, "--textfile=%s: a path from the root is needed", value);
        arguments->file = value;
        return 0;
    case 'j':
        arguments->json = true;
        cli_json_ask();
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "it takes no arguments");
        return 0;
    case ARGP_KEY_END:
        if (arguments->json && !arguments->file)
            argp_error(state, "--json: of a server nothing is printed; it goes with --textfile");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* NULL: memory is short, or looking failed, which was said. Freed by the caller. */
static char *expose(bool openmetrics, size_t *size)
{
    struct cli_views views;
    char *text = NULL;
    FILE *out = NULL;

    if (!cli_views_take(&views, "metrics"))
        out = open_memstream(&text, size);
    if (out) {
        cli_expose(&views, openmetrics, out);
        fclose(out);
    }
    cli_views_drop(&views);
    return text;
}

/* ---- A file, for node_exporter ---- */

static int write_file(const struct arguments *arguments)
{
    size_t size;
    char *text = expose(false, &size);
    int rc = text ? ae_root_save(arguments->file, text, 0644) : -ENOMEM;

    free(text);
    if (rc) {
        fprintf(stderr, "aether metrics: writing %s: %s\n", arguments->file, strerror(-rc));
        return CLI_FAILED;
    }
    if (arguments->json)
        cli_json_print(json_pack("{s:s}", "file", arguments->file), JSON_INDENT(2));
    return CLI_OK;
}

/* ---- HTTP ---- */

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *type,
                             char *text, size_t size, enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(size, text, mode);
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *why)
{
    return reply(connection, status, "text/plain", (char *)(uintptr_t)why, strlen(why),
                 MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_size, void **request)
{
    const char *accept =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    bool openmetrics = accept && strstr(accept, "application/openmetrics-text");
    size_t size = 0;
    char *text;

    (void)context;
    (void)version;
    (void)data;
    (void)data_size;
    (void)request;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET /metrics\n");
    if (strcmp(url, "/metrics") != 0)
        return refuse(connection, MHD_HTTP_NOT_FOUND, "There is /metrics.\n");
    text = expose(openmetrics, &size);
    if (!text)
        return refuse(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "Looking at the runs failed.\n");
    return reply(connection, MHD_HTTP_OK, openmetrics ? CLI_OPENMETRICS_TYPE : CLI_TEXT_TYPE, text,
                 size, MHD_RESPMEM_MUST_FREE);
}

static int serve(const struct arguments *arguments)
{
    char host[INET_ADDRSTRLEN];
    struct MHD_Daemon *daemon;

    inet_ntop(AF_INET, &arguments->at.sin_addr, host, sizeof(host));
    daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, NULL, MHD_OPTION_SOCK_ADDR,
                              &arguments->at, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
                              MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S, MHD_OPTION_END);
    if (!daemon) {
        fprintf(stderr, "aether metrics: listening at %s:%d: %s\n", host,
                ntohs(arguments->at.sin_port), strerror(errno));
        return CLI_FAILED;
    }
    cli_stopped_hear();
    fprintf(stderr, "aether metrics: http://%s:%d/metrics\n", host, ntohs(arguments->at.sin_port));
    while (!cli_stopped())
        MHD_run_wait(daemon, TURN_MS);
    MHD_stop_daemon(daemon);
    return CLI_OK;
}

int cli_metrics(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"listen", 'l', "ADDRESS:PORT", 0, "Where to listen (127.0.0.1:9797)", 0},
        {"textfile", 't', "FILE", 0, "Write this file, whole or not at all, and end", 0},
        {"json", 'j', NULL, 0, "With --textfile: one JSON object", 0},
        {0}};
    const struct argp argp = {.options = options,
                              .parser = parse,
                              .doc = "Serves what runs count over HTTP, for Prometheus: /metrics."};
    struct arguments arguments = {.at = {.sin_family = AF_INET,
                                         .sin_port = htons(PORT),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};

    argv[0] = (char[]){"aether metrics"};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    return arguments.file ? write_file(&arguments) : serve(&arguments);
}
