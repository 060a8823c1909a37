/* SPDX-License-Identifier: MIT
 * Event files that TensorBoard reads.
 *
 * A file is a sequence of TFRecords: uint64 length, uint32 masked CRC-32C of the length, data,
 * uint32 masked CRC-32C of the data, little-endian. The data of a record is a protocol buffer:
 *   Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
 *   Summary { repeated Value value = 1; }
 *   Value   { string tag = 1; float simple_value = 2; }
 * The first record has only wall_time and file_version "brain.Event:2". */
#include "tools/report/tensorboard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

#define MAX_TAG 256
#define MAX_EVENT (MAX_TAG + 64)

struct CoredTensorboard {
  int fd;
  char *path;
  CoredText pending;
};

/* ---- CRC-32C (Castagnoli), bit by bit: events are few and short -------------------------------
 */

static uint32_t masked_crc(const uint8_t *data, size_t size) {
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < size; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++)
      crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* ---- Protocol buffers ------------------------------------------------------------------------ */

typedef struct Message {
  uint8_t bytes[MAX_EVENT];
  size_t size;
} Message;

static void put_fixed(Message *m, uint64_t value, size_t size) { /* little-endian */
  for (size_t i = 0; i < size; i++)
    m->bytes[m->size++] = (uint8_t)(value >> 8 * i);
}

static void put_varint(Message *m, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    m->bytes[m->size++] = (uint8_t)(value | 0x80);
  m->bytes[m->size++] = (uint8_t)value;
}

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static void put_key(Message *m, unsigned field, unsigned wire) {
  put_varint(m, field << 3 | wire);
}

static void put_bytes(Message *m, unsigned field, const void *data, size_t size) {
  put_key(m, field, WIRE_BYTES);
  put_varint(m, size);
  memcpy(m->bytes + m->size, data, size);
  m->size += size;
}

static void put_double(Message *m, unsigned field, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_key(m, field, WIRE_64);
  put_fixed(m, bits, 8);
}

static void put_float(Message *m, unsigned field, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  put_key(m, field, WIRE_32);
  put_fixed(m, bits, 4);
}

/* ---- Records --------------------------------------------------------------------------------- */

static bool add_record(CoredTensorboard *board, const Message *event, CoredError *error) {
  Message head = {.size = 0}, tail = {.size = 0};
  put_fixed(&head, event->size, 8);
  put_fixed(&head, masked_crc(head.bytes, 8), 4);
  put_fixed(&tail, masked_crc(event->bytes, event->size), 4);
  cored_text_add_bytes(&board->pending, (const char *)head.bytes, head.size);
  cored_text_add_bytes(&board->pending, (const char *)event->bytes, event->size);
  cored_text_add_bytes(&board->pending, (const char *)tail.bytes, tail.size);
  return !board->pending.failed ||
         cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for events", board->path);
}

bool cored_tensorboard_scalar(CoredTensorboard *board, double time, int64_t step, const char *tag,
                              double value, CoredError *error) {
  Message scalar = {.size = 0}, summary = {.size = 0}, event = {.size = 0};
  put_bytes(&scalar, 1, tag, strnlen(tag, MAX_TAG));
  put_float(&scalar, 2, (float)value);
  put_bytes(&summary, 1, scalar.bytes, scalar.size);
  put_double(&event, 1, time);
  put_key(&event, 2, WIRE_VARINT);
  put_varint(&event, (uint64_t)step);
  put_bytes(&event, 5, summary.bytes, summary.size);
  return add_record(board, &event, error);
}

/* ---- The file -------------------------------------------------------------------------------- */

static bool fail(const char *path, const char *what, CoredError *error) {
  return cored_error_set(error, CORED_ERROR_WRITE, "%s: %s: %s", path, what, strerror(errno));
}

static bool make_folders(const char *folder, CoredError *error) {
  char *path = strdup(folder);
  if (!path)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for the path", folder);
  bool ok = true;
  for (char *at = path + 1; ok && *at; at++) {
    if (*at != '/')
      continue;
    *at = '\0';
    ok = mkdir(path, 0777) == 0 || errno == EEXIST;
    *at = '/';
  }
  ok = ok && (mkdir(path, 0777) == 0 || errno == EEXIST);
  free(path);
  return ok || fail(folder, "cannot make the folder", error);
}

/* A file of its own: one of that name, be it a link, is another's, and the next name is tried. */
static bool open_file(CoredTensorboard *board, const char *folder, double time, CoredError *error) {
  enum { TRIES = 100 };
  char host[256] = "localhost";
  gethostname(host, sizeof host - 1);
  for (int i = 0; i < TRIES && board->fd < 0; i++) {
    free(board->path);
    if (asprintf(&board->path, "%s/events.out.tfevents.%010lld.%s.%ld.%d", folder, (long long)time,
                 host, (long)getpid(), i) < 0) {
      board->path = NULL;
      return cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for the path", folder);
    }
    board->fd =
        open(board->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND | O_CLOEXEC, 0666);
    if (board->fd < 0 && errno != EEXIST)
      break;
  }
  return board->fd >= 0 || fail(board->path, "cannot open", error);
}

CoredTensorboard *cored_tensorboard_open(const char *folder, double time, CoredError *error) {
  static const char version[] = "brain.Event:2";
  if (!make_folders(folder, error))
    return NULL;
  CoredTensorboard *board = calloc(1, sizeof *board);
  if (!board) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory", folder);
    return NULL;
  }
  Message first = {.size = 0};
  put_double(&first, 1, time);
  put_bytes(&first, 3, version, sizeof version - 1);
  board->fd = -1;
  if (open_file(board, folder, time, error) && add_record(board, &first, error) &&
      cored_tensorboard_flush(board, error))
    return board;
  cored_tensorboard_close(board, NULL);
  return NULL;
}

bool cored_tensorboard_flush(CoredTensorboard *board, CoredError *error) {
  CoredText *pending = &board->pending;
  for (size_t done = 0; done < pending->n;) {
    ssize_t n = write(board->fd, pending->s + done, pending->n - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return fail(board->path, "writing failed", error);
    done += (size_t)n;
  }
  pending->n = 0;
  return true;
}

bool cored_tensorboard_close(CoredTensorboard *board, CoredError *error) {
  if (!board)
    return true;
  bool ok = board->fd < 0 || cored_tensorboard_flush(board, error);
  if (board->fd >= 0 && close(board->fd) != 0 && ok)
    ok = fail(board->path, "closing failed", error);
  cored_text_clear(&board->pending);
  free(board->path);
  free(board);
  return ok;
}
