/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

volatile bool program_ended;

static void hear(int signal)
{
    (void)signal;
    program_ended = true;
}

int program_why(struct ae_error *err, const char *what, int error)
{
    snprintf(err->text, sizeof(err->text), "%s: %s", what, strerror(error));
    return -error;
}

static void say(json_t *line)
{
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

static json_t *settings_json(const struct setting *settings)
{
    json_t *list = json_array();

    for (; settings->what; settings++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "what", settings->what, "value",
                                              settings->value, "source", settings->source));
    return list;
}

static int describe(const struct contender *contenders, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        say(json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "protocol", 1, "name",
                      contenders[i].name, "title", contenders[i].title, "wire", contenders[i].wire,
                      "layer", contenders[i].layer, "path", contenders[i].path, "caller",
                      contenders[i].caller, "settings", settings_json(contenders[i].settings),
                      "interface", contenders[i].interface ? contenders[i].interface : ""));
    return 0;
}

static int check(const struct contender *contender, const char *wire)
{
    struct ae_error err = {.text = ""};

    if (contender->check(contender, wire, &err) == 0)
        return 0;
    puts(err.text);
    return 1;
}

static uint64_t ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_usec * 1000;
}

static int respond(const struct contender *contender, const char *wire, long cpu)
{
    struct sigaction action = {.sa_handler = hear}; /* no SA_RESTART: who waits is woken */
    struct ae_error err = {.text = ""};
    struct counts counts = {0};
    struct rusage used;
    cpu_set_t set;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGINT, SIG_IGN);
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set)) {
        perror("sched_setaffinity");
        return 1;
    }
    mlockall(MCL_CURRENT | MCL_FUTURE);
    if (contender->respond(contender, wire, &counts, &err)) {
        fprintf(stderr, "%s: %s\n", contender->name, err.text);
        return 1;
    }
    getrusage(RUSAGE_SELF, &used);
    say(json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "received",
                  (json_int_t)counts.received, "sent", (json_int_t)counts.sent, "strange",
                  (json_int_t)counts.strange, "calls", (json_int_t)counts.calls, "empty",
                  (json_int_t)counts.empty, "user_ns", (json_int_t)ns(used.ru_utime), "system_ns",
                  (json_int_t)ns(used.ru_stime), "path",
                  counts.path ? counts.path : contender->path));
    return 0;
}

int program_main(int argc, char **argv, const struct contender *contenders, unsigned count)
{
    const struct contender *found = NULL;
    const char *wire = argc > 3 ? strchr(argv[3], ':') : NULL;
    char *end = NULL;
    long cpu = argc > 4 ? strtol(argv[4], &end, 10) : 0;

    if (argc == 2 && strcmp(argv[1], "describe") == 0)
        return describe(contenders, count);
    for (unsigned i = 0; argc > 2 && i < count; i++)
        if (strcmp(contenders[i].name, argv[2]) == 0)
            found = &contenders[i];
    if (found && wire && argc == 4 && strcmp(argv[1], "check") == 0)
        return check(found, wire + 1);
    if (found && wire && argc == 5 && strcmp(argv[1], "respond") == 0 && !*end && cpu >= 0 &&
        cpu < CPU_SETSIZE)
        return respond(found, wire + 1, cpu);
    fprintf(stderr,
            "Usage: %s describe | check NAME WIRE | respond NAME WIRE CPU\n"
            "aether bench starts it.\n",
            program_invocation_short_name);
    return 2;
}
