/* SPDX-License-Identifier: MIT
 * Command line of cored-scan. */
#include "tools/scan/options.h"

#include "tools/common/track-verdict.h"

#include <gst/gst.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/common/detector.h"

static const char summary[] = "Judge whole video files: when, and where, does a face look fake?";
/* The numbers are those of track-verdict.h. */
static const char description[] =
    "Every face is followed through the file as a track. The score of a track is the mean of its\n"
    "frames' logits, as a probability. The file is fake if the score of its worst track reaches\n"
    "the model's threshold, and otherwise real. A track counts if it was judged in at least %d\n"
    "frames over at least %d s, or in every judged frame; if none counts, the verdict is unknown.\n"
    "\n"
    "The JSON file has one object a line: \"type\": \"frame\" for every judged frame (uri, time "
    "in\n"
    "seconds, face: the track of the worst face, p-fake: its probability, faces: all of them) and\n"
    "\"type\": \"verdict\" to close each file (uri, verdict, p-fake unless unknown, tracks).\n"
    "\n"
    "A file that was not read to its end, or is cut off, is fake if that was seen by then, and\n"
    "otherwise unknown. Ctrl-C ends the current file in that way, and then the run.\n"
    "\n"
    "Existing output files are left alone unless you say --append or --overwrite.\n"
    "\n"
    "Exit status: 0 every input was read to its end and judged or found to have no face,\n"
    "1 some input failed (it is named), 2 wrong usage, 130 interrupted.\n";

static gboolean same_file(const char *a, const char *b) {
  struct stat one, other;
  return a && b && stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino && S_ISREG(one.st_mode);
}

/* The same file, or a file of the same name that is not there yet. */
static gboolean same_output(const char *a, const char *b) {
  if (!a || !b || strcmp(a, "-") == 0)
    return FALSE;
  char *one = g_canonicalize_filename(a, NULL), *other = g_canonicalize_filename(b, NULL);
  const gboolean same = strcmp(one, other) == 0 || same_file(a, b);
  g_free(other);
  g_free(one);
  return same;
}

/* ---- Outputs -------------------------------------------------------------------------------- */

/* "clip" of "file:///videos/clip.mp4"; free with g_free. */
static char *stem_of(const char *input) {
  char *base = g_path_get_basename(input);
  char *name = gst_uri_is_valid(input) ? g_uri_unescape_string(base, "/") : NULL;
  if (!name)
    name = g_strdup(base);
  char *dot = strrchr(name, '.');
  if (dot && dot != name)
    *dot = '\0';
  g_free(base);
  return name;
}

/* To n bytes at most, without a part of a character at the end. */
static void shorten(char *name, gsize n) {
  if (strlen(name) <= n)
    return;
  while (n > 0 && (name[n] & 0xc0) == 0x80)
    n--;
  name[n] = '\0';
}

/* A name in the folder that no other input has: two inputs of one name in different folders get
 * clip-flagged.mp4 and clip-flagged-2.mp4. With --append a file of an earlier run keeps its name.
 */
static char *name_in_folder(const ScanOptions *options, const char *input, GHashTable *taken) {
  char *stem = stem_of(input), *path = NULL;
  shorten(stem, NAME_MAX - strlen("-flagged-1000000.mp4"));
  for (guint n = 1;; n++) {
    char *file = n == 1 ? g_strconcat(stem, "-flagged.mp4", NULL)
                        : g_strdup_printf("%s-flagged-%u.mp4", stem, n);
    path = g_build_filename(options->annotate, file, NULL);
    g_free(file);
    if (!g_hash_table_contains(taken, path) &&
        !(options->append && g_file_test(path, G_FILE_TEST_EXISTS)))
      break;
    g_free(path);
  }
  g_free(stem);
  return path;
}

/* Names for the annotated videos. NULL when they are found, else what is wrong. */
static char *name_annotated(ScanOptions *options) {
  const guint n = g_strv_length(options->inputs);
  const gboolean folder = options->annotate && g_file_test(options->annotate, G_FILE_TEST_IS_DIR);
  if (!options->annotate)
    return NULL;
  if (!folder && n > 1)
    return g_strdup_printf("--annotate: %s is no folder, and %u inputs need a file each: name an "
                           "existing folder",
                           options->annotate, n);
  GHashTable *taken = g_hash_table_new(g_str_hash, g_str_equal);
  options->annotated = g_new0(char *, n + 1);
  for (guint i = 0; i < n; i++) {
    options->annotated[i] =
        folder ? name_in_folder(options, options->inputs[i], taken) : g_strdup(options->annotate);
    g_hash_table_add(taken, options->annotated[i]);
  }
  g_hash_table_unref(taken);
  return NULL;
}

