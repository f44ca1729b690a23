/* SPDX-License-Identifier: Apache-2.0 */
#include "port/xdp/program.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "base/descriptors.h"
#include "base/error.h"

/* ---- An assembler of the little that is needed ---- */

enum label { UNTAGGED, IPV4, PORTS, REDIRECT, PASS, LABELS };

/* A jump has its label where the distance will be, once all labels have a place. */
struct text {
    struct bpf_insn *at;
    unsigned count;
    unsigned places[LABELS];
};

static void emit(struct text *text, uint8_t code, unsigned to, unsigned from, int16_t off,
                 int32_t imm)
{
    text->at[text->count++] = (struct bpf_insn){
        .code = code, .dst_reg = to & 0xfu, .src_reg = from & 0xfu, .off = off, .imm = imm};
}

static void load(struct text *text, uint8_t size, uint8_t to, uint8_t from, size_t offset)
{
    emit(text, BPF_LDX | BPF_MEM | size, to, from, (int16_t)offset, 0);
}

static void copy(struct text *text, uint8_t to, uint8_t from)
{
    emit(text, BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}

static void set(struct text *text, uint8_t to, int32_t value)
{
    emit(text, BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}

static void compute(struct text *text, uint8_t operation, uint8_t to, int32_t value)
{
    emit(text, BPF_ALU64 | operation | BPF_K, to, 0, 0, value);
}

/* Compares 32 bits. */
static void jump_if(struct text *text, uint8_t comparison, uint8_t left, uint32_t value,
                    enum label label)
{
    emit(text, BPF_JMP32 | comparison | BPF_K, left, 0, (int16_t)label, (int32_t)value);
}

static void jump(struct text *text, enum label label)
{
    emit(text, BPF_JMP | BPF_JA, 0, 0, (int16_t)label, 0);
}

static void place(struct text *text, enum label label)
{
    text->places[label] = text->count;
}

static void resolve(struct text *text)
{
    for (unsigned i = 0; i < text->count; i++) {
        uint8_t class = BPF_CLASS(text->at[i].code), operation = BPF_OP(text->at[i].code);

        if ((class == BPF_JMP || class == BPF_JMP32) && operation != BPF_CALL &&
            operation != BPF_EXIT)
            text->at[i].off = (int16_t)(text->places[text->at[i].off] - i - 1);
    }
}

/* ---- The program ---- */

/* Bytes from the Ethernet header, without a tag. */
#define ETHER_TYPE       12
#define ARP_TARGET       (14 + 24)
#define ARP_END          (14 + 28)
#define IPV4_FRAGMENT    (14 + 6)
#define IPV4_PROTOCOL    (14 + 9)
#define IPV4_DESTINATION (14 + 16)
#define IPV4_END         (14 + 20)
#define PORT_DESTINATION (14 + 2) /* behind the bytes of the IP header */
#define PORTS_END        (14 + 4)
#define FRAGMENT_MASK    0x3fff /* more of them, and where this one belongs */

/* What is where: R0 and R1 are for what is compared, R3 and R4 for what is in the frame. */
#define FRAME   BPF_REG_2 /* its first byte, or four behind it if it has a tag */
#define END     BPF_REG_3
#define TYPE    BPF_REG_5 /* network byte order */
#define CONTEXT BPF_REG_6
#define VLAN    BPF_REG_7

/* So many bytes are there. */
static void need(struct text *text, int32_t bytes)
{
    copy(text, BPF_REG_4, FRAME);
    compute(text, BPF_ADD, BPF_REG_4, bytes);
    emit(text, BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, END, PASS, 0);
}

static void write_ethernet(struct text *text, const struct xdp_flows *flows)
{
    copy(text, CONTEXT, BPF_REG_1);
    load(text, BPF_W, FRAME, CONTEXT, offsetof(struct xdp_md, data));
    load(text, BPF_W, END, CONTEXT, offsetof(struct xdp_md, data_end));
    need(text, ETH_HLEN);
    set(text, VLAN, 0);
    load(text, BPF_H, TYPE, FRAME, ETHER_TYPE);
    jump_if(text, BPF_JNE, TYPE, htons(ETH_P_8021Q), UNTAGGED);
    need(text, ETH_HLEN + 4);
    load(text, BPF_H, VLAN, FRAME, ETHER_TYPE + 2);
    emit(text, BPF_ALU | BPF_END | BPF_TO_BE, VLAN, 0, 0, 16);
    compute(text, BPF_AND, VLAN, 0xfff);
    load(text, BPF_H, TYPE, FRAME, ETHER_TYPE + 4);
    compute(text, BPF_ADD, FRAME, 4);
    place(text, UNTAGGED);
    if (flows->vlan)
        jump_if(text, BPF_JNE, VLAN, flows->vlan, PASS);
}

static void write_arp(struct text *text, const struct xdp_flows *flows)
{
    jump_if(text, BPF_JNE, TYPE, htons(ETH_P_ARP), IPV4);
    need(text, ARP_END);
    load(text, BPF_W, BPF_REG_0, FRAME, ARP_TARGET);
    for (unsigned i = 0; i < flows->address_count; i++)
        jump_if(text, BPF_JEQ, BPF_REG_0, flows->addresses[i], REDIRECT);
    jump(text, PASS);
}

static void write_ports(struct text *text, uint8_t protocol, const uint16_t *ports, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        /* Ports are below 65536, and the protocol above. */
        jump_if(text, BPF_JEQ, BPF_REG_0, (uint32_t)protocol << 16 | ports[i], REDIRECT);
    }
}

static void write_ipv4(struct text *text, const struct xdp_flows *flows)
{
    place(text, IPV4);
    jump_if(text, BPF_JNE, TYPE, htons(ETH_P_IP), PASS);
    need(text, IPV4_END);
    if (flows->address_count) {
        load(text, BPF_W, BPF_REG_0, FRAME, IPV4_DESTINATION);
        for (unsigned i = 0; i < flows->address_count; i++)
            jump_if(text, BPF_JEQ, BPF_REG_0, flows->addresses[i], PORTS);
        jump(text, PASS);
    }
    place(text, PORTS);
    if (!flows->udp_count && !flows->tcp_count)
        return;
    /* What came in fragments has its ports in one only: the kernel puts it together. */
    load(text, BPF_H, BPF_REG_0, FRAME, IPV4_FRAGMENT);
    jump_if(text, BPF_JSET, BPF_REG_0, htons(FRAGMENT_MASK), PASS);
    load(text, BPF_B, BPF_REG_0, FRAME, IPV4_PROTOCOL);
    compute(text, BPF_LSH, BPF_REG_0, 16);
    load(text, BPF_B, BPF_REG_1, FRAME, ETH_HLEN);
    compute(text, BPF_AND, BPF_REG_1, 0xf);
    compute(text, BPF_LSH, BPF_REG_1, 2);
    emit(text, BPF_ALU64 | BPF_ADD | BPF_X, FRAME, BPF_REG_1, 0, 0);
    need(text, PORTS_END);
    load(text, BPF_H, BPF_REG_1, FRAME, PORT_DESTINATION);
    emit(text, BPF_ALU | BPF_END | BPF_TO_BE, BPF_REG_1, 0, 0, 16);
    emit(text, BPF_ALU64 | BPF_OR | BPF_X, BPF_REG_0, BPF_REG_1, 0, 0);
    write_ports(text, IPPROTO_UDP, flows->udp, flows->udp_count);
    write_ports(text, IPPROTO_TCP, flows->tcp, flows->tcp_count);
    jump(text, PASS);
}

unsigned ae_xdp_program_write(struct bpf_insn program[XDP_INSTRUCTIONS],
                              const struct xdp_flows *flows, int map)
{
    struct text text = {.at = program};
    bool ports = flows->udp_count || flows->tcp_count;

    write_ethernet(&text, flows);
    if (flows->address_count && !ports)
        write_arp(&text, flows);
    if (flows->address_count || ports)
        write_ipv4(&text, flows);
    place(&text, REDIRECT);
    load(&text, BPF_W, BPF_REG_2, CONTEXT, offsetof(struct xdp_md, rx_queue_index));
    emit(&text, BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map);
    emit(&text, 0, 0, 0, 0, 0);      /* the second half of it */
    set(&text, BPF_REG_3, XDP_PASS); /* where the queue has no socket */
    emit(&text, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map);
    emit(&text, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    place(&text, PASS);
    set(&text, BPF_REG_0, XDP_PASS);
    emit(&text, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    resolve(&text);
    return text.count;
}

/* ---- In the kernel ---- */

static int no_right(struct ae_error *err, int rc, const char *what)
{
    return ae_error_set(err, rc, "%s: %s%s", what, strerror(-rc),
                        rc == -EPERM ? "; CAP_BPF and CAP_NET_ADMIN are needed, such as root's"
                                     : "");
}

static int attach(struct xdp_program *program, int fd, unsigned interface, bool generic,
                  struct ae_error *err)
{
    LIBBPF_OPTS(bpf_link_create_opts, options,
                .flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);

    program->link = bpf_link_create(fd, (int)interface, BPF_XDP, &options);
    if (program->link >= 0)
        return 0;
    if (program->link == -EOPNOTSUPP && !generic)
        return ae_error_set(err, -EOPNOTSUPP,
                            "its driver runs no XDP program; the kernel can, slower, for any "
                            "driver: attach=generic");
    if (program->link == -EBUSY || program->link == -EEXIST)
        return ae_error_set(err, -EBUSY,
                            "another XDP program is attached to it; 'ip link' and 'bpftool net' "
                            "show which");
    return ae_error_set(
        err, program->link, "attaching an XDP program: %s%s", strerror(-program->link),
        program->link == -EINVAL ? "; drivers refuse an MTU that is too long for XDP, and LRO"
                                 : "");
}

int ae_xdp_program_attach(struct xdp_program *program, const struct xdp_flows *flows,
                          unsigned interface, unsigned queues, bool generic, struct ae_error *err)
{
    struct bpf_insn text[XDP_INSTRUCTIONS];
    unsigned count;
    int fd, rc;

    program->map =
        bpf_map_create(BPF_MAP_TYPE_XSKMAP, "aether", sizeof(int), sizeof(int), queues, NULL);
    if (program->map < 0)
        return no_right(err, program->map, "making a map of AF_XDP sockets");
    count = ae_xdp_program_write(text, flows, program->map);
    fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "aether", "Apache-2.0", text, count, NULL);
    if (fd < 0)
        return no_right(err, fd, "loading an XDP program");
    rc = attach(program, fd, interface, generic, err);
    ae_descriptor_close(&fd);
    return rc;
}

int ae_xdp_program_set(const struct xdp_program *program, unsigned queue, int socket,
                       struct ae_error *err)
{
    int rc = bpf_map_update_elem(program->map, &queue, &socket, BPF_ANY);

    return rc ? ae_error_set(err, rc, "having frames of queue %u come to it: %s", queue,
                             strerror(-rc))
              : 0;
}

void ae_xdp_program_detach(struct xdp_program *program)
{
    ae_descriptor_close(&program->link);
    ae_descriptor_close(&program->map);
}
