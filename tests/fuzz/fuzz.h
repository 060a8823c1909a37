/* SPDX-License-Identifier: MIT
 * A fuzz target is one C file with the two functions below. Linked with fuzz-main.c it is an
 * ordinary test that replays its seeds and some mutations of them; fuzz.sh builds it with libFuzzer
 * and lets it run. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* One input; crashes, leaks and sanitizer reports are the findings. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Write seed number index into out and return its size; 0 past the last one. */
size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max);

#endif /* FUZZ_H */
