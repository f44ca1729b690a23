/* SPDX-License-Identifier: Apache-2.0 */
#include "partition_ports.h"

#include <aether/owner.h>

#include "base/cpus.h"
#include "base/text.h"
#include "partition/partition.h"

struct port {
    const char *address;
    uint16_t queues;
    struct ae_port_plan plan;
    int rc;
    struct ae_error err; /* why it cannot be told */
};

/* As `aether run -p` opens it: with a queue for each quiet CPU, or fewer where its driver has no
 * more. */
static void plan_port(struct port *port, const struct ae_partition *partition)
{
    unsigned cpus = ae_cpus_count(&partition->quiet);
    struct ae_port_options options = {.node = partition->memory_node,
                                      .on_node = partition->memory_node >= 0};

    for (unsigned queues = cpus < AE_PORT_QUEUES ? cpus : AE_PORT_QUEUES; queues; queues /= 2) {
        port->queues = options.queues = (uint16_t)queues;
        port->rc = ae_port_plan(&port->plan, port->address, &options, &port->err);
        if (!port->rc)
            return;
    }
}

static uint64_t pages_of(const struct ae_partition *partition, size_t page_size)
{
    for (unsigned i = 0; i < partition->page_count; i++)
        if (partition->pages[i].kilobytes * 1024 == page_size)
            return partition->pages[i].count;
    return 0;
}

static json_t *port_json(const struct port *port)
{
    if (port->rc)
        return json_pack("{s:s, s:{s:s}}", "port", port->address, "error", "message",
                         AE_TEXT(port->err.text));
    return json_pack("{s:s, s:n, s:i, s:I, s:I, s:I}", "port", port->address, "error", "queues",
                     port->queues, "packets", (json_int_t)port->plan.packets, "page_size",
                     (json_int_t)port->plan.page_size, "pages", (json_int_t)port->plan.pages);
}

static void print_port(const struct port *port, FILE *out)
{
    if (port->rc)
        fprintf(out, "  port %s: %s\n", port->address, AE_TEXT(port->err.text));
    else
        fprintf(out,
                "  port %s: %llu pages of %zu kB, for %u packets and the rings of %u queue%s\n",
                port->address, (unsigned long long)port->plan.pages, port->plan.page_size / 1024,
                port->plan.packets, port->queues, port->queues > 1 ? "s" : "");
}

static void print_sum(FILE *out, size_t page_size, uint64_t needed, uint64_t has, uint64_t free)
{
    bool large = page_size >= 1u << 30;

    fprintf(out, "  the ports need %llu pages of %zu kB; [memory] asks for %llu, and %llu are free",
            (unsigned long long)needed, page_size / 1024, (unsigned long long)has,
            (unsigned long long)free);
    if (needed > has)
        fprintf(out, ": write hugepages-%zu%c = %llu", page_size >> (large ? 30 : 20),
                large ? 'G' : 'M', (unsigned long long)needed);
    fputc('\n', out);
}

json_t *partition_ports(const struct ae_partition *partition, FILE *out)
{
    uint64_t needed = 0, has, free = 0;
    json_t *ports;
    size_t page_size = 0; /* the kernel's default, of all of them */

    if (!partition->device_count)
        return NULL;
    ports = json_array();
    for (unsigned i = 0; i < partition->device_count; i++) {
        struct port port = {.address = partition->devices[i].address};

        plan_port(&port, partition);
        if (!port.rc) {
            page_size = port.plan.page_size;
            needed += port.plan.pages;
            free = port.plan.free;
        }
        if (out)
            print_port(&port, out);
        json_array_append_new(ports, port_json(&port));
    }
    has = pages_of(partition, page_size);
    if (out && needed)
        print_sum(out, page_size, needed, has, free);
    return json_pack("{s:o, s:I, s:I, s:I, s:I}", "ports", ports, "page_size",
                     (json_int_t)page_size, "needed", (json_int_t)needed, "has", (json_int_t)has,
                     "free", (json_int_t)free);
}
