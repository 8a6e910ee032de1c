/* SPDX-License-Identifier: Apache-2.0
 *
 * What the addon's files share: values of JavaScript and of C.
 */
#ifndef HEDDLE_H
#define HEDDLE_H
#define NAPI_VERSION 8
#include <node_api.h>
#include <uv.h>

#include <stdbool.h>
#include <stdint.h>

static inline napi_value number(napi_env env, int64_t n) {
  napi_value v;
  napi_create_int64(env, n, &v);
  return v;
}

static inline int64_t to_int64(napi_env env, napi_value v) {
  napi_valuetype type;
  int64_t n = 0;
  bool lossless;
  napi_typeof(env, v, &type);
  if (type == napi_bigint) {
    if (napi_get_value_bigint_int64(env, v, &n, &lossless) == napi_ok && lossless) return n;
    uint64_t u = 0;
    napi_get_value_bigint_uint64(env, v, &u, &lossless);
    return (int64_t)u;
  }
  napi_get_value_int64(env, v, &n);
  return n;
}

/* The memory behind a TypedArray, Buffer, DataView or ArrayBuffer; NULL for anything else. */
static inline void *memory(napi_env env, napi_value v, size_t *length) {
  bool is;
  void *data = NULL;
  size_t n = 0;
  if (napi_is_typedarray(env, v, &is) == napi_ok && is) {
    napi_typedarray_type type;
    size_t count;
    napi_get_typedarray_info(env, v, &type, &count, &data, NULL, NULL);
    static const uint8_t size[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    n = count * (type < sizeof size ? size[type] : 1);
  } else if (napi_is_dataview(env, v, &is) == napi_ok && is) {
    napi_get_dataview_info(env, v, &n, &data, NULL, NULL);
  } else if (napi_is_arraybuffer(env, v, &is) == napi_ok && is) {
    napi_get_arraybuffer_info(env, v, &data, &n);
  }
  if (length) *length = n;
  return data;
}

#define ARGS(want)                                                            \
  size_t argc = (want);                                                       \
  napi_value argv[(want)];                                                    \
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);                       \
  if (argc < (want)) {                                                        \
    napi_throw_type_error(env, NULL, "too few arguments");                    \
    return NULL;                                                              \
  }

/* Calls `function` as an event of its own: the ticks and microtasks that it leaves run behind it. What it throws
 * ends the process as an exception that nobody catches does. */
static inline void call_back(napi_env env, napi_ref function, size_t argc, const napi_value *argv) {
  napi_value f, global;
  bool pending;
  napi_get_reference_value(env, function, &f);
  napi_get_global(env, &global);
  napi_make_callback(env, NULL, global, f, argc, argv, NULL);
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) {
    napi_value error;
    napi_get_and_clear_last_exception(env, &error);
    napi_fatal_exception(env, error);
  }
}

/* The bytes of a view, or of a string as UTF-8 until the next call; NULL when the string is too long. */
const char *bytes_of(napi_env env, napi_value v, size_t *length);
/* How many bytes the socket has taken at once; -1: all. What is wrong with it its stream finds out. */
int64_t send_now(int fd, const char *data, size_t length);

napi_value SendNow(napi_env env, napi_callback_info info);
napi_value SendEach(napi_env env, napi_callback_info info);
napi_value Attend(napi_env env, napi_callback_info info);
napi_value WriteRecord(napi_env env, napi_callback_info info);
napi_value Unattend(napi_env env, napi_callback_info info);

#endif
