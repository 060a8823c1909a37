/* SPDX-License-Identifier: MIT
 * The fused ops of a model's plan, as a table for people. */
#include "tools/convert/inspect.h"

#include <inttypes.h>
#include <string.h>

#include "base/escape.h"
#include "graph/ops.h"
#include "model/model.h"
#include "plan/fuse.h"

#define ROW "%3s  %-15s %-26s %-13s %-13s %12s %11s  %s\n"

typedef struct Cell {
  char s[160];
} Cell;

static Cell shape_cell(CoredShape s) {
  Cell cell;
  snprintf(cell.s, sizeof cell.s, "%dx%dx%d", s.w, s.h, s.c);
  return cell;
}

static Cell number_cell(uint64_t n) {
  Cell cell;
  snprintf(cell.s, sizeof cell.s, "%" PRIu64, n);
  return cell;
}

/* "ReLU", "clamp -1..1", "leaky ReLU 0.1". */
static Cell activation_cell(CoredActivation a) {
  Cell cell = {""};
  switch (a.kind) {
  case CORED_ACT_NONE:
    break;
  case CORED_ACT_CLAMP:
    if (cored_activation_is_relu(a))
      snprintf(cell.s, sizeof cell.s, "ReLU");
    else
      snprintf(cell.s, sizeof cell.s, "clamp %g..%g", (double)a.low, (double)a.high);
    break;
  case CORED_ACT_LEAKY_RELU:
    snprintf(cell.s, sizeof cell.s, "leaky ReLU %g", (double)a.slope);
    break;
  case CORED_ACT_SWISH:
    snprintf(cell.s, sizeof cell.s, "swish");
    break;
  case CORED_ACT_SIGMOID:
    snprintf(cell.s, sizeof cell.s, "sigmoid");
    break;
  }
  return cell;
}

/* ---- What went into an op -------------------------------------------------------------------- */

static void add(Cell *cell, const char *what, const char *name) {
  const size_t n = strlen(cell->s);
  snprintf(cell->s + n, sizeof cell->s - n, "%s%s%s%s", n ? ", " : "", what, *name ? " " : "",
           name);
}

/* Number of the op, from 1, whose value the node names: "#3", or "the input". */
static Cell value_cell(const CoredFusedGraph *fused, int value) {
  Cell cell = {"the input"};
  for (int i = 0; i < fused->n_ops; i++)
    if (fused->ops[i].last == value && !fused->ops[i].is_inlined)
      snprintf(cell.s, sizeof cell.s, "#%d", i + 1);
  return cell;
}

/* value_cell(), and whether the value comes in bands. */
static Cell read_cell(const CoredFusedGraph *fused, int value) {
  Cell cell = value_cell(fused, value);
  for (int i = 0; i < fused->n_ops; i++)
    if (fused->ops[i].last == value && fused->ops[i].in_bands)
      snprintf(cell.s, sizeof cell.s, "#%d in bands", i + 1);
  return cell;
}

static void add_fused(Cell *cell, const CoredFusedGraph *fused, const CoredFusedOp *op,
                      const CoredFusedNode *node) {
  const CoredNode *const n = &fused->graph->nodes[node->node];
  switch (node->role) {
  case CORED_FUSED_FOLD:
    add(cell, "batch norm folded", n->name);
    break;
  case CORED_FUSED_POST:
    add(cell, "batch norm behind", node->node == op->node ? "" : n->name);
    break;
  case CORED_FUSED_ADD:
    add(cell, "adds", value_cell(fused, op->residual).s);
    break;
  case CORED_FUSED_ACT:
    add(cell, activation_cell(n->act).s, "");
    break;
  }
}

/* Where the op reads from and what it does meanwhile, then what follows its own result. */
static Cell fused_cell(const CoredFusedGraph *fused, const CoredFusedOp *op) {
  Cell cell = {""};
  char number[16];
  if (op->inlined != CORED_NO_NODE) {
    snprintf(number, sizeof number, "#%d", op->inlined + 1);
    add(&cell, "computes while reading", number);
  } else {
    for (int i = 0; i < op->n_in; i++)
      add(&cell, "reads", read_cell(fused, op->in[i]).s);
  }
  if (op->in_act != CORED_NO_NODE)
    add(&cell, "through", activation_cell(fused->graph->nodes[op->in_act].act).s);
  if (op->factors != CORED_NO_NODE)
    add(&cell, "times", value_cell(fused, op->factors).s);
  if (op->op == CORED_OP_ADD)
    add(&cell, "adds", value_cell(fused, op->residual).s);
  if (op->op == CORED_OP_ACTIVATION)
    add(&cell, activation_cell(fused->graph->nodes[op->act].act).s, "");
  for (int i = 0; i < op->n_fused; i++)
    add_fused(&cell, fused, op, &op->fused[i]);
  return cell;
}

/* ---- The table ------------------------------------------------------------------------------- */

static void print_op(const CoredFusedGraph *fused, int index, FILE *out) {
  const CoredFusedOp *const op = &fused->ops[index];
  const CoredNode *const node = &fused->graph->nodes[op->node];
  const Cell number = number_cell((uint64_t)index + 1), macs = number_cell((uint64_t)op->macs);
  const Cell bytes = number_cell(cored_fused_weights(fused, op) * sizeof(float));
  const Cell in = shape_cell(fused->shapes[node->input[0]]);
  const Cell shape = shape_cell(fused->shapes[op->last]), fusion = fused_cell(fused, op);
  fprintf(out, ROW, cored_show(number.s).text, cored_show(cored_op_info(op->op)->name).text,
          cored_show(node->name[0] ? node->name : "-").text, cored_show(in.s).text,
          cored_show(shape.s).text, cored_show(macs.s).text, cored_show(bytes.s).text,
          cored_show(fusion.s).text);
}

static void print_plan(const CoredModel *model, const CoredFusedGraph *fused, FILE *out) {
  const CoredModelInfo *const info = cored_model_info(model);
  double macs = 0;
  size_t floats = 0;
  for (int i = 0; i < fused->n_ops; i++) {
    macs += fused->ops[i].macs;
    floats += cored_fused_weights(fused, &fused->ops[i]);
  }
  fprintf(out, "%s at %dx%d: %d ops of %d nodes, %.0f multiply-adds, %zu bytes of weights\n\n",
          cored_show(info->network).text, info->input_width, info->input_height, fused->n_ops,
          fused->graph->n_nodes, macs, floats * sizeof(float));
  fprintf(out, ROW, "#", "op", "name", "input", "output", "multiply-adds", "weights", "fused");
  for (int i = 0; i < fused->n_ops; i++)
    print_op(fused, i, out);
}

bool cored_inspect_print_plan(const char *path, FILE *out, CoredError *error) {
  CoredModel *const model =
      cored_model_load(path, &(CoredModelLoadParams){.kind = CORED_MODEL_ANY}, error);
  if (!model)
    return false;
  CoredFusedGraph fused = {0};
  const CoredModelInfo *const info = cored_model_info(model);
  const bool ok =
      cored_fuse(&fused, cored_model_graph(model), info->input_height, info->input_width, error);
  if (ok)
    print_plan(model, &fused, out);
  cored_fused_clear(&fused);
  cored_model_unref(model);
  return ok;
}
