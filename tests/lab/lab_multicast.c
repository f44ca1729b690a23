/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Filters a port as it is told, line by line, and says what came in.
 *
 *     lab_multicast PORT
 *
 * Lines: "filter [GROUP|vN|all|promiscuous]...": what the port is to receive; "none": no filter is
 * set; "count": prints each destination and VLAN seen, and how often, up to the next frame of type
 * 0x88b5; "send GROUP": a datagram to port 7 of a group. Each is answered by a line.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include <aether/clock.h>
#include <aether/net.h>
#include <aether/owner.h>

#define PATIENCE_NS UINT64_C(20000000000)
#define SEEN_MAX    64
#define BURST       32

struct seen {
    uint8_t mac[6];
    unsigned vlan, count;
};

static struct ae_port *port;
static struct ae_queue *queue;

static void filter(char *words)
{
    uint8_t addresses[AE_FILTER_ADDRESSES][6];
    uint16_t vlans[8];
    struct ae_port_filter wanted = {.addresses = addresses, .vlans = vlans};
    struct ae_error err;
    ae_ipv4_t group;

    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        if (strcmp(word, "all") == 0)
            wanted.all_multicast = true;
        else if (strcmp(word, "promiscuous") == 0)
            wanted.promiscuous = true;
        else if (word[0] == 'v' && wanted.vlan_count < 8)
            vlans[wanted.vlan_count++] = (uint16_t)atoi(word + 1);
        else if (wanted.address_count < AE_FILTER_ADDRESSES && !ae_ipv4_parse(word, &group) &&
                 !ae_ipv4_group_mac(group, addresses[wanted.address_count]))
            wanted.address_count++;
    puts(ae_port_owner_filter(ae_port_get_owner(port), &wanted, &err) ? err.text : "ok");
}

static void note(struct seen *seen, unsigned *many, const struct ae_packet *packet)
{
    const uint8_t *frame = packet->data;
    unsigned vlan = frame[12] == 0x81 && frame[13] == 0 ? (frame[14] & 0xfu) << 8 | frame[15] : 0;

    for (unsigned i = 0; i < *many; i++)
        if (memcmp(seen[i].mac, frame, 6) == 0 && seen[i].vlan == vlan) {
            seen[i].count++;
            return;
        }
    if (*many == SEEN_MAX)
        return;
    memcpy(seen[*many].mac, frame, 6);
    seen[*many].vlan = vlan;
    seen[(*many)++].count = 1;
}

static void count(void)
{
    uint64_t start = ae_clock_ticks(), patience = ae_clock_from_ns(PATIENCE_NS);
    struct seen seen[SEEN_MAX];
    unsigned many = 0;
    bool over = false;

    while (!over && ae_clock_ticks() - start < patience) {
        struct ae_packet *packets[BURST];
        uint16_t received = ae_receive(queue, packets, BURST);

        for (uint16_t i = 0; i < received; i++) {
            over = over || (packets[i]->data[12] == 0x88 && packets[i]->data[13] == 0xb5);
            if (!over)
                note(seen, &many, packets[i]);
            ae_packet_put(packets[i]);
        }
    }
    printf("%s %" PRIu64, over ? "ok" : "late", queue->counters->receive_filtered);
    for (unsigned i = 0; i < many; i++) {
        const uint8_t *mac = seen[i].mac;

        printf(" %02x:%02x:%02x:%02x:%02x:%02x/%u=%u", mac[0], mac[1], mac[2], mac[3], mac[4],
               mac[5], seen[i].vlan, seen[i].count);
    }
    puts("");
}

static uint16_t sum(const uint8_t *bytes, unsigned length)
{
    uint32_t total = 0;

    for (unsigned i = 0; i < length; i += 2)
        total += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)~total;
}

/* From 10.77.0.1, with the payload "group"; without a UDP checksum, which IPv4 allows. */
static void send_datagram(const char *to)
{
    uint8_t udp[] = {0, 9, 0, 7, 0, 13, 0, 0, 'g', 'r', 'o', 'u', 'p', 0};
    uint8_t ip[20] = {0x45, 0, 0, 33, 0, 0, 0, 0, 1, 17, 0, 0, 10, 77, 0, 1};
    struct ae_packet *packet = ae_packet_get(queue->pool);
    struct ae_port_info info;
    ae_ipv4_t group;
    uint16_t check;

    if (!packet || ae_ipv4_parse(to, &group) || ae_ipv4_group_mac(group, packet->data)) {
        puts("no group, or no packet");
        return;
    }
    ae_port_get_info(port, &info);
    memcpy(packet->data + 6, info.mac, 6);
    packet->data[12] = 8;
    packet->data[13] = 0;
    memcpy(ip + 16, &group, 4);
    check = htons(sum(ip, sizeof(ip)));
    memcpy(ip + 10, &check, 2);
    memset(packet->data + 14, 0, 46);
    memcpy(packet->data + 14, ip, sizeof(ip));
    memcpy(packet->data + 34, udp, sizeof(udp));
    packet->length = 60;
    puts(ae_send(queue, &packet, 1) ? "ok" : "not sent");
}

int main(int argc, char **argv)
{
    struct ae_error err;
    char line[4096];

    if (argc < 2 || ae_clock_calibrate(&err) || ae_port_open(&port, argv[1], NULL, &err)) {
        fprintf(stderr, "lab_multicast: %s\n", argc < 2 ? "a port is needed" : err.text);
        return 1;
    }
    queue = ae_port_queue(port, 0);
    setlinebuf(stdout);
    puts("ok");
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "filter", 6) == 0)
            filter(line + 6);
        else if (strcmp(line, "none") == 0)
            puts(ae_port_owner_filter(ae_port_get_owner(port), NULL, &err) ? err.text : "ok");
        else if (strcmp(line, "count") == 0)
            count();
        else if (strncmp(line, "send ", 5) == 0)
            send_datagram(line + 5);
    }
    ae_port_close(port);
    return 0;
}
