/* SPDX-License-Identifier: MIT
 * The list of trusted keys, for who checks signatures. */
#ifndef CORED_MODEL_TRUST_H
#define CORED_MODEL_TRUST_H

#include "cored.h"
#include "model/format.h"

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
void cored_key_id(const uint8_t public_key[32], char id[CORED_KEY_ID_HEX + 1]);

#endif /* CORED_MODEL_TRUST_H */
