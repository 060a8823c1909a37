/* SPDX-License-Identifier: MIT
 * From the tree of a pickle to named tensors. */
#include "tools/convert/state-dict.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NESTING 3 /* of dictionaries around the tensors */
#define MAX_NOTES 40
#define MAX_BESIDE 64 /* entries of a checkpoint among which tensors are looked for */
#define MAX_KEYS 12   /* listed where nothing was found */

/* ---- Storages -------------------------------------------------------------------------------- */

/* The key was checked to be a decimal number of at most 19 digits. */
static uint64_t key_value(const CoredPickleNode *key) {
  uint64_t value = 0;
  for (uint32_t i = 0; i < key->count; i++)
    value = value * 10 + (uint64_t)(key->text[i] - '0');
  return value;
}

static uint64_t storage_key(const CoredPickle *pickle, const CoredPickleNode *storage) {
  const CoredPickleNode *id = cored_pickle_node(pickle, storage->first);
  return key_value(cored_pickle_item(pickle, id, 2));
}

static int by_key(const void *a, const void *b) {
  const CoredStorage *x = a, *y = b;
  return (x->key > y->key) - (x->key < y->key);
}

static bool merge_same(CoredStorages *list, CoredRefusal *refusal) {
  size_t kept = 0;
  for (size_t i = 0; i < list->n; i++) {
    CoredStorage *now = &list->storages[i], *last = kept ? &list->storages[kept - 1] : NULL;
    if (!last || last->key != now->key) {
      list->storages[kept++] = *now;
      continue;
    }
    if (last->scalar != now->scalar || last->numel != now->numel)
      return cored_refuse(refusal, CORED_REFUSAL_STORAGE_TWICE,
                          "storage %" PRIu64 " is used as %" PRIu64 " %s and as %" PRIu64 " %s",
                          now->key, last->numel, cored_scalar_name(last->scalar), now->numel,
                          cored_scalar_name(now->scalar));
  }
  list->n = kept;
  return true;
}

bool cored_storages_collect(const CoredPickle *pickle, CoredStorages *list, CoredRefusal *refusal) {
  *list = (CoredStorages){0};
  for (size_t i = 0; i < pickle->n_nodes; i++) {
    const CoredPickleNode *node = &pickle->nodes[i];
    if (node->kind != CORED_PICKLE_STORAGE)
      continue;
    const CoredPickleNode *id = cored_pickle_node(pickle, node->first);
    CoredStorage storage = {.key = storage_key(pickle, node),
                            .scalar = (CoredScalar)node->sub,
                            .numel = (uint64_t)cored_pickle_item(pickle, id, 4)->integer};
    if (__builtin_mul_overflow(storage.numel, cored_scalar_size(storage.scalar), &storage.bytes))
      return cored_refuse(refusal, CORED_REFUSAL_STORAGE_SIZE,
                          "storage %" PRIu64 " of %" PRIu64 " elements", storage.key,
                          storage.numel);
    if (!cored_array_grow(&list->storages, &list->capacity, list->n + 1, sizeof storage))
      return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for storages");
    list->storages[list->n++] = storage;
  }
  if (list->n > 0)
    qsort(list->storages, list->n, sizeof *list->storages, by_key);
  return merge_same(list, refusal);
}

CoredStorage *cored_storages_find(const CoredStorages *list, uint64_t key) {
  CoredStorage wanted = {.key = key};
  return list->n == 0 ? NULL
                      : bsearch(&wanted, list->storages, list->n, sizeof *list->storages, by_key);
}

bool cored_storages_check(const CoredStorages *list, CoredRefusal *refusal) {
  for (size_t i = 0; i < list->n; i++)
    if (!list->storages[i].data)
      return cored_refuse(refusal, CORED_REFUSAL_STORAGE_MISSING,
                          "storage %" PRIu64 " (%" PRIu64 " elements %s) has no data in the file",
                          list->storages[i].key, list->storages[i].numel,
                          cored_scalar_name(list->storages[i].scalar));
  return true;
}

void cored_storages_clear(CoredStorages *list) {
  free(list->storages);
  *list = (CoredStorages){0};
}

/* ---- One tensor ------------------------------------------------------------------------------ */

