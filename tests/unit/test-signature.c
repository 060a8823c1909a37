/* SPDX-License-Identifier: MIT
 * Signed model files (M39-M41): only what a trusted key signed loads, bit by bit. */
#include "model-file.h"

#include <sys/stat.h>

#include <sodium.h>

#include "model/signature.h"
#include "base/text.h"

static char folder[] = "/tmp/cored-test-XXXXXX";
static char paths[6][64]; /* a.secret, a.public, b.secret, b.public, trusted, model */
enum { A_SECRET, A_PUBLIC, B_SECRET, B_PUBLIC, TRUSTED, MODEL };

static Blob file_of(const char *path) {
  CoredBytes bytes;
  CoredError error;
  if (!cored_file_read(path, 1, 1 << 28, NULL, &bytes, &error))
    fail_msg("%s", error.message);
  const Blob blob = blob_of(bytes.data, bytes.size);
  cored_bytes_clear(&bytes);
  return blob;
}

static void write_text(const char *path, const char *text) {
  const CoredChunk chunk = {text, strlen(text)};
  CoredError error;
  if (!cored_file_replace(path, &chunk, 1, 0600, &error))
    fail_msg("%s", error.message);
}

/* The key files one after another, and more text, as a list of trusted keys. */
static CoredTrust *trust_of(bool a, bool b, const char *more) {
  char text[2048] = "# trusted\n\n";
  for (int i = 0; i < 2; i++) {
    if (!(i ? b : a))
      continue;
    Blob key = file_of(paths[i ? B_PUBLIC : A_PUBLIC]);
    snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s", (int)key.size,
             (const char *)key.data);
    blob_free(&key);
  }
  snprintf(text + strlen(text), sizeof text - strlen(text), "%s", more);
  write_text(paths[TRUSTED], text);
  CoredError error;
  CoredTrust *const trust = cored_trust_load(paths[TRUSTED], &error);
  if (!trust)
    fail_msg("%s", error.message);
  return trust;
}

static Blob signed_by(int secret, uint64_t seed) {
  CoredModel *const model = model_random("meso4", seed);
  CoredError error;
  if (!cored_model_save_signed(model, paths[MODEL], paths[secret], &error))
    fail_msg("%s", error.message);
  cored_model_unref(model);
  return file_of(paths[MODEL]);
}

static CoredErrorCode outcome(const Blob *blob, const CoredTrust *trust, CoredError *error) {
  *error = (CoredError){0};
  const CoredModelLoadParams params = {.skip_self_test = true, .trust = trust};
  CoredModel *const model = cored_model_load_memory(blob->data, blob->size, "m", &params, error);
  cored_model_unref(model);
  assert_true((model != NULL) == (error->code == CORED_ERROR_NONE));
  return error->code;
}

static void check(const Blob *blob, const CoredTrust *trust, CoredErrorCode code) {
  CoredError error;
  if (outcome(blob, trust, &error) != code)
    fail_msg("expected %s, found %s: %s", cored_error_code_name(code),
             cored_error_code_name(error.code), error.message);
}

static uint8_t *signature_of(const Blob *blob) {
  return blob_find(blob, ",\"cored.signature\":\"") + 20;
}

/* RFC 8032, section 7.3: Ed25519ph of "abc". */
static void the_published_vector_comes_out(void **state) {
  (void)state;
  CoredSecretKey key;
  uint8_t seed[32];
  char public_hex[65], hex[129];
  assert_true(cored_hex_parse("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
                              32, seed));
  cored_secret_key_init(&key, seed);
  cored_hex_format(key.public_key, 32, public_hex);
  assert_string_equal(public_hex,
                      "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf");
  const CoredChunk chunks[2] = {{"a", 1}, {"bc", 2}};
  cored_sign(&key, chunks, 2, hex);
  assert_string_equal(hex, "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
                           "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406");
}

