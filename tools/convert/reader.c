/* SPDX-License-Identifier: MIT
 * Reading a foreign weight file of any known format. */
#include "tools/convert/reader.h"

#include "tools/convert/h5.h"

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
    {MAGIC(0, "\x1f\x8b"), CORED_FORMAT_UNKNOWN, "gzip"},
    {MAGIC(0, "\x7f"
              "ELF"),
     CORED_FORMAT_UNKNOWN, "ELF program"},
    {MAGIC(0, "\x93NUMPY"), CORED_FORMAT_UNKNOWN, "NumPy array"},
    {MAGIC(0, "GGUF"), CORED_FORMAT_UNKNOWN, "GGUF"},
    {MAGIC(4, "TFL3"), CORED_FORMAT_UNKNOWN, "TensorFlow Lite"},
    {MAGIC(0, "BZh"), CORED_FORMAT_UNKNOWN, "bzip2"},
    {MAGIC(0, "\xfd"
              "7zXZ"),
     CORED_FORMAT_UNKNOWN, "xz"},
    {MAGIC(8, "{"), CORED_FORMAT_SAFETENSORS, "safetensors"},
};

CoredFormat cored_format_of(const CoredBytes *bytes, CoredRefusal *refusal) {
  for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
    const Magic *m = &magics[i];
    if (bytes->size < m->offset + m->length ||
        memcmp(bytes->data + m->offset, m->bytes, m->length) != 0)
      continue;
    if (m->offset == 257)
      cored_refuse(refusal, CORED_REFUSAL_TAR,
                   "a tar container, as PyTorch before 0.1.11 wrote it; it is not read");
    else if (m->format == CORED_FORMAT_UNKNOWN)
      cored_refuse(refusal, CORED_REFUSAL_FORMAT_UNKNOWN, "this looks like %s, not like weights",
                   m->name);
    return m->format;
  }
  cored_refuse(refusal, CORED_REFUSAL_FORMAT_UNKNOWN,
               "neither a PyTorch file nor HDF5 (first bytes %02x %02x %02x %02x)", bytes->data[0],
               bytes->data[1], bytes->data[2], bytes->data[3]);
  return CORED_FORMAT_UNKNOWN;
}

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
    return cored_safetensors_read(bytes, file, refusal);
  case CORED_FORMAT_UNKNOWN:
    break;
  }
  return false;
}
