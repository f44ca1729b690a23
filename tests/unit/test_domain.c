/* SPDX-License-Identifier: Apache-2.0 */

/* Domains: in made-up DMA spaces, under ports of one process, and handed to workers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <aether/domain.h>

#include "descriptors.h"
#include "fake_card.h"
#include "packet/domain.h"
#include "port/domains.h"
#include "port/owner.h"
#include "vfio/vfio.h"
#include "worker/shared.h"
#include "worker/supervisor/ports.h"
#include "worker/supervisor/supervisor.h"

#define GIB  (UINT64_C(1) << 30)
#define RING 64

static struct ae_error err;

static const struct ae_port_options small = {
    .receive_ring = RING, .send_ring = RING, .packets = 64, .page_size = 4096};

static struct ae_domain *make_domain(uint32_t packets)
{
    struct ae_domain *domain;

    if (ae_domain_create(&domain,
                         &(struct ae_domain_options){.packets = packets, .page_size = 4096}, &err))
        fail_msg("%s", err.text);
    return domain;
}

static void assert_says(const char *words)
{
    if (!strstr(err.text, words))
        fail_msg("'%s' is not in '%s'", words, err.text);
}

/* ---- Where devices have it ---- */

static int answer_map(struct ae_dma_space *space, void *address, uint64_t iova, uint64_t size)
{
    (void)space, (void)address, (void)iova, (void)size;
    return 0;
}

static int answer_unmap(struct ae_dma_space *space, uint64_t iova, uint64_t size)
{
    (void)space, (void)iova, (void)size;
    return 0;
}

static const struct ae_iommu_ops made_iommu = {.map = answer_map, .unmap = answer_unmap};

/* With a device in it, which reaches one range. */
static struct ae_dma_space make_space(uint64_t first, uint64_t last)
{
    return (struct ae_dma_space){
        .ops = &made_iommu, .devices = 1, .ranges = {{first, last}}, .range_count = 1};
}

static bool is_mapped(const struct ae_dma_space *space, const struct ae_memory *memory,
                      uint64_t iova)
{
    for (unsigned i = 0; i < space->mapping_count; i++)
        if (space->mappings[i].memory == memory && space->mappings[i].iova == iova)
            return true;
    return false;
}

static void two_devices_have_it_at_one_address(void **state)
{
    struct ae_dma_space one = make_space(0, 512 * GIB - 1), other = make_space(2 * GIB, 8 * GIB);
    struct ae_domain *domain = make_domain(16);
    struct ae_memory *rings[2];
    ae_iova_t at[2];

    (void)state;
    assert_int_equal(ae_domain_map(domain, &one, &err), 0);
    assert_int_equal(ae_domain_map(domain, &other, &err), 0);
    assert_true(is_mapped(&one, domain->memory, domain->iova.value));
    assert_true(is_mapped(&other, domain->memory, domain->iova.value));
    /* Rings are in the space of their port, and beside the domain. */
    for (unsigned i = 0; i < 2; i++) {
        struct ae_dma_space *space = i ? &other : &one;

        assert_int_equal(ae_memory_create(&rings[i], 4096, 4096, &err), 0);
        assert_int_equal(ae_dma_map(space, rings[i], &at[i], &err), 0);
        assert_true(at[i].value + 4096 <= domain->iova.value ||
                    at[i].value >= domain->iova.value + ae_memory_size(domain->memory));
    }
    assert_false(is_mapped(&one, rings[1], at[1].value));
    assert_int_equal(one.mapping_count, 2);
    assert_int_equal(other.mapping_count, 2);
    assert_int_equal(ae_domain_map(domain, &one, &err), -EEXIST);
    for (unsigned i = 0; i < 2; i++)
        ae_memory_destroy(rings[i]);
    ae_domain_close(domain);
}

static void who_cannot_reach_it_is_refused(void **state)
{
    /* Below; half of it; none of it but for a hole; above. */
    static const uint64_t ranges[][2] = {{0, 4 * GIB - 1},
                                         {0, 4 * GIB + 4096 - 1},
                                         {4 * GIB + 4096, 8 * GIB},
                                         {64 * GIB, 128 * GIB}};
    struct ae_dma_space first = make_space(0, 512 * GIB - 1);
    struct ae_domain *domain = make_domain(4);

    (void)state;
    assert_int_equal(ae_domain_map(domain, &first, &err), 0);
    assert_int_equal(domain->iova.value, 4 * GIB);
    for (unsigned i = 0; i < 4; i++) {
        struct ae_dma_space space = make_space(ranges[i][0], ranges[i][1]);

        assert_int_equal(ae_domain_map(domain, &space, &err), -EADDRNOTAVAIL);
        assert_says("settled by another port; open this one before it");
        assert_says("0x100000000");
        assert_int_equal(space.mapping_count, 0);
    }
    ae_domain_close(domain);
}

