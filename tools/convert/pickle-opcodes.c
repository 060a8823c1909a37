/* SPDX-License-Identifier: MIT
 * The opcodes of the restricted pickle machine: those of protocol 2 that torch.save emits. */
#include <stdio.h>
#include <string.h>

#include "tools/convert/bytes.h"
#include "tools/convert/loose.h"
#include "tools/convert/pickle-machine.h"

#define GLOBAL_NAME_MAX 256 /* bytes of a module's or a name's line */
#define MAX_LISTED 100      /* names kept for display */

/* The next n bytes of the pickle, or NULL (and refused). */
static const uint8_t *take(CoredPickleMachine *m, size_t n) {
  size_t left = (size_t)(m->end - m->at);
  if (n > left) {
    cored_pickle_fail(m, CORED_REFUSAL_PICKLE_TRUNCATED, "needs %zu bytes, %zu are left", n, left);
    return NULL;
  }
  const uint8_t *p = m->at;
  m->at += n;
  return p;
}

/* ---- Plain values ---------------------------------------------------------------------------- */

static bool run_proto(CoredPickleMachine *m) {
  const uint8_t *p = take(m, 1);
  if (!p)
    return false;
  if (*p != 2 || m->opcode != m->start)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_PROTOCOL,
                             "pickle protocol %u, expected 2 once at the start; save the file "
                             "again with torch.save's default protocol",
                             *p);
  return true;
}

static bool run_none(CoredPickleMachine *m) {
  return cored_pickle_push(m, (CoredPickleNode){.kind = CORED_PICKLE_NONE});
}

static bool run_false(CoredPickleMachine *m) {
  return cored_pickle_push(m, (CoredPickleNode){.kind = CORED_PICKLE_BOOL, .integer = 0});
}

static bool run_true(CoredPickleMachine *m) {
  return cored_pickle_push(m, (CoredPickleNode){.kind = CORED_PICKLE_BOOL, .integer = 1});
}

static bool push_integer(CoredPickleMachine *m, int64_t value) {
  return cored_pickle_push(m, (CoredPickleNode){.kind = CORED_PICKLE_INT, .integer = value});
}

static bool run_binint(CoredPickleMachine *m) {
  const uint8_t *p = take(m, 4);
  return p && push_integer(m, (int32_t)cored_le32(p));
}

static bool run_binint1(CoredPickleMachine *m) {
  const uint8_t *p = take(m, 1);
  return p && push_integer(m, *p);
}

static bool run_binint2(CoredPickleMachine *m) {
  const uint8_t *p = take(m, 2);
  return p && push_integer(m, cored_le16(p));
}

static bool run_long1(CoredPickleMachine *m) { /* little-endian two's complement */
  const uint8_t *length = take(m, 1), *p;
  if (!length || !(p = take(m, *length)))
    return false;
  if (*length > 8)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_LONG, "an integer of %u bytes, at most 8",
                             *length);
  uint64_t value = *length > 0 && p[*length - 1] & 0x80 ? UINT64_MAX : 0;
  for (int i = *length - 1; i >= 0; i--)
    value = value << 8 | p[i];
  return push_integer(m, (int64_t)value);
}

static bool run_binfloat(CoredPickleMachine *m) { /* big-endian */
  const uint8_t *p = take(m, 8);
  if (!p)
    return false;
  uint64_t bits = 0;
  for (int i = 0; i < 8; i++)
    bits = bits << 8 | p[i];
  CoredPickleNode node = {.kind = CORED_PICKLE_FLOAT};
  memcpy(&node.real, &bits, sizeof node.real);
  return cored_pickle_push(m, node);
}

static bool run_binunicode(CoredPickleMachine *m) {
  const uint8_t *length = take(m, 4), *p;
  if (!length || !(p = take(m, cored_le32(length))))
    return false;
  uint32_t count = cored_le32(length);
  if (!cored_utf8_is_valid(p, count))
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_UTF8, "a string that is not UTF-8");
  return cored_pickle_push(m,
                           (CoredPickleNode){.kind = CORED_PICKLE_TEXT, .count = count, .text = p});
}

/* Python 2's strings: names where they are UTF-8, numpy's raw numbers where they are not. */
static bool run_short_binstring(CoredPickleMachine *m) {
  const uint8_t *length = take(m, 1), *p;
  if (!length || !(p = take(m, *length)))
    return false;
  uint8_t kind = cored_utf8_is_valid(p, *length) ? CORED_PICKLE_TEXT : CORED_PICKLE_BYTES;
  return cored_pickle_push(m, (CoredPickleNode){.kind = kind, .count = *length, .text = p});
}

/* ---- Containers ------------------------------------------------------------------------------ */

static bool run_empty_list(CoredPickleMachine *m) {
  return cored_pickle_push(m, (CoredPickleNode){.kind = CORED_PICKLE_LIST});
}

static bool run_empty_dict(CoredPickleMachine *m) {
  return cored_pickle_push(m, (CoredPickleNode){.kind = CORED_PICKLE_DICT});
}

