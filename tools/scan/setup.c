/* SPDX-License-Identifier: MIT
 * What is made before a pipeline runs: the URI of an input, the element with its properties. */
#include "scan/run.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *scan_input_uri(const char *argument, char **problem) {
  struct stat info;
  *problem = NULL;
  if (stat(argument, &info) != 0) {
    if (gst_uri_is_valid(argument))
      return g_strdup(argument);
    *problem = g_strdup_printf("cannot be read: %s", g_strerror(errno));
  } else if (S_ISDIR(info.st_mode)) {
    *problem = g_strdup("is a folder; name the files in it");
  } else if (!S_ISREG(info.st_mode)) {
    *problem = g_strdup("is no regular file");
  } else if (info.st_size == 0) {
    *problem = g_strdup("is empty");
  } else if (access(argument, R_OK) != 0) {
    *problem = g_strdup_printf("cannot be read: %s", g_strerror(errno));
  } else {
    return gst_filename_to_uri(argument, NULL);
  }
  return NULL;
}

/* A tool that runs in its build folder uses the plugin built beside it. */
static void find_plugin_beside(void) {
  char *self = g_file_read_link("/proc/self/exe", NULL);
  char *folder = self ? g_path_get_dirname(self) : g_strdup(".");
  char *plugins = g_build_filename(folder, "..", "plugin", NULL);
  if (g_file_test(plugins, G_FILE_TEST_IS_DIR))
    gst_registry_scan_path(gst_registry_get(), plugins);
  g_free(plugins);
  g_free(folder);
  g_free(self);
}

static gboolean set_property(GstElement *element, const char *name, const char *text,
                             GError **error) {
  GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), name);
  GValue value = G_VALUE_INIT;
  if (!spec || !(spec->flags & G_PARAM_WRITABLE)) {
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "--set: coreddetect has no property %s to set", name);
    return FALSE;
  }
  g_value_init(&value, spec->value_type);
  gboolean fine = gst_value_deserialize(&value, text);
  if (fine && g_param_value_validate(spec, &value)) {
    fine = FALSE; /* it had to be changed to fit */
  }
  if (fine)
    g_object_set_property(G_OBJECT(element), name, &value);
  else
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "--set: %s is no value of %s or out of its range", text, name);
  g_value_unset(&value);
  return fine;
}

static gboolean apply_settings(GstElement *element, char **settings, GError **error) {
  for (; settings && *settings; settings++) {
    char **pair = g_strsplit(*settings, "=", 2);
    gboolean fine = FALSE;
    if (pair[0] && pair[1])
      fine = set_property(element, pair[0], pair[1], error);
    else
      g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                  "--set: %s is not PROPERTY=VALUE", *settings);
    g_strfreev(pair);
    if (!fine)
      return FALSE;
  }
  return TRUE;
}

GstElement *scan_detector_new(const ScanOptions *options, GError **error) {
  find_plugin_beside();
  GstElement *element = gst_element_factory_make("coreddetect", "detect");
  if (!element) {
    g_set_error(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
                "the element coreddetect is not installed; set GST_PLUGIN_PATH to the folder of "
                "libgstcored.so (a build that is not installed: meson devenv -C build)");
    return NULL;
  }
  g_object_set(element, "inference-interval", (guint)options->every, "post-messages", FALSE, NULL);
  /* One run, one model; and every due frame is judged before it goes on, whatever the source. */
  gst_util_set_object_arg(G_OBJECT(element), "mode", "sync");
  g_object_set(element, "model-watch", FALSE, NULL);
  if (options->model)
    g_object_set(element, "model", options->model, NULL);
  char *model = NULL;
  gboolean fine = apply_settings(element, options->settings, error);
  g_object_get(element, "model", &model, NULL);
  if (fine && !model) {
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "no model: name one with --model or in CORED_MODEL (cored-convert import makes "
                "one of published weights)");
    fine = FALSE;
  }
  g_free(model);
  if (!fine) {
    gst_object_ref_sink(element);
    g_clear_pointer(&element, gst_object_unref);
  }
  return element;
}
