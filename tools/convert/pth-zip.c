/* SPDX-License-Identifier: MIT
 * The ZIP archive of torch.save: NAME/data.pkl, NAME/data/0 … and a few small entries. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/convert/pth.h"
#include "tools/convert/state-dict.h"
#include "tools/convert/zip.h"

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
