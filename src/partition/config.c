/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/partition.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "machine/pci.h"
#include "partition/knobs/knob.h"

/*
 * inih does not tell its handler the line, and has room for 200 characters of one; its source of
 * lines is therefore ours. It is given KEY = . and finds sections, comments and mistakes; the value
 * is kept here, as long as it may be, with the lines in which it goes on.
 */
struct reader {
    struct ae_partition *partition;
    const char *text, *end;
    unsigned line;
    unsigned joined; /* lines that belong to the one before: inih is given empty ones for them */
    unsigned failed; /* the line of the first mistake */
    char *value;
    struct ae_error *err;
};

int ae_partition_mistake(const struct ae_partition *partition, unsigned line, struct ae_error *err,
                         const char *format, ...)
{
    char text[AE_ERROR_TEXT];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (line == 0)
        return ae_error_set(err, -EINVAL, "%s: %s", partition->path, text);
    return ae_error_set(err, -EINVAL, "%s:%u: %s", partition->path, line, text);
}

static int set_once(struct reader *reader, struct ae_partition_key *key, const char *name,
                    const char *value)
{
    if (key->line)
        return ae_partition_mistake(reader->partition, reader->line, reader->err,
                                    "'%s' was given in line %u already; keep one of the two", name,
                                    key->line);
    key->value = strdup(value);
    if (!key->value)
        return ae_error_set(reader->err, -ENOMEM, "%s: no memory to read it",
                            reader->partition->path);
    key->line = reader->line;
    return 0;
}

/* "2M", "1G", "64K" in kilobytes; 0 when it is no size. */
static uint64_t page_size(const char *text)
{
    char *end;
    unsigned long long value;

    if (*text < '1' || *text > '9')
        return 0;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno || value > 1024 * 1024 || *end == '\0' || end[1] != '\0')
        return 0;
    return *end == 'K' ? value : *end == 'M' ? value << 10 : *end == 'G' ? value << 20 : 0;
}

static int parse_count(const char *text, uint64_t *value)
{
    char *end;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno || *end || *value > UINT32_MAX ? -EINVAL : 0;
}

static int set_pages(struct reader *reader, const char *size, const char *value)
{
    struct ae_partition *partition = reader->partition;
    struct ae_partition_pages pages = {.line = reader->line, .kilobytes = page_size(size)};

    if (pages.kilobytes == 0)
        return ae_partition_mistake(partition, reader->line, reader->err,
                                    "'%s' is no page size; write hugepages-2M or hugepages-1G",
                                    size);
    for (unsigned i = 0; i < partition->page_count; i++)
        if (partition->pages[i].kilobytes == pages.kilobytes)
            return ae_partition_mistake(
                partition, reader->line, reader->err,
                "huge pages of this size were given in line %u already; keep one of the two",
                partition->pages[i].line);
    if (parse_count(value, &pages.count))
        return ae_partition_mistake(partition, reader->line, reader->err,
                                    "'%s' is no number of pages; write a number, such as 512",
                                    value);
    if (partition->page_count == AE_PARTITION_PAGES)
        return ae_partition_mistake(partition, reader->line, reader->err,
                                    "more than %d page sizes; remove one", AE_PARTITION_PAGES);
    partition->pages[partition->page_count++] = pages;
    return 0;
}

bool ae_partition_is_address(const char *text)
{
    char address[AE_PCI_ADDRESS_TEXT];

    return ae_pci_parse(text, address) == 0 && strcmp(address, text) == 0;
}

static int set_device(struct reader *reader, const char *value)
{
    struct ae_partition *partition = reader->partition;
    struct ae_partition_device *device;

    if (!ae_partition_is_address(value))
        return ae_partition_mistake(partition, reader->line, reader->err,
                                    "'%s' is no PCI address; write it in full and in lower case, "
                                    "such as 0000:01:00.0 (lspci -D shows them)",
                                    value);
    for (unsigned i = 0; i < partition->device_count; i++)
        if (strcmp(partition->devices[i].address, value) == 0)
            return ae_partition_mistake(partition, reader->line, reader->err,
                                        "device %s was given in line %u already; remove one", value,
                                        partition->devices[i].line);
    if (partition->device_count == AE_PARTITION_DEVICES)
        return ae_partition_mistake(partition, reader->line, reader->err,
                                    "more than %d devices; split the partition",
                                    AE_PARTITION_DEVICES);
    device = &partition->devices[partition->device_count++];
    device->line = reader->line;
    snprintf(device->address, sizeof(device->address), "%s", value);
    return 0;
}

