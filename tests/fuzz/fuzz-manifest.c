/* SPDX-License-Identifier: MIT
 * manifest.csv: an input is the file. What was read is sorted, names what it was given, and every
 * row is found again. */
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "train/data/manifest.h"

static char folder[] = "/tmp/cored-fuzz-XXXXXX", root[64], path[64];

static void remove_folder(void) {
  unlink(path);
  rmdir(root);
  rmdir(folder);
}

static void make_folder(void) {
  if (root[0])
    return;
  fuzz_expect(mkdtemp(folder) != NULL);
  snprintf(root, sizeof root, "%s/train", folder);
  snprintf(path, sizeof path, "%s/manifest.csv", folder);
  fuzz_expect(mkdir(root, 0700) == 0);
  atexit(remove_folder);
}

static void use(CoredManifest *manifest) {
  CoredError error = {0};
  for (size_t i = 0; i < manifest->n; i++) {
    CoredManifestRow *const row = &manifest->rows[i];
    fuzz_expect(row->path && row->path[0] && row->group && row->line > 0);
    fuzz_expect(i == 0 || strcmp(manifest->rows[i - 1].path, row->path) < 0);
    if (strncmp(row->path, "train/", 6) == 0 && strlen(row->path) < PATH_MAX)
      fuzz_expect(cored_manifest_find(manifest, row->path + 6) == row);
  }
  CoredManifestRow *const found = cored_manifest_find(manifest, "real/a.jpg");
  if (found)
    found->used = true;
  if (cored_manifest_fold(manifest, &error)) {
    const CoredManifestRow *const folded = cored_manifest_find_folded(manifest, "real/a.jpg");
    fuzz_expect(!folded || strcasecmp(folded->path, "train/real/a.jpg") == 0);
  }
  cored_manifest_check(manifest, "real/a.jpg", found != NULL, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  make_folder();
  FILE *const file = fopen(path, "wb");
  fuzz_expect(file && (size == 0 || fwrite(data, 1, size, file) == size) && fclose(file) == 0);
  CoredManifest manifest;
  CoredError error = {0};
  if (cored_manifest_load(&manifest, root, &error)) {
    fuzz_expect(manifest.file != NULL);
    use(&manifest);
  } else {
    fuzz_expect(error.code != CORED_ERROR_NONE && error.message[0]);
  }
  cored_manifest_clear(&manifest);
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const FuzzSeed seeds[] = {
      FUZZ_SEED("path,group\ntrain/real/a.jpg,one\ntrain/fake/b.jpg,two\n"),
      FUZZ_SEED("\xef\xbb\xbfPath;Group\r\n./train/real/A.jpg;\"o;n\"\"e\"\r\n"),
      FUZZ_SEED("sep=\t\ngroup\tpath\n1\ttrain\\real\\a.jpg\n\n"),
      FUZZ_SEED("\xff\xfep\0a\0t\0h\0,\0g\0r\0o\0u\0p\0\n\0a\0,\0b\0\n\0"),
      FUZZ_SEED("path,task,group\ntrain/real/a.jpg,x,\ntrain/real/a.jpg,x,\n"),
  };
  return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, index, out, max);
}
