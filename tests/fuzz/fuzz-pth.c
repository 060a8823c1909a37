/* SPDX-License-Identifier: MIT
 * PyTorch files. The first byte of an input says what the rest is:
 *   0     a whole file; its checksums are not looked at
 *   1..4  a pickle without PROTO and STOP, put into an archive that is right otherwise and holds
 *         0..3 records, so that mutations get past the container
 *   5..8  the same in a legacy stream */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "pth-seed.h"
#include "tools/convert/match.h"
#include "tools/convert/reader.h"

#define MAX_FILE ((size_t)1 << 20)

/* Every tensor that was accepted is read to its last byte, and matched with the networks. */
static void use(CoredLooseFile *file) {
  for (size_t i = 0; i < file->n_tensors; i++)
    free(cored_loose_copy(&file->tensors[i]));
  CoredRefusal refusal = {0};
  CoredImportMatch match;
  cored_import_match(file, NULL, &match, &refusal);
  cored_import_match_clear(&match);
}

static void read_file(const uint8_t *data, size_t size, bool survey) {
  uint8_t *copy = malloc(size ? size : 1); /* exactly as long: reading beyond is found */
  if (!copy)
    return;
  if (size)
    memcpy(copy, data, size);
  CoredBytes bytes = {.data = copy, .size = size};
  CoredReadOptions options = {.ignore_crc = true, .survey = survey};
  CoredLooseFile file = {0};
  CoredRefusal refusal = {0};
  bool ok = cored_reader_read(&bytes, &options, 1 << 16, &file, &refusal);
  if (!ok && refusal.code == CORED_REFUSAL_NONE && file.refused.n == 0)
    abort(); /* refused without a reason */
  if (ok)
    use(&file);
  cored_loose_clear(&file);
  free(copy);
}

static bool is_h5(const uint8_t *data, size_t size) { /* that reader has its own target */
  return size > 4 && memcmp(data, "\x89HDF", 4) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t file[MAX_FILE];
  if (size < 16)
    return 0;
  int kind = data[0] % 9;
  size_t file_size = 0;
  data++;
  size--;
  if (kind == 0) {
    if (!is_h5(data, size)) {
      read_file(data, size, false);
      read_file(data, size, true);
    }
    return 0;
  }
  file_size = kind <= 4 ? cored_seed_zip(data, size, kind - 1, file, sizeof file)
                        : cored_seed_legacy(data, size, kind - 5, file, sizeof file);
  if (file_size > 0) {
    read_file(file, file_size, false);
    read_file(file, file_size, true);
  }
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  uint8_t pickle[2048];
  size_t size = cored_seed_pickle(index / 4, pickle, sizeof pickle);
  int records = index / 4 == 1 ? 3 : 1;
  if (size == 0)
    return 0;
  out++;
  max--;
  switch (index % 4) {
  case 0:
    out[-1] = 0;
    return 1 + cored_seed_zip(pickle, size, records, out, max);
  case 1:
    out[-1] = 0;
    return 1 + cored_seed_legacy(pickle, size, records, out, max);
  case 2:
    out[-1] = (uint8_t)(1 + records);
    break;
  case 3:
    out[-1] = (uint8_t)(5 + records);
    break;
  }
  memcpy(out, pickle, size);
  return 1 + size;
}
