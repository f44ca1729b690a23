/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Counts the frames that a port receives. It is started without 'aether run' and opens the port
 * itself, so it runs as root, nothing outlives it, and it needs libaether-host.
 *
 *     build/examples/listen 0000:01:00.0       until SIGINT or SIGTERM
 */

#include <aether/alone.h>
#include <stdio.h>

#define BURST 32
#define TURNS 256 /* so many of the loop at most, and the owner has one */

int main(int argc, char **argv)
{
    struct ae_worker_options options = {
        .cpu = -1, .ports = (const char *const *)argv + 1, .port_count = 1};
    struct ae_packet *packets[BURST];
    unsigned long long frames = 0;
    unsigned turns = 0;
    struct ae_worker *worker;
    struct ae_queue *queue;
    struct ae_error err;

    if (argc != 2) {
        fprintf(stderr, "Usage: listen PORT\n");
        return 2;
    }
    if (ae_worker_start_alone(&worker, &options, &err)) {
        fprintf(stderr, "listen: %s\n", err.text);
        return 1;
    }
    queue = ae_port_queue(ae_worker_port(worker, 0), 0);
    while (ae_worker_running(worker)) {
        uint16_t count = ae_receive(queue, packets, BURST);

        ae_packet_put_burst(packets, count);
        frames += count;
        /* The owner is here, too: it hears the link, and a peer that comes or goes. That takes
         * system calls, so not at every turn where there are frames. */
        if (!count || ++turns == TURNS) {
            ae_port_owner_step(ae_port_get_owner(ae_worker_port(worker, 0)));
            turns = 0;
        }
    }
    ae_worker_finish(worker);
    printf("%llu frames\n", frames);
    return 0;
}
