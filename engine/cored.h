/* SPDX-License-Identifier: MIT
 * libcored: a face-forgery detector as a C library.
 *
 * This is the one public header. The library decodes nothing, prints nothing, never exits and
 * keeps no global state; it needs no GStreamer and no GLib. Four objects, in the order of use:
 *
 *   CoredModel    what a model file holds: the weights under their published names and what the
 *                 trainer said of them. Immutable, reference counted, shared by threads.
 *   CoredPlan     a model lowered for inference on this CPU at one input size: batch norm folded,
 *                 activations fused, weights packed. Immutable, reference counted, shared by
 *                 threads. It keeps no reference to the model: drop the model and its memory goes.
 *   CoredSession  the scratch memory and threads with which one stream runs a plan. Belongs to
 *                 one caller at a time; `run` neither allocates, nor locks shared state, nor logs.
 *   CoredImage    a decoded picture in any of the raw video formats, described and never owned.
 *
 * Conventions
 *   - Tensors are float32, C order. Network input is [N, H, W, 3] (channels last), RGB.
 *   - Functions that can fail return NULL or false and fill *error when error is not NULL. The
 *     message says what, where, what was expected and what was found; `code` is stable.
 *   - "Thread-safe" below means: may be called by several threads on the same object.
 *   - Strings are UTF-8. Returned `const` pointers live as long as the object they come from.
 */
#ifndef CORED_H
#define CORED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(CORED_BUILD) && defined(__GNUC__)
#define CORED_API __attribute__((visibility("default")))
#else
#define CORED_API
#endif

/* ---- Errors --------------------------------------------------------------------------------- */

/* Stable codes. The list is an X-macro so that names, tests and documentation come from one place;
 * M-numbers are the malformed-file cases the tests are named after. Append only. */
#define CORED_ERROR_CODES(X)                                                                       \
  X(NONE, "no error")                                                                              \
  X(ARGUMENT, "an argument is out of its documented range")                                        \
  X(NO_MEMORY, "memory could not be allocated")                                                    \
  X(NOT_FOUND, "the file does not exist")                                                          \
  X(OPEN, "the file cannot be opened")                                                             \
  X(READ, "reading failed")                                                                        \
  X(WRITE, "writing failed")                                                                       \
  X(NOT_REGULAR, "not a regular file (M02)")                                                       \
  X(FILE_TOO_SMALL, "file is shorter than its fixed part (M01)")                                   \
  X(FILE_TOO_LARGE, "file is larger than the limit (M03)")                                         \
  X(FILE_CHANGED, "file changed while it was read (M78)")                                          \
  X(MAGIC, "not a safetensors file but another known format (M07)")                                \
  X(HEADER_LENGTH, "header length is zero, over the limit or beyond the file (M09)")               \
  X(HEADER_ENCODING, "header is not clean UTF-8 (M10)")                                            \
  X(HEADER_SYNTAX, "header is not one JSON object (M11-M14)")                                      \
  X(HEADER_DUPLICATE, "a key appears twice (M15)")                                                 \
  X(METADATA_TYPE, "__metadata__ is not an object of strings (M16)")                               \
  X(TENSOR_FIELD, "a tensor entry lacks a field, has an unknown one or a wrong type (M17)")        \
  X(TENSOR_DTYPE, "unknown dtype (M18)")                                                           \
  X(TENSOR_DTYPE_UNSUPPORTED, "dtype is known but not supported (M18)")                            \
  X(TENSOR_SHAPE, "rank or a dimension is out of range, or the product wraps (M19, M20)")          \
  X(TENSOR_OFFSETS, "data_offsets are out of range or disagree with shape and dtype (M21)")        \
  X(TENSOR_OVERLAP, "tensors overlap (M22, M24)")                                                  \
  X(TENSOR_GAP, "bytes between or after tensors belong to none (M06, M23)")                        \
  X(TENSOR_COUNT, "too many tensors (M27)")                                                        \
  X(TENSOR_NAME, "tensor name is empty, too long or holds control characters (M27, M29)")          \
  X(TRUNCATED, "data end before the last tensor (M04)")                                            \
  X(VERSION, "format version is not supported (M08)")                                              \
  X(NETWORK_UNKNOWN, "no such network (M35)")                                                      \
  X(NETWORK_PARAMS, "network parameters out of range (M35)")                                       \
  X(METADATA_MISSING, "a required metadata entry is missing")                                      \
  X(METADATA_VALUE, "a metadata value is malformed or out of range (M36, M37)")                    \
  X(HASH, "SHA-256 of the data does not match (M05, M38)")                                         \
  X(PARAMETER_MISSING, "a parameter of the network is missing (M30)")                              \
  X(PARAMETER_EXTRA, "a tensor is no parameter of the network (M30)")                              \
  X(PARAMETER_SHAPE, "a parameter has the wrong shape (M31)")                                      \
  X(PARAMETER_DTYPE, "a parameter has the wrong dtype (M32)")                                      \
  X(PARAMETER_VALUE, "a weight is not finite or a variance is negative (M33)")                     \
  X(CONSTANT_OUTPUT, "the output does not move with the input (M34)")                              \
  X(SELF_TEST, "the self-test sample does not give the output its trainer computed")               \
  X(INPUT_SIZE, "the network cannot be built for this input size")                                 \
  X(CASCADE_FORMAT, "the cascade file is not a supported OpenCV cascade")                          \
  X(IMAGE, "the image description is inconsistent")                                                \
  X(UNSUPPORTED, "not supported by this build")                                                    \
  X(CANCELLED, "the caller gave up")                                                               \
  X(GENERATION, "older than the model that runs (M40)")                                            \
  X(SIGNATURE_MISSING, "the model is not signed, and only signed ones are taken (M39)")            \
  X(SIGNATURE, "the signature does not verify (M39)")                                              \
  X(SIGNATURE_KEY, "signed with a key that is not trusted or was revoked (M39)")                   \
  X(KEY_FILE, "a key file is malformed, or a secret one is open to others")                        \
  X(DATASET, "a data folder is missing, empty or laid out in another way")                         \
  X(DECODE, "a picture or video cannot be decoded as a whole")                                     \
  X(TRUST_STATE, "the file of the generations used last is damaged, locked or open to others")     \
  X(MODEL_KIND, "a model that finds faces where a classifier is needed, or the reverse")

