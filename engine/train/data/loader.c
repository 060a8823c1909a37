/* SPDX-License-Identifier: MIT */
#include "train/data/loader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "train/data/reader.h"

enum { MAX_THREADS = 64, MAX_DEPTH = 16, NO_PARTNER = -1 };

/* What is to be done with one batch; drawn when its first item is taken. */
typedef struct Plan {
  uint64_t batch;
  size_t first;   /* position of its first sample in the order */
  int n_whole;    /* samples of all ranks */
  int begin, end; /* of them this rank's */
  bool mixes;
  CoredCutBox box;
  uint32_t *partner; /* [n_whole] permutation; only when it mixes */
} Plan;

typedef struct Slot {
  Plan plan;
  float *input;
  int *labels;
  uint32_t *samples;
  bool *good;
  int left; /* items not made yet */
} Slot;

typedef struct Maker {
  CoredLoader *loader;
  CoredDataReader *reader;
  CoredAugmenter *augmenter;
  float *partner; /* input of the sample a box is cut from */
  pthread_t thread;
  bool running;
} Maker;

struct CoredLoader {
  const CoredDataset *set;
  CoredLoaderParams params;
  size_t floats; /* of one input */
  int most;      /* samples of one batch on this rank, at most */
  uint32_t *order;
  uint64_t epoch;
  Slot slots[MAX_DEPTH];
  Maker makers[MAX_THREADS];
  /* The rest is guarded by lock. Batches count from 0 in the epoch. */
  pthread_mutex_t lock;
  pthread_cond_t work, ready;
  uint64_t n_batches, making,
      taken; /* making: batch whose items are handed out; taken: consumer's */
  int next_item, busy;
  bool holding, stop;
  size_t failures;
  CoredError last;
};

static int ranks_of(const CoredLoaderParams *params) {
  return params->ranks > 1 ? params->ranks : 1;
}

static bool fill_balanced(const CoredDataset *set, const CoredLoaderParams *params, uint64_t epoch,
                          uint32_t *order, size_t n, CoredError *error) {
  const int n_classes = cored_dataset_n_classes(set);
  uint32_t *pool = malloc((n + 1) * sizeof *pool);
  size_t at = 0;
  if (!pool)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "order of %zu samples", n);
  for (int c = 0; c < n_classes; c++) {
    const size_t quota = n / (size_t)n_classes + ((size_t)c < n % (size_t)n_classes);
    CoredRandom random = cored_random_init(params->seed, CORED_RANDOM_SELECT, epoch, (uint64_t)c);
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
      if (cored_dataset_label(set, i) == (uint32_t)c)
        pool[size++] = (uint32_t)i;
    for (size_t k = 0; k < quota; k++) {
      if (k % size == 0 && !params->sequential)
        cored_random_shuffle(&random, pool, size);
      order[at++] = pool[k % size];
    }
  }
  free(pool);
  return true;
}

bool cored_loader_order(const CoredDataset *set, const CoredLoaderParams *params, uint64_t epoch,
                        uint32_t *order, CoredError *error) {
  const size_t n = cored_dataset_n_samples(set);
  for (size_t i = 0; i < n; i++)
    order[i] = (uint32_t)i;
  if (params->balanced && !fill_balanced(set, params, epoch, order, n, error))
    return false;
  if (!params->sequential) {
    CoredRandom random = cored_random_init(params->seed, CORED_RANDOM_ORDER, epoch, 0);
    cored_random_shuffle(&random, order, n);
  }
  return true;
}

