/* SPDX-License-Identifier: MIT
 * cored-convert: foreign weights in, PyTorch and ONNX files out, and a look into either. */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/common/model-path.h"
#include "tools/convert/advice.h"
#include "tools/convert/cli.h"
#include "tools/convert/import.h"
#include "tools/convert/inspect.h"
#include "tools/convert/onnx-write.h"
#include "tools/convert/pth-write.h"
#include "tools/convert/sign.h"

#define MAX_EDITS 64

static const char main_help[] =
    "Usage: cored-convert COMMAND [OPTION]... FILE\n"
    "\n"
    "Commands:\n"
    "  import FILE -o OUT.safetensors   turn a PyTorch (.pth, .pth.tar), Keras (.h5), ONNX or\n"
    "                                   plain safetensors weight file into a model\n"
    "  export MODEL -o OUT.pth          write a model as a file that torch.load reads\n"
    "  export MODEL -o OUT.onnx         write a model for ONNX Runtime, OpenVINO and the like\n"
    "  inspect FILE...                  show what is in a weight file of any of these formats\n"
    "  keygen -o NAME                   make a pair of keys for signing\n"
    "  sign --key FILE MODEL            sign a model\n"
    "  verify --keys FILE MODEL...      check that trusted keys signed these models\n"
    "\n"
    "'cored-convert COMMAND --help' lists the options of a command. Nothing in a file is ever\n"
    "executed. A file that asks for it is refused, and the message names what it asked for.\n";

static const char import_help[] =
    "Usage: cored-convert import [OPTION]... FILE -o OUT.safetensors\n"
    "\n"
    "Read a weight file and write it as a model. The format is recognized by the content.\n"
    "\n"
    "  -o, --output=FILE         the model to write\n"
    "      --overwrite           replace it, as a whole or not at all, if it is there already\n"
    "  -n, --network=NAME        network; default: guessed from names and shapes\n"
    "  -l, --labels=A,B,...      classes in the order of the output; default fake,real\n"
    "      --fake=LABEL          which of them is shown as fake; default 'fake'\n"
    "      --real=LABEL          which of them is real; default 'real'\n"
    "      --input-size=N|WxH    input in pixels; default the network's\n"
    "      --mean=X|R,G,B        normalization of x/255; default the network's\n"
    "      --std=X|R,G,B         the same\n"
    "      --threshold=P         fake at or above this probability, 0 to 1; default 0.5\n"
    "      --temperature=T       logits are divided by it; default 1\n"
    "      --key=NAME            dictionary in the file that holds the tensors\n"
    "      --strip=PREFIX        remove this beginning from the names\n"
    "      --rename=OLD=NEW      rename a tensor, or all whose first components are OLD\n"
    "      --drop=PATTERN        leave out tensors with such names\n"
    "                            (these three may be repeated; names as 'inspect' prints them)\n"
    "      --ignore-crc          do not check the archive's checksums\n"
    "      --max-bytes=N         largest file to read; default 1073741824\n"
    "  -q, --quiet               print errors and warnings only\n"
    "  -h, --help                this text\n"
    "      --version             print the version\n";

static const char export_help[] =
    "Usage: cored-convert export [OPTION]... MODEL -o OUT.pth|OUT.onnx\n"
    "\n"
    "Write the weights of a model under their published names for torch.load; or, where the name\n"
    "ends in .onnx, the whole network for programs that run ONNX models, with OUT.onnx.modelinfo\n"
    "(for GStreamer's onnxinference) and OUT.onnx.labels.txt (the classes) beside it.\n"
    "\n"
    "  -o, --output=FILE         the file to write\n"
    "      --overwrite           replace it, as a whole or not at all, if it is there already\n"
    "      --onnx                write ONNX, whatever the name\n"
    "      --no-logits           ONNX: the probabilities are the only output\n"
    "      --layout=LAYOUT       state-dict (default), or checkpoint: the dictionary under\n"
    "                            'state_dict' beside epoch, best_epoch, best_acc, optimizer\n"
    "  -q, --quiet               print errors only\n"
    "  -h, --help                this text\n"
    "      --version             print the version\n";

