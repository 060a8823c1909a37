/* SPDX-License-Identifier: MIT
 * Tensors of a foreign file against the parameters of a registered network. */
#include "tools/convert/match.h"

#include "base/escape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "networks/registry.h"
#include "tools/convert/bytes.h"
#include "tools/convert/prefixes.h"

#define MAX_LISTED 12 /* candidates and groups in one message */

typedef struct Matcher {
  CoredLooseFile *file;
  CoredImportMatch *match;
  CoredRefusal *refusal;
  CoredLoose **by_name; /* sorted */
  size_t n;
  CoredMatchGroups groups;            /* of the network that was chosen */
  char prefix[CORED_LOOSE_NAME_SIZE]; /* where its parameters lie */
  char head[CORED_LOOSE_NAME_SIZE];   /* name of its classifier in the file */
} Matcher;

static bool no_memory(Matcher *m) {
  return cored_refuse(m->refusal, CORED_REFUSAL_NO_MEMORY, "no memory for matching names");
}

#define NOTE(m, ...) (cored_lines_add(&(m)->match->notes, __VA_ARGS__) || no_memory(m))
#define PROBLEM(m, ...) (cored_lines_add(&(m)->match->problems, __VA_ARGS__) || no_memory(m))

/* ---- Names ----------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b) {
  const CoredLoose *const *x = a, *const *y = b;
  return strcmp((*x)->name, (*y)->name);
}

static bool list_tensors(Matcher *m) {
  m->n = m->file->n_tensors;
  m->by_name = malloc((m->n + 1) * sizeof *m->by_name);
  if (!m->by_name)
    return no_memory(m);
  for (size_t i = 0; i < m->n; i++)
    m->by_name[i] = &m->file->tensors[i];
  if (m->n > 0)
    qsort(m->by_name, m->n, sizeof *m->by_name, compare_names);
  return true;
}

static CoredLoose *find(const Matcher *m, const char *start, const char *end) {
  char name[2 * CORED_LOOSE_NAME_SIZE];
  snprintf(name, sizeof name, "%s%s", start, end);
  CoredLoose wanted = {.name = name}, *key = &wanted;
  CoredLoose **found =
      m->n > 0 ? bsearch(&key, m->by_name, m->n, sizeof *m->by_name, compare_names) : NULL;
  return found ? *found : NULL;
}

static bool is_head(const CoredGraph *graph, const CoredParam *param) {
  return param->node == graph->logits;
}

static CoredLoose *find_parameter(const Matcher *m, const CoredParam *param) {
  if (!is_head(m->match->graph, param))
    return find(m, m->prefix, param->name);
  return find(m, m->head, strrchr(param->name, '.'));
}

/* ---- Choosing the network -------------------------------------------------------------------- */

static CoredGraph *build(Matcher *m, const CoredNetwork *network, int n_classes) {
  CoredError error = {0};
  CoredGraph *graph = cored_network_graph(network, n_classes, &error);
  if (!graph)
    cored_refuse_error(m->refusal, &error);
  return graph;
}

/* Say where a network was looked for, and how much of it was there. */
static bool note_try(Matcher *m, const CoredNetwork *network, const CoredMatchGroups *groups) {
  const CoredMatchGroup *best = groups->best < groups->n ? &groups->group[groups->best] : NULL;
  char prefix[160] = "";
  if (best)
    cored_escape(best->prefix, best->length, prefix, sizeof prefix);
  return PROBLEM(m,
                 "tried %s%s%s%s: %d of %d parameters before the classifier have its names, %d "
                 "of them its shapes",
                 network->id, *prefix ? " under '" : "", prefix, *prefix ? "'" : "",
                 best ? best->named : 0, groups->body, best ? best->fitting : 0);
}

static int named(const CoredMatchGroups *groups) {
  return groups->best < groups->n ? groups->group[groups->best].named : 0;
}

static bool complete(const CoredMatchGroups *groups) {
  return groups->best < groups->n && groups->group[groups->best].fitting == groups->body;
}

typedef struct Guess {
  const CoredNetwork *best, *other; /* other: all of it is there as well */
  int named, total;
  bool complete;
} Guess;

