/* SPDX-License-Identifier: MIT */
#include "model/path.h"

#include <string.h>

/* A URI of another kind is no path, but the loader's error must name it as it was given. */
static gboolean is_relative(const char *path) {
  return *path && !g_path_is_absolute(path) && !strstr(path, "://");
}

char *cored_absolute_path(const char *path) {
  char *local =
      path && g_str_has_prefix(path, "file:///") ? g_filename_from_uri(path, NULL, NULL) : NULL;
  if (local)
    return local;
  if (!path || !is_relative(path))
    return g_strdup(path);
  while (path[0] == '.' && path[1] == '/')
    path += 1 + strspn(path + 1, "/");
  char *folder = g_get_current_dir();
  char *absolute = g_build_filename(folder, path, NULL);
  g_free(folder);
  return absolute;
}

void cored_path_set(CoredPath *path, const char *given) {
  cored_path_clear(path);
  path->given = g_strdup(given);
  path->absolute = cored_absolute_path(given);
}

void cored_path_clear(CoredPath *path) {
  g_clear_pointer(&path->given, g_free);
  g_clear_pointer(&path->absolute, g_free);
}
