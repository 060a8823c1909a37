/* SPDX-License-Identifier: MIT
 * What to do about a weight file that is refused. */
#include "tools/convert/advice.h"

#include <stdio.h>
#include <string.h>

#define PYTHON "python3 -c \"import torch; "
#define LOAD "torch.load('FILE', map_location='cpu', weights_only=False)"

/* ---- By code --------------------------------------------------------------------------------- */

const char *cored_advice(CoredRefusalCode code) {
  switch (code) {
  case CORED_REFUSAL_NONE:
  case CORED_N_REFUSAL_CODES:
    return "nothing has to be done";
  case CORED_REFUSAL_NO_MEMORY:
    return "free memory, or run this on a machine with more of it";
  case CORED_REFUSAL_OPEN:
  case CORED_REFUSAL_READ:
  case CORED_REFUSAL_NOT_REGULAR:
    return "check the name; it has to be a file that you may read";
  case CORED_REFUSAL_WRITE:
    return "check that the folder exists, is yours to write in and has room";
  case CORED_REFUSAL_FILE_TOO_LARGE:
    return "if it really is a weight file, allow its size with --max-bytes=N";
  case CORED_REFUSAL_FILE_CHANGED:
    return "wait until whoever writes the file is done, then try again";
  case CORED_REFUSAL_FILE_TOO_SMALL:
  case CORED_REFUSAL_ZIP_NO_END:
  case CORED_REFUSAL_ZIP_TRUNCATED:
  case CORED_REFUSAL_ZIP_CRC:
  case CORED_REFUSAL_ZIP_DIRECTORY:
  case CORED_REFUSAL_LEGACY_STORAGE:
  case CORED_REFUSAL_LEGACY_TRAILING:
  case CORED_REFUSAL_PICKLE_TRUNCATED:
  case CORED_REFUSAL_PICKLE_NO_STOP:
  case CORED_REFUSAL_STORAGE_MISSING:
  case CORED_REFUSAL_STORAGE_SIZE:
  case CORED_REFUSAL_H5_SIGNATURE:
  case CORED_REFUSAL_H5_SUPERBLOCK:
  case CORED_REFUSAL_H5_DAMAGED:
  case CORED_REFUSAL_H5_CRASH:
  case CORED_REFUSAL_ONNX_TRUNCATED:
    return "the file is damaged or cut short: compare its size with the source's and get it again";
  case CORED_REFUSAL_FORMAT_UNKNOWN:
  case CORED_REFUSAL_TAR:
  case CORED_REFUSAL_UNSUPPORTED:
    return "read are files of torch.save (.pth, .pt, .ckpt), Keras HDF5 files (.h5), ONNX models "
           "and safetensors";
  case CORED_REFUSAL_PTH_NO_PICKLE:
  case CORED_REFUSAL_PTH_PICKLE_SIZE:
  case CORED_REFUSAL_PTH_TOP_FOLDERS:
  case CORED_REFUSAL_PTH_ENTRY:
  case CORED_REFUSAL_PTH_BYTEORDER:
  case CORED_REFUSAL_ZIP_END_TWICE:
  case CORED_REFUSAL_ZIP_COMMENT:
  case CORED_REFUSAL_ZIP_STRAY_BYTES:
  case CORED_REFUSAL_ZIP_COUNT:
  case CORED_REFUSAL_ZIP_DISK:
  case CORED_REFUSAL_ZIP64:
  case CORED_REFUSAL_ZIP_DUPLICATE:
  case CORED_REFUSAL_ZIP_CASE:
  case CORED_REFUSAL_ZIP_LOCAL_DIFFERS:
  case CORED_REFUSAL_ZIP_FLAGS:
  case CORED_REFUSAL_ZIP_METHOD:
  case CORED_REFUSAL_ZIP_PATH:
  case CORED_REFUSAL_ZIP_SYMLINK:
  case CORED_REFUSAL_ZIP_OVERLAP:
  case CORED_REFUSAL_ZIP_EXTRA:
    return "torch.save writes no such archive; if it holds another file, unpack it, and if it was "
           "packed again, save the weights again: torch.save(model.state_dict(), 'weights.pth')";
  case CORED_REFUSAL_PTH_TORCHSCRIPT:
    return PYTHON "torch.save(torch.jit.load('FILE', 'cpu').state_dict(), 'weights.pth')\", if you "
                  "trust where the file comes from";
  case CORED_REFUSAL_PTH_WHOLE_MODULE:
  case CORED_REFUSAL_PICKLE_GLOBAL:
  case CORED_REFUSAL_PICKLE_CALL:
    return "save the tensors alone, where the program that wrote the file can be imported and if "
           "you trust where it comes from: " PYTHON "torch.save(" LOAD
           ".state_dict(), 'weights.pth')\"";
  case CORED_REFUSAL_LEGACY_MAGIC:
  case CORED_REFUSAL_LEGACY_PROTOCOL:
  case CORED_REFUSAL_LEGACY_SYSTEM:
  case CORED_REFUSAL_LEGACY_KEYS:
  case CORED_REFUSAL_PICKLE_PROTOCOL:
  case CORED_REFUSAL_PICKLE_OPCODE:
  case CORED_REFUSAL_PICKLE_STACK:
  case CORED_REFUSAL_PICKLE_MARK:
  case CORED_REFUSAL_PICKLE_LEFTOVER:
  case CORED_REFUSAL_PICKLE_TRAILING:
  case CORED_REFUSAL_PICKLE_MEMO:
  case CORED_REFUSAL_PICKLE_LONG:
  case CORED_REFUSAL_PICKLE_UTF8:
  case CORED_REFUSAL_PICKLE_GLOBAL_NAME:
  case CORED_REFUSAL_PICKLE_ARGUMENTS:
  case CORED_REFUSAL_PICKLE_CONTAINER:
  case CORED_REFUSAL_PICKLE_ODD_ITEMS:
  case CORED_REFUSAL_PICKLE_KEY:
  case CORED_REFUSAL_PICKLE_BUILD:
  case CORED_REFUSAL_PICKLE_LIMIT:
  case CORED_REFUSAL_STORAGE_ID:
  case CORED_REFUSAL_STORAGE_KEY:
  case CORED_REFUSAL_STORAGE_TYPE:
  case CORED_REFUSAL_STORAGE_UNUSED:
  case CORED_REFUSAL_STORAGE_TWICE:
  case CORED_REFUSAL_TENSOR_BOUNDS:
  case CORED_REFUSAL_TENSOR_NEGATIVE:
  case CORED_REFUSAL_TENSOR_SHAPE:
  case CORED_REFUSAL_TENSOR_EXPANDED:
  case CORED_REFUSAL_TENSOR_AMPLIFIED:
  case CORED_REFUSAL_TENSOR_NAME:
    return "torch.save writes nothing like it for a dictionary of tensors: the file is damaged, "
           "was "
           "made by another program or by hand; save the weights again with "
           "torch.save(model.state_dict(), 'weights.pth')";
  case CORED_REFUSAL_TENSOR_KIND:
    return "save plain tensors: torch.save({k: v.detach().cpu().float() for k, v in "
           "model.state_dict().items()}, 'weights.pth')";
  case CORED_REFUSAL_NOT_STATE_DICT:
  case CORED_REFUSAL_STATE_DICT_AMBIGUOUS:
    return "'cored-convert inspect FILE' shows what is there; --key=NAME takes the dictionary "
           "under "
           "that key, --strip=PREFIX the tensors whose names begin so";
  case CORED_REFUSAL_TENSOR_DUPLICATE:
    return "leave one of them out with --drop=PATTERN, which is compared with the names that "
           "'cored-convert inspect' prints";
  case CORED_REFUSAL_H5_LINK:
  case CORED_REFUSAL_H5_EXTERNAL:
  case CORED_REFUSAL_H5_REFERENCE:
  case CORED_REFUSAL_H5_SIZE:
  case CORED_REFUSAL_H5_FILTER:
  case CORED_REFUSAL_H5_TYPE:
  case CORED_REFUSAL_H5_DEPTH:
  case CORED_REFUSAL_KERAS_LAYOUT:
    return "write the model from Keras again: model.save('weights.h5') writes what is read here, "
           "with any version of Keras; weights alone (.weights.h5) are loaded into the model "
           "first, "
           "with model.load_weights('FILE')";
  case CORED_REFUSAL_KERAS_LAYERS:
    return "Keras files are read of Meso-4 and MesoInception-4 only; weights of other networks "
           "have "
           "to come from PyTorch";
  case CORED_REFUSAL_ONNX_EXTERNAL:
    return "write the model into one file: in Python, onnx.save(onnx.load('FILE'), 'one.onnx')";
  case CORED_REFUSAL_ONNX_SUBGRAPH:
  case CORED_REFUSAL_ONNX_FUNCTION:
  case CORED_REFUSAL_ONNX_SPARSE:
  case CORED_REFUSAL_ONNX_SEGMENT:
  case CORED_REFUSAL_ONNX_DTYPE:
  case CORED_REFUSAL_ONNX_LIMIT:
  case CORED_REFUSAL_ONNX_FOLDED:
    return "import the PyTorch weights (.pth) that the model was exported from; or export it again "
           "in float32 and with its names: torch.onnx.export(model, x, 'model.onnx', "
           "training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False, dynamo=False)";
  case CORED_REFUSAL_ONNX_VARINT:
  case CORED_REFUSAL_ONNX_WIRE:
  case CORED_REFUSAL_ONNX_FIELD:
  case CORED_REFUSAL_ONNX_TWICE:
  case CORED_REFUSAL_ONNX_VERSION:
  case CORED_REFUSAL_ONNX_NO_GRAPH:
  case CORED_REFUSAL_ONNX_TEXT:
  case CORED_REFUSAL_ONNX_NODE:
  case CORED_REFUSAL_ONNX_DUPLICATE:
  case CORED_REFUSAL_ONNX_DATA:
    return "no exporter writes such a file: it is damaged, of a version that is not known yet, or "
           "no ONNX model; get it again, or import the PyTorch weights that it was exported from";
  case CORED_REFUSAL_MODEL_KIND:
    return "take the weights of a detector of fakes; 'cored-convert import' makes of these a model "
           "for "
           "face-model of coreddetect";
  case CORED_REFUSAL_NETWORK_UNKNOWN:
  case CORED_REFUSAL_PARAMETERS:
    return "name the network with --network, and change names with --strip, --rename and --drop; "
           "'cored-convert inspect FILE' prints them";
  case CORED_REFUSAL_SETTINGS:
    return "'cored-convert import --help' lists the options";
  case CORED_REFUSAL_ENGINE:
    return "the weights themselves cannot be used; check --input-size, and that the file is the "
           "one "
           "that was meant";
  }
  return "get the file again from where it comes";
}

