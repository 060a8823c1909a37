/* SPDX-License-Identifier: MIT
 * What stands in for calls in the restricted pickle machine: the arguments of the few functions
 * that weights need are checked for number and type, and kept. */
#include <inttypes.h>

#include "tools/convert/loose.h"
#include "tools/convert/pickle-machine.h"

static const CoredPickleNode *item(const CoredPickleMachine *m, const CoredPickleNode *tuple,
                                   uint32_t i) {
  return cored_pickle_item(m->pickle, tuple, i);
}

static bool is_size(const CoredPickleMachine *m, const CoredPickleNode *node) {
  if (node->kind != CORED_PICKLE_TUPLE || node->count > CORED_LOOSE_MAX_RANK)
    return false;
  for (uint32_t i = 0; i < node->count; i++)
    if (item(m, node, i)->kind != CORED_PICKLE_INT)
      return false;
  return true;
}

/* _rebuild_tensor(storage, offset, size, stride);
 * _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata]) */
static bool rebuild_tensor(CoredPickleMachine *m, const CoredPickleNode *args, bool v2,
                           CoredPickleRef args_ref) {
  bool arity = v2 ? args->count == 6 || args->count == 7 : args->count == 4;
  if (!arity || item(m, args, 0)->kind != CORED_PICKLE_STORAGE ||
      item(m, args, 1)->kind != CORED_PICKLE_INT || !is_size(m, item(m, args, 2)) ||
      !is_size(m, item(m, args, 3)) || item(m, args, 2)->count != item(m, args, 3)->count ||
      (v2 && item(m, args, 4)->kind != CORED_PICKLE_BOOL))
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS,
                             "_rebuild_tensor%s with %u arguments: expected storage, offset, size "
                             "and stride (of at most 8 dimensions)%s",
                             v2 ? "_v2" : "", args->count,
                             v2 ? ", a boolean and hooks" : " and nothing else");
  if (v2 && (item(m, args, 5)->kind != CORED_PICKLE_DICT || item(m, args, 5)->count != 0))
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS,
                             "a tensor with hooks: expected an empty dict, found %s",
                             cored_pickle_kind_name(item(m, args, 5)));
  return cored_pickle_push(m, (CoredPickleNode){.kind = CORED_PICKLE_TENSOR, .first = args_ref});
}

/* _rebuild_parameter(tensor, requires_grad, hooks): the tensor itself. */
static bool rebuild_parameter(CoredPickleMachine *m, const CoredPickleNode *args) {
  if (args->count != 3 || item(m, args, 0)->kind != CORED_PICKLE_TENSOR ||
      item(m, args, 1)->kind != CORED_PICKLE_BOOL)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS,
                             "_rebuild_parameter with %u arguments: expected a tensor, a boolean "
                             "and hooks",
                             args->count);
  return cored_pickle_push_ref(m, m->pickle->cells[args->first].value);
}

/* OrderedDict(), and Python 2's OrderedDict([[key, value], …]). */
static bool ordered_dict(CoredPickleMachine *m, const CoredPickleNode *args) {
  CoredPickleNode dict = {.kind = CORED_PICKLE_DICT};
  if (args->count > 1 || (args->count == 1 && item(m, args, 0)->kind != CORED_PICKLE_LIST))
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS,
                             "OrderedDict with %u arguments: expected none or a list", args->count);
  uint32_t n = args->count == 1 ? item(m, args, 0)->count : 0;
  uint32_t cell = n > 0 ? item(m, args, 0)->first : 0;
  for (uint32_t i = 0; i < n; i++, cell = m->pickle->cells[cell].next) {
    const CoredPickleNode *pair = cored_pickle_node(m->pickle, m->pickle->cells[cell].value);
    if ((pair->kind != CORED_PICKLE_LIST && pair->kind != CORED_PICKLE_TUPLE) || pair->count != 2)
      return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS,
                               "OrderedDict of a list whose item %u is no pair", i);
    CoredPickleRef key = m->pickle->cells[pair->first].value,
                   value = m->pickle->cells[pair->last].value;
    if (cored_pickle_node(m->pickle, key)->kind != CORED_PICKLE_TEXT)
      return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_KEY, "a key of OrderedDict is %s",
                               cored_pickle_kind_name(cored_pickle_node(m->pickle, key)));
    if (!cored_pickle_append(m, &dict, key, value))
      return false;
  }
  return cored_pickle_push(m, dict);
}

/* torch.Size((2, 3)) is the tuple. */
static bool size_tuple(CoredPickleMachine *m, const CoredPickleNode *args) {
  if (args->count != 1 || !is_size(m, item(m, args, 0)))
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS,
                             "torch.Size: expected one tuple of integers");
  return cored_pickle_push_ref(m, m->pickle->cells[args->first].value);
}

/* Only the first arguments count: those that the functions above look at. */
static bool holds_refused(const CoredPickleMachine *m, const CoredPickleNode *args) {
  for (uint32_t i = 0; i < args->count && i < 8; i++)
    if (item(m, args, i)->kind == CORED_PICKLE_REFUSED)
      return true;
  return false;
}

