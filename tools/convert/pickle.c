/* SPDX-License-Identifier: MIT
 * A restricted reader of Python pickles: the tree that a pickle builds, the names that it may use,
 * and the stack machine with its opcodes. */
#include "tools/convert/pickle.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/convert/bytes.h"
#include "tools/convert/loose.h"

#define GLOBAL_NAME_MAX 256 /* bytes of a module's or a name's line */
#define MAX_LISTED 100      /* names kept for display */

/* ---- The tree -------------------------------------------------------------------------------- */

const CoredPickleNode *cored_pickle_node(const CoredPickle *pickle, CoredPickleRef ref) {
  return &pickle->nodes[ref];
}

const CoredPickleNode *cored_pickle_item(const CoredPickle *pickle, const CoredPickleNode *tuple,
                                         uint32_t i) {
  return &pickle->nodes[pickle->cells[tuple->first + i].value];
}

static bool text_is(const CoredPickleNode *node, const char *text) {
  return node->kind == CORED_PICKLE_TEXT && node->count == strlen(text) &&
         memcmp(node->text, text, node->count) == 0;
}

const CoredPickleNode *cored_pickle_get(const CoredPickle *pickle, const CoredPickleNode *dict,
                                        const char *key) {
  const CoredPickleNode *found = NULL;
  uint32_t cell = dict->first;
  for (uint32_t i = 0; i < dict->count; i++, cell = pickle->cells[cell].next)
    if (text_is(&pickle->nodes[pickle->cells[cell].key], key))
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

/* ---- Names ------------------------------------------------------------------------------- */

#define STORAGE(type) (CORED_GLOBAL_STORAGE + CORED_SCALAR_##type)

static const CoredGlobalEntry allowed[] = {
    {"collections", "OrderedDict", CORED_GLOBAL_ORDERED_DICT},
    {"torch._utils", "_rebuild_tensor", CORED_GLOBAL_REBUILD_TENSOR},
    {"torch._utils", "_rebuild_tensor_v2", CORED_GLOBAL_REBUILD_TENSOR_V2},
    {"torch._utils", "_rebuild_parameter", CORED_GLOBAL_REBUILD_PARAMETER},
    {"torch", "Size", CORED_GLOBAL_SIZE},
    {"torch", "FloatStorage", STORAGE(F32)},
    {"torch", "DoubleStorage", STORAGE(F64)},
    {"torch", "HalfStorage", STORAGE(F16)},
    {"torch", "BFloat16Storage", STORAGE(BF16)},
    {"torch", "LongStorage", STORAGE(I64)},
    {"torch", "IntStorage", STORAGE(I32)},
    {"torch", "ShortStorage", STORAGE(I16)},
    {"torch", "CharStorage", STORAGE(I8)},
    {"torch", "ByteStorage", STORAGE(U8)},
    {"torch", "BoolStorage", STORAGE(BOOL)},
    {"numpy.core.multiarray", "scalar", CORED_GLOBAL_INERT},
    {"numpy._core.multiarray", "scalar", CORED_GLOBAL_INERT},
    {"numpy", "dtype", CORED_GLOBAL_INERT},
    {"_codecs", "encode", CORED_GLOBAL_INERT},
    {"torch", "device", CORED_GLOBAL_INERT},
};

static const struct {
  const char *prefix;
  CoredRefusalCode code;
  const char *reason;
} known[] = {
    {"torch._utils._rebuild_sparse", CORED_REFUSAL_TENSOR_KIND, "sparse tensors are no weights"},
    {"torch._utils._rebuild_qtensor", CORED_REFUSAL_TENSOR_KIND, "quantized tensors are not read"},
    {"torch._utils._rebuild_meta_tensor", CORED_REFUSAL_TENSOR_KIND, "a meta tensor has no data"},
    {"torch._utils._rebuild_device_tensor", CORED_REFUSAL_TENSOR_KIND,
     "device tensors are not read; save the model from the CPU"},
    {"torch._tensor._rebuild_from_type", CORED_REFUSAL_TENSOR_KIND,
     "tensor subclasses are not read"},
    {"torch._utils._rebuild_wrapper_subclass", CORED_REFUSAL_TENSOR_KIND,
     "tensor subclasses are not read"},
    {"torch.Complex", CORED_REFUSAL_TENSOR_KIND, "complex tensors are no weights"},
    {"torch.Q", CORED_REFUSAL_TENSOR_KIND, "quantized tensors are not read"},
    {"torch.nn.", CORED_REFUSAL_PTH_WHOLE_MODULE,
     "the file holds a pickled module; save its state_dict() instead"},
};

static bool equal(const char *text, const uint8_t *bytes, size_t length) {
  return strlen(text) == length && memcmp(text, bytes, length) == 0;
}

const CoredGlobalEntry *cored_global_find(const uint8_t *module, size_t module_length,
                                          const uint8_t *name, size_t name_length) {
  for (size_t i = 0; i < cored_global_count(); i++)
    if (equal(allowed[i].module, module, module_length) &&
        equal(allowed[i].name, name, name_length))
      return &allowed[i];
  return NULL;
}

/* Refuse a global by name, with the reason where there is a particular one. */
static bool refuse_global(const char *shown, CoredRefusal *refusal) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strncmp(shown, known[i].prefix, strlen(known[i].prefix)) == 0)
      return cored_refuse(refusal, known[i].code, "the pickle asks for '%s': %s", shown,
                          known[i].reason);
  return cored_refuse(refusal, CORED_REFUSAL_PICKLE_GLOBAL,
                      "the pickle asks for '%s', which is no part of a dictionary of tensors",
                      shown);
}

