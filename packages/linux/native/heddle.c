/* SPDX-License-Identifier: Apache-2.0
 *
 * The one native addon: what JavaScript cannot do by itself on Linux. System calls, shared memory,
 * readiness of file descriptors, the two loops over packets that are too hot for JavaScript
 * (draining a BPF ring buffer, and batched AF_PACKET send and receive), and the way past Node's streams
 * for sockets (sockets.c), and the records of a database file (records.c). Everything else stands on these in TypeScript. Node-API and libuv's public
 * functions only, so one build serves Node 20 and later.
 */
#define _GNU_SOURCE
#include "heddle.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_BATCH 64

/* syscall(nr, ...args): result or -errno. Views become pointers, null becomes 0. */
static napi_value Syscall(napi_env env, napi_callback_info info) {
  size_t argc = 7;
  napi_value argv[7];
  long a[7] = {0};
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  for (size_t i = 0; i < argc && i < 7; i++) {
    napi_valuetype type;
    napi_typeof(env, argv[i], &type);
    if (type == napi_number || type == napi_bigint) a[i] = (long)to_int64(env, argv[i]);
    else if (type == napi_object) a[i] = (long)memory(env, argv[i], NULL);
  }
  long r = syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
  return number(env, r < 0 ? -errno : r);
}

static napi_value AddressOf(napi_env env, napi_callback_info info) {
  ARGS(1)
  napi_value v;
  napi_create_bigint_uint64(env, (uint64_t)(uintptr_t)memory(env, argv[0], NULL), &v);
  return v;
}

static void mapping_freed(napi_env env, void *data, void *length) {
  munmap(data, (size_t)(uintptr_t)length);
}

/* mmap(fd, length, prot, flags, offset): an ArrayBuffer over the mapping, or -errno. */
static napi_value Mmap(napi_env env, napi_callback_info info) {
  ARGS(5)
  size_t length = (size_t)to_int64(env, argv[1]);
  void *p = mmap(NULL, length, (int)to_int64(env, argv[2]), (int)to_int64(env, argv[3]),
                 (int)to_int64(env, argv[0]), (off_t)to_int64(env, argv[4]));
  if (p == MAP_FAILED) return number(env, -errno);
  napi_value v;
  void *hint = (void *)(uintptr_t)length;
  if (napi_create_external_arraybuffer(env, p, length, mapping_freed, hint, &v) != napi_ok) {
    munmap(p, length);
    return number(env, -ENOTSUP);
  }
  return v;
}

/* munmap(arrayBuffer): zeros take the place of what was mapped, so that nothing can touch a hole,
 * until the buffer is collected. To detach it would cost V8 all code that it has optimized for
 * buffers that stay, which is nearly all. */
static napi_value Munmap(napi_env env, napi_callback_info info) {
  ARGS(1)
  void *p;
  size_t length;
  if (napi_get_arraybuffer_info(env, argv[0], &p, &length) != napi_ok || length == 0)
    return number(env, -EINVAL);
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  void *zeros = mmap(p, length, PROT_READ | PROT_WRITE, flags, -1, 0);
  return number(env, zeros == MAP_FAILED ? -errno : 0);
}

/* ---- Readiness of a file descriptor ---- */

struct watcher {
  uv_poll_t poll;
  napi_env env;
  napi_ref callback;
  int events;
  int closing;
};

static void watcher_freed(uv_handle_t *handle) { free(handle->data); }

static void watcher_stop(struct watcher *w) {
  if (w->closing) return;
  w->closing = 1;
  uv_poll_stop(&w->poll);
  napi_delete_reference(w->env, w->callback);
  uv_close((uv_handle_t *)&w->poll, watcher_freed);
}

static void watcher_cleanup(void *arg) {
  struct watcher *w = arg;
  if (!w->closing) {
    w->closing = 1;
    uv_poll_stop(&w->poll);
    uv_close((uv_handle_t *)&w->poll, watcher_freed);
  }
}

