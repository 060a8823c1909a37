/* SPDX-License-Identifier: MIT */
#include "eval-options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "tools/common/model-path.h"

#include "base/escape.h"

static const char help[] =
    "Usage: cored-eval --model PATH... -d FOLDER [--tasks A,B,...] [OPTION]...\n"
    "Judges models on labelled pictures and videos.\n"
    "\n"
    "What\n"
    "  -w, -m, --model PATH    (or --weights; else what CORED_MODEL names) a model, or the folder "
    "of\n"
    "                          a run; several, of any networks and sizes,\n"
    "                          give the matrix of AUCs; where each continues the one before, task\n"
    "                          by task, forgetting and backward transfer too\n"
    "  -d, --data FOLDER       holds real/ and fake/, or with --tasks NAME/SPLIT/{real,fake}\n"
    "  -t, --tasks A,B,...     tasks in the order they were learned\n"
    "      --split NAME        (default test)\n"
    "      --input-size N      input of N x N pixels (default: the model file's)\n"
    "\n"
    "Data\n"
    "      --map F=C,...       folder F holds class C\n"
    "      --max-bad PERCENT   unreadable files to put up with (default 1)\n"
    "      --faces             crop faces in pictures too\n"
    "      --whole-frames      do not crop faces in videos\n"
    "      --face-detector NAME what finds the faces: network, cascade or auto (default auto:\n"
    "                          cascade with --cascade, else network)\n"
    "      --face-model FILE   model file of the network (default: the one built in)\n"
    "      --cascade FILE      OpenCV cascade (default, with --face-detector cascade: of\n"
    "                          opencv-data)\n"
    "      --face-margin X     side of the crop is the face's times 1 + X (default 0.3)\n"
    "      --align HOW         how the crop lies: none (as the face stands in the picture) or\n"
    "                          eyes (turned until they are level; default none)\n"
    "      --min-object-size N leave out faces whose shorter side has fewer pixels (default 64)\n"
    "      --min-sharpness X   leave out faces with less detail, 0 to 1 (default 0.5)\n"
    "      --frame-step N      every N-th frame of a video (default 10)\n"
    "      --max-frames N      at most N frames of a video (default 32)\n"
    "\n"
    "Output\n"
    "      --json FILE         every figure\n"
    "      --csv FILE          a line per sample: model, task, file, frame, group (number and "
    "name),\n"
    "                          label, p-fake and logit, which is log(p / (1 - p))\n"
    "      --html FILE         a report in one file: curves, matrix, worst mistakes\n"
    "      --overwrite         replace such files that are there already\n"
    "      --bootstrap N       draws for the intervals (default 1000, 0: none)\n"
    "\n"
    "Running\n"
    "      --threads N         (default: one per CPU)\n"
    "      --loader-threads N  (default 1)\n"
    "  -q, --quiet             no progress bar\n"
    "  -h, --help, --version\n"
    "\n"
    "Exit status: 0 done, 1 it failed, 2 wrong usage, 74 a file could not be written, 130\n"
    "interrupted.\n";

enum {
  LONG_SPLIT = 256,
  LONG_INPUT_SIZE,
  LONG_MAP,
  LONG_MAX_BAD,
  LONG_FACES,
  LONG_WHOLE_FRAMES,
  LONG_FACE_DETECTOR,
  LONG_FACE_MODEL,
  LONG_CASCADE,
  LONG_FACE_MARGIN,
  LONG_ALIGN,
  LONG_MIN_OBJECT_SIZE,
  LONG_MIN_SHARPNESS,
  LONG_FRAME_STEP,
  LONG_MAX_FRAMES,
  LONG_JSON,
  LONG_CSV,
  LONG_HTML,
  LONG_OVERWRITE,
  LONG_BOOTSTRAP,
  LONG_THREADS,
  LONG_LOADER_THREADS,
  LONG_QUIET,
  LONG_VERSION
};