typedef enum CoredErrorCode {
#define CORED_ERROR_ENUM(name, text) CORED_ERROR_##name,
  CORED_ERROR_CODES(CORED_ERROR_ENUM)
#undef CORED_ERROR_ENUM
      CORED_N_ERROR_CODES
} CoredErrorCode;

typedef struct CoredError {
  CoredErrorCode code;
  char message[768]; /* never empty when code is set; control characters are escaped */
} CoredError;

/* "PARAMETER_SHAPE" for CORED_ERROR_PARAMETER_SHAPE; never NULL. Thread-safe. */
CORED_API const char *cored_error_code_name(CoredErrorCode code);
/* The one-line description above; never NULL. Thread-safe. */
CORED_API const char *cored_error_code_text(CoredErrorCode code);

/* ---- CPU ------------------------------------------------------------------------------------ */

typedef enum CoredCpu {
  CORED_CPU_C = 0,           /* plain C only */
  CORED_CPU_AVX2 = 1 << 0,   /* AVX2 and FMA */
  CORED_CPU_AVX512 = 1 << 1, /* AVX-512 F, BW, DQ, VL (implies AVX2) */
  CORED_CPU_ALL = 0x7fffffff
} CoredCpu;

/* What this machine and its operating system offer, and-ed with the environment variable
 * CORED_CPU_MASK (a number, read at each call) when it is set. Thread-safe. */
CORED_API unsigned cored_cpu_flags(void);

/* ---- Networks ------------------------------------------------------------------------------- */

/* Identifiers of the classifiers in the registry: "xception", "efficientnet-b0", "meso4",
 * "mesoinception4", "cored-compact". index from 0; NULL past the end. Thread-safe. */
CORED_API const char *cored_network_id(size_t index);
/* "Xception (Chollet 2017)" for an id, NULL for an unknown one. Thread-safe. */
CORED_API const char *cored_network_title(const char *id);
/* The identifier of a network as people write it: an id or an alias ("Xception", "Efficient",
 * "Compact"), in any letter case. NULL with ARGUMENT when no network has that name; the message
 * then lists all that exist. error may be NULL. Thread-safe. */
CORED_API const char *cored_network_from_name(const char *name, CoredError *error);

/* ---- Models --------------------------------------------------------------------------------- */

#define CORED_MAX_CLASSES 64
#define CORED_MAX_TASKS 256
#define CORED_LABEL_SIZE 64

typedef struct CoredTask { /* one entry of the task history */
  char name[CORED_LABEL_SIZE];
  double auc; /* 0..1 on the task's own validation data, NAN where unknown */
} CoredTask;

