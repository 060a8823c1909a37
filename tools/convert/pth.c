/* SPDX-License-Identifier: MIT
 * PyTorch's two containers of weights. */
#include "tools/convert/pth.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/convert/state-dict.h"
#include "tools/convert/zip.h"

/* ---- The ZIP archive: NAME/data.pkl, NAME/data/0 and so on, and a few small entries ------------
 */

#define MAX_SMALL_ENTRY 256 /* version, byteorder and the like */

typedef struct Contents { /* what the archive's entries are */
  const CoredZipEntry *pickle, *byteorder;
  size_t top; /* length of the top folder's name with its '/' */
} Contents;

static bool refuse_entry(const CoredZipEntry *entry, CoredRefusalCode code, const char *why,
                         CoredRefusal *refusal) {
  char shown[160];
  cored_escape(entry->name, entry->name_length, shown, sizeof shown);
  return cored_refuse(refusal, code, "entry '%s' (%zu bytes): %s", shown, entry->size, why);
}

static bool named(const CoredZipEntry *entry, size_t top, const char *name) {
  return entry->name_length == top + strlen(name) &&
         memcmp(entry->name + top, name, strlen(name)) == 0;
}

static bool under(const CoredZipEntry *entry, size_t top, const char *folder) {
  return entry->name_length > top + strlen(folder) &&
         memcmp(entry->name + top, folder, strlen(folder)) == 0;
}

/* "data/17" holds storage 17. */
static bool record_key(const CoredZipEntry *entry, size_t top, uint64_t *key) {
  const char *digits = entry->name + top + 5;
  size_t n = entry->name_length - top;
  if (n < 6 || n > 5 + 19 || memcmp(entry->name + top, "data/", 5) != 0 ||
      (digits[0] == '0' && n > 6))
    return false;
  *key = 0;
  for (size_t i = 0; i < n - 5; i++) {
    if (digits[i] < '0' || digits[i] > '9')
      return false;
    *key = *key * 10 + (uint64_t)(digits[i] - '0');
  }
  return true;
}

static bool check_top(const CoredZip *zip, Contents *contents, CoredRefusal *refusal) {
  const CoredZipEntry *first = &zip->entries[0];
  const char *slash = memchr(first->name, '/', first->name_length);
  contents->top = slash ? (size_t)(slash - first->name) + 1 : 0;
  for (size_t i = 0; i < zip->n; i++) {
    const CoredZipEntry *entry = &zip->entries[i];
    if (contents->top == 0 || entry->name_length <= contents->top ||
        memcmp(entry->name, first->name, contents->top) != 0)
      return refuse_entry(entry, CORED_REFUSAL_PTH_TOP_FOLDERS,
                          "all entries have to be in one top folder", refusal);
  }
  return true;
}

static bool sort_entry(const CoredZipEntry *entry, Contents *contents, CoredRefusal *refusal) {
  static const char *const small[] = {"version", ".format_version", ".storage_alignment",
                                      ".data/serialization_id", "byteorder"};
  size_t top = contents->top;
  uint64_t key;
  if (record_key(entry, top, &key))
    return true;
  if (named(entry, top, "data.pkl")) {
    contents->pickle = entry;
    return entry->size <= CORED_PICKLE_MAX_BYTES ||
           refuse_entry(entry, CORED_REFUSAL_PTH_PICKLE_SIZE, "larger than 64 MiB", refusal);
  }
  if (named(entry, top, "constants.pkl") || under(entry, top, "code/"))
    return refuse_entry(entry, CORED_REFUSAL_PTH_TORCHSCRIPT,
                        "this is a TorchScript program; save its state_dict() instead", refusal);
  if (named(entry, top, "byteorder")) {
    contents->byteorder = entry;
    if (entry->size > MAX_SMALL_ENTRY)
      return refuse_entry(entry, CORED_REFUSAL_PTH_BYTEORDER, "expected 'little' or 'big'",
                          refusal);
  }
  for (size_t i = 0; i < sizeof small / sizeof *small; i++)
    if (named(entry, top, small[i]) && entry->size <= MAX_SMALL_ENTRY)
      return true;
  return refuse_entry(entry, CORED_REFUSAL_PTH_ENTRY, "no entry that a weight file has", refusal);
}

