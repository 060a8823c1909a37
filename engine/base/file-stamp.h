/* SPDX-License-Identifier: MIT
 * Looking at a file without loading it. */
#ifndef CORED_BASE_FILE_STAMP_H
#define CORED_BASE_FILE_STAMP_H

#include "cored.h"

/* As cored_file_stamp, but false only when nothing can be said at the moment, for lack of
 * descriptors or memory; a file that is not there is all zero. */
bool cored_stamp_look(const char *path, CoredFileStamp *stamp);
bool cored_stamp_equal(const CoredFileStamp *a, const CoredFileStamp *b);
bool cored_stamp_is_missing(const CoredFileStamp *stamp);

#endif /* CORED_BASE_FILE_STAMP_H */