typedef enum CoredCropAlign {
  CORED_CROP_ALIGN_NONE, /* as the face stands in the picture */
  CORED_CROP_ALIGN_EYES  /* turned until its eyes are level; of faces without landmarks as NONE */
} CoredCropAlign;

/* How the faces were cut out (see "Crops") that a model learned from, or those that it is given. */
typedef struct CoredModelCrop {
  bool known;    /* false: the rest says nothing */
  double margin; /* 0..4, as in CoredCropParams */
  CoredCropAlign align;
  char locator[CORED_LABEL_SIZE]; /* cored_locator_name of what found the faces. Not in a model, but
                                     for cored_model_crop_differs: "" for any */
} CoredModelCrop;

typedef enum CoredModelKind {
  CORED_MODEL_CLASSIFIER, /* of faces: fake or real */
  CORED_MODEL_LOCATOR,    /* finds faces (cored_locator_new_network) */
  CORED_MODEL_ANY         /* in CoredModelLoadParams: whatever the file holds */
} CoredModelKind;

/* All an inference needs to know besides the weights. Of a locator's, labels, the classes, tasks
 * and the temperature say nothing; n_classes is 0. */
typedef struct CoredModelInfo {
  CoredModelKind kind;
  char network[32];                                 /* id in the registry */
  int n_classes;                                    /* 2..CORED_MAX_CLASSES */
  char labels[CORED_MAX_CLASSES][CORED_LABEL_SIZE]; /* class order of the output */
  int fake_class; /* index of the class whose probability is shown;
                     with more than two classes "fake" is everything
                     but real_class */
  int real_class;
  int input_width, input_height; /* pixels; what a session uses unless told otherwise */
  float mean[3], std[3];         /* per channel R, G, B, applied to x/255: (x/255 - mean) / std */
  double threshold;              /* p-fake at or above which the verdict is fake, 0..1; a locator's:
                                    score of a face at least */
  double temperature;            /* logits are divided by it before softmax, > 0, default 1 */
  uint64_t generation;           /* counts published versions, 0 for an import */
  int n_tasks;
  CoredTask tasks[CORED_MAX_TASKS]; /* oldest first */
  CoredModelCrop crop;              /* of a classifier: of the faces it was trained with last */
  char sha256[65];                  /* of the data part, lower-case hex; set by load and save */
} CoredModelInfo;

typedef enum CoredDtype {
  CORED_DTYPE_F32,
  CORED_DTYPE_F16,
  CORED_DTYPE_BF16,
  CORED_DTYPE_F64,
  CORED_DTYPE_I64
} CoredDtype;

typedef struct CoredTensorView { /* a named tensor in somebody else's memory */
  const char *name;
  CoredDtype dtype;
  int rank; /* 0..8 */
  int64_t dims[8];
  const void *data;
  size_t size; /* bytes */
} CoredTensorView;

typedef struct CoredModel CoredModel;

/* Public keys whose signatures are believed. Immutable, reference counted, shared by threads. */
typedef struct CoredTrust CoredTrust;

typedef struct CoredModelLoadParams {
  uint64_t max_bytes;      /* larger files are refused; 0 means 512 MiB */
  bool skip_self_test;     /* leave out the self-test forward pass (it costs one inference) */
  const int *cancel;       /* may be NULL; once another thread has set it, loading ends soon with
                              CORED_ERROR_CANCELLED (read atomically) */
  const CoredTrust *trust; /* may be NULL; else only models signed with one of these keys load */
  CoredModelKind kind;     /* of which the model has to be; any other is refused */
} CoredModelLoadParams;

/* Fill *info with a network's defaults: kind, input size, normalization, labels {fake, real}.
 * n_classes is 0 for a locator. */
CORED_API bool cored_model_info_init(CoredModelInfo *info, const char *network, int n_classes,
                                     CoredError *error);

/* Read, verify (structure, hash, names, shapes, finite values, self-test) and return a model.
 * params may be NULL. The caller owns one reference. Thread-safe. */
CORED_API CoredModel *cored_model_load(const char *path, const CoredModelLoadParams *params,
                                       CoredError *error);
/* The same from memory, which is copied; name stands for the path in messages. Thread-safe. */
CORED_API CoredModel *cored_model_load_memory(const void *bytes, size_t size, const char *name,
                                              const CoredModelLoadParams *params,
                                              CoredError *error);
/* The network that finds faces where no other is named (YuNet, models/README.md), which is part of
 * the library; as of cored_model_load. Thread-safe. */