size_t cored_global_count(void) {
  return sizeof allowed / sizeof *allowed;
}

/* ---- The machine ----------------------------------------------------------------------------- */

typedef struct Machine {
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
} Machine;

typedef struct Opcode {
  const char *name;
  bool (*run)(Machine *m);
} Opcode;

/* NULL for an opcode that is not allowed (in a survey a few more are, so that it gets further). */
static const Opcode *opcode_of(uint8_t code, bool survey);

/* Refuse with the place and the opcode in front. */
static bool fail(Machine *m, CoredRefusalCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(Machine *m, CoredRefusalCode code, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  const Opcode *opcode = m->opcode < m->end ? opcode_of(*m->opcode, true) : NULL;
  return cored_refuse(m->refusal, code, "pickle byte %zu%s%s: %s", (size_t)(m->opcode - m->start),
                      opcode ? ", " : "", opcode ? opcode->name : "", text);
}

static bool no_memory(Machine *m) {
  return fail(m, CORED_REFUSAL_NO_MEMORY, "no memory for the tree");
}

static bool push_ref(Machine *m, CoredPickleRef ref) {
  if (m->depth >= CORED_PICKLE_MAX_STACK)
    return fail(m, CORED_REFUSAL_PICKLE_LIMIT, "more than %u values on the stack",
                CORED_PICKLE_MAX_STACK);
  if (!cored_array_grow(&m->stack, &m->stack_capacity, m->depth + 1, sizeof *m->stack))
    return no_memory(m);
  m->stack[m->depth++] = ref;
  return true;
}

static bool push(Machine *m, CoredPickleNode node) {
  CoredPickle *p = m->pickle;
  if (!cored_array_grow(&p->nodes, &p->nodes_capacity, p->n_nodes + 1, sizeof *p->nodes))
    return no_memory(m);
  p->nodes[p->n_nodes] = node;
  return push_ref(m, (CoredPickleRef)p->n_nodes++);
}

static size_t floor_of_stack(const Machine *m) {
  return m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0;
}

/* NULL (and refused) when the stack is empty down to the last mark. */
static CoredPickleNode *peek(Machine *m) {
  if (m->depth <= floor_of_stack(m)) {
    fail(m, CORED_REFUSAL_PICKLE_STACK, "the stack is empty%s",
         m->n_marks > 0 ? " down to the last mark" : "");
    return NULL;
  }
  return &m->pickle->nodes[m->stack[m->depth - 1]];
}

static CoredPickleNode *pop(Machine *m, CoredPickleRef *ref) {
  CoredPickleNode *node = peek(m);
  if (node) {
    m->depth--;
    if (ref)
      *ref = m->stack[m->depth];
  }
  return node;
}

/* Append to a list (key CORED_PICKLE_NOTHING) or dictionary node. */
static bool append(Machine *m, CoredPickleNode *container, CoredPickleRef key,
                   CoredPickleRef value) {
  CoredPickle *p = m->pickle;
  if (p->n_cells >= 2 * CORED_PICKLE_MAX_OPCODES)
    return fail(m, CORED_REFUSAL_PICKLE_LIMIT, "more than %u items in containers",
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

/* The next n bytes of the pickle, or NULL (and refused). */
static const uint8_t *take(Machine *m, size_t n) {
  size_t left = (size_t)(m->end - m->at);
  if (n > left) {
    fail(m, CORED_REFUSAL_PICKLE_TRUNCATED, "needs %zu bytes, %zu are left", n, left);
    return NULL;
  }
  const uint8_t *p = m->at;
  m->at += n;
  return p;
}

/* ---- Plain values ---------------------------------------------------------------------------- */

static bool run_proto(Machine *m) {
  const uint8_t *p = take(m, 1);
  if (!p)
    return false;
  if (*p != 2 || m->opcode != m->start)
    return fail(m, CORED_REFUSAL_PICKLE_PROTOCOL,
                "pickle protocol %u, expected 2 once at the start; save the file "
                "again with torch.save's default protocol",
                *p);
  return true;
}

static bool run_none(Machine *m) {
  return push(m, (CoredPickleNode){.kind = CORED_PICKLE_NONE});
}

static bool run_false(Machine *m) {
  return push(m, (CoredPickleNode){.kind = CORED_PICKLE_BOOL, .integer = 0});
}

static bool run_true(Machine *m) {
  return push(m, (CoredPickleNode){.kind = CORED_PICKLE_BOOL, .integer = 1});
}

static bool push_integer(Machine *m, int64_t value) {
  return push(m, (CoredPickleNode){.kind = CORED_PICKLE_INT, .integer = value});
}

static bool run_binint(Machine *m) {
  const uint8_t *p = take(m, 4);
  return p && push_integer(m, (int32_t)cored_le32(p));
}

static bool run_binint1(Machine *m) {
  const uint8_t *p = take(m, 1);
  return p && push_integer(m, *p);
}

static bool run_binint2(Machine *m) {
  const uint8_t *p = take(m, 2);
  return p && push_integer(m, cored_le16(p));
}

static bool run_long1(Machine *m) { /* little-endian two's complement */
  const uint8_t *length = take(m, 1), *p;
  if (!length || !(p = take(m, *length)))
    return false;
  if (*length > 8)
    return fail(m, CORED_REFUSAL_PICKLE_LONG, "an integer of %u bytes, at most 8", *length);
  uint64_t value = *length > 0 && p[*length - 1] & 0x80 ? UINT64_MAX : 0;
  for (int i = *length - 1; i >= 0; i--)
    value = value << 8 | p[i];
  return push_integer(m, (int64_t)value);
}

static bool run_binfloat(Machine *m) { /* big-endian */
  const uint8_t *p = take(m, 8);
  if (!p)
    return false;
  uint64_t bits = 0;
  for (int i = 0; i < 8; i++)
    bits = bits << 8 | p[i];
  CoredPickleNode node = {.kind = CORED_PICKLE_FLOAT};
  memcpy(&node.real, &bits, sizeof node.real);
  return push(m, node);
}

static bool run_binunicode(Machine *m) {
  const uint8_t *length = take(m, 4), *p;
  if (!length || !(p = take(m, cored_le32(length))))
    return false;
  uint32_t count = cored_le32(length);
  if (!cored_utf8_is_valid(p, count))
    return fail(m, CORED_REFUSAL_PICKLE_UTF8, "a string that is not UTF-8");
  return push(m, (CoredPickleNode){.kind = CORED_PICKLE_TEXT, .count = count, .text = p});
}

/* Python 2's strings: names where they are UTF-8, numpy's raw numbers where they are not. */
static bool run_short_binstring(Machine *m) {
  const uint8_t *length = take(m, 1), *p;
  if (!length || !(p = take(m, *length)))
    return false;
  uint8_t kind = cored_utf8_is_valid(p, *length) ? CORED_PICKLE_TEXT : CORED_PICKLE_BYTES;
  return push(m, (CoredPickleNode){.kind = kind, .count = *length, .text = p});
}

/* ---- Containers ------------------------------------------------------------------------------ */

static bool run_empty_list(Machine *m) {
  return push(m, (CoredPickleNode){.kind = CORED_PICKLE_LIST});
}

static bool run_empty_dict(Machine *m) {
  return push(m, (CoredPickleNode){.kind = CORED_PICKLE_DICT});
}

static bool run_empty_tuple(Machine *m) {
  return push(m, (CoredPickleNode){.kind = CORED_PICKLE_TUPLE});
}

static bool run_mark(Machine *m) {
  if (m->n_marks >= CORED_PICKLE_MAX_STACK)
    return fail(m, CORED_REFUSAL_PICKLE_LIMIT, "more than %u open marks", CORED_PICKLE_MAX_STACK);
  if (!cored_array_grow(&m->marks, &m->marks_capacity, m->n_marks + 1, sizeof *m->marks))
    return fail(m, CORED_REFUSAL_NO_MEMORY, "no memory for marks");
  m->marks[m->n_marks++] = (uint32_t)m->depth;
  return true;
}

/* Close the last mark: the values above it start at stack[*base]. */
static bool close_mark(Machine *m, size_t *base) {
  if (m->n_marks == 0)
    return fail(m, CORED_REFUSAL_PICKLE_MARK, "no mark is open");
  *base = m->marks[--m->n_marks];
  return true;
}

/* Replace the values from stack[base] by a tuple of them. */
static bool make_tuple(Machine *m, size_t base) {
  CoredPickleNode tuple = {.kind = CORED_PICKLE_TUPLE};
  for (size_t i = base; i < m->depth; i++)
    if (!append(m, &tuple, CORED_PICKLE_NOTHING, m->stack[i]))
      return false;
  m->depth = base;
  return push(m, tuple);
}

static bool run_tuple(Machine *m) {
  size_t base = 0;
  return close_mark(m, &base) && make_tuple(m, base);
}

static bool short_tuple(Machine *m, size_t n) {
  size_t floor = m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0;
  if (m->depth - floor < n)
    return fail(m, CORED_REFUSAL_PICKLE_STACK, "needs %zu values, the stack has %zu", n,
                m->depth - floor);
  return make_tuple(m, m->depth - n);
}

static bool run_tuple1(Machine *m) {
  return short_tuple(m, 1);
}

static bool run_tuple2(Machine *m) {
  return short_tuple(m, 2);
}

static bool run_tuple3(Machine *m) {
  return short_tuple(m, 3);
}

/* The container below the values; in a survey a refused one swallows them. */
static CoredPickleNode *container(Machine *m, CoredPickleKind kind) {
  CoredPickleNode *node = peek(m);
  if (node && node->kind != kind && node->kind != CORED_PICKLE_REFUSED) {
    fail(m, CORED_REFUSAL_PICKLE_CONTAINER, "puts an item into %s, expected a %s",
         cored_pickle_kind_name(node), kind == CORED_PICKLE_LIST ? "list" : "dict");
    return NULL;
  }
  return node;
}

/* Append the values from stack[base] on to the list below them. */
static bool append_from(Machine *m, size_t base) {
  size_t end = m->depth;
  m->depth = base;
  CoredPickleNode *list = container(m, CORED_PICKLE_LIST);
  if (!list)
    return false;
  for (size_t i = base; i < end && list->kind == CORED_PICKLE_LIST; i++)
    if (!append(m, list, CORED_PICKLE_NOTHING, m->stack[i]))
      return false;
  return true;
}

static bool check_key(Machine *m, const CoredPickleNode *key) {
  if (key->kind <= CORED_PICKLE_TUPLE || key->kind == CORED_PICKLE_REFUSED)
    return true;
  return fail(m, CORED_REFUSAL_PICKLE_KEY, "%s cannot be the key of a dict",
              cored_pickle_kind_name(key));
}

static bool set_from(Machine *m, size_t base) {
  size_t end = m->depth;
  m->depth = base;
  CoredPickleNode *dict = container(m, CORED_PICKLE_DICT);
  if (!dict)
    return false;
  if ((end - base) % 2 != 0)
    return fail(m, CORED_REFUSAL_PICKLE_ODD_ITEMS, "%zu values are no pairs", end - base);
  for (size_t i = base; i < end && dict->kind == CORED_PICKLE_DICT; i += 2)
    if (!check_key(m, &m->pickle->nodes[m->stack[i]]) ||
        !append(m, dict, m->stack[i], m->stack[i + 1]))
      return false;
  return true;
}

/* APPEND and SETITEM take a fixed number of values, of the current frame only. */
static bool fixed(Machine *m, size_t n, bool (*put)(Machine *, size_t)) {
  size_t floor = m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0;
  if (m->depth - floor <= n)
    return fail(m, CORED_REFUSAL_PICKLE_STACK, "needs %zu values, the stack has %zu", n + 1,
                m->depth - floor);
  return put(m, m->depth - n);
}

static bool run_append(Machine *m) {
  return fixed(m, 1, append_from);
}

static bool run_setitem(Machine *m) {
  return fixed(m, 2, set_from);
}

static bool run_appends(Machine *m) {
  size_t base = 0;
  return close_mark(m, &base) && append_from(m, base);
}

static bool run_setitems(Machine *m) {
  size_t base = 0;
  return close_mark(m, &base) && set_from(m, base);
}

/* ---- Memo ------------------------------------------------------------------------------------ */

/* Picklers number their memo 0, 1, 2, …; so the table grows by one entry at a time and an index
 * cannot choose its size. */
static bool put(Machine *m, uint32_t index) {
  if (!peek(m))
    return false;
  if (index > m->n_memo)
    return fail(m, CORED_REFUSAL_PICKLE_MEMO, "stores memo entry %u, expected at most %zu", index,
                m->n_memo);
  if (!cored_array_grow(&m->memo, &m->memo_capacity, m->n_memo + 1, sizeof *m->memo))
    return fail(m, CORED_REFUSAL_NO_MEMORY, "no memory for the memo");
  m->memo[index] = m->stack[m->depth - 1];
  m->n_memo += index == m->n_memo;
  return true;
}

static bool get(Machine *m, uint32_t index) {
  if (index >= m->n_memo)
    return fail(m, CORED_REFUSAL_PICKLE_MEMO, "asks for memo entry %u, there are %zu", index,
                m->n_memo);
  return push_ref(m, m->memo[index]);
}

static bool run_binput(Machine *m) {
  const uint8_t *p = take(m, 1);
  return p && put(m, *p);
}

static bool run_long_binput(Machine *m) {
  const uint8_t *p = take(m, 4);
  return p && put(m, cored_le32(p));
}

static bool run_binget(Machine *m) {
  const uint8_t *p = take(m, 1);
  return p && get(m, *p);
}

static bool run_long_binget(Machine *m) {
  const uint8_t *p = take(m, 4);
  return p && get(m, cored_le32(p));
}

/* ---- Globals and the end --------------------------------------------------------------------- */

/* A line without its newline. */
static const uint8_t *take_line(Machine *m, size_t *length) {
  size_t left = (size_t)(m->end - m->at), limit = left < GLOBAL_NAME_MAX ? left : GLOBAL_NAME_MAX;
  const uint8_t *p = m->at, *newline = memchr(p, '\n', limit);
  if (!newline || newline == p || !cored_utf8_is_valid(p, (size_t)(newline - p))) {
    fail(m, CORED_REFUSAL_PICKLE_GLOBAL_NAME,
         "the name of a global is empty, not UTF-8, or no newline within %zu bytes", limit);
    return NULL;
  }
  *length = (size_t)(newline - p);
  m->at = newline + 1;
  return p;
}

/* Survey only: list the reason and go on with a value that stands for it. */
static bool push_refused(Machine *m, const char *why) {
  CoredLines *refused = &m->pickle->refused;
  if (refused->n < MAX_LISTED && !cored_lines_contain(refused, why) &&
      !cored_lines_add(refused, "%s", why))
    return fail(m, CORED_REFUSAL_NO_MEMORY, "no memory for names");
  return push(m, (CoredPickleNode){.kind = CORED_PICKLE_REFUSED});
}

static bool run_global(Machine *m) {
  size_t module_length, name_length;
  const uint8_t *module = take_line(m, &module_length), *name;
  if (!module || !(name = take_line(m, &name_length)))
    return false;
  char raw[2 * GLOBAL_NAME_MAX + 2], shown[160];
  int n = snprintf(raw, sizeof raw, "%.*s.%.*s", (int)module_length, (const char *)module,
                   (int)name_length, (const char *)name);
  cored_escape(raw, (size_t)n, shown, sizeof shown);
  CoredPickle *p = m->pickle;
  if (p->globals.n < MAX_LISTED && !cored_lines_contain(&p->globals, shown) &&
      !cored_lines_add(&p->globals, "%s", shown))
    return fail(m, CORED_REFUSAL_NO_MEMORY, "no memory for names");
  const CoredGlobalEntry *entry = cored_global_find(module, module_length, name, name_length);
  if (entry)
    return push(m, (CoredPickleNode){.kind = CORED_PICKLE_GLOBAL, .sub = entry->global});
  CoredRefusal why = {0};
  refuse_global(shown, &why);
  return m->survey ? push_refused(m, why.message) : fail(m, why.code, "%s", why.message);
}

/* Survey only: a class and its arguments become one refused value. */
static bool survey_newobj(Machine *m) {
  return pop(m, NULL) && pop(m, NULL) &&
         push_refused(m, "the pickle makes an object of a class (opcode NEWOBJ)");
}

static bool run_stop(Machine *m) {
  if (!pop(m, &m->pickle->top))
    return false;
  if (m->depth > 0 || m->n_marks > 0)
    return fail(m, CORED_REFUSAL_PICKLE_LEFTOVER, "%zu values and %zu marks are left on the stack",
                m->depth, m->n_marks);
  m->stopped = true;
  return true;
}

/* ---- What stands for calls ------------------------------------------------------------------- */

/* The arguments of the few functions that weights need are checked for number and type, and kept.
 */

static const CoredPickleNode *item(const Machine *m, const CoredPickleNode *tuple, uint32_t i) {
  return cored_pickle_item(m->pickle, tuple, i);
}

static bool is_size(const Machine *m, const CoredPickleNode *node) {
  if (node->kind != CORED_PICKLE_TUPLE || node->count > CORED_LOOSE_MAX_RANK)
    return false;
  for (uint32_t i = 0; i < node->count; i++)
    if (item(m, node, i)->kind != CORED_PICKLE_INT)
      return false;
  return true;
}

/* _rebuild_tensor(storage, offset, size, stride);
 * _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata]) */
static bool rebuild_tensor(Machine *m, const CoredPickleNode *args, bool v2,
                           CoredPickleRef args_ref) {
  bool arity = v2 ? args->count == 6 || args->count == 7 : args->count == 4;
  if (!arity || item(m, args, 0)->kind != CORED_PICKLE_STORAGE ||
      item(m, args, 1)->kind != CORED_PICKLE_INT || !is_size(m, item(m, args, 2)) ||
      !is_size(m, item(m, args, 3)) || item(m, args, 2)->count != item(m, args, 3)->count ||
      (v2 && item(m, args, 4)->kind != CORED_PICKLE_BOOL))
    return fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS,
                "_rebuild_tensor%s with %u arguments: expected storage, offset, size "
                "and stride (of at most 8 dimensions)%s",
                v2 ? "_v2" : "", args->count, v2 ? ", a boolean and hooks" : " and nothing else");
  if (v2 && (item(m, args, 5)->kind != CORED_PICKLE_DICT || item(m, args, 5)->count != 0))
    return fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS,
                "a tensor with hooks: expected an empty dict, found %s",
                cored_pickle_kind_name(item(m, args, 5)));
  return push(m, (CoredPickleNode){.kind = CORED_PICKLE_TENSOR, .first = args_ref});
}

/* _rebuild_parameter(tensor, requires_grad, hooks): the tensor itself. */
static bool rebuild_parameter(Machine *m, const CoredPickleNode *args) {
  if (args->count != 3 || item(m, args, 0)->kind != CORED_PICKLE_TENSOR ||
      item(m, args, 1)->kind != CORED_PICKLE_BOOL)
    return fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS,
                "_rebuild_parameter with %u arguments: expected a tensor, a boolean "
                "and hooks",
                args->count);
  return push_ref(m, m->pickle->cells[args->first].value);
}

