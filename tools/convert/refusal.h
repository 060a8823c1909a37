/* SPDX-License-Identifier: MIT
 * Why a foreign weight file is refused. Every way in which a file can be wrong has its own code;
 * the M-numbers are the malformed-file cases the tests are named after. */
#ifndef CORED_CONVERT_REFUSAL_H
#define CORED_CONVERT_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define CORED_REFUSAL_CODES(X)                                                                     \
  X(NONE, "nothing is wrong")                                                                      \
  X(NO_MEMORY, "memory could not be allocated")                                                    \
  X(OPEN, "the file cannot be opened")                                                             \
  X(READ, "reading failed")                                                                        \
  X(WRITE, "writing failed")                                                                       \
  X(NOT_REGULAR, "not a regular file (M02)")                                                       \
  X(FILE_TOO_SMALL, "the file is shorter than any weight file (M01)")                              \
  X(FILE_TOO_LARGE, "the file is larger than the limit (M03)")                                     \
  X(FILE_CHANGED, "the file changed while it was read (M78)")                                      \
  X(FORMAT_UNKNOWN, "not a weight file this program knows (M07)")                                  \
  X(TAR, "a tar container (M56)")                                                                  \
  X(ZIP_NO_END, "no end-of-central-directory record at the end (M42, M06)")                        \
  X(ZIP_END_TWICE, "two end-of-central-directory records (M42)")                                   \
  X(ZIP_COMMENT, "an archive or entry comment (M42)")                                              \
  X(ZIP_STRAY_BYTES, "bytes before, between or after entries belong to none (M42)")                \
  X(ZIP_DIRECTORY, "the central directory is out of place (M43)")                                  \
  X(ZIP_COUNT, "the number of entries is not the stated one (M43)")                                \
  X(ZIP_DISK, "the archive is split over disks (M44)")                                             \
  X(ZIP64, "zip64 fields are malformed or disagree (M44)")                                         \
  X(ZIP_DUPLICATE, "two entries have the same name (M45)")                                         \
  X(ZIP_CASE, "two names differ only in case (M45)")                                               \
  X(ZIP_LOCAL_DIFFERS, "local and central header disagree (M46)")                                  \
  X(ZIP_FLAGS, "an entry is encrypted or has unknown flags (M47)")                                 \
  X(ZIP_METHOD, "an entry is compressed (M48)")                                                    \
  X(ZIP_CRC, "the checksum of an entry is wrong (M49, M05)")                                       \
  X(ZIP_PATH, "the name of an entry is no plain relative path (M50)")                              \
  X(ZIP_SYMLINK, "an entry is a link or a folder (M50)")                                           \
  X(ZIP_OVERLAP, "two entries overlap (M51)")                                                      \
  X(ZIP_TRUNCATED, "a header reaches beyond the file (M04)")                                       \
  X(ZIP_EXTRA, "an extra field is malformed (M46)")                                                \
  X(PTH_NO_PICKLE, "no data.pkl in the archive (M52)")                                             \
  X(PTH_PICKLE_SIZE, "data.pkl is larger than the limit (M52)")                                    \
  X(PTH_TOP_FOLDERS, "the archive has not exactly one top folder (M52)")                           \
  X(PTH_ENTRY, "an entry that no weight file has")                                                 \
  X(PTH_BYTEORDER, "byteorder is neither little nor big (M53)")                                    \
  X(PTH_TORCHSCRIPT, "a TorchScript program, not weights (M54)")                                   \
  X(PTH_WHOLE_MODULE, "a pickled module, not its state dictionary (M54)")                          \
  X(LEGACY_MAGIC, "the magic number of the legacy stream is wrong (M55)")                          \
  X(LEGACY_PROTOCOL, "the legacy stream is not protocol 1001 (M55)")                               \
  X(LEGACY_SYSTEM, "the legacy stream was written on an unusual machine (M55)")                    \
  X(LEGACY_KEYS, "the list of storages differs from those in use (M55)")                           \
  X(LEGACY_STORAGE, "a storage of the legacy stream has the wrong size (M55)")                     \
  X(LEGACY_TRAILING, "bytes follow the last storage (M06)")                                        \
  X(PICKLE_PROTOCOL, "the pickle is not protocol 2 (M57)")                                         \
  X(PICKLE_OPCODE, "the pickle has an opcode that no weight file needs (M57)")                     \
  X(PICKLE_STACK, "the pickle takes from an empty stack (M58)")                                    \
  X(PICKLE_MARK, "the pickle needs a mark that is not there (M58)")                                \
  X(PICKLE_LEFTOVER, "the pickle stops with more than one value (M58)")                            \
  X(PICKLE_NO_STOP, "the pickle ends without STOP (M58)")                                          \
  X(PICKLE_TRAILING, "bytes follow the pickle's STOP (M58)")                                       \
  X(PICKLE_MEMO, "the pickle uses a memo entry out of order (M59)")                                \
  X(PICKLE_TRUNCATED, "an operand reaches beyond the pickle (M60)")                                \
  X(PICKLE_LONG, "a long integer of more than 8 bytes (M60)")                                      \
  X(PICKLE_UTF8, "a string is not UTF-8 (M60)")                                                    \
  X(PICKLE_GLOBAL, "the pickle names something that is no part of weights (M61)")                  \
  X(PICKLE_GLOBAL_NAME, "the name of a global is malformed (M61)")                                 \
  X(PICKLE_CALL, "the pickle calls what is not callable (M62)")                                    \
  X(PICKLE_ARGUMENTS, "wrong number or type of arguments (M62)")                                   \
  X(PICKLE_CONTAINER, "an item is put into what is no such container (M63)")                       \
  X(PICKLE_ODD_ITEMS, "a key without a value (M63)")                                               \
  X(PICKLE_KEY, "a dictionary key of a type that cannot be one (M63)")                             \
  X(PICKLE_BUILD, "state is set on something that has none (M62)")                                 \
  X(PICKLE_LIMIT, "the pickle is larger than any weight file needs (M59)")                         \
  X(STORAGE_ID, "the persistent id is not that of a storage (M64)")                                \
  X(STORAGE_KEY, "the key of a storage is not a plain number (M64)")                               \
  X(STORAGE_TYPE, "unknown type of storage (M64)")                                                 \
  X(STORAGE_SIZE, "a storage has not the size its record has (M65)")                               \
  X(STORAGE_MISSING, "the record of a storage is missing (M65)")                                   \
  X(STORAGE_UNUSED, "a record belongs to no storage (M65)")                                        \
  X(STORAGE_TWICE, "one record is used with two types or sizes (M65)")                             \
  X(TENSOR_BOUNDS, "a tensor reaches beyond its storage (M66)")                                    \
  X(TENSOR_NEGATIVE, "a negative offset, size or stride (M66)")                                    \
  X(TENSOR_SHAPE, "rank or a dimension is out of range, or the product wraps (M19, M20)")          \
  X(TENSOR_EXPANDED, "a tensor has more elements than its storage (M67)")                          \
  X(TENSOR_AMPLIFIED, "many tensors share one storage (M68)")                                      \
  X(TENSOR_KIND, "sparse, quantized, complex or subclassed tensors (M69)")                         \
  X(NOT_STATE_DICT, "no dictionary of named tensors in the file (M54)")                            \
  X(STATE_DICT_AMBIGUOUS, "several dictionaries of tensors to choose from")                        \
  X(TENSOR_NAME, "a tensor name is empty, too long, or not a string (M27, M29, M63)")              \
  X(TENSOR_DUPLICATE, "two tensors have the same name (M15)")                                      \
  X(H5_SIGNATURE, "no HDF5 signature at the start (M70)")                                          \
  X(H5_SUPERBLOCK, "the HDF5 superblock is of an unsupported kind or damaged (M70)")               \
  X(H5_DAMAGED, "the HDF5 library finds the file damaged (M71, M72)")                              \
  X(H5_CRASH, "the HDF5 library crashed or ran out of its limits on the file (M71, M72)")          \
  X(H5_LINK, "a link that is not a hard link (M73)")                                               \
  X(H5_EXTERNAL, "data in another file or a virtual dataset (M73)")                                \
  X(H5_REFERENCE, "references (M73)")                                                              \
  X(H5_SIZE, "more data are declared than the network needs (M74)")                                \
  X(H5_FILTER, "a filter other than deflate, shuffle and Fletcher-32 (M75)")                       \
  X(H5_TYPE, "data that are not plain floating-point numbers (M76)")                               \
  X(H5_DEPTH, "groups are nested too deep or in a cycle (M71)")                                    \
  X(KERAS_LAYOUT, "layer_names or weight_names are missing or malformed (M77)")                    \
  X(KERAS_LAYERS, "the layers are not those of a registered network (M77)")                        \
  X(ONNX_TRUNCATED, "a field reaches beyond its message (M80)")                                    \
  X(ONNX_VARINT, "a number has more than 64 bits (M80)")                                           \
  X(ONNX_WIRE, "a field without a number, or of a type that no ONNX file has (M81)")               \
  X(ONNX_FIELD, "a field is of the wrong type, or of none that its message has (M81)")             \
  X(ONNX_TWICE, "a field that counts once is there twice (M82)")                                   \
  X(ONNX_VERSION, "the version of the format is unknown (M83)")                                    \
  X(ONNX_NO_GRAPH, "there is no graph in the model (M83)")                                         \
  X(ONNX_TEXT, "a text is not UTF-8 or has a NUL in it (M84)")                                     \
  X(ONNX_LIMIT, "more nodes, names or tensors than any network needs (M85)")                       \
  X(ONNX_NODE, "a node without an operator or an output (M86)")                                    \
  X(ONNX_DUPLICATE, "two values, attributes or keys have the same name (M87)")                     \
  X(ONNX_SUBGRAPH, "a graph inside the graph (M88)")                                               \
  X(ONNX_FUNCTION, "operators that the file defines itself (M88)")                                 \
  X(ONNX_SPARSE, "sparse tensors (M89)")                                                           \
  X(ONNX_SEGMENT, "a segment of a tensor (M89)")                                                   \
  X(ONNX_EXTERNAL, "values in another file (M90)")                                                 \
  X(ONNX_DTYPE, "an element type that weights do not have (M91)")                                  \
  X(ONNX_DATA, "a tensor has not the values that its shape needs (M92)")                           \
  X(ONNX_FOLDED, "weights without names, because the exporter folded the batch norms (M93)")       \
  X(MODEL_KIND, "a network that finds faces where a classifier is needed")                         \
  X(UNSUPPORTED, "this build was made without support for the format")                             \
  X(NETWORK_UNKNOWN, "no registered network has these parameters")                                 \
  X(PARAMETERS, "parameters are missing, unknown, misshapen or of the wrong type (M30-M32)")       \
  X(SETTINGS, "labels or other settings do not fit the network")                                   \
  X(ENGINE, "the engine refused the model")

typedef enum CoredRefusalCode {
#define CORED_REFUSAL_ENUM(name, text) CORED_REFUSAL_##name,
  CORED_REFUSAL_CODES(CORED_REFUSAL_ENUM)
#undef CORED_REFUSAL_ENUM
      CORED_N_REFUSAL_CODES
} CoredRefusalCode;

typedef struct CoredRefusal {
  CoredRefusalCode code;
  char message[1024]; /* control characters escaped */
} CoredRefusal;

/* Set code and message; a refusal that is already set stays: the first cause counts. Returns
 * false, so that `return cored_refuse(...)` reads well. refusal may not be NULL. */
bool cored_refuse(CoredRefusal *refusal, CoredRefusalCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A refusal out of an engine's error; codes for files are kept, others become ENGINE. */
bool cored_refuse_error(CoredRefusal *refusal, const CoredError *error);

/* "ZIP_CRC" for CORED_REFUSAL_ZIP_CRC; never NULL. */
const char *cored_refusal_code_name(CoredRefusalCode code);

#endif /* CORED_CONVERT_REFUSAL_H */
