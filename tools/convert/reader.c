/* SPDX-License-Identifier: MIT
 * Reading a foreign weight file of any known format. */
#include "tools/convert/reader.h"

#include <string.h>
#include <strings.h>

#include "model/safetensors.h"
#include "tools/convert/h5.h"
#include "tools/convert/onnx.h"

/* The shortest input that any of the readers could accept is longer; this only keeps empty files
 * and scraps from being called an unknown format. */
#define SMALLEST 8

bool cored_input_read(const char *path, uint64_t max, CoredBytes *bytes, CoredRefusal *refusal) {
  CoredError error = {0};
  return cored_file_read(path, SMALLEST, max, NULL, bytes, &error) ||
         cored_refuse_error(refusal, &error);
}

typedef struct Magic {
  size_t offset;
  const char *bytes;
  size_t length;
  CoredFormat format;
  const char *name;
} Magic;

#define MAGIC(offset, bytes) (offset), (bytes), sizeof(bytes) - 1

static const Magic magics[] = {
    {MAGIC(0, "\x89HDF\r\n\x1a\n"), CORED_FORMAT_H5, "HDF5"},
    {MAGIC(0, "PK\x03\x04"), CORED_FORMAT_PTH_ZIP, "PyTorch zip"},
    {MAGIC(0, "PK\x05\x06"), CORED_FORMAT_PTH_ZIP, "empty zip"},
    {MAGIC(0, "\x80\x02"), CORED_FORMAT_PTH_LEGACY, "PyTorch legacy stream"},
    {MAGIC(0, "\x80\x03"), CORED_FORMAT_PTH_LEGACY, "pickle"},
    {MAGIC(0, "\x80\x04"), CORED_FORMAT_PTH_LEGACY, "pickle"},
    {MAGIC(0, "\x80\x05"), CORED_FORMAT_PTH_LEGACY, "pickle"},
    {MAGIC(257, "ustar"), CORED_FORMAT_UNKNOWN, "tar"},
    {MAGIC(0, "\x1f\x8b"), CORED_FORMAT_UNKNOWN, "gzip, not like weights: unpack it (gunzip)"},
    {MAGIC(0, "\x7f"
              "ELF"),
     CORED_FORMAT_UNKNOWN, "ELF program, not like weights"},
    {MAGIC(0, "\x93NUMPY"), CORED_FORMAT_UNKNOWN,
     "NumPy array, not like weights: save them with torch.save"},
    {MAGIC(0, "GGUF"), CORED_FORMAT_UNKNOWN, "GGUF, not like weights of a picture network"},
    {MAGIC(4, "TFL3"), CORED_FORMAT_UNKNOWN,
     "TensorFlow Lite, which is not read: get the weights from the model that it was made of"},
    {MAGIC(0, "BZh"), CORED_FORMAT_UNKNOWN, "bzip2, not like weights: unpack it (bunzip2)"},
    {MAGIC(0, "\xfd"
              "7zXZ"),
     CORED_FORMAT_UNKNOWN, "xz, not like weights: unpack it (unxz)"},
    {MAGIC(0, "7z\xbc\xaf\x27\x1c"), CORED_FORMAT_UNKNOWN,
     "7-Zip, not like weights: unpack it (7z x)"},
    {MAGIC(0, "Rar!\x1a\x07"), CORED_FORMAT_UNKNOWN, "RAR, not like weights: unpack it"},
    {MAGIC(0, "\x28\xb5\x2f\xfd"), CORED_FORMAT_UNKNOWN,
     "Zstandard, not like weights: unpack it (unzstd)"},
    {MAGIC(0, "\xff\xd8\xff"), CORED_FORMAT_UNKNOWN, "JPEG picture, not like weights"},
    {MAGIC(0, "\x89PNG"), CORED_FORMAT_UNKNOWN, "PNG picture, not like weights"},
    {MAGIC(0, "%PDF"), CORED_FORMAT_UNKNOWN, "PDF, not like weights"},
    {MAGIC(4, "ftyp"), CORED_FORMAT_UNKNOWN, "MP4 video, not like weights"},
    {MAGIC(0, "version https://git-lfs"), CORED_FORMAT_UNKNOWN,
     "Git LFS pointer, which stands for the file in the repository: fetch the file itself with "
     "'git "
     "lfs pull'"},
    {MAGIC(8, "{"), CORED_FORMAT_SAFETENSORS, "safetensors"},
};