/* OrderedDict(), and Python 2's OrderedDict([[key, value], …]). */
static bool ordered_dict(Machine *m, const CoredPickleNode *args) {
  CoredPickleNode dict = {.kind = CORED_PICKLE_DICT};
  if (args->count > 1 || (args->count == 1 && item(m, args, 0)->kind != CORED_PICKLE_LIST))
    return fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS,
                "OrderedDict with %u arguments: expected none or a list", args->count);
  uint32_t n = args->count == 1 ? item(m, args, 0)->count : 0;
  uint32_t cell = n > 0 ? item(m, args, 0)->first : 0;
  for (uint32_t i = 0; i < n; i++, cell = m->pickle->cells[cell].next) {
    const CoredPickleNode *pair = cored_pickle_node(m->pickle, m->pickle->cells[cell].value);
    if ((pair->kind != CORED_PICKLE_LIST && pair->kind != CORED_PICKLE_TUPLE) || pair->count != 2)
      return fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS,
                  "OrderedDict of a list whose item %u is no pair", i);
    CoredPickleRef key = m->pickle->cells[pair->first].value,
                   value = m->pickle->cells[pair->last].value;
    if (cored_pickle_node(m->pickle, key)->kind != CORED_PICKLE_TEXT)
      return fail(m, CORED_REFUSAL_PICKLE_KEY, "a key of OrderedDict is %s",
                  cored_pickle_kind_name(cored_pickle_node(m->pickle, key)));
    if (!append(m, &dict, key, value))
      return false;
  }
  return push(m, dict);
}

