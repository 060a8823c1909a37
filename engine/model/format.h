/* SPDX-License-Identifier: MIT
 * The model file format, complete for an outside implementer, and its constants.
 *
 * A cored model file is a safetensors file: `safetensors.torch.load_file()` reads it unchanged.
 *
 *   bytes 0..7          N, the header's length, unsigned 64-bit little endian, 2 .. 4 MiB
 *   bytes 8..8+N-1      header: one JSON object in UTF-8; JSON white space may surround it (our
 *                       writer pads with spaces behind it so that the data start at a multiple
 *                       of 64)
 *   bytes 8+N..end      data part: the tensors, little endian, C order
 *
 * The header maps tensor names to {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]},
 * offsets counted from the start of the data part, and "__metadata__" to an object whose values
 * are all strings. The tensors tile the data part: no gap, no overlap, nothing behind the last.
 * Our writer puts "__metadata__" first, keys and tensors in the order of their bytes, and no white
 * space but the padding; the data follow in the order of the tensors.
 *
 * Tensors. One per parameter of the network, under the published names and PyTorch's layouts, no
 * other, dtype F32; F16, BF16 and F64 are read too (and converted). For every batch norm
 * `X.weight` a tensor `X.num_batches_tracked` (I64, one element) may be there and is not used. All
 * values are finite and no running_var is negative.
 *
 * Metadata. Numbers are written with "." and as many digits as give the same number back; a value
 * marked JSON is a JSON text inside the string. All of these keys are required:
 *
 *   cored.format         "1"
 *   cored.network        id in the registry of networks: "xception", "efficientnet-b0", ...
 *   cored.classes        number of classes C, 2 .. 64
 *   cored.labels         JSON array of C strings of 1 .. 63 bytes, in the order of the outputs
 *   cored.fake-class     index of the class that is shown as fake
 *   cored.real-class     index of the class that is real, another one
 *   cored.input-size     JSON [width, height] in pixels, 8 .. 4096 each
 *   cored.mean           JSON [r, g, b], each in -16 .. 16
 *   cored.std            JSON [r, g, b], each in 0.0001 .. 16; the input is (x/255 - mean) / std
 *   cored.threshold      0 .. 1: p-fake at or above which the verdict is fake
 *   cored.temperature    0.001 .. 1000: logits are divided by it before the softmax
 *   cored.generation     counts published versions: 0 .. 2^63-1
 *   cored.tasks          JSON array of {"name": string of 1 .. 63 bytes, "auc": 0 .. 1 or null},
 *                        oldest first, at most 256
 *   cored.sha256         SHA-256 of the data part, 64 lower-case hex digits
 *   cored.header-sha256  SHA-256 of bytes 0 .. 8+N-1 in which the 64 digits of this very value and
 *                        the 128 digits of cored.signature, if there, are replaced by "0"
 *   cored.canary         JSON {"seed": s, "tolerance": t, "logits": [z_0 .. z_C-1]}: see below
 *
 * and these may be there:
 *
 *   cored.kind           what the model is: "classifier", which is meant where the key is absent,
 *                        or "locator", which finds faces. A locator has no classes, labels,
 *                        temperature and tasks; its threshold is the least score of a face. A
 *                        reader of one kind refuses a file of the other before it looks for them
 *   cored.crop           JSON {"margin": m, "align": a, "locator": l}: how the faces were cut out
 *                        that the model was trained with last. m is 0 .. 4: the side of the square
 *                        is the longer side of the face times 1 + m; a is "none", or "eyes" where
 *                        crops were turned until the eyes are level; l, of 1 .. 63 bytes, names
 *                        what found the faces: "yunet-n", "cascade". Not of a locator
 *   cored.stores         JSON: representations of the stores that the model was trained to keep,
 *                        its teacher's on the last task's training set (opaque to the engine)
 *   cored.key-id         16 hex digits: the first 8 bytes of the SHA-256 of the signing key's
 *                        public part
 *   cored.signature      128 hex digits: Ed25519ph (RFC 8032) over the whole file in which these
 *                        128 digits are replaced by "0"; needs cored.key-id. A reader with trusted
 *                        keys looks for the text ,"cored.signature":" before it parses, so that is
 *                        how a signer writes it
 *
 * Other keys are kept and written back. Keys that start with "cored." are reserved. The digits of
 * cored.header-sha256 and cored.signature are written without escapes.
 *
 * Self-test. A picture W x H of bytes, and what the network made of it: the reader computes the
 * same and refuses the file where |z'_c - z_c| > t * max(1, max_c |z_c|) for any class. t is in
 * 0 .. 0.1 and 0.001 by default. With m(i) = splitmix64 of seed s at index i, that is
 *
 *     x = s + (i + 1) * 0x9E3779B97F4A7C15                 (all modulo 2^64)
 *     x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9
 *     x = (x ^ (x >> 27)) * 0x94D049BB133111EB
 *     m(i) = x ^ (x >> 31)
 *
 * the byte of row y, column x, channel c (0 R, 1 G, 2 B) is
 *
 *     (3 * (m(((y / 16) * 4096 + x / 16) * 3 + c) >> 56) +
 *      (m(2^40 + (y * 4096 + x) * 3 + c) >> 56)) / 4       (integer division)
 *
 * (coarse blocks and fine noise), and the network's input (byte / 255 - mean_c) / std_c in float32.
 * A locator has no logits; in their place are the means of every channel of its outputs over all
 * cells, the outputs in the order of their strides.
 * The reader also computes the picture of seed s+1 and refuses a model for which all differences
 * of logits z_c - z_real are the same bits for both: its output does not move with its input.
 *
 * Signature and hashes are of the bytes as they are: whoever changes a metadata value must compute
 * cored.header-sha256 again, and sign again.
 */