CORED_API CoredModel *cored_model_built_in_locator(CoredError *error);
/* Build from tensors under the published names, in any order; data are copied and converted to
 * float32. Missing, extra and misshapen tensors are refused with the list. Thread-safe. */
CORED_API CoredModel *cored_model_new(const CoredModelInfo *info, const CoredTensorView *tensors,
                                      size_t n_tensors, CoredError *error);
/* Weights drawn from the network's initialisation with the given seed. Thread-safe. */
CORED_API CoredModel *cored_model_new_random(const CoredModelInfo *info, uint64_t seed,
                                             CoredError *error);
/* Write safetensors: temporary file in the same folder, synced, re-read, loaded as any reader would
 * load it, renamed; a reader sees the old file or the whole new one, and never one that it would
 * refuse. A symbolic link is followed. Computes hash and self-test. Thread-safe. */
CORED_API bool cored_model_save(const CoredModel *model, const char *path, CoredError *error);

/* The same, signed with the secret key in a file (Ed25519; engine/model/format.h says how). */
CORED_API bool cored_model_save_signed(const CoredModel *model, const char *path,
                                       const char *secret_key_path, CoredError *error);

CORED_API CoredModel *cored_model_ref(CoredModel *model);
CORED_API void cored_model_unref(CoredModel *model); /* NULL is fine */
CORED_API const CoredModelInfo *cored_model_info(const CoredModel *model);
CORED_API size_t cored_model_n_tensors(const CoredModel *model);
CORED_API bool cored_model_tensor(const CoredModel *model, size_t index, CoredTensorView *view);
/* Names of entries of __metadata__ that every saved model has, and every signed one. */
#define CORED_METADATA_IDENTITY "cored.header-sha256"
#define CORED_METADATA_KEY_ID "cored.key-id"
/* Any entry of __metadata__ as read, or NULL; entries this version does not know are kept and
 * written back. */
CORED_API const char *cored_model_metadata(const CoredModel *model, const char *key);
/* A copy of model with one metadata entry set (value NULL: removed) or its info replaced. */
CORED_API CoredModel *cored_model_with_metadata(const CoredModel *model, const char *key,
                                                const char *value, CoredError *error);
CORED_API CoredModel *cored_model_with_info(const CoredModel *model, const CoredModelInfo *info,
                                            CoredError *error);

/* "none" or "eyes", as model files write it; NULL for any other value. Thread-safe. */
CORED_API const char *cored_crop_align_name(CoredCropAlign align);
#define CORED_CROP_TEXT_SIZE 256
/* Are both known, and not the same? Then text says what differs, "faces found by cascade instead of
 * yunet-n, margin 0.3 instead of 0.5", what is used first. Else it is "". Thread-safe. */
CORED_API bool cored_model_crop_differs(const CoredModelCrop *trained, const CoredModelCrop *used,
                                        char text[CORED_CROP_TEXT_SIZE]);

/* ---- Keys ----------------------------------------------------------------------------------- */

/* Make a pair of keys: the secret one for who signs (mode 0600, an existing file is not replaced),
 * the public one for who checks. comment may be NULL; it ends up in the public file. */
CORED_API bool cored_keys_new(const char *secret_path, const char *public_path, const char *comment,
                              CoredError *error);
/* Read a list of trusted keys: public key files one after another; a line "revoked KEY-ID" takes a
 * key back; empty lines and lines that start with # are skipped. */
CORED_API CoredTrust *cored_trust_load(const char *path, CoredError *error);
CORED_API CoredTrust *cored_trust_ref(CoredTrust *trust);
CORED_API void cored_trust_unref(CoredTrust *trust); /* NULL is fine */
/* Before a signed model is used: fails with GENERATION where the file at path says that a later one
 * of that key was used already, else has the file say so, durably. Without a file it begins one, of
 * mode 0600; a damaged one is an error. Processes take turns (path.lock). model is named in
 * messages. Thread-safe. */
CORED_API bool cored_floor_raise(const char *path, const char *key_id, uint64_t generation,
                                 const char *model, CoredError *error);

/* ---- Plans and sessions --------------------------------------------------------------------- */

typedef struct CoredPlan CoredPlan;
typedef struct CoredSession CoredSession;

typedef struct CoredPlanParams {
  int input_width, input_height; /* 0: the model's */
  unsigned cpu;                  /* CoredCpu flags to use at most; 0 is plain C. Default (NULL
                                    params): cored_cpu_flags() */
  const int *cancel;             /* may be NULL; as in CoredModelLoadParams */
} CoredPlanParams;