/* ---- Pickles --------------------------------------------------------------------------------- */

static bool starts(const char *text, const char *start) {
  return strncmp(text, start, strlen(start)) == 0;
}

static bool is_allowed(const char *global) {
  const char *dot = strrchr(global, '.');
  return dot && cored_global_find((const uint8_t *)global, (size_t)(dot - global),
                                  (const uint8_t *)dot + 1, strlen(dot + 1));
}

/* The names that were refused: those that the survey found, else the one in the refusal's text. */
static bool list_refused(const CoredLooseFile *file, const char *message, CoredLines *names) {
  for (size_t i = 0; i < file->globals.n; i++)
    if (!is_allowed(file->globals.line[i]) && !cored_lines_add(names, "%s", file->globals.line[i]))
      return false;
  const char *quote = strstr(message, "asks for '");
  if (names->n > 0 || !quote)
    return true;
  quote += strlen("asks for '");
  return cored_lines_add(names, "%.*s", (int)strcspn(quote, "'"), quote);
}

static size_t count_starting(const CoredLines *names, const char *const *starting) {
  size_t n = 0;
  for (size_t i = 0; i < names->n; i++) {
    const char *const *s = starting;
    while (*s && !starts(names->line[i], *s))
      s++;
    n += *s != NULL;
  }
  return n;
}