/* ---- Files of no fixed first bytes ----------------------------------------------------------- */

/* A header's length before the '{' of a safetensors file: no text, and no protocol buffer. */
static bool is_length(const CoredBytes *bytes) {
  return bytes->size > 8 && bytes->data[8] == '{' && memchr(bytes->data, 0, 8);
}

static bool text_starts(const CoredBytes *bytes, const char *start) {
  size_t at = 0;
  while (at < bytes->size && strchr(" \t\r\n\xef\xbb\xbf", bytes->data[at]) && bytes->data[at])
    at++;
  return bytes->size - at >= strlen(start) &&
         strncasecmp((const char *)bytes->data + at, start, strlen(start)) == 0;
}

/* The name of a zip's first entry begins with name. */
static bool zip_starts(const CoredBytes *bytes, const char *name) {
  const size_t length = strlen(name);
  return bytes->size > 30 + length && memcmp(bytes->data, "PK\x03\x04", 4) == 0 &&
         memcmp(bytes->data + 30, name, length) == 0;
}

/* The first entry's name ends in ".npy": what numpy.savez writes. */
static bool zip_of_arrays(const CoredBytes *bytes) {
  if (bytes->size < 34 || memcmp(bytes->data, "PK\x03\x04", 4) != 0)
    return false;
  const size_t length = cored_le16(bytes->data + 26);
  return length > 4 && bytes->size > 30 + length &&
         memcmp(bytes->data + 30 + length - 4, ".npy", 4) == 0;
}

/* A message of protocol buffers that begins with a small number as field 1, then a text, a message
 * or a number as one of the next fields. */
static bool is_protobuf(const CoredBytes *bytes) {
  const uint8_t *b = bytes->data;
  return bytes->size >= 4 && b[0] == 0x08 && b[1] >= 1 && b[1] <= 32 &&
         (b[2] == 0x12 || b[2] == 0x1a || b[2] == 0x22 || b[2] == 0x28 || b[2] == 0x32 ||
          b[2] == 0x3a || b[2] == 0x42);
}

/* ModelProto begins with ir_version, which was 3 in 2017; then the producer (2, 3), domain,
 * version and description (4 to 6), the graph (7) or the operators' versions (8). A SavedModel of
 * TensorFlow begins alike, with a 1. */
static bool is_onnx(const CoredBytes *bytes) {
  return is_protobuf(bytes) && bytes->data[1] >= 3 && !is_length(bytes);
}

/* What a file is that is none of ours, and what to do about it; NULL when nobody knows. */
static const char *odd_format(const CoredBytes *bytes) {
  if (zip_starts(bytes, "metadata.json") || zip_starts(bytes, "config.json") ||
      zip_starts(bytes, "model.weights.h5"))
    return "a Keras 3 archive (.keras), which does not name the layers of its weights: in Python, "
           "keras.saving.load_model('FILE').save('weights.h5') writes what is read here";
  if (zip_of_arrays(bytes))
    return "a NumPy archive (.npz), which is not read: in Python, torch.save({k: torch.tensor(v) "
           "for k, v in numpy.load('FILE').items()}, 'weights.pth')";
  if (text_starts(bytes, "<!doctype") || text_starts(bytes, "<html") || text_starts(bytes, "<head"))
    return "a web page, not the file that was meant: a page about the file, a login or an error; "
           "use the link to the file itself ('raw', 'download')";
  if (text_starts(bytes, "<?xml") || text_starts(bytes, "<error"))
    return "an XML text, perhaps the error of a download: open it with a text editor, then get the "
           "file again";
  if (is_length(bytes))
    return NULL;
  if (text_starts(bytes, "{") || text_starts(bytes, "["))
    return "a JSON text, perhaps a model's settings or the error of a download; the weights are "
           "another file";
  if (is_protobuf(bytes) && !is_onnx(bytes))
    return "a SavedModel of TensorFlow or another file of protocol buffers, which is not read: get "
           "the weights from the model that it was made of";
  return NULL;
}