static bool run_empty_tuple(CoredPickleMachine *m) {
  return cored_pickle_push(m, (CoredPickleNode){.kind = CORED_PICKLE_TUPLE});
}

static bool run_mark(CoredPickleMachine *m) {
  if (m->n_marks >= CORED_PICKLE_MAX_STACK)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_LIMIT, "more than %u open marks",
                             CORED_PICKLE_MAX_STACK);
  if (!cored_array_grow(&m->marks, &m->marks_capacity, m->n_marks + 1, sizeof *m->marks))
    return cored_pickle_fail(m, CORED_REFUSAL_NO_MEMORY, "no memory for marks");
  m->marks[m->n_marks++] = (uint32_t)m->depth;
  return true;
}

/* Close the last mark: the values above it start at stack[*base]. */
static bool close_mark(CoredPickleMachine *m, size_t *base) {
  if (m->n_marks == 0)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_MARK, "no mark is open");
  *base = m->marks[--m->n_marks];
  return true;
}

/* Replace the values from stack[base] by a tuple of them. */
static bool make_tuple(CoredPickleMachine *m, size_t base) {
  CoredPickleNode tuple = {.kind = CORED_PICKLE_TUPLE};
  for (size_t i = base; i < m->depth; i++)
    if (!cored_pickle_append(m, &tuple, CORED_PICKLE_NOTHING, m->stack[i]))
      return false;
  m->depth = base;
  return cored_pickle_push(m, tuple);
}

static bool run_tuple(CoredPickleMachine *m) {
  size_t base = 0;
  return close_mark(m, &base) && make_tuple(m, base);
}

static bool short_tuple(CoredPickleMachine *m, size_t n) {
  size_t floor = m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0;
  if (m->depth - floor < n)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_STACK, "needs %zu values, the stack has %zu",
                             n, m->depth - floor);
  return make_tuple(m, m->depth - n);
}

static bool run_tuple1(CoredPickleMachine *m) {
  return short_tuple(m, 1);
}

static bool run_tuple2(CoredPickleMachine *m) {
  return short_tuple(m, 2);
}

static bool run_tuple3(CoredPickleMachine *m) {
  return short_tuple(m, 3);
}

/* The container below the values; in a survey a refused one swallows them. */
static CoredPickleNode *container(CoredPickleMachine *m, CoredPickleKind kind) {
  CoredPickleNode *node = cored_pickle_peek(m);
  if (node && node->kind != kind && node->kind != CORED_PICKLE_REFUSED) {
    cored_pickle_fail(m, CORED_REFUSAL_PICKLE_CONTAINER, "puts an item into %s, expected a %s",
                      cored_pickle_kind_name(node), kind == CORED_PICKLE_LIST ? "list" : "dict");
    return NULL;
  }
  return node;
}

/* Append the values from stack[base] on to the list below them. */
static bool append_from(CoredPickleMachine *m, size_t base) {
  size_t end = m->depth;
  m->depth = base;
  CoredPickleNode *list = container(m, CORED_PICKLE_LIST);
  if (!list)
    return false;
  for (size_t i = base; i < end && list->kind == CORED_PICKLE_LIST; i++)
    if (!cored_pickle_append(m, list, CORED_PICKLE_NOTHING, m->stack[i]))
      return false;
  return true;
}

static bool check_key(CoredPickleMachine *m, const CoredPickleNode *key) {
  if (key->kind <= CORED_PICKLE_TUPLE || key->kind == CORED_PICKLE_REFUSED)
    return true;
  return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_KEY, "%s cannot be the key of a dict",
                           cored_pickle_kind_name(key));
}

static bool set_from(CoredPickleMachine *m, size_t base) {
  size_t end = m->depth;
  m->depth = base;
  CoredPickleNode *dict = container(m, CORED_PICKLE_DICT);
  if (!dict)
    return false;
  if ((end - base) % 2 != 0)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_ODD_ITEMS, "%zu values are no pairs",
                             end - base);
  for (size_t i = base; i < end && dict->kind == CORED_PICKLE_DICT; i += 2)
    if (!check_key(m, &m->pickle->nodes[m->stack[i]]) ||
        !cored_pickle_append(m, dict, m->stack[i], m->stack[i + 1]))
      return false;
  return true;
}

/* APPEND and SETITEM take a fixed number of values, of the current frame only. */
static bool fixed(CoredPickleMachine *m, size_t n, bool (*put)(CoredPickleMachine *, size_t)) {
  size_t floor = m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0;
  if (m->depth - floor <= n)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_STACK, "needs %zu values, the stack has %zu",
                             n + 1, m->depth - floor);
  return put(m, m->depth - n);
}

static bool run_append(CoredPickleMachine *m) {
  return fixed(m, 1, append_from);
}

static bool run_setitem(CoredPickleMachine *m) {
  return fixed(m, 2, set_from);
}

