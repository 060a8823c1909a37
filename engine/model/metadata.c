/* SPDX-License-Identifier: MIT
 * The list of entries, and CoredModelInfo: its checks and its form in __metadata__ (format.h). */
#include "model/metadata.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "model/format.h"

/* ---- The entries ----------------------------------------------------------------------------- */

void cored_metadata_clear(CoredMetadata *metadata) {
  for (size_t i = 0; i < metadata->n; i++) {
    free(metadata->pairs[i].key);
    free(metadata->pairs[i].value);
  }
  free(metadata->pairs);
  *metadata = (CoredMetadata){0};
}

/* Index of key, or of where it belongs. */
static size_t find(const CoredMetadata *metadata, const char *key, bool *found) {
  size_t low = 0, high = metadata->n;
  *found = false;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const int order = strcmp(metadata->pairs[middle].key, key);
    if (order == 0) {
      *found = true;
      return middle;
    }
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void remove_at(CoredMetadata *metadata, size_t at) {
  free(metadata->pairs[at].key);
  free(metadata->pairs[at].value);
  metadata->n--;
  memmove(metadata->pairs + at, metadata->pairs + at + 1,
          (metadata->n - at) * sizeof *metadata->pairs);
}

static bool insert_at(CoredMetadata *metadata, size_t at, const char *key, char *value) {
  if (metadata->n == metadata->size) {
    const size_t size = metadata->size ? metadata->size * 2 : 32;
    CoredPair *const pairs = realloc(metadata->pairs, size * sizeof *pairs);
    if (!pairs)
      return false;
    metadata->pairs = pairs;
    metadata->size = size;
  }
  char *const owned = strdup(key);
  if (!owned)
    return false;
  memmove(metadata->pairs + at + 1, metadata->pairs + at,
          (metadata->n - at) * sizeof *metadata->pairs);
  metadata->pairs[at] = (CoredPair){owned, value};
  metadata->n++;
  return true;
}

bool cored_metadata_set(CoredMetadata *metadata, const char *key, const char *value) {
  bool found;
  const size_t at = find(metadata, key, &found);
  if (!value) {
    if (found)
      remove_at(metadata, at);
    return true;
  }
  char *const owned = strdup(value);
  if (!owned)
    return false;
  if (found) {
    free(metadata->pairs[at].value);
    metadata->pairs[at].value = owned;
    return true;
  }
  if (insert_at(metadata, at, key, owned))
    return true;
  free(owned);
  return false;
}

const char *cored_metadata_get(const CoredMetadata *metadata, const char *key) {
  bool found;
  const size_t at = find(metadata, key, &found);
  return found ? metadata->pairs[at].value : NULL;
}

bool cored_metadata_copy(CoredMetadata *to, const CoredMetadata *from) {
  for (size_t i = 0; i < from->n; i++) {
    if (!cored_metadata_set(to, from->pairs[i].key, from->pairs[i].value)) {
      cored_metadata_clear(to);
      return false;
    }
  }
  return true;
}

bool cored_metadata_read(CoredMetadata *to, const CoredSafetensors *from) {
  for (size_t i = 0; i < from->n_metadata; i++) {
    if (!cored_metadata_set(to, from->metadata[i].key, from->metadata[i].value)) {
      cored_metadata_clear(to);
      return false;
    }
  }
  return true;
}

/* ---- Checks --------------------------------------------------------------------------------- */

static bool fail_value(CoredError *error, const char *key, const char *expected, double found) {
  char number[CORED_NUMBER_SIZE] = "a number that is not finite";
  if (isfinite(found))
    cored_number_format(found, false, number);
  return cored_error_set(error, CORED_ERROR_METADATA_VALUE, "%s: expected %s, found %s", key,
                         expected, number);
}

static bool check_range(CoredError *error, const char *key, double value, double low, double high) {
  if (value >= low && value <= high)
    return true;
  char expected[96], a[CORED_NUMBER_SIZE], b[CORED_NUMBER_SIZE];
  cored_number_format(low, false, a);
  cored_number_format(high, false, b);
  snprintf(expected, sizeof expected, "a number in %s..%s", a, b);
  return fail_value(error, key, expected, value);
}

/* 1..CORED_LABEL_SIZE-1 bytes of text without control characters. */
static bool check_label(CoredError *error, const char *key, const char *label) {
  const size_t n = strnlen(label, CORED_LABEL_SIZE);
  bool clean = n > 0 && n < CORED_LABEL_SIZE;
  for (size_t i = 0; clean && i < n; i++)
    clean = (unsigned char)label[i] >= 0x20 && label[i] != 0x7f;
  return clean || cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                                  "%s: expected names of 1..%d bytes without control characters, "
                                  "found '%.*s'",
                                  key, CORED_LABEL_SIZE - 1, (int)n, label);
}

