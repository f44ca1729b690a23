/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_NOTIFY_H
#define AE_CLI_NOTIFY_H

/* Tells who started us (systemd, of Type=notify) how we are, as sd_notify(3) has it: "READY=1".
 * Nothing when nobody asked. */
void cli_notify(const char *state);

#endif