static bool run_appends(CoredPickleMachine *m) {
  size_t base = 0;
  return close_mark(m, &base) && append_from(m, base);
}

static bool run_setitems(CoredPickleMachine *m) {
  size_t base = 0;
  return close_mark(m, &base) && set_from(m, base);
}

/* ---- Memo ------------------------------------------------------------------------------------ */

/* Picklers number their memo 0, 1, 2, …; so the table grows by one entry at a time and an index
 * cannot choose its size. */
static bool put(CoredPickleMachine *m, uint32_t index) {
  if (!cored_pickle_peek(m))
    return false;
  if (index > m->n_memo)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_MEMO,
                             "stores memo entry %u, expected at most %zu", index, m->n_memo);
  if (!cored_array_grow(&m->memo, &m->memo_capacity, m->n_memo + 1, sizeof *m->memo))
    return cored_pickle_fail(m, CORED_REFUSAL_NO_MEMORY, "no memory for the memo");
  m->memo[index] = m->stack[m->depth - 1];
  m->n_memo += index == m->n_memo;
  return true;
}

static bool get(CoredPickleMachine *m, uint32_t index) {
  if (index >= m->n_memo)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_MEMO, "asks for memo entry %u, there are %zu",
                             index, m->n_memo);
  return cored_pickle_push_ref(m, m->memo[index]);
}

static bool run_binput(CoredPickleMachine *m) {
  const uint8_t *p = take(m, 1);
  return p && put(m, *p);
}

static bool run_long_binput(CoredPickleMachine *m) {
  const uint8_t *p = take(m, 4);
  return p && put(m, cored_le32(p));
}

static bool run_binget(CoredPickleMachine *m) {
  const uint8_t *p = take(m, 1);
  return p && get(m, *p);
}

static bool run_long_binget(CoredPickleMachine *m) {
  const uint8_t *p = take(m, 4);
  return p && get(m, cored_le32(p));
}

/* ---- Globals and the end --------------------------------------------------------------------- */

/* A line without its newline. */
static const uint8_t *take_line(CoredPickleMachine *m, size_t *length) {
  size_t left = (size_t)(m->end - m->at), limit = left < GLOBAL_NAME_MAX ? left : GLOBAL_NAME_MAX;
  const uint8_t *p = m->at, *newline = memchr(p, '\n', limit);
  if (!newline || newline == p || !cored_utf8_is_valid(p, (size_t)(newline - p))) {
    cored_pickle_fail(m, CORED_REFUSAL_PICKLE_GLOBAL_NAME,
                      "the name of a global is empty, not UTF-8, or no newline within %zu bytes",
                      limit);
    return NULL;
  }
  *length = (size_t)(newline - p);
  m->at = newline + 1;
  return p;
}

/* Survey only: list the reason and go on with a value that stands for it. */
static bool push_refused(CoredPickleMachine *m, const char *why) {
  CoredLines *refused = &m->pickle->refused;
  if (refused->n < MAX_LISTED && !cored_lines_contain(refused, why) &&
      !cored_lines_add(refused, "%s", why))
    return cored_pickle_fail(m, CORED_REFUSAL_NO_MEMORY, "no memory for names");
  return cored_pickle_push(m, (CoredPickleNode){.kind = CORED_PICKLE_REFUSED});
}

static bool run_global(CoredPickleMachine *m) {
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
    return cored_pickle_fail(m, CORED_REFUSAL_NO_MEMORY, "no memory for names");
  const CoredGlobalEntry *entry = cored_global_find(module, module_length, name, name_length);
  if (entry)
    return cored_pickle_push(m,
                             (CoredPickleNode){.kind = CORED_PICKLE_GLOBAL, .sub = entry->global});
  CoredRefusal why = {0};
  cored_global_refuse(shown, &why);
  return m->survey ? push_refused(m, why.message)
                   : cored_pickle_fail(m, why.code, "%s", why.message);
}

/* Survey only: a class and its arguments become one refused value. */
static bool survey_newobj(CoredPickleMachine *m) {
  return cored_pickle_pop(m, NULL) && cored_pickle_pop(m, NULL) &&
         push_refused(m, "the pickle makes an object of a class (opcode NEWOBJ)");
}

static bool run_stop(CoredPickleMachine *m) {
  if (!cored_pickle_pop(m, &m->pickle->top))
    return false;
  if (m->depth > 0 || m->n_marks > 0)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_LEFTOVER,
                             "%zu values and %zu marks are left on the stack", m->depth,
                             m->n_marks);
  m->stopped = true;
  return true;
}

static const CoredPickleOpcode opcodes[256] = {
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
    ['R'] = {"REDUCE", cored_pickle_reduce},
    ['b'] = {"BUILD", cored_pickle_build},
    ['Q'] = {"BINPERSID", cored_pickle_persid},
    ['.'] = {"STOP", run_stop},
};

const CoredPickleOpcode *cored_pickle_opcode(uint8_t code, bool survey) {
  static const CoredPickleOpcode newobj = {"NEWOBJ", survey_newobj};
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
