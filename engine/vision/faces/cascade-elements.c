/* SPDX-License-Identifier: MIT
 * What the elements of a cascade file mean and what is demanded of them: stages of trees of nodes,
 * each with a feature, each of those with rectangles inside the window. */
#include "vision/faces/cascade-reader.h"

#include <math.h>
#include <string.h>

enum {
  MAX_STAGES = 256,
  MAX_TREES = 1 << 16,
  MAX_NODES = 1 << 17,
  MAX_FEATURES = 1 << 18,
  LBP_NODE_NUMBERS = 11,
  HAAR_NODE_NUMBERS = 4,
};

static CoredCascadeStage *last_stage(const CoredReader *r) {
  return &r->cascade->stages[r->cascade->n_stages - 1];
}

static CoredCascadeTree *last_tree(const CoredReader *r) {
  return &r->cascade->trees[r->cascade->n_trees - 1];
}

static CoredCascadeFeature *last_feature(const CoredReader *r) {
  return &r->cascade->features[r->cascade->n_features - 1];
}

static void end_stage_type(CoredReader *r) {
  if (!cored_reader_text_is(r, "BOOST"))
    cored_reader_refuse(r, "stageType is '%.40s', only BOOST is known", r->text);
}

static void end_feature_type(CoredReader *r) {
  if (r->has_kind)
    cored_reader_refuse(r, "featureType appears twice");
  else if (cored_reader_text_is(r, "LBP"))
    r->cascade->kind = CORED_CASCADE_LBP;
  else if (cored_reader_text_is(r, "HAAR"))
    r->cascade->kind = CORED_CASCADE_HAAR;
  else
    cored_reader_refuse(r, "featureType is '%.40s', only LBP and HAAR are known", r->text);
  r->has_kind = true;
}

/* Once, so that what was checked against the window stays inside it. */
static void read_window_side(CoredReader *r, int *side) {
  if (*side)
    cored_reader_refuse(r, "%s appears twice", r->path);
  else
    cored_reader_int(r, 4, CORED_CASCADE_MAX_SIDE, side);
}

static void end_width(CoredReader *r) {
  read_window_side(r, &r->cascade->width);
}

static void end_height(CoredReader *r) {
  read_window_side(r, &r->cascade->height);
}

static void end_stage_num(CoredReader *r) {
  cored_reader_int(r, 1, MAX_STAGES, &r->stage_num);
}

static void end_categories(CoredReader *r) {
  int n;
  if (!r->has_kind)
    cored_reader_refuse(r, "featureParams before featureType");
  else if (cored_reader_int(r, 0, 256, &n) &&
           n != (r->cascade->kind == CORED_CASCADE_LBP ? 256 : 0))
    cored_reader_refuse(r, "maxCatCount is %d; LBP has 256 and Haar 0", n);
}

static void begin_stages(CoredReader *r) {
  if (!r->has_kind || !r->cascade->width || !r->cascade->height)
    cored_reader_refuse(r, "stages before featureType, width and height");
}

static void begin_stage(CoredReader *r) {
  CoredCascade *const c = r->cascade;
  if (!cored_reader_grow(r, (void **)&c->stages, c->n_stages, sizeof *c->stages, MAX_STAGES,
                         "stages"))
    return;
  c->stages[c->n_stages++] = (CoredCascadeStage){.first_tree = c->n_trees};
  r->stage_trees = 0;
  r->has_threshold = false;
}

static void end_weak_count(CoredReader *r) {
  cored_reader_int(r, 1, MAX_TREES, &r->stage_trees);
}

static void end_stage_threshold(CoredReader *r) {
  if (cored_reader_numbers(r) != 1) {
    cored_reader_refuse(r, "stageThreshold is not one number");
    return;
  }
  /* Thresholds were trained as the smallest sum of a positive sample; the margin, as in OpenCV,
   * is for its rounding. */
  last_stage(r)->threshold = (float)r->numbers[0] - 1e-5f;
  r->has_threshold = true;
}

static void end_stage(CoredReader *r) {
  CoredCascadeStage *const stage = last_stage(r);
  stage->n_trees = r->cascade->n_trees - stage->first_tree;
  if (!r->has_threshold)
    cored_reader_refuse(r, "stage %d has no stageThreshold", r->cascade->n_stages - 1);
  else if (!stage->n_trees)
    cored_reader_refuse(r, "stage %d has no weakClassifiers", r->cascade->n_stages - 1);
  else if (r->stage_trees && r->stage_trees != stage->n_trees)
    cored_reader_refuse(r, "stage %d: maxWeakCount is %d, found %d classifiers",
                        r->cascade->n_stages - 1, r->stage_trees, stage->n_trees);
}

static void begin_tree(CoredReader *r) {
  CoredCascade *const c = r->cascade;
  if (!cored_reader_grow(r, (void **)&c->trees, c->n_trees, sizeof *c->trees, MAX_TREES,
                         "weak classifiers"))
    return;
  c->trees[c->n_trees++] = (CoredCascadeTree){.first_node = c->n_nodes, .first_leaf = c->n_leaves};
}

