/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <locale.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/now.h"
#include "cli.h"
#include "json.h"
#include "rates.h"

struct arguments {
    bool once, json;
    unsigned ms; /* between two looks */
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    double seconds;
    char *end;

    switch (key) {
    case '1':
        arguments->once = true;
        return 0;
    case 'j':
        arguments->json = true;
        cli_json_ask();
        return 0;
    case 'i':
        seconds = strtod(value, &end);
        if (*end || !(seconds >= 0.1 && seconds <= 60))
            argp_error(state, "--interval=%s: seconds from 0.1 to 60 are needed", value);
        arguments->ms = (unsigned)(seconds * 1000);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "it takes no arguments");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- Once ---- */

static int show_once(const struct arguments *arguments)
{
    struct cli_sample before = {.queues = NULL};
    struct cli_views views;
    int status = cli_views_take(&views, "top");

    cli_sample_take(&before, &views);
    cli_views_drop(&views);
    if (!status) {
        usleep(arguments->ms * 1000);
        status = cli_views_take(&views, "top");
        if (arguments->json)
            cli_json_print(cli_rates_json(&views, &before), JSON_INDENT(2));
        else
            cli_rates_print(&views, &before, stdout);
        cli_views_tell_unseen(&views, "top");
        cli_views_drop(&views);
    }
    cli_sample_drop(&before);
    return status;
}

/* ---- On a terminal ---- */

/* What a screen is too small for is said to be there: a line that goes on ends in '>', and the last
 * line says how many more there are. */
static void draw(const char *text, int *from)
{
    int rows, columns, lines = 0, row = 0;

    getmaxyx(stdscr, rows, columns);
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    *from = *from > lines - rows + 1 ? lines - rows + 1 : *from;
    *from = *from < 0 ? 0 : *from;
    erase();
    for (int line = 0; *text; line++) {
        int length = (int)strcspn(text, "\n");

        if (line >= *from && row < rows - 1) {
            mvaddnstr(row, 0, text, length < columns ? length : columns - 1);
            if (length > columns - 1)
                mvaddch(row, columns - 1, '>');
            row++;
        }
        text += length + (text[length] == '\n');
    }
    attron(A_REVERSE);
    mvprintw(rows - 1, 0, "%.*s", columns - 1, "q quits, arrows move");
    if (*from + row < lines)
        mvprintw(rows - 1, 22, "%.*s", columns > 23 ? columns - 23 : 0, " more below");
    attroff(A_REVERSE);
    refresh();
}

static char *text_of(const struct cli_views *views, const struct cli_sample *before)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    json_t *one;
    size_t i;

    if (!out)
        return NULL;
    cli_rates_print(views, before, out);
    json_array_foreach (views->unseen, i, one)
        fprintf(out, "\nrun %s: %s\n", json_string_value(json_object_get(one, "run")),
                json_string_value(json_object_get(one, "why")));
    fclose(out);
    return text;
}

/* Until it is time to look again; false: to quit. */
static bool hear_keys(const char *text, int *from, unsigned ms)
{
    int64_t end = ae_now_ms() + ms, left = ms;

    while (left > 0) {
        int key;

        timeout((int)left);
        key = getch();
        if (key == 'q')
            return false;
        if (key == ERR)
            return true;
        *from += key == KEY_DOWN ? 1 : key == KEY_UP ? -1 : key == KEY_NPAGE ? LINES / 2 : 0;
        *from -= key == KEY_PPAGE ? LINES / 2 : 0;
        draw(text, from);
        left = end - ae_now_ms();
    }
    return true;
}

static int show_screen(const struct arguments *arguments)
{
    struct cli_sample before = {.queues = NULL};
    int from = 0, status;
    bool go_on = true;

    setlocale(LC_CTYPE, "");
    initscr();
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    do {
        struct cli_views views;
        char *text;

        status = cli_views_take(&views, "top");
        if (!before.at_ns)
            before.at_ns = views.at_ns;
        text = text_of(&views, &before);
        cli_sample_take(&before, &views);
        cli_views_drop(&views);
        if (text) {
            draw(text, &from);
            go_on = hear_keys(text, &from, arguments->ms);
        }
        free(text);
    } while (go_on && !status);
    endwin();
    cli_sample_drop(&before);
    return status;
}

int cli_top(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"once", '1', NULL, 0, "Look twice, print, end; so without a terminal", 0},
        {"interval", 'i', "SECONDS", 0, "Between two looks: 0.1 to 60 (1)", 0},
        {"json", 'j', NULL, 0, "Once, as one JSON object", 0},
        {0}};
    const struct argp argp = {.options = options,
                              .parser = parse,
                              .doc = "Shows the runs that go on: how fast their queues count, what "
                                     "they drop and why, what they measure."};
    struct arguments arguments = {.ms = 1000};

    argv[0] = (char[]){"aether top"};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.once || arguments.json || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
        return show_once(&arguments);
    return show_screen(&arguments);
}