/* torch.Size((2, 3)) is the tuple. */
static bool size_tuple(Machine *m, const CoredPickleNode *args) {
  if (args->count != 1 || !is_size(m, item(m, args, 0)))
    return fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS, "torch.Size: expected one tuple of integers");
  return push_ref(m, m->pickle->cells[args->first].value);
}

/* Only the first arguments count: those that the functions above look at. */
static bool holds_refused(const Machine *m, const CoredPickleNode *args) {
  for (uint32_t i = 0; i < args->count && i < 8; i++)
    if (item(m, args, i)->kind == CORED_PICKLE_REFUSED)
      return true;
  return false;
}

static bool run_reduce(Machine *m) {
  CoredPickleRef args_ref, function_ref;
  if (!pop(m, &args_ref) || !pop(m, &function_ref))
    return false;
  /* By value: pushing nodes moves the arena. */
  CoredPickleNode args = *cored_pickle_node(m->pickle, args_ref);
  CoredPickleNode function = *cored_pickle_node(m->pickle, function_ref);
  if (function.kind == CORED_PICKLE_REFUSED)
    return push(m, (CoredPickleNode){.kind = CORED_PICKLE_REFUSED});
  if (function.kind != CORED_PICKLE_GLOBAL || function.sub >= CORED_GLOBAL_STORAGE)
    return fail(m, CORED_REFUSAL_PICKLE_CALL, "calls %s",
                function.kind == CORED_PICKLE_GLOBAL ? "a storage class"
                                                     : cored_pickle_kind_name(&function));
  if (args.kind == CORED_PICKLE_TUPLE && m->survey && holds_refused(m, &args))
    return push(m, (CoredPickleNode){.kind = CORED_PICKLE_REFUSED});
  if (args.kind != CORED_PICKLE_TUPLE)
    return fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS, "the arguments are %s, expected a tuple",
                cored_pickle_kind_name(&args));
  switch ((CoredPickleGlobal)function.sub) {
  case CORED_GLOBAL_ORDERED_DICT:
    return ordered_dict(m, &args);
  case CORED_GLOBAL_REBUILD_TENSOR:
    return rebuild_tensor(m, &args, false, args_ref);
  case CORED_GLOBAL_REBUILD_TENSOR_V2:
    return rebuild_tensor(m, &args, true, args_ref);
  case CORED_GLOBAL_REBUILD_PARAMETER:
    return rebuild_parameter(m, &args);
  case CORED_GLOBAL_SIZE:
    return size_tuple(m, &args);
  case CORED_GLOBAL_INERT:
  case CORED_GLOBAL_STORAGE:
    break;
  }
  return push(m, (CoredPickleNode){.kind = CORED_PICKLE_INERT});
}

