/* SPDX-License-Identifier: MIT
 * Signatures of model files: Ed25519ph over the whole file with the digits of the signature
 * themselves as "0" (format.h), and the files keys are in.
 *
 * A public key file is one line, a secret one too:
 *
 *   cored-public-key-1 KEY [comment]      64 hex digits
 *   cored-secret-key-1 SEED               64 hex digits
 *
 * The id of a key, 16 hex digits, is the start of the SHA-256 of its 32 public bytes. */
#ifndef CORED_MODEL_SIGNATURE_H
#define CORED_MODEL_SIGNATURE_H

#include "cored.h"
#include "base/file.h"
#include "model/format.h"

/* ---- Keys ------------------------------------------------------------------------------------ */

typedef struct CoredSecretKey {
  uint8_t secret[64], public_key[32];
  char id[CORED_KEY_ID_HEX + 1];
} CoredSecretKey;

/* Refused where others may read the file. Wipe it with cored_secret_key_clear. */
bool cored_secret_key_load(CoredSecretKey *key, const char *path, CoredError *error);
void cored_secret_key_clear(CoredSecretKey *key);
/* From its 32 bytes of seed. */
void cored_secret_key_init(CoredSecretKey *key, const uint8_t seed[32]);

/* The list of trusted keys. */
#define CORED_KEYS_MAX 64

typedef struct CoredPublicKey {
  uint8_t public_key[32];
  char id[CORED_KEY_ID_HEX + 1];
} CoredPublicKey;

struct CoredTrust {
  unsigned refs;                       /* atomic */
  CoredPublicKey keys[CORED_KEYS_MAX]; /* revoked ones left out */
  size_t n_keys;
  char revoked[CORED_KEYS_MAX][CORED_KEY_ID_HEX + 1];
  size_t n_revoked;
};

bool cored_trust_has(const CoredTrust *trust, const char *id);
bool cored_trust_revoked(const CoredTrust *trust, const char *id);

/* ---- Signatures ------------------------------------------------------------------------------ */

/* Sign the chunks one after another. */
void cored_sign(const CoredSecretKey *key, const CoredChunk *chunks, size_t n_chunks,
                char hex[CORED_SIGNATURE_HEX + 1]);

/* Find the signature in the header by its text alone, before anything is parsed, and check it with
 * the trusted keys. *offset is where its digits are; the parser has to find it there, too. */
bool cored_signature_verify(const CoredTrust *trust, const CoredBytes *bytes, const char *name,
                            const int *cancel, uint64_t *offset, CoredError *error);

#endif /* CORED_MODEL_SIGNATURE_H */