/* CutMix is decided for a batch as a whole, by all ranks alike. */
static void draw_plan(CoredLoader *loader, Plan *plan, uint64_t batch) {
  const CoredLoaderParams *params = &loader->params;
  const size_t n = cored_dataset_n_samples(loader->set), size = (size_t)params->batch;
  const CoredDataParams *data = cored_dataset_params(loader->set);
  const CoredAugmentParams *augmentation = &params->augmentation;
  const int ranks = ranks_of(params);
  plan->batch = batch;
  plan->first = (size_t)batch * size;
  plan->n_whole = (int)(n - plan->first < size ? n - plan->first : size);
  plan->begin = (int)((int64_t)plan->n_whole * params->rank / ranks);
  plan->end = (int)((int64_t)plan->n_whole * (params->rank + 1) / ranks);
  CoredRandom random = cored_random_init(params->seed, CORED_RANDOM_CUTMIX, loader->epoch, batch);
  plan->mixes = params->augment && augmentation->cutmix != CORED_CUTMIX_NONE &&
                cored_random_uniform(&random) < augmentation->cutmix_rate;
  if (!plan->mixes)
    return;
  plan->box = cored_augment_cut_box(&random, data->width, data->height, augmentation->cutmix_beta);
  for (int b = 0; b < plan->n_whole; b++)
    plan->partner[b] = (uint32_t)b;
  cored_random_shuffle(&random, plan->partner, (size_t)plan->n_whole);
}

/* The sample at a position of the epoch with its own changes, which depend on (seed, epoch, sample)
 * alone. Balanced orders repeat samples; there the position takes the sample's place. */
static bool make_sample(Maker *maker, size_t position, float *out, CoredError *error) {
  const CoredLoader *loader = maker->loader;
  const uint32_t sample = loader->order[position];
  const uint64_t key = loader->params.balanced ? (UINT64_C(1) << 32) + position : sample;
  if (!cored_dataset_read(loader->set, sample, maker->reader, out, error))
    return false;
  if (!loader->params.augment)
    return true;
  CoredRandom random =
      cored_random_init(loader->params.seed, CORED_RANDOM_AUGMENT, loader->epoch, key);
  return cored_augment_sample(maker->augmenter, &loader->params.augmentation, &random, out)
             ? true
             : cored_error_set(error, CORED_ERROR_NO_MEMORY, "augmentation");
}

/* Item b of the batch: its sample, with a box of its partner where the labels ask for it. */
static bool make_item(Maker *maker, const Slot *slot, int b, float *out, CoredError *error) {
  const CoredLoader *loader = maker->loader;
  const Plan *plan = &slot->plan;
  const size_t own = plan->first + (size_t)b;
  if (!make_sample(maker, own, out, error))
    return false;
  if (!plan->mixes)
    return true;
  const size_t partner = plan->first + plan->partner[b];
  const bool same = cored_dataset_label(loader->set, loader->order[own]) ==
                    cored_dataset_label(loader->set, loader->order[partner]);
  if (same != (loader->params.augmentation.cutmix == CORED_CUTMIX_SAME_CLASS) || partner == own)
    return true;
  if (!make_sample(maker, partner, maker->partner, error))
    return false;
  cored_augment_paste(out, maker->partner, cored_dataset_params(loader->set)->width, plan->box);
  return true;
}

/* Hand out the next item, lock held; NULL when there is nothing to do now. */
static Slot *take_item(CoredLoader *loader, int *item) {
  while (loader->making < loader->n_batches &&
         loader->making < loader->taken + (uint64_t)loader->params.depth) {
    Slot *slot = &loader->slots[loader->making % (uint64_t)loader->params.depth];
    if (loader->next_item < 0) {
      draw_plan(loader, &slot->plan, loader->making);
      slot->left = slot->plan.end - slot->plan.begin;
      loader->next_item = 0;
      if (slot->left == 0)
        pthread_cond_signal(&loader->ready);
    }
    if (loader->next_item < slot->plan.end - slot->plan.begin) {
      *item = loader->next_item++;
      return slot;
    }
    loader->making++;
    loader->next_item = -1;
  }
  return NULL;
}

static void *make(void *data) {
  Maker *maker = data;
  CoredLoader *loader = maker->loader;
  pthread_mutex_lock(&loader->lock);
  while (!loader->stop) {
    int item;
    Slot *slot = take_item(loader, &item);
    if (!slot) {
      pthread_cond_wait(&loader->work, &loader->lock);
      continue;
    }
    loader->busy++;
    pthread_mutex_unlock(&loader->lock);
    CoredError error;
    const uint32_t sample = loader->order[slot->plan.first + (size_t)(slot->plan.begin + item)];
    slot->samples[item] = sample;
    slot->labels[item] = (int)cored_dataset_label(loader->set, sample);
    slot->good[item] = make_item(maker, slot, slot->plan.begin + item,
                                 slot->input + (size_t)item * loader->floats, &error);
    pthread_mutex_lock(&loader->lock);
    if (!slot->good[item]) {
      loader->failures++;
      loader->last = error;
    }
    loader->busy--;
    if (--slot->left == 0 || loader->busy == 0)
      pthread_cond_signal(&loader->ready);
  }
  pthread_mutex_unlock(&loader->lock);
  return NULL;
}

