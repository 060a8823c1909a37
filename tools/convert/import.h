/* SPDX-License-Identifier: MIT
 * The import of a foreign weight file as a model. */
#ifndef CORED_CONVERT_IMPORT_H
#define CORED_CONVERT_IMPORT_H

#include "cored.h"
#include "tools/convert/names.h"
#include "tools/convert/reader.h"

typedef struct CoredImportOptions {
  CoredModelKind kind; /* of the network; any other is refused */
  CoredReadOptions read;
  const char *network;     /* an id of the registry; NULL: guessed from names and shapes */
  const char *labels;      /* "fake,real" in the order of the output; NULL: the network's default */
  const char *fake, *real; /* labels of the two classes; NULL: "fake" and "real" */
  int input_width;         /* 0: the network's default */
  int input_height;        /* the same */
  bool has_mean, has_std;
  float mean[3], std[3];
  double threshold, temperature; /* negative: the default */
  CoredNameEdits names;          /* changes of the tensors' names */
  uint64_t max_bytes;            /* 0: CORED_READER_MAX_BYTES */
} CoredImportOptions;

typedef struct CoredImportReport {
  const char *format;
  CoredLines notes, problems; /* problems: the list behind a refusal, and what to do about it */
  CoredLines assumed;         /* one line: what was taken for granted; then warnings, each a line,
                               * where the file or its network speaks against it */
} CoredImportReport;

/* Entry of the metadata of a model whose batch norms hold no statistics (onnx-unfold.h). */
#define CORED_METADATA_BATCH_NORMS "source_batch_norms"
#define CORED_BATCH_NORMS_FOLDED "folded"

/* Read, match and build. Where the file came from is kept in the model's metadata ("source",
 * "source_format", "source_sha256"). The caller clears report in either case. */
CoredModel *cored_import(const char *path, const CoredImportOptions *options,
                         CoredImportReport *report, CoredRefusal *refusal);
void cored_import_report_clear(CoredImportReport *report);

#endif /* CORED_CONVERT_IMPORT_H */