static void the_first_settles_where_it_can(void **state)
{
    struct ae_dma_space narrow = make_space(0, 4 * GIB - 1), wide = make_space(0, 512 * GIB - 1);
    struct ae_dma_space none = make_space(4096, 8192);
    struct ae_domain *domain = make_domain(4);

    (void)state;
    assert_int_equal(ae_domain_map(domain, &none, &err), -ENOSPC);
    assert_false(domain->settled);
    assert_int_equal(ae_domain_map(domain, &narrow, &err), 0);
    assert_true(domain->iova.value < 4 * GIB);
    assert_int_equal(ae_domain_map(domain, &wide, &err), 0);
    assert_true(is_mapped(&wide, domain->memory, domain->iova.value));
    ae_domain_close(domain);
}

static void what_is_there_already_is_in_the_way(void **state)
{
    struct ae_dma_space space = make_space(0, 512 * GIB - 1);
    struct ae_domain *domain = make_domain(4);
    struct ae_memory *memory;

    (void)state;
    assert_int_equal(ae_memory_create(&memory, 4096, 4096, &err), 0);
    assert_int_equal(ae_dma_map_at(&space, memory, (ae_iova_t){4 * GIB + 1}, &err), -EADDRNOTAVAIL);
    assert_int_equal(ae_dma_map_at(&space, memory, (ae_iova_t){4 * GIB + 4096}, &err), 0);
    ae_domain_settle(domain);
    assert_int_equal(ae_domain_map(domain, &space, &err), -EADDRNOTAVAIL);
    assert_says("something else is there");
    ae_memory_destroy(memory);
    ae_domain_close(domain);
}

/* ---- Which port has what ---- */

static void claims_are_where_there_is_room(void **state)
{
    struct ae_domain *domain = make_domain(100);
    struct ae_domain_claim claims[4] = {0};

    (void)state;
    assert_int_equal(ae_domain_claim(domain, &claims[0], 40, &err), 0);
    assert_int_equal(ae_domain_claim(domain, &claims[1], 30, &err), 0);
    assert_int_equal(ae_domain_claim(domain, &claims[2], 31, &err), -ENOSPC);
    assert_says("31 packets of a domain that has 100");
    assert_int_equal(ae_domain_claim(domain, &claims[2], 30, &err), 0);
    assert_int_equal(claims[1].first, 40);
    assert_int_equal(claims[2].first, 70);
    ae_domain_drop_claim(domain, &claims[1]);
    assert_int_equal(ae_domain_claim(domain, &claims[3], 31, &err), -ENOSPC);
    assert_int_equal(ae_domain_claim(domain, &claims[3], 10, &err), 0);
    assert_int_equal(claims[3].first, 40);
    assert_int_equal(ae_domain_claim(domain, &claims[1], 20, &err), 0);
    assert_int_equal(claims[1].first, 50);
    ae_domain_drop_claim(domain, &(struct ae_domain_claim){0});
    ae_domain_close(domain);
}

static void impossible_domains_are_refused(void **state)
{
    static const struct ae_domain_options cases[] = {
        {.packets = 0},
        {.packets = (1u << 24) + 1},
        {.packets = 1, .buffer_size = 1024},
        {.packets = 1, .buffer_size = 3000},
        {.packets = 1, .buffer_size = 8192},
        {.packets = 1, .page_size = 5000},
    };
    struct ae_domain *domain;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(ae_domain_create(&domain, &cases[i], &err), -EINVAL);
    ae_domain_close(NULL);
}

/* ---- Ports of one process ---- */

static struct ae_queue *open_on(struct ae_port **port, const char *spec, struct ae_domain *domain)
{
    struct ae_port_options options = small;

    options.domain = domain;
    if (ae_port_open(port, spec, &options, &err))
        fail_msg("%s", err.text);
    return ae_port_queue(*port, 0);
}

