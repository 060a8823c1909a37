/* SPDX-License-Identifier: MIT
 * Scans and checks data sets and prints what was found, one fact per line with tabs: the C side of
 * data-sets.py.
 *
 *   data-probe [-m MAP] [-c CASCADE | -N] [-f] [-s STEP] [-n FRAMES] [-p MAX_PIXELS] [-v
 * VIDEO_BYTES]
 *              [-k CACHE_BYTES] [-j THREADS] [-w SIZE] [-S PERCENT_SHARP] [-o FILE] ROOT
 *              [OTHER_ROOT]
 *
 * -N: faces are found by the network that is built in. -o writes the inputs of all samples as raw
 * floats. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "train/data/dataset.h"
#include "train/data/reader.h"

static void print_set(const CoredDataset *set) {
  char manifest[65];
  for (size_t i = 0; i < cored_dataset_n_files(set); i++) {
    const CoredDataFile *file = cored_dataset_file(set, i);
    printf("file\t%s\t%u\t%u\t%d\t%s\t%u\t%s\n", file->path, file->label, file->group,
           file->grouped, file->bad ? file->reason : "", file->n_frames, file->group_text);
  }
  const char *unread;
  const size_t n_unread = cored_dataset_n_unread(set, &unread);
  printf("repeated\t%zu\nunread\t%zu %s\n", cored_dataset_n_repeated(set), n_unread,
         n_unread ? unread : "");
  cored_dataset_manifest(set, manifest);
  printf("samples\t%zu\nbad\t%zu\nignored\t%zu\ngroups\t%zu\nmanifest\t%s\ntold\t%zu\n",
         cored_dataset_n_samples(set), cored_dataset_n_bad(set), cored_dataset_n_ignored(set),
         cored_dataset_n_groups(set), manifest, cored_dataset_n_told(set));
}

static bool write_inputs(const CoredDataset *set, const CoredDataParams *params, const char *path,
                         CoredError *error) {
  const size_t n = (size_t)params->width * (size_t)params->height * 3;
  CoredDataReader *reader = cored_data_reader_new(params, error);
  float *input = malloc(n * sizeof *input);
  FILE *file = fopen(path, "wb");
  bool ok = reader && input && file;
  for (size_t i = 0; ok && i < cored_dataset_n_samples(set); i++)
    ok = cored_dataset_read(set, i, reader, input, error) &&
         fwrite(input, sizeof *input, n, file) == n;
  if (file)
    fclose(file);
  free(input);
  cored_data_reader_free(reader);
  return ok;
}

int main(int argc, char **argv) {
  CoredDataParams params = cored_data_params_default();
  CoredDataScan scan = {0};
  const char *out = NULL;
  CoredError error = {0};
  for (int option; (option = getopt(argc, argv, "m:c:Nfs:n:p:v:k:j:w:S:o:")) != -1;) {
    if (option == 'm')
      scan.map = optarg;
    else if (option == 'c')
      params.cascade = optarg;
    else if (option == 'N')
      params.network = cored_model_built_in_locator(&error);
    else if (option == 'f')
      params.faces = true;
    else if (option == 's')
      params.frame_step = atoi(optarg);
    else if (option == 'n')
      params.max_frames = atoi(optarg);
    else if (option == 'p')
      params.limits.max_pixels = atoll(optarg);
    else if (option == 'v')
      params.video_bytes = strtoull(optarg, NULL, 10);
    else if (option == 'k')
      params.cache_bytes = strtoull(optarg, NULL, 10);
    else if (option == 'j')
      params.threads = atoi(optarg);
    else if (option == 'w')
      params.width = params.height = atoi(optarg);
    else if (option == 'S')
      params.crop.min_sharpness = atoi(optarg) / 100.0;
    else if (option == 'o')
      out = optarg;
    else
      return 2;
  }
  params.whole_frames = !params.cascade && !params.network;
  CoredDataset *sets[2] = {NULL, NULL};
  int n = 0, status = 0;
  for (; n < 2 && optind + n < argc && status == 0; n++) {
    scan.root = argv[optind + n];
    sets[n] = cored_dataset_scan(&scan, &error);
    status = !sets[n] || !cored_dataset_check(sets[n], &params, NULL, NULL, &error);
    if (status == 0)
      print_set(sets[n]);
  }
  if (status == 0 && n == 2) {
    CoredDataOverlap overlap;
    status = !cored_dataset_overlap(sets[0], sets[1], &overlap, &error);
    printf("overlap\t%zu\t%zu\t%s\t%s\n", overlap.n_files, overlap.n_groups,
           overlap.n_files ? overlap.files[0].a->path : "",
           overlap.n_groups ? overlap.groups[0].b->path : "");
  }
  if (status == 0 && out)
    status = !write_inputs(sets[0], &params, out, &error);
  if (status)
    printf("error\t%s\t%s\n", cored_error_code_name(error.code), error.message);
  cored_model_unref(params.network);
  cored_dataset_free(sets[0]);
  cored_dataset_free(sets[1]);
  return status;
}
