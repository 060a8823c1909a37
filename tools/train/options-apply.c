/* SPDX-License-Identifier: MIT */
#include "options-apply.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/escape.h"

bool options_complain(const OptionParser *parser, const char *format, ...) {
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
    return options_complain(parser, "--%s: expected a number from %g to %g, found '%s'",
                            parser->name, low, high, text);
  *value = x;
  return true;
}

static bool parse_int(const OptionParser *parser, const char *text, long low, long high,
                      int *value) {
  char *end;
  errno = 0;
  const long x = strtol(text, &end, 10);
  if (end == text || *end || errno || x < low || x > high)
    return options_complain(parser, "--%s: expected a whole number from %ld to %ld, found '%s'",
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
      return options_complain(parser, "--%s: expected %s, found '%s'", parser->name, words, text);
    at += length + 1;
  }
}

static bool parse_network(const OptionParser *parser, const char *text, const char **id) {
  char names[256] = "";
  size_t used = 0;
  if ((*id = cored_network_from_name(text)))
    return true;
  for (size_t i = 0; cored_network_id(i) && used < sizeof names; i++)
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                             cored_network_id(i));
  return options_complain(parser, "--network: there is no network '%s'; there are %s", text, names);
}

static const char *const cutmix_words = "none|same|other";

bool options_apply_data(OptionParser *parser, OptionId id, const char *value) {
  DataOptions *data = &parser->options->data;
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
  case OPTION_CASCADE:
    data->cascade = value;
    return true;
  case OPTION_FACE_MARGIN:
    return parse_number(parser, value, 0.0, 4.0, &data->crop.margin);
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

/* T-GD's extras (method.md, section 3); what is given before or after them stays as given only if
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

bool options_apply_augmentation(OptionParser *parser, OptionId id, const char *value) {
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

bool options_apply_losses(OptionParser *parser, OptionId id, const char *value) {
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

bool options_apply_optimization(OptionParser *parser, OptionId id, const char *value) {
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

bool options_apply_network(OptionParser *parser, OptionId id, const char *value) {
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

bool options_apply_output(OptionParser *parser, OptionId id, const char *value) {
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

bool options_apply_publishing(OptionParser *parser, OptionId id, const char *value) {
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

bool options_apply_running(OptionParser *parser, OptionId id, const char *value) {
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
