/* SPDX-License-Identifier: MIT
 * Command line of cored-scan. */
#include "scan/options.h"

#include "scan/tracks.h"

#include <gst/gst.h>
#include <string.h>
#include <sys/stat.h>

#define TEXT(x) TEXT_(x)
#define TEXT_(x) #x

static const char summary[] = "Judge whole video files: when, and where, does a face look fake?";
static const char description[] =
    "Every face is followed through the file; a track's score is the mean of its frames' logits,\n"
    "as a probability, and the file's verdict that of its worst track: fake when the score "
    "reaches\n"
    "the model's threshold, else real. A track counts that was judged in " TEXT(
        SCAN_MIN_JUDGED) " frames or more\n"
                         "over at least " TEXT(
                             SCAN_MIN_SECONDS) " s, or in every judged frame; with none the "
                                               "verdict is unknown.\n"
                                               "\n"
                                               "The JSON file has one object a line: \"type\": "
                                               "\"frame\" for every "
                                               "judged frame (uri, time in\n"
                                               "seconds, face: the worst one's track, p-fake: its "
                                               "probability, faces: "
                                               "all of them) and\n"
                                               "\"type\": \"verdict\" to close each file (uri, "
                                               "verdict, p-fake unless "
                                               "unknown, evidence).\n"
                                               "\n"
                                               "A file that was not read to its end, or is cut "
                                               "off, is fake if that was seen by then, else\n"
                                               "unknown. Ctrl-C ends the file at hand in that way, "
                                               "and the run.\n"
                                               "\n"
                                               "Exit status: 0 every input was read to its end and "
                                               "judged or found to "
                                               "have no face,\n"
                                               "1 some input failed (it is named), 2 wrong "
                                               "usage.\n";

static gboolean same_file(const char *a, const char *b) {
  struct stat one, other;
  return a && b && stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino && S_ISREG(one.st_mode);
}

/* No output may fall on an input, the model or another output. NULL when all are apart. */
static char *find_clash(const ScanOptions *options) {
  GHashTable *taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  char *clash = NULL;
  for (char **input = options->inputs; *input && !clash; input++) {
    char *annotated = scan_options_annotated(options, *input);
    if (same_file(options->json, *input) || same_file(options->json, options->model))
      clash = g_strdup_printf("--json would overwrite %s", options->json);
    else if (same_file(annotated, *input))
      clash = g_strdup_printf("--annotate would overwrite %s", *input);
    else if (annotated && g_hash_table_contains(taken, annotated))
      clash = g_strdup_printf("two inputs would both be annotated in %s; name an existing folder, "
                              "and inputs with names of their own",
                              annotated);
    else if (annotated)
      g_hash_table_add(taken, g_strdup(annotated));
    g_free(annotated);
  }
  g_hash_table_unref(taken);
  return clash;
}

static gboolean check(const ScanOptions *options, GError **error) {
  const char *wrong = NULL;
  if (options->version)
    return TRUE;
  if (!options->inputs || !options->inputs[0])
    wrong = "no FILE or URI given";
  else if (options->every < 1)
    wrong = "--every must be at least 1";
  else if (options->model && !*options->model)
    wrong = "--model is empty";
  char *clash = wrong ? NULL : find_clash(options);
  if (wrong || clash)
    g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, wrong ? wrong : clash);
  gboolean fine = !wrong && !clash;
  g_free(clash);
  return fine;
}

gboolean scan_options_parse(ScanOptions *options, int argc, char **argv, GError **error) {
  *options = (ScanOptions){.every = 1};
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options->model, "Model file (safetensors)", "FILE"},
      {"json", 'j', 0, G_OPTION_ARG_FILENAME, &options->json,
       "Write JSON lines to FILE, - for standard output", "FILE"},
      {"annotate", 'a', 0, G_OPTION_ARG_FILENAME, &options->annotate,
       "Write the video, without sound, with boxes and probabilities; OUT may be a folder",
       "OUT.mp4"},
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
  g_option_context_set_description(context, description);
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_add_group(context, gst_init_get_option_group());
  gboolean fine = g_option_context_parse(context, &argc, &argv, error) && check(options, error);
  g_option_context_free(context);
  return fine;
}

void scan_options_clear(ScanOptions *options) {
  g_free(options->model);
  g_free(options->json);
  g_free(options->annotate);
  g_strfreev(options->settings);
  g_strfreev(options->inputs);
  *options = (ScanOptions){0};
}

char *scan_options_annotated(const ScanOptions *options, const char *uri) {
  if (!options->annotate || !g_file_test(options->annotate, G_FILE_TEST_IS_DIR))
    return g_strdup(options->annotate);
  char *base = g_path_get_basename(uri);
  char *name = g_uri_unescape_string(base, "/");
  char *stem = name ? name : base;
  char *dot = strrchr(stem, '.');
  if (dot && dot != stem)
    *dot = '\0';
  char *file = g_strconcat(stem, "-flagged.mp4", NULL);
  char *path = g_build_filename(options->annotate, file, NULL);
  g_free(file);
  g_free(name);
  g_free(base);
  return path;
}
