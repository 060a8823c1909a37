/* SPDX-License-Identifier: MIT
 * Key files (making a pair, reading a secret key, reading the list of trusted ones), and signatures
 * made and checked with keys. */
#include "model/signature.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/error.h"
#include "base/text.h"

#define PUBLIC_HEAD "cored-public-key-1 "
#define SECRET_HEAD "cored-secret-key-1 "
#define REVOKED_HEAD "revoked "
#define KEY_FILE_MAX 65536
#define HASHED_AT_ONCE ((size_t)1 << 20) /* bytes between two looks at cancel */

/* ---- Keys ------------------------------------------------------------------------------------ */

static void key_id(const uint8_t public_key[32], char id[CORED_KEY_ID_HEX + 1]) {
  uint8_t hash[crypto_hash_sha256_BYTES];
  crypto_hash_sha256(hash, public_key, 32);
  cored_hex_format(hash, CORED_KEY_ID_HEX / 2, id);
}

/* ---- Secret keys ---------------------------------------------------------------------------- */

void cored_secret_key_init(CoredSecretKey *key, const uint8_t seed[32]) {
  crypto_sign_ed25519_seed_keypair(key->public_key, key->secret, seed);
  key_id(key->public_key, key->id);
}

void cored_secret_key_clear(CoredSecretKey *key) {
  sodium_memzero(key, sizeof *key);
}

static bool check_private(const char *path, CoredError *error) {
  struct stat st;
  if (stat(path, &st) != 0)
    return cored_error_set(error, CORED_ERROR_NOT_FOUND, "%s: no such key file", path);
  if (st.st_mode & 077)
    return cored_error_set(error, CORED_ERROR_KEY_FILE,
                           "%s: a secret key: expected mode 0600, found %04o: others may read it",
                           path, (unsigned)st.st_mode & 07777);
  return true;
}

/* The line without its newline: head and 64 digits, nothing else. */
static bool parse_secret(const CoredBytes *bytes, uint8_t seed[32]) {
  const size_t head = sizeof SECRET_HEAD - 1;
  char hex[65];
  size_t size = bytes->size;
  while (size > 0 && (bytes->data[size - 1] == '\n' || bytes->data[size - 1] == '\r'))
    size--;
  if (size != head + 64 || memcmp(bytes->data, SECRET_HEAD, head) != 0)
    return false;
  memcpy(hex, bytes->data + head, 64);
  hex[64] = '\0';
  const bool ok = cored_hex_parse(hex, 32, seed);
  sodium_memzero(hex, sizeof hex);
  return ok;
}

bool cored_secret_key_load(CoredSecretKey *key, const char *path, CoredError *error) {
  CoredBytes bytes;
  if (!check_private(path, error) || !cored_file_read(path, 1, KEY_FILE_MAX, NULL, &bytes, error))
    return false;
  uint8_t seed[32];
  const bool ok = parse_secret(&bytes, seed);
  sodium_memzero(bytes.data, bytes.size);
  cored_bytes_clear(&bytes);
  if (!ok)
    return cored_error_set(error, CORED_ERROR_KEY_FILE,
                           "%s: expected a line '%sSEED' with 64 hex digits, found another text",
                           path, SECRET_HEAD);
  cored_secret_key_init(key, seed);
  sodium_memzero(seed, sizeof seed);
  return true;
}

/* A new file of mode 0600 that nobody had before. */
static bool write_secret(const char *path, const char *line, CoredError *error) {
  char reason[128];
  const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return cored_error_set(error, CORED_ERROR_WRITE, "%s: cannot be created: %s", path,
                           strerror_r(errno, reason, sizeof reason));
  const size_t n = strlen(line);
  bool ok = write(fd, line, n) == (ssize_t)n && fsync(fd) == 0;
  ok = close(fd) == 0 && ok;
  if (ok)
    return true;
  cored_error_set(error, CORED_ERROR_WRITE, "%s: writing failed: %s", path,
                  strerror_r(errno, reason, sizeof reason));
  unlink(path);
  return false;
}

bool cored_keys_new(const char *secret_path, const char *public_path, const char *comment,
                    CoredError *error) {
  if (comment && (strlen(comment) > 200 || strpbrk(comment, "\r\n")))
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "key comment: expected one line of at most 200 bytes");
  if (sodium_init() < 0)
    return cored_error_set(error, CORED_ERROR_UNSUPPORTED, "%s: libsodium does not start",
                           secret_path);
  CoredSecretKey key;
  uint8_t seed[32];
  char hex[65], id[CORED_KEY_ID_HEX + 1], secret_line[128], public_line[384];
  randombytes_buf(seed, sizeof seed);
  cored_secret_key_init(&key, seed);
  cored_hex_format(seed, 32, hex);
  snprintf(secret_line, sizeof secret_line, "%s%s\n", SECRET_HEAD, hex);
  cored_hex_format(key.public_key, 32, hex);
  key_id(key.public_key, id);
  snprintf(public_line, sizeof public_line, "# key %s\n%s%s%s%s\n", id, PUBLIC_HEAD, hex,
           comment ? " " : "", comment ? comment : "");
  const CoredChunk chunk = {public_line, strlen(public_line)};
  bool ok = write_secret(secret_path, secret_line, error);
  if (ok && !cored_file_write(public_path, &chunk, 1, 0644, error)) {
    unlink(secret_path);
    ok = false;
  }
  sodium_memzero(seed, sizeof seed);
  sodium_memzero(secret_line, sizeof secret_line);
  cored_secret_key_clear(&key);
  return ok;
}