typedef struct CoredSessionParams {
  int max_batch; /* 1..1024; 0 means 1 */
  int threads;   /* 1..64; 0 means one per CPU this process may use */
  bool features; /* also give the backbone's features */
} CoredSessionParams;

typedef struct CoredOutput {
  const float *logits;   /* [N, n_classes], of the session, valid until its next run. A network
                            with one sigmoid output z gives (0, z). */
  const float *features; /* [N, fh, fw, fc] backbone output before the head, NULL unless asked */
  int n, n_classes, feature_h, feature_w, feature_c;
} CoredOutput;

/* Lower a model for inference; params may be NULL. Thread-safe. */
CORED_API CoredPlan *cored_plan_new(const CoredModel *model, const CoredPlanParams *params,
                                    CoredError *error);
CORED_API CoredPlan *cored_plan_ref(CoredPlan *plan);
CORED_API void cored_plan_unref(CoredPlan *plan); /* NULL is fine */
CORED_API const CoredModelInfo *cored_plan_info(const CoredPlan *plan);
CORED_API void cored_plan_input_size(const CoredPlan *plan, int *width, int *height);
/* Bytes held: packed weights and tables. */
CORED_API size_t cored_plan_memory(const CoredPlan *plan);

/* params may be NULL. The session holds a reference to the plan. */
CORED_API CoredSession *cored_session_new(CoredPlan *plan, const CoredSessionParams *params,
                                          CoredError *error);
CORED_API void cored_session_free(CoredSession *session); /* NULL is fine */
/* Bytes of scratch memory, all allocated by cored_session_new. */
CORED_API size_t cored_session_memory(const CoredSession *session);
/* The session's own input buffer [max_batch, H, W, 3]; fill it and pass it to run (or pass any
 * other 64-byte aligned buffer). */
CORED_API float *cored_session_input(CoredSession *session);
/* n images, 1..max_batch. Cannot fail: everything was checked by cored_session_new. The result
 * does not depend on the number of threads. Not thread-safe on one session. */
CORED_API void cored_session_run(CoredSession *session, const float *input, int n,
                                 CoredOutput *output);
/* The class activation map of image `index` of an output with features:
 * map[feature_h * feature_w] gets what each cell adds to the logit of the fake class less that of
 * the real one; the mean of the map is that difference but for a constant of the model. False,
 * with map untouched, without features or where the network does not end in global average pooling
 * and one linear layer (MesoNet). Thread-safe. */
CORED_API bool cored_plan_activation_map(const CoredPlan *plan, const CoredOutput *output,
                                         int index, float *map);
/* Softmax of logits[n_classes] / temperature, in double, summed over all classes but the real one;
 * 0..1. Thread-safe. */
CORED_API double cored_p_fake(const CoredModelInfo *info, const float *logits);

/* ---- Watching a model file ------------------------------------------------------------------ */

/* Which version of a file: differs whenever the file was replaced or written. All zero: no file. */
typedef struct CoredFileStamp {
  uint64_t device, inode, size;
  int64_t mtime_ns, ctime_ns;
  uint64_t head; /* hash of its first bytes; 0 where it cannot be read */
} CoredFileStamp;

/* Stamp of the file that path leads to now; false (and all zero) where there is none. Take it
 * before loading and give it to cored_watch_new: no version is missed in between. */
CORED_API bool cored_file_stamp(const char *path, CoredFileStamp *stamp);

typedef enum CoredWatchStatus {
  CORED_WATCH_LOADED, /* plan is a new version, verified and warmed up */
  CORED_WATCH_FAILED, /* the version there now cannot be used: error says why */
  CORED_WATCH_BACK    /* after a failure, the last good version is in its place again */
} CoredWatchStatus;

typedef struct CoredWatchEvent {
  CoredWatchStatus status;
  const char *path;
  CoredPlan *plan;         /* take a reference to keep it; NULL unless LOADED */
  CoredModel *model;       /* that it was made of; the same */
  const CoredError *error; /* NULL unless FAILED */
  CoredFileStamp stamp;    /* of the version in question */
  const char *identity;    /* SHA-256 of its header, which has that of its data; NULL when FAILED */
  const char *key_id;      /* of the key that signed it, where a trust was given; else NULL */
  bool asked;              /* cored_watch_trigger or cored_watch_set_path: told in any case */
  double load_ms;          /* reading, checking and matching */
  double prepare_ms;       /* lowering, self-test and warm-up */
} CoredWatchEvent;

/* Called in the watch's own thread, never twice at a time and not after cored_watch_free returned.
 * It may call anything but cored_watch_free of its own watch, and should return soon. */