static void weigh(Guess *guess, const CoredNetwork *network, const CoredMatchGroups *groups) {
  if (complete(groups) && guess->complete)
    guess->other = network;
  const bool better = (int64_t)named(groups) * guess->total > (int64_t)guess->named * groups->body;
  if (guess->complete ? false : complete(groups) || better) {
    guess->best = network;
    guess->named = named(groups);
    guess->total = groups->body;
    guess->complete = complete(groups);
  }
}

static bool try_all(Matcher *m, Guess *guess) {
  const CoredNetwork *network;
  for (size_t i = 0; (network = cored_network_at(i)); i++) {
    CoredMatchGroups groups;
    CoredGraph *graph = build(m, network, 2);
    if (!graph)
      return false;
    const bool ok =
        cored_match_groups(m->file, graph, &groups) ? note_try(m, network, &groups) : no_memory(m);
    if (ok)
      weigh(guess, network, &groups);
    free(groups.group);
    cored_graph_free(graph);
    if (!ok)
      return false;
  }
  return true;
}

/* The network of which the largest part is there; at least half has to be. */
static const CoredNetwork *guess_network(Matcher *m) {
  Guess guess = {.total = 1};
  if (!try_all(m, &guess))
    return NULL;
  if (guess.other) {
    cored_refuse(m->refusal, CORED_REFUSAL_NETWORK_UNKNOWN,
                 "the file holds %s and %s; choose one with --network", guess.best->id,
                 guess.other->id);
    return NULL;
  }
  if (!guess.best || 2 * guess.named < guess.total) {
    char example[160] = "";
    if (m->n > 0)
      cored_escape(m->by_name[0]->name, strlen(m->by_name[0]->name), example, sizeof example);
    cored_refuse(m->refusal, CORED_REFUSAL_NETWORK_UNKNOWN,
                 "the %zu tensors (the first is '%s') are those of no registered network; the "
                 "closest is %s with %d of %d parameters",
                 m->n, example, guess.best ? guess.best->id : "none", guess.named, guess.total);
    return NULL;
  }
  cored_lines_clear(&m->match->problems);
  return NOTE(m, "guessed the network %s: %d of %d parameters before the classifier have its names",
              guess.best->id, guess.named, guess.total)
             ? guess.best
             : NULL;
}

/* How to take this one of several complete groups: not by --strip where its names would meet those
 * at the top. */
static bool list_candidate(Matcher *m, const CoredMatchGroup *group, bool at_top) {
  char prefix[160];
  cored_escape(group->prefix, group->length, prefix, sizeof prefix);
  return group->length == 0 ||
         (at_top
              ? PROBLEM(m, "to take those without a prefix, leave these out: --drop '%s*'", prefix)
              : PROBLEM(m, "to take these: --strip '%s'; to leave them out: --drop '%s*'", prefix,
                        prefix));
}

static bool refuse_ambiguous(Matcher *m) {
  const CoredMatchGroups *groups = &m->groups;
  bool at_top = false;
  for (size_t i = 0; i < groups->n; i++)
    at_top = at_top || (groups->group[i].length == 0 && cored_match_is_candidate(groups, i));
  for (size_t i = 0, listed = 0; i < groups->n && listed < MAX_LISTED; i++) {
    if (!cored_match_is_candidate(groups, i))
      continue;
    listed++;
    if (!list_candidate(m, &groups->group[i], at_top))
      return false;
  }
  return PROBLEM(m, "copies may be left out; of a detector with several branches one alone judges "
                    "otherwise than the whole") &&
         cored_refuse(m->refusal, CORED_REFUSAL_STATE_DICT_AMBIGUOUS,
                      "the file holds the parameters of %s more than once", m->match->network);
}

/* The prefix under which most of the network lies. */
static bool choose_prefix(Matcher *m) {
  if (!cored_match_groups(m->file, m->match->graph, &m->groups))
    return no_memory(m);
  if (m->groups.ambiguous)
    return refuse_ambiguous(m);
  if (m->groups.best == m->groups.n)
    return true;
  const CoredMatchGroup *best = &m->groups.group[m->groups.best];
  memcpy(m->prefix, best->prefix, best->length);
  m->prefix[best->length] = '\0';
  char shown[160];
  cored_escape(m->prefix, best->length, shown, sizeof shown);
  return best->length == 0 || NOTE(m, "stripped the prefix '%s'", shown);
}

