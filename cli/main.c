/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/root.h"
#include "base/text.h"
#include "cli.h"
#include "json.h"

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} verbs[] = {
    {"nic", cli_nic, "list network cards, take one from the kernel, give it back"},
    {"doctor", cli_doctor, "say what this machine can and cannot do, and what would help"},
    {"partition", cli_partition, "take CPUs from Linux, keep them quiet, give them back"},
    {"run", cli_run, "run a program on a quiet CPU, with its ports, under a supervisor"},
    {"echo", cli_echo, "answer UDP datagrams from a quiet CPU"},
    {"ping", cli_ping, "measure round trips of UDP datagrams from a quiet CPU"},
    {"ps", cli_ps, "list partitions, and the runs that go on"},
    {"top", cli_top, "show what runs count, drop and measure, and how fast"},
    {"net", cli_net, "list the ports of runs: addresses, links, what they let in"},
    {"logs", cli_logs, "follow what workers log"},
    {"metrics", cli_metrics, "serve what runs count, for Prometheus"},
    {"capture", cli_capture, "write what goes through a run's ports, for Wireshark and its kin"},
    {"reload", cli_reload, "have a run read its worker's file again"},
    {"stop", cli_stop, "stop a run"},
    {"bench", cli_bench, "measure ways to a wire, ours and others', on the same work"},
    {"compare", cli_compare, "show two results of ping side by side"},
    {"prove", cli_prove, "have a worker run and certify what the kernel did on its CPU"},
    {"noise", cli_noise, "show every gap in which something else had a CPU, and what it was"},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static char **command; /* as we were called */
static int verb_at;
static const char *verb_name;

char **cli_command(const char *option)
{
    char **words;
    int count = 0, used = 0;

    while (command[count])
        count++;
    words = calloc((size_t)count + 2, sizeof(*words));
    for (int i = 0; words && i < count; i++) {
        words[used++] = i == verb_at ? (char *)(uintptr_t)verb_name : command[i];
        if (i == verb_at && option)
            words[used++] = (char *)(uintptr_t)option;
    }
    return words;
}

int cli_fail(const char *verb, const struct ae_error *err)
{
    fprintf(stderr, "aether %s: %s\n", verb, err->text);
    cli_json_because(err->text);
    return CLI_FAILED;
}

static void usage(FILE *out)
{
    fputs("Usage: aether [--root=DIR] VERB [ARGUMENT...]\n"
          "Splits a server: quiet CPUs and their devices for one program, the rest for Linux.\n\n",
          out);
    for (size_t i = 0; i < VERBS; i++)
        fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
    fputs("\n  --root=DIR  look for /proc, /sys, /dev, /etc and /run below DIR\n"
          "  --help      this text; 'aether VERB --help' tells more of one\n"
          "  --version   the version\n",
          out);
}

static int unknown(const char *what, const char *name)
{
    fprintf(stderr, "aether: unknown %s '%s'; 'aether --help' lists what there is\n", what,
            AE_TEXT(name));
    return CLI_USAGE;
}

/* A file that is opened later must not become what is printed on, or what is read. */
static void fill_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    int at = 1;

    fill_streams();
    prctl(PR_SET_NAME, "aether"); /* also where we were started as /proc/self/exe */
    /* Who started us may have ignored it; then how children end would be told to nobody. */
    signal(SIGCHLD, SIG_DFL);

    argp_err_exit_status = CLI_USAGE; /* of every verb */
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--help") == 0) {
            usage(stdout);
            return CLI_OK;
        }
        if (strcmp(argv[at], "--version") == 0) {
            puts("aether " AE_VERSION);
            return CLI_OK;
        }
        if (strncmp(argv[at], "--root=", 7) != 0) {
            cli_json_begin("", argc, argv);
            return unknown("option", argv[at]);
        }
        if (ae_root_set(argv[at] + 7)) {
            fprintf(stderr, "aether: --root: the path is too long\n");
            return CLI_USAGE;
        }
    }
    if (at == argc) {
        usage(stderr);
        return CLI_USAGE;
    }
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(argv[at], verbs[i].name) == 0) {
            command = argv;
            verb_at = at;
            verb_name = verbs[i].name;
            cli_json_begin(verb_name, argc - at, argv + at);
            return verbs[i].run(argc - at, argv + at);
        }
    cli_json_begin("", argc - at, argv + at);
    return unknown("verb", argv[at]);
}
