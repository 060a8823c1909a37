/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/escape.h"
#include "tools/common/model-path.h"

typedef enum OptionId {
  OPTION_NONE = 0x1000, /* out of the way of getopt's own characters */
#define TOPIC(title)
#define OPTION(id, handler, brief, name, value, help) OPTION_##id,
#include "options-table.h"
#undef TOPIC
#undef OPTION
} OptionId;

/* Where messages go, and the option they are about. */
typedef struct OptionParser {
  Options *options;
  FILE *err;
  const char *name;
} OptionParser;

/* ---- What an option does --------------------------------------------------------------------- */

/* Each topic of the table has a function that puts the value where the option wants it. */

/* Print the message to err; false, so that `return complain(...)` reads well. */
__attribute__((format(printf, 2, 3))) static bool complain(const OptionParser *parser,
                                                           const char *format, ...) {
  va_list args;
  char *text = NULL;
  va_start(args, format);
  if (vasprintf(&text, format, args) < 0)
    text = NULL;
  va_end(args);
  fprintf(parser->err, "cored-train: %s; see cored-train --help\n", cored_show(text).text);
  free(text);
  return false;
}

static bool parse_number(const OptionParser *parser, const char *text, double low, double high,
                         double *value) {
  char *end;
  const double x = strtod(text, &end);
  if (end == text || *end || !isfinite(x) || x < low || x > high)
    return complain(parser, "--%s: expected a number from %g to %g, found '%s'", parser->name, low,
                    high, text);
  *value = x;
  return true;
}

static bool parse_int(const OptionParser *parser, const char *text, long low, long high,
                      int *value) {
  char *end;
  errno = 0;
  const long x = strtol(text, &end, 10);
  if (end == text || *end || errno || x < low || x > high)
    return complain(parser, "--%s: expected a whole number from %ld to %ld, found '%s'",
                    parser->name, low, high, text);
  *value = (int)x;
  return true;
}

/* Index of text in a list separated by "|", letter case ignored. */
static bool parse_word(const OptionParser *parser, const char *text, const char *words,
                       int *index) {
  int i = 0;
  for (const char *at = words;; i++) {
    const size_t length = strcspn(at, "|");
    if (strlen(text) == length && strncasecmp(text, at, length) == 0) {
      *index = i;
      return true;
    }
    if (!at[length])
      return complain(parser, "--%s: expected %s, found '%s'", parser->name, words, text);
    at += length + 1;
  }
}

static bool parse_network(const OptionParser *parser, const char *text, const char **id) {
  CoredError error;
  *id = cored_network_from_name(text, &error);
  return *id || complain(parser, "--network: %s", error.message);
}

static const char *const cutmix_words = "none|same|other";

FaceDetectorKind data_face_detector(const DataOptions *data) {
  if (data->face_detector != FACE_DETECTOR_AUTO)
    return data->face_detector;
  return data->cascade ? FACE_DETECTOR_CASCADE : FACE_DETECTOR_NETWORK;
}

const char *data_face_conflict(const DataOptions *data) {
  if (data->cascade && data->face_model)
    return "--cascade and --face-model name two face detectors: leave out one of them";
  if (data->cascade && data->face_detector == FACE_DETECTOR_NETWORK)
    return "--cascade is no file of --face-detector network: leave out one of them, or name a "
           "network with --face-model";
  if (data->face_model && data->face_detector == FACE_DETECTOR_CASCADE)
    return "--face-model is no file of --face-detector cascade: leave out one of them, or name a "
           "cascade with --cascade";
  if (data->crop.align == CORED_CROP_ALIGN_EYES &&
      data_face_detector(data) == FACE_DETECTOR_CASCADE)
    return "--align eyes needs the eyes, which a cascade does not find: leave it out, or let a "
           "network find the faces (--face-detector network)";
  return NULL;
}