static bool reserve_slots(CoredLoader *loader, CoredError *error) {
  const size_t n = (size_t)loader->most;
  const size_t bytes = (n * loader->floats * sizeof(float) + 63) / 64 * 64;
  for (int i = 0; i < loader->params.depth; i++) {
    Slot *slot = &loader->slots[i];
    slot->input = aligned_alloc(64, bytes);
    slot->labels = malloc(n * sizeof *slot->labels);
    slot->samples = malloc(n * sizeof *slot->samples);
    slot->good = malloc(n * sizeof *slot->good);
    slot->plan.partner = malloc((size_t)loader->params.batch * sizeof *slot->plan.partner);
    if (!slot->input || !slot->labels || !slot->samples || !slot->good || !slot->plan.partner)
      return cored_error_set(error, CORED_ERROR_NO_MEMORY, "%d batches of %d samples",
                             loader->params.depth, loader->params.batch);
  }
  return true;
}

static bool start_makers(CoredLoader *loader, CoredError *error) {
  const CoredDataParams data = *cored_dataset_params(loader->set);
  for (int i = 0; i < loader->params.threads; i++) {
    Maker *maker = &loader->makers[i];
    maker->loader = loader;
    maker->partner = malloc(loader->floats * sizeof *maker->partner);
    if (!maker->partner)
      return cored_error_set(error, CORED_ERROR_NO_MEMORY, "loader thread");
    maker->reader = cored_data_reader_new(&data, error);
    maker->augmenter =
        maker->reader ? cored_augmenter_new(data.width, data.height, data.mean, data.std, error)
                      : NULL;
    if (!maker->augmenter)
      return false;
    if (pthread_create(&maker->thread, NULL, make, maker) != 0)
      return cored_error_set(error, CORED_ERROR_NO_MEMORY, "loader thread");
    maker->running = true;
  }
  return true;
}

CoredLoader *cored_loader_new(const CoredDataset *set, const CoredLoaderParams *params,
                              CoredError *error) {
  const CoredDataParams *data = cored_dataset_params(set);
  const size_t n = cored_dataset_n_samples(set);
  if (params->batch < 1 || params->threads < 1 || params->threads > MAX_THREADS ||
      params->depth < 1 || params->depth > MAX_DEPTH || params->rank < 0 ||
      params->rank >= ranks_of(params)) {
    cored_error_set(error, CORED_ERROR_ARGUMENT,
                    "loader: batch %d, threads %d, depth %d, rank %d of %d", params->batch,
                    params->threads, params->depth, params->rank, ranks_of(params));
    return NULL;
  }
  CoredLoader *loader = calloc(1, sizeof *loader);
  if (!loader) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "loader");
    return NULL;
  }
  loader->set = set;
  loader->params = *params;
  loader->params.batch = (size_t)params->batch < n ? params->batch : (int)n;
  loader->floats = (size_t)data->width * (size_t)data->height * 3;
  loader->most = loader->params.batch / ranks_of(params) + 1;
  loader->next_item = -1;
  pthread_mutex_init(&loader->lock, NULL);
  pthread_cond_init(&loader->work, NULL);
  pthread_cond_init(&loader->ready, NULL);
  loader->order = malloc((n + 1) * sizeof *loader->order);
  if (!loader->order)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "order of %zu samples", n);
  else if (reserve_slots(loader, error) && start_makers(loader, error))
    return loader;
  cored_loader_free(loader);
  return NULL;
}