/* Names with which a pickle runs programs, reads files or opens connections. */
static const char *const hostile[] = {
    "os.",       "posix.",     "nt.",        "subprocess.",      "builtins.", "__builtin__.",
    "sys.",      "runpy.",     "importlib.", "socket.",          "shutil.",   "pty.",
    "commands.", "ctypes.",    "requests.",  "urllib",           "http.",     "webbrowser.",
    "pickle.",   "marshal.",   "code.",      "codeop.",          "pip.",      "pdb.",
    "timeit.",   "asyncio.",   "platform.",  "tempfile.",        "operator.", "functools.",
    "torch.hub", "torch.load", "bdb.",       "multiprocessing.", NULL};

/* Settings, paths and numbers that training programs keep beside the weights. */
static const char *const harmless[] = {"argparse.",
                                       "types.SimpleNamespace",
                                       "omegaconf.",
                                       "pathlib.",
                                       "numpy.",
                                       "easydict.",
                                       "yacs.",
                                       "addict.",
                                       "ml_collections.",
                                       "collections.",
                                       "pytorch_lightning",
                                       "lightning",
                                       "datetime.",
                                       "typing.",
                                       "enum.",
                                       "decimal.",
                                       "copyreg._reconstructor",
                                       "uuid.",
                                       "torch.torch_version",
                                       "torch.optim",
                                       NULL};

static void advise_beside(const CoredLooseFile *file, const CoredLines *names, char *out,
                          size_t size) {
  const char *more = names->n > 1 ? ", ..." : "";
  if (file->taken[0] && !strpbrk(file->taken, "'\"\\$`"))
    snprintf(out, size,
             "the weights lie beside other objects (%.100s%s); if you trust where the file comes "
             "from, save them alone: " PYTHON "torch.save(" LOAD "['%s'], 'weights.pth')\"",
             names->line[0], more, file->taken);
  else
    snprintf(out, size,
             "the weights lie beside other objects (%.100s%s); if you trust where the file comes "
             "from, save them alone: " PYTHON "torch.save(" LOAD "['KEY'], 'weights.pth')\", with "
             "the key of the weights ('state_dict' or 'model', mostly)",
             names->line[0], more);
}

