/* SPDX-License-Identifier: MIT
 * Setting up coreddetect from a command line. */
#include "tools/common/detector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/common/model-path.h"

/* What a file of this kind cannot be used for, NULL if it can. */
static const char *wrong_kind(const struct stat *info, gboolean or_pipe) {
  if (S_ISDIR(info->st_mode))
    return "is a folder; name the files in it";
  if (S_ISREG(info->st_mode))
    return info->st_size == 0 ? "is empty" : NULL;
  if (S_ISSOCK(info->st_mode))
    return "is a socket";
  return or_pipe ? NULL : "is no regular file";
}

static char *file_uri(const char *path, char **problem) {
  GError *error = NULL;
  char *uri = gst_filename_to_uri(path, &error);
  if (!uri)
    *problem = g_strdup_printf("cannot be read: %s", error->message);
  g_clear_error(&error);
  return uri;
}

char *cored_detector_input_uri(const char *argument, gboolean or_pipe, char **problem) {
  struct stat info;
  *problem = NULL;
  if (stat(argument, &info) != 0) {
    if (gst_uri_is_valid(argument))
      return g_strdup(argument);
    *problem = g_strdup_printf("cannot be read: %s", g_strerror(errno));
  } else if (wrong_kind(&info, or_pipe)) {
    *problem = g_strdup(wrong_kind(&info, or_pipe));
  } else if (access(argument, R_OK) != 0) {
    *problem = g_strdup_printf("cannot be read: %s", g_strerror(errno));
  } else {
    return file_uri(argument, problem);
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

gboolean cored_detector_find_model(const char *named, char **model, GError **error) {
  char why[640];
  *model = NULL;
  if (!named)
    named = cored_model_path_default();
  if (!named)
    return TRUE;
  char *file = cored_model_path_resolve(named, why, sizeof why);
  *model = g_strdup(file);
  free(file);
  if (!*model)
    g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, why);
  return *model != NULL;
}

static void refuse_missing(const char *element, GError **error) {
  const gboolean optional = g_str_equal(element, "coredoverlay");
  g_set_error(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
              "the element %s is not installed; set GST_PLUGIN_PATH to the folder of "
              "libgstcored.so (a build that is not installed: meson devenv -C build)%s",
              element, optional ? "; a build without pangocairo has none" : "");
}

gboolean cored_detector_find_element(const char *name, GError **error) {
  find_plugin_beside();
  GstElementFactory *factory = gst_element_factory_find(name);
  if (factory) {
    gst_object_unref(factory);
    return TRUE;
  }
  refuse_missing(name, error);
  return FALSE;
}

GstElement *cored_detector_new(GError **error) {
  find_plugin_beside();
  GstElement *element = gst_element_factory_make("coreddetect", "detect");
  if (!element)
    refuse_missing("coreddetect", error);
  return element;
}

/* ---- Properties ------------------------------------------------------------------------------ */

static gboolean refuse(GError **error, GString *what) {
  g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, what->str);
  g_string_free(what, TRUE);
  return FALSE;
}

static gboolean refuse_name(GObjectClass *class, const char *name, GError **error) {
  guint n, listed = 0;
  GParamSpec **specs = g_object_class_list_properties(class, &n);
  GString *what = g_string_new(NULL);
  g_string_printf(what, "--set: there is no property '%s' to set; there are", name);
  for (guint i = 0; i < n; i++)
    if ((specs[i]->flags & G_PARAM_WRITABLE) && specs[i]->owner_type == G_TYPE_FROM_CLASS(class))
      g_string_append_printf(what, "%s %s", listed++ ? "," : "", specs[i]->name);
  g_free(specs);
  return refuse(error, what);
}

