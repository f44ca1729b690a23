/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/journal.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* FNV-1a, 32 bits. It is to notice a cut, not an enemy: the file is root's. */
uint32_t ae_journal_checksum(const char *text, size_t length)
{
    uint32_t sum = 2166136261u;

    for (size_t i = 0; i < length; i++)
        sum = (sum ^ (uint8_t)text[i]) * 16777619u;
    return sum;
}

static void free_entry(struct ae_journal_entry *entry)
{
    free(entry->knob);
    free(entry->target);
    free(entry->old_value);
    free(entry->new_value);
    free(entry->left);
}

void ae_journal_close(struct ae_journal *journal)
{
    for (size_t i = 0; i < journal->count; i++)
        free_entry(&journal->entries[i]);
    free(journal->entries);
    free(journal->quiet);
    if (journal->fd >= 0)
        close(journal->fd);
    memset(journal, 0, sizeof(*journal));
    journal->fd = -1;
}

struct ae_journal_entry *ae_journal_find(const struct ae_journal *journal,
                                         enum ae_setting_kind kind, const char *target)
{
    for (size_t i = 0; i < journal->count; i++)
        if (journal->entries[i].kind == kind && strcmp(journal->entries[i].target, target) == 0)
            return &journal->entries[i];
    return NULL;
}

static int replace(char **place, const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        return -ENOMEM;
    free(*place);
    *place = copy;
    return 0;
}

/* Intent: a new entry, or a new value of one whose oldest value stays what it was. */
static int take_intent(struct ae_journal *journal, enum ae_setting_kind kind, char **field)
{
    struct ae_journal_entry *entry = ae_journal_find(journal, kind, field[3]);

    if (entry) {
        journal->last = (size_t)(entry - journal->entries);
        free(entry->left);
        entry->left = NULL;
        return replace(&entry->new_value, field[5]);
    }
    if (journal->count == journal->capacity) {
        size_t capacity = journal->capacity ? 2 * journal->capacity : 64;
        struct ae_journal_entry *bigger = realloc(journal->entries, capacity * sizeof(*bigger));

        if (!bigger)
            return -ENOMEM;
        journal->entries = bigger;
        journal->capacity = capacity;
    }
    journal->last = journal->count;
    entry = &journal->entries[journal->count++];
    *entry = (struct ae_journal_entry){.kind = kind,
                                       .knob = strdup(field[1]),
                                       .target = strdup(field[3]),
                                       .old_value = strdup(field[4]),
                                       .new_value = strdup(field[5])};
    return entry->knob && entry->target && entry->old_value && entry->new_value ? 0 : -ENOMEM;
}

static int take_mark(struct ae_journal *journal, const char *mark)
{
    if (strcmp(mark, "begin") == 0)
        journal->complete = journal->partial = journal->reverting = false;
    else if (strcmp(mark, "complete") == 0)
        journal->complete = true;
    else if (strcmp(mark, "partial") == 0)
        journal->complete = journal->partial = true;
    else if (strcmp(mark, "recorded") == 0)
        journal->recorded = true;
    else if (strcmp(mark, "revert") == 0)
        journal->reverting = true;
    else
        return -EBADMSG;
    return 0;
}

int ae_journal_take(struct ae_journal *journal, char *field[AE_JOURNAL_FIELDS])
{
    struct ae_journal_entry *entry;
    int kind;

    if (strcmp(field[0], "head") == 0)
        return replace(&journal->quiet, field[4]);
    if (strcmp(field[0], "mark") == 0)
        return take_mark(journal, field[1]);
    kind = ae_setting_kind_find(field[2]);
    if (kind < 0)
        return -EBADMSG;
    if (strcmp(field[0], "intent") == 0)
        return take_intent(journal, (enum ae_setting_kind)kind, field);
    entry = ae_journal_find(journal, (enum ae_setting_kind)kind, field[3]);
    if (!entry)
        return -EBADMSG;
    if (strcmp(field[0], "left") == 0)
        return replace(&entry->left, field[5]);
    if (strcmp(field[0], "inherit") == 0)
        return replace(&entry->old_value, field[4]);
    if (strcmp(field[0], "conflict") == 0) {
        entry->conflict = true;
        return 0;
    }
    return -EBADMSG;
}

/* "a\tb\t...\tCHECKSUM"; cuts line into its fields. */
static int split(char *line, char **field)
{
    char *last = strrchr(line, '\t');

    if (!last || strtoul(last + 1, NULL, 16) != ae_journal_checksum(line, (size_t)(last - line)) ||
        strlen(last + 1) != 8)
        return -EBADMSG;
    *last = '\0';
    for (size_t i = 0; i < AE_JOURNAL_FIELDS; i++) {
        field[i] = strsep(&line, "\t");
        if (!field[i])
            return -EBADMSG;
    }
    return line ? -EBADMSG : 0;
}

int ae_journal_parse(struct ae_journal *journal, const char *text, size_t length, size_t *good)
{
    const char *start = text, *end = text + length, *newline;

    while ((newline = memchr(text, '\n', (size_t)(end - text)))) {
        char *line = strndup(text, (size_t)(newline - text)), *field[AE_JOURNAL_FIELDS];
        int rc = line ? split(line, field) : -ENOMEM;

        if (!rc)
            rc = ae_journal_take(journal, field);
        free(line);
        *good = (size_t)(text - start);
        /* Only the last record can have been cut off; any other is damage. */
        if (rc)
            return rc == -EBADMSG && newline + 1 == end ? 0 : rc;
        text = newline + 1;
    }
    *good = (size_t)(text - start);
    return 0;
}
