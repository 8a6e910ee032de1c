/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of a log with a hash in their heads, put together and written in one go.
 */
#define _GNU_SOURCE
#include "heddle.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ROOM (128 * 1024)
#define HASH_BYTES 20

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

/* FIPS 180-4, section 6.1.2. */
static void sha1_block(uint32_t state[5], const uint8_t *block) {
  uint32_t w[80];
  for (int i = 0; i < 16; i++) {
    uint32_t word;
    memcpy(&word, block + 4 * i, 4);
    w[i] = __builtin_bswap32(word);
  }
  for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
#define ROUND(f, k)                                     \
  {                                                     \
    uint32_t t = rotate(a, 5) + (f) + e + (k) + w[i];   \
    e = d, d = c, c = rotate(b, 30), b = a, a = t;      \
  }
  for (int i = 0; i < 20; i++) ROUND((b & c) | (~b & d), 0x5a827999)
  for (int i = 20; i < 40; i++) ROUND(b ^ c ^ d, 0x6ed9eba1)
  for (int i = 40; i < 60; i++) ROUND((b & c) | (b & d) | (c & d), 0x8f1bbcdc)
  for (int i = 60; i < 80; i++) ROUND(b ^ c ^ d, 0xca62c1d6)
#undef ROUND
  state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

static void sha1(const uint8_t *data, size_t length, uint8_t hash[HASH_BYTES]) {
  uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  uint8_t last[128] = {0};
  size_t whole = length / 64 * 64, rest = length - whole, padded = rest < 56 ? 64 : 128;
  for (size_t at = 0; at < whole; at += 64) sha1_block(state, data + at);
  memcpy(last, data + whole, rest);
  last[rest] = 0x80;
  uint64_t bits = __builtin_bswap64((uint64_t)length * 8);
  memcpy(last + padded - 8, &bits, 8);
  for (size_t at = 0; at < padded; at += 64) sha1_block(state, last + at);
  for (int i = 0; i < 5; i++) {
    uint32_t word = __builtin_bswap32(state[i]);
    memcpy(hash + 4 * i, &word, 4);
  }
}

/* writeRecord(fd, position, head, text, length, tail, socket, answer, sent): writes `head`, the SHA-1 hash of the body in
 * hexadecimal, a newline, the body, and the bytes of `tail`, which may be null. The body is `text`
 * as UTF-8, and spaces up to a last newline that make it `length` bytes. When all has been written,
 * `answer` is sent to the socket as by `sendNow`, whose result the Int32Array `sent` gets; 0 when it
 * is not, as for a socket below zero. Returns the number of bytes written, or -errno: -EMSGSIZE,
 * with nothing written, for more than there is room for. */
napi_value WriteRecord(napi_env env, napi_callback_info info) {
  ARGS(9)
  static _Thread_local uint8_t out[ROOM];
  static const char digits[] = "0123456789abcdef";
  size_t head = 0, text = 0, tail_bytes = 0;
  size_t length = (size_t)to_int64(env, argv[4]);
  const uint8_t *tail = memory(env, argv[5], &tail_bytes);
  int socket = (int)to_int64(env, argv[6]);
  size_t answer_bytes = 0, sent_bytes = 0;
  int32_t *sent = memory(env, argv[8], &sent_bytes);
  if (!sent || sent_bytes < 4) return number(env, -EINVAL);
  *sent = 0;
  napi_get_value_string_latin1(env, argv[2], (char *)out, 64, &head);
  size_t start = head + 2 * HASH_BYTES + 1, total = start + length + tail_bytes;
  if (length >= ROOM || tail_bytes >= ROOM || total > ROOM) return number(env, -EMSGSIZE);
  /* A longer text is cut off between two characters. */
  napi_get_value_string_utf8(env, argv[3], (char *)out + start, length, &text);
  if (text + 4 >= length) {
    size_t all = 0;
    napi_get_value_string_utf8(env, argv[3], NULL, 0, &all);
    if (all >= length) return number(env, -EMSGSIZE);
  }
  memset(out + start + text, ' ', length - text - 1);
  out[start + length - 1] = '\n';
  uint8_t hash[HASH_BYTES];
  sha1(out + start, length, hash);
  for (int i = 0; i < HASH_BYTES; i++) {
    out[head + 2 * i] = (uint8_t)digits[hash[i] >> 4];
    out[head + 2 * i + 1] = (uint8_t)digits[hash[i] & 15];
  }
  out[start - 1] = '\n';
  if (tail) memcpy(out + start + length, tail, tail_bytes);
  const char *answer = socket < 0 ? NULL : bytes_of(env, argv[7], &answer_bytes);
  ssize_t n;
  do n = pwrite((int)to_int64(env, argv[0]), out, total, (off_t)to_int64(env, argv[1]));
  while (n < 0 && errno == EINTR);
  if (n < 0) return number(env, -errno);
  if (answer && (size_t)n == total) *sent = (int32_t)send_now(socket, answer, answer_bytes);
  return number(env, n);
}
