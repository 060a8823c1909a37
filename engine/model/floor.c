/* SPDX-License-Identifier: MIT
 * The floor of generations: which one was used last of every key, kept in a file so that it
 * outlives the process. A text of lines:
 *
 *   cored-trust-state-1
 *   KEY-ID GENERATION      16 hex digits, decimal
 *
 * Processes take turns by a lock on a file beside it, since the file itself is replaced. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "model/format.h"
#include "base/text.h"

#define HEAD "cored-trust-state-1"
#define FLOOR_FILE_MAX 65536
#define LOCK_TRIES 500 /* 10 ms apart */

typedef struct Floor {
  char id[CORED_KEY_ID_HEX + 1];
  uint64_t generation;
} Floor;

typedef struct Floors {
  Floor *floors;
  size_t n;
} Floors;

/* ---- Reading -------------------------------------------------------------------------------- */

static Floor *find(const Floors *floors, const char *id) {
  for (size_t i = 0; i < floors->n; i++)
    if (strcmp(floors->floors[i].id, id) == 0)
      return &floors->floors[i];
  return NULL;
}

static bool add(Floors *floors, const char *id, uint64_t generation) {
  Floor *const more = realloc(floors->floors, (floors->n + 1) * sizeof *more);
  if (!more)
    return false;
  floors->floors = more;
  more[floors->n].generation = generation;
  snprintf(more[floors->n++].id, sizeof more->id, "%s", id);
  return true;
}

/* Digits only, no leading zero, no more than fits. */
static bool parse_generation(const char *digits, uint64_t *generation) {
  char again[24];
  errno = 0;
  *generation = strtoull(digits, NULL, 10);
  snprintf(again, sizeof again, "%" PRIu64, *generation);
  return errno == 0 && strcmp(again, digits) == 0;
}

static bool parse_line(Floors *floors, char *line) {
  uint8_t bytes[CORED_KEY_ID_HEX / 2];
  uint64_t generation;
  if (strlen(line) <= CORED_KEY_ID_HEX || line[CORED_KEY_ID_HEX] != ' ')
    return false;
  line[CORED_KEY_ID_HEX] = '\0';
  return cored_hex_parse(line, sizeof bytes, bytes) && !find(floors, line) &&
         parse_generation(line + CORED_KEY_ID_HEX + 1, &generation) &&
         add(floors, line, generation);
}

/* Every line ends with a newline, so that a file cut off is no shorter list. */
static bool parse(Floors *floors, char *text, const char *path, CoredError *error) {
  int number = 1;
  for (char *line = text, *end; *line; line = end + 1, number++) {
    end = strchr(line, '\n');
    if (end)
      *end = '\0';
    if (end && (number == 1 ? strcmp(line, HEAD) == 0 : parse_line(floors, line)))
      continue;
    return cored_error_set(error, CORED_ERROR_TRUST_STATE,
                           "%s: line %d: expected %s, found '%.60s'%s. Restore the file, or remove "
                           "it to begin anew with any generation",
                           path, number, number == 1 ? "'" HEAD "'" : "a key's id and a generation",
                           line, end ? "" : " without a newline");
  }
  return number > 1 || cored_error_set(error, CORED_ERROR_TRUST_STATE,
                                       "%s: expected '%s', found an empty file. Restore the file, "
                                       "or remove it to begin anew with any generation",
                                       path, HEAD);
}

static bool check_mode(const char *path, CoredError *error) {
  struct stat st;
  if (stat(path, &st) != 0 || !(st.st_mode & S_IWOTH))
    return true;
  return cored_error_set(error, CORED_ERROR_TRUST_STATE,
                         "%s: expected a file that only its owner and group may write, found mode "
                         "%04o",
                         path, (unsigned)st.st_mode & 07777);
}

/* A file that is not there yet has no floors. */
static bool read_floors(Floors *floors, const char *path, CoredError *error) {
  CoredBytes bytes;
  CoredError reading = {0};
  *floors = (Floors){0};
  if (!cored_file_read(path, 0, FLOOR_FILE_MAX, NULL, &bytes, &reading)) {
    struct stat st;
    if (reading.code == CORED_ERROR_NOT_FOUND && lstat(path, &st) != 0 && errno == ENOENT)
      return true;
    return cored_error_set(error, reading.code, "%s", reading.message);
  }
  char *const text = cored_bytes_text(&bytes, CORED_ERROR_TRUST_STATE, path, error);
  const bool ok = text && check_mode(path, error) && parse(floors, text, path, error);
  free(text);
  cored_bytes_clear(&bytes);
  return ok;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static bool write_floors(const Floors *floors, const char *path, CoredError *error) {
  CoredText text = {0};
  cored_text_add(&text, HEAD "\n");
  for (size_t i = 0; i < floors->n; i++) {
    cored_text_add(&text, floors->floors[i].id);
    cored_text_add(&text, " ");
    cored_text_add_uint(&text, floors->floors[i].generation);
    cored_text_add(&text, "\n");
  }
  const CoredChunk chunk = {text.s, text.n};
  const bool ok = text.failed ? cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory", path)
                              : cored_file_write(path, &chunk, 1, 0600, error);
  cored_text_clear(&text);
  return ok;
}

static bool raise(Floors *floors, const char *path, const char *key_id, uint64_t generation,
                  const char *model, CoredError *error) {
  Floor *const floor = find(floors, key_id);
  if (floor && generation < floor->generation)
    return cored_error_set(error, CORED_ERROR_GENERATION,
                           "%s: expected generation %" PRIu64
                           " or later of key %s, which was used last according to %s, found "
                           "%" PRIu64,
                           model, floor->generation, key_id, path, generation);
  if (floor && generation == floor->generation)
    return true;
  if (floor)
    floor->generation = generation;
  else if (!add(floors, key_id, generation))
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory", path);
  return write_floors(floors, path, error);
}

/* The lock's descriptor, -1 on failure. */
static int lock(const char *path, CoredError *error) {
  char *name, reason[128];
  if (asprintf(&name, "%s.lock", path) < 0) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory", path);
    return -1;
  }
  const int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  int failed = fd < 0 ? errno : flock(fd, LOCK_EX | LOCK_NB) != 0 ? errno : 0;
  for (int i = 0; i < LOCK_TRIES && (failed == EWOULDBLOCK || failed == EINTR); i++) {
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    failed = flock(fd, LOCK_EX | LOCK_NB) != 0 ? errno : 0;
  }
  if (failed)
    cored_error_set(error, CORED_ERROR_TRUST_STATE, "%s: cannot be locked: %s", name,
                    failed == EWOULDBLOCK ? "another process has held it for five seconds"
                                          : strerror_r(failed, reason, sizeof reason));
  free(name);
  if (failed && fd >= 0)
    close(fd);
  return failed ? -1 : fd;
}

bool cored_floor_raise(const char *path, const char *key_id, uint64_t generation, const char *model,
                       CoredError *error) {
  uint8_t bytes[CORED_KEY_ID_HEX / 2];
  Floors floors;
  if (!cored_hex_parse(key_id, sizeof bytes, bytes))
    return cored_error_set(error, CORED_ERROR_ARGUMENT, "%s: '%s' is no id of a key", model,
                           key_id);
  /* Who names the file by a link shares it with who does not. */
  char *const resolved = realpath(path, NULL);
  const char *const file = resolved ? resolved : path;
  const int fd = lock(file, error);
  bool ok = fd >= 0 && read_floors(&floors, file, error);
  if (fd >= 0) {
    ok = ok && raise(&floors, file, key_id, generation, model, error);
    free(floors.floors);
    close(fd);
  }
  free(resolved);
  return ok;
}