static void watcher_ready(uv_poll_t *poll, int status, int events) {
  struct watcher *w = poll->data;
  napi_env env = w->env;
  napi_handle_scope scope;
  napi_value args[2];
  /* libuv polls no more what had an error, which may be read, and over, before this is called. */
  if (status < 0) uv_poll_start(poll, w->events, watcher_ready);
  napi_open_handle_scope(env, &scope);
  args[0] = number(env, events);
  args[1] = number(env, status);
  call_back(env, w->callback, 2, args);
  napi_close_handle_scope(env, scope);
}

/* watch(fd, events, callback(events, status)): a handle for unwatch/watchRef. */
static napi_value Watch(napi_env env, napi_callback_info info) {
  ARGS(3)
  uv_loop_t *loop;
  struct watcher *w = calloc(1, sizeof *w);
  if (!w) return number(env, -ENOMEM);
  napi_get_uv_event_loop(env, &loop);
  int rc = uv_poll_init(loop, &w->poll, (int)to_int64(env, argv[0]));
  if (rc) {
    free(w);
    return number(env, rc);
  }
  w->poll.data = w;
  w->env = env;
  w->events = (int)to_int64(env, argv[1]);
  napi_create_reference(env, argv[2], 1, &w->callback);
  rc = uv_poll_start(&w->poll, w->events, watcher_ready);
  if (rc) {
    watcher_stop(w);
    return number(env, rc);
  }
  napi_add_env_cleanup_hook(env, watcher_cleanup, w);
  napi_value v;
  napi_create_external(env, w, NULL, NULL, &v);
  return v;
}

static struct watcher *watcher_of(napi_env env, napi_value v) {
  void *p = NULL;
  napi_get_value_external(env, v, &p);
  return p;
}

static napi_value Unwatch(napi_env env, napi_callback_info info) {
  ARGS(1)
  struct watcher *w = watcher_of(env, argv[0]);
  if (!w) return number(env, -EINVAL);
  napi_remove_env_cleanup_hook(env, watcher_cleanup, w);
  watcher_stop(w);
  return number(env, 0);
}

/* watchRef(handle, keepAlive): whether the watcher keeps the process running. */
static napi_value WatchRef(napi_env env, napi_callback_info info) {
  ARGS(2)
  struct watcher *w = watcher_of(env, argv[0]);
  bool keep = true;
  napi_get_value_bool(env, argv[1], &keep);
  if (!w) return number(env, -EINVAL);
  if (keep) uv_ref((uv_handle_t *)&w->poll);
  else uv_unref((uv_handle_t *)&w->poll);
  return number(env, 0);
}

/* ---- BPF ring buffer (Documentation/bpf/ringbuf.rst) ---- */

#define RING_BUSY (1u << 31)
#define RING_DISCARD (1u << 30)
#define RING_HEADER 8

struct ring {
  uint64_t *consumer;
  uint64_t *producer;
  const uint8_t *data;
  size_t size, page;
};

static void ring_free(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct ring *r = data;
  munmap(r->consumer, r->page);
  munmap(r->producer, r->page + 2 * r->size);
  free(r);
}

