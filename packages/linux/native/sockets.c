/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets that belong to Node's streams, past those streams: what a server with one small request
 * and one small reply at a time costs is mostly the way through them. A stream stays in charge of
 * its socket: it gets what does not go at once, and whatever is not plain data.
 */
#define _GNU_SOURCE
#include "heddle.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#define ROOM 65536
/* So many messages in a row may find themselves there already before the event loop has its turn. */
#define MAX_UNWAITED 4
/* Who asks again at once is looked for this long before the process sleeps: to wake on an idle
 * processor takes both sides longer than most requests do. */
#define LOOK_NS 40000
/* Waits that begin without a look after looks that found nothing. */
#define MAX_LOOKLESS 1023
#define MAX_DEPTH 1000

const char *bytes_of(napi_env env, napi_value v, size_t *length) {
  static _Thread_local char text[ROOM];
  napi_valuetype type;
  napi_typeof(env, v, &type);
  if (type != napi_string) return memory(env, v, length);
  if (napi_get_value_string_utf8(env, v, text, sizeof text, length) != napi_ok) return NULL;
  return *length < sizeof text - 4 ? text : NULL;
}

int64_t send_now(int fd, const char *data, size_t length) {
  ssize_t n = send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n < 0) return 0;
  return (size_t)n == length ? -1 : n;
}

/* sendNow(fd, data): the number of bytes that the kernel has taken at once, or -1 for all. */
napi_value SendNow(napi_env env, napi_callback_info info) {
  ARGS(2)
  size_t length;
  const char *data = bytes_of(env, argv[1], &length);
  if (!data) return number(env, 0);
  return number(env, send_now((int)to_int64(env, argv[0]), data, length));
}

/* sendEach(fds, count, data, sent): the same to each of the first `count` of an Int32Array; `sent`
 * is another one, for what `sendNow` returns. */
napi_value SendEach(napi_env env, napi_callback_info info) {
  ARGS(4)
  size_t length, fds_bytes, sent_bytes;
  int32_t *fds = memory(env, argv[0], &fds_bytes);
  size_t count = (size_t)to_int64(env, argv[1]);
  const char *data = bytes_of(env, argv[2], &length);
  int32_t *sent = memory(env, argv[3], &sent_bytes);
  if (!fds || !sent || count > fds_bytes / 4 || count > sent_bytes / 4) return number(env, -EINVAL);
  for (size_t i = 0; i < count; i++) sent[i] = data ? (int32_t)send_now(fds[i], data, length) : 0;
  return number(env, 0);
}

struct attended {
  uv_prepare_t prepare;
  napi_env env;
  napi_ref callback;
  int fd;
  int closing;
  /* The next so many waits begin without a look; how many they are once a look has found nothing. */
  int lookless, patience;
  uint8_t data[ROOM];
};

enum shape { ANY, TEXT, DUBIOUS_TEXT };

/* TEXT: the bytes are one JSON object or array, of ASCII, with nothing around it. DUBIOUS_TEXT: so
 * they are, and hold what JSON parsers do not agree about: escaped code points, exponents of three
 * digits or more, numbers of 16 digits or more. */
static enum shape shape_of(const uint8_t *data, size_t length) {
  int depth = 0, digits = 0;
  bool in_string = false, dubious = false, exponent = false;
  if (data[0] != '{' && data[0] != '[') return ANY;
  for (size_t i = 0; i < length; i++) {
    uint8_t c = data[i];
    if (c & 0x80) return ANY;
    if (in_string) {
      if (c == '"') in_string = false;
      else if (c == '\\' && ++i < length) {
        if (data[i] & 0x80) return ANY;
        if (data[i] == 'u') dubious = true;
      }
      continue;
    }
    if (c >= '0' && c <= '9') {
      digits++;
      if (digits >= 16 || (exponent && digits >= 3)) dubious = true;
      continue;
    }
    digits = 0;
    exponent = c == 'e' || c == 'E' || (exponent && c == '+');
    if (c == '"') in_string = true;
    else if (c == '{' || c == '[') {
      if (++depth > MAX_DEPTH) return ANY;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return i + 1 < length ? ANY : dubious ? DUBIOUS_TEXT : TEXT;
    }
  }
  return ANY;
}

