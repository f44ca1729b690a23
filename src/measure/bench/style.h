/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_BENCH_STYLE_H
#define AE_MEASURE_BENCH_STYLE_H

/* How a page looks: light and dark, from 360 pixels to 1600, on paper. Colours are told apart by
 * who does not see all of them, and each contender has a letter besides. */
extern const char ae_bench_style[];

#endif
