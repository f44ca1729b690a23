/* SPDX-License-Identifier: Apache-2.0 */

/* "pcap:": files that libpcap wrote, and what it makes of those that are written. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <aether/clock.h>
#include <aether/owner.h>

#include "chains.h"
#include "port/handoff.h"
#include "port/owner.h"
#include "port/pcap/pcap.h"
#include "sendable.h"
#include "xorshift.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char home[] = "/tmp/aether-pcap.XXXXXX", in[64], out[64], spec[AE_PORT_SPEC];
static struct ae_error err;
static struct ae_port *port;
static struct ae_queue *queue;

struct made {
    uint64_t ns;
    uint32_t length, captured; /* 0: as long */
};

static void make_file(int link_type, const struct made *frames, size_t count)
{
    pcap_t *file =
        pcap_open_dead_with_tstamp_precision(link_type, 65535, PCAP_TSTAMP_PRECISION_NANO);
    pcap_dumper_t *dumper = pcap_dump_open(file, in);

    assert_non_null(dumper);
    for (size_t i = 0; i < count; i++) {
        struct pcap_pkthdr header = {.len = frames[i].length};
        uint8_t bytes[16384];

        header.caplen = frames[i].captured ? frames[i].captured : frames[i].length;
        header.ts.tv_sec = (time_t)(frames[i].ns / 1000000000);
        header.ts.tv_usec = (suseconds_t)(frames[i].ns % 1000000000);
        for (uint32_t at = 0; at < header.caplen; at++)
            bytes[at] = chain_byte((uint32_t)i, at);
        pcap_dump((u_char *)dumper, &header, bytes);
    }
    pcap_dump_close(dumper);
    pcap_close(file);
}

static const struct made three[] = {
    {UINT64_C(1700000000000000001), 60, 0},
    {UINT64_C(1700000000020000002), 1518, 0},
    {UINT64_C(1700000000060000003), 61, 0},
};

static int open_port(const char *choices)
{
    const struct ae_port_options options = {.send_ring = 64, .packets = 256};
    int rc;

    snprintf(spec, sizeof(spec), "pcap:%s%s", in, choices);
    rc = ae_port_open(&port, spec, &options, &err);
    queue = rc ? NULL : ae_port_queue(port, 0);
    return rc;
}

static void open_well(const char *choices)
{
    if (open_port(choices))
        fail_msg("%s", err.text);
}

static int begin(void **state)
{
    (void)state;
    if (!mkdtemp(home) || ae_clock_calibrate(NULL))
        return -1;
    snprintf(in, sizeof(in), "%s/in", home);
    snprintf(out, sizeof(out), "%s/out", home);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(in);
    unlink(out);
    return rmdir(home);
}

static int close_port(void **state)
{
    (void)state;
    ae_port_close(port);
    port = NULL;
    return 0;
}

static struct ae_packet *await(void)
{
    uint64_t give_up = ae_clock_ticks() + ae_clock_from_ns(UINT64_C(10000000000));
    struct ae_packet *packet;

    while (ae_clock_ticks() < give_up)
        if (ae_receive(queue, &packet, 1))
            return packet;
    fail_msg("nothing came");
    return NULL;
}

static void frames_are_those_of_the_file(void **state)
{
    struct ae_packet *packet;
    struct ae_port_info info;

    (void)state;
    make_file(DLT_EN10MB, three, COUNT(three));
    open_well(",speed=0");
    ae_port_get_info(port, &info);
    assert_int_equal(info.path, AE_PATH_DEVICE);
    assert_int_equal(info.caller, AE_CALLER_NONE);
    for (uint32_t i = 0; i < COUNT(three); i++) {
        assert_int_equal(ae_receive(queue, &packet, 1), 1);
        chain_check(packet, queue->pool, i, three[i].length);
        assert_true(packet->flags & AE_PACKET_DEVICE_CLOCK);
        assert_int_equal(packet->timestamp, three[i].ns);
        ae_packet_put(packet);
    }
    assert_int_equal(ae_receive(queue, &packet, 1), 0);
    assert_int_equal(queue->counters->received_frames, 3);
    assert_int_equal(queue->counters->received_bytes, 60 + 1518 + 61);
}

