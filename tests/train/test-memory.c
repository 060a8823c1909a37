/* SPDX-License-Identifier: MIT
 * Memory that runs out (T08): in a whole training, from reading the data to the report, the n-th
 * allocation of our own code fails. The run ends with a message or does without; nothing leaks and
 * every file is whole. CORED_TEST_PLACES: how many n, spread evenly; 0: all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "run.h"
#include "tiny-set.h"

/* ---- Allocations of everything that is linked here, not of shared libraries ----------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);
void __wrap_free(void *memory);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__real_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset);

enum { table_size = 1 << 16 };

static atomic_long calls, failing; /* failing: number of the call that fails, 0: none */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *live[table_size]; /* open addressing; a removed entry is `removed` */
static char removed[1];
static long n_live;

static size_t place_of(const void *memory) {
  return ((uintptr_t)memory >> 4) * 0x9E3779B97F4A7C15u >> 48;
}

static void *remember(void *memory) {
  pthread_mutex_lock(&lock);
  if (memory) {
    size_t i = place_of(memory);
    while (live[i] && live[i] != removed)
      i = (i + 1) % table_size;
    live[i] = memory;
    n_live++;
  }
  pthread_mutex_unlock(&lock);
  return memory;
}

/* Memory that came from inside a library is not in the table. */
static void forget(const void *memory) {
  pthread_mutex_lock(&lock);
  for (size_t i = place_of(memory); memory && live[i]; i = (i + 1) % table_size)
    if (live[i] == memory) {
      live[i] = removed;
      n_live--;
      break;
    }
  pthread_mutex_unlock(&lock);
}

static bool fails(void) {
  const bool yes = atomic_fetch_add(&calls, 1) + 1 == atomic_load(&failing);
  errno = yes ? ENOMEM : errno;
  return yes;
}

void *__wrap_malloc(size_t size) {
  return fails() ? NULL : remember(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size) {
  return fails() ? NULL : remember(__real_calloc(n, size));
}

void *__wrap_realloc(void *old, size_t size) {
  if (fails())
    return NULL;
  forget(old);
  return remember(__real_realloc(old, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return fails() ? NULL : remember(__real_aligned_alloc(alignment, size));
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size) {
  if (fails())
    return ENOMEM;
  const int status = __real_posix_memalign(memory, alignment, size);
  if (status == 0)
    remember(*memory);
  return status;
}

void __wrap_free(void *memory) {
  forget(memory);
  __real_free(memory);
}

/* Large blocks (block.h) may fail, too. Whether they leak is seen where they come from malloc: in a
 * build with a sanitizer. */
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  return fails() ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, offset);
}

/* Its name where files may be large. */
void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  return fails() ? MAP_FAILED : __real_mmap64(at, size, protection, flags, fd, offset);
}

/* ---- A whole training ----------------------------------------------------------------------- */

static char root[] = "/tmp/cored-test-memory-XXXXXX";
static char data[64], first[64], second[64];

static int make_data(void **state) {
  (void)state;
  char path[128];
  static const char *const tasks[] = {"A", "B"}, *const splits[] = {"train", "val"};
  if (!mkdtemp(root))
    return -1;
  snprintf(data, sizeof data, "%s/dataset", root);
  snprintf(first, sizeof first, "%s/first", root);
  snprintf(second, sizeof second, "%s/second", root);
  bool ok = mkdir(data, 0700) == 0;
  for (int i = 0; i < 4; i++) {
    snprintf(path, sizeof path, "%s/%s", data, tasks[i / 2]);
    ok = ok && (i % 2 || mkdir(path, 0700) == 0);
    snprintf(path, sizeof path, "%s/%s/%s", data, tasks[i / 2], splits[i % 2]);
    ok = ok && tiny_write_set(path, 2 + 2 * (i % 2), 3);
  }
  return ok ? 0 : -1;
}

static int drop_data(void **state) {
  (void)state;
  tiny_remove(root);
  return 0;
}

/* Status of a training whose n-th allocation fails; *message: what it said, to be freed. */
__attribute__((format(printf, 3, 4))) static int train(long n, char **message, const char *format,
                                                       ...) {
  enum { most = 64 };
  char program[] = "cored-train", line[1024], *words[most] = {program}, *save = NULL;
  int n_words = 1;
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  for (char *word = strtok_r(line, " ", &save); word && n_words < most - 1;
       word = strtok_r(NULL, " ", &save))
    words[n_words++] = word;
  size_t size;
  FILE *const said = open_memstream(message, &size), *const usual = stderr;
  Parallel parallel = {.ranks = 1};
  Options options;
  stderr = said;
  atomic_store(&calls, 0);
  atomic_store(&failing, n);
  int status = RUN_USAGE;
  if (options_parse(&options, n_words, words, said, said) == PARSE_OK)
    status = (int)run_train(&options, &parallel);
  options_clear(&options);
  atomic_store(&failing, 0);
  stderr = usual;
  fclose(said);
  return status;
}

static int train_second(long n, char **message) {
  return train(n, message,
               "-d %s -s A -t B -f -w %s -nb 4 --input-size 16 --threads 1 -me 1 -lr 0.001 --quiet "
               "--allow-overlap --representation vector --output %s",
               data, first, second);
}

static void check_model(void) {
  char path[96];
  CoredError error = {0};
  snprintf(path, sizeof path, "%s/best.safetensors", second);
  if (access(path, F_OK) != 0)
    return;
  CoredModel *const model = cored_model_load(path, NULL, &error);
  if (!model)
    fail_msg("%s", error.message);
  cored_model_unref(model);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  char *message;
  if (train(0, &message,
            "-d %s -t A -n Compact -nb 4 --input-size 16 --threads 1 -me 1 --quiet --allow-overlap "
            "--output %s",
            data, first) != RUN_OK)
    fail_msg("task 1: %s", message);
  __real_free(message);
  if (train_second(0, &message) != RUN_OK)
    fail_msg("task 2: %s", message);
  __real_free(message);
  const long total = atomic_load(&calls), before = n_live;
  const char *const given = getenv("CORED_TEST_PLACES");
  const long places = given ? strtol(given, NULL, 10) : 40,
             step = places ? (total + places - 1) / places : 1;
  int counts[2] = {0};
  for (long n = 1; n <= total; n += step) {
    tiny_remove(second);
    const int status = train_second(n, &message);
    if (status != RUN_OK && status != RUN_FAILED && status != RUN_USAGE)
      fail_msg("allocation %ld of %ld: status %d: %s", n, total, status, message);
    if (status != RUN_OK && !strstr(message, "cored-train: "))
      fail_msg("allocation %ld of %ld: no message but '%s'", n, total, message);
    if (n_live != before)
      fail_msg("allocation %ld of %ld: %ld blocks leak: %s", n, total, n_live - before, message);
    __real_free(message);
    check_model();
    counts[status != RUN_OK]++;
  }
  print_message("%ld allocations; %d failed in turn: %d trainings ended, %d did without\n", total,
                counts[0] + counts[1], counts[1], counts[0]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
  return cmocka_run_group_tests(tests, make_data, drop_data);
}