static const struct option table[] = {
    {"weights", required_argument, NULL, 'w'},
    {"model", required_argument, NULL, 'w'},
    {"data", required_argument, NULL, 'd'},
    {"tasks", required_argument, NULL, 't'},
    {"split", required_argument, NULL, LONG_SPLIT},
    {"input-size", required_argument, NULL, LONG_INPUT_SIZE},
    {"map", required_argument, NULL, LONG_MAP},
    {"max-bad", required_argument, NULL, LONG_MAX_BAD},
    {"faces", no_argument, NULL, LONG_FACES},
    {"whole-frames", no_argument, NULL, LONG_WHOLE_FRAMES},
    {"face-detector", required_argument, NULL, LONG_FACE_DETECTOR},
    {"face-model", required_argument, NULL, LONG_FACE_MODEL},
    {"cascade", required_argument, NULL, LONG_CASCADE},
    {"face-margin", required_argument, NULL, LONG_FACE_MARGIN},
    {"align", required_argument, NULL, LONG_ALIGN},
    {"min-object-size", required_argument, NULL, LONG_MIN_OBJECT_SIZE},
    {"min-sharpness", required_argument, NULL, LONG_MIN_SHARPNESS},
    {"frame-step", required_argument, NULL, LONG_FRAME_STEP},
    {"max-frames", required_argument, NULL, LONG_MAX_FRAMES},
    {"json", required_argument, NULL, LONG_JSON},
    {"csv", required_argument, NULL, LONG_CSV},
    {"html", required_argument, NULL, LONG_HTML},
    {"overwrite", no_argument, NULL, LONG_OVERWRITE},
    {"bootstrap", required_argument, NULL, LONG_BOOTSTRAP},
    {"threads", required_argument, NULL, LONG_THREADS},
    {"loader-threads", required_argument, NULL, LONG_LOADER_THREADS},
    {"quiet", no_argument, NULL, LONG_QUIET},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, LONG_VERSION},
    {0}};

static bool complain(const char *what, const char *value) {
  fprintf(stderr, "cored-eval: %s '%s'; see cored-eval --help\n", cored_show(what).text,
          cored_show(value).text);
  return false;
}

static bool number(const char *text, double low, double high, double *value) {
  char *end;
  const double x = strtod(text, &end);
  if (end == text || *end || !(x >= low && x <= high))
    return complain("out of range or no number:", text);
  *value = x;
  return true;
}

static bool whole(const char *text, int low, int high, int *value) {
  double x = 0.0;
  if (!number(text, low, high, &x))
    return false;
  if (x != (double)(int)x)
    return complain("no whole number:", text);
  *value = (int)x;
  return true;
}

static bool detector(const char *text, FaceDetectorKind *kind) {
  static const char *const words[] = {[FACE_DETECTOR_AUTO] = "auto",
                                      [FACE_DETECTOR_NETWORK] = "network",
                                      [FACE_DETECTOR_CASCADE] = "cascade"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcasecmp(text, words[i]) == 0) {
      *kind = (FaceDetectorKind)i;
      return true;
    }
  return complain("--face-detector: expected " FACE_DETECTOR_WORDS ", found", text);
}

static bool alignment(const char *text, CoredCropAlign *align) {
  for (CoredCropAlign a = CORED_CROP_ALIGN_NONE; cored_crop_align_name(a); a++)
    if (strcasecmp(text, cored_crop_align_name(a)) == 0) {
      *align = a;
      return true;
    }
  return complain("--align: expected " ALIGN_WORDS ", found", text);
}

static bool apply_data(DataOptions *data, int id, const char *value) {
  switch (id) {
  case LONG_MAP:
    data->map = value;
    return true;
  case LONG_MAX_BAD:
    return number(value, 0.0, 100.0, &data->max_bad);
  case LONG_FACES:
    return data->faces = true;
  case LONG_WHOLE_FRAMES:
    return data->whole_frames = true;
  case LONG_FACE_DETECTOR:
    return detector(value, &data->face_detector);
  case LONG_FACE_MODEL:
    data->face_model = value;
    return true;
  case LONG_CASCADE:
    data->cascade = value;
    return true;
  case LONG_FACE_MARGIN:
    return number(value, 0.0, 4.0, &data->crop.margin);
  case LONG_ALIGN:
    return alignment(value, &data->crop.align);
  case LONG_MIN_OBJECT_SIZE:
    return whole(value, 0, 32768, &data->crop.min_size);
  case LONG_MIN_SHARPNESS:
    return number(value, 0.0, 1.0, &data->crop.min_sharpness);
  case LONG_FRAME_STEP:
    return whole(value, 1, 1000000, &data->frame_step);
  default:
    return whole(value, 1, 100000, &data->max_frames);
  }
}

