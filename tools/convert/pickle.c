/* SPDX-License-Identifier: MIT
 * A restricted reader of Python pickles: the tree and the machine's memory. */
#include "tools/convert/pickle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/convert/pickle-machine.h"

/* ---- The tree -------------------------------------------------------------------------------- */

const CoredPickleNode *cored_pickle_node(const CoredPickle *pickle, CoredPickleRef ref) {
  return &pickle->nodes[ref];
}

const CoredPickleNode *cored_pickle_item(const CoredPickle *pickle, const CoredPickleNode *tuple,
                                         uint32_t i) {
  return &pickle->nodes[pickle->cells[tuple->first + i].value];
}

bool cored_pickle_text_is(const CoredPickleNode *node, const char *text) {
  return node->kind == CORED_PICKLE_TEXT && node->count == strlen(text) &&
         memcmp(node->text, text, node->count) == 0;
}

const CoredPickleNode *cored_pickle_get(const CoredPickle *pickle, const CoredPickleNode *dict,
                                        const char *key) {
  const CoredPickleNode *found = NULL;
  uint32_t cell = dict->first;
  for (uint32_t i = 0; i < dict->count; i++, cell = pickle->cells[cell].next)
    if (cored_pickle_text_is(&pickle->nodes[pickle->cells[cell].key], key))
      found = &pickle->nodes[pickle->cells[cell].value];
  return found;
}

const char *cored_pickle_kind_name(const CoredPickleNode *node) {
  static const char *const names[] = {
      [CORED_PICKLE_NONE] = "None",       [CORED_PICKLE_BOOL] = "a boolean",
      [CORED_PICKLE_INT] = "an integer",  [CORED_PICKLE_FLOAT] = "a number",
      [CORED_PICKLE_TEXT] = "a string",   [CORED_PICKLE_BYTES] = "a byte string",
      [CORED_PICKLE_TUPLE] = "a tuple",   [CORED_PICKLE_LIST] = "a list",
      [CORED_PICKLE_DICT] = "a dict",     [CORED_PICKLE_GLOBAL] = "a class or function",
      [CORED_PICKLE_STORAGE] = "storage", [CORED_PICKLE_TENSOR] = "a tensor",
      [CORED_PICKLE_INERT] = "an object", [CORED_PICKLE_REFUSED] = "something refused",
  };
  return names[node->kind];
}

void cored_pickle_free(CoredPickle *pickle) {
  if (!pickle)
    return;
  free(pickle->nodes);
  free(pickle->cells);
  cored_lines_clear(&pickle->globals);
  cored_lines_clear(&pickle->refused);
  free(pickle);
}

/* ---- The machine ----------------------------------------------------------------------------- */

bool cored_pickle_fail(CoredPickleMachine *m, CoredRefusalCode code, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  const CoredPickleOpcode *opcode =
      m->opcode < m->end ? cored_pickle_opcode(*m->opcode, true) : NULL;
  return cored_refuse(m->refusal, code, "pickle byte %zu%s%s: %s", (size_t)(m->opcode - m->start),
                      opcode ? ", " : "", opcode ? opcode->name : "", text);
}

static bool no_memory(CoredPickleMachine *m) {
  return cored_pickle_fail(m, CORED_REFUSAL_NO_MEMORY, "no memory for the tree");
}

bool cored_pickle_push_ref(CoredPickleMachine *m, CoredPickleRef ref) {
  if (m->depth >= CORED_PICKLE_MAX_STACK)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_LIMIT, "more than %u values on the stack",
                             CORED_PICKLE_MAX_STACK);
  if (!cored_array_grow(&m->stack, &m->stack_capacity, m->depth + 1, sizeof *m->stack))
    return no_memory(m);
  m->stack[m->depth++] = ref;
  return true;
}

bool cored_pickle_push(CoredPickleMachine *m, CoredPickleNode node) {
  CoredPickle *p = m->pickle;
  if (!cored_array_grow(&p->nodes, &p->nodes_capacity, p->n_nodes + 1, sizeof *p->nodes))
    return no_memory(m);
  p->nodes[p->n_nodes] = node;
  return cored_pickle_push_ref(m, (CoredPickleRef)p->n_nodes++);
}