static void what_a_trusted_key_signed_loads(void **state) {
  (void)state;
  Blob by_a = signed_by(A_SECRET, 1), by_b = signed_by(B_SECRET, 1);
  CoredTrust *const a = trust_of(true, false, ""), *const both = trust_of(true, true, "");
  check(&by_a, a, CORED_ERROR_NONE);
  check(&by_a, both, CORED_ERROR_NONE);
  check(&by_b, both, CORED_ERROR_NONE); /* keys rotate: old and new are trusted for a while */
  check(&by_b, a, CORED_ERROR_SIGNATURE_KEY);
  check(&by_a, NULL, CORED_ERROR_NONE); /* who trusts nobody in particular takes any good file */
  char revoked[64];
  snprintf(revoked, sizeof revoked, "revoked %.16s\n",
           (const char *)blob_find(&by_a, "\"cored.key-id\":\"") + 16);
  CoredTrust *const b = trust_of(true, true, revoked);
  check(&by_a, b, CORED_ERROR_SIGNATURE_KEY);
  check(&by_b, b, CORED_ERROR_NONE);
  CoredError error;
  outcome(&by_a, b, &error);
  assert_non_null(strstr(error.message, "revoked"));
  cored_trust_unref(cored_trust_ref(a));
  cored_trust_unref(a);
  cored_trust_unref(b);
  cored_trust_unref(both);
  blob_free(&by_a);
  blob_free(&by_b);
}

static void signing_changes_nothing_else(void **state) {
  (void)state;
  Blob blob = signed_by(A_SECRET, 1), again = signed_by(A_SECRET, 1), plain = blob_meso4();
  assert_int_equal(blob.size, again.size);
  assert_memory_equal(blob.data, again.data, blob.size); /* Ed25519 needs no random numbers */
  CoredError error;
  CoredModel *const model = cored_model_load(paths[MODEL], NULL, &error);
  assert_non_null(model);
  assert_int_equal(strlen(cored_model_metadata(model, "cored.signature")), 128);
  assert_int_equal(strlen(cored_model_metadata(model, "cored.key-id")), 16);
  Blob saved = blob_save(model); /* saved without a key it is unsigned again */
  assert_int_equal(saved.size, plain.size);
  assert_memory_equal(saved.data, plain.data, plain.size);
  cored_model_unref(model);
  blob_free(&saved);
  blob_free(&plain);
  blob_free(&again);
  blob_free(&blob);
}

static void m39_no_or_a_wrong_signature(void **state) {
  (void)state;
  CoredTrust *const trust = trust_of(true, false, "");
  Blob plain = blob_meso4(), one = signed_by(A_SECRET, 1), two = signed_by(A_SECRET, 2);
  check(&plain, trust, CORED_ERROR_SIGNATURE_MISSING);

  Blob swapped = blob_of(one.data, one.size);
  memcpy(signature_of(&swapped), signature_of(&two), 128);
  check(&swapped, trust, CORED_ERROR_SIGNATURE);
  check(&swapped, NULL, CORED_ERROR_NONE); /* the header's hash leaves the signature out */
  blob_free(&swapped);

  Blob longer = blob_of(one.data, one.size + 0);
  longer.data = realloc(longer.data, one.size + 1);
  longer.data[longer.size++] = 0;
  check(&longer, trust, CORED_ERROR_SIGNATURE);
  blob_free(&longer);
  Blob shorter = blob_of(one.data, one.size - 1);
  check(&shorter, trust, CORED_ERROR_SIGNATURE);
  blob_free(&shorter);

  Blob cut = blob_replace(&one, ",\"cored.signature\":\"", ",\"cored.signature\":\"\",\"x\":\"");
  check(&cut, trust, CORED_ERROR_SIGNATURE_MISSING);
  blob_free(&cut);
  Blob upper = blob_of(one.data, one.size);
  for (int i = 0; i < 128; i++)
    if (signature_of(&upper)[i] >= 'a')
      signature_of(&upper)[i] ^= 0x20;
  check(&upper, trust, CORED_ERROR_SIGNATURE);
  blob_free(&upper);
  cored_trust_unref(trust);
  blob_free(&plain);
  blob_free(&one);
  blob_free(&two);
}