/* Sizes and strides; the last element reached must lie inside the storage. */
static bool read_geometry(const CoredPickle *p, const CoredPickleNode *args, uint64_t numel,
                          CoredLoose *tensor, uint64_t *offset, CoredRefusal *refusal) {
  const CoredPickleNode *sizes = cored_pickle_item(p, args, 2),
                        *strides = cored_pickle_item(p, args, 3);
  int64_t start = cored_pickle_item(p, args, 1)->integer, last = start;
  bool negative = start < 0, wraps = false;
  tensor->rank = (int)sizes->count;
  for (int i = 0; i < tensor->rank; i++) {
    tensor->dims[i] = cored_pickle_item(p, sizes, (uint32_t)i)->integer;
    tensor->strides[i] = cored_pickle_item(p, strides, (uint32_t)i)->integer;
    negative |= tensor->dims[i] < 0 || tensor->strides[i] < 0;
  }
  if (negative)
    return cored_refuse(refusal, CORED_REFUSAL_TENSOR_NEGATIVE,
                        "tensor '%.128s': a negative offset, size or stride", tensor->name);
  if (!cored_loose_count(tensor->dims, tensor->rank, &tensor->count))
    return cored_refuse(refusal, CORED_REFUSAL_TENSOR_SHAPE,
                        "tensor '%.128s': a dimension is 0 or over 2^31-1, or their product is "
                        "too large",
                        tensor->name);
  for (int i = 0; i < tensor->rank; i++) {
    int64_t reach;
    wraps |= __builtin_mul_overflow(tensor->dims[i] - 1, tensor->strides[i], &reach) ||
             __builtin_add_overflow(last, reach, &last);
    if (tensor->dims[i] == 1)
      tensor->strides[i] = 0; /* never used; may be any number */
  }
  if (wraps || (uint64_t)last >= numel)
    return cored_refuse(refusal, CORED_REFUSAL_TENSOR_BOUNDS,
                        "tensor '%.128s' reaches element %" PRId64 " of a storage of %" PRIu64,
                        tensor->name, wraps ? INT64_MAX : last, numel);
  *offset = (uint64_t)start;
  return true;
}

static bool read_tensor(const CoredPickle *p, const CoredPickleNode *node, CoredStorages *storages,
                        CoredLoose *tensor, CoredRefusal *refusal) {
  const CoredPickleNode *args = cored_pickle_node(p, node->first);
  CoredStorage *storage =
      cored_storages_find(storages, storage_key(p, cored_pickle_item(p, args, 0)));
  if (!storage || !storage->data)
    return cored_refuse(refusal, CORED_REFUSAL_STORAGE_MISSING,
                        "the data of tensor '%.128s' are not in the file", tensor->name);
  uint64_t offset = 0;
  if (!read_geometry(p, args, storage->numel, tensor, &offset, refusal))
    return false;
  if (tensor->count > storage->numel)
    return cored_refuse(refusal, CORED_REFUSAL_TENSOR_EXPANDED,
                        "tensor '%.128s' has %zu elements, its storage %" PRIu64, tensor->name,
                        tensor->count, storage->numel);
  storage->used += tensor->count;
  if (storage->used > 2 * storage->numel)
    return cored_refuse(refusal, CORED_REFUSAL_TENSOR_AMPLIFIED,
                        "the tensors on storage %" PRIu64 " have %" PRIu64
                        " elements together, more than twice its %" PRIu64 " (at '%.128s')",
                        storage->key, storage->used, storage->numel, tensor->name);
  tensor->scalar = storage->scalar;
  tensor->data = storage->data + offset * cored_scalar_size(storage->scalar);
  return true;
}

/* ---- The dictionary -------------------------------------------------------------------------- */

static bool no_memory(CoredRefusal *refusal) {
  return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for tensors");
}

static bool note(CoredLooseFile *file, const char *text) {
  if (file->notes.n > MAX_NOTES)
    return true;
  return cored_lines_add(&file->notes, "%s",
                         file->notes.n < MAX_NOTES ? text : "more was left out");
}

