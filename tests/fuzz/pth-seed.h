/* SPDX-License-Identifier: MIT
 * Small PyTorch files in memory, for fuzzing and for sweeps. */
#ifndef PTH_SEED_H
#define PTH_SEED_H

#include <stddef.h>
#include <stdint.h>

#define PTH_SEED_RECORDS 3
#define PTH_SEED_RECORD_SIZE 24 /* 6 float32, or 12 float16, or 3 float64 */

/* Pickles of state dictionaries on the records "0" .. "2", in many writings; the size, 0 past the
 * last one. Without PROTO and STOP, so that they can be put together. */
size_t cored_seed_pickle(size_t index, uint8_t *out, size_t max);

/* The same opcodes as whole files that are right all around: an archive with the records 0 ..
 * n_records - 1, and a legacy stream. The size, 0 where max is too small. */
size_t cored_seed_zip(const uint8_t *pickle, size_t size, int n_records, uint8_t *out, size_t max);
size_t cored_seed_legacy(const uint8_t *pickle, size_t size, int n_records, uint8_t *out,
                         size_t max);

#endif /* PTH_SEED_H */
