/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What comes in at one port goes out at the other, both ways, whatever drivers they have.
 *
 *     aether run --cpu 1 --port 0000:01:00.0,domain=a --port 0000:02:00.0,domain=a --bind \
 *         --promiscuous build/examples/forward [--copy]
 */

#include <aether/worker.h>
#include <stdio.h>
#include <string.h>

#define BURST 32

/* From one port to the other. What arrives while `count` packets wait stays in its ring. */
struct direction {
    struct ae_queue *from, *to;
    bool copies;
    struct ae_packet *packets[BURST];
    uint16_t count;
    uint64_t *forwarded, *dropped;
};

/* Where each port has a domain of its own, which the other's device does not see. NULL: the other
 * port has too few packets free. */
static struct ae_packet *copy_to(struct ae_pool *pool, struct ae_packet *packet)
{
    struct ae_packet *copy = ae_packet_get(pool);

    for (struct ae_packet *part = packet; copy && part; part = ae_packet_next(part))
        if (ae_packet_append(copy, part->data, part->length)) {
            ae_packet_put(copy);
            copy = NULL;
        }
    ae_packet_put(packet);
    return copy;
}

static void receive(struct direction *way)
{
    uint16_t count = ae_receive(way->from, way->packets, BURST);

    if (!way->copies) {
        way->count = count;
        return;
    }
    for (uint16_t i = 0; i < count; i++) {
        way->packets[way->count] = copy_to(way->to->pool, way->packets[i]);
        if (way->packets[way->count])
            way->count++;
        else
            ++*way->dropped;
    }
}

/* Keeps what there is no room for. What the port will never send is dropped. */
static void send(struct direction *way)
{
    uint16_t sent = ae_send(way->to, way->packets, way->count);

    *way->forwarded += sent;
    if (sent < way->count && ae_refusal_is_final(way->to->refusal)) {
        ae_packet_put(way->packets[sent++]);
        ++*way->dropped;
    }
    way->count = (uint16_t)(way->count - sent);
    memmove(way->packets, way->packets + sent, way->count * sizeof(way->packets[0]));
}

static void turn(struct direction *way)
{
    if (!way->count)
        receive(way);
    if (way->count)
        send(way);
}

int main(int argc, char **argv)
{
    bool copies = argc == 2 && strcmp(argv[1], "--copy") == 0;
    struct direction ways[2];
    struct ae_worker *worker;
    struct ae_queue *ends[2];
    struct ae_error err;

    if (argc > 1 && !copies) {
        fprintf(stderr, "forward: --copy is all that it takes\n");
        return 2;
    }
    if (ae_worker_start(&worker, &err)) {
        fprintf(stderr, "forward: %s\n", err.text);
        return 1;
    }
    if (ae_worker_port_count(worker) != 2) {
        fprintf(stderr, "forward: two ports are needed: aether run --port SPEC --port SPEC\n");
        ae_worker_finish(worker);
        return 2;
    }
    for (unsigned i = 0; i < 2; i++)
        ends[i] = ae_port_queue(ae_worker_port(worker, i), 0);
    if (ends[0]->pool != ends[1]->pool)
        copies = true;
    printf("The ports %s a domain: frames cross %s\n",
           ends[0]->pool == ends[1]->pool ? "share" : "do not share",
           copies ? "by a copy" : "without a copy");
    ways[0] = (struct direction){.from = ends[0], .to = ends[1], .copies = copies};
    ways[1] = (struct direction){.from = ends[1], .to = ends[0], .copies = copies};
    ways[0].forwarded = ae_worker_counter(worker, "frames there");
    ways[1].forwarded = ae_worker_counter(worker, "frames back");
    ways[0].dropped = ways[1].dropped = ae_worker_counter(worker, "frames dropped");
    if (ae_quiet_enter(worker, NULL, &err)) {
        fprintf(stderr, "forward: %s\n", err.text);
        ae_worker_finish(worker);
        return 1;
    }
    while (ae_worker_running(worker)) {
        turn(&ways[0]);
        turn(&ways[1]);
    }
    ae_quiet_leave(worker);
    printf("Forwarded %llu frames there, %llu back; dropped %llu\n",
           (unsigned long long)*ways[0].forwarded, (unsigned long long)*ways[1].forwarded,
           (unsigned long long)*ways[0].dropped);
    for (unsigned i = 0; i < 2; i++)
        ae_packet_put_burst(ways[i].packets, ways[i].count);
    ae_worker_finish(worker);
    return 0;
}
