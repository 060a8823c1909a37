/* SPDX-License-Identifier: MIT
 * Foreign safetensors files from the path to the model. Of an input, byte 0 says what the file is:
 *   0  the rest itself
 *   1  byte 1 times 64 zeros as data, the rest is the header
 *   2  an edit of a right file's header: 2 bytes place, 1 byte how many to take out, text to put in
 * Bits 2 to 5 of byte 0 turn on options: labels and settings, --strip, --drop, --rename. */
#include <string.h>

#include "fuzz.h"
#include "memory-file.h"
#include "model-seed.h"
#include "tools/convert/import.h"

/* The weights of our own model file without its metadata, as somebody else would have saved them.
 */
static const ModelSeed *foreign(void) {
  static ModelSeed made;
  if (!made.header) {
    const ModelSeed *const own = model_seed("meso4", 256);
    const char *const end = memmem(own->header, own->header_size, "},", 2);
    fuzz_expect(end != NULL);
    made = *own;
    made.header_size = own->header_size - (size_t)(end + 1 - own->header);
    made.header = malloc(made.header_size);
    fuzz_expect(made.header != NULL);
    memcpy(made.header, end + 1, made.header_size);
    made.header[0] = '{';
  }
  return &made;
}

static void import(const void *file, size_t size, unsigned kind) {
  static const char *const drop[] = {"x*", NULL}, *const strip[] = {"module", NULL},
                           *const rename[] = {"fc=last_linear", NULL};
  CoredImportOptions options = {.threshold = -1, .temperature = -1};
  if (kind & 4) {
    options.labels = "real,fake";
    options.input_width = options.input_height = 256;
    options.threshold = 0.25;
  }
  options.kind = kind & 64 ? CORED_MODEL_ANY : CORED_MODEL_CLASSIFIER;
  options.names.strip = kind & 8 ? strip : NULL;
  options.names.drop = kind & 16 ? drop : NULL;
  options.names.rename = kind & 32 ? rename : NULL;
  MemoryFile memory = memory_file_open(file, size);
  CoredImportReport report;
  CoredRefusal refusal = {0};
  CoredModel *const model = cored_import(memory.path, &options, &report, &refusal);
  fuzz_expect(model || refusal.code != CORED_REFUSAL_NONE);
  cored_model_unref(model);
  cored_import_report_clear(&report);
  memory_file_close(&memory);
}

static void import_header(const void *header, size_t n, const void *data, size_t data_size,
                          unsigned kind) {
  size_t size;
  uint8_t *const file = model_seed_file(header, n, data, data_size, &size);
  if (file)
    import(file, size, kind);
  free(file);
}

static void import_edited(FuzzInput in, unsigned kind) {
  const size_t at = fuzz_u16(&in) % foreign()->header_size;
  const size_t left = foreign()->header_size - at, most = fuzz_byte(&in);
  const size_t out = most < left ? most : left;
  CoredText text = {0};
  cored_text_add_bytes(&text, foreign()->header, at);
  if (in.size)
    cored_text_add_bytes(&text, (const char *)in.data, in.size);
  cored_text_add_bytes(&text, foreign()->header + at + out, left - out);
  if (!text.failed)
    import_header(text.s, text.n, foreign()->data, foreign()->data_size, kind);
  cored_text_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const uint8_t no_data[255 * 64];
  FuzzInput in = {data, size};
  const unsigned kind = fuzz_byte(&in);

  if (kind % 4 == 0) {
    import(in.data, in.size, kind);
  } else if (kind % 4 == 1) {
    const size_t n = fuzz_byte(&in) * 64u;
    import_header(in.data, in.size, no_data, n, kind);
  } else {
    import_edited(in, kind);
  }
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const FuzzSeed seeds[] = {
      FUZZ_SEED("\1\1{\"a\":{\"dtype\":\"F32\",\"shape\":[2,8],\"data_offsets\":[0,64]}}"),
      FUZZ_SEED(
          "\5\1{\"module.fc.weight\":{\"dtype\":\"F32\",\"shape\":[2,8],\"data_offsets\":[0,64]},"
          "\"__metadata__\":{\"format\":\"pt\"}}"),
      FUZZ_SEED("\2\0\0\0"),
      FUZZ_SEED("\12\2\0\0module."),
      FUZZ_SEED("\46\2\0\3fc"),
      FUZZ_SEED("\22\40\0\1,\"x\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}"),
  };
  return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, index, out, max);
}