static const char inspect_help[] =
    "Usage: cored-convert inspect [OPTION]... FILE...\n"
    "\n"
    "Show format, hash, metadata, parameters and shapes; of a pickle also the names it asks for\n"
    "and what would be refused.\n"
    "\n"
    "      --json                one JSON object per file and line\n"
    "      --plan                of a model: the fused ops that inference computes, one a line;\n"
    "                            no other option goes with it\n"
    "      --key=NAME            dictionary in the file that holds the tensors\n"
    "      --ignore-crc          do not check the archive's checksums\n"
    "      --max-bytes=N         largest file to read; default 1073741824\n"
    "  -h, --help                this text\n"
    "      --version             print the version\n";

/* ---- Values of options ----------------------------------------------------------------------- */

/* Numbers are read in the C locale, which is the one in force: no setlocale for LC_NUMERIC. */
static bool parse_number(const char *text, double low, double high, double *value, char **end) {
  errno = 0;
  *value = strtod(text, end);
  return *end != text && errno == 0 && isfinite(*value) && *value >= low && *value <= high;
}

static bool parse_scalar(const char *text, double low, double high, double *value) {
  char *end;
  return parse_number(text, low, high, value, &end) && *end == '\0';
}

/* "0.5" for all channels or "0.485,0.456,0.406". */
static bool parse_channels(const char *text, double low, float out[3]) {
  int n = 0;
  for (const char *at = text; n < 3; n++) {
    double value;
    char *end;
    if (!parse_number(at, low, 16, &value, &end) || (*end != ',' && *end != '\0'))
      return false;
    out[n] = (float)value;
    if (*end == '\0')
      break;
    at = end + 1;
  }
  if (n == 0)
    out[1] = out[2] = out[0];
  return n == 0 || n == 2;
}

static bool parse_size(const char *text, int *width, int *height) {
  char *end;
  long w = strtol(text, &end, 10), h = w;
  if (*end == 'x')
    h = strtol(end + 1, &end, 10);
  *width = (int)w;
  *height = (int)h;
  return *end == '\0' && w >= 8 && w <= 4096 && h >= 8 && h <= 4096;
}

static bool parse_bytes(const char *text, uint64_t *bytes) {
  double value;
  if (!parse_scalar(text, 1, 0x1p50, &value) || value != floor(value))
    return false;
  *bytes = (uint64_t)value;
  return true;
}

/* ---- import ---------------------------------------------------------------------------------- */

enum {
  OPT_FAKE = 256,
  OPT_REAL,
  OPT_INPUT_SIZE,
  OPT_MEAN,
  OPT_STD,
  OPT_THRESHOLD,
  OPT_TEMPERATURE,
  OPT_KEY,
  OPT_STRIP,
  OPT_RENAME,
  OPT_DROP,
  OPT_IGNORE_CRC,
  OPT_MAX_BYTES,
  OPT_LAYOUT,
  OPT_ONNX,
  OPT_NO_LOGITS,
  OPT_JSON,
  OPT_PLAN
};

typedef struct ImportArgs {
  CoredImportOptions options;
  const char *strips[MAX_EDITS + 1], *renames[MAX_EDITS + 1], *drops[MAX_EDITS + 1];
  const char *output;
  bool quiet, overwrite;
} ImportArgs;

/* Add to a list that NULL ends; false when it is full. */
static bool add_edit(const char **list, const char *value) {
  int n = 0;
  while (list[n])
    n++;
  if (n < MAX_EDITS)
    list[n] = value;
  return n < MAX_EDITS;
}

