/* SPDX-License-Identifier: MIT
 * Compiled once per instruction set. LBP codes: Zhang et al. 2007, "Face detection based on
 * multi-block LBP representation"; Haar features: Viola and Jones 2001. */
#include "vision/faces/cascade-kernels.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define STRING2(a) #a
#define STRING(a) STRING2(a)
#define ALWAYS_INLINE static inline __attribute__((always_inline))

static inline int32_t block_sum(const uint32_t *w, const int32_t *at, int i) {
  return (int32_t)(w[at[i]] - w[at[i + 1]] - w[at[i + 4]] + w[at[i + 5]]);
}

/* Bit 7 is the upper left block, then clockwise: set where a block is as bright as the middle. */
static inline unsigned lbp_code(const uint32_t *w, const int32_t *at) {
  const int32_t middle = block_sum(w, at, 5);
  return (unsigned)(block_sum(w, at, 0) >= middle) << 7 |
         (unsigned)(block_sum(w, at, 1) >= middle) << 6 |
         (unsigned)(block_sum(w, at, 2) >= middle) << 5 |
         (unsigned)(block_sum(w, at, 6) >= middle) << 4 |
         (unsigned)(block_sum(w, at, 10) >= middle) << 3 |
         (unsigned)(block_sum(w, at, 9) >= middle) << 2 |
         (unsigned)(block_sum(w, at, 8) >= middle) << 1 | (unsigned)(block_sum(w, at, 4) >= middle);
}

static inline float haar_rect(const uint32_t *w, const int32_t *at, float weight) {
  return weight * (float)(int32_t)(w[at[0]] - w[at[1]] - w[at[2]] + w[at[3]]);
}

static inline float haar_value(const uint32_t *w, const CoredFeatureOffsets *f, float norm) {
  float sum = haar_rect(w, f->at, f->weight[0]) + haar_rect(w, f->at + 4, f->weight[1]);
  if (f->weight[2] != 0.f)
    sum += haar_rect(w, f->at + 8, f->weight[2]);
  return sum * norm;
}

static inline bool goes_left(const CoredStageView *view, const CoredCascadeNode *node,
                             const uint32_t *window, float norm) {
  const CoredFeatureOffsets *const f = &view->offsets[node->feature];
  if (view->cascade->kind == CORED_CASCADE_HAAR)
    return haar_value(window, f, norm) < node->threshold;
  const unsigned code = lbp_code(window, f->at);
  return node->subset[code >> 5] >> (code & 31) & 1;
}

static float stage_sum(const CoredStageView *view, const CoredCascadeStage *stage,
                       const uint32_t *window, float norm) {
  const CoredCascade *const c = view->cascade;
  float sum = 0.f;
  for (int t = 0; t < stage->n_trees; t++) {
    const CoredCascadeTree *const tree = &c->trees[stage->first_tree + t];
    const CoredCascadeNode *const nodes = &c->nodes[tree->first_node];
    int next = 0;
    do
      next = goes_left(view, &nodes[next], window, norm) ? nodes[next].left : nodes[next].right;
    while (next > 0);
    sum += c->leaves[tree->first_leaf - next];
  }
  return sum;
}

static inline unsigned each_window(const CoredStageView *view, const CoredCascadeStage *stage,
                                   const uint32_t *window, int step, const float *norm,
                                   unsigned alive) {
  unsigned pass = 0;
  for (int i = 0; i < CORED_CASCADE_BLOCK; i++)
    if (alive >> i & 1)
      pass |= (unsigned)(stage_sum(view, stage, window + i * step, norm[i]) >= stage->threshold)
              << i;
  return pass;
}

#ifdef __AVX2__

/* Nodes of the largest tree that is evaluated on eight windows at once. */
enum { MAX_TREE = 8 };

ALWAYS_INLINE __m256i load8(const uint32_t *p, int step) {
  const __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)p);
  if (step == 1)
    return a;
  const __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(p + 8));
  const __m256 even =
      _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), _MM_SHUFFLE(2, 0, 2, 0));
  return _mm256_permute4x64_epi64(_mm256_castps_si256(even), _MM_SHUFFLE(3, 1, 2, 0));
}

static inline __m256i corners8(__m256i a, __m256i b, __m256i c, __m256i d) {
  return _mm256_sub_epi32(_mm256_add_epi32(a, d), _mm256_add_epi32(b, c));
}

/* The bit where block >= middle, that is not middle > block. */
static inline __m256i bit8(__m256i middle, __m256i block, int bit) {
  return _mm256_andnot_si256(_mm256_cmpgt_epi32(middle, block), _mm256_set1_epi32(bit));
}