static bool apply(EvalOptions *options, int id, const char *value) {
  switch (id) {
  case 'w':
  case 'm':
    if (options->n_models == MAX_TASKS)
      return complain("too many models:", value);
    options->models[options->n_models++] = value;
    return true;
  case 'd':
    options->data.folder = value;
    return true;
  case 't':
    free(options->tasks_text);
    options->tasks_text = strdup(value);
    return options->tasks_text != NULL;
  case LONG_SPLIT:
    options->split = value;
    return true;
  case LONG_INPUT_SIZE:
    return whole(value, 8, 4096, &options->input_size);
  case LONG_JSON:
    options->json = value;
    return true;
  case LONG_CSV:
    options->csv = value;
    return true;
  case LONG_HTML:
    options->html = value;
    return true;
  case LONG_OVERWRITE:
    return options->overwrite = true;
  case LONG_BOOTSTRAP:
    return whole(value, 0, 1000000, &options->bootstrap);
  case LONG_THREADS:
    return whole(value, 1, 64, &options->threads);
  case LONG_LOADER_THREADS:
    return whole(value, 1, 64, &options->loader_threads);
  case LONG_QUIET:
  case 'q':
    return options->quiet = true;
  default:
    return apply_data(&options->data, id, value);
  }
}

/* An earlier report is not lost unasked. */
static bool check_outputs(const EvalOptions *options) {
  const char *const paths[] = {options->json, options->csv, options->html};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    struct stat st;
    if (paths[i] && !options->overwrite && lstat(paths[i], &st) == 0 && !S_ISDIR(st.st_mode) &&
        (st.st_size > 0 || S_ISLNK(st.st_mode)))
      return complain("there already (--overwrite replaces it):", paths[i]);
  }
  return true;
}

static bool finish(EvalOptions *options) {
  for (char *save = NULL,
            *name = options->tasks_text ? strtok_r(options->tasks_text, ",", &save) : NULL;
       name; name = strtok_r(NULL, ",", &save)) {
    if (options->n_tasks == MAX_TASKS)
      return complain("too many tasks:", name);
    options->tasks[options->n_tasks++] = name;
  }
  if (!options->data.folder)
    return complain("no data folder:", "-d FOLDER");
  if (data_face_conflict(&options->data)) {
    fprintf(stderr, "cored-eval: %s; see cored-eval --help\n",
            cored_show(data_face_conflict(&options->data)).text);
    return false;
  }
  if (options->n_models == 0 && cored_model_path_default())
    options->models[options->n_models++] = cored_model_path_default();
  if (options->n_models == 0)
    return complain("no model:", "--model PATH");
  return check_outputs(options);
}

ParseResult eval_options_parse(EvalOptions *options, int argc, char **argv) {
  *options = (EvalOptions){.data = {.max_bad = 1.0,
                                    .crop = cored_crop_params_default(),
                                    .frame_step = 10,
                                    .max_frames = 32,
                                    .cache_mib = 2048},
                           .split = "test",
                           .loader_threads = 1,
                           .bootstrap = 1000};
  for (int id; (id = getopt_long(argc, argv, "w:m:d:t:qh", table, NULL)) != -1;) {
    if (id == 'h' || id == LONG_VERSION) {
      fputs(id == 'h' ? help : "cored-eval " CORED_VERSION "\n", stdout);
      return PARSE_DONE;
    }
    if (id == '?' || !apply(options, id, optarg))
      return PARSE_ERROR;
  }
  if (optind < argc) {
    complain("unexpected argument", argv[optind]);
    return PARSE_ERROR;
  }
  return finish(options) ? PARSE_OK : PARSE_ERROR;
}

void eval_options_clear(EvalOptions *options) {
  free(options->tasks_text);
  options->tasks_text = NULL;
}
