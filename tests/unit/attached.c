/* SPDX-License-Identifier: Apache-2.0 */

/* A worker as another tree would have one: of the public headers and libaether alone. The handoff
 * of its port is its input; it sends back what it receives, until it is asked to stop. */

#include <aether/port.h>
#include <aether/worker.h>
#include <stdio.h>

#define BURST 8

static int complain(const struct ae_error *err)
{
    fprintf(stderr, "attached: %s\n", err->text);
    return 1;
}

int main(void)
{
    const struct ae_quiet_options quiet = {.allow = AE_QUIET_ALLOW_ALL};
    struct ae_packet *packets[BURST];
    struct ae_port_handoff handoff;
    struct ae_worker *worker;
    struct ae_queue *queue;
    struct ae_port *port;
    struct ae_error err;

    if (fread(&handoff, sizeof(handoff), 1, stdin) != 1)
        return 2;
    if (ae_worker_start(&worker, &err) || ae_port_attach(&port, &handoff, &err) ||
        ae_quiet_enter(worker, &quiet, &err))
        return complain(&err);
    queue = ae_port_queue(port, 0);
    while (ae_worker_running(worker)) {
        uint16_t received = ae_receive(queue, packets, BURST), sent = 0;

        if (received)
            sent = ae_send(queue, packets, received);
        while (sent < received)
            ae_packet_put(packets[sent++]);
    }
    ae_quiet_leave(worker);
    ae_port_close(port);
    ae_worker_finish(worker);
    return 0;
}