typedef void (*CoredWatchCallback)(void *user, const CoredWatchEvent *event);

typedef struct CoredWatchParams {
  CoredPlanParams plan; /* how to lower; ignored unless use_plan */
  bool use_plan;
  uint64_t max_bytes;  /* as CoredModelLoadParams */
  int stable_ms;       /* a version is loaded once it is unchanged for so long; 0 means 200 */
  int poll_ms;         /* how often the file is looked at; 0 means 100 */
  CoredTrust *trust;   /* may be NULL; as CoredModelLoadParams. A reference is taken */
  CoredModelKind kind; /* as CoredModelLoadParams */
  bool refuse_older;   /* a lower generation than that of the last good version fails */
  uint64_t generation; /* of the version that runs already */
  const CoredFileStamp *known; /* version that runs already; NULL: what is there is loaded */
} CoredWatchParams;

/* Looks at the file that a path leads to, through symbolic links, and loads every new version: a
 * rename over it, a swapped link anywhere in the path, a folder removed and made again, a write in
 * place. The file is opened for every look, so that network file systems ask their server. A
 * version that is being written is left alone; one that cannot be used gives one FAILED event
 * (again only when the file changes), and of several in a row the newest is loaded. */
typedef struct CoredWatch CoredWatch;

/* params may be NULL. */
CORED_API CoredWatch *cored_watch_new(const char *path, const CoredWatchParams *params,
                                      CoredWatchCallback callback, void *user, CoredError *error);
/* Ends the thread, also in the middle of loading. NULL is fine. */
CORED_API void cored_watch_free(CoredWatch *watch);
/* Load what is there now, changed or not; the outcome is an event. Thread-safe. */
CORED_API void cored_watch_trigger(CoredWatch *watch);
/* Watch another path from now on, and load what is there. False without memory. Thread-safe. */
CORED_API bool cored_watch_set_path(CoredWatch *watch, const char *path);

/* ---- Pictures ------------------------------------------------------------------------------- */

/* Raw formats by the names GStreamer uses; 8 bits unless said. */
typedef enum CoredPixelFormat {
  CORED_PIXEL_I420,
  CORED_PIXEL_YV12,
  CORED_PIXEL_NV12,
  CORED_PIXEL_NV21,
  CORED_PIXEL_Y42B,
  CORED_PIXEL_Y444,
  CORED_PIXEL_YUY2,
  CORED_PIXEL_UYVY,
  CORED_PIXEL_RGB,
  CORED_PIXEL_BGR,
  CORED_PIXEL_RGBX, /* also RGBA: the fourth byte is not looked at */
  CORED_PIXEL_BGRX,
  CORED_PIXEL_XRGB,
  CORED_PIXEL_XBGR,
  CORED_PIXEL_GRAY8,
  CORED_PIXEL_I420_10LE,
  CORED_PIXEL_P010_10LE,
  CORED_N_PIXEL_FORMATS
} CoredPixelFormat;

typedef enum CoredColorMatrix {
  CORED_MATRIX_BT601,
  CORED_MATRIX_BT709,
  CORED_MATRIX_BT2020
} CoredColorMatrix;
typedef enum CoredColorRange { CORED_RANGE_LIMITED, CORED_RANGE_FULL } CoredColorRange;

/* Where the first chroma sample of a subsampled format lies: on the first luma sample or half-way
 * to the second, across and down. */
typedef enum CoredChromaSite {
  CORED_CHROMA_LEFT,    /* half-way down: MPEG-2, H.264 and what came after them */
  CORED_CHROMA_CENTER,  /* half-way across and down: JPEG, MPEG-1 */
  CORED_CHROMA_TOPLEFT, /* on the luma sample: DV, BT.2020 */
  CORED_CHROMA_TOP      /* half-way across */
} CoredChromaSite;

typedef struct CoredImage {
  CoredPixelFormat format;
  int width, height;           /* luma pixels, 1..32768 */
  const uint8_t *plane[3];     /* in the format's component order as in memory (YV12: Y, V, U) */
  ptrdiff_t stride[3];         /* bytes; may be negative (bottom-up) */
  CoredColorMatrix matrix;     /* of YUV formats */
  CoredColorRange range;       /* of YUV and gray formats */
  CoredChromaSite chroma_site; /* of subsampled formats */
  bool interlaced;             /* two fields woven into one picture: everything looks at the top
                                  one (lines 0, 2, 4, ...) alone, boxes stay those of the frame */
  double pixel_aspect;         /* width of a pixel by its height, 1/8..8; 0 means 1 */
} CoredImage;