static bool check_classes(const CoredModelInfo *info, CoredError *error) {
  if (!check_range(error, CORED_KEY_CLASSES, info->n_classes, 2, CORED_MAX_CLASSES) ||
      !check_range(error, CORED_KEY_FAKE_CLASS, info->fake_class, 0, info->n_classes - 1) ||
      !check_range(error, CORED_KEY_REAL_CLASS, info->real_class, 0, info->n_classes - 1))
    return false;
  if (info->fake_class == info->real_class)
    return fail_value(error, CORED_KEY_REAL_CLASS, "another class than " CORED_KEY_FAKE_CLASS,
                      info->real_class);
  for (int i = 0; i < info->n_classes; i++)
    if (!check_label(error, CORED_KEY_LABELS, info->labels[i]))
      return false;
  return true;
}

static bool check_tasks(const CoredModelInfo *info, CoredError *error) {
  if (!check_range(error, CORED_KEY_TASKS, info->n_tasks, 0, CORED_MAX_TASKS))
    return false;
  for (int i = 0; i < info->n_tasks; i++)
    if (!check_label(error, CORED_KEY_TASKS, info->tasks[i].name) ||
        (!isnan(info->tasks[i].auc) &&
         !check_range(error, CORED_KEY_TASKS, info->tasks[i].auc, 0, 1)))
      return false;
  return true;
}

/* As whole numbers: a double does not tell the highest from the one after it. */
static bool check_generation(uint64_t generation, CoredError *error) {
  return generation <= INT64_MAX ||
         cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                         CORED_KEY_GENERATION ": expected at most %lld, found %llu",
                         (long long)INT64_MAX, (unsigned long long)generation);
}

static const char *const aligns[] = {
    [CORED_CROP_ALIGN_NONE] = "none", [CORED_CROP_ALIGN_EYES] = "eyes"};

enum { N_ALIGNS = sizeof aligns / sizeof *aligns };

const char *cored_crop_align_name(CoredCropAlign align) {
  return (unsigned)align < N_ALIGNS ? aligns[align] : NULL;
}

static bool check_crop(const CoredModelCrop *crop, CoredError *error) {
  if (!crop->known)
    return true;
  return check_range(error, CORED_KEY_CROP ": margin", crop->margin, 0, 4) &&
         check_range(error, CORED_KEY_CROP ": align", (double)crop->align, 0, N_ALIGNS - 1) &&
         check_label(error, CORED_KEY_CROP ": locator", crop->locator);
}

/* What only a classifier has. */
static bool check_classifier(const CoredModelInfo *info, CoredError *error) {
  return check_classes(info, error) &&
         check_range(error, CORED_KEY_TEMPERATURE, info->temperature, 0.001, 1000) &&
         check_tasks(info, error) && check_crop(&info->crop, error);
}

