/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_MADE_FUNCTION_H
#define AE_TESTS_MADE_FUNCTION_H

/*
 * A made-up PCI function behind VFIO, for the owners of cards. Its configuration space and BARs are
 * a file, so that reading and mapping them is real, and touching what is not there faults; what the
 * kernel answers is made up. A card is a model on top of it, which sees each register access:
 * made_e1000e.c, made_virtio.c. Time is made up too: it passes while somebody sleeps.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define MADE_ADDRESS  "0000:01:00.0"
#define MADE_BAR_ROOM 0x100000u /* bytes that a BAR has in the file */
#define MADE_SPARSE   3

struct made_bar {
    uint32_t size;                 /* 0: there is none */
    bool io;                       /* an I/O BAR: not to be mapped */
    bool sparse;                   /* of it only `area` may be mapped */
    uint64_t area[MADE_SPARSE][2]; /* offset, size */
};

struct made_model {
    /* What is read where `stored` is in memory. */
    uint32_t (*read)(unsigned bar, uint32_t at, unsigned width, uint32_t stored);
    void (*written)(unsigned bar, uint32_t at, unsigned width, uint32_t value);
    void (*reset)(void); /* by VFIO */
};

struct made_function {
    const struct made_model *model;
    int file;
    struct made_bar bars[6];
    bool no_reset;
    int reset_error, irqs_error; /* an errno */
    unsigned msix;               /* vectors */
    int32_t vector, request;     /* descriptors to be signalled; -1: off */
    uint64_t now;                /* ns */
    /* Another answer than the model's; NULL: never. */
    uint32_t (*lie)(uint32_t value, unsigned width);
    /* What was done with it. */
    unsigned resets, masters, mapped; /* masters: resets while it mastered the bus */
    uint64_t slept, accesses;
    bool unmapped_early; /* memory was unmapped while the function could write to it */
};

extern struct made_function made_function;

/* The kernel has iommufd and no container; otherwise a container and no iommufd. */
extern bool made_iommufd;

/* vendor and device as VFIO shows them; in a root made by made_root_begin. */
void made_function_begin(uint32_t vendor_device, const struct made_model *model);
void made_function_end(void);

void made_config_put(unsigned offset, unsigned width, uint32_t value);
uint32_t made_config_get(unsigned offset, unsigned width);
void made_config_gone(void);

/* A capability at the end of the list. */
void made_capability(unsigned at, const void *bytes, unsigned size);

/* What the function sees at an I/O address; NULL: not all of it is mapped. */
uint8_t *made_dma(uint64_t iova, uint64_t length);

/* Raises an interrupt, or asks for the function back. */
void made_signal(int fd);

uint32_t made_read(const volatile void *base, uint32_t offset, unsigned width);
void made_write(volatile void *base, uint32_t offset, unsigned width, uint32_t value);
int made_sleep(const struct timespec *time, struct timespec *left);
int made_clock(clockid_t clock, struct timespec *time);

#endif
