/* SPDX-License-Identifier: MIT
 * Model files swept: cut and changed at every byte, every allocation failing once, every system
 * call of reading and writing failing once. With the argument "all" every byte of the data part is
 * changed, too (that takes minutes); else every 97th. Under sanitizers, which take seven times as
 * long, a byte of the header is changed in one of the four ways, and when a model is made every
 * third allocation fails.
 *
 * The linker turns the engine's calls into __wrap_*; `faults` decides which of them fails. */
#include "model-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static Blob base;
static bool all_bytes;

/* ---- Faults --------------------------------------------------------------------------------- */

typedef enum Fault { FAULT_NONE, FAULT_MEMORY, FAULT_ERROR, FAULT_EINTR, FAULT_SHORT } Fault;

static struct {
  Fault kind;
  const char *call; /* system call that fails; NULL with FAULT_MEMORY */
  long countdown;   /* 1: the next one fails */
  bool hit;
  void (*intruder)(const char *path); /* called once, before the next read */
  const char *path;
} faults;

static bool fails(Fault kind, const char *call) {
  if (faults.kind != kind || (call && strcmp(faults.call, call) != 0) || faults.countdown == 0)
    return false;
  if (--faults.countdown > 0)
    return false;
  faults.hit = true;
  return true;
}

static void arm(Fault kind, const char *call, long n) {
  faults.kind = kind;
  faults.call = call;
  faults.countdown = n;
  faults.hit = false;
}

static bool disarm(void) {
  faults.kind = FAULT_NONE;
  return faults.hit;
}

#define WRAP(result, name, ...)                                                                    \
  result __real_##name(__VA_ARGS__);                                                               \
  result __wrap_##name(__VA_ARGS__);                                                               \
  result __wrap_##name(__VA_ARGS__)

WRAP(void *, malloc, size_t size) {
  return fails(FAULT_MEMORY, NULL) ? NULL : __real_malloc(size);
}
WRAP(void *, mmap, void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  return fails(FAULT_MEMORY, NULL) ? MAP_FAILED
                                   : __real_mmap(at, size, protection, flags, fd, offset);
}

/* The same where offsets of 64 bits have a name of their own. */
WRAP(void *, mmap64, void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  return fails(FAULT_MEMORY, NULL) ? MAP_FAILED
                                   : __real_mmap64(at, size, protection, flags, fd, offset);
}

WRAP(void *, calloc, size_t n, size_t size) {
  return fails(FAULT_MEMORY, NULL) ? NULL : __real_calloc(n, size);
}
WRAP(void *, realloc, void *old, size_t size) {
  return fails(FAULT_MEMORY, NULL) ? NULL : __real_realloc(old, size);
}
WRAP(int, posix_memalign, void **out, size_t align, size_t size) {
  return fails(FAULT_MEMORY, NULL) ? ENOMEM : __real_posix_memalign(out, align, size);
}
WRAP(char *, strdup, const char *s) {
  return fails(FAULT_MEMORY, NULL) ? NULL : __real_strdup(s);
}
WRAP(char *, strndup, const char *s, size_t n) {
  return fails(FAULT_MEMORY, NULL) ? NULL : __real_strndup(s, n);
}

/* Does this system call fail now, and with what? */
static bool call_fails(const char *call) {
  if (fails(FAULT_ERROR, call)) {
    errno = EIO;
    return true;
  }
  if (fails(FAULT_EINTR, call)) {
    errno = EINTR;
    return true;
  }
  return false;
}

WRAP(ssize_t, read, int fd, void *data, size_t size) {
  if (faults.intruder) {
    void (*const intruder)(const char *) = faults.intruder;
    faults.intruder = NULL;
    intruder(faults.path);
  }
  if (call_fails("read"))
    return -1;
  return __real_read(fd, data, fails(FAULT_SHORT, "read") && size > 1 ? size / 2 : size);
}
WRAP(ssize_t, write, int fd, const void *data, size_t size) {
  if (call_fails("write"))
    return -1;
  return __real_write(fd, data, fails(FAULT_SHORT, "write") && size > 1 ? size / 2 : size);
}
WRAP(int, fsync, int fd) {
  return call_fails("fsync") ? -1 : __real_fsync(fd);
}
WRAP(int, rename, const char *from, const char *to) {
  return call_fails("rename") ? -1 : __real_rename(from, to);
}
WRAP(int, fstat, int fd, struct stat *st) {
  return call_fails("fstat") ? -1 : __real_fstat(fd, st);
}

/* The same with 64-bit offsets on platforms that tell them apart. */
WRAP(int, fstat64, int fd, struct stat *st) {
  return call_fails("fstat") ? -1 : __real_fstat64(fd, st);
}

/* ---- Bytes ---------------------------------------------------------------------------------- */