/* The state of an OrderedDict (its _metadata) or of a numpy dtype: dropped. */
static bool run_build(Machine *m) {
  const CoredPickleNode *object;
  if (!pop(m, NULL) || !(object = peek(m)))
    return false;
  if (object->kind == CORED_PICKLE_DICT || object->kind == CORED_PICKLE_INERT ||
      object->kind == CORED_PICKLE_REFUSED)
    return true;
  return fail(m, CORED_REFUSAL_PICKLE_BUILD, "sets the state of %s",
              cored_pickle_kind_name(object));
}

/* The key names a record or a position: a plain decimal number. */
static bool check_storage_key(Machine *m, const CoredPickleNode *key) {
  bool good = key->kind == CORED_PICKLE_TEXT && key->count >= 1 && key->count <= 19 &&
              (key->count == 1 || key->text[0] != '0');
  for (uint32_t i = 0; good && i < key->count; i++)
    good = key->text[i] >= '0' && key->text[i] <= '9';
  if (good)
    return true;
  char shown[64] = "";
  if (key->kind == CORED_PICKLE_TEXT || key->kind == CORED_PICKLE_BYTES)
    cored_escape(key->text, key->count, shown, sizeof shown);
  return fail(m, CORED_REFUSAL_STORAGE_KEY,
              "the key of a storage is %s '%s', expected a plain number in a string",
              cored_pickle_kind_name(key), shown);
}