/* ---- The classifier -------------------------------------------------------------------------- */

static const CoredParam *head_weight(const CoredGraph *graph) {
  return &graph->params[cored_graph_param(graph, graph->logits, CORED_PARAM_WEIGHT)];
}

/* A dense layer (or the 1x1 convolution that is one) on the network's features, with its bias. */
static bool can_be_head(const Matcher *m, const CoredLoose *tensor, const char *base) {
  const CoredGraph *graph = m->match->graph;
  const int64_t most =
      graph->logit_channels == 1 ? 1 : cored_network_find(m->match->network)->max_classes;
  const bool square = tensor->rank == 4 && tensor->dims[2] == 1 && tensor->dims[3] == 1;
  const CoredLoose *bias = find(m, base, ".bias");
  return (tensor->rank == 2 || square) && tensor->dims[1] == head_weight(graph)->dims[1] &&
         tensor->dims[0] >= 1 && tensor->dims[0] <= most && bias && bias->rank == 1 &&
         bias->dims[0] == tensor->dims[0];
}

/* The name lies in a group that is another copy of the network. */
static bool in_copy(const Matcher *m, const char *name) {
  for (size_t i = 0; i < m->groups.n; i++) {
    const CoredMatchGroup *group = &m->groups.group[i];
    if (cored_match_is_copy(&m->groups, i) && strncmp(name, group->prefix, group->length) == 0 &&
        strncmp(m->prefix, group->prefix, group->length) != 0)
      return true;
  }
  return false;
}

static bool is_beside(const char *name) {
  return cored_match_is_beside(name, strlen(name));
}

/* Without the prefix of the network's parameters. */
static const char *inner_name(const Matcher *m, const char *name) {
  const size_t length = strlen(m->prefix);
  return strncmp(name, m->prefix, length) == 0 ? name + length : name;
}

/* The name before ".weight" in base; false for another kind of name. */
static bool base_of(const CoredLoose *tensor, char *base) {
  const size_t length = strlen(tensor->name), end = strlen(".weight");
  if (length <= end || length >= CORED_LOOSE_NAME_SIZE ||
      strcmp(tensor->name + length - end, ".weight") != 0)
    return false;
  memcpy(base, tensor->name, length - end);
  base[length - end] = '\0';
  return true;
}

/* Other places where the classifier may be; their number, the first in m->head. */
static size_t find_heads(Matcher *m, bool list) {
  size_t found = 0;
  char base[CORED_LOOSE_NAME_SIZE], shown[160], shape[64];
  for (size_t i = 0; i < m->n; i++) {
    const CoredLoose *tensor = m->by_name[i];
    if (!base_of(tensor, base) || !can_be_head(m, tensor, base) || is_beside(inner_name(m, base)) ||
        in_copy(m, base))
      continue;
    if (found++ == 0)
      memcpy(m->head, base, strlen(base) + 1);
    if (!list || found > MAX_LISTED)
      continue;
    cored_escape(base, strlen(base), shown, sizeof shown);
    cored_loose_shape(tensor->dims, tensor->rank, shape, sizeof shape);
    cored_lines_add(&m->match->problems, "to take this one (%s): --rename '%s=%s'", shape, shown,
                    m->match->graph->nodes[m->match->graph->logits].name);
  }
  return found;
}

/* Under the network's own name beside the rest, else without the prefix, else wherever the only
 * tensor lies that can be it. */
static bool choose_head(Matcher *m) {
  const char *own = m->match->graph->nodes[m->match->graph->logits].name;
  for (int bare = 0; bare < 2; bare++) {
    snprintf(m->head, sizeof m->head, "%.400s%s", bare ? "" : m->prefix, own);
    const CoredLoose *tensor = find(m, m->head, ".weight");
    if (tensor && can_be_head(m, tensor, m->head))
      return true;
  }
  const size_t found = find_heads(m, false);
  if (found == 0)
    snprintf(m->head, sizeof m->head, "%.400s%s", m->prefix, own);
  if (found > 1) {
    find_heads(m, true);
    return cored_refuse(m->refusal, CORED_REFUSAL_PARAMETERS,
                        "%zu layers can be the classifier '%s' of %s", found, own,
                        m->match->network);
  }
  char shown[160];
  cored_escape(m->head, strlen(m->head), shown, sizeof shown);
  return found == 0 || NOTE(m, "took '%s' as the classifier '%s'", shown, own);
}