bool cored_pickle_reduce(CoredPickleMachine *m) {
  CoredPickleRef args_ref, function_ref;
  if (!cored_pickle_pop(m, &args_ref) || !cored_pickle_pop(m, &function_ref))
    return false;
  /* By value: pushing nodes moves the arena. */
  CoredPickleNode args = *cored_pickle_node(m->pickle, args_ref);
  CoredPickleNode function = *cored_pickle_node(m->pickle, function_ref);
  if (function.kind == CORED_PICKLE_REFUSED)
    return cored_pickle_push(m, (CoredPickleNode){.kind = CORED_PICKLE_REFUSED});
  if (function.kind != CORED_PICKLE_GLOBAL || function.sub >= CORED_GLOBAL_STORAGE)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_CALL, "calls %s",
                             function.kind == CORED_PICKLE_GLOBAL
                                 ? "a storage class"
                                 : cored_pickle_kind_name(&function));
  if (args.kind == CORED_PICKLE_TUPLE && m->survey && holds_refused(m, &args))
    return cored_pickle_push(m, (CoredPickleNode){.kind = CORED_PICKLE_REFUSED});
  if (args.kind != CORED_PICKLE_TUPLE)
    return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_ARGUMENTS,
                             "the arguments are %s, expected a tuple",
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
  return cored_pickle_push(m, (CoredPickleNode){.kind = CORED_PICKLE_INERT});
}

/* The state of an OrderedDict (its _metadata) or of a numpy dtype: dropped. */
bool cored_pickle_build(CoredPickleMachine *m) {
  const CoredPickleNode *object;
  if (!cored_pickle_pop(m, NULL) || !(object = cored_pickle_peek(m)))
    return false;
  if (object->kind == CORED_PICKLE_DICT || object->kind == CORED_PICKLE_INERT ||
      object->kind == CORED_PICKLE_REFUSED)
    return true;
  return cored_pickle_fail(m, CORED_REFUSAL_PICKLE_BUILD, "sets the state of %s",
                           cored_pickle_kind_name(object));
}

/* The key names a record or a position: a plain decimal number. */
static bool check_key(CoredPickleMachine *m, const CoredPickleNode *key) {
  bool good = key->kind == CORED_PICKLE_TEXT && key->count >= 1 && key->count <= 19 &&
              (key->count == 1 || key->text[0] != '0');
  for (uint32_t i = 0; good && i < key->count; i++)
    good = key->text[i] >= '0' && key->text[i] <= '9';
  if (good)
    return true;
  char shown[64] = "";
  if (key->kind == CORED_PICKLE_TEXT || key->kind == CORED_PICKLE_BYTES)
    cored_escape(key->text, key->count, shown, sizeof shown);
  return cored_pickle_fail(m, CORED_REFUSAL_STORAGE_KEY,
                           "the key of a storage is %s '%s', expected a plain number in a string",
                           cored_pickle_kind_name(key), shown);
}

/* ('storage', class, key, location, elements); the legacy stream adds None for "no view". The
 * location says where the tensor once was and is not looked at. */
bool cored_pickle_persid(CoredPickleMachine *m) {
  CoredPickleRef ref;
  if (!cored_pickle_pop(m, &ref))
    return false;
  CoredPickleNode id = *cored_pickle_node(m->pickle, ref);
  if (id.kind == CORED_PICKLE_TUPLE && id.count >= 1 &&
      cored_pickle_text_is(item(m, &id, 0), "module"))
    return cored_pickle_fail(m, CORED_REFUSAL_PTH_WHOLE_MODULE,
                             "the file holds a pickled module; save its state_dict() instead");
  if (id.kind != CORED_PICKLE_TUPLE || id.count < 5 || id.count > 6 ||
      !cored_pickle_text_is(item(m, &id, 0), "storage") ||
      item(m, &id, 3)->kind != CORED_PICKLE_TEXT ||
      (id.count == 6 && item(m, &id, 5)->kind != CORED_PICKLE_NONE))
    return cored_pickle_fail(m, CORED_REFUSAL_STORAGE_ID,
                             "expected ('storage', class, key, location, elements)");
  const CoredPickleNode *class = item(m, &id, 1), *numel = item(m, &id, 4);
  if (class->kind == CORED_PICKLE_REFUSED)
    return cored_pickle_push(m, (CoredPickleNode){.kind = CORED_PICKLE_REFUSED});
  if (class->kind != CORED_PICKLE_GLOBAL || class->sub < CORED_GLOBAL_STORAGE)
    return cored_pickle_fail(m, CORED_REFUSAL_STORAGE_TYPE, "the class of a storage is %s",
                             cored_pickle_kind_name(class));
  if (!check_key(m, item(m, &id, 2)))
    return false;
  if (numel->kind != CORED_PICKLE_INT || numel->integer < 0)
    return cored_pickle_fail(m, CORED_REFUSAL_STORAGE_SIZE, "a storage of %" PRId64 " elements",
                             numel->kind == CORED_PICKLE_INT ? numel->integer : -1);
  uint8_t scalar = (uint8_t)(class->sub - CORED_GLOBAL_STORAGE);
  return cored_pickle_push(
      m, (CoredPickleNode){.kind = CORED_PICKLE_STORAGE, .sub = scalar, .first = ref});
}