static void attended_data(struct attended *a, size_t length) {
  napi_env env = a->env;
  napi_handle_scope scope;
  napi_value args[2];
  enum shape shape = shape_of(a->data, length);
  napi_open_handle_scope(env, &scope);
  if (shape == ANY) napi_create_buffer_copy(env, length, a->data, NULL, &args[0]);
  else napi_create_string_latin1(env, (const char *)a->data, length, &args[0]);
  napi_get_boolean(env, shape == DUBIOUS_TEXT, &args[1]);
  call_back(env, a->callback, 2, args);
  napi_close_handle_scope(env, scope);
}

/* As poll(2), awake for LOOK_NS where that has been worth it. */
static int look_or_poll(struct attended *a, struct pollfd fds[2], int timeout) {
  if (a->lookless > 0) {
    a->lookless--;
    return poll(fds, 2, timeout);
  }
  uint64_t end = uv_hrtime() + LOOK_NS;
  do {
    int n = poll(fds, 2, 0);
    if (n == 0) continue;
    a->patience /= 2;
    return n;
  } while (uv_hrtime() < end);
  a->patience = a->patience < MAX_LOOKLESS / 2 ? 2 * a->patience + 1 : MAX_LOOKLESS;
  a->lookless = a->patience;
  return poll(fds, 2, timeout);
}

/* Runs when the event loop is about to wait: waits in its stead, for the socket and for whatever the
 * loop waits for. Anything else than data of the socket is left to the loop. */
static void attended_wait(uv_prepare_t *prepare) {
  struct attended *a = prepare->data;
  uv_loop_t *loop = prepare->loop;
  for (int unwaited = 0; unwaited < MAX_UNWAITED;) {
    uv_update_time(loop);
    int timeout = uv_backend_timeout(loop);
    if (a->closing || timeout == 0) return;
    struct pollfd fds[] = {{a->fd, POLLIN, 0}, {uv_backend_fd(loop), POLLIN, 0}};
    int n = poll(fds, 2, 0);
    /* The socket is one of those that the loop waits for: only a wait proves that no other one was ready. */
    unwaited = n > 0 ? unwaited + 1 : 0;
    if (n == 0) n = look_or_poll(a, fds, timeout);
    if (n <= 0 || fds[0].revents != POLLIN) return;
    ssize_t length = recv(a->fd, a->data, sizeof a->data, MSG_DONTWAIT);
    if (length <= 0) return;
    attended_data(a, (size_t)length);
  }
}

static void attended_freed(uv_handle_t *handle) { free(handle->data); }

static void attended_close(void *arg) {
  struct attended *a = arg;
  if (a->closing) return;
  a->closing = 1;
  uv_close((uv_handle_t *)&a->prepare, attended_freed);
}

/* attend(fd, callback(data, dubious)): data of the socket, read ahead of the event loop: a string when
 * it is one JSON text of ASCII, a Buffer otherwise. Its stream must be reading, too, and may be faster. A handle for `unattend`, to be called before
 * the socket is closed or within the loop's turn in which it is. */
napi_value Attend(napi_env env, napi_callback_info info) {
  ARGS(2)
  uv_loop_t *loop;
  struct attended *a = malloc(sizeof *a);
  if (!a) return number(env, -ENOMEM);
  napi_get_uv_event_loop(env, &loop);
  uv_prepare_init(loop, &a->prepare);
  a->prepare.data = a;
  a->env = env;
  a->fd = (int)to_int64(env, argv[0]);
  a->closing = a->lookless = a->patience = 0;
  napi_create_reference(env, argv[1], 1, &a->callback);
  uv_prepare_start(&a->prepare, attended_wait);
  uv_unref((uv_handle_t *)&a->prepare);
  napi_add_env_cleanup_hook(env, attended_close, a);
  napi_value v;
  napi_create_external(env, a, NULL, NULL, &v);
  return v;
}

napi_value Unattend(napi_env env, napi_callback_info info) {
  ARGS(1)
  void *p = NULL;
  napi_get_value_external(env, argv[0], &p);
  struct attended *a = p;
  if (!a || a->closing) return number(env, -EINVAL);
  napi_remove_env_cleanup_hook(env, attended_close, a);
  napi_delete_reference(env, a->callback);
  attended_close(a);
  return number(env, 0);
}
