/* SPDX-License-Identifier: MIT
 * Large zeroed blocks. Weights are read once per image, front to back: on 4 KiB pages every one
 * costs a table walk, so blocks from 2 MiB on are aligned and offered to the kernel for huge pages
 * (which it may refuse; nothing depends on it). */
#include "session/plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* Bytes of a block; 0 when the number wraps. */
static size_t block_bytes(size_t floats) {
  size_t bytes;
  if (__builtin_mul_overflow(floats, sizeof(float), &bytes) || bytes > SIZE_MAX / 4)
    return 0;
  const size_t unit = bytes < HUGE_PAGE ? 64 : HUGE_PAGE;
  bytes = (bytes + unit - 1) / unit * unit;
  return bytes ? bytes : unit;
}

static float *map_aligned(size_t bytes) {
  char *const map =
      mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED)
    return NULL;
  const size_t head = (HUGE_PAGE - (uintptr_t)map % HUGE_PAGE) % HUGE_PAGE;
  if (head)
    munmap(map, head);
  if (head < HUGE_PAGE)
    munmap(map + head + bytes, HUGE_PAGE - head);
  madvise(map + head, bytes, MADV_HUGEPAGE);
  return (float *)(void *)(map + head);
}

float *cored_block_new(size_t floats) {
  const size_t bytes = block_bytes(floats);
  if (!bytes)
    return NULL;
  if (bytes >= HUGE_PAGE)
    return map_aligned(bytes);
  float *const block = aligned_alloc(64, bytes);
  if (block)
    memset(block, 0, bytes);
  return block;
}

void cored_block_free(float *block, size_t floats) {
  if (!block)
    return;
  const size_t bytes = block_bytes(floats);
  if (bytes >= HUGE_PAGE)
    munmap(block, bytes);
  else
    free(block);
}
