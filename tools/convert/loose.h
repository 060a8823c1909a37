/* SPDX-License-Identifier: MIT
 * Element types of tensors in foreign files, and tensors as a reader finds them. */
#ifndef CORED_CONVERT_LOOSE_H
#define CORED_CONVERT_LOOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cored.h"
#include "model/metadata.h"
#include "tools/convert/hints.h"
#include "tools/convert/refusal.h"
#include "tools/convert/lines.h"

#define CORED_LOOSE_MAX_RANK 8
#define CORED_LOOSE_MAX_TENSORS 65536
#define CORED_LOOSE_NAME_SIZE 512

typedef enum CoredScalar {
  CORED_SCALAR_F32,
  CORED_SCALAR_F64,
  CORED_SCALAR_F16,
  CORED_SCALAR_BF16,
  CORED_SCALAR_I64,
  CORED_SCALAR_I32,
  CORED_SCALAR_I16,
  CORED_SCALAR_I8,
  CORED_SCALAR_U8,
  CORED_SCALAR_BOOL,
  CORED_N_SCALARS
} CoredScalar;

const char *cored_scalar_name(CoredScalar scalar); /* "F32", as in safetensors */
size_t cored_scalar_size(CoredScalar scalar);      /* bytes */
/* False for a type that the engine's models cannot be made of. */
bool cored_scalar_to_dtype(CoredScalar scalar, CoredDtype *dtype);

/* A tensor somewhere in a file that was read: shape and strides were checked against the data. */
typedef struct CoredLoose {
  char *name; /* UTF-8 without NUL; control characters possible */
  CoredScalar scalar;
  int rank;
  int64_t dims[CORED_LOOSE_MAX_RANK], strides[CORED_LOOSE_MAX_RANK]; /* strides in elements */
  size_t count;
  const uint8_t *data; /* first element; not necessarily aligned */
  bool swapped;        /* big endian */
  bool stripped;       /* the user took a beginning off its name (names.c) */
  bool used;           /* is a parameter of the network (match.c) */
} CoredLoose;

/* What a weight file holds, whatever its format. */
typedef struct CoredLooseFile {
  const char *format;  /* "PyTorch zip", "PyTorch legacy stream", "Keras HDF5" */
  CoredLoose *tensors; /* in the order of the file */
  size_t n_tensors, capacity;
  CoredLines globals;     /* names that the pickle asks for */
  CoredLines refused;     /* what was refused; only when the file was surveyed */
  CoredLines notes;       /* what was left out or chosen on the way */
  char taken[96];         /* key of the dictionary that holds them; "" at the top of the file */
  CoredHints hints;       /* classes and input that the file speaks of */
  CoredMetadata metadata; /* of a file that was exported from a model: what the model says of
                           * itself */
  bool folded;            /* batch norms without statistics (onnx-unfold.h) */
  void *owned[2];         /* memory that the tensors point into */
} CoredLooseFile;

/* Product of dims in *count: rank 0..8, each dimension 1..2^31-1, no overflow. */
bool cored_loose_count(const int64_t *dims, int rank, size_t *count);
/* Append an empty tensor with a copy of the name; NULL when memory is lacking. */
CoredLoose *cored_loose_add(CoredLooseFile *file, const void *name, size_t length);
/* The elements in C order, in the machine's byte order, in memory of their own. The caller frees
 * them; NULL when memory is lacking. */
void *cored_loose_copy(const CoredLoose *tensor);
bool cored_loose_is_plain(const CoredLoose *tensor); /* aligned, in C order, not swapped */
/* "64x32x3x3", or "scalar" for rank 0. */
char *cored_loose_shape(const int64_t *dims, int rank, char *out, size_t size);
/* Refuse two tensors of one name. */
bool cored_loose_check_names(const CoredLooseFile *file, CoredRefusal *refusal);
void cored_loose_clear(CoredLooseFile *file);

#endif /* CORED_CONVERT_LOOSE_H */