static void a_packet_crosses_without_a_copy(void **state)
{
    struct ae_domain *domain = make_domain(2 * (64 + 2 * RING));
    struct ae_port *ports[4];
    struct ae_queue *far = open_on(&ports[0], "pair:left", NULL);
    struct ae_queue *left = open_on(&ports[1], "pair:left", domain);
    struct ae_queue *right = open_on(&ports[2], "pair:right", domain);
    struct ae_queue *other = open_on(&ports[3], "pair:right", NULL);
    struct ae_packet *packet = ae_packet_get(far->pool), *stranger;
    const uint8_t *data;

    (void)state;
    ae_domain_close(domain); /* the ports have it */
    assert_ptr_equal(left->pool, right->pool);
    assert_int_equal(ae_pool_available(left->pool), 2 * (64 + 2 * RING));
    memset(packet->data, 0x5a, 60);
    packet->length = 60;
    assert_int_equal(ae_send(far, &packet, 1), 1);
    assert_int_equal(ae_receive(left, &packet, 1), 1);
    data = packet->data;
    assert_int_equal(ae_send(right, &packet, 1), 1);
    assert_int_equal(ae_receive(other, &packet, 1), 1);
    assert_ptr_not_equal(packet->data, data);
    assert_int_equal(packet->length, 60);
    assert_int_equal(packet->data[59], 0x5a);
    assert_int_equal(ae_pool_available(left->pool), 2 * (64 + 2 * RING));
    /* What is of another domain is refused. */
    stranger = packet;
    assert_int_equal(ae_send(right, &stranger, 1), 0);
    assert_int_equal(right->refusal, AE_REFUSAL_POOL);
    ae_packet_put(packet);
    /* The pool is there as long as a port is. */
    ae_port_close(ports[1]);
    assert_int_equal(ae_pool_available(right->pool), 2 * (64 + 2 * RING));
    for (unsigned i = 0; i < 4; i++)
        if (i != 1)
            ae_port_close(ports[i]);
}

static void a_domain_that_is_full_takes_no_port(void **state)
{
    struct ae_domain *domain = make_domain(64 + 2 * RING);
    struct ae_port_options options = small;
    struct ae_port *port, *second;

    (void)state;
    open_on(&port, "pair:full", domain);
    options.domain = domain;
    assert_int_equal(ae_port_open(&second, "pair:other", &options, &err), -ENOSPC);
    assert_says("opening port pair:other: 192 packets of a domain that has 192");
    ae_port_close(port);
    open_on(&port, "pair:other", domain);
    ae_port_close(port);
    ae_domain_close(domain);
}

/* Two pools would have the same packets. */
static void packets_are_this_processes_or_workers(void **state)
{
    struct ae_domain *domain = make_domain(1000);
    struct ae_port_options options = small;
    struct ae_port_handoff handoff;
    struct ae_port_owner *owner, *second;
    struct ae_port *port;

    (void)state;
    options.domain = domain;
    assert_int_equal(ae_port_owner_open(&owner, "pair:workers", &options, &err), 0);
    assert_int_equal(ae_port_owner_open(&second, "pair:workers", &options, &err), 0);
    assert_int_equal(ae_port_owner_get_handoff(owner, 0, 1, &handoff), 0);
    assert_int_equal(handoff.packet_first, 0);
    assert_int_equal(ae_port_owner_get_handoff(second, 0, 1, &handoff), 0);
    assert_int_equal(handoff.packet_first, 192);
    assert_int_equal(handoff.packet_count, 192);
    assert_int_equal(ae_port_open(&port, "pair:own", &options, &err), -EBUSY);
    ae_port_owner_close(owner);
    ae_port_owner_close(second);
    open_on(&port, "pair:own", domain);
    assert_int_equal(ae_port_owner_get_handoff(ae_port_get_owner(port), 0, 1, &handoff), -EBUSY);
    ae_port_close(port);
    ae_domain_close(domain);
}

/* ---- By name ---- */