/* Rows of the classifier's weight in the file; 2 where it has one output or the file tells nothing
 * usable (the mismatch is then listed). */
static bool count_classes(Matcher *m, const CoredNetwork *network) {
  CoredImportMatch *match = m->match;
  const CoredLoose *tensor = find(m, m->head, ".weight");
  const bool usable = match->graph->logit_channels > 1 && tensor && can_be_head(m, tensor, m->head);
  match->n_classes = usable && tensor->dims[0] > 1 ? (int)tensor->dims[0] : 2;
  match->one_output = usable && tensor->dims[0] == 1;
  cored_graph_free(match->graph);
  match->graph = build(m, network, match->n_classes);
  if (match->graph && match->one_output)
    return NOTE(m, "one output (for a sigmoid): imported as two classes with the logits (0, x), "
                   "which is the same probability");
  return match->graph != NULL;
}

/* ---- Parameters ------------------------------------------------------------------------------ */

static bool list_bad_shape(Matcher *m, const CoredParam *param, const CoredLoose *tensor) {
  char expected[128], found[192];
  cored_loose_shape(param->dims, param->rank, expected, sizeof expected);
  cored_loose_shape(tensor->dims, tensor->rank, found, sizeof found);
  return PROBLEM(m, "misshapen: %s: expected %s, found %s", param->name, expected, found);
}

/* Row 0 of the classifier of a network with one output is nothing but zeros, of any type. */
static void *with_zeros(const CoredLoose *tensor, void *row, size_t bytes) {
  uint8_t *rows = calloc(2, bytes);
  if (rows && row)
    memcpy(rows + bytes, row, bytes);
  if (rows && !row)
    memcpy(rows + bytes, tensor->data, bytes);
  return rows;
}

static bool add_view(Matcher *m, const CoredParam *param, const CoredLoose *tensor,
                     CoredDtype dtype) {
  CoredImportMatch *match = m->match;
  const bool half = match->one_output && is_head(match->graph, param);
  const size_t bytes = tensor->count * cored_scalar_size(tensor->scalar);
  const void *data = tensor->data;
  void *copy = NULL;
  if (!cored_loose_is_plain(tensor) && !(copy = cored_loose_copy(tensor)))
    return no_memory(m);
  if (half) {
    void *rows = with_zeros(tensor, copy, bytes);
    free(copy);
    if (!(copy = rows))
      return no_memory(m);
  }
  if (copy)
    data = match->owned[match->n_owned++] = copy;
  CoredTensorView *view = &match->views[match->n_views++];
  *view = (CoredTensorView){.name = param->name,
                            .dtype = dtype,
                            .rank = param->rank,
                            .data = data,
                            .size = half ? 2 * bytes : bytes};
  memcpy(view->dims, param->dims, sizeof param->dims);
  return true;
}

/* The classifier is checked by can_be_head: it may be a 1x1 convolution or have one row only. */
static bool fits(const Matcher *m, const CoredParam *param, const CoredLoose *tensor,
                 bool *as_matrix) {
  *as_matrix = false;
  const CoredLoose *weight = find(m, m->head, ".weight");
  if (is_head(m->match->graph, param) && weight && can_be_head(m, weight, m->head))
    return true;
  return cored_match_same_shape(param, tensor, as_matrix);
}

static bool match_one(Matcher *m, const CoredParam *param, size_t *matrices) {
  CoredLoose *tensor = find_parameter(m, param);
  char shape[128];
  cored_loose_shape(param->dims, param->rank, shape, sizeof shape);
  if (!tensor)
    return PROBLEM(m, "missing: %s (%s)", param->name, shape);
  tensor->used = true;
  CoredDtype dtype;
  bool as_matrix;
  if (!cored_scalar_to_dtype(tensor->scalar, &dtype))
    return PROBLEM(m, "wrong type: %s: expected floating-point numbers, found %s", param->name,
                   cored_scalar_name(tensor->scalar));
  if (!fits(m, param, tensor, &as_matrix))
    return list_bad_shape(m, param, tensor);
  *matrices += as_matrix;
  return add_view(m, param, tensor, dtype);
}

