/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_LAUNCH_H
#define AE_CLI_LAUNCH_H

/* What run, echo, ping and prove share: a quiet CPU, ports, a supervisor, a proof. launch_options.c
 * reads the command line, launch.c runs, launch_tell.c says how it went. */

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>

#include <aether/supervise.h>

#define CLI_LAUNCH_VARIABLES 64

struct ae_proof;

/* Somebody who makes more of a run than printing its proof: prove. */
struct cli_launch_watch {
    void *context;
    /* The worker waits at its gate; the proof begins when this returns. */
    void (*quiet)(void *context, pid_t pid);
    /* It has ended. proof: finished, NULL when it never was quiet. Returns an exit status. */
    int (*done)(void *context, const struct ae_proof *proof, json_t *ports, json_t *output,
                const struct ae_supervise_worker *worker);
};

/* When workers that have ended are started again. */
enum cli_restart { CLI_RESTART_NO, CLI_RESTART_ON_FAILURE, CLI_RESTART_ALWAYS };

#define CLI_RESTARTS 64 /* within a time, at most */

struct cli_launch {
    const char *name;               /* the run's, where it is looked at; NULL: its program's */
    int cpus[AE_SUPERVISE_WORKERS]; /* the quiet ones, a worker each */
    unsigned cpu_count;             /* 0: not given */
    const char *ports[AE_WORKER_PORTS];
    unsigned port_count;
    struct ae_port_options port;
    struct ae_port_filter filter; /* port's, once a group is joined */
    uint8_t groups[AE_FILTER_ADDRESSES][6];
    struct ae_supervise_channel channels[AE_WORKER_CHANNELS];
    char channel_words[AE_WORKER_CHANNELS][128]; /* in which their names are */
    unsigned channel_count;
    const char *user;
    const char *environment[CLI_LAUNCH_VARIABLES + 1]; /* names of variables that are passed on */
    unsigned environment_count;
    bool input;     /* our standard input is the worker's */
    uint32_t allow; /* enum ae_quiet_allow; the slowest path that is, is port's */
    enum ae_quiet_calls calls;
    enum ae_log_level log; /* 0: not given */
    uint32_t mirror;       /* as in struct ae_supervise_options */
    unsigned seconds;
    unsigned asked; /* to be quiet for so many, by name; a proof of fewer is incomplete */
    bool bind;
    enum cli_restart restart;
    unsigned restart_times, restart_seconds; /* no more often within this; 0: not given */
    bool no_proof;
    bool json;
    bool printed; /* what the program prints is wanted as JSON, whether or not `json` */
    const struct cli_launch_watch *watch; /* NULL: nobody */
    bool (*hangup)(void); /* SIGHUP: are the workers to stop, for a start anew? NULL: for good */
    bool *anew;           /* it has ended for that */
};

/* What --cpu takes. */
void cli_launch_parse_cpus(struct cli_launch *launch, struct argp_state *state, const char *list);

/* A child parser; its input is a struct cli_launch, which cli_launch_init fills. */
extern const struct argp cli_launch_argp;
void cli_launch_init(struct cli_launch *launch);

/* What --allow was given, as it takes it; "" when nothing was. */
void cli_launch_allow_text(const struct cli_launch *launch, char *text, size_t size);

/*
 * Starts argv under a supervisor, waits for its end, prints link changes, counters and the proof.
 * With json, what the program prints is parsed and becomes the member `verb` of the one object that
 * is printed. Returns an exit status of the CLI's: the program's own, or CLI_NOT_QUIET when only
 * the proof failed.
 */
int cli_launch_run(const struct cli_launch *launch, const char *verb, char *const *argv);

/* What is wrong with it as far as can be said without starting anything. An exit status. */
int cli_launch_check(const struct cli_launch *launch, const char *verb, char *const *argv);

/* Starts this very command again as the worker. */
int cli_launch_self(const struct cli_launch *launch, const char *verb, int argc, char **argv);

#endif