static size_t floor_of_stack(const CoredPickleMachine *m) {
  return m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0;
}

CoredPickleNode *cored_pickle_peek(CoredPickleMachine *m) {
  if (m->depth <= floor_of_stack(m)) {
    cored_pickle_fail(m, CORED_REFUSAL_PICKLE_STACK, "the stack is empty%s",
                      m->n_marks > 0 ? " down to the last mark" : "");
    return NULL;
  }
  return &m->pickle->nodes[m->stack[m->depth - 1]];
}

CoredPickleNode *cored_pickle_pop(CoredPickleMachine *m, CoredPickleRef *ref) {
  CoredPickleNode *node = cored_pickle_peek(m);
  if (node) {
    m->depth--;
    if (ref)
      *ref = m->stack[m->depth];
  }
  return node;
}

bool cored_pickle_append(CoredPickleMachine *m, CoredPickleNode *container, CoredPickleRef key,
                         CoredPickleRef value) {
  CoredPickle *p = m->pickle;
  if (p->n_cells >= 2 * CORED_PICKLE_MAX_OPCODES)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_LIMIT, "more than %u items in containers",
                             2 * CORED_PICKLE_MAX_OPCODES);
  if (!cored_array_grow(&p->cells, &p->cells_capacity, p->n_cells + 1, sizeof *p->cells))
    return no_memory(m);
  uint32_t cell = (uint32_t)p->n_cells++;
  p->cells[cell] = (CoredPickleCell){.key = key, .value = value};
  if (container->count++ == 0)
    container->first = cell;
  else
    p->cells[container->last].next = cell;
  container->last = cell;
  return true;
}

/* ---- Running it ------------------------------------------------------------------------------ */

static bool step(CoredPickleMachine *m) {
  m->opcode = m->at;
  if (m->at == m->end)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_NO_STOP, "the pickle ends without STOP");
  const CoredPickleOpcode *opcode = cored_pickle_opcode(*m->at, m->survey);
  if (!opcode)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_OPCODE,
                             "opcode 0x%02x is not one that a dictionary of tensors needs", *m->at);
  m->at++;
  return opcode->run(m);
}

static bool run(CoredPickleMachine *m, bool stream) {
  for (size_t n = 0; !m->stopped; n++) {
    if (n == CORED_PICKLE_MAX_OPCODES)
      return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_LIMIT, "more than %u opcodes",
                               CORED_PICKLE_MAX_OPCODES);
    if (n == 0 && (m->at == m->end || *m->at != 0x80))
      return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_PROTOCOL,
                               "does not start with a protocol number; expected protocol 2");
    if (!step(m))
      return false;
  }
  if (!stream && m->at != m->end)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_TRAILING, "%zu bytes follow STOP",
                             (size_t)(m->end - m->at));
  m->pickle->used = (size_t)(m->at - m->start);
  return true;
}

CoredPickle *cored_pickle_read(const uint8_t *bytes, size_t size, const CoredPickleOptions *options,
                               CoredRefusal *refusal) {
  CoredPickle *pickle = calloc(1, sizeof *pickle);
  if (!pickle) {
    cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for the pickle");
    return NULL;
  }
  if (size > CORED_PICKLE_MAX_BYTES) /* in a stream data follow: the opcodes are the limit */
    size = CORED_PICKLE_MAX_BYTES;
  CoredPickleMachine m = {.start = bytes,
                          .at = bytes,
                          .end = bytes + size,
                          .opcode = bytes,
                          .pickle = pickle,
                          .survey = options->survey,
                          .refusal = refusal};
  bool ok = run(&m, options->stream);
  free(m.stack);
  free(m.marks);
  free(m.memo);
  if (!ok) {
    cored_pickle_free(pickle);
    return NULL;
  }
  return pickle;
}
