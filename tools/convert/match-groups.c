/* SPDX-License-Identifier: MIT
 * Where in a foreign file a network lies: the prefixes under which its parameters are found. */
#include <stdlib.h>
#include <string.h>

#include "networks/registry.h"
#include "tools/convert/match.h"

typedef struct Hit { /* a parameter's name at the end of a tensor's */
  const char *prefix;
  size_t length;
  bool fits;
} Hit;

typedef struct Hits {
  Hit *hit;
  size_t n, capacity;
} Hits;

bool cored_match_same_shape(const CoredParam *param, const CoredLoose *tensor, bool *as_matrix) {
  int rank = tensor->rank;
  *as_matrix = rank == 2 && param->rank == 4 && param->dims[2] == 1 && param->dims[3] == 1;
  if (rank != param->rank && !*as_matrix)
    return false;
  for (int i = 0; i < rank; i++)
    if (tensor->dims[i] != param->dims[i])
      return false;
  return true;
}

/* ---- Hits ------------------------------------------------------------------------------------ */

static int by_param(const void *a, const void *b) {
  return strcmp((*(const CoredParam *const *)a)->name, (*(const CoredParam *const *)b)->name);
}

static int name_to_param(const void *name, const void *param) {
  return strcmp(name, (*(const CoredParam *const *)param)->name);
}

/* The parameters before the classifier, by name. */
static const CoredParam **list_body(const CoredGraph *graph, size_t *n) {
  const CoredParam **body = malloc(((size_t)graph->n_params + 1) * sizeof *body);
  *n = 0;
  for (int i = 0; body && i < graph->n_params; i++)
    if (graph->params[i].node != graph->logits)
      body[(*n)++] = &graph->params[i];
  if (body)
    qsort(body, *n, sizeof *body, by_param);
  return body;
}

static bool add_hits(const CoredLoose *tensor, const CoredParam *const *body, size_t n_body,
                     Hits *hits) {
  for (const char *at = tensor->name; at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL) {
    const CoredParam *const *param = bsearch(at, body, n_body, sizeof *body, name_to_param);
    if (!param)
      continue;
    bool as_matrix;
    if (!cored_array_grow(&hits->hit, &hits->capacity, hits->n + 1, sizeof *hits->hit))
      return false;
    hits->hit[hits->n++] = (Hit){.prefix = tensor->name,
                                 .length = (size_t)(at - tensor->name),
                                 .fits = cored_match_same_shape(*param, tensor, &as_matrix)};
  }
  return true;
}

static int by_prefix(const void *a, const void *b) {
  const Hit *x = a, *y = b;
  if (x->length != y->length)
    return x->length < y->length ? -1 : 1;
  return memcmp(x->prefix, y->prefix, x->length);
}

static bool collect_groups(const Hits *hits, CoredMatchGroups *groups) {
  groups->group = calloc(hits->n + 1, sizeof *groups->group);
  if (!groups->group)
    return false;
  for (size_t i = 0; i < hits->n; i++) {
    const Hit *hit = &hits->hit[i];
    if (i == 0 || by_prefix(hit - 1, hit) != 0)
      groups->group[groups->n++] = (CoredMatchGroup){.prefix = hit->prefix, .length = hit->length};
    CoredMatchGroup *group = &groups->group[groups->n - 1];
    group->named++;
    group->fitting += hit->fits;
  }
  return true;
}

/* ---- The best -------------------------------------------------------------------------------- */

static bool is_usual(const char *component, size_t length) {
  static const char *const usual[] = {"model",    "net",      "network", "encoder",
                                      "backbone", "detector", "student", "module"};
  char name[64];
  for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
    if (strlen(usual[i]) == length && memcmp(component, usual[i], length) == 0)
      return true;
  if (length >= sizeof name)
    return false;
  memcpy(name, component, length);
  name[length] = '\0';
  return cored_network_named(name) != NULL;
}

/* Every component of the prefix is one that wrappers usually have. */
static bool is_usual_prefix(const CoredMatchGroup *group) {
  for (size_t at = 0; at < group->length;) {
    const char *dot = memchr(group->prefix + at, '.', group->length - at);
    const size_t end = dot ? (size_t)(dot - group->prefix) : group->length;
    if (!is_usual(group->prefix + at, end - at))
      return false;
    at = end + 1;
  }
  return true;
}

/* Of the prefixes under which everything is there: none at all, then usual ones, then others. */
static int preference(const CoredMatchGroup *group) {
  return group->length == 0 ? 2 : is_usual_prefix(group);
}

static void choose_complete(CoredMatchGroups *groups) {
  int most = -1;
  for (size_t i = 0; i < groups->n; i++) {
    const CoredMatchGroup *group = &groups->group[i];
    if (group->fitting < groups->body)
      continue;
    const int now = preference(group);
    groups->ambiguous = now == most || (groups->ambiguous && now < most);
    if (now > most) {
      groups->best = i;
      most = now;
    }
  }
}

static void choose_closest(CoredMatchGroups *groups) {
  for (size_t i = 0; i < groups->n; i++) {
    const CoredMatchGroup *best = &groups->group[groups->best], *now = &groups->group[i];
    if (groups->best == groups->n || now->named > best->named ||
        (now->named == best->named && now->fitting > best->fitting))
      groups->best = i;
  }
}

bool cored_match_groups(const CoredLooseFile *file, const CoredGraph *graph,
                        CoredMatchGroups *groups) {
  *groups = (CoredMatchGroups){0};
  size_t n_body;
  Hits hits = {0};
  const CoredParam **body = list_body(graph, &n_body);
  bool ok = body != NULL;
  for (size_t i = 0; ok && i < file->n_tensors; i++)
    ok = add_hits(&file->tensors[i], body, n_body, &hits);
  if (ok && hits.n > 0)
    qsort(hits.hit, hits.n, sizeof *hits.hit, by_prefix);
  ok = ok && collect_groups(&hits, groups);
  free(hits.hit);
  free(body);
  groups->body = (int)n_body;
  groups->best = groups->n;
  if (ok)
    choose_complete(groups);
  if (ok && groups->best == groups->n)
    choose_closest(groups);
  return ok;
}