/* "sync|latest|delay" */
static void list_values(const GParamSpec *spec, GString *what) {
  if (G_IS_PARAM_SPEC_ENUM(spec)) {
    const GEnumClass *values = G_PARAM_SPEC_ENUM(spec)->enum_class;
    for (guint i = 0; i < values->n_values; i++)
      g_string_append_printf(what, "%s%s", i ? "|" : "", values->values[i].value_nick);
  } else if (G_IS_PARAM_SPEC_FLAGS(spec)) {
    const GFlagsClass *values = G_PARAM_SPEC_FLAGS(spec)->flags_class;
    for (guint i = 0; i < values->n_values; i++)
      g_string_append_printf(what, "%s%s", i ? "|" : "", values->values[i].value_nick);
    g_string_append(what, ", several joined by +");
  } else {
    g_string_append(what, "a value of its type and in its range");
  }
}

static gboolean refuse_value(const GParamSpec *spec, const char *text, GError **error) {
  GString *what = g_string_new(NULL);
  g_string_printf(what, "--set %s: expected ", spec->name);
  list_values(spec, what);
  g_string_append_printf(what, ", found '%s'", text);
  return refuse(error, what);
}

/* Names of values are written in small letters; other texts (paths) stay as they are. */
static gboolean read_value(GParamSpec *spec, const char *text, GValue *value) {
  const gboolean named = G_IS_PARAM_SPEC_ENUM(spec) || G_IS_PARAM_SPEC_FLAGS(spec);
  char *plain = named ? g_ascii_strdown(text, -1) : g_strdup(text);
  g_value_init(value, spec->value_type);
  gboolean fine = gst_value_deserialize(value, plain);
  if (fine && g_param_value_validate(spec, value))
    fine = FALSE; /* it had to be changed to fit */
  g_free(plain);
  return fine;
}

static gboolean set_property(GstElement *detector, const char *name, const char *text,
                             GError **error) {
  GObjectClass *class = G_OBJECT_GET_CLASS(detector);
  char *plain = g_ascii_strdown(name, -1);
  GParamSpec *spec = g_object_class_find_property(class, plain);
  GValue value = G_VALUE_INIT;
  g_free(plain);
  if (!spec || !(spec->flags & G_PARAM_WRITABLE))
    return refuse_name(class, name, error);
  const gboolean fine = read_value(spec, text, &value);
  if (fine)
    g_object_set_property(G_OBJECT(detector), spec->name, &value);
  g_value_unset(&value);
  return fine || refuse_value(spec, text, error);
}

gboolean cored_detector_set(GstElement *detector, char **settings, GError **error) {
  for (; settings && *settings; settings++) {
    char **pair = g_strsplit(*settings, "=", 2);
    gboolean fine = FALSE;
    if (pair[0] && pair[1])
      fine = set_property(detector, pair[0], pair[1], error);
    else
      g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                  "--set: %s is not PROPERTY=VALUE", *settings);
    g_strfreev(pair);
    if (!fine)
      return FALSE;
  }
  return TRUE;
}

/* ---- The model ------------------------------------------------------------------------------- */

gboolean cored_detector_has_model(GstElement *detector, GError **error) {
  char *model = NULL;
  g_object_get(detector, "model", &model, NULL);
  const gboolean has = model != NULL;
  g_free(model);
  if (!has)
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "no model: name one with --model or in CORED_MODEL (cored-convert import makes "
                "one of published weights)");
  return has;
}

gboolean cored_detector_try_model(const char *model, GError **error) {
  GstElement *detector = cored_detector_new(error);
  if (!detector)
    return FALSE;
  gst_object_ref_sink(detector);
  g_object_set(detector, "model", model, NULL);
  GstBus *bus = gst_bus_new();
  gst_element_set_bus(detector, bus);
  const gboolean fine =
      cored_detector_has_model(detector, error) &&
      gst_element_set_state(detector, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE;
  GstMessage *message = fine ? NULL : gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  if (message)
    gst_message_parse_error(message, error, NULL);
  else if (!fine && error && !*error)
    g_set_error(error, GST_CORE_ERROR, GST_CORE_ERROR_FAILED, "coreddetect does not start");
  g_clear_pointer(&message, gst_message_unref);
  gst_element_set_state(detector, GST_STATE_NULL);
  gst_element_set_bus(detector, NULL);
  gst_object_unref(bus);
  gst_object_unref(detector);
  return fine;
}