/* ('storage', class, key, location, elements); the legacy stream adds None for "no view". The
 * location says where the tensor once was and is not looked at. */
static bool run_persid(Machine *m) {
  CoredPickleRef ref;
  if (!pop(m, &ref))
    return false;
  CoredPickleNode id = *cored_pickle_node(m->pickle, ref);
  if (id.kind == CORED_PICKLE_TUPLE && id.count >= 1 && text_is(item(m, &id, 0), "module"))
    return fail(m, CORED_REFUSAL_PTH_WHOLE_MODULE,
                "the file holds a pickled module; save its state_dict() instead");
  if (id.kind != CORED_PICKLE_TUPLE || id.count < 5 || id.count > 6 ||
      !text_is(item(m, &id, 0), "storage") || item(m, &id, 3)->kind != CORED_PICKLE_TEXT ||
      (id.count == 6 && item(m, &id, 5)->kind != CORED_PICKLE_NONE))
    return fail(m, CORED_REFUSAL_STORAGE_ID,
                "expected ('storage', class, key, location, elements)");
  const CoredPickleNode *class = item(m, &id, 1), *numel = item(m, &id, 4);
  if (class->kind == CORED_PICKLE_REFUSED)
    return push(m, (CoredPickleNode){.kind = CORED_PICKLE_REFUSED});
  if (class->kind != CORED_PICKLE_GLOBAL || class->sub < CORED_GLOBAL_STORAGE)
    return fail(m, CORED_REFUSAL_STORAGE_TYPE, "the class of a storage is %s",
                cored_pickle_kind_name(class));
  if (!check_storage_key(m, item(m, &id, 2)))
    return false;
  if (numel->kind != CORED_PICKLE_INT || numel->integer < 0)
    return fail(m, CORED_REFUSAL_STORAGE_SIZE, "a storage of %" PRId64 " elements",
                numel->kind == CORED_PICKLE_INT ? numel->integer : -1);
  uint8_t scalar = (uint8_t)(class->sub - CORED_GLOBAL_STORAGE);
  return push(m, (CoredPickleNode){.kind = CORED_PICKLE_STORAGE, .sub = scalar, .first = ref});
}

