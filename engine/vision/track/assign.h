/* SPDX-License-Identifier: MIT
 * The assignment problem, for a handful of rows and columns. */
#ifndef CORED_VISION_TRACK_ASSIGN_H
#define CORED_VISION_TRACK_ASSIGN_H

#define CORED_ASSIGN_MAX 128

/* Pair rows with columns so that the sum of the gains of the pairs is largest; gain[row][column]
 * >= 0, and pairs of gain 0 are not made. column[r] becomes the column of row r or -1. n_rows and
 * n_columns are at most CORED_ASSIGN_MAX. Shortest augmenting paths with potentials (Kuhn 1955,
 * Munkres 1957; in the O(n^3) form of Jonker and Volgenant 1987). */
void cored_assign(double gain[CORED_ASSIGN_MAX][CORED_ASSIGN_MAX], int n_rows, int n_columns,
                  int column[CORED_ASSIGN_MAX]);

#endif /* CORED_VISION_TRACK_ASSIGN_H */