/* A frame is never early; how late it is says the machine. */
static void they_come_when_they_did(void **state)
{
    static const struct {
        const char *choices;
        uint64_t due_ns[3];
    } cases[] = {{"", {0, 20000001, 60000002}},
                 {",speed=4", {0, 5000000, 15000000}},
                 {",rate=100", {0, 10000000, 20000000}}};

    (void)state;
    make_file(DLT_EN10MB, three, COUNT(three));
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t begun;

        open_well(cases[i].choices);
        begun = ae_clock_ticks();
        for (unsigned j = 0; j < 3; j++) {
            ae_packet_put(await());
            assert_true(ae_clock_to_ns(ae_clock_ticks() - begun) + 1000 >= cases[i].due_ns[j]);
        }
        close_port(NULL);
    }
}

static void passes_are_as_many_as_asked_for(void **state)
{
    struct ae_packet *packets[8];

    (void)state;
    make_file(DLT_EN10MB, three, COUNT(three));
    open_well(",speed=0,loop=3");
    for (unsigned i = 0; i < 9; i++)
        ae_packet_put(await());
    assert_int_equal(ae_receive(queue, packets, 8), 0);
    close_port(NULL);
    open_well(",speed=0,loop=0");
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(ae_receive(queue, packets, 8), 8);
        ae_packet_put_burst(packets, 8);
    }
}

static void what_is_sent_is_written(void **state)
{
    char why[PCAP_ERRBUF_SIZE], choices[80];
    struct pcap_pkthdr *header;
    const uint8_t *bytes;
    struct ae_port_info info;
    pcap_t *file;

    (void)state;
    make_file(DLT_EN10MB, three, COUNT(three));
    snprintf(choices, sizeof(choices), ",write=%s", out);
    open_well(choices);
    ae_port_get_info(port, &info);
    assert_int_equal(info.caller, AE_CALLER_OWNER);
    for (uint32_t i = 0; i < 200; i++) {
        struct ae_packet *packet = chain_make(queue->pool, i, 60 + i, 1 + i % 3);

        while (!ae_send(queue, &packet, 1)) {
            assert_int_equal(queue->refusal, AE_REFUSAL_FULL);
            ae_port_owner_step(ae_port_get_owner(port));
        }
    }
    close_port(NULL);
    file = pcap_open_offline_with_tstamp_precision(out, PCAP_TSTAMP_PRECISION_NANO, why);
    assert_non_null(file);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(pcap_next_ex(file, &header, &bytes), 1);
        assert_int_equal(header->caplen, 60 + i);
        for (uint32_t at = 0; at < header->caplen; at++)
            assert_int_equal(bytes[at], chain_byte(i, at));
    }
    assert_int_equal(pcap_next_ex(file, &header, &bytes), PCAP_ERROR_BREAK);
    pcap_close(file);
}

static void without_a_file_to_write_it_is_gone(void **state)
{
    (void)state;
    make_file(DLT_EN10MB, three, COUNT(three));
    open_well("");
    sendable_assert_rules(queue, 1518, 0, AE_FRAME_SEGMENTS);
}