/* ringOpen(fd, size): a handle for ringRead, unmapped when it is collected; or -errno. */
static napi_value RingOpen(napi_env env, napi_callback_info info) {
  ARGS(2)
  int fd = (int)to_int64(env, argv[0]);
  struct ring *r = calloc(1, sizeof *r);
  if (!r) return number(env, -ENOMEM);
  r->size = (size_t)to_int64(env, argv[1]);
  r->page = (size_t)sysconf(_SC_PAGESIZE);
  void *c = mmap(NULL, r->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (c == MAP_FAILED) {
    int e = errno;
    free(r);
    return number(env, -e);
  }
  void *p = mmap(NULL, r->page + 2 * r->size, PROT_READ, MAP_SHARED, fd, (off_t)r->page);
  if (p == MAP_FAILED) {
    int e = errno;
    munmap(c, r->page);
    free(r);
    return number(env, -e);
  }
  r->consumer = c;
  r->producer = p;
  r->data = (const uint8_t *)p + r->page;
  napi_value v;
  napi_create_external(env, r, ring_free, NULL, &v);
  return v;
}

/* ringRead(handle, out, max): copies up to `max` records, each as {u32 length, u32 0, bytes padded
 * to 8}, and gives their room back to the producer. Returns the bytes written to `out`; 0 means
 * that nothing is ready, or that the next record does not fit (then `out` was empty, too). */
static napi_value RingRead(napi_env env, napi_callback_info info) {
  ARGS(3)
  void *handle = NULL;
  size_t room;
  napi_get_value_external(env, argv[0], &handle);
  struct ring *r = handle;
  uint8_t *out = memory(env, argv[1], &room);
  int64_t max = to_int64(env, argv[2]);
  if (!r || !out) return number(env, -EINVAL);
  uint64_t at = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
  size_t used = 0;
  while (max > 0) {
    if (at >= __atomic_load_n(r->producer, __ATOMIC_ACQUIRE)) break;
    const uint8_t *record = r->data + (at & (r->size - 1));
    uint32_t header = __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);
    if (header & RING_BUSY) break;
    uint32_t length = header & ~(RING_BUSY | RING_DISCARD);
    size_t padded = ((size_t)length + 7) & ~(size_t)7;
    if (!(header & RING_DISCARD)) {
      if (used + 8 + padded > room) break;
      memcpy(out + used, &length, 4);
      memset(out + used + 4, 0, 4);
      memcpy(out + used + 8, record + RING_HEADER, length);
      used += 8 + padded;
      max--;
    }
    at += (length + RING_HEADER + 7) & ~7ull;
    __atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
  }
  return number(env, (int64_t)used);
}

/* ---- AF_PACKET batches ---- */

struct vnet {
  uint8_t flags, gso_type;
  uint16_t hdr_len, gso_size, csum_start, csum_offset;
};

/* One packet in a batch to send: this header, then `length` bytes padded to 8. */
struct send_record {
  uint32_t length, mark;
  struct vnet vnet;
  uint8_t pad[6];
};

struct mark_control {
  struct cmsghdr header;
  uint32_t mark;
  uint32_t pad;
};

static int send_chunk(int fd, uint8_t **at, uint8_t *end, int64_t *count, int *last_errno) {
  struct mmsghdr messages[MAX_BATCH];
  struct iovec vectors[MAX_BATCH][2];
  struct mark_control controls[MAX_BATCH];
  int n = 0, sent = 0;
  memset(messages, 0, sizeof messages);
  while (*count > 0 && n < MAX_BATCH && *at + sizeof(struct send_record) <= end) {
    struct send_record *record = (struct send_record *)*at;
    uint8_t *payload = *at + sizeof *record;
    if (record->length > (size_t)(end - payload)) {
      *last_errno = EINVAL;
      *count = 0;
      break;
    }
    vectors[n][0] = (struct iovec){&record->vnet, sizeof record->vnet};
    vectors[n][1] = (struct iovec){payload, record->length};
    messages[n].msg_hdr.msg_iov = vectors[n];
    messages[n].msg_hdr.msg_iovlen = 2;
    if (record->mark) {
      controls[n].header = (struct cmsghdr){CMSG_LEN(4), SOL_SOCKET, SO_MARK};
      controls[n].mark = record->mark;
      messages[n].msg_hdr.msg_control = &controls[n];
      messages[n].msg_hdr.msg_controllen = CMSG_SPACE(4);
    }
    *at = payload + ((record->length + 7u) & ~7u);
    n++;
    (*count)--;
  }
  for (int done = 0; done < n;) {
    int rc = sendmmsg(fd, messages + done, (unsigned)(n - done), 0);
    if (rc < 0) {
      if (errno == EINTR) continue;
      *last_errno = errno;
      done++;
    } else {
      sent += rc;
      done += rc;
    }
  }
  return sent;
}

