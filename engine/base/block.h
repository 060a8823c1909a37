/* SPDX-License-Identifier: MIT
 * Large blocks of memory: weights, activations, files. */
#ifndef CORED_BASE_BLOCK_H
#define CORED_BASE_BLOCK_H

#include <stddef.h>

/* Zeroed, aligned to 64 bytes, on huge pages where it is large and the system has them; count 0
 * gives a block, too. NULL without memory or when the size wraps. */
void *cored_block_new(size_t count, size_t size);
/* With the same numbers; NULL is fine. */
void cored_block_free(void *block, size_t count, size_t size);

#endif /* CORED_BASE_BLOCK_H */
