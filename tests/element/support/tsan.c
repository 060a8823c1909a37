/* SPDX-License-Identifier: MIT
 * What ThreadSanitizer cannot see of GLib and GStreamer, which are not built with it. These
 * functions stand before those of the libraries, call them, and tell the sanitizer what they mean.
 * For programs built with -Db_sanitize=thread only.
 *
 * Every edge "this comes after that" which is told without need hides races: what two threads did
 * to one object counts as ordered if, in between, both went through anything that both told of. So
 * only this is told:
 *   - locks, but not those that GLib and GObject take for themselves (types, signals, quarks): they
 *     order nothing of ours, and every g_object_set and every signal goes through them;
 *   - readers of a GRWLock come after writers, not after one another;
 *   - whoever drops a reference has done with the object; only who drops the last one, or sees that
 *     it has the only one, comes after that.
 * And what the libraries do to our memory on our behalf (queues, lists, strings, g_free) is told
 * as if we did it ourselves: else no race on it would ever be seen. */
#include <dlfcn.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);
void __tsan_read_range_pc(void *address, unsigned long size, void *pc);
int __tsan_atomic32_fetch_or(volatile int *address, int value, int order);
void __tsan_write_range_pc(void *address, unsigned long size, void *pc);

/* ---- Who calls ------------------------------------------------------------------------------ */

typedef enum Owner { OWNER_OURS, OWNER_GLIB, OWNER_OTHER } Owner;

typedef struct Module {
  uintptr_t from, to;
  Owner owner;
} Module;

#define MODULES_MAX 512
static Module modules[MODULES_MAX];
static int n_modules; /* atomic; modules below it do not change */
static int looking;   /* atomic: somebody adds modules */

static Owner owner_of_path(const char *path) {
  if (!*path || strstr(path, "libgstcored"))
    return OWNER_OURS;
  return strstr(path, "/libglib-2.0.") || strstr(path, "/libgobject-2.0.") ? OWNER_GLIB
                                                                           : OWNER_OTHER;
}

static int add_module(struct dl_phdr_info *info, size_t size, void *unused) {
  Module module = {UINTPTR_MAX, 0, owner_of_path(info->dlpi_name)};
  (void)size;
  (void)unused;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    if (info->dlpi_phdr[i].p_type != PT_LOAD)
      continue;
    module.from = MIN(module.from, from);
    module.to = MAX(module.to, from + info->dlpi_phdr[i].p_memsz);
  }
  for (int i = 0; i < n_modules; i++)
    if (modules[i].from == module.from)
      return 0;
  if (n_modules == MODULES_MAX)
    return 1;
  modules[n_modules] = module;
  __atomic_store_n(&n_modules, n_modules + 1, __ATOMIC_RELEASE);
  return 0;
}

static const Module *find_module(uintptr_t at) {
  const int n = __atomic_load_n(&n_modules, __ATOMIC_ACQUIRE);
  for (int i = 0; i < n; i++)
    if (at >= modules[i].from && at < modules[i].to)
      return &modules[i];
  return NULL;
}

static Owner owner_of(const void *caller) {
  const Module *module = find_module((uintptr_t)caller);
  if (!module) { /* loaded since the last look */
    while (__atomic_exchange_n(&looking, 1, __ATOMIC_ACQUIRE))
      g_thread_yield();
    dl_iterate_phdr(add_module, NULL);
    __atomic_store_n(&looking, 0, __ATOMIC_RELEASE);
    module = find_module((uintptr_t)caller);
  }
  return module ? module->owner : OWNER_OTHER;
}

#define CALLER __builtin_return_address(0)
#define OURS (owner_of(CALLER) == OWNER_OURS)
#define TOLD (owner_of(CALLER) != OWNER_GLIB)

#pragma GCC visibility push(default)

#define REAL(result, name, ...)                                                                    \
  static result (*real)(__VA_ARGS__);                                                              \
  if (!real)                                                                                       \
  real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* ---- Locks ---------------------------------------------------------------------------------- */

/* What was done under it is seen by who takes it next. */
#define LOCK(type, take, give)                                                                     \
  void take(type *lock) {                                                                          \
    REAL(void, take, type *);                                                                      \
    real(lock);                                                                                    \
    if (TOLD)                                                                                      \
      __tsan_acquire(lock);                                                                        \
  }                                                                                                \
  void give(type *lock) {                                                                          \
    REAL(void, give, type *);                                                                      \
    if (TOLD)                                                                                      \
      __tsan_release(lock);                                                                        \
    real(lock);                                                                                    \
  }

