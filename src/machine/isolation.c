/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/isolation.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"
#include "machine/topology.h"

#define BIT(kind) (1u << (kind))

/* One parameter: what it names, and for which CPUs. */
struct meaning {
    unsigned kinds;
    bool strange;
    struct ae_cpus cpus;
};

static const struct {
    const char *name;
    unsigned kinds; /* 0: its flags tell */
} parameters[] = {
    {"nohz_full", BIT(AE_ISOLATION_NOHZ_FULL)},
    {"isolcpus", 0},
    {"rcu_nocbs", BIT(AE_ISOLATION_RCU_NOCBS)},
    {"irqaffinity", BIT(AE_ISOLATION_IRQAFFINITY)},
};

static const struct {
    const char *flag;
    unsigned kind;
} flags[] = {
    {"domain", BIT(AE_ISOLATION_DOMAIN)},
    {"managed_irq", BIT(AE_ISOLATION_MANAGED_IRQ)},
    {"nohz", BIT(AE_ISOLATION_NOHZ_FULL)}, /* takes the tick, which sysfs then shows as nohz_full */
};

static int find(const struct ae_cmdline_word *word)
{
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
        if (ae_cmdline_names(word, parameters[i].name))
            return (int)i;
    return -1;
}

/* "managed_irq,domain,2-5": what stands before the list; *list is moved behind it. False: a flag
 * with a character that none has, for which the kernel throws all of it away. */
static bool read_flags(const char **list, unsigned *kinds)
{
    while (isalpha((unsigned char)**list)) {
        size_t length = strcspn(*list, ",");

        for (size_t i = 0; i < length; i++)
            if (!isalpha((unsigned char)(*list)[i]) && (*list)[i] != '_')
                return false;
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
            if (strlen(flags[i].flag) == length && strncmp(*list, flags[i].flag, length) == 0)
                *kinds |= flags[i].kind;
        *list += length;
        if (**list == ',')
            ++*list;
    }
    if (!*kinds)
        *kinds = BIT(AE_ISOLATION_DOMAIN);
    return true;
}

static bool understand(const struct ae_cmdline_word *word, unsigned last, struct meaning *meaning)
{
    int which = find(word);
    char *text = which < 0 || !word->value ? NULL : strndup(word->value, word->value_length);
    const char *list = text;

    if (!text)
        return false;
    meaning->kinds = parameters[which].kinds;
    meaning->strange = !meaning->kinds && !read_flags(&list, &meaning->kinds);
    if (!meaning->strange)
        meaning->strange = ae_cpus_parse_kernel(&meaning->cpus, list, (int)last) != 0;
    free(text);
    return true;
}

/* rcu_nocbs= and irqaffinity= overwrite what an earlier one said; the others share what they
 * say. */
static bool is_overwritten(unsigned kinds)
{
    return kinds & (BIT(AE_ISOLATION_RCU_NOCBS) | BIT(AE_ISOLATION_IRQAFFINITY));
}

static void take(struct ae_isolation *isolation, const struct meaning *meaning)
{
    isolation->strange |= meaning->strange ? meaning->kinds : 0;
    if (meaning->strange)
        return;
    for (unsigned kind = 0; kind < AE_ISOLATION_KINDS && !is_overwritten(meaning->kinds); kind++)
        if ((meaning->kinds & isolation->named & BIT(kind)) &&
            !ae_cpus_equal(&isolation->cpus[kind], &meaning->cpus)) {
            isolation->refused |= meaning->kinds;
            return;
        }
    for (unsigned kind = 0; kind < AE_ISOLATION_KINDS; kind++)
        if (meaning->kinds & BIT(kind))
            isolation->cpus[kind] = meaning->cpus;
    isolation->named |= meaning->kinds;
}

void ae_isolation_parse(struct ae_isolation *isolation, const char *cmdline, unsigned last)
{
    struct ae_cmdline_word word;
    struct meaning meaning;

    memset(isolation, 0, sizeof(*isolation));
    while (ae_cmdline_next(&cmdline, &word))
        if (understand(&word, last, &meaning))
            take(isolation, &meaning);
}

unsigned ae_isolation_last(void)
{
    struct ae_cpus possible;
    int last = -1;

    if (ae_topology_possible(&possible))
        ae_cpus_clear(&possible);
    for (int cpu = ae_cpus_next(&possible, 0); cpu >= 0;
         cpu = ae_cpus_next(&possible, (unsigned)cpu + 1))
        last = cpu;
    return last < 0 ? AE_CPUS_MAX - 1 : (unsigned)last;
}

int ae_isolation_read(struct ae_isolation *isolation)
{
    char *text;
    ssize_t length = ae_root_read_all("/proc/cmdline", &text);

    if (length < 0)
        return (int)length;
    ae_isolation_parse(isolation, text, ae_isolation_last());
    free(text);
    return 0;
}

enum ae_isolation_answer ae_isolation_ask(const struct ae_isolation *isolation,
                                          const struct ae_cmdline_word *word, unsigned last)
{
    struct meaning meaning;

    if (!understand(word, last, &meaning) || meaning.strange)
        return AE_ISOLATION_OTHER;
    if (meaning.kinds & isolation->strange)
        return AE_ISOLATION_CONFLICT;
    for (unsigned kind = 0; kind < AE_ISOLATION_KINDS; kind++)
        if ((meaning.kinds & isolation->named & BIT(kind)) &&
            !ae_cpus_equal(&isolation->cpus[kind], &meaning.cpus))
            return AE_ISOLATION_CONFLICT;
    if (meaning.kinds & ~isolation->named)
        return AE_ISOLATION_ABSENT;
    return (meaning.kinds & isolation->refused) ? AE_ISOLATION_TWICE : AE_ISOLATION_PRESENT;
}