bool cored_info_check(const CoredModelInfo *info, CoredError *error) {
  if ((info->kind == CORED_MODEL_CLASSIFIER && !check_classifier(info, error)) ||
      !check_range(error, CORED_KEY_INPUT_SIZE, info->input_width, 8, 4096) ||
      !check_range(error, CORED_KEY_INPUT_SIZE, info->input_height, 8, 4096))
    return false;
  for (int c = 0; c < 3; c++)
    if (!check_range(error, CORED_KEY_MEAN, (double)info->mean[c], -16, 16) ||
        !check_range(error, CORED_KEY_STD, (double)info->std[c], (double)0.0001f, 16))
      return false;
  return check_range(error, CORED_KEY_THRESHOLD, info->threshold, 0, 1) &&
         check_generation(info->generation, error);
}

/* ---- Writing -------------------------------------------------------------------------------- */

static const char *const own_keys[] = {
    CORED_KEY_FORMAT,     CORED_KEY_NETWORK,    CORED_KEY_CLASSES,       CORED_KEY_LABELS,
    CORED_KEY_FAKE_CLASS, CORED_KEY_REAL_CLASS, CORED_KEY_INPUT_SIZE,    CORED_KEY_MEAN,
    CORED_KEY_STD,        CORED_KEY_THRESHOLD,  CORED_KEY_TEMPERATURE,   CORED_KEY_GENERATION,
    CORED_KEY_TASKS,      CORED_KEY_SHA256,     CORED_KEY_HEADER_SHA256, CORED_KEY_SELF_TEST,
    CORED_KEY_KEY_ID,     CORED_KEY_SIGNATURE,  CORED_KEY_KIND,          CORED_KEY_CROP,
};

bool cored_info_owns_key(const char *key) {
  for (size_t i = 0; i < sizeof own_keys / sizeof *own_keys; i++)
    if (strcmp(key, own_keys[i]) == 0)
      return true;
  return false;
}

/* Set key to the text and free the text. */
static bool set_text(CoredMetadata *metadata, const char *key, CoredText *text) {
  const bool ok = !text->failed && cored_metadata_set(metadata, key, text->s);
  cored_text_clear(text);
  return ok;
}

static bool set_uint(CoredMetadata *metadata, const char *key, uint64_t value) {
  CoredText text = {0};
  cored_text_add_uint(&text, value);
  return set_text(metadata, key, &text);
}

static bool set_double(CoredMetadata *metadata, const char *key, double value) {
  CoredText text = {0};
  cored_text_add_double(&text, value);
  return set_text(metadata, key, &text);
}

static bool set_floats(CoredMetadata *metadata, const char *key, const float *values, int n) {
  CoredText text = {0};
  for (int i = 0; i < n; i++) {
    cored_text_add(&text, i ? "," : "[");
    cored_text_add_float(&text, values[i]);
  }
  cored_text_add(&text, "]");
  return set_text(metadata, key, &text);
}

static bool set_labels(CoredMetadata *metadata, const CoredModelInfo *info) {
  CoredText text = {0};
  for (int i = 0; i < info->n_classes; i++) {
    cored_text_add(&text, i ? "," : "[");
    cored_text_add_json_string(&text, info->labels[i]);
  }
  cored_text_add(&text, "]");
  return set_text(metadata, CORED_KEY_LABELS, &text);
}

static bool set_tasks(CoredMetadata *metadata, const CoredModelInfo *info) {
  CoredText text = {0};
  cored_text_add(&text, "[");
  for (int i = 0; i < info->n_tasks; i++) {
    cored_text_add(&text, i ? ",{\"name\":" : "{\"name\":");
    cored_text_add_json_string(&text, info->tasks[i].name);
    cored_text_add(&text, ",\"auc\":");
    cored_text_add_double(&text, info->tasks[i].auc);
    cored_text_add(&text, "}");
  }
  cored_text_add(&text, "]");
  return set_text(metadata, CORED_KEY_TASKS, &text);
}

