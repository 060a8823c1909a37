/* SPDX-License-Identifier: MIT
 * What a weight file says by the way about the classes and the input of its network. */
#include "tools/convert/hints.h"

#include "base/escape.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_CLASSES 16 /* more are not compared */
#define MIN_SIZE 8
#define MAX_SIZE 4096

typedef struct Names {
  const CoredPickleNode *name[MAX_CLASSES];
  int n;
} Names;

static bool is_one_of(const char *key, const char *const *keys) {
  for (; *keys; keys++)
    if (strcasecmp(key, *keys) == 0)
      return true;
  return false;
}

static bool is_size_key(const char *key) {
  static const char *const keys[] = {
      "img_size",         "image_size",       "input_size", "crop_size", "resolution", "imgsize",
      "input_resolution", "image_resolution", "img_dim",    "im_size",   NULL};
  return is_one_of(key, keys);
}

static bool is_classes_key(const char *key) {
  static const char *const keys[] = {"class_to_idx", "idx_to_class", "classes",
                                     "class_names",  "labels",       "label_names",
                                     "label2id",     "id2label",     NULL};
  return is_one_of(key, keys);
}

static bool is_options_key(const char *key) {
  static const char *const keys[] = {
      "args",   "config",  "cfg",  "opt", "hparams", "hyper_parameters",
      "params", "options", "meta", NULL};
  return is_one_of(key, keys);
}

/* ---- Sizes ----------------------------------------------------------------------------------- */

static void set_size(CoredHints *hints, const char *key, int64_t width, int64_t height) {
  if (hints->width > 0 || width < MIN_SIZE || width > MAX_SIZE || height < MIN_SIZE ||
      height > MAX_SIZE)
    return;
  hints->width = (int)width;
  hints->height = (int)height;
  snprintf(hints->size_key, sizeof hints->size_key, "%s", key);
}

/* 299, (299, 299) or (3, 299, 299): height before width. */
static void read_size(const CoredPickle *p, const char *key, const CoredPickleNode *value,
                      CoredHints *hints) {
  int64_t last[2] = {0, 0};
  if (value->kind == CORED_PICKLE_INT) {
    set_size(hints, key, value->integer, value->integer);
    return;
  }
  if ((value->kind != CORED_PICKLE_TUPLE && value->kind != CORED_PICKLE_LIST) || value->count < 2 ||
      value->count > 4)
    return;
  uint32_t cell = value->first;
  for (uint32_t i = 0; i < value->count; i++) {
    const CoredPickleCell *now =
        &p->cells[value->kind == CORED_PICKLE_LIST ? cell : value->first + i];
    const CoredPickleNode *number = &p->nodes[now->value];
    if (number->kind != CORED_PICKLE_INT)
      return;
    last[0] = last[1];
    last[1] = number->integer;
    cell = now->next;
  }
  set_size(hints, key, last[1], last[0]);
}

/* ---- Classes --------------------------------------------------------------------------------- */

static bool put(Names *names, int64_t index, const CoredPickleNode *name) {
  if (index < 0 || index >= MAX_CLASSES || name->kind != CORED_PICKLE_TEXT)
    return false;
  names->name[index] = name;
  names->n = names->n > (int)index + 1 ? names->n : (int)index + 1;
  return true;
}

/* {"real": 0, "fake": 1} or {0: "real", 1: "fake"} */
static bool names_of_dict(const CoredPickle *p, const CoredPickleNode *dict, Names *names) {
  uint32_t cell = dict->first;
  for (uint32_t i = 0; i < dict->count; i++, cell = p->cells[cell].next) {
    const CoredPickleNode *key = &p->nodes[p->cells[cell].key],
                          *value = &p->nodes[p->cells[cell].value];
    const bool by_name = value->kind == CORED_PICKLE_INT;
    const CoredPickleNode *number = by_name ? value : key;
    if (number->kind != CORED_PICKLE_INT || !put(names, number->integer, by_name ? key : value))
      return false;
  }
  return true;
}

static bool names_of_list(const CoredPickle *p, const CoredPickleNode *list, Names *names) {
  uint32_t cell = list->first;
  for (uint32_t i = 0; i < list->count; i++) {
    const CoredPickleCell *now =
        &p->cells[list->kind == CORED_PICKLE_LIST ? cell : list->first + i];
    if (!put(names, i, &p->nodes[now->value]))
      return false;
    cell = now->next;
  }
  return true;
}