static void ports_that_say_the_same_name_share(void **state)
{
    static const char *const specs[] = {"pair:a,domain=red", "pair:b", "pair:b,domain=blue",
                                        "pair:a,domain=red", "pair:c,domain="};
    static const char *const wrong[] = {"pair:a,domain=red", "pair:a,domain=red,packed=on"};
    struct ae_port_options options[5] = {small, small, small, small, small};
    struct ae_domain *domains[5], *given = make_domain(8);
    struct ae_port *port;
    char name[AE_PORT_SPEC];

    (void)state;
    ae_domains_name("pair:a,domain=red,mtu=1", name);
    assert_string_equal(name, "red");
    ae_domains_name("pair:a", name);
    assert_string_equal(name, "");
    options[3].packets = 100;
    assert_int_equal(ae_domains_open(domains, specs, options, 5, &err), 0);
    assert_ptr_equal(domains[0], domains[3]);
    assert_ptr_not_equal(domains[0], domains[2]);
    assert_null(domains[1]);
    assert_null(domains[4]);
    assert_int_equal(domains[0]->packets, 64 + 100 + 4 * RING);
    ae_domains_close(domains, 5);
    options[1].domain = given;
    assert_int_equal(ae_domains_open(domains, specs, options, 5, &err), 0);
    assert_ptr_equal(domains[1], given);
    ae_domains_close(domains, 5);
    assert_int_equal(given->references, 1);
    ae_domain_close(given);
    options[1].domain = NULL;
    assert_int_equal(ae_domains_open(domains, wrong, options, 2, &err), -EINVAL);
    assert_says("domain red: ");
    assert_null(domains[0]);
    /* Alone, nobody knows whom it shares with. */
    assert_int_equal(ae_port_open(&port, "pair:a,domain=red", &small, &err), -EINVAL);
    assert_says("opened together");
    assert_int_equal(ae_port_open(&port, "pair:a,domain=", &small, &err), -EINVAL);
}

/* ---- In a worker ---- */

static struct fake_card cards[2];

/* As a supervisor would hand them over, with one domain. */
static int make_cards(void **state)
{
    (void)state;
    fake_card_make(&cards[0], 32, 64, 200);
    fake_card_make(&cards[1], 32, 64, 200);
    close(cards[1].handoff.maps[4].fd);
    cards[1].handoff.maps[4].fd = dup(cards[0].handoff.maps[4].fd);
    return 0;
}

static int drop_cards(void **state)
{
    (void)state;
    fake_card_destroy(&cards[0]);
    fake_card_destroy(&cards[1]);
    return 0;
}

static void one_card_sends_what_another_received(void **state)
{
    uint8_t frame[2048], seen[2048];
    struct ae_port *second;
    struct ae_queue *from, *to;
    struct ae_packet *packet;
    struct ae_pool *pool;

    (void)state;
    fake_card_attach(&cards[0]);
    assert_int_equal(ae_port_attach_on(&second, &cards[1].handoff, cards[0].port->domain, &err), 0);
    from = cards[0].queue;
    to = ae_port_queue(second, 0);
    pool = from->pool;
    assert_ptr_equal(pool, to->pool);
    assert_int_equal(ae_pool_available(pool), 200 - 2 * 31);
    memset(frame, 0x77, sizeof(frame));
    assert_true(fake_card_deliver(&cards[0], frame, 60, RXD_EOP));
    assert_int_equal(ae_receive(from, &packet, 1), 1);
    assert_int_equal(ae_send(to, &packet, 1), 1);
    /* The card finds it where the other had put it. */
    assert_int_equal(cards[1].send[0].address,
                     FAKE_DOMAIN + (uint64_t)(packet->data - pool->memory));
    munmap(cards[1].buffers, cards[1].buffers_size);
    cards[1].buffers = mmap(NULL, cards[1].buffers_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                            cards[0].handoff.maps[4].fd, 0);
    assert_int_equal(fake_card_take(&cards[1], seen), 60);
    assert_memory_equal(seen, frame, 60);
    /* A port that goes leaves its rings' packets to the other. */
    ae_port_close(second);
    assert_int_equal(ae_pool_available(pool), 200 - 30);
    assert_int_equal(pool->misuse, 0);
    fake_card_detach(&cards[0]);
}

static void ports_that_disagree_are_refused(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
    } cases[] = {
        {offsetof(struct ae_port_handoff, packet_first), 1},
        {offsetof(struct ae_port_handoff, packet_count), 199},
        {offsetof(struct ae_port_handoff, buffer_size), 4096},
        {offsetof(struct ae_port_handoff, maps[4].length), 100 * 4096 - 4096},
        {offsetof(struct ae_port_handoff, maps[4].iova), 4096},
        {offsetof(struct ae_port_handoff, maps[4].fd), 0}, /* another file */
    };
    struct fake_card stranger;
    struct ae_port *port;
    unsigned before;

    (void)state;
    fake_card_make(&stranger, 32, 64, 200);
    fake_card_attach(&cards[0]);
    before = count_fds();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ae_port_handoff handoff = cards[1].handoff;
        uint32_t value = i == 5 ? (uint32_t)stranger.handoff.maps[4].fd : cases[i].value;

        memcpy((uint8_t *)&handoff + cases[i].at, &value, sizeof(value));
        assert_int_equal(ae_port_attach_on(&port, &handoff, cards[0].port->domain, &err), -EPROTO);
        assert_says("another port says something else");
        assert_int_equal(cards[0].port->domain->references, 1);
    }
    assert_int_equal(count_fds(), before);
    fake_card_detach(&cards[0]);
    fake_card_destroy(&stranger);
}

