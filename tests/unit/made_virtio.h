/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_MADE_VIRTIO_H
#define AE_TESTS_MADE_VIRTIO_H

/* A virtio network device on a made-up function (OASIS VIRTIO 1.2, 4.1 and 5.1): its structures,
 * and a control queue that answers. */

#include <stdbool.h>
#include <stdint.h>

#include "made_function.h"
#include "port/virtio/pci_regs.h"
#include "port/virtio/virtio.h"

#define MADE_COMMON   0x0000 /* in BAR 4, a page each */
#define MADE_ISR      0x1000
#define MADE_CONFIG   0x2000
#define MADE_NOTIFY   0x3000
#define MADE_QUEUES   64
#define MADE_COMMANDS 32

struct made_queue {
    uint16_t size; /* what the device says */
    uint16_t notify_off;
    uint16_t used_size; /* what the driver set */
    bool enabled;
    uint64_t desc, driver, device;
    uint16_t next; /* control queue: split: free-running; packed: slot */
    bool wrap;
};

struct made_virtio {
    uint64_t offered, accepted;
    uint16_t num_queues;
    uint8_t status;
    uint8_t generation;
    uint16_t config_vector;
    struct virtio_net_config config;
    struct made_queue queues[MADE_QUEUES];
    uint16_t control; /* the control queue */
    bool gone, never_reset, no_features_ok, restless, no_vector;
    bool silent;      /* the control queue does not answer */
    uint8_t verdict;  /* what it answers */
    unsigned gone_at; /* that many accesses later; 0: never */
    unsigned commands;
    uint8_t command[MADE_COMMANDS][2]; /* class and command of the last ones */
    unsigned wrong; /* notifications of no queue, or at another place than its own */
};

extern struct made_virtio made_virtio;

/* With what most devices have. */
void made_virtio_begin(void);

/* Structures as most have them: common, isr, device, notify, in BAR 4. */
void made_virtio_capabilities(uint32_t notify_length, uint32_t multiplier);

/* One structure's capability, at `at` in configuration space, behind those that are there. */
void made_virtio_capability(unsigned at, uint8_t type, uint8_t bar, uint32_t offset,
                            uint32_t length, uint32_t multiplier);

/* Answers what the control queue holds, once it may. */
void made_virtio_answer(void);

#endif
