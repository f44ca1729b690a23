/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "cli.h"
#include "views.h"

error_t cli_process_parse(const char **which, int key, char *value, struct argp_state *state)
{
    switch (key) {
    case ARGP_KEY_ARG:
        if (*which || !*value)
            argp_error(state, "one name or process is needed");
        *which = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "the name or process of a run is needed ('aether ps')");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Whoever listens at the socket is alive; so after this the descriptor is his, if he still does. */
int cli_process_open(struct cli_process *process, const char *which, const char *verb,
                     struct ae_error *err)
{
    int rc = 0;

    *process = (struct cli_process){.fd = -1};
    ae_error_set(err, -ESRCH, "it has ended meanwhile");
    for (int look = 0; look < 2 && !rc; look++) {
        const struct ae_view *view;
        struct cli_views views;

        rc = cli_views_take(&views, verb) ? -EIO : 0;
        view = rc ? NULL : cli_views_find(&views, which, err);
        if (view && view->pid == 0)
            ae_error_set(err, -ESRCH, "%s is of another PID namespace: do it there", which);
        if (!view || view->pid == 0 || (look && view->pid != process->pid)) {
            rc = -ESRCH;
        } else if (!look) {
            process->pid = view->pid;
            process->reloads = view->told.reloads;
            process->fd = (int)syscall(SYS_pidfd_open, view->pid, 0);
            if (process->fd < 0)
                rc = ae_error_set(err, -errno, "process %d: %s", view->pid, strerror(errno));
        }
        cli_views_drop(&views);
    }
    if (rc)
        ae_descriptor_close(&process->fd);
    return rc;
}

int cli_process_tell(const struct cli_process *process, int signal, struct ae_error *err)
{
    if (!syscall(SYS_pidfd_send_signal, process->fd, signal, NULL, 0) || errno == ESRCH)
        return 0;
    return ae_error_set(err, -errno, "telling process %d: %s%s", process->pid, strerror(errno),
                        errno == EPERM ? "; only root and the user who started it may" : "");
}
