/* SPDX-License-Identifier: MIT
 * Names of the tensors in a foreign file: what the user changes, what wrappers left in them. */
#include "tools/convert/names.h"

#include "base/escape.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EDITS 64

static bool no_memory(CoredRefusal *refusal) {
  return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for names");
}

static void remove_tensor(CoredLooseFile *file, size_t i) {
  free(file->tensors[i].name);
  file->n_tensors--;
  memmove(&file->tensors[i], &file->tensors[i + 1], (file->n_tensors - i) * sizeof *file->tensors);
}

/* ---- Edits ----------------------------------------------------------------------------------- */

/* Length of `start` in name when it is all of it or ends with a component; else 0. */
static size_t begins_with(const char *name, const char *start, size_t length) {
  if (length == 0 || strncmp(name, start, length) != 0)
    return 0;
  const bool whole = strchr("./", start[length - 1]) || strchr("./", name[length]);
  return whole ? length : 0; /* strchr finds the terminator too */
}

static bool is_dropped(const CoredShown *name, const char *const *drop, size_t *matches) {
  bool dropped = false;
  for (size_t i = 0; drop && drop[i]; i++)
    if (fnmatch(drop[i], name->text, FNM_NOESCAPE) == 0) { /* shown names hold "\\x1b" */
      matches[i]++;
      dropped = true;
    }
  return dropped;
}

/* The first rename that fits. */
static void rename_shown(CoredShown *name, const char *const *renames, size_t *matches) {
  for (size_t i = 0; renames && renames[i]; i++) {
    const char *equals = strchr(renames[i], '=');
    const size_t length = begins_with(name->text, renames[i], (size_t)(equals - renames[i]));
    if (length == 0)
      continue;
    const CoredShown old = *name;
    matches[i]++;
    snprintf(name->text, sizeof name->text, "%s%s", equals + 1, old.text + length);
    return;
  }
}

/* Each beginning once, in their order, so that several take away nested ones; true when one did. */
static bool strip_shown(CoredShown *name, const char *const *strips, size_t *matches) {
  bool stripped = false;
  for (size_t i = 0; strips && strips[i]; i++) {
    size_t length = begins_with(name->text, strips[i], strlen(strips[i]));
    if (length > 0 && name->text[length] && strchr("./", name->text[length]))
      length++; /* the dot, where the user left it away */
    if (length == 0 || !name->text[length])
      continue;
    memmove(name->text, name->text + length, strlen(name->text + length) + 1);
    matches[i]++;
    stripped = true;
  }
  return stripped;
}

static bool set_name(CoredLoose *tensor, const CoredShown *name, CoredRefusal *refusal) {
  if (strlen(name->text) >= CORED_LOOSE_NAME_SIZE)
    return cored_refuse(refusal, CORED_REFUSAL_TENSOR_NAME,
                        "the new name of '%.128s' has more than %d bytes", tensor->name,
                        CORED_LOOSE_NAME_SIZE - 1);
  char *copy = strdup(name->text);
  if (!copy)
    return no_memory(refusal);
  free(tensor->name);
  tensor->name = copy;
  return true;
}

static bool check_list(const char *option, const char *const *list, bool rename,
                       CoredRefusal *refusal) {
  for (size_t i = 0; list && list[i]; i++) {
    const char *equals = strchr(list[i], '=');
    if (i == MAX_EDITS)
      return cored_refuse(refusal, CORED_REFUSAL_SETTINGS, "more than %d times %s", MAX_EDITS,
                          option);
    if (!*list[i] || (rename && (!equals || equals == list[i] || !equals[1])))
      return cored_refuse(refusal, CORED_REFUSAL_SETTINGS, "%s '%.200s': expected %s", option,
                          list[i], rename ? "OLD=NEW" : "a part of names");
  }
  return true;
}

static bool check_used(const char *option, const char *const *list, const size_t *matches,
                       CoredRefusal *refusal) {
  for (size_t i = 0; list && list[i]; i++)
    if (matches[i] == 0)
      return cored_refuse(refusal, CORED_REFUSAL_SETTINGS,
                          "%s '%.200s' fits the name of no tensor; 'cored-convert inspect' prints "
                          "the names",
                          option, list[i]);
  return true;
}

