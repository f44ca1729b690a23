/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_XDP_PROGRAM_H
#define AE_PORT_XDP_PROGRAM_H

/*
 * The program that the kernel runs for each frame of an interface: frames of the flows go to the
 * socket of their queue, where there is one, all others to the kernel's stack. It is made for the
 * flows, instruction by instruction, so that neither a compiler nor a table of them is needed.
 */

#include <linux/bpf.h>

#include "port/xdp/flows.h"

#define XDP_INSTRUCTIONS 128

/* Writes it for a map of sockets (BPF_MAP_TYPE_XSKMAP); returns how many instructions it has. */
unsigned ae_xdp_program_write(struct bpf_insn program[XDP_INSTRUCTIONS],
                              const struct xdp_flows *flows, int map);

struct xdp_program {
    int map;  /* sockets by queue; -1: none */
    int link; /* that is closed when nobody has it, which detaches the program; -1: none */
};

/* Loads it and attaches it to an interface, by the driver, or to what the driver received. */
int ae_xdp_program_attach(struct xdp_program *program, const struct xdp_flows *flows,
                          unsigned interface, unsigned queues, bool generic, struct ae_error *err);
int ae_xdp_program_set(const struct xdp_program *program, unsigned queue, int socket,
                       struct ae_error *err);
void ae_xdp_program_detach(struct xdp_program *program);

#endif