static void describe(const CoredPickleNode *node, char *out, size_t size) {
  if (node->kind == CORED_PICKLE_INT)
    snprintf(out, size, "%" PRId64, node->integer);
  else if (node->kind == CORED_PICKLE_FLOAT)
    snprintf(out, size, "%g", node->real);
  else
    snprintf(out, size, "%s", cored_pickle_kind_name(node));
}

static bool note_left_out(CoredLooseFile *file, const CoredPickleNode *key,
                          const CoredPickleNode *value) {
  char name[96], what[64], line[192];
  if (key->kind == CORED_PICKLE_TEXT)
    cored_escape(key->text, key->count, name, sizeof name);
  else
    describe(key, name, sizeof name);
  describe(value, what, sizeof what);
  snprintf(line, sizeof line, "left out '%s': %s", name, what);
  return note(file, line);
}

static bool add_entry(const CoredPickle *p, const CoredPickleNode *key,
                      const CoredPickleNode *value, CoredStorages *storages, bool swapped,
                      CoredLooseFile *file, CoredRefusal *refusal) {
  if (value->kind != CORED_PICKLE_TENSOR)
    return note_left_out(file, key, value) || no_memory(refusal);
  if (key->kind != CORED_PICKLE_TEXT || key->count == 0 || key->count >= CORED_LOOSE_NAME_SIZE ||
      memchr(key->text, 0, key->count))
    return cored_refuse(refusal, CORED_REFUSAL_TENSOR_NAME,
                        "the name of a tensor is %s of %u bytes, expected a string of 1 to %d "
                        "without NUL",
                        cored_pickle_kind_name(key),
                        key->kind == CORED_PICKLE_TEXT ? key->count : 0, CORED_LOOSE_NAME_SIZE - 1);
  if (file->n_tensors >= CORED_LOOSE_MAX_TENSORS)
    return cored_refuse(refusal, CORED_REFUSAL_PICKLE_LIMIT, "more than %d tensors",
                        CORED_LOOSE_MAX_TENSORS);
  CoredLoose *tensor = cored_loose_add(file, key->text, key->count);
  if (!tensor)
    return no_memory(refusal);
  tensor->swapped = swapped;
  return read_tensor(p, value, storages, tensor, refusal);
}

static bool holds_tensor(const CoredPickle *p, const CoredPickleNode *dict) {
  uint32_t cell = dict->first;
  for (uint32_t i = 0; i < dict->count; i++, cell = p->cells[cell].next)
    if (p->nodes[p->cells[cell].value].kind == CORED_PICKLE_TENSOR)
      return true;
  return false;
}

/* The only dictionary of tensors in dict, whatever its key, or NULL. */
static const CoredPickleNode *only_tensors(const CoredPickle *p, const CoredPickleNode *dict,
                                           const char **taken, char *name, size_t size,
                                           CoredRefusal *refusal) {
  const CoredPickleNode *found = NULL;
  char other[96];
  uint32_t cell = dict->first;
  for (uint32_t i = 0; i < dict->count && i < MAX_BESIDE; i++, cell = p->cells[cell].next) {
    const CoredPickleNode *key = &p->nodes[p->cells[cell].key],
                          *value = &p->nodes[p->cells[cell].value];
    if (key->kind != CORED_PICKLE_TEXT || value->kind != CORED_PICKLE_DICT || value == dict ||
        value == found || !holds_tensor(p, value))
      continue;
    if (found) {
      cored_escape(key->text, key->count, other, sizeof other);
      cored_refuse(refusal, CORED_REFUSAL_STATE_DICT_AMBIGUOUS,
                   "the file holds dictionaries of tensors '%s' and '%s'; choose one with --key",
                   name, other);
      return NULL;
    }
    found = value;
    cored_escape(key->text, key->count, name, size);
    *taken = name;
  }
  return found;
}

/* The one dictionary among the usual keys (or under the key asked for), or the only one that holds
 * tensors, or NULL. */