static bool sort_entries(const CoredZip *zip, Contents *contents, CoredRefusal *refusal) {
  if (!check_top(zip, contents, refusal))
    return false;
  for (size_t i = 0; i < zip->n; i++)
    if (!sort_entry(&zip->entries[i], contents, refusal))
      return false;
  if (!contents->pickle)
    return cored_refuse(refusal, CORED_REFUSAL_PTH_NO_PICKLE,
                        "the archive has no data.pkl: not a file of torch.save");
  return true;
}

static bool read_byteorder(const Contents *contents, bool *swapped, CoredRefusal *refusal) {
  const CoredZipEntry *entry = contents->byteorder;
  *swapped = entry && entry->size == 3 && memcmp(entry->data, "big", 3) == 0;
  bool little = !entry || (entry->size == 6 && memcmp(entry->data, "little", 6) == 0);
  return little || *swapped ||
         refuse_entry(entry, CORED_REFUSAL_PTH_BYTEORDER, "expected 'little' or 'big'", refusal);
}

/* Give every storage its record; sizes must agree to the byte. */
static bool bind_records(const CoredZip *zip, size_t top, bool survey, CoredStorages *storages,
                         CoredRefusal *refusal) {
  for (size_t i = 0; i < zip->n; i++) {
    const CoredZipEntry *entry = &zip->entries[i];
    uint64_t key;
    if (!record_key(entry, top, &key))
      continue;
    CoredStorage *storage = cored_storages_find(storages, key);
    if (!storage && survey)
      continue;
    if (!storage)
      return refuse_entry(entry, CORED_REFUSAL_STORAGE_UNUSED, "no tensor uses it", refusal);
    if (storage->bytes != entry->size) {
      char why[128];
      snprintf(why, sizeof why, "its storage has %zu bytes (%llu elements %s)", storage->bytes,
               (unsigned long long)storage->numel, cored_scalar_name(storage->scalar));
      return refuse_entry(entry, CORED_REFUSAL_STORAGE_SIZE, why, refusal);
    }
    storage->data = entry->data;
  }
  return survey || cored_storages_check(storages, refusal);
}

static bool read_tensors(const CoredZip *zip, const Contents *contents, bool swapped,
                         const CoredReadOptions *options, CoredLooseFile *file,
                         CoredRefusal *refusal) {
  CoredPickleOptions how = {.survey = options->survey};
  CoredPickle *pickle =
      cored_pickle_read(contents->pickle->data, contents->pickle->size, &how, refusal);
  if (!pickle)
    return false;
  file->globals = pickle->globals;
  file->refused = pickle->refused;
  pickle->globals = pickle->refused = (CoredLines){0};
  CoredStorages storages;
  bool survey = file->refused.n > 0; /* then storages may be unknown, and nothing is imported */
  bool ok = cored_storages_collect(pickle, &storages, refusal) &&
            bind_records(zip, contents->top, survey, &storages, refusal);
  if (ok && !cored_state_dict_read(pickle, &storages, swapped, options->key, file, refusal))
    ok = false;
  cored_storages_clear(&storages);
  cored_pickle_free(pickle);
  return ok;
}

bool cored_pth_zip_read(const CoredBytes *bytes, const CoredReadOptions *options,
                        CoredLooseFile *file, CoredRefusal *refusal) {
  file->format = "PyTorch zip";
  CoredZip zip;
  if (!cored_zip_read(bytes->data, bytes->size, !options->ignore_crc, &zip, refusal))
    return false;
  Contents contents = {0};
  bool swapped = false;
  bool ok = sort_entries(&zip, &contents, refusal) &&
            read_byteorder(&contents, &swapped, refusal) &&
            read_tensors(&zip, &contents, swapped, options, file, refusal);
  cored_zip_clear(&zip);
  return ok;
}

/* ---- The stream before version 1.6 ------------------------------------------------------------
 */

/* Five pickles (magic number, protocol, system, the object, the keys of its storages) and then, for
 * each key in that order, an int64 count and the raw elements. torch.save still writes it on
 * request. */

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