static bool apply_data(OptionParser *parser, OptionId id, const char *value) {
  DataOptions *data = &parser->options->data;
  int index = 0;
  switch (id) {
  case OPTION_DATA:
    data->folder = value;
    return true;
  case OPTION_SOURCES:
    free(parser->options->sources_text);
    parser->options->sources_text = strdup(value);
    return true;
  case OPTION_TARGET:
    data->target = value;
    return true;
  case OPTION_FULL:
    return data->full = true;
  case OPTION_MAP:
    data->map = value;
    return true;
  case OPTION_MAX_BAD:
    return parse_number(parser, value, 0.0, 100.0, &data->max_bad);
  case OPTION_ALLOW_OVERLAP:
    data->check_overlap = false;
    return true;
  case OPTION_FACES:
    return data->faces = true;
  case OPTION_WHOLE_FRAMES:
    return data->whole_frames = true;
  case OPTION_FACE_DETECTOR:
    if (!parse_word(parser, value, FACE_DETECTOR_WORDS, &index))
      return false;
    data->face_detector = (FaceDetectorKind)index;
    return true;
  case OPTION_FACE_MODEL:
    data->face_model = value;
    return true;
  case OPTION_CASCADE:
    data->cascade = value;
    return true;
  case OPTION_FACE_MARGIN:
    return parse_number(parser, value, 0.0, 4.0, &data->crop.margin);
  case OPTION_ALIGN:
    if (!parse_word(parser, value, ALIGN_WORDS, &index))
      return false;
    data->crop.align = (CoredCropAlign)index;
    return true;
  case OPTION_MIN_OBJECT_SIZE:
    return parse_int(parser, value, 0, 32768, &data->crop.min_size);
  case OPTION_MIN_SHARPNESS:
    return parse_number(parser, value, 0.0, 1.0, &data->crop.min_sharpness);
  case OPTION_FRAME_STEP:
    return parse_int(parser, value, 1, 1000000, &data->frame_step);
  case OPTION_MAX_FRAMES:
    return parse_int(parser, value, 1, 100000, &data->max_frames);
  case OPTION_CACHE:
    return parse_int(parser, value, 0, 1 << 24, &data->cache_mib);
  default:
    return parse_int(parser, value, 1, 64, &parser->options->loader_threads);
  }
}

/* T-GD's extras (Jeon et al. 2020); what is given before or after them stays as given only if
 * it comes after. */
static bool apply_tgd(RecipeOptions *recipe) {
  recipe->augmentation.jpeg = recipe->augmentation.blur = 0.5;
  recipe->augmentation.cutmix = CORED_CUTMIX_SAME_CLASS;
  recipe->augmentation.cutmix_rate = 0.5;
  recipe->augmentation.cutmix_beta = 1.0;
  recipe->cutmix_given = true;
  recipe->train.dropout = 0.2;
  recipe->schedule.kind = CORED_SCHEDULE_COSINE;
  return true;
}

static bool apply_augmentation(OptionParser *parser, OptionId id, const char *value) {
  RecipeOptions *recipe = &parser->options->recipe;
  CoredAugmentParams *augmentation = &recipe->augmentation;
  int index = 0;
  switch (id) {
  case OPTION_NO_AUGMENT:
    recipe->augment = false;
    return true;
  case OPTION_FLIP:
    return parse_number(parser, value, 0.0, 1.0, &augmentation->flip);
  case OPTION_CUTMIX:
    if (!parse_word(parser, value, cutmix_words, &index))
      return false;
    augmentation->cutmix = (CoredCutMix)index;
    augmentation->cutmix_beta = index == CORED_CUTMIX_SAME_CLASS ? 1.0 : 0.5;
    if (augmentation->cutmix_rate < 0.0)
      augmentation->cutmix_rate = index == CORED_CUTMIX_SAME_CLASS ? 0.5 : 0.2;
    return recipe->cutmix_given = true;
  case OPTION_CUTMIX_RATE:
    return parse_number(parser, value, 0.0, 1.0, &augmentation->cutmix_rate);
  case OPTION_JPEG:
    return parse_number(parser, value, 0.0, 1.0, &augmentation->jpeg);
  case OPTION_BLUR:
    return parse_number(parser, value, 0.0, 1.0, &augmentation->blur);
  case OPTION_TGD:
    return apply_tgd(recipe);
  case OPTION_BALANCED:
    return recipe->balanced = true;
  default: /* OPTION_ORDER */
    if (!parse_word(parser, value, "random|sequential", &index))
      return false;
    recipe->sequential = index == 1;
    return true;
  }
}