static bool loads(const uint8_t *data, size_t size, CoredError *error) {
  const CoredModelLoadParams skip = {.skip_self_test = true};
  *error = (CoredError){0};
  CoredModel *const model = cored_model_load_memory(data, size, "m", &skip, error);
  cored_model_unref(model);
  return model != NULL;
}

static void m04_cut_at_every_byte(void **state) {
  (void)state;
  const size_t header = 8 + blob_header(&base);
  for (size_t n = 0; n < base.size; n += all_bytes || n < header ? 1 : 13) {
    CoredError error;
    uint8_t *const cut = malloc(n ? n : 1); /* of its own, so that reading beyond it is seen */
    memcpy(cut, base.data, n);
    if (loads(cut, n, &error))
      fail_msg("loads when cut to %zu bytes", n);
    const CoredErrorCode expected = n < 8        ? CORED_ERROR_FILE_TOO_SMALL
                                    : n < header ? CORED_ERROR_HEADER_LENGTH
                                                 : CORED_ERROR_TRUNCATED;
    if (error.code != expected)
      fail_msg("cut to %zu bytes: %s", n, error.message);
    free(cut);
  }
}

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true
#else
#define SANITIZED false
#endif

static void m05_change_every_byte(void **state) {
  (void)state;
  static const uint8_t masks[] = {0x01, 0x20, 0x80, 0xff};
  const size_t header = 8 + blob_header(&base);
  Blob blob = blob_of(base.data, base.size);
  for (size_t i = 0; i < base.size; i += all_bytes || i < header ? 1 : 97) {
    const size_t n_changes = i < header && (all_bytes || !SANITIZED) ? sizeof masks : 1;
    for (size_t m = 0; m < n_changes; m++) {
      CoredError error;
      const uint8_t mask = masks[(i + m) % sizeof masks];
      blob.data[i] ^= mask;
      if (loads(blob.data, blob.size, &error))
        fail_msg("loads with byte %zu changed by 0x%02x", i, mask);
      if (error.code == CORED_ERROR_NONE || !error.message[0])
        fail_msg("byte %zu: no message", i);
      if (i >= header)
        assert_int_equal(error.code, CORED_ERROR_HASH);
      blob.data[i] ^= mask;
    }
  }
  blob_free(&blob);
}

/* ---- Memory --------------------------------------------------------------------------------- */

static void m79_load_without_memory(void **state) {
  (void)state;
  long n = 0;
  for (bool done = false; !done;) {
    CoredError error = {0};
    arm(FAULT_MEMORY, NULL, ++n);
    CoredModel *const model = cored_model_load_memory(base.data, base.size, "m", NULL, &error);
    done = !disarm();
    if (done != (model != NULL))
      fail_msg("allocation %ld: %s", n, model ? "loads" : error.message);
    if (!done && error.code != CORED_ERROR_NO_MEMORY)
      fail_msg("allocation %ld: %s: %s", n, cored_error_code_name(error.code), error.message);
    cored_model_unref(model);
    assert_true(n < 5000);
  }
  assert_true(n > 30);
  print_message("load: %ld allocations failed in turn\n", n - 1);
}

static void m79_make_copy_and_save_without_memory(void **state) {
  (void)state;
  char folder[] = "/tmp/cored-test-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/m", folder);
  long n = 0;
  for (bool done = false; !done;) {
    CoredError error = {0};
    CoredModelInfo info;
    assert_true(cored_model_info_init(&info, "meso4", 2, &error));
    n += SANITIZED && !all_bytes ? 3 : 1;
    arm(FAULT_MEMORY, NULL, n);
    CoredModel *const model = cored_model_new_random(&info, 1, &error);
    CoredModel *const noted = model ? cored_model_with_metadata(model, "note", "x", &error) : NULL;
    CoredModel *const moved = noted ? cored_model_with_info(noted, &info, &error) : NULL;
    const bool saved = moved && cored_model_save(moved, path, &error);
    done = !disarm();
    if (saved != done)
      fail_msg("allocation %ld: %s", n, saved ? "saved" : error.message);
    if (!done && error.code != CORED_ERROR_NO_MEMORY)
      fail_msg("allocation %ld: %s", n, error.message);
    assert_int_equal(access(path, F_OK) == 0, saved);
    cored_model_unref(model);
    cored_model_unref(noted);
    cored_model_unref(moved);
    assert_true(n < 5000);
  }
  unlink(path);
  assert_int_equal(rmdir(folder), 0);
  print_message("make and save: %ld allocations failed in turn\n", n - 1);
}

/* ---- System calls --------------------------------------------------------------------------- */

typedef struct Files {
  char folder[32], path[64];
} Files;

