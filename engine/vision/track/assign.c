/* SPDX-License-Identifier: MIT */
#include "vision/track/assign.h"

#include <math.h>
#include <stdbool.h>

enum { N = CORED_ASSIGN_MAX + 1 };

/* Row and column 0 are the algorithm's own: rows and columns count from 1. */
typedef struct Matching {
  double row_potential[N], column_potential[N];
  int row_of[N];   /* row matched with a column, 0: none */
  int previous[N]; /* the column before this one on the path */
} Matching;

/* The problem is made square with pairs of gain 0, which stand for "alone". */
static double cost(double gain[CORED_ASSIGN_MAX][CORED_ASSIGN_MAX], int n_rows, int n_columns,
                   int row, int column) {
  return row <= n_rows && column <= n_columns ? -gain[row - 1][column - 1] : 0.;
}

/* Grow a shortest-path tree from the column `from` (0, matched with the new row) until it meets a
 * free column; returns it. */
static int shortest_path(double gain[CORED_ASSIGN_MAX][CORED_ASSIGN_MAX], int n_rows, int n_columns,
                         int n, Matching *m) {
  double distance[N];
  bool done[N] = {false};
  int at = 0;
  for (int c = 0; c <= n; c++)
    distance[c] = (double)INFINITY;
  do {
    const int row = m->row_of[at];
    double step = (double)INFINITY;
    int next = 0;
    done[at] = true;
    for (int c = 1; c <= n; c++) {
      if (done[c])
        continue;
      const double d =
          cost(gain, n_rows, n_columns, row, c) - m->row_potential[row] - m->column_potential[c];
      if (d < distance[c]) {
        distance[c] = d;
        m->previous[c] = at;
      }
      if (distance[c] < step) {
        step = distance[c];
        next = c;
      }
    }
    for (int c = 0; c <= n; c++)
      if (done[c]) {
        m->row_potential[m->row_of[c]] += step;
        m->column_potential[c] -= step;
      } else {
        distance[c] -= step;
      }
    at = next;
  } while (m->row_of[at]);
  return at;
}

void cored_assign(double gain[CORED_ASSIGN_MAX][CORED_ASSIGN_MAX], int n_rows, int n_columns,
                  int column[CORED_ASSIGN_MAX]) {
  const int n = n_rows > n_columns ? n_rows : n_columns;
  Matching m = {0};
  for (int row = 1; row <= n; row++) {
    m.row_of[0] = row;
    int at = shortest_path(gain, n_rows, n_columns, n, &m);
    while (at) { /* flip the path */
      const int before = m.previous[at];
      m.row_of[at] = m.row_of[before];
      at = before;
    }
  }
  for (int r = 0; r < n_rows; r++)
    column[r] = -1;
  for (int c = 1; c <= n_columns; c++) {
    const int row = m.row_of[c];
    if (row >= 1 && row <= n_rows && gain[row - 1][c - 1] > 0.)
      column[row - 1] = c - 1;
  }
}
