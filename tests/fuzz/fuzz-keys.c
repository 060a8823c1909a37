/* SPDX-License-Identifier: MIT
 * Key files. The first byte of an input: 0 a list of public keys, 1 a secret key; the rest is the
 * file. A list that was read is asked for a key and for a signature that nobody made. */
#include <string.h>

#include "cored.h"
#include "fuzz.h"
#include "memory-file.h"
#include "model/signature.h"

static void use(const CoredTrust *trust) {
  static const char header[] = "{\"__metadata__\":{\"a\":\"b\",\"cored.signature\":\"";
  uint8_t file[8 + sizeof header + CORED_SIGNATURE_HEX + 8] = {sizeof file - 8};
  CoredBytes bytes = {.data = file, .size = sizeof file};
  uint64_t offset;
  CoredError error = {0};
  memcpy(file + 8, header, sizeof header - 1);
  memset(file + 8 + sizeof header - 1, '0', sizeof file - 8 - sizeof header + 1);
  fuzz_expect(!cored_signature_verify(trust, &bytes, "fuzz", NULL, &offset, &error));
  fuzz_expect(error.code != CORED_ERROR_NONE);
  for (size_t i = 0; i < trust->n_keys; i++)
    fuzz_expect(cored_trust_has(trust, trust->keys[i].id) &&
                !cored_trust_revoked(trust, trust->keys[i].id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1)
    return 0;
  MemoryFile file = memory_file_open(data + 1, size - 1);
  CoredError error = {0};
  if (data[0] % 2 == 0) {
    CoredTrust *const trust = cored_trust_load(file.path, &error);
    fuzz_expect(trust || (error.code != CORED_ERROR_NONE && error.message[0]));
    if (trust)
      use(trust);
    cored_trust_unref(trust);
  } else {
    CoredSecretKey key;
    if (cored_secret_key_load(&key, file.path, &error))
      cored_secret_key_clear(&key);
    else
      fuzz_expect(error.code != CORED_ERROR_NONE && error.message[0]);
  }
  memory_file_close(&file);
  return 0;
}

#define HEX16 "0123456789abcdef"
#define HEX64 HEX16 HEX16 HEX16 HEX16
/* The public key of the seed that is all 0, so that it is a point of the curve. */
#define PUBLIC "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const FuzzSeed seeds[] = {
      FUZZ_SEED("\0cored-public-key-1 " PUBLIC " a comment\n"),
      FUZZ_SEED("\0cored-public-key-1 " PUBLIC "\r\ncored-public-key-1 " HEX64 "\n\n# x\n"),
      FUZZ_SEED("\0cored-public-key-1 " PUBLIC "\nrevoked " HEX16 "\n"),
      FUZZ_SEED("\1cored-secret-key-1 " HEX64 "\n"),
  };
  return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, index, out, max);
}
