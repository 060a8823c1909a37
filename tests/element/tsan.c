/* SPDX-License-Identifier: MIT
 * What ThreadSanitizer cannot see of GLib and GStreamer, which are not built with it: their locks
 * (futexes of their own), and the hand-over of objects by reference counts and through the bus.
 * These functions stand before those of the libraries, call them, and tell the sanitizer what they
 * mean: everything done before a release of an object is seen after an acquire of it. For programs
 * built with -Db_sanitize=thread only. */
#include <dlfcn.h>
#include <gst/gst.h>
#include <stdint.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#pragma GCC visibility push(default)

#define REAL(result, name, ...)                                                                    \
  static result (*real)(__VA_ARGS__);                                                              \
  if (!real)                                                                                       \
  real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* A lock: what was done under it is seen by who takes it next. */
#define LOCK(type, take, give)                                                                     \
  void take(type *lock) {                                                                          \
    REAL(void, take, type *);                                                                      \
    real(lock);                                                                                    \
    __tsan_acquire(lock);                                                                          \
  }                                                                                                \
  void give(type *lock) {                                                                          \
    REAL(void, give, type *);                                                                      \
    __tsan_release(lock);                                                                          \
    real(lock);                                                                                    \
  }

#define TRY(type, try_take)                                                                        \
  gboolean try_take(type *lock) {                                                                  \
    REAL(gboolean, try_take, type *);                                                              \
    const gboolean taken = real(lock);                                                             \
    if (taken)                                                                                     \
      __tsan_acquire(lock);                                                                        \
    return taken;                                                                                  \
  }

LOCK(GMutex, g_mutex_lock, g_mutex_unlock)
TRY(GMutex, g_mutex_trylock)
LOCK(GRecMutex, g_rec_mutex_lock, g_rec_mutex_unlock)
TRY(GRecMutex, g_rec_mutex_trylock)
LOCK(GRWLock, g_rw_lock_writer_lock, g_rw_lock_writer_unlock)
LOCK(GRWLock, g_rw_lock_reader_lock, g_rw_lock_reader_unlock)

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

/* References: whoever drops one has done with the object, whoever drops the last one, or sees that
 * it has the only one, comes after all of them. */
#define DROP(name, type)                                                                           \
  void name(type object) {                                                                         \
    REAL(void, name, type);                                                                        \
    __tsan_release((void *)object);                                                                \
    __tsan_acquire((void *)object);                                                                \
    real(object);                                                                                  \
  }

DROP(g_object_unref, gpointer)
DROP(gst_object_unref, gpointer)
DROP(gst_mini_object_unref, GstMiniObject *)

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
  __tsan_acquire((void *)(uintptr_t)object);
  return only;
}

GstMiniObject *gst_mini_object_make_writable(GstMiniObject *object) {
  REAL(GstMiniObject *, gst_mini_object_make_writable, GstMiniObject *);
  __tsan_acquire(object);
  return real(object);
}

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

#pragma GCC visibility pop
