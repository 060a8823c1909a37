/* SPDX-License-Identifier: MIT
 * HDF5 files, on our side of the process border: the superblock and what the child sends. The
 * library's side crashes in a process of its own; that this is survived is tested elsewhere. The
 * first byte of an input: 0 the child's reply, 1 a whole file up to the superblock. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "tools/convert/h5.h"
#include "tools/convert/keras.h"

static const char reply[] = "T\20\0conv2d_1/kernel1\0\4\3\0\0\0\3\0\0\0\1\0\0\0\1\0\0\0\44\0\0\0"
                            "012345678901234567890123456789012345"
                            "T\12\0dense/bias\0\0\4\0\0\0abcdZ";
static const char refusal_reply[] = "E\20\0\6\0absent";

static void parse(const uint8_t *data, size_t size) {
  CoredH5Reply all = {.data = malloc(size ? size : 1), .size = size};
  CoredLooseFile file = {0};
  CoredRefusal refusal = {0};
  const char *network;
  if (!all.data)
    return;
  if (size)
    memcpy(all.data, data, size);
  if (cored_h5_parse_reply(&all, 4096, &file, &refusal)) {
    if (cored_keras_rename(&file, NULL, &network, &refusal))
      abort(); /* so little is no network */
    for (size_t i = 0; i < file.n_tensors; i++)
      free(cored_loose_copy(&file.tensors[i]));
  }
  cored_loose_clear(&file);
  free(all.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1)
    return 0;
  if (data[0] % 2 == 0) {
    parse(data + 1, size - 1);
  } else {
    CoredRefusal refusal = {0};
    CoredBytes bytes = {.data = malloc(size), .size = size - 1};
    if (bytes.data && size > 1)
      memcpy(bytes.data, data + 1, size - 1);
    if (bytes.data)
      cored_h5_check_superblock(&bytes, &refusal);
    free(bytes.data);
  }
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const struct {
    const char *data;
    size_t size;
  } seeds[] = {{reply, sizeof reply - 1}, {refusal_reply, sizeof refusal_reply - 1}};
  if (index < 2 && seeds[index].size < max) {
    out[0] = 0;
    memcpy(out + 1, seeds[index].data, seeds[index].size);
    return 1 + seeds[index].size;
  }
  if (index > 4 || max < 129)
    return 0;
  memset(out, 0, 129); /* superblock version 0, 2, 3 */
  out[0] = 1;
  memcpy(out + 1, "\x89HDF\r\n\x1a\n", 8);
  out[9] = (uint8_t)(index == 2 ? 0 : index - 1);
  out[1 + (index == 2 ? 13 : 9)] = out[1 + (index == 2 ? 14 : 10)] = 8;
  out[1 + (index == 2 ? 40 : 28)] = 128;
  return 129;
}