/* sendBatch(fd, batch, count, result): `result` is an Int32Array of 2: packets sent, and the errno
 * of the last one that was not. A packet that fails does not hold up the others. */
static napi_value SendBatch(napi_env env, napi_callback_info info) {
  ARGS(4)
  size_t length;
  uint8_t *at = memory(env, argv[1], &length);
  int64_t count = to_int64(env, argv[2]);
  int32_t *result = memory(env, argv[3], NULL);
  if (!at || !result) return number(env, -EINVAL);
  uint8_t *end = at + length;
  int sent = 0, error = 0;
  while (count > 0 && at < end) {
    int64_t before = count;
    sent += send_chunk((int)to_int64(env, argv[0]), &at, end, &count, &error);
    if (count == before) break;
  }
  result[0] = sent;
  result[1] = error;
  return number(env, sent);
}

/* One packet received: this header, then min(length, snap) bytes padded to 8. */
struct recv_record {
  uint32_t captured, length, ifindex;
  uint8_t type, has_vlan;
  uint16_t vlan_tci, vlan_tpid;
  uint8_t pad[4];
  struct vnet vnet;
};

static void recv_auxdata(struct msghdr *message, struct recv_record *record) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
    struct tpacket_auxdata aux;
    memcpy(&aux, CMSG_DATA(c), sizeof aux);
    record->length = aux.tp_len;
    if (aux.tp_status & TP_STATUS_VLAN_VALID) {
      record->has_vlan = 1;
      record->vlan_tci = aux.tp_vlan_tci;
      record->vlan_tpid = aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : 0x8100;
    }
  }
}

/* recvBatch(fd, out, max, snap, vnet): up to `max` packets that are there now, without blocking.
 * Returns how many, or -errno; -EAGAIN when none. `vnet`: the socket has PACKET_VNET_HDR. */
static napi_value RecvBatch(napi_env env, napi_callback_info info) {
  ARGS(5)
  int fd = (int)to_int64(env, argv[0]);
  size_t room;
  uint8_t *out = memory(env, argv[1], &room);
  size_t snap = ((size_t)to_int64(env, argv[3]) + 7) & ~(size_t)7;
  size_t step = sizeof(struct recv_record) + snap;
  int64_t max = to_int64(env, argv[2]);
  bool vnet = false;
  napi_get_value_bool(env, argv[4], &vnet);
  if (!out || room < step) return number(env, -EINVAL);
  struct mmsghdr messages[MAX_BATCH];
  struct iovec vectors[MAX_BATCH][2];
  struct sockaddr_ll addresses[MAX_BATCH];
  _Alignas(8) char controls[MAX_BATCH][CMSG_SPACE(sizeof(struct tpacket_auxdata))];
  unsigned n = 0;
  memset(messages, 0, sizeof messages);
  for (; n < MAX_BATCH && (int64_t)n < max && (n + 1) * step <= room; n++) {
    struct recv_record *record = (struct recv_record *)(out + n * step);
    memset(record, 0, sizeof *record);
    vectors[n][0] = (struct iovec){&record->vnet, sizeof record->vnet};
    vectors[n][1] = (struct iovec){out + n * step + sizeof *record, snap};
    messages[n].msg_hdr.msg_iov = vnet ? vectors[n] : &vectors[n][1];
    messages[n].msg_hdr.msg_iovlen = vnet ? 2 : 1;
    messages[n].msg_hdr.msg_name = &addresses[n];
    messages[n].msg_hdr.msg_namelen = sizeof addresses[n];
    messages[n].msg_hdr.msg_control = controls[n];
    messages[n].msg_hdr.msg_controllen = sizeof controls[n];
  }
  int rc = recvmmsg(fd, messages, n, MSG_DONTWAIT, NULL);
  if (rc < 0) return number(env, -errno);
  for (int i = 0; i < rc; i++) {
    struct recv_record *record = (struct recv_record *)(out + (size_t)i * step);
    record->captured = messages[i].msg_len - (vnet ? sizeof record->vnet : 0);
    record->length = record->captured;
    record->ifindex = (uint32_t)addresses[i].sll_ifindex;
    record->type = addresses[i].sll_pkttype;
    recv_auxdata(&messages[i].msg_hdr, record);
  }
  return number(env, rc);
}