static bool set_crop(CoredMetadata *metadata, const CoredModelCrop *crop) {
  CoredText text = {0};
  if (!crop->known)
    return cored_metadata_set(metadata, CORED_KEY_CROP, NULL);
  cored_text_add(&text, "{\"margin\":");
  cored_text_add_double(&text, crop->margin);
  cored_text_add(&text, ",\"align\":");
  cored_text_add_json_string(&text, aligns[crop->align]);
  cored_text_add(&text, ",\"locator\":");
  cored_text_add_json_string(&text, crop->locator);
  cored_text_add(&text, "}");
  return set_text(metadata, CORED_KEY_CROP, &text);
}

static bool write_classifier(const CoredModelInfo *info, CoredMetadata *metadata) {
  return set_uint(metadata, CORED_KEY_CLASSES, (uint64_t)info->n_classes) &&
         set_labels(metadata, info) &&
         set_uint(metadata, CORED_KEY_FAKE_CLASS, (uint64_t)info->fake_class) &&
         set_uint(metadata, CORED_KEY_REAL_CLASS, (uint64_t)info->real_class) &&
         set_double(metadata, CORED_KEY_TEMPERATURE, info->temperature) &&
         set_tasks(metadata, info) && set_crop(metadata, &info->crop);
}

bool cored_info_write(const CoredModelInfo *info, CoredMetadata *metadata) {
  const float size[2] = {(float)info->input_width, (float)info->input_height};
  const bool kind = info->kind == CORED_MODEL_CLASSIFIER
                        ? write_classifier(info, metadata)
                        : cored_metadata_set(metadata, CORED_KEY_KIND, CORED_KIND_LOCATOR);
  return kind && set_uint(metadata, CORED_KEY_FORMAT, CORED_FORMAT_VERSION) &&
         cored_metadata_set(metadata, CORED_KEY_NETWORK, info->network) &&
         set_floats(metadata, CORED_KEY_INPUT_SIZE, size, 2) &&
         set_floats(metadata, CORED_KEY_MEAN, info->mean, 3) &&
         set_floats(metadata, CORED_KEY_STD, info->std, 3) &&
         set_double(metadata, CORED_KEY_THRESHOLD, info->threshold) &&
         set_uint(metadata, CORED_KEY_GENERATION, info->generation);
}

/* ---- Reading -------------------------------------------------------------------------------- */

typedef struct Reader {
  const CoredMetadata *metadata;
  const char *name; /* of the file */
  CoredError *error;
} Reader;

static const char *require(const Reader *r, const char *key) {
  const char *const value = cored_metadata_get(r->metadata, key);
  if (!value)
    cored_error_set(r->error, CORED_ERROR_METADATA_MISSING,
                    "%s: metadata: expected an entry '%s', found none", r->name, key);
  return value;
}

static bool fail_entry(const Reader *r, const char *key, const char *expected) {
  return cored_error_set(r->error, CORED_ERROR_METADATA_VALUE,
                         "%s: metadata: %s: expected %s, found '%.64s'", r->name, key, expected,
                         cored_metadata_get(r->metadata, key));
}

static bool read_uint(const Reader *r, const char *key, uint64_t max, uint64_t *value) {
  const char *const s = require(r, key);
  return s && (cored_uint_parse(s, max, value) || fail_entry(r, key, "a whole number in range"));
}

static bool read_int(const Reader *r, const char *key, int max, int *value) {
  uint64_t v;
  if (!read_uint(r, key, (uint64_t)max, &v))
    return false;
  *value = (int)v;
  return true;
}

static bool read_double(const Reader *r, const char *key, double *value) {
  const char *const s = require(r, key);
  return s && (cored_number_parse(s, value) || fail_entry(r, key, "a number"));
}

/* Parse the JSON text of an entry: a copy of it in *copy (the caller frees it), the cursor on the
 * first character. what is the room for the message's head. */