void cored_loader_free(CoredLoader *loader) {
  if (!loader)
    return;
  pthread_mutex_lock(&loader->lock);
  loader->stop = true;
  pthread_cond_broadcast(&loader->work);
  pthread_mutex_unlock(&loader->lock);
  for (int i = 0; i < loader->params.threads; i++) {
    Maker *maker = &loader->makers[i];
    if (maker->running)
      pthread_join(maker->thread, NULL);
    cored_data_reader_free(maker->reader);
    cored_augmenter_free(maker->augmenter);
    free(maker->partner);
  }
  for (int i = 0; i < loader->params.depth; i++) {
    free(loader->slots[i].input);
    free(loader->slots[i].labels);
    free(loader->slots[i].samples);
    free(loader->slots[i].good);
    free(loader->slots[i].plan.partner);
  }
  free(loader->order);
  pthread_cond_destroy(&loader->work);
  pthread_cond_destroy(&loader->ready);
  pthread_mutex_destroy(&loader->lock);
  free(loader);
}

int cored_loader_batch(const CoredLoader *loader) {
  return loader->params.batch;
}

uint64_t cored_loader_n_batches(const CoredLoader *loader) {
  const uint64_t n = cored_dataset_n_samples(loader->set), size = (uint64_t)loader->params.batch;
  return (n + size - 1) / size;
}

bool cored_loader_start(CoredLoader *loader, uint64_t epoch, uint64_t first_batch,
                        CoredError *error) {
  pthread_mutex_lock(&loader->lock);
  loader->n_batches = 0; /* no new item */
  while (loader->busy > 0)
    pthread_cond_wait(&loader->ready, &loader->lock);
  const bool ok = cored_loader_order(loader->set, &loader->params, epoch, loader->order, error);
  loader->epoch = epoch;
  loader->making = loader->taken = first_batch;
  loader->next_item = -1;
  loader->holding = false;
  loader->n_batches = ok ? cored_loader_n_batches(loader) : 0;
  pthread_cond_broadcast(&loader->work);
  pthread_mutex_unlock(&loader->lock);
  return ok;
}

/* Move the readable samples together. */
static void fill_batch(const CoredLoader *loader, Slot *slot, CoredLoaderBatch *batch) {
  const int n = slot->plan.end - slot->plan.begin;
  *batch = (CoredLoaderBatch){.input = slot->input,
                              .labels = slot->labels,
                              .samples = slot->samples,
                              .n_whole = slot->plan.n_whole,
                              .index = slot->plan.batch};
  for (int i = 0; i < n; i++) {
    if (!slot->good[i])
      continue;
    if (batch->n < i) {
      memcpy(slot->input + (size_t)batch->n * loader->floats,
             slot->input + (size_t)i * loader->floats, loader->floats * sizeof(float));
      slot->labels[batch->n] = slot->labels[i];
      slot->samples[batch->n] = slot->samples[i];
    }
    batch->n++;
  }
}

bool cored_loader_next(CoredLoader *loader, CoredLoaderBatch *batch) {
  pthread_mutex_lock(&loader->lock);
  if (loader->holding) {
    loader->taken++;
    loader->holding = false;
    pthread_cond_broadcast(&loader->work);
  }
  if (loader->taken >= loader->n_batches) {
    pthread_mutex_unlock(&loader->lock);
    return false;
  }
  Slot *slot = &loader->slots[loader->taken % (uint64_t)loader->params.depth];
  /* Its items may not have been handed out yet: then making has not passed it, or the slot still
   * waits for some. */
  while (loader->making < loader->taken ||
         (loader->making == loader->taken &&
          (loader->next_item < 0 || loader->next_item < slot->plan.end - slot->plan.begin)) ||
         slot->left > 0)
    pthread_cond_wait(&loader->ready, &loader->lock);
  loader->holding = true;
  pthread_mutex_unlock(&loader->lock);
  fill_batch(loader, slot, batch);
  return true;
}

size_t cored_loader_failures(CoredLoader *loader, CoredError *last) {
  pthread_mutex_lock(&loader->lock);
  const size_t n = loader->failures;
  if (last && n)
    *last = loader->last;
  pthread_mutex_unlock(&loader->lock);
  return n;
}