typedef struct CoredBox { /* pixels of the frame; x, y may be fractional; w, h > 0 */
  double x, y, w, h;
} CoredBox;

/* Turns a region of a picture into network input: antialiased triangle-filter resize (equal to
 * Pillow's BILINEAR), colour conversion, normalization, with the aspect ratio not kept. It reads
 * only the region. Keeps filter tables for the sizes seen last; grows its scratch memory to the
 * largest region seen. Belongs to one caller at a time. */
typedef struct CoredPreprocessor CoredPreprocessor;

CORED_API CoredPreprocessor *cored_preprocessor_new(int out_width, int out_height,
                                                    const float mean[3], const float std[3],
                                                    unsigned cpu, CoredError *error);
CORED_API void cored_preprocessor_free(CoredPreprocessor *preprocessor); /* NULL is fine */
/* A part of a picture that may lie aslant: the box, turned about its centre. */
typedef struct CoredCropArea {
  CoredBox box;
  double angle; /* radians, at most a turn either way; clockwise as one sees the picture (of square
                   pixels): what lies on the right of the area's centre moves down. 0: upright */
} CoredCropArea;

/* Parts of box outside the picture repeat the border pixel. out is [out_h, out_w, 3]. Fails on an
 * inconsistent description, an empty or absurd box, or lack of memory; out is then untouched. */
CORED_API bool cored_preprocessor_run(CoredPreprocessor *preprocessor, const CoredImage *image,
                                      const CoredBox *box, float *out, CoredError *error);
/* The same of a turned area, which comes out upright: what lies along the direction of its angle is
 * a row of out. The filter's triangle lies along the axes of the picture still; parts outside the
 * picture repeat the border pixel. With angle 0 just what cored_preprocessor_run gives for the
 * box, and near 0 nearly that. */
CORED_API bool cored_preprocessor_run_area(CoredPreprocessor *preprocessor, const CoredImage *image,
                                           const CoredCropArea *area, float *out,
                                           CoredError *error);

/* ---- Face locators -------------------------------------------------------------------------- */

#define CORED_LANDMARKS 5

typedef struct CoredPoint { /* pixels of the frame, fractional; may lie outside it */
  double x, y;
} CoredPoint;

typedef struct CoredFace {
  CoredBox box;
  double score; /* > 0, comparable within one locator only: larger is surer */
  bool has_landmarks;
  CoredPoint landmark[CORED_LANDMARKS]; /* of the person's: right eye, left eye, tip of the nose,
                                           right and left corner of the mouth */
} CoredFace;

typedef struct CoredLocatorParams {
  double scale_factor; /* cascade: step between window sizes, > 1; 0 means 1.1 */
  int min_neighbors;   /* cascade: a face needs more raw hits than this (as in OpenCV); < 0 means 3,
                          0 no grouping: every hit is a face */
  double min_score;    /* network: of a face at least, 0..1; 0 means the model's threshold */
  int min_size;        /* smallest face side in pixels; 0 means the smallest that the locator can
                          find. Where pixels are not square these are square ones, as large as the
                          shorter side */
  int max_size;        /* largest; 0 means the picture */
  bool upside_down;    /* network: look at the picture turned by 180 degrees, too, which takes twice
                          the time; default false */
} CoredLocatorParams;

/* An object that finds faces: upright ones with a cascade; tilted ones, too, and their landmarks,
 * with a network, and on request those that stand on their head. Of a search's parameters each
 * kind ignores those of the other, so that one set serves both. Belongs to one caller at a time. */
typedef struct CoredLocator CoredLocator;

/* An LBP or Haar cascade in OpenCV's XML format (opencv-data). */
CORED_API CoredLocator *cored_locator_new_cascade(const char *path, CoredError *error);
/* Where Debian's opencv-data has frontal faces, the quickest of those that can be read; NULL
 * without one. Thread-safe. */
CORED_API const char *cored_cascade_default_path(void);
/* A model of kind CORED_MODEL_LOCATOR, of which a reference is taken (Wu, Peng and Yu 2023, "YuNet:
 * a tiny millisecond-level face detector"). threads as in CoredSessionParams. */
CORED_API CoredLocator *cored_locator_new_network(CoredModel *model, int threads,
                                                  CoredError *error);
CORED_API void cored_locator_free(CoredLocator *locator); /* NULL is fine */
/* "cascade", or the id of the network: "yunet-n". Boxes of different locators have different sizes.
 * Valid as long as the locator. */