/* S + L is the same number to a careless verifier (L: order of the curve's group, RFC 8032 5.1). */
static void m39_a_malleable_signature(void **state) {
  (void)state;
  static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
                                    0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                    0,    0,    0,    0,    0,    0,    0,    0,
                                    0,    0,    0,    0,    0,    0,    0,    0x10};
  CoredTrust *const trust = trust_of(true, false, "");
  Blob blob = signed_by(A_SECRET, 1);
  char hex[129];
  uint8_t signature[64];
  memcpy(hex, signature_of(&blob), 128);
  hex[128] = '\0';
  assert_true(cored_hex_parse(hex, 64, signature));
  unsigned carry = 0;
  for (int i = 0; i < 32; i++) {
    carry += signature[32 + i] + order[i];
    signature[32 + i] = (uint8_t)carry;
    carry >>= 8;
  }
  cored_hex_format(signature, 64, hex);
  memcpy(signature_of(&blob), hex, 128);
  check(&blob, trust, CORED_ERROR_SIGNATURE);
  cored_trust_unref(trust);
  blob_free(&blob);
}

/* With the neutral element as key, R = S = 0-ish verifies for every message in a careless
 * verifier. */
static void m39_a_small_order_key(void **state) {
  (void)state;
  char text[128] = "cored-public-key-1 01";
  memset(text + 21, '0', 62);
  text[83] = '\0';
  write_text(paths[TRUSTED], text);
  CoredError error;
  CoredTrust *const trust = cored_trust_load(paths[TRUSTED], &error);
  assert_non_null(trust);
  Blob blob = signed_by(A_SECRET, 1);
  uint8_t *const digits = signature_of(&blob);
  memset(digits, '0', 128);
  digits[1] = '1';
  check(&blob, trust, CORED_ERROR_SIGNATURE_KEY);
  cored_trust_unref(trust);
  blob_free(&blob);
}

static void every_bit_counts(void **state) {
  (void)state;
  CoredTrust *const trust = trust_of(true, true, "");
  Blob blob = signed_by(A_SECRET, 1);
  const size_t header = 8 + blob_header(&blob);
  size_t flips = 0;
  for (size_t i = 0; i < blob.size; i += i < header ? 1 : 293) {
    const uint8_t bit = (uint8_t)(1u << i % 8);
    CoredError error;
    blob.data[i] ^= bit;
    if (outcome(&blob, trust, &error) == CORED_ERROR_NONE)
      fail_msg("loads with bit %zu of byte %zu flipped", i % 8, i);
    blob.data[i] ^= bit;
    flips++;
  }
  print_message("%zu bit flips refused\n", flips);
  cored_trust_unref(trust);
  blob_free(&blob);
}

/* Sign what the test made of the file. */
static void resign(Blob *blob) {
  CoredSecretKey key;
  CoredError error;
  assert_true(cored_secret_key_load(&key, paths[A_SECRET], &error));
  uint8_t *const digits = signature_of(blob);
  memset(digits, '0', 128);
  char hex[129];
  const CoredChunk chunk = {blob->data, blob->size};
  cored_sign(&key, &chunk, 1, hex);
  memcpy(digits, hex, 128);
  cored_secret_key_clear(&key);
}

