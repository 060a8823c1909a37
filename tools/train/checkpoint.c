/* SPDX-License-Identifier: MIT */
#include "checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "model/hash.h"
#include "model/safetensors.h"

#define KEY_HASH "cored.checkpoint-sha256"
#define KEY_POSITION "cored.position"
#define KEY_CONFIG "cored.config"

#include <sodium.h>

static const uint64_t max_bytes = UINT64_C(8) << 30;

struct Checkpoint {
  char *path;
  CoredBytes bytes;
  CoredSafetensors file;
  json_t *position, *config;
};

/* All views of the trainer's state; the caller frees *views. */
static bool list_state(const CoredTrainer *trainer, CoredTensorView **views, size_t *n) {
  CoredTensorView view;
  *n = 0;
  while (cored_trainer_state(trainer, *n, &view))
    ++*n;
  *views = malloc((*n + 1) * sizeof **views);
  for (size_t i = 0; *views && i < *n; i++)
    cored_trainer_state(trainer, i, &(*views)[i]);
  return *views != NULL;
}

static void hash_chunks(const CoredChunk *chunks, size_t n, char hex[CORED_HASH_SIZE]) {
  crypto_hash_sha256_state state;
  uint8_t digest[32];
  crypto_hash_sha256_init(&state);
  for (size_t i = 0; i < n; i++)
    crypto_hash_sha256_update(&state, chunks[i].data, chunks[i].size);
  crypto_hash_sha256_final(&state, digest);
  sodium_bin2hex(hex, CORED_HASH_SIZE, digest, sizeof digest);
}

/* The hash is of the file with zeros for its own digits. */
static bool write_file(const char *path, const CoredTensorView *views, size_t n,
                       const CoredEntry *entries, size_t n_entries, CoredError *error) {
  static const char key[] = "\"" KEY_HASH "\":\"";
  size_t header_size;
  char *header = cored_safetensors_header(views, n, entries, n_entries, &header_size);
  CoredChunk *chunks = malloc((n + 1) * sizeof *chunks);
  char hex[CORED_HASH_SIZE];
  bool ok = header && chunks;
  if (!ok) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': checkpoint", path);
  } else {
    chunks[0] = (CoredChunk){header, header_size};
    for (size_t i = 0; i < n; i++)
      chunks[i + 1] = (CoredChunk){views[i].data, views[i].size};
    hash_chunks(chunks, n + 1, hex);
    char *digits = (char *)memmem(header, header_size, key, sizeof key - 1) + sizeof key - 1;
    memcpy(digits, hex, CORED_HASH_SIZE - 1);
    ok = cored_file_write(path, chunks, n + 1, 0644, error);
  }
  free(chunks);
  free(header);
  return ok;
}

bool checkpoint_save(const char *path, const CoredTrainer *trainer, const json_t *position,
                     const json_t *config, CoredError *error) {
  const size_t flags = JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17);
  char zeros[CORED_HASH_SIZE];
  CoredTensorView *views = NULL;
  size_t n = 0;
  memset(zeros, '0', sizeof zeros - 1);
  zeros[sizeof zeros - 1] = '\0';
  char *position_text = json_dumps(position, flags), *config_text = json_dumps(config, flags);
  bool ok = position_text && config_text && list_state(trainer, &views, &n);
  if (ok) {
    const CoredEntry entries[] = {{.key = KEY_HASH, .value = zeros},
                                  {.key = KEY_CONFIG, .value = config_text},
                                  {.key = KEY_POSITION, .value = position_text}};
    ok = write_file(path, views, n, entries, sizeof entries / sizeof entries[0], error);
  } else {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': checkpoint", path);
  }
  free(views);
  free(position_text);
  free(config_text);
  return ok;
}

static bool verify(Checkpoint *checkpoint, CoredError *error) {
  const CoredEntry *entry = cored_safetensors_entry(&checkpoint->file, KEY_HASH);
  char hex[CORED_HASH_SIZE], stored[CORED_HASH_SIZE];
  if (!entry || entry->length != CORED_HASH_SIZE - 1)
    return cored_error_set(error, CORED_ERROR_METADATA_MISSING, "'%s': not a checkpoint of cored",
                           checkpoint->path);
  uint8_t *digits = checkpoint->bytes.data + entry->offset;
  memcpy(stored, digits, CORED_HASH_SIZE - 1);
  memset(digits, '0', CORED_HASH_SIZE - 1);
  const CoredChunk whole = {checkpoint->bytes.data, checkpoint->bytes.size};
  hash_chunks(&whole, 1, hex);
  if (memcmp(hex, stored, CORED_HASH_SIZE - 1) != 0)
    return cored_error_set(error, CORED_ERROR_HASH, "'%s': damaged: its SHA-256 does not match",
                           checkpoint->path);
  return true;
}

static json_t *parse_entry(const Checkpoint *checkpoint, const char *key, CoredError *error) {
  const CoredEntry *entry = cored_safetensors_entry(&checkpoint->file, key);
  json_t *value = entry ? json_loads(entry->value, 0, NULL) : NULL;
  if (!json_is_object(value)) {
    json_decref(value);
    cored_error_set(error, CORED_ERROR_METADATA_VALUE, "'%s': no usable '%s'", checkpoint->path,
                    key);
    return NULL;
  }
  return value;
}

Checkpoint *checkpoint_load(const char *path, CoredError *error) {
  Checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
  if (!checkpoint || !(checkpoint->path = strdup(path)))
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s': checkpoint", path);
  else if (cored_file_read(path, 16, max_bytes, NULL, &checkpoint->bytes, error) &&
           cored_safetensors_parse(&checkpoint->file, checkpoint->bytes.data,
                                   checkpoint->bytes.size, path, error) &&
           verify(checkpoint, error) &&
           (checkpoint->position = parse_entry(checkpoint, KEY_POSITION, error)) &&
           (checkpoint->config = parse_entry(checkpoint, KEY_CONFIG, error)))
    return checkpoint;
  checkpoint_free(checkpoint);
  return NULL;
}