/* EXIT_DONE, or the status of a name that no network has. */
static int set_network(ImportArgs *args, const char *name) {
  CoredError error;
  char what[sizeof error.message + 16];
  args->options.network = cored_network_from_name(name, &error);
  if (args->options.network)
    return EXIT_DONE;
  snprintf(what, sizeof what, "--network: %s", error.message);
  return cored_cli_usage("import", what, NULL);
}

/* False for a value out of range. */
static bool set_import_option(ImportArgs *args, int option, const char *value) {
  CoredImportOptions *o = &args->options;
  switch (option) {
  case 'o':
    args->output = value;
    return true;
  case 'l':
    o->labels = value;
    return true;
  case 'q':
    args->quiet = true;
    return true;
  case OPT_OVERWRITE:
    return args->overwrite = true;
  case OPT_FAKE:
    o->fake = value;
    return true;
  case OPT_REAL:
    o->real = value;
    return true;
  case OPT_INPUT_SIZE:
    return parse_size(value, &o->input_width, &o->input_height);
  case OPT_MEAN:
    return o->has_mean = parse_channels(value, -16, o->mean);
  case OPT_STD:
    return o->has_std = parse_channels(value, 0.0001, o->std);
  case OPT_THRESHOLD:
    return parse_scalar(value, 0, 1, &o->threshold);
  case OPT_TEMPERATURE:
    return parse_scalar(value, 0.001, 1000, &o->temperature);
  case OPT_KEY:
    o->read.key = value;
    return true;
  case OPT_STRIP:
    return add_edit(args->strips, value);
  case OPT_RENAME:
    return add_edit(args->renames, value);
  case OPT_DROP:
    return add_edit(args->drops, value);
  case OPT_IGNORE_CRC:
    return o->read.ignore_crc = true;
  case OPT_MAX_BYTES:
    return parse_bytes(value, &o->max_bytes);
  }
  return false;
}

static void print_lines(FILE *out, const CoredLines *lines) {
  for (size_t i = 0; i < lines->n; i++)
    fprintf(out, "  %s\n", cored_show(lines->line[i]).text);
}

/* Warnings are printed in any case. */
static void print_assumed(const CoredLines *lines, bool quiet) {
  for (size_t i = 0; i < lines->n; i++)
    if (!quiet || strncmp(lines->line[i], "warning: ", strlen("warning: ")) == 0)
      fprintf(stderr, "cored-convert: %s\n", cored_show(lines->line[i]).text);
}

/* "yunet-n, finds faces, 82 parameters, from ONNX" */
static void print_imported(const char *output, const CoredModel *model, const char *format) {
  const CoredModelInfo *info = cored_model_info(model);
  printf("%s: %s, ", cored_show(output).text, info->network);
  if (info->kind == CORED_MODEL_CLASSIFIER)
    printf("%d classes", info->n_classes);
  else
    printf("finds faces");
  printf(", %zu parameters, from %s\n", cored_model_n_tensors(model), cored_show(format).text);
}

static int run_import(const char *input, const ImportArgs *args) {
  if (!cored_cli_may_write(args->output, args->overwrite))
    return EXIT_FAILED;
  CoredImportReport report;
  CoredRefusal refusal = {0};
  CoredError error = {0};
  int status = EXIT_DONE;
  CoredModel *model = cored_import(input, &args->options, &report, &refusal);
  if (!args->quiet)
    print_lines(model ? stdout : stderr, &report.notes);
  if (model)
    print_assumed(&report.assumed, args->quiet);
  if (!model) {
    status = cored_cli_fail(input, cored_refusal_code_name(refusal.code), refusal.message);
    print_lines(stderr, &report.problems);
  } else if (!cored_model_save(model, args->output, &error)) {
    status = cored_cli_fail(args->output, cored_error_code_name(error.code), error.message);
    if (error.code == CORED_ERROR_WRITE || error.code == CORED_ERROR_OPEN)
      cored_cli_advise(cored_advice(CORED_REFUSAL_WRITE));
  } else if (!args->quiet) {
    print_imported(args->output, model, report.format);
  }
  cored_model_unref(model);
  cored_import_report_clear(&report);
  return status;
}