static const CoredPickleNode *step_down(const CoredPickle *p, const CoredPickleNode *dict,
                                        const char *asked, const char **taken, char *name,
                                        size_t size, CoredRefusal *refusal) {
  static const char *const usual[] = {"state_dict", "model_state_dict", "model",
                                      "net",        "model_state",      "network"};
  const CoredPickleNode *found = NULL;
  if (asked) {
    found = cored_pickle_get(p, dict, asked);
    *taken = asked;
    return found && found->kind == CORED_PICKLE_DICT ? found : NULL;
  }
  for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
    const CoredPickleNode *value = cored_pickle_get(p, dict, usual[i]);
    if (!value || value->kind != CORED_PICKLE_DICT || value == dict)
      continue;
    if (found) {
      cored_refuse(refusal, CORED_REFUSAL_STATE_DICT_AMBIGUOUS,
                   "the file holds dictionaries '%s' and '%s'; choose one with --key", *taken,
                   usual[i]);
      return NULL;
    }
    found = value;
    *taken = usual[i];
  }
  return found ? found : only_tensors(p, dict, taken, name, size, refusal);
}

/* Everything beside the dictionary that was taken: epoch, best_acc, optimizer, … */
static bool note_beside(const CoredPickle *p, const CoredPickleNode *dict,
                        const CoredPickleNode *chosen, const char *key, CoredLooseFile *file) {
  char line[160];
  snprintf(line, sizeof line, "took the dictionary under '%s'", key);
  if (!note(file, line))
    return false;
  uint32_t cell = dict->first;
  for (uint32_t i = 0; i < dict->count; i++, cell = p->cells[cell].next) {
    const CoredPickleNode *value = &p->nodes[p->cells[cell].value];
    if (value != chosen && !note_left_out(file, &p->nodes[p->cells[cell].key], value))
      return false;
  }
  return true;
}

/* What is there in place of tensors: the keys at the top. */
static bool refuse_top(const CoredPickle *p, const char *key, CoredRefusal *refusal) {
  const CoredPickleNode *top = cored_pickle_node(p, p->top);
  char keys[512] = "", name[64];
  size_t used = 0;
  uint32_t cell = top->kind == CORED_PICKLE_DICT ? top->first : 0;
  for (uint32_t i = 0; top->kind == CORED_PICKLE_DICT && i < top->count && i < MAX_KEYS &&
                       used + sizeof name + 4 < sizeof keys;
       i++, cell = p->cells[cell].next) {
    const CoredPickleNode *now = &p->nodes[p->cells[cell].key];
    if (now->kind != CORED_PICKLE_TEXT)
      continue;
    cored_escape(now->text, now->count, name, sizeof name);
    used += (size_t)snprintf(keys + used, sizeof keys - used, "%s'%s'", used ? ", " : "", name);
  }
  return cored_refuse(refusal, CORED_REFUSAL_NOT_STATE_DICT,
                      "no dictionary of named tensors %s%.64s%s (at the top is %s%s%s)",
                      key ? "under the key '" : "in the file", key ? key : "", key ? "'" : "",
                      cored_pickle_kind_name(top), *keys ? " with the keys " : "", keys);
}

bool cored_state_dict_read(const CoredPickle *p, CoredStorages *storages, bool swapped,
                           const char *key, CoredLooseFile *file, CoredRefusal *refusal) {
  const CoredPickleNode *dict = cored_pickle_node(p, p->top);
  bool want_key = key != NULL;
  for (int depth = 0; dict && dict->kind == CORED_PICKLE_DICT; depth++) {
    if (!want_key && holds_tensor(p, dict))
      break;
    const char *taken = NULL;
    char name[96];
    cored_hints_dict(p, dict, &file->hints);
    const CoredPickleNode *inner =
        depth < MAX_NESTING
            ? step_down(p, dict, want_key ? key : NULL, &taken, name, sizeof name, refusal)
            : NULL;
    if (inner && !note_beside(p, dict, inner, taken, file))
      return no_memory(refusal);
    if (inner)
      snprintf(file->taken, sizeof file->taken, "%s", depth == 0 ? taken : "");
    dict = inner;
    want_key = false;
  }
  if (!dict || dict->kind != CORED_PICKLE_DICT)
    return refuse_top(p, key, refusal);
  uint32_t cell = dict->first;
  for (uint32_t i = 0; i < dict->count; i++, cell = p->cells[cell].next)
    if (!add_entry(p, &p->nodes[p->cells[cell].key], &p->nodes[p->cells[cell].value], storages,
                   swapped, file, refusal))
      return false;
  return cored_loose_check_names(file, refusal);
}