ALWAYS_INLINE __m256i lbp_code8(const uint32_t *w, const int32_t *at, int step) {
  __m256i p[16];
  for (int i = 0; i < 16; i++)
    p[i] = load8(w + at[i], step);
#define BLOCK(i) corners8(p[i], p[i + 1], p[i + 4], p[i + 5])
  const __m256i middle = BLOCK(5);
  __m256i code = bit8(middle, BLOCK(0), 128);
  code = _mm256_or_si256(code, bit8(middle, BLOCK(1), 64));
  code = _mm256_or_si256(code, bit8(middle, BLOCK(2), 32));
  code = _mm256_or_si256(code, bit8(middle, BLOCK(6), 16));
  code = _mm256_or_si256(code, bit8(middle, BLOCK(10), 8));
  code = _mm256_or_si256(code, bit8(middle, BLOCK(9), 4));
  code = _mm256_or_si256(code, bit8(middle, BLOCK(8), 2));
  return _mm256_or_si256(code, bit8(middle, BLOCK(4), 1));
#undef BLOCK
}

/* Sign bit set where the code is in the subset. */
ALWAYS_INLINE __m256 lbp_left8(const CoredCascadeNode *node, const CoredFeatureOffsets *f,
                               const uint32_t *window, int step) {
  const __m256i code = lbp_code8(window, f->at, step);
  const __m256i words = _mm256_loadu_si256((const __m256i *)(const void *)node->subset);
  const __m256i word = _mm256_permutevar8x32_epi32(words, _mm256_srli_epi32(code, 5));
  const __m256i shift = _mm256_andnot_si256(code, _mm256_set1_epi32(31));
  return _mm256_castsi256_ps(_mm256_sllv_epi32(word, shift));
}

ALWAYS_INLINE __m256 haar_rect8(const uint32_t *w, const int32_t *at, float weight, int step) {
  const __m256i sum = corners8(load8(w + at[0], step), load8(w + at[1], step),
                               load8(w + at[2], step), load8(w + at[3], step));
  return _mm256_mul_ps(_mm256_set1_ps(weight), _mm256_cvtepi32_ps(sum));
}

ALWAYS_INLINE __m256 haar_left8(const CoredCascadeNode *node, const CoredFeatureOffsets *f,
                                const uint32_t *window, int step, __m256 norm) {
  __m256 sum = _mm256_add_ps(haar_rect8(window, f->at, f->weight[0], step),
                             haar_rect8(window, f->at + 4, f->weight[1], step));
  if (f->weight[2] != 0.f)
    sum = _mm256_add_ps(sum, haar_rect8(window, f->at + 8, f->weight[2], step));
  return _mm256_cmp_ps(_mm256_mul_ps(sum, norm), _mm256_set1_ps(node->threshold), _CMP_LT_OQ);
}

/* A tree on eight windows: every node is evaluated and has the value of the child chosen, from the
 * last node to the root, for children come after their parents. */
ALWAYS_INLINE __m256 tree8(const CoredStageView *view, const CoredCascadeTree *tree,
                           const uint32_t *window, const int step, __m256 norm) {
  const CoredCascade *const c = view->cascade;
  const float *const leaf = &c->leaves[tree->first_leaf];
  __m256 value[MAX_TREE];
  for (int i = tree->n_nodes - 1; i >= 0; i--) {
    const CoredCascadeNode *const node = &c->nodes[tree->first_node + i];
    const CoredFeatureOffsets *const f = &view->offsets[node->feature];
    const __m256 left = c->kind == CORED_CASCADE_HAAR ? haar_left8(node, f, window, step, norm)
                                                      : lbp_left8(node, f, window, step);
    const __m256 yes = node->left > 0 ? value[node->left] : _mm256_set1_ps(leaf[-node->left]);
    const __m256 no = node->right > 0 ? value[node->right] : _mm256_set1_ps(leaf[-node->right]);
    value[i] = _mm256_blendv_ps(no, yes, left);
  }
  return value[0];
}

ALWAYS_INLINE unsigned stage8(const CoredStageView *view, const CoredCascadeStage *stage,
                              const uint32_t *window, const int step, const float *norm) {
  const __m256 norm8 = _mm256_loadu_ps(norm);
  __m256 sum = _mm256_setzero_ps();
  for (int t = 0; t < stage->n_trees; t++)
    sum = _mm256_add_ps(
        sum, tree8(view, &view->cascade->trees[stage->first_tree + t], window, step, norm8));
  return (unsigned)_mm256_movemask_ps(
      _mm256_cmp_ps(sum, _mm256_set1_ps(stage->threshold), _CMP_GE_OQ));
}

/* Measured: vectors are no slower than one window at a time even when a single one is left. */
static unsigned stage_block(const CoredStageView *view, const CoredCascadeStage *stage,
                            const uint32_t *window, int step, const float *norm, unsigned alive) {
  if (view->cascade->largest_tree > MAX_TREE)
    return each_window(view, stage, window, step, norm, alive);
  if (step == 1)
    return alive & stage8(view, stage, window, 1, norm);
  return alive & stage8(view, stage, window, 2, norm);
}

#else

static unsigned stage_block(const CoredStageView *view, const CoredCascadeStage *stage,
                            const uint32_t *window, int step, const float *norm, unsigned alive) {
  return each_window(view, stage, window, step, norm, alive);
}

#endif

const CoredCascadeKernels JOIN(cored_cascade_kernels_, CORED_ISA) = {
    .name = STRING(CORED_ISA),
    .stage_sum = stage_sum,
    .stage_block = stage_block,
};
