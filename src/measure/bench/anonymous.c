/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/bench/anonymous.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BETWEEN      " \t,;=()[]{}<>\"'|@" /* words */
#define ADDRESS_MOST 256                   /* longer words are no address */

static bool matches(const char *word, const char *pattern)
{
    regex_t regex;
    bool found;

    if (regcomp(&regex, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB))
        return false;
    found = regexec(&regex, word, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

/* "10.0.0.1", "10.0.0.1/24", "10.0.0.1:7", "fe80::1/64". A time, "::" and a PCI address are none.
 */
static bool is_address(const char *word)
{
    char copy[ADDRESS_MOST];
    struct in6_addr address;

    snprintf(copy, sizeof(copy), "%s", word);
    copy[strcspn(copy, "/%")] = '\0';
    if (inet_pton(AF_INET6, copy, &address) == 1)
        return strcmp(copy, "::") != 0;
    copy[strcspn(copy, ":")] = '\0';
    return inet_pton(AF_INET, copy, &address) == 1;
}

/* Itself without its domain, or with any behind it. */
static bool is_host(const char *word, const char *host)
{
    size_t length = host ? strcspn(host, ".") : 0;

    return length && strncasecmp(word, host, length) == 0 &&
           (word[length] == '\0' || word[length] == '.' || word[length] == ':');
}

/* Where files are of the system, not of a person. */
static bool is_system(const char *path)
{
    static const char *const tops[] = {"/sys/", "/proc/", "/dev/", "/usr/", "/etc/", "/boot/"};

    for (unsigned i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
        if (strncmp(path, tops[i], strlen(tops[i])) == 0)
            return true;
    return false;
}

/* What stands for a word, or the word itself. */
static const char *instead(const char *word, const char *host)
{
    if (is_host(word, host))
        return "HOST";
    if (is_address(word) || matches(word, "^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$") ||
        matches(word, "^(en|wl|ww)x[0-9a-f]{12}$")) /* an interface called by its address */
        return "ADDRESS";
    if (matches(word, "^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$"))
        return "UUID";
    if (matches(word, "^/home/[^/]*/?$"))
        return "HOME";
    if (word[0] == '/' && !is_system(word))
        return instead(strrchr(word, '/') + 1, host);
    return word;
}

/* Also what is behind the name of a port or a protocol, which stays: "tcp:10.0.0.1:7". */
static void put(FILE *out, const char *word, const char *host)
{
    const char *other = instead(word, host), *colon = strchr(word, ':');

    if (other == word && isalpha((unsigned char)word[0]) && colon) {
        fwrite(word, 1, (size_t)(colon + 1 - word), out);
        put(out, colon + 1, host);
    } else {
        fputs(other, out);
    }
}

/* The caller frees it. */
static char *plain(const char *text, const char *host)
{
    char *result = NULL;
    size_t size;
    FILE *out = open_memstream(&result, &size);

    while (out && *text) {
        size_t between = strspn(text, BETWEEN), length = strcspn(text + between, BETWEEN);
        char *word = strndup(text + between, length);

        fwrite(text, 1, between, out);
        if (word)
            put(out, word, host);
        free(word);
        text += between + length;
    }
    if (out)
        fclose(out);
    return result;
}

void ae_anonymous(json_t *all, const char *host)
{
    const char *name;
    json_t *item;
    size_t i;

    if (json_is_object(all)) {
        json_object_foreach (all, name, item)
            ae_anonymous(item, host);
    } else if (json_is_array(all)) {
        json_array_foreach (all, i, item)
            ae_anonymous(item, host);
    } else if (json_is_string(all)) {
        char *text = plain(json_string_value(all), host);

        json_string_set(all, text ? text : "");
        free(text);
    }
}

static bool is_kept(const char *parameter, size_t length)
{
    static const char *const names[] = {
        "isolcpus",      "nohz",        "nohz_full",      "rcu_nocbs",
        "rcu_nocb_poll", "irqaffinity", "iommu",          "intel_iommu",
        "amd_iommu",     "idle",        "mitigations",    "nosmt",
        "skew_tick",     "tsc",         "clocksource",    "hugepages",
        "hugepagesz",    "nowatchdog",  "nmi_watchdog",   "default_hugepagesz",
        "nosoftlockup",  "preempt",     "threadirqs",     "transparent_hugepage",
        "intel_pstate",  "amd_pstate",  "audit",          "processor.max_cstate",
        "maxcpus",       "nr_cpus",     "numa_balancing", "intel_idle.max_cstate",
        "mce",           "cpuidle.off", "kthread_cpus",   "pcie_aspm"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == length && strncmp(parameter, names[i], length) == 0)
            return true;
    return false;
}

char *ae_anonymous_parameters(const char *line)
{
    char *kept = calloc(1, strlen(line) + 1), *end = kept;

    while (kept && *line) {
        size_t length = strcspn(line, " ");

        if (is_kept(line, strcspn(line, " ="))) {
            if (end > kept)
                *end++ = ' ';
            memcpy(end, line, length);
            end += length;
        }
        line += length + (line[length] == ' ');
    }
    return kept;
}
