/* SPDX-License-Identifier: MIT
 * Can data keep up with training? Decoding and augmenting JPEG files with 2 threads against steps
 * of EfficientNet-B0 with 2 threads, in turns, so that a busy machine slows both.
 *
 *   bench-data FOLDER        (holds real/ and fake/, such as .../DFDC/train)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "train/data/loader.h"
#include "train/core/trainer.h"

enum { BATCH = 32, ROUNDS = 5, STEPS = 2, BATCHES = 12, THREADS = 2 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Images a second of BATCHES batches from the files; changes: with recompression and blur too. */
static double load_rate(CoredLoader *loader, uint64_t epoch, CoredLoaderBatch *batch) {
  const double began = now();
  int n = 0;
  if (!cored_loader_start(loader, epoch, 0, NULL))
    return 0.0;
  for (int i = 0; i < BATCHES && cored_loader_next(loader, batch); i++)
    n += batch->n;
  return n / (now() - began);
}

static double train_rate(CoredTrainer *trainer, const CoredLoaderBatch *batch) {
  const CoredBatch part = {.n = batch->n, .images = batch->input, .labels = batch->labels};
  const double began = now();
  CoredLosses losses;
  for (int i = 0; i < STEPS; i++)
    if (!cored_trainer_accumulate(trainer, &part, 1.0, &losses) ||
        !cored_trainer_update(trainer, 1e-4, NULL))
      return 0.0;
  return STEPS * batch->n / (now() - began);
}

static CoredLoader *make_loader(const CoredDataset *set, double changes, CoredError *error) {
  CoredLoaderParams params = {.batch = BATCH,
                              .seed = 1,
                              .augment = true,
                              .augmentation = cored_augment_params_default(false),
                              .threads = THREADS,
                              .depth = 3};
  params.augmentation.jpeg = params.augmentation.blur = changes;
  return cored_loader_new(set, &params, error);
}

static CoredTrainer *make_trainer(CoredError *error) {
  CoredModelInfo info;
  CoredTrainParams params;
  cored_train_params_init(&params);
  params.method = CORED_METHOD_FT;
  params.max_batch = BATCH;
  params.threads = THREADS;
  params.cpu = cored_cpu_flags();
  if (!cored_model_info_init(&info, "efficientnet-b0", 2, error))
    return NULL;
  info.input_width = info.input_height = 128;
  CoredModel *model = cored_model_new_random(&info, 1, error);
  CoredTrainer *trainer = model ? cored_trainer_new(model, NULL, &params, error) : NULL;
  cored_model_unref(model);
  return trainer;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *x) {
  qsort(x, ROUNDS, sizeof *x, by_value);
  return x[ROUNDS / 2];
}

int main(int argc, char **argv) {
  CoredError error = {0};
  CoredDataParams params = cored_data_params_default();
  double plain[ROUNDS], full[ROUNDS], train[ROUNDS];
  if (argc != 2)
    return 2;
  params.cache_bytes = 0;
  params.threads = THREADS;
  CoredDataset *set = cored_dataset_scan(&(CoredDataScan){.root = argv[1]}, &error);
  bool ok = set && cored_dataset_check(set, &params, NULL, NULL, &error);
  CoredLoader *plain_loader = ok ? make_loader(set, 0.0, &error) : NULL;
  CoredLoader *full_loader = plain_loader ? make_loader(set, 0.5, &error) : NULL;
  CoredTrainer *trainer = full_loader ? make_trainer(&error) : NULL;
  for (int r = 0; trainer && r < ROUNDS; r++) {
    CoredLoaderBatch batch;
    plain[r] = load_rate(plain_loader, (uint64_t)r, &batch);
    full[r] = load_rate(full_loader, (uint64_t)r, &batch);
    train[r] = train_rate(trainer, &batch);
  }
  if (trainer)
    printf("decode, flip, CutMix         %8.0f images/s\n"
           "  and JPEG and blur at 0.5   %8.0f images/s\n"
           "EfficientNet-B0 training     %8.1f images/s\n"
           "ratio                        %8.1f, with JPEG and blur %.1f\n",
           median(plain), median(full), median(train), median(plain) / median(train),
           median(full) / median(train));
  else
    fprintf(stderr, "%s\n", error.message);
  ok = trainer != NULL;
  cored_trainer_free(trainer);
  cored_loader_free(plain_loader);
  cored_loader_free(full_loader);
  cored_dataset_free(set);
  return !ok;
}