static bool open_json(const Reader *r, const char *key, CoredJson *j, char **copy, char what[256]) {
  const char *const s = require(r, key);
  *copy = s ? strdup(s) : NULL;
  if (!s)
    return false;
  if (!*copy)
    return cored_error_set(r->error, CORED_ERROR_NO_MEMORY, "%s: no memory for %s", r->name, key);
  snprintf(what, 256, "%.160s: metadata: %s", r->name, key);
  *j = (CoredJson){.what = what,
                   .syntax = CORED_ERROR_METADATA_VALUE,
                   .encoding = CORED_ERROR_METADATA_VALUE,
                   .error = r->error,
                   .begin = *copy,
                   .p = *copy,
                   .end = *copy + strlen(*copy)};
  return true;
}

static bool parse_numbers(CoredJson *j, double *values, int n) {
  if (!cored_json_expect(j, '['))
    return false;
  int i = 0;
  for (bool first = true; cored_json_more(j, ']', &first); i++) {
    if (i == n)
      return cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "no more numbers");
    if (!cored_json_double(j, CORED_ERROR_METADATA_VALUE, &values[i]))
      return false;
  }
  if (!j->failed && i < n)
    return cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "more numbers before this");
  return cored_json_end(j);
}

static bool read_numbers(const Reader *r, const char *key, double *values, int n) {
  CoredJson j;
  char *copy, what[256];
  const bool ok = open_json(r, key, &j, &copy, what) && parse_numbers(&j, values, n);
  free(copy);
  return ok;
}

static bool read_size(const Reader *r, CoredModelInfo *info) {
  double size[2];
  if (!read_numbers(r, CORED_KEY_INPUT_SIZE, size, 2))
    return false;
  for (int i = 0; i < 2; i++)
    if (size[i] < 0 || size[i] > 4096 || size[i] != floor(size[i]))
      return fail_entry(r, CORED_KEY_INPUT_SIZE, "[width, height] in pixels, 8..4096 each");
  info->input_width = (int)size[0];
  info->input_height = (int)size[1];
  return true;
}

static bool read_color(const Reader *r, const char *key, float color[3]) {
  double values[3];
  if (!read_numbers(r, key, values, 3))
    return false;
  for (int c = 0; c < 3; c++)
    color[c] = (float)values[c];
  return true;
}

/* A JSON string into a field of CORED_LABEL_SIZE bytes. */
static bool parse_label(CoredJson *j, char label[CORED_LABEL_SIZE]) {
  CoredJsonString s;
  if (cored_json_peek(j) != '"')
    return cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "a string");
  if (!cored_json_string(j, &s))
    return false;
  if (s.n == 0 || s.n >= CORED_LABEL_SIZE)
    return cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "a string of 1..63 bytes before this");
  memset(label, 0, CORED_LABEL_SIZE);
  memcpy(label, s.s, s.n);
  return true;
}

static bool parse_labels(CoredJson *j, CoredModelInfo *info) {
  if (!cored_json_expect(j, '['))
    return false;
  int i = 0;
  for (bool first = true; cored_json_more(j, ']', &first); i++) {
    if (i == info->n_classes)
      return cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "no more labels than classes");
    if (!parse_label(j, info->labels[i]))
      return false;
  }
  if (!j->failed && i < info->n_classes)
    return cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "a label for every class");
  return cored_json_end(j);
}

static bool parse_task(CoredJson *j, CoredTask *task) {
  bool named = false, rated = false;
  if (!cored_json_expect(j, '{'))
    return false;
  for (bool first = true; cored_json_more(j, '}', &first);) {
    CoredJsonString key;
    if (!cored_json_key(j, &key))
      return false;
    if (!named && strcmp(key.s, "name") == 0) {
      named = true;
      if (!parse_label(j, task->name))
        return false;
    } else if (!rated && strcmp(key.s, "auc") == 0) {
      rated = true;
      task->auc = (double)NAN;
      if (!cored_json_null(j) && !cored_json_double(j, CORED_ERROR_METADATA_VALUE, &task->auc))
        return false;
    } else {
      return cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "name and auc, once each, before this");
    }
  }
  if (j->failed)
    return false;
  return (named && rated) ||
         cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "a task with name and auc before this");
}

