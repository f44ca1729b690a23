/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Characters that do something other than appear. Unicode 15, general categories Cc, Zl, Zp and
 * Cf. */
static const struct {
    uint32_t first, last;
} unseen[] = {
    {0x0000, 0x001f},   /* C0 */
    {0x007f, 0x009f},   /* DEL, C1 */
    {0x00ad, 0x00ad},   /* a hyphen that may not be there */
    {0x061c, 0x061c},   /* Arabic letter mark */
    {0x180e, 0x180e},   /* Mongolian vowel separator */
    {0x200b, 0x200f},   /* without a width; marks of direction */
    {0x2028, 0x202e},   /* ends of lines and paragraphs; directions */
    {0x2060, 0x206f},   /* joiners, invisible operators, isolates */
    {0xfeff, 0xfeff},   /* byte order mark */
    {0xfff9, 0xfffb},   /* annotations */
    {0xe0000, 0xe007f}, /* tags */
};

/* Bytes of the UTF-8 character that begins here, the shortest form of it; 0: there is none. */
static size_t decode(const unsigned char *text, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = text[0] < 0x80   ? 1
                    : text[0] < 0xc2 ? 0
                    : text[0] < 0xe0 ? 2
                    : text[0] < 0xf0 ? 3
                    : text[0] < 0xf5 ? 4
                                     : 0;

    *character = length > 1 ? text[0] & (0x7fU >> length) : text[0];
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) /* the NUL at the end, too */
            return 0;
        *character = *character << 6 | (text[i] & 0x3f);
    }
    if (length && (*character < least[length] || *character > 0x10ffff ||
                   (*character >= 0xd800 && *character <= 0xdfff)))
        return 0;
    return length;
}

static bool is_seen(uint32_t character)
{
    for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++)
        if (character >= unseen[i].first && character <= unseen[i].last)
            return false;
    return true;
}

/* How one character is shown, in *out; returns how many bytes of the text it took. */
static size_t show_one(const unsigned char *text, const char **out, size_t *out_length)
{
    uint32_t character;
    size_t length = decode(text, &character);

    *out_length = 1;
    *out = "?";
    if (!length)
        return 1;
    if (character == '\n' || character == '\t' || character == '\r') {
        *out = " ";
    } else if (is_seen(character)) {
        *out = (const char *)text;
        *out_length = length;
    }
    return length;
}

/* The end of the last whole character that leaves room for "...". */
static void end_in_dots(char *shown, size_t used, size_t size)
{
    static const char dots[] = "...";
    bool fits = size > sizeof(dots);
    size_t room = fits ? size - sizeof(dots) : size - 1;

    if (used > room)
        used = room;
    while (used > 0 && ((unsigned char)shown[used] & 0xc0) == 0x80)
        used--;
    if (fits)
        memcpy(shown + used, dots, sizeof(dots));
    else
        shown[used] = '\0';
}

char *ae_text_shown(char *shown, size_t size, const char *text)
{
    const unsigned char *at = (const unsigned char *)(text ? text : "");
    size_t used = 0;

    if (!size)
        return shown;
    while (*at) {
        const char *out;
        size_t length, taken = show_one(at, &out, &length);

        if (used + length >= size) {
            shown[used] = '\0';
            end_in_dots(shown, used, size);
            return shown;
        }
        memmove(shown + used, out, length);
        used += length;
        at += taken;
    }
    shown[used] = '\0';
    return shown;
}