static bool read_node(CoredReader *r, const double *v, CoredCascadeNode *node) {
  const int max = CORED_READER_MAX_NUMBERS;
  if (!cored_reader_to_int(r, v[0], -max, max, &node->left) ||
      !cored_reader_to_int(r, v[1], -max, max, &node->right) ||
      !cored_reader_to_int(r, v[2], 0, MAX_FEATURES - 1, &node->feature))
    return false;
  if (r->cascade->kind == CORED_CASCADE_HAAR) {
    node->threshold = (float)v[3];
    return true;
  }
  for (int i = 0; i < 8; i++) {
    const double word = v[3 + i];
    if (!(word >= INT32_MIN && word <= INT32_MAX) || word != floor(word)) {
      cored_reader_refuse(r, "LBP subset word %g is not a 32-bit number", word);
      return false;
    }
    node->subset[i] = (uint32_t)(int32_t)word;
  }
  return true;
}

static void end_nodes(CoredReader *r) {
  CoredCascade *const c = r->cascade;
  const int each = c->kind == CORED_CASCADE_LBP ? LBP_NODE_NUMBERS : HAAR_NODE_NUMBERS;
  const int n = cored_reader_numbers(r);
  if (n < 0)
    return;
  if (last_tree(r)->n_nodes || n < each || n % each) {
    cored_reader_refuse(r, "internalNodes: expected groups of %d numbers once, found %d numbers",
                        each, n);
    return;
  }
  for (int i = 0; i < n; i += each) {
    if (!cored_reader_grow(r, (void **)&c->nodes, c->n_nodes, sizeof *c->nodes, MAX_NODES,
                           "nodes") ||
        !read_node(r, r->numbers + i, &c->nodes[c->n_nodes]))
      return;
    c->n_nodes++;
  }
  last_tree(r)->n_nodes = n / each;
  if (n / each > c->largest_tree)
    c->largest_tree = n / each;
}

static void end_leaves(CoredReader *r) {
  CoredCascade *const c = r->cascade;
  const int n = cored_reader_numbers(r);
  if (n >= 0 && c->n_leaves != last_tree(r)->first_leaf)
    cored_reader_refuse(r, "leafValues appears twice");
  for (int i = 0; i < n; i++) {
    if (!cored_reader_grow(r, (void **)&c->leaves, c->n_leaves, sizeof *c->leaves, 2 * MAX_NODES,
                           "leaves"))
      return;
    c->leaves[c->n_leaves++] = (float)r->numbers[i];
  }
}

/* Children come later than their parent and leaves exist: evaluation ends and stays inside. */
static bool child_ok(int child, int parent, int n_nodes) {
  return child > 0 ? child > parent && child < n_nodes : -child <= n_nodes;
}

static void end_tree(CoredReader *r) {
  const CoredCascade *const c = r->cascade;
  const CoredCascadeTree *const tree = last_tree(r);
  const int n_leaves = c->n_leaves - tree->first_leaf;
  if (!tree->n_nodes || n_leaves != tree->n_nodes + 1) {
    cored_reader_refuse(r, "a tree of %d nodes needs %d leaves, found %d", tree->n_nodes,
                        tree->n_nodes + 1, n_leaves);
    return;
  }
  for (int i = 0; i < tree->n_nodes; i++) {
    const CoredCascadeNode *const node = &c->nodes[tree->first_node + i];
    if (!child_ok(node->left, i, tree->n_nodes) || !child_ok(node->right, i, tree->n_nodes))
      cored_reader_refuse(r, "node %d of a tree of %d points to %d and %d", i, tree->n_nodes,
                          node->left, node->right);
  }
}

static void begin_feature(CoredReader *r) {
  CoredCascade *const c = r->cascade;
  if (!cored_reader_grow(r, (void **)&c->features, c->n_features, sizeof *c->features, MAX_FEATURES,
                         "features"))
    return;
  c->n_features++;
}

/* x y w h, and for Haar the weight. */
static bool read_rect(CoredReader *r, int n_numbers, CoredCascadeRect *rect) {
  const int n = cored_reader_numbers(r), side = CORED_CASCADE_MAX_SIDE;
  if (n < 0)
    return false;
  if (n != n_numbers) {
    cored_reader_refuse(r, "a rectangle needs %d numbers, found %d", n_numbers, n);
    return false;
  }
  rect->weight = n == 5 ? (float)r->numbers[4] : 1.f;
  return cored_reader_to_int(r, r->numbers[0], 0, side, &rect->x) &&
         cored_reader_to_int(r, r->numbers[1], 0, side, &rect->y) &&
         cored_reader_to_int(r, r->numbers[2], 1, side, &rect->w) &&
         cored_reader_to_int(r, r->numbers[3], 1, side, &rect->h);
}

static void end_lbp_rect(CoredReader *r) {
  CoredCascadeFeature *const f = last_feature(r);
  if (r->cascade->kind != CORED_CASCADE_LBP || f->n_rects)
    cored_reader_refuse(r, "unexpected rect in a feature");
  else if (read_rect(r, 4, &f->rect[0]))
    f->n_rects = 1;
}