CORED_API const char *cored_locator_name(const CoredLocator *locator);
/* Writes up to max faces, surest first, and their number; params may be NULL. The time goes with
 * the square of picture side / min_size: on a large picture min_size decides whether a scan is
 * cheap. A cascade looks at the luma; its score is the number of raw hits of the face plus a
 * fraction that tells how clearly the last stage was passed. A network looks at the picture reduced
 * so far that the smallest face is still large enough for it, and to 2 megapixels in any case; it
 * makes what it needs for a picture of another size or shape when it sees the first. Its score is
 * 0..1, and its faces overlap by less than 0.3 of their union. False on a bad image or lack of
 * memory. */
CORED_API bool cored_locator_find(CoredLocator *locator, const CoredImage *image,
                                  const CoredLocatorParams *params, CoredFace *faces, int max,
                                  int *n_faces, CoredError *error);

/* ---- Crops ---------------------------------------------------------------------------------- */

/* The one rule by which faces are cut out of pictures, in use as in training and evaluation:
 *
 *   - Faces are looked for in the picture as it is seen (a cascade: in its luma): of square pixels,
 *     and of an interlaced picture in the top field. "Pixels" of a rule are square ones, as large
 *     as the shorter side of the stored ones.
 *   - Of the CORED_MAX_FACES surest faces the largest come first (cored_crop_find).
 *   - A face is used if its shorter side has min_size pixels (cored_crop_is_large_enough) and its
 *     sharpness is at least min_sharpness (cored_sharpness).
 *   - The network sees the square around the face's centre whose side is the longer side of the
 *     face times 1 + margin, made smaller where the picture is and moved into it (cored_crop_box).
 *     Boxes keep their fractions of a pixel all along.
 *   - With CORED_CROP_ALIGN_EYES that square is turned about its centre until the line from the
 *     person's right eye to the left one is level, the right eye on the left (cored_crop_area): by
 *     any angle, so that a face upside down comes out upright. Its side and centre stay; where it
 *     now reaches beyond the picture the border repeats. */
typedef struct CoredCropParams {
  double scale_factor;  /* of the search, as in CoredLocatorParams */
  int min_neighbors;    /* the same */
  int min_size;         /* 0: any */
  double min_sharpness; /* 0..1; 0: any */
  double margin;        /* 0..4 */
  bool upside_down;     /* of the search */
  CoredCropAlign align;
} CoredCropParams;

#define CORED_MAX_FACES 64

/* 1.1, 3, 64, 0.5, 0.3, false and NONE: what the element does unless told otherwise. */
CORED_API CoredCropParams cored_crop_params_default(void);
/* The faces of a picture, the largest first; at most max of them. False as cored_locator_find. */
CORED_API bool cored_crop_find(CoredLocator *locator, const CoredImage *image,
                               const CoredCropParams *params, CoredFace *faces, int max,
                               int *n_faces, CoredError *error);
CORED_API bool cored_crop_is_large_enough(const CoredCropParams *params, const CoredImage *image,
                                          const CoredBox *face);
/* Detail by contrast in the face, 0 (none) to 1 (sharp); 0 for a box of less than 3 x 3 pixels
 * inside the picture. docs/element.md has the formula. */
CORED_API double cored_sharpness(const CoredImage *image, const CoredBox *face);
/* The square around a face, upright. */
CORED_API CoredBox cored_crop_box(const CoredCropParams *params, const CoredImage *image,
                                  const CoredBox *face);
/* What the network sees, for cored_preprocessor_run_area: that square, and its angle. The angle is
 * 0 with CORED_CROP_ALIGN_NONE, without landmarks, and where the eyes tell no direction: not finite
 * numbers, or nearer to each other than a tenth of the face's longer side (seen from the side,
 * where every pixel of error would turn the face by much). */
CORED_API CoredCropArea cored_crop_area(const CoredCropParams *params, const CoredImage *image,
                                        const CoredFace *face);

typedef struct CoredCrop {
  int n_faces;   /* in the picture */
  bool used;     /* one of them passes the rule, and this is the largest such; else the largest */
  CoredBox face; /* undefined without faces, like the following */
  CoredCropArea area; /* what the network sees */
  double sharpness;   /* of the face */
} CoredCrop;

/* The whole rule, where one face of a picture is wanted. False as cored_locator_find. */
CORED_API bool cored_crop_choose(CoredLocator *locator, const CoredImage *image,
                                 const CoredCropParams *params, CoredCrop *crop, CoredError *error);

#ifdef __cplusplus
}
#endif

#endif /* CORED_H */