#ifndef CORED_MODEL_FORMAT_H
#define CORED_MODEL_FORMAT_H

#define CORED_FORMAT_VERSION 1

#define CORED_HEADER_MAX (4u << 20) /* bytes of JSON */
#define CORED_TENSORS_MAX 16384     /* in one file */
#define CORED_METADATA_MAX 4096     /* entries in __metadata__ */
#define CORED_TENSOR_NAME_MAX 256   /* bytes */
#define CORED_RANK_MAX 8
#define CORED_DIM_MAX 0x7fffffff             /* of one dimension */
#define CORED_FILE_MAX ((uint64_t)512 << 20) /* default cap on a model file */
#define CORED_DATA_ALIGN 64                  /* of the data part in files of our writer */

#define CORED_META "__metadata__"
#define CORED_KEY_PREFIX "cored."
#define CORED_KEY_FORMAT "cored.format"
#define CORED_KEY_KIND "cored.kind"
#define CORED_KEY_NETWORK "cored.network"
#define CORED_KEY_CLASSES "cored.classes"
#define CORED_KEY_LABELS "cored.labels"
#define CORED_KEY_FAKE_CLASS "cored.fake-class"
#define CORED_KEY_REAL_CLASS "cored.real-class"
#define CORED_KEY_INPUT_SIZE "cored.input-size"
#define CORED_KEY_MEAN "cored.mean"
#define CORED_KEY_STD "cored.std"
#define CORED_KEY_THRESHOLD "cored.threshold"
#define CORED_KEY_TEMPERATURE "cored.temperature"
#define CORED_KEY_GENERATION "cored.generation"
#define CORED_KEY_TASKS "cored.tasks"
#define CORED_KEY_SHA256 "cored.sha256"
#define CORED_KEY_HEADER_SHA256 "cored.header-sha256"
#define CORED_KEY_SELF_TEST "cored.canary"
#define CORED_KEY_STORES "cored.stores"
#define CORED_KEY_CROP "cored.crop"
#define CORED_KEY_KEY_ID "cored.key-id"
#define CORED_KEY_SIGNATURE "cored.signature"

#define CORED_KIND_CLASSIFIER "classifier"
#define CORED_KIND_LOCATOR "locator"

#define CORED_SHA256_HEX 64
#define CORED_SIGNATURE_HEX 128
#define CORED_KEY_ID_HEX 16

#endif /* CORED_MODEL_FORMAT_H */