static void read_classes(const CoredPickle *p, const char *key, const CoredPickleNode *value,
                         CoredHints *hints) {
  Names names = {0};
  bool ok = false;
  if (value->kind == CORED_PICKLE_DICT)
    ok = names_of_dict(p, value, &names);
  else if (value->kind == CORED_PICKLE_LIST || value->kind == CORED_PICKLE_TUPLE)
    ok = names_of_list(p, value, &names);
  if (!ok || names.n < 2 || hints->classes[0])
    return;
  size_t used = 0;
  for (int i = 0; i < names.n; i++) {
    char name[64];
    if (!names.name[i]) {
      hints->classes[0] = '\0'; /* nobody says what the index in between is */
      return;
    }
    cored_escape(names.name[i]->text, names.name[i]->count, name, sizeof name);
    if (used + strlen(name) + 2 > sizeof hints->classes) {
      hints->classes[0] = '\0';
      return;
    }
    used += (size_t)snprintf(hints->classes + used, sizeof hints->classes - used, "%s%s",
                             i ? "," : "", name);
  }
  snprintf(hints->classes_key, sizeof hints->classes_key, "%s", key);
}

/* ---- Where it is said ------------------------------------------------------------------------ */

static void look_at(const CoredPickle *p, const CoredPickleNode *dict, bool options,
                    CoredHints *hints) {
  uint32_t cell = dict->first;
  for (uint32_t i = 0; i < dict->count; i++, cell = p->cells[cell].next) {
    const CoredPickleNode *key = &p->nodes[p->cells[cell].key],
                          *value = &p->nodes[p->cells[cell].value];
    char name[64];
    if (key->kind != CORED_PICKLE_TEXT || key->count >= sizeof name)
      continue;
    cored_escape(key->text, key->count, name, sizeof name);
    if (is_size_key(name))
      read_size(p, name, value, hints);
    else if (is_classes_key(name))
      read_classes(p, name, value, hints);
    else if (options && is_options_key(name) && value->kind == CORED_PICKLE_DICT)
      look_at(p, value, false, hints);
  }
}

void cored_hints_dict(const CoredPickle *pickle, const CoredPickleNode *dict, CoredHints *hints) {
  look_at(pickle, dict, true, hints);
}

void cored_hints_text(const char *key, const char *value, CoredHints *hints) {
  char *end;
  if (is_size_key(key)) {
    const long width = strtol(value, &end, 10);
    const long height = *end == 'x' ? strtol(end + 1, &end, 10) : width;
    if (end != value && *end == '\0')
      set_size(hints, key, width, height);
  } else if (is_classes_key(key) && !hints->classes[0] && strchr(value, ',') &&
             strlen(value) < sizeof hints->classes && !strpbrk(value, "{}[]:\"'")) {
    cored_escape(value, strlen(value), hints->classes, sizeof hints->classes);
    snprintf(hints->classes_key, sizeof hints->classes_key, "%s", key);
  }
}

/* The number at `at` counts something: "epoch_64", "bs-128", "batch_size_128", "step 256". */
static bool is_count(const char *name, const char *at) {
  static const char *const counted[] = {"epoch",      "epochs",    "ep",    "bs",
                                        "batch",      "batchsize", "iter",  "iteration",
                                        "iterations", "step",      "steps", "iters"};
  for (int word = 0; word < 2; word++) {
    const char *end = at;
    while (end > name && strchr("_-. ", end[-1]))
      end--;
    at = end;
    while (at > name && isalpha((unsigned char)at[-1]))
      at--;
    const size_t length = (size_t)(end - at);
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
      if (strlen(counted[i]) == length && strncasecmp(at, counted[i], length) == 0)
        return true;
    if (length != strlen("size") || strncasecmp(at, "size", length) != 0)
      return false;
  }
  return false;
}

void cored_hints_name(const char *path, CoredHints *hints) {
  static const int usual[] = {64,  96,  112, 128, 160, 192, 224, 240, 256, 260,
                              288, 299, 300, 320, 336, 380, 384, 448, 456, 512};
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  for (const char *at = name; *at;) {
    if (!isdigit((unsigned char)*at)) {
      at++;
      continue;
    }
    char *end;
    const long size = strtol(at, &end, 10);
    const bool starts = at == name || strchr("_-.x ", at[-1]), ends = strchr("_-.xp ", *end);
    const bool meant = starts && ends && hints->width == 0 && !is_count(name, at);
    for (size_t i = 0; meant && i < sizeof usual / sizeof *usual; i++)
      if (usual[i] == size) {
        set_size(hints, "the file's name", size, size);
        hints->size_of_name = true;
      }
    at = end;
  }
}