static void a_file_that_cannot_be_is_refused(void **state)
{
    static const struct made one = {1, 60, 0}, cut = {1, 100, 60}, runt = {1, 13, 0},
                             jumbo = {1, 1519, 0};
    static const struct {
        int link_type;
        const struct made *frame; /* NULL: none */
        const char *choices;
        int rc;
        const char *says;
    } cases[] = {
        {DLT_EN10MB, NULL, "", -EBADMSG, "it has no frame"},
        {DLT_EN10MB, &cut, "", -EMSGSIZE, "was cut"},
        {DLT_EN10MB, &runt, "", -EMSGSIZE, "13 bytes"},
        {DLT_EN10MB, &jumbo, "", -EMSGSIZE, "mtu="},
        {DLT_EN10MB, &jumbo, ",mtu=1501", 0, ""},
        {DLT_RAW, &one, "", -EBADMSG, "not of Ethernet"},
        {DLT_EN10MB, &one, ",speed=1,rate=1", -EINVAL, "one of the two"},
        {DLT_EN10MB, &one, ",rate=0", -EINVAL, "a number from 1"},
        {DLT_EN10MB, &one, ",write=/nowhere/x", -ENOENT, "/nowhere/x"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int rc;

        make_file(cases[i].link_type, cases[i].frame, cases[i].frame ? 1 : 0);
        rc = open_port(cases[i].choices);
        if (rc != cases[i].rc || (rc && !strstr(err.text, cases[i].says)))
            fail_msg("%s: %d, %s", spec, rc, err.text);
        close_port(NULL);
    }
    assert_int_equal(truncate(in, 50), 0);
    assert_int_equal(open_port(""), -EBADMSG);
    assert_int_equal(truncate(in, 3), 0);
    assert_int_equal(open_port(""), -EBADMSG);
    unlink(in);
    assert_int_equal(open_port(""), -EBADMSG);
    assert_non_null(strstr(err.text, "No such file"));
}

static void refuse_to_write(const char *to, const char *says)
{
    char choices[80];

    snprintf(choices, sizeof(choices), ",write=%s", to);
    assert_int_equal(open_port(choices), -EINVAL);
    if (!strstr(err.text, says))
        fail_msg("%s", err.text);
    close_port(NULL);
}

/* Made anew for its owner alone; no capture is destroyed, and nobody's reading is waited for. */
static void only_a_file_of_its_own_is_written(void **state)
{
    char choices[80];
    struct stat file;

    (void)state;
    make_file(DLT_EN10MB, three, COUNT(three));
    refuse_to_write(in, "the capture itself");
    assert_int_equal(stat(in, &file), 0);
    assert_true(file.st_size > 0);
    unlink(out);
    assert_int_equal(mkfifo(out, 0600), 0);
    refuse_to_write(out, "no regular file");
    unlink(out);
    close(open(out, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(chmod(out, 0644), 0);
    snprintf(choices, sizeof(choices), ",write=%s", out);
    open_well(choices);
    assert_int_equal(stat(out, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    close_port(NULL);
}

/* Who has the memory may spoil it: the data half, the owner, and the file that he writes stay
 * whole. */
static void anything_may_stand_in_the_memory(void **state)
{
    struct ae_port_handoff handoff;
    const struct pcap_handoff *told = (const void *)handoff.driver_private;
    char choices[80];
    uint8_t *memory;

    (void)state;
    make_file(DLT_EN10MB, three, COUNT(three));
    snprintf(choices, sizeof(choices), ",write=%s", out);
    for (unsigned round = 0; round < 200; round++) {
        open_well(choices);
        ae_port_owner_make_handoff(ae_port_get_owner(port), 0, 1, &handoff);
        memory = mmap(NULL, pcap_rings_bytes(told), PROT_READ | PROT_WRITE, MAP_SHARED,
                      ae_handoff_find(&handoff, AE_PORT_MAP_RINGS, 0)->fd, 0);
        assert_true(memory != MAP_FAILED);
        for (unsigned i = 0; i < 200; i++) {
            struct ae_packet *packets[8];

            memory[next_random() % (told->frames_bytes + 256)] = (uint8_t)next_random();
            ae_packet_put_burst(packets, ae_receive(queue, packets, 8));
            packets[0] = chain_make(queue->pool, i, 60, 1);
            if (!ae_send(queue, packets, 1))
                ae_packet_put(packets[0]);
            if (i % 50 == 0)
                ae_port_owner_step(ae_port_get_owner(port));
        }
        munmap(memory, pcap_rings_bytes(told));
        close_port(NULL);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, close_port)
    const struct CMUnitTest tests[] = {
        TEST(frames_are_those_of_the_file),       TEST(they_come_when_they_did),
        TEST(passes_are_as_many_as_asked_for),    TEST(what_is_sent_is_written),
        TEST(without_a_file_to_write_it_is_gone), TEST(a_file_that_cannot_be_is_refused),
        TEST(only_a_file_of_its_own_is_written),  TEST(anything_may_stand_in_the_memory),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