/* ---- Trusted keys --------------------------------------------------------------------------- */

bool cored_trust_has(const CoredTrust *trust, const char *id) {
  for (size_t i = 0; i < trust->n_keys; i++)
    if (strcmp(trust->keys[i].id, id) == 0)
      return true;
  return false;
}

bool cored_trust_revoked(const CoredTrust *trust, const char *id) {
  for (size_t i = 0; i < trust->n_revoked; i++)
    if (strcmp(trust->revoked[i], id) == 0)
      return true;
  return false;
}

static bool starts_with(const char *line, const char *head) {
  return strncmp(line, head, strlen(head)) == 0;
}

static bool parse_public(CoredTrust *trust, const char *line) {
  const char *const digits = line + strlen(PUBLIC_HEAD);
  char hex[65];
  snprintf(hex, sizeof hex, "%.64s", digits);
  if (trust->n_keys == CORED_KEYS_MAX ||
      !cored_hex_parse(hex, 32, trust->keys[trust->n_keys].public_key) ||
      (digits[64] && digits[64] != ' '))
    return false;
  CoredPublicKey *const key = &trust->keys[trust->n_keys++];
  key_id(key->public_key, key->id);
  return true;
}

static bool parse_revoked(CoredTrust *trust, const char *line) {
  uint8_t bytes[CORED_KEY_ID_HEX / 2];
  const char *const id = line + strlen(REVOKED_HEAD);
  if (trust->n_revoked == CORED_KEYS_MAX || !cored_hex_parse(id, sizeof bytes, bytes))
    return false;
  memcpy(trust->revoked[trust->n_revoked++], id, CORED_KEY_ID_HEX + 1);
  return true;
}

static bool parse_line(CoredTrust *trust, char *line) {
  for (size_t n = strlen(line); n > 0 && strchr(" \t\r", line[n - 1]); n--)
    line[n - 1] = '\0';
  if (!*line || *line == '#')
    return true;
  if (starts_with(line, PUBLIC_HEAD))
    return parse_public(trust, line);
  return starts_with(line, REVOKED_HEAD) && parse_revoked(trust, line);
}

static bool parse_lines(CoredTrust *trust, char *text, const char *path, CoredError *error) {
  int number = 1;
  for (char *line = text; line; number++) {
    char *const end = strchr(line, '\n');
    if (end)
      *end = '\0';
    if (!parse_line(trust, line))
      return cored_error_set(error, CORED_ERROR_KEY_FILE,
                             "%s: line %d: expected '%sKEY' with 64 hex digits or 'revoked KEY-ID' "
                             "with 16, at most %d of each, found '%.80s'",
                             path, number, PUBLIC_HEAD, CORED_KEYS_MAX, line);
    line = end ? end + 1 : NULL;
  }
  return true;
}

/* A revoked key is no key, wherever in the list the line is. */
static void drop_revoked(CoredTrust *trust) {
  size_t kept = 0;
  for (size_t i = 0; i < trust->n_keys; i++)
    if (!cored_trust_revoked(trust, trust->keys[i].id))
      trust->keys[kept++] = trust->keys[i];
  trust->n_keys = kept;
}

static bool parse_trust(CoredTrust *trust, const CoredBytes *bytes, const char *path,
                        CoredError *error) {
  char *const text = cored_bytes_text(bytes, CORED_ERROR_KEY_FILE, path, error);
  const bool ok = text && parse_lines(trust, text, path, error);
  free(text);
  if (!ok)
    return false;
  drop_revoked(trust);
  return trust->n_keys > 0 ||
         cored_error_set(error, CORED_ERROR_KEY_FILE,
                         "%s: expected a key that is not revoked, found none", path);
}

CoredTrust *cored_trust_load(const char *path, CoredError *error) {
  CoredBytes bytes;
  if (!cored_file_read(path, 1, KEY_FILE_MAX, NULL, &bytes, error))
    return NULL;
  CoredTrust *const trust = calloc(1, sizeof *trust);
  bool ok = trust != NULL;
  if (!ok)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for its keys", path);
  ok = ok && parse_trust(trust, &bytes, path, error);
  cored_bytes_clear(&bytes);
  if (!ok) {
    free(trust);
    return NULL;
  }
  trust->refs = 1;
  return trust;
}

CoredTrust *cored_trust_ref(CoredTrust *trust) {
  __atomic_add_fetch(&trust->refs, 1, __ATOMIC_RELAXED);
  return trust;
}

void cored_trust_unref(CoredTrust *trust) {
  if (trust && __atomic_sub_fetch(&trust->refs, 1, __ATOMIC_ACQ_REL) == 0)
    free(trust);
}

/* ---- Signatures ------------------------------------------------------------------------------ */

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
    const size_t n = (size_t)(end - p) < HASHED_AT_ONCE ? (size_t)(end - p) : HASHED_AT_ONCE;
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