static bool list_unknown(Matcher *m, const CoredLoose *tensor) {
  char name[160], shape[192];
  cored_escape(tensor->name, strlen(tensor->name), name, sizeof name);
  cored_loose_shape(tensor->dims, tensor->rank, shape, sizeof shape);
  return PROBLEM(m, "unknown: %s (%s)", name, shape);
}

/* Copies of the network and what an optimizer keeps are left out, anything else is a problem. */
static bool sort_rest(Matcher *m) {
  size_t copies = 0, beside = 0;
  for (size_t i = 0; i < m->n; i++) {
    const CoredLoose *tensor = m->by_name[i];
    if (tensor->used)
      continue;
    if (in_copy(m, tensor->name))
      copies++;
    else if (is_beside(inner_name(m, tensor->name)))
      beside++;
    else if (!list_unknown(m, tensor))
      return false;
  }
  return (copies == 0 || NOTE(m, "left out %zu tensors of other copies of the network", copies)) &&
         (beside == 0 || NOTE(m,
                              "left out %zu tensors of an optimizer, a loss, a teacher or an "
                              "average of the weights",
                              beside));
}

static bool refuse_parameters(Matcher *m) {
  const size_t wrong = m->match->problems.n;
  const CoredNetwork *network = cored_network_find(m->match->network);
  return note_try(m, network, &m->groups) &&
         PROBLEM(m, "--strip PREFIX, --rename OLD=NEW and --drop PATTERN change the names that "
                    "'cored-convert inspect' prints") &&
         cored_refuse(m->refusal, CORED_REFUSAL_PARAMETERS,
                      "%zu parameters do not fit %s with %d classes", wrong, m->match->network,
                      m->match->n_classes);
}

static bool match_parameters(Matcher *m) {
  CoredImportMatch *match = m->match;
  size_t matrices = 0, n = (size_t)match->graph->n_params;
  match->views = calloc(n, sizeof *match->views);
  match->owned = calloc(n, sizeof *match->owned);
  if (!match->views || !match->owned)
    return no_memory(m);
  for (size_t i = 0; i < n; i++)
    if (!match_one(m, &match->graph->params[i], &matrices))
      return false;
  if (!sort_rest(m))
    return false;
  if (match->problems.n > 0)
    return refuse_parameters(m);
  return matrices == 0 || NOTE(m, "%zu 1x1 convolutions were stored as matrices", matrices);
}

static const CoredNetwork *find_network(Matcher *m, const char *name) {
  const CoredNetwork *network = cored_network_find(name);
  if (!network) {
    char shown[160];
    cored_escape(name, strlen(name), shown, sizeof shown);
    cored_refuse(m->refusal, CORED_REFUSAL_NETWORK_UNKNOWN, "there is no network '%s'", shown);
  }
  return network;
}

static bool choose_network(Matcher *m, const char *name) {
  const CoredNetwork *network = name ? find_network(m, name) : guess_network(m);
  if (!network)
    return false;
  m->match->network = network->id;
  m->match->n_classes = 2;
  m->match->graph = build(m, network, 2);
  return m->match->graph && choose_prefix(m) && choose_head(m) && count_classes(m, network);
}

bool cored_import_match(CoredLooseFile *file, const char *network, CoredImportMatch *match,
                        CoredRefusal *refusal) {
  *match = (CoredImportMatch){0};
  Matcher m = {.file = file, .match = match, .refusal = refusal};
  bool ok = cored_names_tidy(file, &match->notes, refusal) && list_tensors(&m) &&
            choose_network(&m, network) && match_parameters(&m);
  free(m.groups.group);
  free(m.by_name);
  return ok;
}

void cored_import_match_clear(CoredImportMatch *match) {
  for (size_t i = 0; i < match->n_owned; i++)
    free(match->owned[i]);
  free(match->owned);
  free(match->views);
  cored_graph_free(match->graph);
  cored_lines_clear(&match->notes);
  cored_lines_clear(&match->problems);
  *match = (CoredImportMatch){0};
}