/* ---- The table of opcodes -------------------------------------------------------------------- */

static const Opcode opcodes[256] = {
    [0x80] = {"PROTO", run_proto},
    ['N'] = {"NONE", run_none},
    [0x88] = {"NEWTRUE", run_true},
    [0x89] = {"NEWFALSE", run_false},
    ['J'] = {"BININT", run_binint},
    ['K'] = {"BININT1", run_binint1},
    ['M'] = {"BININT2", run_binint2},
    [0x8a] = {"LONG1", run_long1},
    ['G'] = {"BINFLOAT", run_binfloat},
    ['X'] = {"BINUNICODE", run_binunicode},
    ['U'] = {"SHORT_BINSTRING", run_short_binstring},
    [']'] = {"EMPTY_LIST", run_empty_list},
    ['}'] = {"EMPTY_DICT", run_empty_dict},
    [')'] = {"EMPTY_TUPLE", run_empty_tuple},
    ['('] = {"MARK", run_mark},
    ['t'] = {"TUPLE", run_tuple},
    [0x85] = {"TUPLE1", run_tuple1},
    [0x86] = {"TUPLE2", run_tuple2},
    [0x87] = {"TUPLE3", run_tuple3},
    ['a'] = {"APPEND", run_append},
    ['e'] = {"APPENDS", run_appends},
    ['s'] = {"SETITEM", run_setitem},
    ['u'] = {"SETITEMS", run_setitems},
    ['q'] = {"BINPUT", run_binput},
    ['r'] = {"LONG_BINPUT", run_long_binput},
    ['h'] = {"BINGET", run_binget},
    ['j'] = {"LONG_BINGET", run_long_binget},
    ['c'] = {"GLOBAL", run_global},
    ['R'] = {"REDUCE", run_reduce},
    ['b'] = {"BUILD", run_build},
    ['Q'] = {"BINPERSID", run_persid},
    ['.'] = {"STOP", run_stop},
};

