/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_BACK_CONNECTION_H
#define AE_PORT_VHOST_BACK_CONNECTION_H

/* A back end's connection: how its peer is reached, and let go. */

#include "port/vhost/back/server.h"

/* Between looks at what comes up, ns: so late may a notification be. */
#define AE_VHOST_SERVER_TEND_NS 100000

static inline bool ae_vhost_server_has_peer(const struct ae_vhost_server *server)
{
    return server->peer.fd >= 0;
}

/* Listens at our name or, with client=on, connects to it for the first time. */
int ae_vhost_server_reach(struct ae_vhost_server *server, struct ae_error *err);

/* Connects to the peer, or accepts who waits. Why it could not is in server->error. */
int ae_vhost_server_connect(struct ae_vhost_server *server);

/* With client=on: tries to connect, once. */
int ae_vhost_server_try(struct ae_vhost_server *server);

/* The workers are told later, by ae_vhost_workers_update: the peer's memory is ours until they are
 * done. */
void ae_vhost_server_disconnect(struct ae_vhost_server *server);

/* The same, for what is in server->error. */
void ae_vhost_server_let_go(struct ae_vhost_server *server);

/* Only one is heard at a time: who waits to be served next must not keep us awake. */
void ae_vhost_server_hear(struct ae_vhost_server *server, int fd, bool on);

/* How the peer hears of what was used, if it gave us something to notify it by. */
int ae_vhost_server_call(struct ae_vhost_server *server, int fd);

/* Nobody is served: how long to sleep, ns; 0: until something is heard. */
uint64_t ae_vhost_server_await(struct ae_vhost_server *server);

#endif