static bool apply_losses(OptionParser *parser, OptionId id, const char *value) {
  CoredTrainParams *train = &parser->options->recipe.train;
  int index = 0;
  switch (id) {
  case OPTION_METHOD:
    if (!parse_word(parser, value, "FT|KD|TG|CoReD", &index))
      return false;
    train->method = (CoredMethod)index;
    return true;
  case OPTION_ALPHA:
    return parse_number(parser, value, 0.0, 1.0, &train->alpha);
  case OPTION_TEMPERATURE:
    return parse_number(parser, value, 1e-3, 1e6, &train->temperature);
  case OPTION_STORES:
    return parse_int(parser, value, 1, CORED_MAX_STORES, &train->n_stores);
  case OPTION_REPRESENTATION:
    if (!parse_word(parser, value, "scalar|vector", &index))
      return false;
    train->representation = (CoredRepresentation)index;
    return true;
  case OPTION_SELF_TRAINING:
    return parse_int(parser, value, 0, 1000000, &parser->options->recipe.self_training);
  case OPTION_BATCH_NORM:
    if (!parse_word(parser, value, "train|frozen", &index))
      return false;
    train->batch_norm = index ? CORED_BATCH_NORM_FROZEN : CORED_BATCH_NORM_TRAIN;
    return true;
  case OPTION_DROPOUT:
    return parse_number(parser, value, 0.0, 0.99, &train->dropout);
  default:
    return parse_number(parser, value, 0.0, 0.99, &train->drop_connect);
  }
}

static bool apply_optimization(OptionParser *parser, OptionId id, const char *value) {
  RecipeOptions *recipe = &parser->options->recipe;
  int index = 0;
  double number = 0.0;
  switch (id) {
  case OPTION_EPOCHS:
    return parse_int(parser, value, 1, 1000000, &recipe->epochs);
  case OPTION_BATCH:
    return parse_int(parser, value, 1, 4096, &recipe->batch);
  case OPTION_LR:
    return parse_number(parser, value, 0.0, 1e3, &recipe->schedule.base);
  case OPTION_OPTIMIZER:
    if (!parse_word(parser, value, "sgd|adamw", &index))
      return false;
    recipe->train.optimizer.kind = (CoredOptimizerKind)index;
    return true;
  case OPTION_MOMENTUM:
    return parse_number(parser, value, 0.0, 0.9999, &recipe->train.optimizer.momentum);
  case OPTION_WEIGHT_DECAY:
    return parse_number(parser, value, 0.0, 1e3, &recipe->train.optimizer.weight_decay);
  case OPTION_CLIP:
    return parse_number(parser, value, 0.0, 1e12, &recipe->train.optimizer.clip_norm);
  case OPTION_ACCUMULATE:
    return parse_int(parser, value, 1, 4096, &recipe->accumulate);
  case OPTION_SCHEDULE:
    if (!parse_word(parser, value, "constant|step|cosine", &index))
      return false;
    recipe->schedule.kind = (CoredScheduleKind)index;
    return true;
  case OPTION_WARMUP:
    return parse_number(parser, value, 0.0, 1e6, &recipe->warmup_epochs);
  case OPTION_STEP_EPOCHS:
    return parse_number(parser, value, 1e-3, 1e6, &recipe->step_epochs);
  case OPTION_GAMMA:
    return parse_number(parser, value, 0.0, 1.0, &recipe->schedule.gamma);
  default: /* OPTION_SEED */
    if (!parse_number(parser, value, 0.0, 0x1p53, &number))
      return false;
    recipe->seed = (uint64_t)number;
    return true;
  }
}

static bool apply_network(OptionParser *parser, OptionId id, const char *value) {
  NetworkOptions *network = &parser->options->network;
  switch (id) {
  case OPTION_NETWORK:
    return parse_network(parser, value, &network->network);
  case OPTION_CLASSES:
    return parse_int(parser, value, 2, CORED_MAX_CLASSES, &network->n_classes);
  case OPTION_WEIGHTS:
    network->weights = value;
    return true;
  case OPTION_INIT:
    network->init = value;
    return true;
  default:
    return parse_int(parser, value, 8, 4096, &network->input_size);
  }
}

static bool apply_output(OptionParser *parser, OptionId id, const char *value) {
  OutputOptions *output = &parser->options->output;
  int index = 0;
  switch (id) {
  case OPTION_OUTPUT:
    output->folder = value;
    return true;
  case OPTION_FOLDER1:
    output->folder1 = value;
    return true;
  case OPTION_FOLDER2:
    output->folder2 = value;
    return true;
  case OPTION_SELECT:
    if (!parse_word(parser, value, "accuracy|auc|worst-task", &index))
      return false;
    parser->options->recipe.select = (Selection)index;
    return true;
  case OPTION_CHECKPOINT_EVERY:
    return parse_int(parser, value, 1, 1000000, &output->checkpoint_every);
  default: /* OPTION_EXPORT_PTH */
    output->export_pth = value;
    return true;
  }
}