static int set_choice(struct reader *reader, const char *knob, const char *value)
{
    struct ae_partition *partition = reader->partition;
    struct ae_partition_choice *choice;
    const struct ae_knob *row = ae_knob_find(knob);

    if (!row)
        return ae_partition_mistake(partition, reader->line, reader->err,
                                    "no knob is called '%s'; `aether partition knobs` lists them",
                                    knob);
    if (row->boot)
        return ae_partition_mistake(partition, reader->line, reader->err,
                                    "'%s' is set by kernel parameters, not here; remove the line",
                                    knob);
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return ae_partition_mistake(partition, reader->line, reader->err,
                                    "knob '%s' is '%s'; write on or off", knob, value);
    for (unsigned i = 0; i < partition->choice_count; i++)
        if (strcmp(partition->choices[i].knob, knob) == 0)
            return ae_partition_mistake(partition, reader->line, reader->err,
                                        "knob '%s' was given in line %u already; keep one", knob,
                                        partition->choices[i].line);
    if (partition->choice_count == AE_PARTITION_CHOICES)
        return ae_partition_mistake(partition, reader->line, reader->err, "too many knobs");
    choice = &partition->choices[partition->choice_count++];
    choice->line = reader->line;
    choice->on = value[1] == 'n';
    snprintf(choice->knob, sizeof(choice->knob), "%s", knob);
    return 0;
}

static int set_key(struct reader *reader, const char *section, const char *name, const char *value)
{
    struct ae_partition *partition = reader->partition;
    const struct {
        const char *section, *name;
        struct ae_partition_key *key;
    } keys[] = {
        {"partition", "cpus", &partition->cpus},   {"partition", "host", &partition->host},
        {"partition", "smt", &partition->smt},     {"partition", "node", &partition->node},
        {"partition", "power", &partition->power}, {"cache", "l3-ways", &partition->l3_ways},
    };
    static const char *const sections[] = {"partition", "memory", "devices", "cache", "knobs"};
    bool known = false;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(section, keys[i].section) == 0 && strcmp(name, keys[i].name) == 0)
            return set_once(reader, keys[i].key, name, value);
    if (strcmp(section, "memory") == 0 && strncmp(name, "hugepages-", 10) == 0)
        return set_pages(reader, name + 10, value);
    if (strcmp(section, "devices") == 0 && strcmp(name, "device") == 0)
        return set_device(reader, value);
    if (strcmp(section, "knobs") == 0)
        return set_choice(reader, name, value);
    if (*section == '\0')
        return ae_partition_mistake(partition, reader->line, reader->err,
                                    "'%s' stands before any section; put [partition] above it",
                                    name);
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
        known = known || strcmp(section, sections[i]) == 0;
    if (!known)
        return ae_partition_mistake(
            partition, reader->line, reader->err,
            "section [%s] is not known; there are [partition], [memory], [devices], [cache] and "
            "[knobs]",
            section);
    return ae_partition_mistake(partition, reader->line, reader->err,
                                "'%s' is no key of [%s]; docs/partition.md lists them", name,
                                section);
}

static int handle(void *user, const char *section, const char *name, const char *placeholder)
{
    struct reader *reader = user;
    const char *value = reader->value ? reader->value : placeholder;
    int rc;

    if (reader->failed)
        return 1;
    if (*value == '\0')
        rc = ae_partition_mistake(reader->partition, reader->line, reader->err,
                                  "'%s' has no value; write one behind the '='", name);
    else
        rc = set_key(reader, section, name, value);
    if (rc)
        reader->failed = reader->line;
    return rc == 0;
}

/* One line of the file without the white space around it. */
static const char *trimmed_line(struct reader *reader, size_t *length)
{
    const char *start = reader->text, *newline, *end;

    newline = memchr(start, '\n', (size_t)(reader->end - start));
    end = newline ? newline : reader->end;
    reader->text = newline ? newline + 1 : reader->end;
    while (start < end && isspace((unsigned char)*start))
        start++;
    while (end > start && isspace((unsigned char)end[-1]))
        end--;
    *length = (size_t)(end - start);
    return start;
}

/* A line that goes on where the value before it ended: indented, and neither a comment, a section
 * nor a key of its own. */
