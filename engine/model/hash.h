/* SPDX-License-Identifier: MIT
 * The hashes of a model file: cored.sha256 and cored.header-sha256 of format.h. */
#ifndef CORED_MODEL_HASH_H
#define CORED_MODEL_HASH_H

#include "model/safetensors.h"
#include "model/weights.h"

/* SHA-256 as lower-case hex with its NUL. */
#define CORED_HASH_SIZE 65

void cored_hash_bytes(const void *data, size_t size, char hex[CORED_HASH_SIZE]);
/* Of the data part our writer makes of these weights. False without memory. */
bool cored_hash_weights(const CoredWeights *weights, char hex[CORED_HASH_SIZE]);
/* cored.header-sha256 of a header: its own digits and the signature's, where given, count as "0".
 * Offsets are from the start of the file; 0 stands for "not there". */
void cored_hash_header(const uint8_t *header, size_t size, uint64_t own_offset,
                       uint64_t signature_offset, char hex[CORED_HASH_SIZE]);
/* Check both hashes of a parsed file. cancel as in CoredModelLoadParams. */
bool cored_hash_verify(const CoredSafetensors *st, const uint8_t *bytes, const char *name,
                       const int *cancel, CoredError *error);

#endif /* CORED_MODEL_HASH_H */
