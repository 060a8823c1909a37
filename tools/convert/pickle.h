/* SPDX-License-Identifier: MIT
 * A restricted reader of Python pickles: enough for dictionaries of PyTorch tensors, no more.
 *
 * A pickle is a program for a stack machine. Here it only builds a tree of tagged nodes in an
 * arena: nothing is imported, looked up or called. What Python would call must be one of the names
 * of a fixed list, and its arguments must have the right number and types; the "result" is a
 * node that points at them. Opcodes are those of protocol 2 that torch.save emits, 32 of them.
 * The reader is iterative; memory is bounded by the number of opcodes, which is limited.
 * Opcodes: Lib/pickletools.py of CPython. */
#ifndef CORED_CONVERT_PICKLE_H
#define CORED_CONVERT_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/convert/refusal.h"
#include "tools/convert/lines.h"

#define CORED_PICKLE_MAX_BYTES (64u << 20)
#define CORED_PICKLE_MAX_OPCODES 1000000u
#define CORED_PICKLE_MAX_STACK 65536u

typedef enum CoredPickleKind {
  CORED_PICKLE_NONE,
  CORED_PICKLE_BOOL,
  CORED_PICKLE_INT,
  CORED_PICKLE_FLOAT,
  CORED_PICKLE_TEXT,    /* UTF-8 */
  CORED_PICKLE_BYTES,   /* Python 2 string that is not UTF-8 */
  CORED_PICKLE_TUPLE,   /* cells first .. first + count - 1 */
  CORED_PICKLE_LIST,    /* cells chained from first */
  CORED_PICKLE_DICT,    /* the same, with keys */
  CORED_PICKLE_GLOBAL,  /* sub: CoredPickleGlobal */
  CORED_PICKLE_STORAGE, /* first: node of its persistent id */
  CORED_PICKLE_TENSOR,  /* first: node of the arguments of its rebuilding function */
  CORED_PICKLE_INERT,   /* something allowed whose value is dropped */
  CORED_PICKLE_REFUSED  /* survey only: stands for whatever was refused */
} CoredPickleKind;

typedef enum CoredPickleGlobal {
  CORED_GLOBAL_ORDERED_DICT,
  CORED_GLOBAL_REBUILD_TENSOR,
  CORED_GLOBAL_REBUILD_TENSOR_V2,
  CORED_GLOBAL_REBUILD_PARAMETER,
  CORED_GLOBAL_SIZE,
  CORED_GLOBAL_INERT,   /* may be called, its value is dropped */
  CORED_GLOBAL_STORAGE, /* + CoredScalar: a storage class */
} CoredPickleGlobal;

typedef uint32_t CoredPickleRef; /* index of a node */
#define CORED_PICKLE_NOTHING UINT32_MAX

typedef struct CoredPickleNode {
  uint8_t kind, sub;
  uint32_t count; /* items, pairs, bytes of text */
  union {
    int64_t integer; /* and boolean */
    double real;
    const uint8_t *text; /* in the pickle, not terminated */
    struct {
      uint32_t first, last; /* cells, or a node */
    };
  };
} CoredPickleNode;

typedef struct CoredPickleCell {
  CoredPickleRef key, value;
  uint32_t next;
} CoredPickleCell;

typedef struct CoredPickle {
  CoredPickleNode *nodes;
  size_t n_nodes, nodes_capacity;
  CoredPickleCell *cells;
  size_t n_cells, cells_capacity;
  CoredPickleRef top;
  size_t used;        /* bytes up to and with STOP */
  CoredLines globals; /* "module.name" of each, once */
  CoredLines refused; /* survey only */
} CoredPickle;

typedef struct CoredPickleOptions {
  bool survey; /* note refused globals and go on, to list them all; such a result is for show */
  bool stream; /* bytes may follow STOP */
} CoredPickleOptions;

/* Read the pickle at bytes, which have to outlive the result. Returns NULL when it is refused. */
CoredPickle *cored_pickle_read(const uint8_t *bytes, size_t size, const CoredPickleOptions *options,
                               CoredRefusal *refusal);
void cored_pickle_free(CoredPickle *pickle);

const CoredPickleNode *cored_pickle_node(const CoredPickle *pickle, CoredPickleRef ref);
/* Item i of a tuple; i < count. */
const CoredPickleNode *cored_pickle_item(const CoredPickle *pickle, const CoredPickleNode *tuple,
                                         uint32_t i);
/* Value under a text key of a dictionary, the last one where there are several, or NULL. */
const CoredPickleNode *cored_pickle_get(const CoredPickle *pickle, const CoredPickleNode *dict,
                                        const char *key);
const char *cored_pickle_kind_name(const CoredPickleNode *node);

/* ---- Names that a pickle of weights may use ----------------------------------------------------
 */

typedef struct CoredGlobalEntry {
  const char *module, *name;
  uint8_t global; /* CoredPickleGlobal, plus a CoredScalar for storages */
} CoredGlobalEntry;

/* The allow-list: NULL for a name that is not on it. */
const CoredGlobalEntry *cored_global_find(const uint8_t *module, size_t module_length,
                                          const uint8_t *name, size_t name_length);
size_t cored_global_count(void);

size_t cored_pickle_opcode_count(void); /* opcodes that are allowed */

#endif /* CORED_CONVERT_PICKLE_H */
