/* SPDX-License-Identifier: MIT
 * Which model file a command line means: one way of finding it for all tools. */
#include "tools/common/model-path.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *cored_model_path_default(void) {
  const char *path = getenv("CORED_MODEL");
  return path && *path ? path : NULL;
}

/* The name ends like that of a weight file. */
static bool is_weights(const char *name) {
  static const char *const suffixes[] = {".safetensors", ".pth", ".pth.tar", ".pt", ".ckpt", ".h5"};
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
    const size_t n = strlen(name), k = strlen(suffixes[i]);
    if (n > k && strcmp(name + n - k, suffixes[i]) == 0)
      return true;
  }
  return false;
}

static char *join(const char *folder, const char *name) {
  char *path;
  return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static bool is_file(const char *path) {
  struct stat st;
  return path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The only weight file in a folder; *count says how many there are. */
static char *find_only(const char *folder, int *count) {
  char *found = NULL;
  DIR *dir = opendir(folder);
  *count = 0;
  for (const struct dirent *entry; dir && (entry = readdir(dir));)
    if (is_weights(entry->d_name) && (*count)++ == 0)
      found = join(folder, entry->d_name);
  if (dir)
    closedir(dir);
  return found;
}

static char *find_in(const char *folder, char *why, size_t size) {
  static const char *const usual[] = {"best.safetensors", "model.safetensors"};
  for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
    char *file = join(folder, usual[i]);
    if (is_file(file))
      return file;
    free(file);
  }
  int count;
  char *only = find_only(folder, &count);
  if (count == 1 && only)
    return only;
  free(only);
  snprintf(why, size,
           "'%.400s': expected best.safetensors, model.safetensors or one model file in this "
           "folder, found %d",
           folder, count);
  return NULL;
}

static int hex(char c) {
  const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
  return at ? (int)(at - digits) : -1;
}

char *cored_model_path_plain(const char *path) {
  static const char scheme[] = "file://";
  if (strncmp(path, scheme, sizeof scheme - 1) != 0 || path[sizeof scheme - 1] != '/')
    return strdup(path);
  char *plain = strdup(path + sizeof scheme - 1), *to = plain;
  for (const char *at = plain; plain && *at; to++) {
    const bool escaped = *at == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0;
    *to = escaped ? (char)(hex(at[1]) * 16 + hex(at[2])) : *at;
    at += escaped ? 3 : 1;
  }
  if (plain)
    *to = '\0';
  return plain;
}

char *cored_model_path_resolve(const char *path, char *why, size_t size) {
  struct stat st;
  char *plain = cored_model_path_plain(path);
  if (!plain) {
    snprintf(why, size, "no memory for a path");
    return NULL;
  }
  if (stat(plain, &st) != 0 || !S_ISDIR(st.st_mode))
    return plain;
  char *file = find_in(plain, why, size);
  free(plain);
  return file;
}