static bool note_edits(const char *what, const char *const *list, const size_t *matches,
                       CoredLines *notes, CoredRefusal *refusal) {
  for (size_t i = 0; list && list[i]; i++)
    if (!cored_lines_add(notes, "%s '%s': %zu tensors, as asked for", what, list[i], matches[i]))
      return no_memory(refusal);
  return true;
}

bool cored_names_edit(CoredLooseFile *file, const CoredNameEdits *edits, CoredLines *notes,
                      CoredRefusal *refusal) {
  size_t dropped[MAX_EDITS] = {0}, renamed[MAX_EDITS] = {0}, stripped[MAX_EDITS] = {0};
  if (!check_list("--drop", edits->drop, false, refusal) ||
      !check_list("--rename", edits->rename, true, refusal) ||
      !check_list("--strip", edits->strip, false, refusal))
    return false;
  for (size_t i = 0; i < file->n_tensors;) {
    const CoredShown old = cored_show(file->tensors[i].name);
    CoredShown name = old;
    if (is_dropped(&old, edits->drop, dropped)) {
      remove_tensor(file, i);
      continue;
    }
    rename_shown(&name, edits->rename, renamed);
    file->tensors[i].stripped = strip_shown(&name, edits->strip, stripped);
    if (strcmp(name.text, old.text) != 0 && !set_name(&file->tensors[i], &name, refusal))
      return false;
    i++;
  }
  return check_used("--drop", edits->drop, dropped, refusal) &&
         check_used("--rename", edits->rename, renamed, refusal) &&
         check_used("--strip", edits->strip, stripped, refusal) &&
         note_edits("left out", edits->drop, dropped, notes, refusal) &&
         note_edits("renamed", edits->rename, renamed, notes, refusal) &&
         note_edits("stripped", edits->strip, stripped, notes, refusal) &&
         cored_loose_check_names(file, refusal);
}

/* ---- Tidying --------------------------------------------------------------------------------- */

/* Batch counters of PyTorch, and what the profiler thop leaves in a model. */
static bool is_counter(const char *name) {
  static const char *const counters[] = {"num_batches_tracked", "total_ops", "total_params"};
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
    if (strcmp(dot ? dot + 1 : name, counters[i]) == 0)
      return true;
  return false;
}

static bool is_wrapper(const char *component, size_t length) {
  static const char *const wrappers[] = {"module", "_orig_mod", "_fsdp_wrapped_module",
                                         "_checkpoint_wrapped_module"};
  for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++)
    if (strlen(wrappers[i]) == length && memcmp(component, wrappers[i], length) == 0)
      return true;
  return false;
}

/* True when components were taken out of name; its last one stays. */
static bool unwrap(char *name) {
  char *to = name;
  bool changed = false;
  for (char *at = name;;) {
    char *dot = strchr(at, '.');
    if (!dot) {
      memmove(to, at, strlen(at) + 1);
      return changed;
    }
    const size_t length = (size_t)(dot - at);
    if (is_wrapper(at, length)) {
      changed = true;
    } else {
      memmove(to, at, length + 1);
      to += length + 1;
    }
    at = dot + 1;
  }
}

bool cored_names_tidy(CoredLooseFile *file, CoredLines *notes, CoredRefusal *refusal) {
  size_t counters = 0, unwrapped = 0;
  for (size_t i = 0; i < file->n_tensors;) {
    if (is_counter(file->tensors[i].name)) {
      remove_tensor(file, i);
      counters++;
    } else {
      unwrapped += unwrap(file->tensors[i++].name);
    }
  }
  if ((counters > 0 &&
       !cored_lines_add(notes, "left out %zu counters (num_batches_tracked and the like)",
                        counters)) ||
      (unwrapped > 0 &&
       !cored_lines_add(notes, "took PyTorch's wrappers (module., _orig_mod.) out of %zu names",
                        unwrapped)))
    return no_memory(refusal);
  return cored_loose_check_names(file, refusal);
}