static bool parse_tasks(CoredJson *j, CoredModelInfo *info) {
  if (!cored_json_expect(j, '['))
    return false;
  for (bool first = true; cored_json_more(j, ']', &first);) {
    if (info->n_tasks == CORED_MAX_TASKS)
      return cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "at most 256 tasks");
    if (!parse_task(j, &info->tasks[info->n_tasks++]))
      return false;
  }
  return cored_json_end(j);
}

static bool parse_align(CoredJson *j, CoredCropAlign *align) {
  CoredJsonString s;
  if (cored_json_peek(j) != '"' || !cored_json_string(j, &s))
    return cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "\"none\" or \"eyes\"");
  int i = 0;
  while (i < N_ALIGNS && strcmp(s.s, aligns[i]) != 0)
    i++;
  *align = (CoredCropAlign)i;
  return i < N_ALIGNS ||
         cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "\"none\" or \"eyes\" before this");
}

static bool parse_crop(CoredJson *j, CoredModelInfo *info) {
  CoredModelCrop *const crop = &info->crop;
  bool margin = false, align = false, locator = false;
  if (!cored_json_expect(j, '{'))
    return false;
  for (bool first = true; cored_json_more(j, '}', &first);) {
    CoredJsonString key;
    bool ok = false;
    if (!cored_json_key(j, &key))
      return false;
    if (!margin && strcmp(key.s, "margin") == 0)
      ok = margin = cored_json_double(j, CORED_ERROR_METADATA_VALUE, &crop->margin);
    else if (!align && strcmp(key.s, "align") == 0)
      ok = align = parse_align(j, &crop->align);
    else if (!locator && strcmp(key.s, "locator") == 0)
      ok = locator = parse_label(j, crop->locator);
    else
      cored_json_fail(j, CORED_ERROR_METADATA_VALUE,
                      "margin, align and locator, once each, before this");
    if (!ok)
      return false;
  }
  crop->known = margin && align && locator;
  if (!j->failed && !crop->known)
    return cored_json_fail(j, CORED_ERROR_METADATA_VALUE,
                           "a crop with margin, align and locator before this");
  return cored_json_end(j);
}

static bool read_json(const Reader *r, const char *key, CoredModelInfo *info,
                      bool (*parse)(CoredJson *, CoredModelInfo *)) {
  CoredJson j;
  char *copy, what[256];
  const bool ok = open_json(r, key, &j, &copy, what) && parse(&j, info);
  free(copy);
  return ok;
}

static bool read_strings(const Reader *r, CoredModelInfo *info) {
  const char *const network = require(r, CORED_KEY_NETWORK);
  const char *const sha256 = network ? require(r, CORED_KEY_SHA256) : NULL;
  if (!sha256)
    return false;
  if (strlen(network) >= sizeof info->network)
    return cored_error_set(r->error, CORED_ERROR_NETWORK_UNKNOWN,
                           "%s: metadata: %s: no such network: '%.64s'", r->name, CORED_KEY_NETWORK,
                           network);
  uint8_t hash[CORED_SHA256_HEX / 2];
  if (!cored_hex_parse(sha256, sizeof hash, hash))
    return fail_entry(r, CORED_KEY_SHA256, "64 lower-case hex digits");
  memcpy(info->network, network, strlen(network) + 1);
  memcpy(info->sha256, sha256, sizeof info->sha256);
  return true;
}

static const char *const kinds[] = {
    [CORED_MODEL_CLASSIFIER] = CORED_KIND_CLASSIFIER, [CORED_MODEL_LOCATOR] = CORED_KIND_LOCATOR};