static void m41_signed_is_not_well_formed(void **state) {
  (void)state;
  CoredTrust *const trust = trust_of(true, false, "");
  Blob good = signed_by(A_SECRET, 1);
  Blob blob = blob_replace(&good, "\"F32\"", "\"F99\"");
  resign(&blob);
  check(&blob, trust, CORED_ERROR_TENSOR_DTYPE);
  blob_free(&blob);
  blob = blob_of(good.data, good.size);
  blob.data[blob.size - 1] ^= 1;
  resign(&blob);
  check(&blob, trust, CORED_ERROR_HASH);
  blob_free(&blob);
  /* The text of the entry, but in another object: what was verified is not what is read. */
  blob = blob_replace(&good, ",\"cored.signature\":\"", ",\"cored.signature2\":\"");
  Blob moved =
      blob_replace(&blob, "\"bn1.bias\":{", "\"bn1.bias\":{\"x\":0,\"cored.signature\":\"");
  assert_true(outcome(&moved, trust, &(CoredError){0}) != CORED_ERROR_NONE);
  blob_free(&moved);
  blob_free(&blob);
  blob_free(&good);
  cored_trust_unref(trust);
}

static void key_files_are_checked(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "# nothing\n",
      "cored-public-key-1 00\n",
      "cored-public-key-2 0100000000000000000000000000000000000000000000000000000000000000\n",
      "cored-public-key-1 010000000000000000000000000000000000000000000000000000000000000g\n",
      "cored-public-key-1 01000000000000000000000000000000000000000000000000000000000000000\n",
      "cored-secret-key-1 0100000000000000000000000000000000000000000000000000000000000000\n",
      "revoked 0123456789abcde\n",
      "revoked 0123456789abcdef\n", /* and no key */
  };
  CoredError error;
  for (size_t i = 1; i < sizeof bad / sizeof *bad; i++) {
    write_text(paths[TRUSTED], bad[i]);
    assert_null(cored_trust_load(paths[TRUSTED], &error));
    assert_int_equal(error.code, CORED_ERROR_KEY_FILE);
    assert_non_null(strstr(error.message, paths[TRUSTED]));
  }
  CoredSecretKey key;
  assert_false(cored_secret_key_load(&key, paths[TRUSTED], &error));
  assert_int_equal(error.code, CORED_ERROR_KEY_FILE);
  struct stat st;
  assert_int_equal(stat(paths[A_SECRET], &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  assert_int_equal(chmod(paths[A_SECRET], 0640), 0);
  assert_false(cored_secret_key_load(&key, paths[A_SECRET], &error));
  assert_int_equal(error.code, CORED_ERROR_KEY_FILE);
  assert_non_null(strstr(error.message, "0640"));
  assert_int_equal(chmod(paths[A_SECRET], 0600), 0);
  assert_false(cored_keys_new(paths[A_SECRET], paths[A_PUBLIC], NULL, &error)); /* not replaced */
  assert_int_equal(error.code, CORED_ERROR_WRITE);
  assert_false(cored_keys_new("/tmp/none", "/tmp/none", "two\nlines", &error));
  assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
}

static int setup(void **state) {
  (void)state;
  static const char *const names[] = {"a.secret", "a.public", "b.secret",
                                      "b.public", "trusted",  "model"};
  assert_non_null(mkdtemp(folder));
  for (int i = 0; i < 6; i++)
    snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
  CoredError error;
  if (!cored_keys_new(paths[A_SECRET], paths[A_PUBLIC], "a@example", &error) ||
      !cored_keys_new(paths[B_SECRET], paths[B_PUBLIC], NULL, &error))
    fail_msg("%s", error.message);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  for (int i = 0; i < 6; i++)
    unlink(paths[i]);
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_published_vector_comes_out),
      cmocka_unit_test(what_a_trusted_key_signed_loads),
      cmocka_unit_test(signing_changes_nothing_else),
      cmocka_unit_test(m39_no_or_a_wrong_signature),
      cmocka_unit_test(m39_a_malleable_signature),
      cmocka_unit_test(m39_a_small_order_key),
      cmocka_unit_test(every_bit_counts),
      cmocka_unit_test(m41_signed_is_not_well_formed),
      cmocka_unit_test(key_files_are_checked),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