static int command_import(int argc, char **argv) {
  static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                          {"network", required_argument, NULL, 'n'},
                                          {"labels", required_argument, NULL, 'l'},
                                          {"fake", required_argument, NULL, OPT_FAKE},
                                          {"real", required_argument, NULL, OPT_REAL},
                                          {"input-size", required_argument, NULL, OPT_INPUT_SIZE},
                                          {"mean", required_argument, NULL, OPT_MEAN},
                                          {"std", required_argument, NULL, OPT_STD},
                                          {"threshold", required_argument, NULL, OPT_THRESHOLD},
                                          {"temperature", required_argument, NULL, OPT_TEMPERATURE},
                                          {"key", required_argument, NULL, OPT_KEY},
                                          {"strip", required_argument, NULL, OPT_STRIP},
                                          {"rename", required_argument, NULL, OPT_RENAME},
                                          {"drop", required_argument, NULL, OPT_DROP},
                                          {"ignore-crc", no_argument, NULL, OPT_IGNORE_CRC},
                                          {"max-bytes", required_argument, NULL, OPT_MAX_BYTES},
                                          {"overwrite", no_argument, NULL, OPT_OVERWRITE},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, OPT_VERSION},
                                          {0}};
  ImportArgs args = {.options = {.kind = CORED_MODEL_ANY, .threshold = -1, .temperature = -1}};
  args.options.names =
      (CoredNameEdits){.strip = args.strips, .rename = args.renames, .drop = args.drops};
  for (int c; (c = getopt_long(argc, argv, "o:n:l:qh", options, NULL)) != -1;) {
    if (c == 'h')
      return cored_cli_help(import_help);
    if (c == OPT_VERSION)
      return cored_cli_version();
    if (c == '?')
      return cored_cli_usage("import", "unknown option or missing value", NULL);
    if (c == 'n') {
      if (set_network(&args, optarg) != EXIT_DONE)
        return EXIT_USAGE;
    } else if (!set_import_option(&args, c, optarg)) {
      return cored_cli_usage("import", "out of range or malformed:", optarg);
    }
  }
  if (argc - optind != 1)
    return cored_cli_usage("import", "expected one file to read", NULL);
  if (!args.output)
    return cored_cli_usage("import", "expected -o FILE", NULL);
  char *path = cored_model_path_plain(argv[optind]);
  const int status = run_import(path ? path : argv[optind], &args);
  free(path);
  return status;
}

/* ---- export ---------------------------------------------------------------------------------- */

typedef struct ExportArgs {
  const char *output, *layout_name; /* as it was given, NULL: it was not */
  CoredPthLayout layout;
  bool onnx, no_logits, quiet, overwrite;
} ExportArgs;

static int export_model(const char *input, const ExportArgs *args) {
  CoredError error = {0};
  CoredModel *model = cored_model_load(input, NULL, &error); /* a classifier */
  if (!model) {
    cored_cli_fail(input, cored_error_code_name(error.code), error.message);
    cored_cli_advise(cored_advice_for_model(input, &error));
    return EXIT_FAILED;
  }
  const bool ok = args->onnx ? cored_onnx_write(model, args->output, args->no_logits, &error)
                             : cored_pth_write(model, args->output, args->layout, &error);
  if (ok && !args->quiet)
    printf("%s: %s, %zu tensors\n", cored_show(args->output).text, cored_model_info(model)->network,
           cored_model_n_tensors(model));
  cored_model_unref(model);
  return ok ? EXIT_DONE
            : cored_cli_fail(args->output, cored_error_code_name(error.code), error.message);
}

