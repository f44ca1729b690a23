/* SPDX-License-Identifier: Apache-2.0 */

#include "fuzz_owner.h"
#include "made_virtio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the device has in its configuration, and what it writes into the rings that are the
 * owner's. */
static void spoil(uint32_t at, uint32_t value)
{
    const struct made_queue *control = &made_virtio.queues[made_virtio.control];
    uint8_t *ring = made_dma(control->desc, 4096);

    if (at & 0x8000 && ring)
        ring[at % 4096] = (uint8_t)value;
    else
        ((uint8_t *)&made_virtio.config)[at % sizeof(made_virtio.config)] = (uint8_t)value;
    made_virtio.silent = value == 0x11;
    made_virtio.gone = value == 0xff;
}

static void put_capabilities(void)
{
    unsigned count = take(1) % 8;

    if (count > 5)
        return; /* those that there are */
    made_config_put(PCI_CAPABILITY_LIST, 1, 0);
    for (unsigned i = 0; i < count; i++) {
        uint32_t places = take(1);

        made_virtio_capability(
            0x40 + 0x20 * i, (uint8_t)(take(1) % 6), places & 1 ? 4 : places >> 1 & 7,
            places & 0x80 ? take(4) : take(1) % 5 * 0x1000, places & 0x40 ? take(4) : take(2),
            places & 0x20 ? take(4) : take(1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_root();
    made_virtio_begin();
    input = data;
    input_left = size;
    shape_bars();
    made_virtio.offered ^= take(4) | (uint64_t)take(4) << 32;
    made_virtio.num_queues = (uint16_t)(take(1) & 0x80 ? take(2) : made_virtio.num_queues);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t shape = take(1);

        if (shape & 1)
            made_virtio.queues[i].size = (uint16_t)take(2);
        if (shape & 2)
            made_virtio.queues[i].notify_off = (uint16_t)take(2);
    }
    made_virtio.never_reset = take(1) == 1;
    made_virtio.restless = take(1) == 1;
    made_virtio.verdict = take(1) == 1;
    made_virtio.config.max_virtqueue_pairs = (uint16_t)take(2);
    put_capabilities();
    spoil_config();
    run_owner(spoil);
    made_function_end();
    return 0;
}
