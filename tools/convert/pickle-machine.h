/* SPDX-License-Identifier: MIT
 * The stack machine that pickle.c drives and pickle-opcodes.c defines. */
#ifndef CORED_CONVERT_PICKLE_MACHINE_H
#define CORED_CONVERT_PICKLE_MACHINE_H

#include "tools/convert/pickle.h"

typedef struct CoredPickleMachine {
  const uint8_t *start, *at, *end;
  const uint8_t *opcode; /* the one being executed, for messages */
  CoredPickle *pickle;
  CoredPickleRef *stack;
  size_t depth, stack_capacity;
  uint32_t *marks; /* depth of the stack at each open MARK */
  size_t n_marks, marks_capacity;
  CoredPickleRef *memo;
  size_t n_memo, memo_capacity;
  bool survey, stopped;
  CoredRefusal *refusal;
} CoredPickleMachine;

typedef struct CoredPickleOpcode {
  const char *name;
  bool (*run)(CoredPickleMachine *m);
} CoredPickleOpcode;

/* NULL for an opcode that is not allowed (in a survey a few more are, so that it gets further). */
const CoredPickleOpcode *cored_pickle_opcode(uint8_t code, bool survey);

/* Refuse with the place and the opcode in front. */
bool cored_pickle_fail(CoredPickleMachine *m, CoredRefusalCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

bool cored_pickle_push(CoredPickleMachine *m, CoredPickleNode node);
bool cored_pickle_push_ref(CoredPickleMachine *m, CoredPickleRef ref);
/* NULL (and refused) when the stack is empty down to the last mark. */
CoredPickleNode *cored_pickle_pop(CoredPickleMachine *m, CoredPickleRef *ref);
CoredPickleNode *cored_pickle_peek(CoredPickleMachine *m);

/* What REDUCE, BUILD and BINPERSID do (pickle-reduce.c). */
bool cored_pickle_reduce(CoredPickleMachine *m);
bool cored_pickle_build(CoredPickleMachine *m);
bool cored_pickle_persid(CoredPickleMachine *m);

/* Append to a list (key CORED_PICKLE_NOTHING) or dictionary node. */
bool cored_pickle_append(CoredPickleMachine *m, CoredPickleNode *container, CoredPickleRef key,
                         CoredPickleRef value);

#endif /* CORED_CONVERT_PICKLE_MACHINE_H */