/* All files of the export. */
static bool may_export(const ExportArgs *args) {
  static const char *const suffixes[] = {"", CORED_ONNX_MODELINFO_SUFFIX, CORED_ONNX_LABELS_SUFFIX};
  for (size_t i = 0; i < (args->onnx ? sizeof suffixes / sizeof *suffixes : 1); i++) {
    char *path = NULL;
    if (asprintf(&path, "%s%s", args->output, suffixes[i]) < 0)
      return false;
    const bool may = cored_cli_may_write(path, args->overwrite);
    free(path);
    if (!may)
      return false;
  }
  return true;
}

static int run_export(const char *argument, const ExportArgs *args) {
  char *input = may_export(args) ? cored_cli_model(argument) : NULL;
  const int status = input ? export_model(input, args) : EXIT_FAILED;
  free(input);
  return status;
}

/* EXIT_USAGE for a layout that there is not. */
static int set_layout(ExportArgs *args, const char *name) {
  args->layout_name = name;
  args->layout = strcasecmp(name, "checkpoint") == 0 ? CORED_PTH_CHECKPOINT : CORED_PTH_STATE_DICT;
  if (args->layout == CORED_PTH_CHECKPOINT || strcasecmp(name, "state-dict") == 0)
    return EXIT_DONE;
  return cored_cli_usage("export", "--layout: expected state-dict|checkpoint, found", name);
}

static bool ends_in_onnx(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot && strcasecmp(dot, ".onnx") == 0;
}

/* What has to be there and what goes together; decides on the format. */
static int settle_export(ExportArgs *args, int n_files) {
  if (n_files != 1)
    return cored_cli_usage("export", "expected one model to read", NULL);
  if (!args->output)
    return cored_cli_usage("export", "expected -o FILE", NULL);
  args->onnx |= ends_in_onnx(args->output);
  if (args->onnx && args->layout_name)
    return cored_cli_usage("export", "--layout is for PyTorch files, not for ONNX", NULL);
  if (!args->onnx && args->no_logits)
    return cored_cli_usage("export", "--no-logits is for ONNX; the output does not end in .onnx",
                           NULL);
  return EXIT_DONE;
}

static int command_export(int argc, char **argv) {
  static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                          {"layout", required_argument, NULL, OPT_LAYOUT},
                                          {"onnx", no_argument, NULL, OPT_ONNX},
                                          {"no-logits", no_argument, NULL, OPT_NO_LOGITS},
                                          {"overwrite", no_argument, NULL, OPT_OVERWRITE},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, OPT_VERSION},
                                          {0}};
  ExportArgs args = {.layout = CORED_PTH_STATE_DICT};
  for (int c; (c = getopt_long(argc, argv, "o:qh", options, NULL)) != -1;) {
    if (c == 'h')
      return cored_cli_help(export_help);
    if (c == OPT_VERSION)
      return cored_cli_version();
    if (c == '?')
      return cored_cli_usage("export", "unknown option or missing value", NULL);
    if (c == 'o')
      args.output = optarg;
    args.quiet |= c == 'q';
    args.overwrite |= c == OPT_OVERWRITE;
    args.onnx |= c == OPT_ONNX;
    args.no_logits |= c == OPT_NO_LOGITS;
    if (c == OPT_LAYOUT && set_layout(&args, optarg) != EXIT_DONE)
      return EXIT_USAGE;
  }
  const int status = settle_export(&args, argc - optind);
  return status == EXIT_DONE ? run_export(argv[optind], &args) : status;
}

/* ---- inspect --------------------------------------------------------------------------------- */

static int inspect_file(const char *path, const CoredReadOptions *read, uint64_t max_bytes,
                        bool as_json) {
  json_t *description = cored_inspect(path, read, max_bytes);
  if (!description)
    return cored_cli_fail(path, "NO_MEMORY", "no memory for a description");
  if (as_json) {
    json_dumpf(description, stdout, JSON_COMPACT);
    printf("\n");
  } else {
    cored_inspect_print(description, stdout);
  }
  bool refused = json_object_get(description, "error") != NULL;
  json_decref(description);
  return refused ? EXIT_FAILED : EXIT_DONE;
}