/* ---- Tap queues with IFF_VNET_HDR: the same records, one system call for each packet ---- */

/* tapSend(fd, batch, count, result): as sendBatch. */
static napi_value TapSend(napi_env env, napi_callback_info info) {
  ARGS(4)
  int fd = (int)to_int64(env, argv[0]);
  size_t length;
  uint8_t *at = memory(env, argv[1], &length);
  int64_t count = to_int64(env, argv[2]);
  int32_t *result = memory(env, argv[3], NULL);
  if (!at || !result) return number(env, -EINVAL);
  uint8_t *end = at + length;
  result[0] = result[1] = 0;
  for (; count > 0 && at + sizeof(struct send_record) <= end; count--) {
    struct send_record *record = (struct send_record *)at;
    uint8_t *payload = at + sizeof *record;
    if (record->length > (size_t)(end - payload)) {
      result[1] = EINVAL;
      break;
    }
    struct iovec vector[2] = {{&record->vnet, sizeof record->vnet}, {payload, record->length}};
    ssize_t rc;
    do rc = writev(fd, vector, 2);
    while (rc < 0 && errno == EINTR);
    if (rc < 0) result[1] = errno;
    else result[0]++;
    at = payload + ((record->length + 7u) & ~7u);
  }
  return number(env, result[0]);
}

/* tapRecv(fd, out, max, snap): as recvBatch. */
static napi_value TapRecv(napi_env env, napi_callback_info info) {
  ARGS(4)
  int fd = (int)to_int64(env, argv[0]);
  size_t room;
  uint8_t *out = memory(env, argv[1], &room);
  size_t snap = ((size_t)to_int64(env, argv[3]) + 7) & ~(size_t)7;
  size_t step = sizeof(struct recv_record) + snap;
  int64_t max = to_int64(env, argv[2]), n = 0;
  if (!out || room < step) return number(env, -EINVAL);
  while (n < max && (size_t)(n + 1) * step <= room) {
    struct recv_record *record = (struct recv_record *)(out + (size_t)n * step);
    memset(record, 0, sizeof *record);
    struct iovec vector[2] = {{&record->vnet, sizeof record->vnet},
                              {out + (size_t)n * step + sizeof *record, snap}};
    ssize_t rc = readv(fd, vector, 2);
    if (rc < 0) {
      if (errno == EINTR) continue;
      return number(env, n > 0 ? n : -errno);
    }
    if ((size_t)rc < sizeof record->vnet) continue;
    record->captured = record->length = (uint32_t)((size_t)rc - sizeof record->vnet);
    n++;
  }
  return number(env, n);
}

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"syscall", Syscall},   {"addressOf", AddressOf}, {"mmap", Mmap},
      {"munmap", Munmap},     {"watch", Watch},         {"unwatch", Unwatch},
      {"watchRef", WatchRef}, {"ringOpen", RingOpen},   {"ringRead", RingRead},
      {"sendBatch", SendBatch}, {"recvBatch", RecvBatch},
      {"tapSend", TapSend},   {"tapRecv", TapRecv},
      {"sendNow", SendNow},   {"sendEach", SendEach},
      {"attend", Attend},     {"unattend", Unattend},
      {"writeRecord", WriteRecord},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value f;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &f);
    napi_set_named_property(env, exports, functions[i].name, f);
  }
  return exports;
}
