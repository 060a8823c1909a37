/* SPDX-License-Identifier: MIT */
#include "model/signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/error.h"
#include "base/text.h"
#include "model/trust.h"

#define PIECE ((size_t)1 << 20) /* between two looks at cancel */

void cored_sign(const CoredSecretKey *key, const CoredChunk *chunks, size_t n_chunks,
                char hex[CORED_SIGNATURE_HEX + 1]) {
  crypto_sign_ed25519ph_state state;
  crypto_sign_ed25519ph_init(&state);
  for (size_t i = 0; i < n_chunks; i++)
    crypto_sign_ed25519ph_update(&state, chunks[i].data, chunks[i].size);
  uint8_t signature[crypto_sign_ed25519_BYTES];
  crypto_sign_ed25519ph_final_create(&state, signature, NULL, key->secret);
  cored_hex_format(signature, sizeof signature, hex);
}

/* The n characters behind `,"key":"` in the header of the file, NULL where there are not so many.
 * Only our writer signs; it writes no space there, and in a string the quote would be escaped. */
static const uint8_t *find_digits(const CoredBytes *bytes, const char *key, size_t n) {
  char text[64];
  uint64_t length = 0;
  for (int i = 7; i >= 0; i--)
    length = length << 8 | bytes->data[i];
  if (length > bytes->size - 8)
    return NULL;
  snprintf(text, sizeof text, ",\"%s\":\"", key);
  const uint8_t *const header = bytes->data + 8;
  const uint8_t *const at = memmem(header, length, text, strlen(text));
  if (!at)
    return NULL;
  const uint8_t *const digits = at + strlen(text);
  return (size_t)(header + length - digits) > n && digits[n] == '"' ? digits : NULL;
}

/* Hash the file with the signature's digits as zeros; false when the caller gave up. */
static bool hash_file(const CoredBytes *bytes, const uint8_t *digits, const int *cancel,
                      crypto_sign_ed25519ph_state *state) {
  uint8_t zeros[CORED_SIGNATURE_HEX];
  memset(zeros, '0', sizeof zeros);
  crypto_sign_ed25519ph_init(state);
  crypto_sign_ed25519ph_update(state, bytes->data, (size_t)(digits - bytes->data));
  crypto_sign_ed25519ph_update(state, zeros, sizeof zeros);
  const uint8_t *p = digits + sizeof zeros;
  const uint8_t *const end = bytes->data + bytes->size;
  while (p < end && !cored_cancelled(cancel)) {
    const size_t n = (size_t)(end - p) < PIECE ? (size_t)(end - p) : PIECE;
    crypto_sign_ed25519ph_update(state, p, n);
    p += n;
  }
  return p == end;
}

/* Which key made the file, by what it says itself: for the message only. */
static void copy_key_id(const CoredBytes *bytes, char id[CORED_KEY_ID_HEX + 1]) {
  const uint8_t *const digits = find_digits(bytes, CORED_KEY_KEY_ID, CORED_KEY_ID_HEX);
  snprintf(id, CORED_KEY_ID_HEX + 1, "%.*s", digits ? CORED_KEY_ID_HEX : 1,
           digits ? (const char *)digits : "?");
}

bool cored_signature_verify(const CoredTrust *trust, const CoredBytes *bytes, const char *name,
                            const int *cancel, uint64_t *offset, CoredError *error) {
  const uint8_t *const digits = find_digits(bytes, CORED_KEY_SIGNATURE, CORED_SIGNATURE_HEX);
  char hex[CORED_SIGNATURE_HEX + 1], id[CORED_KEY_ID_HEX + 1];
  if (!digits)
    return cored_error_set(error, CORED_ERROR_SIGNATURE_MISSING,
                           "%s: expected a model signed with a trusted key, found no signature",
                           name);
  memcpy(hex, digits, CORED_SIGNATURE_HEX);
  hex[CORED_SIGNATURE_HEX] = '\0';
  copy_key_id(bytes, id);
  uint8_t signature[crypto_sign_ed25519_BYTES];
  if (!cored_hex_parse(hex, sizeof signature, signature))
    return cored_error_set(error, CORED_ERROR_SIGNATURE,
                           "%s: byte %llu: expected a signature of 128 lower-case hex digits", name,
                           (unsigned long long)(digits - bytes->data));
  crypto_sign_ed25519ph_state state;
  if (!hash_file(bytes, digits, cancel, &state))
    return cored_fail_cancelled(name, error);
  *offset = (uint64_t)(digits - bytes->data);
  for (size_t i = 0; i < trust->n_keys; i++) {
    crypto_sign_ed25519ph_state copy = state;
    if (crypto_sign_ed25519ph_final_verify(&copy, signature, trust->keys[i].public_key) == 0)
      return true;
  }
  if (!cored_trust_has(trust, id))
    return cored_error_set(
        error, CORED_ERROR_SIGNATURE_KEY,
        "%s: expected a signature with a trusted key, found one with key %s, %s", name, id,
        cored_trust_revoked(trust, id) ? "which was revoked" : "which is not trusted");
  return cored_error_set(error, CORED_ERROR_SIGNATURE,
                         "%s: the signature with key %s does not belong to these bytes", name, id);
}