/* ---- Of a supervisor ---- */

#define PORTS 3

/* Two workers, the first with two queues of the first port; two of the ports share. */
static void each_worker_has_packets_of_its_own(void **state)
{
    static const struct ae_supervise_share shares[] = {{0, 0, 0, 2}, {1, 0, 2, 1}, {0, 1, 0, 1},
                                                       {1, 1, 1, 1}, {0, 2, 0, 1}, {1, 2, 1, 1}};
    const char *const specs[PORTS] = {"pair:one,domain=d", "pair:two", "pair:three,domain=d"};
    const struct ae_supervise_options options = {.cpus = (const int[]){0, 0},
                                                 .cpu_count = 2,
                                                 .ports = specs,
                                                 .port_count = PORTS,
                                                 .shares = shares,
                                                 .share_count = 6,
                                                 .port = small};
    struct ae_supervise_result result = {0};
    struct ae_supervisor supervisor = {.options = &options, .result = &result};
    struct ae_shared *worker[2];
    struct ae_port *ports[2];
    const uint32_t each = 64 + 2 * RING;

    (void)state;
    assert_int_equal(ae_supervisor_open_ports(&supervisor, &err), 0);
    for (unsigned i = 0; i < 2; i++) {
        worker[i] = aligned_alloc(_Alignof(struct ae_shared), sizeof(struct ae_shared));
        assert_non_null(worker[i]);
        memset(worker[i], 0, sizeof(struct ae_shared));
        supervisor.wards[i].shared = worker[i];
        ae_supervisor_hand_over(&supervisor, i);
        assert_int_equal(worker[i]->port_count, PORTS);
        assert_int_equal(worker[i]->ports[0].domain, 0);
        assert_int_equal(worker[i]->ports[1].domain, 1);
        assert_int_equal(worker[i]->ports[2].domain, 0);
        for (unsigned port = 0; port < PORTS; port += 2) {
            assert_int_equal(worker[i]->ports[port].packet_first, i ? 3 * each : 0);
            assert_int_equal(worker[i]->ports[port].packet_count, i ? 2 * each : 3 * each);
        }
        assert_int_equal(worker[i]->ports[1].packet_first, i ? each : 0);
        assert_int_equal(worker[i]->ports[1].packet_count, each);
    }
    assert_int_equal(supervisor.domains[0]->packets, 5 * each);
    assert_int_equal(ae_port_attach(&ports[0], &worker[1]->ports[0], &err), 0);
    assert_int_equal(ae_port_attach_on(&ports[1], &worker[1]->ports[2], ports[0]->domain, &err), 0);
    assert_ptr_equal(ports[0]->queues[2]->pool, ports[1]->queues[1]->pool);
    ae_port_close(ports[0]);
    ae_port_close(ports[1]);
    ae_supervisor_close_ports(&supervisor);
    free(worker[0]);
    free(worker[1]);
}

#define CARDS(name) cmocka_unit_test_setup_teardown(name, make_cards, drop_cards)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_devices_have_it_at_one_address),
        cmocka_unit_test(who_cannot_reach_it_is_refused),
        cmocka_unit_test(the_first_settles_where_it_can),
        cmocka_unit_test(what_is_there_already_is_in_the_way),
        cmocka_unit_test(claims_are_where_there_is_room),
        cmocka_unit_test(impossible_domains_are_refused),
        cmocka_unit_test(a_packet_crosses_without_a_copy),
        cmocka_unit_test(a_domain_that_is_full_takes_no_port),
        cmocka_unit_test(packets_are_this_processes_or_workers),
        cmocka_unit_test(ports_that_say_the_same_name_share),
        CARDS(one_card_sends_what_another_received),
        CARDS(ports_that_disagree_are_refused),
        cmocka_unit_test(each_worker_has_packets_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
