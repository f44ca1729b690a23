/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_DIGEST_H
#define AE_BASE_DIGEST_H

/* SHA-256 (FIPS 180-4) and HMAC of it (RFC 2104): to name a program by what it is, and a machine
 * without giving its number away. Nothing secret is compared with either. */

#include <stddef.h>
#include <stdint.h>

#define AE_DIGEST_BYTES 32
#define AE_DIGEST_BLOCK 64
#define AE_DIGEST_TEXT  (2 * AE_DIGEST_BYTES + 1)

struct ae_digest {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    uint8_t block[AE_DIGEST_BLOCK];
};

void ae_digest_begin(struct ae_digest *digest);
void ae_digest_add(struct ae_digest *digest, const void *data, size_t length);
void ae_digest_end(struct ae_digest *digest, uint8_t result[AE_DIGEST_BYTES]);

/* key: at most a block. */
void ae_digest_hmac(const void *key, size_t key_length, const void *data, size_t length,
                    uint8_t result[AE_DIGEST_BYTES]);

/* Of an open file from its beginning, as hexadecimal text. 0 or a negative errno. */
int ae_digest_file(int fd, char text[AE_DIGEST_TEXT]);

/* `length` bytes as 2 * length lower-case digits and a NUL. */
void ae_digest_text(const uint8_t *bytes, size_t length, char *text);

#endif
