/* SPDX-License-Identifier: Apache-2.0 */

#include "fuzz_owner.h"
#include "made_e1000e.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any register, at any time. */
static void spoil(uint32_t at, uint32_t value)
{
    made_e1000e_set(at % E1000E_REGISTERS / 4 * 4, value * 0x01010101);
    made_e1000e.gone = value == 0xff;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_root();
    made_e1000e_begin();
    input = data;
    input_left = size;
    shape_bars();
    spoil_config();
    made_e1000e.never_reset = take(1) == 1;
    made_e1000e.never_nvm = take(1) == 1;
    made_e1000e.never_stops = take(1) == 1;
    run_owner(spoil);
    made_function_end();
    return 0;
}
