/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of a log with a hash in their heads, put together and written in one go.
 */
#define _GNU_SOURCE
#include "heddle.h"

#define OPENSSL_SUPPRESS_DEPRECATED
#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <unistd.h>

#define ROOM (128 * 1024)

/* By Node's OpenSSL, whose symbols it exports. */
static void sha1(const uint8_t *data, size_t length, uint8_t hash[SHA_DIGEST_LENGTH]) {
  SHA_CTX state;
  SHA1_Init(&state);
  SHA1_Update(&state, data, length);
  SHA1_Final(hash, &state);
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
  size_t start = head + 2 * SHA_DIGEST_LENGTH + 1, total = start + length + tail_bytes;
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
  uint8_t hash[SHA_DIGEST_LENGTH];
  sha1(out + start, length, hash);
  for (int i = 0; i < SHA_DIGEST_LENGTH; i++) {
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
