/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "bench.h"
#include "cli.h"
#include "json.h"

#define MEASURES "bench/measure" /* what measures, in a build; installed: below libexec/aether */

static int measure(int argc, char **argv);

static const struct {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the name */
    const char *summary;
} verbs[] = {
    {"latency", measure, "round trips of contenders, in turn"},
    {"throughput", measure, "the highest rates at which they lose nothing"},
    {"compare", measure, "both, beside a quiet and a noisy host"},
    {"report", cli_bench_report, "tables and a page of what was measured"},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void usage(FILE *out)
{
    fputs("Usage: aether bench VERB [ARGUMENT...]\n"
          "Measures ways to a wire, ours and others', doing the same work: docs/benchmark.md.\n\n",
          out);
    for (size_t i = 0; i < VERBS; i++)
        fprintf(out, "  %-10s  %s\n", verbs[i].name, verbs[i].summary);
    fputs("\n'aether bench VERB --help' tells more of one.\n", out);
}

/* Beside the file that runs now: in its build, or where both are installed. */
static int find(char path[PATH_MAX])
{
    static const char *const places[] = {"../" MEASURES, "../libexec/aether/" MEASURES};
    char own[PATH_MAX];
    ssize_t length = readlink(CLI_OURSELVES, own, sizeof(own) - 1);

    if (length < 0)
        return -errno;
    own[length] = '\0';
    *strrchr(own, '/') = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (snprintf(path, PATH_MAX, "%s/%s", own, places[i]) < PATH_MAX && access(path, X_OK) == 0)
            return 0;
    return -ENOENT;
}

/* It is a program of its own, in Python, which starts the others. */
static int measure(int argc, char **argv)
{
    char path[PATH_MAX], self[PATH_MAX];
    ssize_t length = readlink(CLI_OURSELVES, self, sizeof(self) - 1);
    char **words = calloc((size_t)argc + 2, sizeof(*words));
    int error;

    if (!words || length < 0 || find(path)) {
        free(words);
        fprintf(stderr, "aether bench: " MEASURES " is neither beside this program nor installed; "
                        "build with -Dbench=enabled\n");
        cli_json_because(MEASURES " is not there");
        return CLI_FAILED;
    }
    self[length] = '\0';
    setenv("AETHER", self, 1);
    words[0] = path;
    memcpy(words + 1, argv, (size_t)argc * sizeof(*words));
    execv(path, words);
    error = errno;
    free(words);
    fprintf(stderr, "aether bench: %s: %s\n", path,
            error == ENOENT ? "it takes python3, which is not there" : strerror(error));
    return CLI_FAILED;
}

int cli_bench(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return CLI_OK;
    }
    for (size_t i = 0; argc > 1 && i < VERBS; i++)
        if (strcmp(verbs[i].name, argv[1]) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    if (argc > 1)
        fprintf(stderr, "aether bench: there is no '%s'\n", AE_TEXT(argv[1]));
    usage(stderr);
    return CLI_USAGE;
}