#define TRY(type, try_take)                                                                        \
  gboolean try_take(type *lock) {                                                                  \
    REAL(gboolean, try_take, type *);                                                              \
    const gboolean taken = real(lock);                                                             \
    if (taken && TOLD)                                                                             \
      __tsan_acquire(lock);                                                                        \
    return taken;                                                                                  \
  }

LOCK(GMutex, g_mutex_lock, g_mutex_unlock)
TRY(GMutex, g_mutex_trylock)
LOCK(GRecMutex, g_rec_mutex_lock, g_rec_mutex_unlock)
TRY(GRecMutex, g_rec_mutex_trylock)

/* The address of a GRWLock stands for its writers, the next byte for its readers. */
static void *readers_of(GRWLock *lock) {
  return (char *)lock + 1;
}

void g_rw_lock_writer_lock(GRWLock *lock) {
  REAL(void, g_rw_lock_writer_lock, GRWLock *);
  real(lock);
  if (TOLD) {
    __tsan_acquire(lock);
    __tsan_acquire(readers_of(lock));
  }
}

void g_rw_lock_writer_unlock(GRWLock *lock) {
  REAL(void, g_rw_lock_writer_unlock, GRWLock *);
  if (TOLD)
    __tsan_release(lock);
  real(lock);
}

void g_rw_lock_reader_lock(GRWLock *lock) {
  REAL(void, g_rw_lock_reader_lock, GRWLock *);
  real(lock);
  if (TOLD)
    __tsan_acquire(lock);
}

void g_rw_lock_reader_unlock(GRWLock *lock) {
  REAL(void, g_rw_lock_reader_unlock, GRWLock *);
  if (TOLD)
    __tsan_release(readers_of(lock));
  real(lock);
}

void g_cond_wait(GCond *cond, GMutex *mutex) {
  REAL(void, g_cond_wait, GCond *, GMutex *);
  __tsan_release(mutex);
  real(cond, mutex);
  __tsan_acquire(mutex);
}

gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end) {
  REAL(gboolean, g_cond_wait_until, GCond *, GMutex *, gint64);
  __tsan_release(mutex);
  const gboolean signalled = real(cond, mutex, end);
  __tsan_acquire(mutex);
  return signalled;
}

/* ---- References ----------------------------------------------------------------------------- */

