/* SPDX-License-Identifier: MIT
 * Writing a model as a file that torch.load reads. */
#ifndef CORED_CONVERT_PTH_WRITE_H
#define CORED_CONVERT_PTH_WRITE_H

#include "cored.h"

typedef enum CoredPthLayout {
  CORED_PTH_STATE_DICT, /* what model.load_state_dict(torch.load(FILE)) expects */
  CORED_PTH_CHECKPOINT  /* the same under 'state_dict', beside epoch, best_epoch, best_acc and an
                           empty optimizer: the layout of the reference implementation */
} CoredPthLayout;

/* Write path: temporary file, synced, renamed; as torch.save would have written it, a stored ZIP
 * archive with a protocol 2 pickle and 64-byte aligned tensors under the published names. */
bool cored_pth_write(const CoredModel *model, const char *path, CoredPthLayout layout,
                     CoredError *error);

#endif /* CORED_CONVERT_PTH_WRITE_H */
