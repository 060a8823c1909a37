/* SPDX-License-Identifier: MIT */
#include "element-rig.h"

#include <glib/gstdio.h>

#include "fuzz.h"
#include "detect/gstcoreddetect.h"
#include "gstcoredmeta.h"
#ifdef HAVE_PANGOCAIRO
#include "overlay/gstcoredoverlay.h"
#endif

/* GLib keeps its outgrown tables, and nothing in the stack of such a block says so: leaks of the
 * elements are looked for by tests/element (leaks, memory). */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "detect_leaks=0";
}

static char *folder;

static void remove_folder(void) {
  GDir *const dir = g_dir_open(folder, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    char *const path = g_build_filename(folder, name, NULL);
    g_remove(path);
    g_free(path);
  }
  if (dir)
    g_dir_close(dir);
  g_rmdir(folder);
}

void element_rig_init(void) {
  static gboolean done;
  if (done)
    return;
  done = TRUE;
  g_setenv("GST_REGISTRY_FORK", "no", TRUE);
  g_setenv("GST_REGISTRY_UPDATE", "no", TRUE);
  g_setenv("GST_PLUGIN_SYSTEM_PATH_1_0", "", TRUE);
  gst_init(NULL, NULL);
  fuzz_expect(cored_meta_register());
  fuzz_expect(gst_element_register(NULL, "coreddetect", GST_RANK_NONE, CORED_TYPE_DETECT));
#ifdef HAVE_PANGOCAIRO
  fuzz_expect(gst_element_register(NULL, "coredoverlay", GST_RANK_NONE, CORED_TYPE_OVERLAY));
#endif
  g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  folder = g_dir_make_tmp("cored-fuzz-XXXXXX", NULL);
  fuzz_expect(folder != NULL);
  atexit(remove_folder);
}

char *element_rig_path(const char *name) {
  return g_build_filename(folder, name, NULL);
}

void element_rig_save(const char *path, guint64 generation) {
  CoredModelInfo info;
  fuzz_expect(cored_model_info_init(&info, "cored-compact", 2, NULL));
  info.generation = generation;
  info.input_width = info.input_height = 16;
  info.temperature = 10;
  CoredModel *const model = cored_model_new_random(&info, generation, NULL);
  fuzz_expect(model && cored_model_save(model, path, NULL));
  cored_model_unref(model);
}
