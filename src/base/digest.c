/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* FIPS 180-4, 4.2.2 */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t value, unsigned by)
{
    return value >> by | value << (32 - by);
}

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* 6.2.2, steps 1 to 4; a to h are v[0] to v[7]. */
static void add_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], v[8];

    for (unsigned t = 0; t < 16; t++)
        w[t] = big_endian(block + 4 * t);
    for (unsigned t = 16; t < 64; t++)
        w[t] = (rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10) + w[t - 7] +
               (rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3) + w[t - 16];
    memcpy(v, state, sizeof(v));
    for (unsigned t = 0; t < 64; t++) {
        uint32_t first = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
                         ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[t] + w[t];
        uint32_t second = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
                          ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += first;
        v[0] = first + second;
    }
    for (unsigned i = 0; i < 8; i++)
        state[i] += v[i];
}

void ae_digest_begin(struct ae_digest *digest)
{
    *digest = (struct ae_digest){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void ae_digest_add(struct ae_digest *digest, const void *data, size_t length)
{
    const uint8_t *bytes = data;

    while (length) {
        size_t used = digest->length % AE_DIGEST_BLOCK;
        size_t take = AE_DIGEST_BLOCK - used < length ? AE_DIGEST_BLOCK - used : length;

        memcpy(digest->block + used, bytes, take);
        digest->length += take;
        bytes += take;
        length -= take;
        if (used + take == AE_DIGEST_BLOCK)
            add_block(digest->state, digest->block);
    }
}

/* 5.1.1: a bit, zeroes, and the length in bits up to a whole block. */
void ae_digest_end(struct ae_digest *digest, uint8_t result[AE_DIGEST_BYTES])
{
    static const uint8_t padding[AE_DIGEST_BLOCK] = {0x80};
    uint64_t bits = digest->length * 8;
    size_t used = digest->length % AE_DIGEST_BLOCK;
    uint8_t length[8];

    for (unsigned i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    ae_digest_add(digest, padding, (used < 56 ? 56 : 120) - used);
    ae_digest_add(digest, length, sizeof(length));
    for (unsigned i = 0; i < AE_DIGEST_BYTES; i++)
        result[i] = (uint8_t)(digest->state[i / 4] >> (24 - 8 * (i % 4)));
}

void ae_digest_hmac(const void *key, size_t key_length, const void *data, size_t length,
                    uint8_t result[AE_DIGEST_BYTES])
{
    uint8_t inner[AE_DIGEST_BLOCK] = {0}, outer[AE_DIGEST_BLOCK];
    struct ae_digest digest;

    memcpy(inner, key, key_length < sizeof(inner) ? key_length : sizeof(inner));
    for (unsigned i = 0; i < AE_DIGEST_BLOCK; i++) {
        outer[i] = inner[i] ^ 0x5c;
        inner[i] ^= 0x36;
    }
    ae_digest_begin(&digest);
    ae_digest_add(&digest, inner, sizeof(inner));
    ae_digest_add(&digest, data, length);
    ae_digest_end(&digest, result);
    ae_digest_begin(&digest);
    ae_digest_add(&digest, outer, sizeof(outer));
    ae_digest_add(&digest, result, AE_DIGEST_BYTES);
    ae_digest_end(&digest, result);
}

int ae_digest_file(int fd, char text[AE_DIGEST_TEXT])
{
    uint8_t part[16384], result[AE_DIGEST_BYTES];
    struct ae_digest digest;
    off_t done = 0;
    ssize_t got;

    ae_digest_begin(&digest);
    while ((got = pread(fd, part, sizeof(part), done)) > 0) {
        ae_digest_add(&digest, part, (size_t)got);
        done += got;
    }
    if (got < 0)
        return -errno;
    ae_digest_end(&digest, result);
    ae_digest_text(result, sizeof(result), text);
    return 0;
}

void ae_digest_text(const uint8_t *bytes, size_t length, char *text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < length; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * length] = '\0';
}