void checkpoint_free(Checkpoint *checkpoint) {
  if (!checkpoint)
    return;
  json_decref(checkpoint->position);
  json_decref(checkpoint->config);
  cored_safetensors_clear(&checkpoint->file);
  cored_bytes_clear(&checkpoint->bytes);
  free(checkpoint->path);
  free(checkpoint);
}

const char *checkpoint_path(const Checkpoint *checkpoint) {
  return checkpoint->path;
}

const json_t *checkpoint_position(const Checkpoint *checkpoint) {
  return checkpoint->position;
}

/* Of what earlier versions did not write: is it as they had it? They knew cascades alone. */
static bool is_as_before(const char *key, const json_t *now) {
  const char *locator = json_string_value(json_object_get(now, "locator"));
  return strcmp(key, "input") == 0 ||
         (strcmp(key, "crop") == 0 &&
          (json_is_null(now) || (locator && strcmp(locator, "cascade") == 0)));
}

bool checkpoint_check_config(const Checkpoint *checkpoint, const json_t *config,
                             CoredError *error) {
  const char *key;
  json_t *now;
  json_object_foreach((json_t *)config, key, now) {
    const json_t *then = json_object_get(checkpoint->config, key);
    if (json_equal(now, then) || (!then && is_as_before(key, now)))
      continue;
    char *a = json_dumps(then, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    char *b = json_dumps(now, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    cored_error_set(error, CORED_ERROR_ARGUMENT,
                    "'%s' was made with other settings: %s was %s, now it is %s%s",
                    checkpoint->path, key, a ? a : "nothing", b ? b : "?",
                    !then && strcmp(key, "crop") == 0
                        ? "; earlier versions found faces with a cascade, as --face-detector "
                          "cascade does"
                        : "");
    free(a);
    free(b);
    return false;
  }
  return true;
}

bool checkpoint_restore(const Checkpoint *checkpoint, CoredTrainer *trainer, CoredError *error) {
  return cored_trainer_restore(trainer, checkpoint->file.tensors, checkpoint->file.n_tensors,
                               error);
}

/* ---- The settings that decide a run's numbers ------------------------------------------------ */

static json_t *augmentation_json(const CoredAugmentParams *augmentation) {
  return json_pack("{s:f,s:i,s:f,s:f,s:f,s:f}", "flip", augmentation->flip, "cutmix",
                   (int)augmentation->cutmix, "rate", augmentation->cutmix_rate, "beta",
                   augmentation->cutmix_beta, "jpeg", augmentation->jpeg, "blur",
                   augmentation->blur);
}

/* What the network is fed and what its outputs mean, besides the size. */
static json_t *input_json(const CoredModelInfo *info) {
  json_t *labels = json_array();
  for (int c = 0; c < info->n_classes; c++)
    json_array_append_new(labels, json_string(info->labels[c]));
  return json_pack("{s:[f,f,f],s:[f,f,f],s:o}", "mean", (double)info->mean[0],
                   (double)info->mean[1], (double)info->mean[2], "std", (double)info->std[0],
                   (double)info->std[1], (double)info->std[2], "labels", labels);
}

json_t *checkpoint_config(const RecipeOptions *recipe, const CoredModelInfo *info,
                          const char *manifest, json_t *crop) {
  const CoredTrainParams *train = &recipe->train;
  json_t *config = json_pack(
      "{s:s,s:s,s:i,s:i,s:s,s:i,s:i,s:I}", "method", options_method_name(train->method), "network",
      info->network, "width", info->input_width, "height", info->input_height, "manifest", manifest,
      "batch", recipe->batch, "accumulate", recipe->accumulate, "seed", (json_int_t)recipe->seed);
  json_t *losses = json_pack("{s:f,s:f,s:i,s:i,s:i,s:f,s:f,s:i}", "alpha", train->alpha,
                             "temperature", train->temperature, "stores", train->n_stores,
                             "representation", (int)train->representation, "batch_norm",
                             (int)train->batch_norm, "dropout", train->dropout, "drop_connect",
                             train->drop_connect, "self_training", recipe->self_training);
  json_t *optimizer =
      json_pack("{s:i,s:f,s:f,s:f,s:f}", "kind", (int)train->optimizer.kind, "momentum",
                train->optimizer.momentum, "weight_decay", train->optimizer.weight_decay, "clip",
                train->optimizer.clip_norm, "lr", recipe->schedule.base);
  json_t *schedule = json_pack("{s:i,s:f,s:f,s:f}", "kind", (int)recipe->schedule.kind, "warmup",
                               recipe->warmup_epochs, "step", recipe->step_epochs, "gamma",
                               recipe->schedule.gamma);
  if (recipe->schedule.kind == CORED_SCHEDULE_COSINE)
    json_object_set_new(schedule, "epochs", json_integer(recipe->epochs));
  json_object_set_new(config, "input", input_json(info));
  json_object_set_new(config, "crop", crop);
  json_object_set_new(config, "losses", losses);
  json_object_set_new(config, "optimizer", optimizer);
  json_object_set_new(config, "schedule", schedule);
  json_object_set_new(config, "augmentation",
                      recipe->augment ? augmentation_json(&recipe->augmentation) : json_null());
  json_object_set_new(config, "order", json_string(recipe->sequential ? "sequential" : "random"));
  json_object_set_new(config, "balanced", json_boolean(recipe->balanced));
  json_object_set_new(config, "select", json_integer(recipe->select));
  return config;
}