/* The kind of the model, which decides what else is looked for. */
static bool read_kind(const Reader *r, CoredModelKind wanted, CoredModelKind *kind) {
  const char *const found = cored_metadata_get(r->metadata, CORED_KEY_KIND);
  const char *const name = found ? found : CORED_KIND_CLASSIFIER;
  *kind = CORED_MODEL_CLASSIFIER;
  while (*kind < CORED_MODEL_ANY && strcmp(name, kinds[*kind]) != 0)
    ++*kind;
  const bool known = *kind < CORED_MODEL_ANY;
  if (known && (wanted == CORED_MODEL_ANY || wanted == *kind))
    return true;
  return cored_error_set(
      r->error, known ? CORED_ERROR_MODEL_KIND : CORED_ERROR_METADATA_VALUE,
      "%s: metadata: " CORED_KEY_KIND ": expected a model of kind '%s', found "
      "'%.64s'",
      r->name,
      wanted == CORED_MODEL_ANY ? CORED_KIND_CLASSIFIER "' or '" CORED_KIND_LOCATOR : kinds[wanted],
      name);
}

static bool read_classifier(const Reader *r, CoredModelInfo *info) {
  return read_int(r, CORED_KEY_CLASSES, CORED_MAX_CLASSES, &info->n_classes) &&
         read_int(r, CORED_KEY_FAKE_CLASS, CORED_MAX_CLASSES, &info->fake_class) &&
         read_int(r, CORED_KEY_REAL_CLASS, CORED_MAX_CLASSES, &info->real_class) &&
         read_json(r, CORED_KEY_LABELS, info, parse_labels) &&
         read_double(r, CORED_KEY_TEMPERATURE, &info->temperature) &&
         read_json(r, CORED_KEY_TASKS, info, parse_tasks) &&
         (!cored_metadata_get(r->metadata, CORED_KEY_CROP) ||
          read_json(r, CORED_KEY_CROP, info, parse_crop));
}

bool cored_info_read(CoredModelInfo *info, const CoredMetadata *metadata, CoredModelKind wanted,
                     const char *name, CoredError *error) {
  const Reader r = {metadata, name, error};
  *info = (CoredModelInfo){.temperature = 1};
  if (!read_kind(&r, wanted, &info->kind) || !read_strings(&r, info) ||
      (info->kind == CORED_MODEL_CLASSIFIER && !read_classifier(&r, info)) ||
      !read_size(&r, info) || !read_color(&r, CORED_KEY_MEAN, info->mean) ||
      !read_color(&r, CORED_KEY_STD, info->std) ||
      !read_double(&r, CORED_KEY_THRESHOLD, &info->threshold) ||
      !read_uint(&r, CORED_KEY_GENERATION, INT64_MAX, &info->generation))
    return false;
  CoredError inner = {0};
  if (cored_info_check(info, &inner))
    return true;
  return cored_error_set(error, inner.code, "%s: metadata: %s", name, inner.message);
}

/* ---- Crops ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void add_difference(char text[CORED_CROP_TEXT_SIZE],
                                                                 const char *format, ...) {
  const size_t at = strlen(text);
  va_list args;
  va_start(args, format);
  if (at > 0 && at + 3 < CORED_CROP_TEXT_SIZE)
    memcpy(text + at, ", ", 3);
  const size_t from = strlen(text);
  vsnprintf(text + from, CORED_CROP_TEXT_SIZE - from, format, args);
  va_end(args);
}

bool cored_model_crop_differs(const CoredModelCrop *trained, const CoredModelCrop *used,
                              char text[CORED_CROP_TEXT_SIZE]) {
  text[0] = '\0';
  if (!trained->known || !used->known)
    return false;
  if (trained->locator[0] && used->locator[0] && strcmp(trained->locator, used->locator) != 0)
    add_difference(text, "faces found by %s instead of %s", used->locator, trained->locator);
  if (trained->align != used->align)
    add_difference(text, "align %s instead of %s", cored_crop_align_name(used->align),
                   cored_crop_align_name(trained->align));
  if (fabs(trained->margin - used->margin) > 1e-6) { /* what a float loses is no difference */
    char a[CORED_NUMBER_SIZE], b[CORED_NUMBER_SIZE];
    cored_number_format(used->margin, false, a);
    cored_number_format(trained->margin, false, b);
    add_difference(text, "margin %s instead of %s", a, b);
  }
  return text[0] != '\0';
}