static Files make_files(void) {
  Files files = {.folder = "/tmp/cored-test-XXXXXX"};
  assert_non_null(mkdtemp(files.folder));
  snprintf(files.path, sizeof files.path, "%s/m", files.folder);
  FILE *const file = fopen(files.path, "wb");
  assert_int_equal(fwrite(base.data, 1, base.size, file), base.size);
  assert_int_equal(fclose(file), 0);
  return files;
}

static void remove_files(const Files *files) {
  unlink(files->path);
  assert_int_equal(rmdir(files->folder), 0); /* nothing else is left there */
}

/* Fail the n-th of `call` for all n: load gives `code`, or loads where code is NONE. */
static void sweep_load(const char *path, Fault kind, const char *call, CoredErrorCode code) {
  const CoredModelLoadParams skip = {.skip_self_test = true};
  for (long n = 1;; n++) {
    CoredError error = {0};
    arm(kind, call, n);
    CoredModel *const model = cored_model_load(path, &skip, &error);
    const bool hit = disarm();
    if (!hit || code == CORED_ERROR_NONE)
      assert_non_null(model);
    else
      assert_int_equal(error.code, code);
    cored_model_unref(model);
    if (!hit) {
      assert_true(n > 1);
      return;
    }
  }
}

static void m80_reading_fails(void **state) {
  (void)state;
  const Files files = make_files();
  sweep_load(files.path, FAULT_ERROR, "read", CORED_ERROR_READ);
  sweep_load(files.path, FAULT_EINTR, "read", CORED_ERROR_NONE);
  sweep_load(files.path, FAULT_SHORT, "read", CORED_ERROR_NONE);
  sweep_load(files.path, FAULT_ERROR, "fstat", CORED_ERROR_READ);
  remove_files(&files);
}

static void sweep_save(const CoredModel *model, const Files *files, Fault kind, const char *call,
                       bool succeeds) {
  const CoredModelLoadParams skip = {.skip_self_test = true}; /* saving has done it */
  for (long n = 1;; n++) {
    CoredError error = {0};
    arm(kind, call, n);
    const bool saved = cored_model_save(model, files->path, &error);
    const bool hit = disarm();
    if (saved != (succeeds || !hit))
      fail_msg("%s %ld: %s", call, n, saved ? "saved" : error.message);
    if (!saved && error.code != CORED_ERROR_WRITE)
      fail_msg("%s %ld: %s", call, n, error.message);
    CoredModel *const loaded = cored_model_load(files->path, &skip, &error);
    assert_non_null(loaded);
    cored_model_unref(loaded);
    if (!hit) {
      assert_true(n > 1);
      return;
    }
  }
}

static void m80_writing_fails(void **state) {
  (void)state;
  const Files files = make_files();
  CoredModel *const model = model_random("meso4", 2);
  sweep_save(model, &files, FAULT_ERROR, "write", false);
  sweep_save(model, &files, FAULT_EINTR, "write", true);
  sweep_save(model, &files, FAULT_SHORT, "write", true);
  sweep_save(model, &files, FAULT_ERROR, "fsync", false);
  sweep_save(model, &files, FAULT_ERROR, "rename", false);
  sweep_save(model, &files, FAULT_ERROR, "read", false);
  cored_model_unref(model);
  remove_files(&files);
}

/* What another process does to the file between fstat and the end of reading. */
static void cut_file(const char *path) {
  assert_int_equal(truncate(path, 1000), 0);
}

static void extend_file(const char *path) {
  assert_int_equal(truncate(path, (off_t)base.size + 1), 0);
}

static void touch_file(const char *path) { /* same size, other time */
  const struct timespec times[2] = {{1, 0}, {1, 0}};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void m78_the_file_changes_while_it_is_read(void **state) {
  (void)state;
  static void (*const intruders[])(const char *) = {cut_file, extend_file, touch_file};
  for (size_t i = 0; i < 3; i++) {
    const Files files = make_files();
    CoredError error = {0};
    faults.intruder = intruders[i];
    faults.path = files.path;
    assert_null(cored_model_load(files.path, NULL, &error));
    assert_int_equal(error.code, CORED_ERROR_FILE_CHANGED);
    assert_null(faults.intruder);
    remove_files(&files);
  }
}

static int setup(void **state) {
  (void)state;
  base = blob_meso4();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  blob_free(&base);
  return 0;
}

int main(int argc, char **argv) {
  all_bytes = argc > 1 && strcmp(argv[1], "all") == 0;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(m04_cut_at_every_byte),
      cmocka_unit_test(m05_change_every_byte),
      cmocka_unit_test(m78_the_file_changes_while_it_is_read),
      cmocka_unit_test(m79_load_without_memory),
      cmocka_unit_test(m79_make_copy_and_save_without_memory),
      cmocka_unit_test(m80_reading_fails),
      cmocka_unit_test(m80_writing_fails),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