/* Drop a reference unless it is the last one. */
static gboolean drop_one_of_many(void *object, gint *refs) {
  gint n = __atomic_load_n(refs, __ATOMIC_RELAXED);
  __tsan_release(object);
  while (n > 1)
    if (__atomic_compare_exchange_n(refs, &n, n - 1, FALSE, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
      return TRUE;
  __tsan_acquire(object);
  return FALSE;
}

#define DROP(name, type, refs)                                                                     \
  void name(type object) {                                                                         \
    REAL(void, name, type);                                                                        \
    if (!drop_one_of_many(object, (gint *)&(refs)))                                                \
      real(object);                                                                                \
  }

/* Nobody here uses toggle references, which have more to do than this. */
DROP(g_object_unref, gpointer, ((GObject *)object)->ref_count)
DROP(gst_object_unref, gpointer, ((GObject *)object)->ref_count)
DROP(gst_mini_object_unref, GstMiniObject *, object->refcount)

/* A macro of the same name checks the type of its argument. */
#undef g_atomic_ref_count_dec
gboolean g_atomic_ref_count_dec(gatomicrefcount *refs) {
  REAL(gboolean, g_atomic_ref_count_dec, gatomicrefcount *);
  __tsan_release(refs);
  const gboolean last = real(refs);
  if (last)
    __tsan_acquire(refs);
  return last;
}

gboolean gst_mini_object_is_writable(const GstMiniObject *object) {
  REAL(gboolean, gst_mini_object_is_writable, const GstMiniObject *);
  const gboolean only = real(object);
  if (only)
    __tsan_acquire((void *)(uintptr_t)object);
  return only;
}

GstMiniObject *gst_mini_object_make_writable(GstMiniObject *object) {
  REAL(GstMiniObject *, gst_mini_object_make_writable, GstMiniObject *);
  if (!gst_mini_object_is_writable(object))
    __tsan_release(object); /* a copy takes its place */
  return real(object);
}

/* Where it does not get through, the library drops it. */
GstFlowReturn gst_pad_push(GstPad *pad, GstBuffer *buffer) {
  REAL(GstFlowReturn, gst_pad_push, GstPad *, GstBuffer *);
  __tsan_release(buffer);
  return real(pad, buffer);
}

/* ---- The bus -------------------------------------------------------------------------------- */

gboolean gst_bus_post(GstBus *bus, GstMessage *message) {
  REAL(gboolean, gst_bus_post, GstBus *, GstMessage *);
  __tsan_release(bus);
  return real(bus, message);
}

GstMessage *gst_bus_timed_pop_filtered(GstBus *bus, GstClockTime timeout, GstMessageType types) {
  REAL(GstMessage *, gst_bus_timed_pop_filtered, GstBus *, GstClockTime, GstMessageType);
  GstMessage *message = real(bus, timeout, types);
  __tsan_acquire(bus);
  return message;
}

GstMessage *gst_bus_timed_pop(GstBus *bus, GstClockTime timeout) {
  return gst_bus_timed_pop_filtered(bus, timeout, GST_MESSAGE_ANY);
}

/* ---- What libraries do to our memory -------------------------------------------------------- */

#define READS(address, size)                                                                       \
  if (OURS)                                                                                        \
  __tsan_read_range_pc((void *)(uintptr_t)(address), size, CALLER)
#define WRITES(address, size)                                                                      \
  if (OURS)                                                                                        \
  __tsan_write_range_pc(address, size, CALLER)

/* GLib frees with free(), but what it frees itself the sanitizer does not look at. */
void g_free(gpointer memory) {
  REAL(void, g_free, gpointer);
  if (OURS)
    free(memory);
  else
    real(memory);
}

gchar *g_strdup(const gchar *text) {
  REAL(gchar *, g_strdup, const gchar *);
  if (text)
    READS(text, strlen(text) + 1);
  return real(text);
}

void g_queue_push_tail(GQueue *queue, gpointer data) {
  REAL(void, g_queue_push_tail, GQueue *, gpointer);
  WRITES(queue, sizeof *queue);
  real(queue, data);
}

gpointer g_queue_pop_head(GQueue *queue) {
  REAL(gpointer, g_queue_pop_head, GQueue *);
  WRITES(queue, sizeof *queue);
  return real(queue);
}

gpointer g_queue_peek_head(GQueue *queue) {
  REAL(gpointer, g_queue_peek_head, GQueue *);
  READS(queue, sizeof *queue);
  return real(queue);
}

gboolean g_queue_is_empty(GQueue *queue) {
  REAL(gboolean, g_queue_is_empty, GQueue *);
  READS(queue, sizeof *queue);
  return real(queue);
}

gboolean g_queue_remove(GQueue *queue, gconstpointer data) {
  REAL(gboolean, g_queue_remove, GQueue *, gconstpointer);
  WRITES(queue, sizeof *queue);
  return real(queue, data);
}

void g_queue_push_tail_link(GQueue *queue, GList *link) {
  REAL(void, g_queue_push_tail_link, GQueue *, GList *);
  WRITES(queue, sizeof *queue);
  real(queue, link);
}

void g_queue_unlink(GQueue *queue, GList *link) {
  REAL(void, g_queue_unlink, GQueue *, GList *);
  WRITES(queue, sizeof *queue);
  real(queue, link);
}

gboolean gst_video_info_from_caps(GstVideoInfo *info, const GstCaps *caps) {
  REAL(gboolean, gst_video_info_from_caps, GstVideoInfo *, const GstCaps *);
  WRITES(info, sizeof *info);
  return real(info, caps);
}

/* GstBaseTransform has a segment that elements read. It writes to it with one lock or another,
 * which is its own affair: as atomic writes they race with what we do only. */
static void note_write(GstSegment *segment) {
  __tsan_atomic32_fetch_or((int *)&segment->format, 0, 0);
}

void gst_segment_init(GstSegment *segment, GstFormat format) {
  REAL(void, gst_segment_init, GstSegment *, GstFormat);
  note_write(segment);
  real(segment, format);
}

void gst_event_copy_segment(GstEvent *event, GstSegment *segment) {
  REAL(void, gst_event_copy_segment, GstEvent *, GstSegment *);
  note_write(segment);
  real(event, segment);
}

guint64 gst_segment_to_stream_time(const GstSegment *segment, GstFormat format, guint64 position) {
  REAL(guint64, gst_segment_to_stream_time, const GstSegment *, GstFormat, guint64);
  READS(segment, sizeof *segment);
  return real(segment, format, position);
}

guint64 gst_segment_to_running_time(const GstSegment *segment, GstFormat format, guint64 position) {
  REAL(guint64, gst_segment_to_running_time, const GstSegment *, GstFormat, guint64);
  READS(segment, sizeof *segment);
  return real(segment, format, position);
}

#pragma GCC visibility pop
