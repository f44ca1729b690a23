/* SPDX-License-Identifier: Apache-2.0 */

/* Before the source of a card's owner: its registers and its time are made_function's. Not a header
 * like others: it renames what follows. */

#include "base/barrier.h"
#include "made_function.h"

#define ae_mmio_read8(base, offset)          ((uint8_t)made_read(base, offset, 1))
#define ae_mmio_read16(base, offset)         ((uint16_t)made_read(base, offset, 2))
#define ae_mmio_read32(base, offset)         made_read(base, offset, 4)
#define ae_mmio_write8(base, offset, value)  made_write(base, offset, 1, value)
#define ae_mmio_write16(base, offset, value) made_write(base, offset, 2, value)
#define ae_mmio_write32(base, offset, value) made_write(base, offset, 4, value)
#define nanosleep                            made_sleep
#define clock_gettime                        made_clock