static void end_haar_rect(CoredReader *r) {
  CoredCascadeFeature *const f = last_feature(r);
  if (r->cascade->kind != CORED_CASCADE_HAAR || f->n_rects == CORED_HAAR_MAX_RECTS)
    cored_reader_refuse(r, "unexpected rectangle in a feature");
  else if (read_rect(r, 5, &f->rect[f->n_rects]))
    f->n_rects++;
}

static void end_tilted(CoredReader *r) {
  int tilted;
  if (!cored_reader_int(r, 0, 1, &tilted))
    return;
  last_feature(r)->tilted = tilted;
  r->cascade->tilted |= tilted;
}

static bool rect_inside(const CoredCascade *c, const CoredCascadeRect *rect, bool tilted) {
  if (c->kind == CORED_CASCADE_LBP)
    return rect->x + 3 * rect->w <= c->width && rect->y + 3 * rect->h <= c->height;
  if (tilted)
    return rect->x - rect->h >= 0 && rect->x + rect->w <= c->width &&
           rect->y + rect->w + rect->h <= c->height;
  return rect->x + rect->w <= c->width && rect->y + rect->h <= c->height;
}

static void end_feature(CoredReader *r) {
  const CoredCascadeFeature *const f = last_feature(r);
  if (!f->n_rects || (f->tilted && r->cascade->kind != CORED_CASCADE_HAAR))
    cored_reader_refuse(r, "feature %d has no rectangle or is tilted LBP",
                        r->cascade->n_features - 1);
  for (int i = 0; i < f->n_rects; i++)
    if (!rect_inside(r->cascade, &f->rect[i], f->tilted))
      cored_reader_refuse(r, "feature %d: rectangle %d,%d %dx%d is outside the %dx%d window",
                          r->cascade->n_features - 1, f->rect[i].x, f->rect[i].y, f->rect[i].w,
                          f->rect[i].h, r->cascade->width, r->cascade->height);
}

static void end_cascade(CoredReader *r) {
  const CoredCascade *const c = r->cascade;
  if (!c->n_stages || !c->n_features) {
    cored_reader_refuse(r, "stages or features are missing");
    return;
  }
  if (r->stage_num != c->n_stages)
    cored_reader_refuse(r, "stageNum is %d, found %d stages", r->stage_num, c->n_stages);
  for (int i = 0; i < c->n_nodes; i++)
    if (c->nodes[i].feature >= c->n_features)
      cored_reader_refuse(r, "a node wants feature %d of %d", c->nodes[i].feature, c->n_features);
}

/* ---- The table --------------------------------------------------------------------------------
 */

#define STAGE "/opencv_storage/cascade/stages/_"
#define TREE STAGE "/weakClassifiers/_"
#define FEATURE "/opencv_storage/cascade/features/_"

static const CoredCascadeElement elements[] = {
    {"/opencv_storage", NULL, NULL, false},
    {"/opencv_storage/cascade", NULL, end_cascade, false},
    {"/opencv_storage/cascade/stageType", NULL, end_stage_type, false},
    {"/opencv_storage/cascade/featureType", NULL, end_feature_type, false},
    {"/opencv_storage/cascade/width", NULL, end_width, false},
    {"/opencv_storage/cascade/height", NULL, end_height, false},
    {"/opencv_storage/cascade/stageParams", NULL, NULL, true},
    {"/opencv_storage/cascade/featureParams", NULL, NULL, false},
    {"/opencv_storage/cascade/featureParams/maxCatCount", NULL, end_categories, false},
    {"/opencv_storage/cascade/featureParams/featSize", NULL, NULL, true},
    {"/opencv_storage/cascade/featureParams/mode", NULL, NULL, true},
    {"/opencv_storage/cascade/stageNum", NULL, end_stage_num, false},
    {"/opencv_storage/cascade/stages", begin_stages, NULL, false},
    {STAGE, begin_stage, end_stage, false},
    {STAGE "/maxWeakCount", NULL, end_weak_count, false},
    {STAGE "/stageThreshold", NULL, end_stage_threshold, false},
    {STAGE "/weakClassifiers", NULL, NULL, false},
    {TREE, begin_tree, end_tree, false},
    {TREE "/internalNodes", NULL, end_nodes, false},
    {TREE "/leafValues", NULL, end_leaves, false},
    {"/opencv_storage/cascade/features", begin_stages, NULL, false},
    {FEATURE, begin_feature, end_feature, false},
    {FEATURE "/rect", NULL, end_lbp_rect, false},
    {FEATURE "/rects", NULL, NULL, false},
    {FEATURE "/rects/_", NULL, end_haar_rect, false},
    {FEATURE "/tilted", NULL, end_tilted, false},
};

const CoredCascadeElement *cored_cascade_element(const char *path) {
  for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
    if (!strcmp(elements[i].path, path))
      return &elements[i];
  return NULL;
}
