/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_BACK_SERVER_H
#define AE_PORT_VHOST_BACK_SERVER_H

/*
 * The owner of a vhost-user back end: serves one front end at a time - a virtual machine's QEMU, a
 * DPDK program, another Aether program - for as long as it stays. It connects to the socket of our
 * name, or, with client=on, we connect to its. The port is "vhost-user-server:PATH".
 *
 *     vhost/back/server.c      opens, looks after what comes up, handles what the peer says
 *     vhost/back/connection.c  how the peer is reached, and let go
 *     vhost/back/session.c     what was agreed on with it
 *     vhost/back/workers.c     what is handed over to workers of that (vhost/back/handover.h)
 *
 * Nothing here waits. A message that needs the rings to stand still is put aside, the workers are
 * told to stop, and it is taken up again once all of them have. Whatever the peer does wrong ends
 * its connection, never the port: the next one finds it as new.
 */

#include "port/owner.h"
#include "port/vhost/back/handover.h"
#include "port/vhost/back/session.h"
#include "port/vhost/listen.h"
#include "port/vhost/notify.h"
#include "port/vhost/receiver.h"

enum ae_vhost_server_statistic {
    AE_VHOST_CONNECTIONS,
    AE_VHOST_REFUSED,
    AE_VHOST_BROKEN,
    AE_VHOST_NOTIFICATIONS,
};

struct ae_vhost_server {
    struct ae_port_owner *owner;
    struct ae_vhost_listener listener;
    struct ae_vhost_notifier notifier;
    struct ae_vhost_session session;
    struct ae_vhost_peer peer;
    struct ae_vhost_receivers receivers;
    struct vhost_user_message waiting; /* until the rings stand still */
    bool is_waiting;
    int epoll;
    int controls[AE_PORT_QUEUES];                    /* our ends */
    struct ae_vhost_handover handed[AE_PORT_QUEUES]; /* to each worker, last */
    struct ae_vhost_handover ran[AE_PORT_QUEUES];    /* before they were told to stop */
    bool stopping;
    bool hears_listener;
    bool connects;         /* the peer listens, we connect */
    bool was_up;           /* the peer had a pair of rings running */
    int64_t retry_at;      /* ms, when to connect again */
    struct ae_error error; /* why the last peer was refused something */
};

#endif