static bool goes_on(const struct reader *reader)
{
    struct reader ahead = *reader;
    size_t length;
    const char *line;

    if (reader->text == reader->end || (*reader->text != ' ' && *reader->text != '\t'))
        return false;
    line = trimmed_line(&ahead, &length);
    return length > 0 && !strchr("#;[", *line) && !memchr(line, '=', length);
}

/* Takes " ; comment" off, as inih does, and blanks before it. */
static size_t without_comment(const char *text, size_t length)
{
    for (size_t i = 1; i < length; i++)
        if (text[i] == ';' && isspace((unsigned char)text[i - 1]))
            length = i;
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    return length;
}

/* The value that begins here, to its end some lines later; NULL: no memory. */
static char *read_value(struct reader *reader, const char *text, size_t length)
{
    char *value = NULL;
    size_t size;
    FILE *out = open_memstream(&value, &size);
    bool more = true;

    while (out && more) {
        bool backslash;

        length = without_comment(text, length);
        backslash = length > 0 && text[length - 1] == '\\';
        length -= backslash;
        while (length > 0 && isspace((unsigned char)*text))
            text++, length--;
        fprintf(out, "%s%.*s", ftell(out) > 0 && length > 0 ? " " : "",
                (int)without_comment(text, length), text);
        more = reader->text < reader->end && (backslash || goes_on(reader));
        if (more) {
            text = trimmed_line(reader, &length);
            reader->joined++;
        }
    }
    return !out || fclose(out) ? NULL : value;
}

static void too_long(struct reader *reader, int most)
{
    if (!reader->failed)
        ae_partition_mistake(reader->partition, reader->line, reader->err,
                             "the line is longer than %d characters and has no value; shorten it",
                             most);
    reader->failed = reader->failed ? reader->failed : reader->line;
}

/* The next line for inih. White space in front goes: inih would take it for a continuation. */
static char *next_line(char *line, int size, void *stream)
{
    struct reader *reader = stream;
    const char *start, *equals = NULL;
    size_t length;

    if (reader->joined == 0 && reader->text == reader->end)
        return NULL;
    reader->line++;
    line[0] = '\0';
    if (reader->joined > 0) {
        reader->joined--;
        return line;
    }
    free(reader->value);
    reader->value = NULL;
    start = trimmed_line(reader, &length);
    if (length > 0 && !strchr("#;[", *start))
        equals = memchr(start, '=', length);
    if (equals) {
        const char *end = start + length;

        length = (size_t)(equals - start) + 1;
        reader->value = read_value(reader, equals + 1, (size_t)(end - equals - 1));
    } else if (length > 0 && strchr("#;", *start)) {
        length = 0; /* a comment is as long as it likes */
    }
    if (length + 3 > (size_t)size)
        too_long(reader, size - 3);
    else
        snprintf(line, (size_t)size, "%.*s%s", (int)length, start, equals ? " ." : "");
    return line;
}

int ae_partition_parse(struct ae_partition *partition, const char *text, size_t length,
                       struct ae_error *err)
{
    struct reader reader = {.partition = partition, .text = text, .end = text + length, .err = err};
    int line;

    if (memchr(text, '\0', length))
        return ae_partition_mistake(partition, 0, err,
                                    "the file holds a zero byte; it is no text file");
    line = ini_parse_stream(next_line, &reader, handle, &reader);
    free(reader.value);
    if (line > 0 && (reader.failed == 0 || (unsigned)line < reader.failed))
        return ae_partition_mistake(
            partition, (unsigned)line, err,
            "the line is neither '[section]', 'key = value' nor a comment ('#'); correct it");
    if (line < 0)
        return ae_error_set(err, -ENOMEM, "%s: no memory to read it", partition->path);
    if (reader.failed)
        return -EINVAL;
    if (partition->cpus.line == 0)
        return ae_partition_mistake(partition, 0, err,
                                    "no quiet CPUs are given; write cpus = LIST into [partition]");
    return 0;
}

int ae_partition_parse_near(const char *text, unsigned *cores, char address[16])
{
    char device[16];
    int end = 0;

    if (sscanf(text, "%5u cores near %15s%n", cores, device, &end) != 2 &&
        sscanf(text, "%5u near %15s%n", cores, device, &end) != 2)
        return -EINVAL;
    if (end == 0 || text[end] != '\0')
        return -EINVAL;
    strcpy(address, device);
    return 0;
}
