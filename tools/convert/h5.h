/* SPDX-License-Identifier: MIT
 * Keras weight files in HDF5.
 *
 * The HDF5 library was not written for hostile files, so it runs in a forked child that has the
 * file as an image in memory, can open nothing, and has small limits of memory and time; what it
 * found comes back through a pipe and is checked again. Only what a weight file needs is looked
 * at: hard links, plain floating-point data inside the file, three harmless filters. The model's
 * configuration in the file is never read, so nothing in it can be executed. */
#ifndef CORED_CONVERT_H5_H
#define CORED_CONVERT_H5_H

#include "tools/convert/bytes.h"
#include "tools/convert/loose.h"

/* Tensors named "layer/kernel" in Keras's shapes, layers in the order of the file. max_data
 * limits the bytes that all weights together may declare. file has to be empty. */
bool cored_h5_read(const CoredBytes *bytes, size_t max_data, CoredLooseFile *file,
                   CoredRefusal *refusal);

/* Before the library sees the file: signature, version, sizes and end of file. */
bool cored_h5_check_superblock(const CoredBytes *bytes, CoredRefusal *refusal);

/* ---- The library's side (h5-child.c) -----------------------------------------------------------
 * Send the weights of the file image to fd, then "E" with the reason or "Z". */
void cored_h5_child(const CoredBytes *bytes, size_t max_data, int fd);

/* ---- What the child sends -----------------------------------------------------------------------
 * A sequence of records, numbers little-endian:
 *   'T' u16 name length, name, u8 scalar, u8 rank, u32 dims[rank], u32 size, data
 *   'E' u16 refusal code, u16 length, text
 *   'Z' */
typedef struct CoredH5Reply {
  uint8_t *data;
  size_t size, capacity;
} CoredH5Reply;

/* Turn the whole reply into tensors that point into it. False with refusal->code NONE when it
 * breaks off without 'E' or 'Z'. */
bool cored_h5_parse_reply(const CoredH5Reply *reply, size_t max_data, CoredLooseFile *file,
                          CoredRefusal *refusal);

#endif /* CORED_CONVERT_H5_H */