static int inspect_plan(const char *path) {
  CoredError error = {0};
  if (cored_inspect_print_plan(path, stdout, &error))
    return EXIT_DONE;
  cored_cli_fail(path, cored_error_code_name(error.code), error.message);
  cored_cli_advise(cored_advice_for_model(path, &error));
  return EXIT_FAILED;
}

static int run_inspect(const char *argument, const CoredReadOptions *read, uint64_t max_bytes,
                       bool as_json, bool plan) {
  char why[640];
  char *path = cored_model_path_resolve(argument, why, sizeof why);
  const char *file = path ? path : argument;
  const int status = plan ? inspect_plan(file) : inspect_file(file, read, max_bytes, as_json);
  free(path);
  return status;
}

/* An option that --plan, which reads a model as the elements do, has no use for; NULL: none. */
static const char *useless_for_plan(const CoredReadOptions *read, uint64_t max_bytes,
                                    bool as_json) {
  return as_json            ? "--json"
         : read->key        ? "--key"
         : read->ignore_crc ? "--ignore-crc"
         : max_bytes > 0    ? "--max-bytes"
                            : NULL;
}

static int command_inspect(int argc, char **argv) {
  static const struct option options[] = {{"json", no_argument, NULL, OPT_JSON},
                                          {"plan", no_argument, NULL, OPT_PLAN},
                                          {"key", required_argument, NULL, OPT_KEY},
                                          {"ignore-crc", no_argument, NULL, OPT_IGNORE_CRC},
                                          {"max-bytes", required_argument, NULL, OPT_MAX_BYTES},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, OPT_VERSION},
                                          {0}};
  CoredReadOptions read = {0};
  uint64_t max_bytes = 0;
  bool as_json = false, plan = false;
  for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
    if (c == 'h')
      return cored_cli_help(inspect_help);
    if (c == OPT_VERSION)
      return cored_cli_version();
    if (c == '?')
      return cored_cli_usage("inspect", "unknown option or missing value", NULL);
    as_json |= c == OPT_JSON;
    plan |= c == OPT_PLAN;
    read.ignore_crc |= c == OPT_IGNORE_CRC;
    if (c == OPT_KEY)
      read.key = optarg;
    if (c == OPT_MAX_BYTES && !parse_bytes(optarg, &max_bytes))
      return cored_cli_usage("inspect", "expected a number of bytes, found", optarg);
  }
  if (optind == argc)
    return cored_cli_usage("inspect", "expected a file", NULL);
  const char *useless = plan ? useless_for_plan(&read, max_bytes, as_json) : NULL;
  if (useless)
    return cored_cli_usage("inspect", "--plan cannot be combined with", useless);
  int status = EXIT_DONE;
  for (int i = optind; i < argc; i++) {
    if (i > optind && !as_json)
      printf("\n");
    if (run_inspect(argv[i], &read, max_bytes, as_json, plan) != EXIT_DONE)
      status = EXIT_FAILED;
  }
  return status;
}

/* ---- Commands -------------------------------------------------------------------------------- */

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
  } commands[] = {{"import", command_import},   {"export", command_export},
                  {"inspect", command_inspect}, {"keygen", cored_command_keygen},
                  {"sign", cored_command_sign}, {"verify", cored_command_verify}};
  setlocale(LC_CTYPE, "");
  const char *command = argc > 1 ? argv[1] : "";
  if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 || strcmp(command, "help") == 0)
    return cored_cli_help(main_help);
  if (strcmp(command, "--version") == 0)
    return cored_cli_version();
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    if (strcmp(command, commands[i].name) == 0)
      return commands[i].run(argc - 1, argv + 1);
  fprintf(stderr, "%s", main_help);
  return EXIT_USAGE;
}