CoredFormat cored_format_of(const CoredBytes *bytes, CoredRefusal *refusal) {
  const char *odd = bytes->size > 0 ? odd_format(bytes) : NULL;
  if (is_onnx(bytes))
    return CORED_FORMAT_ONNX;
  for (size_t i = 0; !odd && i < sizeof magics / sizeof *magics; i++) {
    const Magic *m = &magics[i];
    if (bytes->size < m->offset + m->length ||
        memcmp(bytes->data + m->offset, m->bytes, m->length) != 0)
      continue;
    if (m->offset == 257)
      cored_refuse(refusal, CORED_REFUSAL_TAR,
                   "a tar container, as PyTorch before 0.1.11 wrote it; it is not read");
    else if (m->format == CORED_FORMAT_UNKNOWN)
      cored_refuse(refusal, CORED_REFUSAL_FORMAT_UNKNOWN, "this looks like %s", m->name);
    return m->format;
  }
  if (odd)
    cored_refuse(refusal, CORED_REFUSAL_FORMAT_UNKNOWN, "this looks like %s", odd);
  else
    cored_refuse(
        refusal, CORED_REFUSAL_FORMAT_UNKNOWN,
        "neither a PyTorch file nor HDF5, ONNX or safetensors (first bytes %02x %02x %02x %02x)",
        bytes->data[0], bytes->data[1], bytes->data[2], bytes->data[3]);
  return CORED_FORMAT_UNKNOWN;
}

/* ---- Safetensors that were not written by us: only names, shapes and values -------------------
 */

static CoredScalar scalar_of(CoredDtype dtype) {
  for (int s = 0; s < CORED_N_SCALARS; s++) {
    CoredDtype other;
    if (cored_scalar_to_dtype((CoredScalar)s, &other) && other == dtype)
      return (CoredScalar)s;
  }
  return CORED_SCALAR_I64;
}

static bool add_tensor(CoredLooseFile *file, const CoredTensorView *view, CoredRefusal *refusal) {
  CoredLoose *tensor = cored_loose_add(file, view->name, strlen(view->name));
  if (!tensor)
    return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for tensors");
  tensor->scalar = scalar_of(view->dtype);
  tensor->rank = view->rank;
  tensor->data = view->data;
  tensor->count = 1;
  for (int i = view->rank - 1; i >= 0; i--) {
    tensor->dims[i] = view->dims[i];
    tensor->strides[i] = (int64_t)tensor->count;
    tensor->count *= (size_t)view->dims[i]; /* checked by the parser against the file's size */
  }
  return true;
}

static bool read_safetensors(const CoredBytes *bytes, CoredLooseFile *file, CoredRefusal *refusal) {
  file->format = "safetensors";
  CoredSafetensors st = {0};
  CoredError error = {0};
  if (!cored_safetensors_parse(&st, bytes->data, bytes->size, "file", &error))
    return cored_refuse_error(refusal, &error);
  bool ok = !cored_safetensors_entry(&st, "cored.format") ||
            cored_refuse(refusal, CORED_REFUSAL_FORMAT_UNKNOWN,
                         "this is a model of this project already, there is nothing to import");
  for (size_t i = 0; i < st.n_metadata; i++)
    cored_hints_text(st.metadata[i].key, st.metadata[i].value, &file->hints);
  for (size_t i = 0; i < st.n_tensors && ok; i++)
    ok = add_tensor(file, &st.tensors[i], refusal);
  cored_safetensors_clear(&st);
  return ok;
}

/* ---- Any format --------------------------------------------------------------------------------
 */

bool cored_reader_read(const CoredBytes *bytes, const CoredReadOptions *options, size_t max_data,
                       CoredLooseFile *file, CoredRefusal *refusal) {
  switch (cored_format_of(bytes, refusal)) {
  case CORED_FORMAT_PTH_ZIP:
    return cored_pth_zip_read(bytes, options, file, refusal);
  case CORED_FORMAT_PTH_LEGACY:
    return cored_pth_legacy_read(bytes, options, file, refusal);
  case CORED_FORMAT_H5:
#ifdef CORED_HAVE_HDF5
    return cored_h5_read(bytes, max_data, file, refusal);
#else
    (void)max_data;
    return cored_refuse(refusal, CORED_REFUSAL_UNSUPPORTED,
                        "an HDF5 file; this program was built without HDF5");
#endif
  case CORED_FORMAT_SAFETENSORS:
    return read_safetensors(bytes, file, refusal);
  case CORED_FORMAT_ONNX:
    return cored_onnx_read_weights(bytes, file, refusal);
  case CORED_FORMAT_UNKNOWN:
    break;
  }
  return false;
}
