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

/* ---- h5-superblock.c: looked at before the library sees the file ------------------------------
 */
bool cored_h5_check_superblock(const CoredBytes *bytes, CoredRefusal *refusal);

/* ---- h5-child.c: the library's side ------------------------------------------------------------
 * Send the weights of the file image to fd, then "E" with the reason or "Z". */
void cored_h5_child(const CoredBytes *bytes, size_t max_data, int fd);

/* ---- h5-reply.c: what the child sends ----------------------------------------------------------
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

/* ---- keras.c ----------------------------------------------------------------------------------
 * Give the tensors of a MesoNet file the names and shapes of the registry: layers of one kind
 * are taken in the order in which Keras numbered them. network may be NULL: the one with as many
 * layers of each kind; *chosen is its id. */
bool cored_keras_rename(CoredLooseFile *file, const char *network, const char **chosen,
                        CoredRefusal *refusal);
/* Bytes of the largest network that comes in this format, in double precision. */
size_t cored_keras_max_data(void);

#endif /* CORED_CONVERT_H5_H */
