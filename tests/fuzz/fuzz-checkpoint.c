/* SPDX-License-Identifier: MIT
 * Checkpoints. The first byte of an input says what the rest is:
 *   0  a whole file
 *   1  an edit of a right file's header: 2 bytes place, 1 byte how many to take out, text to put in
 *   2  text of the position, 3 text of the settings
 * With 1 to 3 the file's hash is made anew. What was read is compared with the settings of the run
 * and taken over by a trainer, or refused with a reason. */
#include <fcntl.h>

#include "checkpoint.h"
#include "fuzz.h"
#include "memory-file.h"
#include "model/hash.h"
#include "base/text.h"

enum { SIDE = 8 };

#define HASH_ENTRY "\"cored.checkpoint-sha256\":\""

static struct {
  CoredTrainer *trainer;
  json_t *position, *config;
  uint8_t *file;
  size_t size, header_size;
} right;

static void make_right(void) {
  if (right.file)
    return;
  CoredModelInfo info;
  CoredTrainParams params;
  fuzz_expect(cored_model_info_init(&info, "cored-compact", 2, NULL));
  CoredModel *const model = cored_model_new_random(&info, 1, NULL);
  cored_train_params_init(&params);
  params.input_width = params.input_height = SIDE;
  params.max_batch = 2;
  params.threads = 1;
  right.trainer = model ? cored_trainer_new(model, NULL, &params, NULL) : NULL;
  right.position =
      json_pack("{s:i,s:i,s:i,s:[]}", "epoch", 1, "next_batch", 2, "best_epoch", 1, "history");
  right.config = json_pack("{s:s,s:i}", "network", "cored-compact", "seed", 1);
  fuzz_expect(right.trainer && right.position && right.config);
  char path[] = "/tmp/cored-fuzz-XXXXXX";
  MemoryFile written = {.fd = mkstemp(path)};
  fuzz_expect(written.fd >= 0 &&
              checkpoint_save(path, right.trainer, right.position, right.config, NULL));
  close(written.fd);
  written.fd = open(path, O_RDONLY | O_CLOEXEC); /* it was replaced */
  right.file = memory_file_content(&written, &right.size);
  memory_file_close(&written);
  unlink(path);
  cored_model_unref(model);
  for (int i = 7; i >= 0; i--)
    right.header_size = right.header_size << 8 | right.file[i];
}

static void load(const void *file, size_t size) {
  MemoryFile memory = memory_file_open(file, size);
  CoredError error = {0};
  Checkpoint *const checkpoint = checkpoint_load(memory.path, &error);
  if (checkpoint) {
    fuzz_expect(json_is_object(checkpoint_position(checkpoint)));
    if (!checkpoint_check_config(checkpoint, right.config, &error))
      fuzz_expect(error.code != CORED_ERROR_NONE);
    else if (!checkpoint_restore(checkpoint, right.trainer, &error))
      fuzz_expect(error.code != CORED_ERROR_NONE);
  } else {
    fuzz_expect(error.code != CORED_ERROR_NONE && error.message[0]);
  }
  checkpoint_free(checkpoint);
  memory_file_close(&memory);
}

/* A file with this header and the right data, its hash made anew. */
static void load_header(const CoredText *header) {
  const size_t data_size = right.size - 8 - right.header_size;
  const size_t size = 8 + header->n + data_size;
  uint8_t *const file = malloc(size);
  char hex[CORED_HASH_SIZE];
  if (!file || header->failed)
    goto out;
  for (int i = 0; i < 8; i++)
    file[i] = (uint8_t)((uint64_t)header->n >> 8 * i);
  memcpy(file + 8, header->s, header->n);
  memcpy(file + 8 + header->n, right.file + 8 + right.header_size, data_size);
  uint8_t *digits = memmem(file, 8 + header->n, HASH_ENTRY, sizeof HASH_ENTRY - 1);
  if (digits && (digits += sizeof HASH_ENTRY - 1) + 64 <= file + 8 + header->n) {
    memset(digits, '0', 64);
    cored_hash_bytes(file, size, hex);
    memcpy(digits, hex, 64);
  }
  load(file, size);
out:
  free(file);
}

static void load_edit(FuzzInput in) {
  const char *const old = (const char *)right.file + 8;
  const size_t at = fuzz_u16(&in) % right.header_size, left = right.header_size - at;
  const size_t most = fuzz_byte(&in), out = most < left ? most : left;
  CoredText header = {0};
  cored_text_add_bytes(&header, old, at);
  cored_text_add_bytes(&header, (const char *)in.data, in.size);
  cored_text_add_bytes(&header, old + at + out, left - out);
  load_header(&header);
  cored_text_clear(&header);
}

static void load_entry(const char *key, FuzzInput in) {
  const char *const old = (const char *)right.file + 8, *const end = old + right.header_size;
  char *const value = fuzz_text(&in);
  const char *at = memmem(old, right.header_size, key, strlen(key));
  CoredText header = {0};
  fuzz_expect(at);
  at += strlen(key) + 2;
  cored_text_add_bytes(&header, old, (size_t)(at - old));
  cored_text_add_json_string(&header, value);
  for (at++; *at != '"'; at++)
    at += *at == '\\';
  cored_text_add_bytes(&header, at + 1, (size_t)(end - at - 1));
  load_header(&header);
  cored_text_clear(&header);
  free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  FuzzInput in = {data, size};
  make_right();
  switch (fuzz_byte(&in) & 3) {
  case 0:
    load(in.data, in.size);
    break;
  case 1:
    load_edit(in);
    break;
  case 2:
    load_entry("cored.position", in);
    break;
  case 3:
    load_entry("cored.config", in);
    break;
  }
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const FuzzSeed seeds[] = {
      FUZZ_SEED("\1\0\0\0"),
      FUZZ_SEED("\1\100\0\1F64"),
      FUZZ_SEED("\2{\"epoch\":4611686018427387904,\"next_batch\":-1}"),
      FUZZ_SEED("\2{\"history\":[{\"epoch\":1,\"loss\":null}],\"epoch\":1.5}"),
      FUZZ_SEED("\3{\"network\":\"cored-compact\",\"seed\":1}"),
      FUZZ_SEED("\3{\"network\":[],\"seed\":{}}"),
  };
  return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, index, out, max);
}
