/* SPDX-License-Identifier: MIT
 * Where in a foreign file a network lies: the prefixes under which its parameters are found. */
#include <stdlib.h>
#include <string.h>

#include "tools/convert/prefixes.h"

typedef struct Hit { /* a parameter's name at the end of a tensor's */
  const char *prefix;
  size_t length;
  bool fits, stripped;
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
                                 .fits = cored_match_same_shape(*param, tensor, &as_matrix),
                                 .stripped = tensor->stripped};
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
    group->stripped += hit->stripped;
  }
  return true;
}

/* ---- The best -------------------------------------------------------------------------------- */

/* A component of a name, up to its dot or the end of the name, is what a checkpoint keeps beside
 * its model. */
static bool is_beside(const char *component, size_t length) {
  static const char *const kinds[] = {
      "optimizer", "optimizers", "optim",          "optimizer_state", "lr_scheduler",
      "scheduler", "exp_avg",    "exp_avg_sq",     "momentum_buffer", "ema",
      "ema_model", "model_ema",  "averaged_model", "shadow_params",   "teacher",
      "criterion", "loss_fn",    "loss_func",      "loss_function",   "n_averaged"};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strlen(kinds[i]) == length && memcmp(component, kinds[i], length) == 0)
      return true;
  return false;
}

bool cored_match_is_beside(const char *name, size_t length) {
  for (size_t at = 0; at < length;) {
    const char *dot = memchr(name + at, '.', length - at);
    const size_t end = dot ? (size_t)(dot - name) : length;
    if (is_beside(name + at, end - at))
      return true;
    at = end + 1;
  }
  return false;
}

/* The user took a prefix off the names of all that lies at the top: that is the network meant. */
static bool is_chosen(const CoredMatchGroup *group) {
  return group->length == 0 && group->stripped == group->named;
}

/* Averages and teachers count only where nothing else is complete. Of several others none is taken
 * unasked: they may be copies, or the branches of a detector that is more than this network. */
static int preference(const CoredMatchGroup *group) {
  if (is_chosen(group))
    return 2;
  return !cored_match_is_beside(group->prefix, group->length);
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

/* A group that fits in half already is one: branches often differ in their first layer only. */
bool cored_match_is_copy(const CoredMatchGroups *groups, size_t i) {
  const CoredMatchGroup *group = &groups->group[i];
  return i != groups->best && group->length > 0 && 2 * group->fitting >= groups->body &&
         (cored_match_is_beside(group->prefix, group->length) ||
          is_chosen(&groups->group[groups->best]));
}

bool cored_match_is_candidate(const CoredMatchGroups *groups, size_t i) {
  const CoredMatchGroup *group = &groups->group[i];
  return group->fitting == groups->body &&
         preference(group) == preference(&groups->group[groups->best]);
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
