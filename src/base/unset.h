/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_UNSET_H
#define AE_BASE_UNSET_H

/*
 * Variables are zero until they are set (meson.build, -ftrivial-auto-var-init). This one is not: it
 * is on the path of every frame, which clearing it would make longer, and is set before it is read
 * on every way that the address sanitizer's tests and the fuzzers go.
 */
#if defined(__has_attribute) && __has_attribute(uninitialized)
#define AE_UNSET __attribute__((uninitialized))
#else
#define AE_UNSET
#endif

#endif
