/* SPDX-License-Identifier: MIT */
#include "vision/faces/face-group.h"

#include <math.h>
#include <stdlib.h>

#define EPS 0.2

static bool similar(const CoredHit *a, const CoredHit *b) {
  const int w = a->w < b->w ? a->w : b->w, h = a->h < b->h ? a->h : b->h;
  const double delta = EPS * (w + h) * 0.5;
  return abs(a->x - b->x) <= delta && abs(a->y - b->y) <= delta &&
         abs(a->x + a->w - b->x - b->w) <= delta && abs(a->y + a->h - b->y - b->h) <= delta;
}

static int find_root(int *parent, int i) {
  while (parent[i] != i) {
    parent[i] = parent[parent[i]];
    i = parent[i];
  }
  return i;
}

/* parent[i]: the lowest hit of i's group. */
static void join_similar(const CoredHit *hits, int n, int *parent) {
  for (int i = 0; i < n; i++)
    parent[i] = i;
  for (int i = 1; i < n; i++)
    for (int j = 0; j < i; j++) {
      if (!similar(&hits[i], &hits[j]))
        continue;
      const int a = find_root(parent, i), b = find_root(parent, j);
      if (a < b)
        parent[b] = a;
      else
        parent[a] = b;
    }
  for (int i = 0; i < n; i++)
    parent[i] = find_root(parent, i);
}

typedef struct Group {
  double x, y, w, h, margin;
  int n;
} Group;

/* Mean boxes of the groups with more than min_neighbors hits; returns their number. */
static int average_groups(const CoredHit *hits, int n, const int *parent, int min_neighbors,
                          Group *groups) {
  int n_groups = 0;
  for (int i = 0; i < n; i++) {
    Group *const g = &groups[parent[i]];
    g->x += hits[i].x;
    g->y += hits[i].y;
    g->w += hits[i].w;
    g->h += hits[i].h;
    g->margin += (double)hits[i].margin;
    g->n++;
  }
  for (int i = 0; i < n; i++) {
    const Group g = groups[i];
    if (g.n <= min_neighbors || !g.n)
      continue;
    groups[n_groups++] = (Group){g.x / g.n, g.y / g.n, g.w / g.n, g.h / g.n, g.margin / g.n, g.n};
  }
  return n_groups;
}

/* a is inside b, give or take a fifth of b, and b has more to say. */
static bool covered(const Group *a, const Group *b) {
  const double dx = rint(b->w * EPS), dy = rint(b->h * EPS);
  return a->x >= b->x - dx && a->y >= b->y - dy && a->x + a->w <= b->x + b->w + dx &&
         a->y + a->h <= b->y + b->h + dy && ((b->n > 3 && b->n > a->n) || a->n < 3);
}

static int by_score(const void *a, const void *b) {
  const CoredFace *const x = a, *const y = b;
  if (x->score != y->score)
    return x->score < y->score ? 1 : -1;
  /* Any fixed order will do. */
  return x->box.x != y->box.x ? (x->box.x > y->box.x) - (x->box.x < y->box.x)
                              : (x->box.y > y->box.y) - (x->box.y < y->box.y);
}

static int faces_of(const Group *groups, int n_groups, CoredFace *all) {
  int n = 0;
  for (int i = 0; i < n_groups; i++) {
    const Group *const g = &groups[i];
    bool drop = false;
    for (int j = 0; j < n_groups && !drop; j++)
      drop = j != i && covered(g, &groups[j]);
    if (!drop)
      all[n++] = (CoredFace){.box = {g->x, g->y, g->w, g->h},
                             .score = g->n + g->margin / (1. + g->margin)};
  }
  return n;
}

static int each_alone(const CoredHit *hits, int n, CoredFace *all) {
  for (int i = 0; i < n; i++)
    all[i] = (CoredFace){.box = {hits[i].x, hits[i].y, hits[i].w, hits[i].h},
                         .score = 1. + (double)(hits[i].margin / (1.f + hits[i].margin))};
  return n;
}

int cored_group_hits(const CoredHit *hits, int n_hits, int min_neighbors, CoredFace *faces,
                     int max) {
  if (n_hits == 0)
    return 0;
  const int n = n_hits < CORED_MAX_HITS ? n_hits : CORED_MAX_HITS;
  int *const parent = calloc((size_t)n, sizeof *parent);
  Group *const groups = calloc((size_t)n, sizeof *groups);
  CoredFace *const all = calloc((size_t)n, sizeof *all);
  int n_faces = -1;
  if (parent && groups && all) {
    if (min_neighbors > 0) {
      join_similar(hits, n, parent);
      n_faces = faces_of(groups, average_groups(hits, n, parent, min_neighbors, groups), all);
    } else {
      n_faces = each_alone(hits, n, all);
    }
    qsort(all, (size_t)n_faces, sizeof *all, by_score);
    n_faces = n_faces < max ? n_faces : max;
    for (int i = 0; i < n_faces; i++)
      faces[i] = all[i];
  }
  free(parent);
  free(groups);
  free(all);
  return n_faces;
}