static gboolean holds_something(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0;
}

/* The model, or an input, named by its path or its URI. */
static gboolean is_read(const ScanOptions *options, const char *output) {
  gboolean found = same_file(output, options->model);
  for (char **input = options->inputs; *input && !found; input++) {
    char *path = g_filename_from_uri(*input, NULL, NULL);
    found = same_file(output, *input) || same_file(output, path);
    g_free(path);
  }
  return found;
}

/* No output may fall on an input, the model or another output, and none that is there already is
 * touched unasked. NULL when all is well. */
static char *find_clash(const ScanOptions *options) {
  if (is_read(options, options->json))
    return g_strdup_printf("--json would overwrite %s", options->json);
  for (char **path = options->annotated; path && *path; path++) {
    if (is_read(options, *path))
      return g_strdup_printf("--annotate would overwrite %s", *path);
    if (same_output(options->json, *path))
      return g_strdup_printf("--json and --annotate would both write %s", *path);
  }
  if (options->overwrite)
    return NULL;
  if (options->json && !options->append && holds_something(options->json))
    return g_strdup_printf("%s is there already: --append adds to it, --overwrite replaces it",
                           options->json);
  for (char **path = options->annotated; path && *path; path++)
    if (holds_something(*path))
      return g_strdup_printf("%s is there already: --overwrite replaces it", *path);
  return NULL;
}

static gboolean check(ScanOptions *options, GError **error) {
  const char *wrong = NULL;
  if (options->version)
    return TRUE;
  if (!options->inputs || !options->inputs[0])
    wrong = "no FILE or URI given";
  else if (options->every < 1)
    wrong = "--every must be at least 1";
  else if (options->model && !*options->model)
    wrong = "--model is empty";
  else if (options->overwrite && options->append)
    wrong = "--overwrite and --append exclude each other";
  char *clash = wrong ? NULL : name_annotated(options);
  if (!wrong && !clash)
    clash = find_clash(options);
  if (wrong || clash)
    g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, wrong ? wrong : clash);
  gboolean fine = !wrong && !clash;
  g_free(clash);
  return fine;
}

static gboolean find_model(ScanOptions *options, GError **error) {
  char *model = NULL;
  if (options->version || (options->model && !*options->model))
    return TRUE;
  const gboolean fine = cored_detector_find_model(options->model, &model, error);
  g_free(options->model);
  options->model = model;
  return fine;
}

gboolean scan_options_parse(ScanOptions *options, int argc, char **argv, GError **error) {
  *options = (ScanOptions){.every = 1};
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options->model,
       "Model: a file (safetensors) or the folder of a run; else what CORED_MODEL names", "PATH"},
      {"json", 'j', 0, G_OPTION_ARG_FILENAME, &options->json,
       "Write JSON lines to FILE, - for standard output", "FILE"},
      {"annotate", 'a', 0, G_OPTION_ARG_FILENAME, &options->annotate,
       "Write the video, without sound, with boxes and probabilities; OUT may be a folder",
       "OUT.mp4"},
      {"append", 0, 0, G_OPTION_ARG_NONE, &options->append,
       "Add to the JSON file that is there, and give new names to annotated videos", NULL},
      {"overwrite", 0, 0, G_OPTION_ARG_NONE, &options->overwrite,
       "Replace the JSON file and annotated videos that are there", NULL},
      {"every", 'e', 0, G_OPTION_ARG_INT, &options->every, "Judge every Nth frame (1)", "N"},
      {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &options->settings,
       "Set a property of coreddetect, as in --set roi-padding=0.2", "PROPERTY=VALUE"},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "No progress and no time line", NULL},
      {"ascii", 0, 0, G_OPTION_ARG_NONE, &options->ascii, "Draw without UTF-8", NULL},
      {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version and exit", NULL},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->inputs, NULL, "FILE|URI…"},
      {NULL, 0, 0, 0, NULL, NULL, NULL}};
  GOptionContext *context = g_option_context_new(NULL);
  g_option_context_set_summary(context, summary);
  char *text = g_strdup_printf(description, CORED_TRACK_MIN_JUDGED, CORED_TRACK_MIN_SECONDS);
  g_option_context_set_description(context, text);
  g_free(text);
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_add_group(context, gst_init_get_option_group());
  gboolean fine = g_option_context_parse(context, &argc, &argv, error) &&
                  find_model(options, error) && check(options, error);
  g_option_context_free(context);
  return fine;
}

void scan_options_clear(ScanOptions *options) {
  g_free(options->model);
  g_free(options->json);
  g_free(options->annotate);
  g_strfreev(options->annotated);
  g_strfreev(options->settings);
  g_strfreev(options->inputs);
  *options = (ScanOptions){0};
}