static bool apply_publishing(OptionParser *parser, OptionId id, const char *value) {
  OutputOptions *output = &parser->options->output;
  GateOptions *gate = &output->gate;
  switch (id) {
  case OPTION_PUBLISH:
    output->publish = value;
    return true;
  case OPTION_MAX_FORGETTING:
    return parse_number(parser, value, 0.0, 100.0, &gate->max_forgetting);
  case OPTION_MAX_FALSE_ALARMS:
    return parse_number(parser, value, 0.0, 100.0, &gate->max_false_alarms);
  case OPTION_MAX_MISSES:
    return parse_number(parser, value, 0.0, 100.0, &gate->max_misses);
  case OPTION_CONFIDENCE:
    return parse_number(parser, value, 0.0, 99.9, &gate->confidence);
  default: /* OPTION_MIN_SAMPLES */
    return parse_int(parser, value, 1, 1000000, &gate->min_samples);
  }
}

static bool apply_running(OptionParser *parser, OptionId id, const char *value) {
  OutputOptions *output = &parser->options->output;
  switch (id) {
  case OPTION_TEST:
    return parser->options->test = true;
  case OPTION_RESUME:
    output->resume = value ? value : "";
    return true;
  case OPTION_OVERWRITE:
    return output->overwrite = true;
  case OPTION_TRACE:
    output->trace = value;
    return true;
  case OPTION_TRACE_STEPS:
    return parse_int(parser, value, 1, 1000000, &output->trace_steps);
  case OPTION_TENSORBOARD:
    output->tensorboard = value;
    return true;
  case OPTION_QUIET:
    return output->quiet = true;
  case OPTION_THREADS:
    return parse_int(parser, value, 1, 64, &parser->options->recipe.train.threads);
  default: /* OPTION_DEVICES: nothing to choose from */
    return true;
  }
}

/* ---- Reading the line ------------------------------------------------------------------------ */

typedef struct OptionRow {
  OptionId id; /* OPTION_NONE: a topic */
  bool (*apply)(OptionParser *parser, OptionId id, const char *value);
  const char *brief, *name, *value, *help;
} OptionRow;

static const OptionRow rows[] = {
#define TOPIC(title) {OPTION_NONE, NULL, "", "", "", title},
#define OPTION(id, handler, brief, name, value, help)                                              \
  {OPTION_##id, apply_##handler, brief, name, value, help},
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
      return complain(parser, "--sources: more than %d names", MAX_SOURCES);
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
    return complain(parser, "no data folder: say -d FOLDER");
  if (data_face_conflict(data))
    return complain(parser, "%s", data_face_conflict(data));
  if (options->test && !options->network.weights)
    options->network.weights = cored_model_path_default();
  if (options->test)
    return options->network.weights
               ? true
               : complain(parser, "--test needs a model: say -w FILE, or set CORED_MODEL");
  if (options->output.overwrite && options->output.resume && !options->output.resume[0])
    return complain(parser, "--resume goes on with this folder's run, --overwrite deletes "
                            "it: say one of them");
  if (!split_sources(parser))
    return false;
  if (!data->target) {
    if (data->n_sources != 1)
      return complain(parser, "no target: say -t NAME");
    data->target = data->sources[0]; /* task 1 as the reference writes it */
    data->n_sources = 0;
  }
  for (int i = 0; i < data->n_sources; i++)
    if (strcmp(data->sources[i], data->target) == 0)
      return complain(parser, "'%s' is a source and the target", data->target);
  if (data->n_sources && !options->network.weights)
    return complain(parser, "a task after the first needs the model of the tasks before: -w PATH");
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
      complain(&parser, id == ':' ? "'%s' needs a value" : "unknown or ambiguous option '%s'",
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
    complain(&parser, "unexpected argument '%s'", argv[optind]);
    return PARSE_ERROR;
  }
  return finish(&parser) ? PARSE_OK : PARSE_ERROR;
}

void options_clear(Options *options) {
  free(options->sources_text);
  options->sources_text = NULL;
}

const char *options_method_name(CoredMethod method) {
  static const char *const names[] = {"FT", "KD", "TG", "CoReD"};
  return names[method];
}
