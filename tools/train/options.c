/* SPDX-License-Identifier: MIT */
#include "options-apply.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/common/model-path.h"

typedef struct OptionRow {
  OptionId id; /* OPTION_NONE: a topic */
  OptionHandler *apply;
  const char *brief, *name, *value, *help;
} OptionRow;

static const OptionRow rows[] = {
#define TOPIC(title) {OPTION_NONE, NULL, "", "", "", title},
#define OPTION(id, handler, brief, name, value, help)                                              \
  {OPTION_##id, options_apply_##handler, brief, name, value, help},
#include "options-table.h"
#undef TOPIC
#undef OPTION
};

enum { N_ROWS = sizeof rows / sizeof rows[0] };

static void print_help(FILE *out) {
  fputs("Usage: cored-train -d FOLDER [-s SOURCES] [-t TARGET] [OPTION]...\n"
        "Teaches a face-forgery detector a new kind of forgery and keeps it good at the old ones.\n"
        "Options may be written -x VALUE, -x=VALUE, --name VALUE or --name=VALUE.\n",
        out);
  for (int i = 0; i < N_ROWS; i++) {
    const OptionRow *row = &rows[i];
    char left[64];
    if (row->id == OPTION_NONE) {
      fprintf(out, "\n%s\n", row->help);
      continue;
    }
    const bool both = row->brief[0] && row->name[0];
    snprintf(left, sizeof left, "%s%s%s%s%s%s%s", row->brief[0] ? "-" : "", row->brief,
             both ? ", " : "", row->name[0] ? "--" : "", row->name, row->value[0] ? " " : "",
             row->value);
    fprintf(out, "  %-30s %s\n", left, row->help);
  }
  fputs(
      "\nTask 1:  cored-train -s=DeepFake -d=./dataset/\n"
      "Task 3:  cored-train -s=Face2Face_DeepFake -t=FaceSwap -d=./dataset -w=./weights\n"
      "Test:    cored-train -d=./dataset/DeepFake/testset -w=./weights/bestmodel.pth --test\n"
      "\nExit status: 0 done, 1 it failed, 2 wrong usage, 3 not finite, 4 not published, 74 a file "
      "could not\nbe written, 130 interrupted.\n",
      out);
}

/* "A_B" is two sources unless the data folder holds a folder "A_B". */
static bool split_sources(OptionParser *parser) {
  Options *options = parser->options;
  DataOptions *data = &options->data;
  char *text = options->sources_text, *path = NULL;
  struct stat st;
  if (!text)
    return true;
  const bool whole = data->folder && asprintf(&path, "%s/%s", data->folder, text) >= 0 &&
                     stat(path, &st) == 0 && S_ISDIR(st.st_mode);
  free(path);
  const char *separator = whole || strchr(text, ',') ? "," : "_";
  for (char *save = NULL, *name = strtok_r(text, separator, &save); name;
       name = strtok_r(NULL, separator, &save)) {
    if (data->n_sources == MAX_SOURCES)
      return options_complain(parser, "--sources: more than %d names", MAX_SOURCES);
    data->sources[data->n_sources++] = name;
  }
  return true;
}

/* What only shows when all options are known. */
static bool finish(OptionParser *parser) {
  Options *options = parser->options;
  DataOptions *data = &options->data;
  RecipeOptions *recipe = &options->recipe;
  if (!data->folder)
    return options_complain(parser, "no data folder: say -d FOLDER");
  if (options->test && !options->network.weights)
    options->network.weights = cored_model_path_default();
  if (options->test)
    return options->network.weights
               ? true
               : options_complain(parser, "--test needs a model: say -w FILE, or set CORED_MODEL");
  if (options->output.overwrite && options->output.resume && !options->output.resume[0])
    return options_complain(parser, "--resume goes on with this folder's run, --overwrite deletes "
                                    "it: say one of them");
  if (!split_sources(parser))
    return false;
  if (!data->target) {
    if (data->n_sources != 1)
      return options_complain(parser, "no target: say -t NAME");
    data->target = data->sources[0]; /* task 1 as the reference writes it */
    data->n_sources = 0;
  }
  for (int i = 0; i < data->n_sources; i++)
    if (strcmp(data->sources[i], data->target) == 0)
      return options_complain(parser, "'%s' is a source and the target", data->target);
  if (data->n_sources && !options->network.weights)
    return options_complain(parser,
                            "a task after the first needs the model of the tasks before: -w PATH");
  if (!recipe->cutmix_given) {
    const CoredAugmentParams usual = cored_augment_params_default(data->n_sources == 0);
    recipe->augmentation.cutmix = usual.cutmix;
    recipe->augmentation.cutmix_beta = usual.cutmix_beta;
    if (recipe->augmentation.cutmix_rate < 0.0)
      recipe->augmentation.cutmix_rate = usual.cutmix_rate;
  }
  recipe->train.max_batch = recipe->batch;
  recipe->train.seed = recipe->seed;
  return true;
}

static void set_defaults(Options *options) {
  *options = (Options){
      .loader_threads = 1,
      .data = {.max_bad = 1.0,
               .crop = cored_crop_params_default(),
               .frame_step = 10,
               .max_frames = 32,
               .cache_mib = 2048,
               .check_overlap = true},
      .network = {.n_classes = 2},
      .recipe = {.schedule = {.kind = CORED_SCHEDULE_CONSTANT, .base = 0.05, .gamma = 0.1},
                 .epochs = 100,
                 .batch = 128,
                 .accumulate = 1,
                 .step_epochs = 30,
                 .seed = 2020,
                 .augment = true,
                 .augmentation = cored_augment_params_default(true)},
      .output = {.checkpoint_every = 20,
                 .gate = {.max_forgetting = 2.0,
                          .max_false_alarms = 5.0,
                          .max_misses = 5.0,
                          .confidence = 95.0,
                          .min_samples = 20},
                 .trace_steps = 1}};
  cored_train_params_init(&options->recipe.train);
  options->recipe.train.method = CORED_METHOD_CORED;
  options->recipe.augmentation.cutmix_rate = -1.0; /* by the kind */
}

static void add_long(struct option *table, int *n, const OptionRow *row, const char *name) {
  if (!name[0])
    return;
  table[(*n)++] = (struct option){.name = name,
                                  .has_arg = !row->value[0]         ? no_argument
                                             : row->value[0] == '[' ? optional_argument
                                                                    : required_argument,
                                  .val = (int)row->id};
}

/* A value that may be left out can follow as the next word too, as help shows it: there are no
 * other words. */
static const char *value_of(const OptionRow *row, int argc, char **argv) {
  if (row->value[0] == '[' && !optarg && optind < argc && argv[optind][0] != '-')
    return argv[optind++];
  return optarg;
}

/* Names that other tools give the same things; the older ones stay the first. */
static const struct {
  const char *name;
  OptionId id;
} other_names[] = {{"model", OPTION_WEIGHTS}, {"q", OPTION_QUIET}};

enum { N_OTHER_NAMES = sizeof other_names / sizeof other_names[0] };

static const OptionRow *row_of(int id) {
  int i = 0;
  while ((int)rows[i].id != id)
    i++;
  return &rows[i];
}

ParseResult options_parse(Options *options, int argc, char **argv, FILE *out, FILE *err) {
  struct option table[2 * N_ROWS + N_OTHER_NAMES + 1] = {0};
  OptionParser parser = {.options = options, .err = err};
  int n = 0, id;
  set_defaults(options);
  for (int i = 0; i < N_ROWS; i++)
    if (rows[i].id != OPTION_NONE) {
      add_long(table, &n, &rows[i], rows[i].brief);
      add_long(table, &n, &rows[i], rows[i].name);
    }
  for (int i = 0; i < N_OTHER_NAMES; i++)
    add_long(table, &n, row_of((int)other_names[i].id), other_names[i].name);
  optind = 0;
  opterr = 0;
  /* The leading colon tells a missing value from an unknown option. */
  while ((id = getopt_long_only(argc, argv, ":", table, NULL)) != -1) {
    if (id == ':' || id == '?') {
      options_complain(&parser,
                       id == ':' ? "'%s' needs a value" : "unknown or ambiguous option '%s'",
                       argv[optind - 1]);
      return PARSE_ERROR;
    }
    if (id == OPTION_HELP || id == OPTION_VERSION) {
      if (id == OPTION_HELP)
        print_help(out);
      else
        fputs("cored-train " CORED_VERSION "\n", out);
      return PARSE_DONE;
    }
    parser.name = row_of(id)->name[0] ? row_of(id)->name : row_of(id)->brief;
    if (!row_of(id)->apply(&parser, (OptionId)id, value_of(row_of(id), argc, argv)))
      return PARSE_ERROR;
  }
  if (optind < argc) {
    options_complain(&parser, "unexpected argument '%s'", argv[optind]);
    return PARSE_ERROR;
  }
  return finish(&parser) ? PARSE_OK : PARSE_ERROR;
}

void options_clear(Options *options) {
  free(options->sources_text);
  options->sources_text = NULL;
}