static const Opcode *opcode_of(uint8_t code, bool survey) {
  static const Opcode newobj = {"NEWOBJ", survey_newobj};
  if (survey && code == 0x81)
    return &newobj;
  return opcodes[code].run ? &opcodes[code] : NULL;
}

size_t cored_pickle_opcode_count(void) {
  size_t n = 0;
  for (size_t i = 0; i < 256; i++)
    n += opcodes[i].run != NULL;
  return n;
}

/* ---- Running it ------------------------------------------------------------------------------ */

static bool step(Machine *m) {
  m->opcode = m->at;
  if (m->at == m->end)
    return fail(m, CORED_REFUSAL_PICKLE_NO_STOP, "the pickle ends without STOP");
  const Opcode *opcode = opcode_of(*m->at, m->survey);
  if (!opcode)
    return fail(m, CORED_REFUSAL_PICKLE_OPCODE,
                "opcode 0x%02x is not one that a dictionary of tensors needs", *m->at);
  m->at++;
  return opcode->run(m);
}

static bool run(Machine *m, bool stream) {
  for (size_t n = 0; !m->stopped; n++) {
    if (n == CORED_PICKLE_MAX_OPCODES)
      return fail(m, CORED_REFUSAL_PICKLE_LIMIT, "more than %u opcodes", CORED_PICKLE_MAX_OPCODES);
    if (n == 0 && (m->at == m->end || *m->at != 0x80))
      return fail(m, CORED_REFUSAL_PICKLE_PROTOCOL,
                  "does not start with a protocol number; expected protocol 2");
    if (!step(m))
      return false;
  }
  if (!stream && m->at != m->end)
    return fail(m, CORED_REFUSAL_PICKLE_TRAILING, "%zu bytes follow STOP",
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
  Machine m = {.start = bytes,
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
