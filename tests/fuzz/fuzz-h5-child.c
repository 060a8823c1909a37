/* SPDX-License-Identifier: MIT
 * Whole HDF5 files through the child process. An input is a list of changes to a right file that
 * the library wrote: 1 byte which file, then triples of 2 bytes place and 1 byte value. The
 * library may crash on what comes of it, in the child; the parent has an answer in any case. */
#include <hdf5.h>

#include "fuzz.h"
#include "memory-file.h"
#include "tools/convert/h5.h"

enum { N_FILES = 3, MAX_DATA = 1 << 16 };

static struct {
  uint8_t *bytes;
  size_t size;
} files[N_FILES];

static void write_names(hid_t group, const char *attribute, const char *const *names, hsize_t n) {
  const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &n, NULL);
  char fixed[4][24] = {{0}};
  H5Tset_size(type, sizeof *fixed);
  for (hsize_t i = 0; i < n; i++)
    memcpy(fixed[i], names[i], strlen(names[i]));
  const hid_t made = H5Acreate2(group, attribute, type, space, H5P_DEFAULT, H5P_DEFAULT);
  fuzz_expect(made >= 0 && H5Awrite(made, type, fixed) >= 0);
  H5Aclose(made);
  H5Sclose(space);
  H5Tclose(type);
}

static void write_dataset(hid_t group, const char *name, int rank, const hsize_t *dims,
                          bool packed) {
  static const float values[256] = {0.5f, -1, 2};
  const hid_t space = H5Screate_simple(rank, dims, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
  if (packed) {
    H5Pset_chunk(plist, rank, dims);
    H5Pset_shuffle(plist);
    H5Pset_deflate(plist, 6);
    H5Pset_fletcher32(plist);
  }
  const hid_t set = H5Dcreate2(group, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
  fuzz_expect(set >= 0 &&
              H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  H5Dclose(set);
  H5Pclose(plist);
  H5Sclose(space);
}

/* A file of two layers as Keras lays it out; the last with the newer
 * superblock. */
static void make(size_t index) {
  static const char *const layers[] = {"conv2d_1", "dense_1"};
  static const char *const conv[] = {"kernel:0", "bias:0"}, *const dense[] = {"kernel:0"};
  static const hsize_t kernel[4] = {3, 3, 1, 4}, bias[1] = {4}, matrix[2] = {8, 2};
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  if (index == 2)
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  char path[] = "/tmp/cored-fuzz-XXXXXX"; /* the library wants a real one */
  MemoryFile written = {.fd = mkstemp(path)};
  const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
  fuzz_expect(file >= 0);
  write_names(file, "layer_names", layers, 2);
  const hid_t first = H5Gcreate2(file, layers[0], H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  write_names(first, "weight_names", conv, 2);
  write_dataset(first, conv[0], 4, kernel, index == 1);
  write_dataset(first, conv[1], 1, bias, index == 1);
  const hid_t second = H5Gcreate2(file, layers[1], H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  write_names(second, "weight_names", dense, 1);
  write_dataset(second, dense[0], 2, matrix, false);
  H5Gclose(first);
  H5Gclose(second);
  H5Fclose(file);
  H5Pclose(access);
  files[index].bytes = memory_file_content(&written, &files[index].size);
  memory_file_close(&written);
  unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  FuzzInput in = {data, size};
  const size_t which = fuzz_byte(&in) % N_FILES;
  if (!files[which].bytes)
    make(which);
  CoredBytes bytes = {.data = malloc(files[which].size), .size = files[which].size};
  if (!bytes.data)
    return 0;
  memcpy(bytes.data, files[which].bytes, bytes.size);
  const bool untouched = !fuzz_change(&in, bytes.data, bytes.size);
  CoredLooseFile file = {0};
  CoredRefusal refusal = {0};
  const bool ok = cored_h5_read(&bytes, MAX_DATA, &file, &refusal);
  fuzz_expect(ok ? !untouched || file.n_tensors == 3
                 : !untouched && refusal.code != CORED_REFUSAL_NONE);
  for (size_t i = 0; ok && i < file.n_tensors; i++)
    free(cored_loose_copy(&file.tensors[i]));
  cored_loose_clear(&file);
  free(bytes.data);
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const FuzzSeed seeds[] = {
      FUZZ_SEED("\0"),
      FUZZ_SEED("\1"),
      FUZZ_SEED("\2"),
      FUZZ_SEED("\0\20\3\377"),
      FUZZ_SEED("\1\0\10\1\60\10\2"),
      FUZZ_SEED("\2\60\0\0"),
  };
  return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, index, out, max);
}
