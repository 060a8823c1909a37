/* SPDX-License-Identifier: MIT
 * A small labelled data set of BMP pictures in a temporary folder, for tests in C. */
#ifndef CORED_TESTS_TINY_SET_H
#define CORED_TESTS_TINY_SET_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train/data/dataset.h"

enum { TINY_SIDE = 16 };

static inline void put32(uint8_t *p, uint32_t x) {
  for (int i = 0; i < 4; i++)
    p[i] = (uint8_t)(x >> (8 * i));
}

/* A picture of TINY_SIDE x TINY_SIDE whose red level is `red`; green runs along x and blue along
 * y. */
static inline bool tiny_write_bmp(const char *path, uint8_t red) {
  enum { ROW = TINY_SIDE * 3, SIZE = 54 + ROW * TINY_SIDE };
  uint8_t bytes[SIZE] = {'B', 'M'};
  put32(bytes + 2, SIZE);
  put32(bytes + 10, 54);
  put32(bytes + 14, 40);
  put32(bytes + 18, TINY_SIDE);
  put32(bytes + 22, TINY_SIDE);
  bytes[26] = 1;
  bytes[28] = 24;
  for (int y = 0; y < TINY_SIDE; y++)
    for (int x = 0; x < TINY_SIDE; x++) {
      uint8_t *p = bytes + 54 + (TINY_SIDE - 1 - y) * ROW + x * 3;
      p[0] = (uint8_t)(y * 15);
      p[1] = (uint8_t)(x * 15);
      p[2] = red;
    }
  FILE *file = fopen(path, "wb");
  const bool ok = file && fwrite(bytes, SIZE, 1, file) == 1;
  return file && fclose(file) == 0 && ok;
}

/* n_fake pictures with red 0, 1, ... and n_real with red 128, 129, ... below root. */
static inline bool tiny_write_set(const char *root, int n_fake, int n_real) {
  char path[512];
  bool ok = mkdir(root, 0700) == 0;
  for (int c = 0; c < 2; c++) {
    snprintf(path, sizeof path, "%s/%s", root, c ? "real" : "fake");
    ok = ok && mkdir(path, 0700) == 0;
    for (int i = 0; ok && i < (c ? n_real : n_fake); i++) {
      snprintf(path, sizeof path, "%s/%s/%03d.bmp", root, c ? "real" : "fake", i);
      ok = tiny_write_bmp(path, (uint8_t)(c * 128 + i));
    }
  }
  return ok;
}

static inline CoredDataset *tiny_load(const char *root, const CoredDataParams *params,
                                      CoredError *error) {
  CoredDataset *set = cored_dataset_scan(&(CoredDataScan){.root = root}, error);
  if (set && !cored_dataset_check(set, params, NULL, NULL, error)) {
    cored_dataset_free(set);
    return NULL;
  }
  return set;
}

static inline void tiny_remove(const char *root) {
  char command[600];
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  if (system(command) != 0)
    fprintf(stderr, "cannot remove %s\n", root);
}

#endif /* CORED_TESTS_TINY_SET_H */
