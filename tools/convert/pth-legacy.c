/* SPDX-License-Identifier: MIT
 * The stream that torch.save wrote before version 1.6 (and writes on request): five pickles —
 * magic number, protocol, system, the object, the keys of its storages — and then, for each key in
 * that order, an int64 count and the raw elements. */
#include <inttypes.h>
#include <string.h>

#include "tools/convert/pth.h"
#include "tools/convert/state-dict.h"

static const uint8_t magic[15] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                  0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};
static const uint8_t protocol[6] = {0x80, 0x02, 'M', 0xe9, 0x03, '.'}; /* 1001 */

typedef struct Stream {
  const uint8_t *start, *at, *end;
  CoredRefusal *refusal;
} Stream;

static bool expect(Stream *s, const uint8_t *bytes, size_t n, CoredRefusalCode code,
                   const char *what) {
  if ((size_t)(s->end - s->at) < n || memcmp(s->at, bytes, n) != 0)
    return cored_refuse(s->refusal, code, "byte %zu: the %s is missing or wrong",
                        (size_t)(s->at - s->start), what);
  s->at += n;
  return true;
}

static CoredPickle *next_pickle(Stream *s, bool survey) {
  CoredPickleOptions how = {.survey = survey, .stream = true};
  CoredPickle *pickle = cored_pickle_read(s->at, (size_t)(s->end - s->at), &how, s->refusal);
  if (pickle)
    s->at += pickle->used;
  return pickle;
}

/* {protocol_version: 1001, little_endian: True, type_sizes: {…}} */
static bool read_system(Stream *s, bool *swapped) {
  CoredPickle *pickle = next_pickle(s, false);
  if (!pickle)
    return false;
  const CoredPickleNode *top = cored_pickle_node(pickle, pickle->top), *version = NULL,
                        *little = NULL;
  if (top->kind == CORED_PICKLE_DICT) {
    version = cored_pickle_get(pickle, top, "protocol_version");
    little = cored_pickle_get(pickle, top, "little_endian");
  }
  bool ok = version && version->kind == CORED_PICKLE_INT && version->integer == 1001 && little &&
            little->kind == CORED_PICKLE_BOOL;
  if (ok)
    *swapped = little->integer == 0;
  cored_pickle_free(pickle);
  return ok || cored_refuse(s->refusal, CORED_REFUSAL_LEGACY_SYSTEM,
                            "expected {protocol_version: 1001, little_endian: …} after the "
                            "protocol");
}

static uint64_t parse_key(const CoredPickleNode *node, bool *ok) {
  uint64_t value = 0;
  *ok = node->kind == CORED_PICKLE_TEXT && node->count >= 1 && node->count <= 19;
  for (uint32_t i = 0; *ok && i < node->count; i++) {
    *ok = node->text[i] >= '0' && node->text[i] <= '9';
    value = value * 10 + (uint64_t)(node->text[i] - '0');
  }
  return value;
}

/* int64 count, then the elements. */
static bool read_storage(Stream *s, CoredStorage *storage, bool swapped) {
  if (s->end - s->at < 8)
    return cored_refuse(s->refusal, CORED_REFUSAL_LEGACY_STORAGE,
                        "byte %zu: storage %" PRIu64 " is missing; the file may be truncated",
                        (size_t)(s->at - s->start), storage->key);
  uint64_t numel = cored_le64(s->at);
  if (swapped)
    numel = __builtin_bswap64(numel);
  if (numel != storage->numel || storage->bytes > (size_t)(s->end - s->at) - 8)
    return cored_refuse(s->refusal, CORED_REFUSAL_LEGACY_STORAGE,
                        "byte %zu: storage %" PRIu64 " states %" PRId64
                        " elements, expected %" PRIu64 " %s, and %zu bytes are left",
                        (size_t)(s->at - s->start), storage->key, (int64_t)numel, storage->numel,
                        cored_scalar_name(storage->scalar), (size_t)(s->end - s->at) - 8);
  storage->data = s->at + 8;
  s->at += 8 + storage->bytes;
  return true;
}

/* The key list and the storages after it: each storage of the pickle once, and no others. */
static bool read_storages(Stream *s, CoredStorages *storages, bool swapped) {
  CoredPickle *keys = next_pickle(s, false);
  if (!keys)
    return false;
  const CoredPickleNode *list = cored_pickle_node(keys, keys->top);
  bool ok = list->kind == CORED_PICKLE_LIST && list->count == storages->n;
  if (!ok)
    cored_refuse(s->refusal, CORED_REFUSAL_LEGACY_KEYS,
                 "the list of storages is %s of %u, the tensors use %zu",
                 cored_pickle_kind_name(list), list->count, storages->n);
  uint32_t cell = list->first;
  for (uint32_t i = 0; ok && i < list->count; i++, cell = keys->cells[cell].next) {
    uint64_t key = parse_key(cored_pickle_node(keys, keys->cells[cell].value), &ok);
    CoredStorage *storage = ok ? cored_storages_find(storages, key) : NULL;
    if (!storage || storage->data)
      ok = cored_refuse(s->refusal, CORED_REFUSAL_LEGACY_KEYS,
                        "entry %u of the list of storages is not one in use, or is there twice", i);
    else
      ok = read_storage(s, storage, swapped);
  }
  cored_pickle_free(keys);
  if (ok && s->at != s->end)
    return cored_refuse(s->refusal, CORED_REFUSAL_LEGACY_TRAILING,
                        "%zu bytes follow the last storage", (size_t)(s->end - s->at));
  return ok;
}

static bool read_object(Stream *s, bool swapped, const CoredReadOptions *options,
                        CoredLooseFile *file) {
  CoredPickle *pickle = next_pickle(s, options->survey);
  if (!pickle)
    return false;
  file->globals = pickle->globals;
  file->refused = pickle->refused;
  pickle->globals = pickle->refused = (CoredLines){0};
  CoredStorages storages = {0};
  bool ok = file->refused.n > 0; /* surveyed only: storages may be unknown, stop here */
  if (!ok)
    ok = cored_storages_collect(pickle, &storages, s->refusal) &&
         read_storages(s, &storages, swapped) &&
         cored_state_dict_read(pickle, &storages, swapped, options->key, file, s->refusal);
  cored_storages_clear(&storages);
  cored_pickle_free(pickle);
  return ok;
}

bool cored_pth_legacy_read(const CoredBytes *bytes, const CoredReadOptions *options,
                           CoredLooseFile *file, CoredRefusal *refusal) {
  file->format = "PyTorch legacy stream";
  Stream s = {.start = bytes->data,
              .at = bytes->data,
              .end = bytes->data + bytes->size,
              .refusal = refusal};
  bool swapped = false;
  return expect(&s, magic, sizeof magic, CORED_REFUSAL_LEGACY_MAGIC, "magic number") &&
         expect(&s, protocol, sizeof protocol, CORED_REFUSAL_LEGACY_PROTOCOL,
                "protocol number 1001") &&
         read_system(&s, &swapped) && read_object(&s, swapped, options, file);
}
