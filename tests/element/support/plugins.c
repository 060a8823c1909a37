/* SPDX-License-Identifier: MIT */
#include "plugins.h"

#include <stdlib.h>
#include <unistd.h>

#include <glib/gstdio.h>

static char *folder; /* of links to the plugins, and the registry */

static void remove_folder(void) {
  GDir *dir = g_dir_open(folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    char *path = g_build_filename(folder, name, NULL);
    g_remove(path);
    g_free(path);
  }
  if (dir)
    g_dir_close(dir);
  g_rmdir(folder);
  g_clear_pointer(&folder, g_free);
}

static void link_plugin(const char *name) {
  char *file = g_strdup_printf("libgst%s.so", name);
  char *from = g_build_filename(TEST_PLUGINS_DIR, file, NULL);
  char *to = g_build_filename(folder, file, NULL);
  if (g_file_test(from, G_FILE_TEST_EXISTS) && symlink(from, to) != 0)
    g_error("cannot link %s", to);
  g_free(file);
  g_free(from);
  g_free(to);
}

void plugins_only(const char *const *names, guint n) {
  folder = g_dir_make_tmp("cored-plugins-XXXXXX", NULL);
  if (!folder)
    g_error("no temporary folder");
  atexit(remove_folder);
  for (guint i = 0; i < n; i++)
    link_plugin(names[i]);
  const char *ours = g_getenv("GST_PLUGIN_PATH_1_0");
  char *path = g_strdup_printf("%s:%s", folder, ours ? ours : "");
  char *registry = g_build_filename(folder, "registry", NULL);
  g_setenv("GST_PLUGIN_PATH_1_0", path, TRUE);
  g_setenv("GST_PLUGIN_SYSTEM_PATH_1_0", "", TRUE);
  g_setenv("GST_REGISTRY", registry, TRUE);
  g_free(path);
  g_free(registry);
}
