/* SPDX-License-Identifier: MIT
 * They come from the kernel and go back to it. malloc would keep them: a process that loads a new
 * model now and then, each time in another thread, ends up with the space of a model in every
 * arena; and glibc before 2.38 does not find freed aligned blocks again, so that the heap grows by
 * a little with every model for ever.
 *
 * Weights are read once per image, front to back: on 4 KiB pages every one costs a table walk, so
 * blocks from 2 MiB on are aligned and offered to the kernel for huge pages (which it may refuse;
 * nothing depends on it). */
#include "base/block.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define PAGE ((size_t)4 << 10)

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FROM_MALLOC 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FROM_MALLOC 1
#endif
#ifndef FROM_MALLOC
#define FROM_MALLOC 0 /* or, to have red zones, 1 */
#endif

/* Bytes of a block; 0 when the number wraps. */
static size_t block_bytes(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 4)
    return 0;
  const size_t unit = FROM_MALLOC ? 64 : bytes < HUGE_PAGE ? PAGE : HUGE_PAGE;
  bytes = (bytes + unit - 1) / unit * unit;
  return bytes ? bytes : unit;
}

static void *map(size_t bytes) {
  void *const memory =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

static void *map_huge(size_t bytes) {
  char *const memory = map(bytes + HUGE_PAGE);
  if (!memory)
    return NULL;
  const size_t head = (HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE) % HUGE_PAGE;
  if (head)
    munmap(memory, head);
  if (head < HUGE_PAGE)
    munmap(memory + head + bytes, HUGE_PAGE - head);
  madvise(memory + head, bytes, MADV_HUGEPAGE);
  return memory + head;
}

static void *allocate(size_t bytes) {
  void *memory;
  return posix_memalign(&memory, 64, bytes) == 0 ? memset(memory, 0, bytes) : NULL;
}

void *cored_block_new(size_t count, size_t size) {
  const size_t bytes = block_bytes(count, size);
  if (!bytes)
    return NULL;
  if (FROM_MALLOC)
    return allocate(bytes);
  return bytes >= HUGE_PAGE ? map_huge(bytes) : map(bytes);
}

void cored_block_free(void *block, size_t count, size_t size) {
  if (FROM_MALLOC)
    free(block);
  else if (block)
    munmap(block, block_bytes(count, size));
}