static void advise_pickle(const CoredLooseFile *file, const CoredRefusal *refusal,
                          const CoredLines *names, char *out, size_t size) {
  if (names->n > 0 && count_starting(names, hostile) > 0)
    snprintf(out, size,
             "the file would run a program or open files when Python loads it: do not "
             "load it there, and get the weights from somebody you trust");
  else if (refusal->code != CORED_REFUSAL_PTH_WHOLE_MODULE && names->n > 0 &&
           (file->n_tensors > 0 || count_starting(names, harmless) == names->n))
    advise_beside(file, names, out, size);
  else
    snprintf(out, size, "the file holds a whole object of a Python program (%.100s); %s",
             names->n > 0 ? names->line[0] : "its class is not named",
             cored_advice(CORED_REFUSAL_PTH_WHOLE_MODULE));
}

/* What is wrong with a tensor has the same codes in all formats, but not the same remedy. */
static bool is_onnx_tensor(const CoredBytes *bytes, CoredRefusalCode code) {
  CoredRefusal unknown = {0};
  return (code == CORED_REFUSAL_TENSOR_SHAPE || code == CORED_REFUSAL_TENSOR_NEGATIVE ||
          code == CORED_REFUSAL_TENSOR_NAME) &&
         cored_format_of(bytes, &unknown) == CORED_FORMAT_ONNX;
}

const char *cored_advice_for(const CoredBytes *bytes, const CoredReadOptions *options,
                             const CoredRefusal *refused, char *out, size_t size) {
  if (is_onnx_tensor(bytes, refused->code))
    return cored_advice(CORED_REFUSAL_ONNX_DATA);
  if (refused->code != CORED_REFUSAL_PICKLE_GLOBAL &&
      refused->code != CORED_REFUSAL_PTH_WHOLE_MODULE)
    return cored_advice(refused->code);
  CoredReadOptions survey = *options;
  CoredLooseFile file = {0};
  CoredRefusal refusal = {0};
  CoredLines names = {0};
  survey.survey = true;
  cored_reader_read(bytes, &survey, 0, &file, &refusal);
  const bool ok = list_refused(&file, refused->message, &names);
  if (ok)
    advise_pickle(&file, refused, &names, out, size);
  cored_lines_clear(&names);
  cored_loose_clear(&file);
  return ok ? out : cored_advice(refused->code);
}

/* ---- Models ---------------------------------------------------------------------------------- */

const char *cored_advice_for_error(const CoredError *error) {
  switch (error->code) {
  case CORED_ERROR_SIGNATURE_MISSING:
    return "sign it with 'cored-convert sign', if you know where it comes from";
  case CORED_ERROR_SIGNATURE:
    return "the model was changed after it was signed: get it again";
  case CORED_ERROR_SIGNATURE_KEY:
    return "add the public key to the list of trusted keys, if you trust its owner";
  case CORED_ERROR_METADATA_MISSING:
    return "plain safetensors become a model with 'cored-convert import FILE -o MODEL.safetensors'";
  case CORED_ERROR_MODEL_KIND:
    return "take a model that says fake or real; one that finds faces is for face-model of "
           "coreddetect";
  case CORED_ERROR_VERSION:
  case CORED_ERROR_NETWORK_UNKNOWN:
    return "a newer version of these programs may read it";
  default:
    break;
  }
  CoredRefusal refusal = {0};
  cored_refuse_error(&refusal, error);
  return refusal.code == CORED_REFUSAL_ENGINE ? "the file is damaged, cut short or not what it "
                                                "seems: get it again, or let its trainer "
                                                "write it again"
                                              : cored_advice(refusal.code);
}

const char *cored_advice_for_model(const char *path, const CoredError *error) {
  CoredBytes bytes;
  CoredRefusal refusal = {0};
  if (!cored_input_read(path, CORED_READER_MAX_BYTES, &bytes, &refusal))
    return cored_advice_for_error(error);
  const CoredFormat format = cored_format_of(&bytes, &refusal);
  cored_bytes_clear(&bytes);
  if (format == CORED_FORMAT_UNKNOWN)
    return "this is no weight file; 'cored-convert inspect FILE' says what it looks like";
  return format == CORED_FORMAT_SAFETENSORS
             ? cored_advice_for_error(error)
             : "these are weights of another program; make a model of them with 'cored-convert "
               "import FILE -o MODEL.safetensors'";
}
