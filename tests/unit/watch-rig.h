/* SPDX-License-Identifier: MIT
 * For tests of watching: three small models, a folder with a watched file, and the events in the
 * order in which they came. Every function fails the test by itself. */
#ifndef WATCH_RIG_H
#define WATCH_RIG_H

#include "model-file.h"

#include <pthread.h>

#define STABLE_MS 40
#define QUIET_MS 300  /* longer than STABLE_MS: what has not come by then does not come */
#define WAIT_MS 60000 /* a test fails after that */

extern Blob models[3];     /* random, of one size */
extern char hashes[3][65]; /* of their data parts */

typedef struct Told {
  CoredWatchStatus status;
  CoredErrorCode code;
  char message[768];
  char hash[65];
  uint64_t generation;
  bool with_model; /* that the plan was made of */
} Told;

typedef struct Log {
  pthread_mutex_t lock;
  pthread_cond_t more;
  Told told[1024];
  int n, taken;
} Log;

typedef struct Place {
  char folder[64], path[128];
  Log *log;
  CoredWatch *watch;
} Place;

/* Group fixtures: make and free the models. */
int watch_setup(void **state);
int watch_teardown(void **state);

/* Wait for the next event; false where none comes in time. */
bool next(Log *log, int ms, Told *told);
void expect_loaded(Log *log, int model);
void expect_failed(Log *log, CoredErrorCode code);
void expect_nothing(Log *log, int ms);

void put_in_place(const char *path, const uint8_t *data, size_t size);
void put_by_rename(const char *path, const uint8_t *data, size_t size);
void put(const char *path, int model); /* by rename */
void pause_ms(int ms);
void remove_tree(const char *path);

Place place_new(void);
/* Times that params leaves at 0 are short. */
void place_watch(Place *place, CoredWatchParams params);
void place_free(Place *place);
/* A place with model 0 in it, watched, and that model's event taken. */
Place place_running(CoredWatchParams params);

#endif
