/* SPDX-License-Identifier: Apache-2.0 */

/* A child's variables: from a list, for what a caller has set is for the caller. */

#include "base/child.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const always[] = {"PATH", "LANG", "LC_*", "TERM", "AETHER_*", NULL};
static const char *const own[] = {"HOME", "USER", "LOGNAME", "SHELL", NULL};

static bool listed(const char *variable, const char *const *names)
{
    size_t length = strcspn(variable, "=");

    for (; names && *names; names++) {
        size_t plain = strcspn(*names, "*");

        if (strncmp(variable, *names, plain) == 0 &&
            ((*names)[plain] == '*' ? length >= plain : length == plain))
            return true;
    }
    return false;
}

static bool already(char *const *list, const char *variable)
{
    size_t length = strcspn(variable, "=");

    for (; *list; list++)
        if (strncmp(*list, variable, length) == 0 && (*list)[length] == '=')
            return true;
    return false;
}

/* Puts a copy at the end of the list, unless one of that name is there. */
static void put(char **list, char **room, const char *variable)
{
    size_t length = strlen(variable) + 1;

    if (!strchr(variable, '=') || already(list, variable))
        return;
    while (*list)
        list++;
    *list = memcpy(*room, variable, length);
    *room += length;
}

static void measure(const char *const *list, size_t *count, size_t *bytes)
{
    for (; list && *list; list++) {
        ++*count;
        *bytes += strlen(*list) + 1;
    }
}

char **ae_child_environment(const struct ae_child_world *world)
{
    const char *const *ours = (const char *const *)(size_t)environ;
    size_t count = AE_CHILD_USER_VARIABLES + 1, bytes = 0;
    char **list, *room;

    measure(ours, &count, &bytes);
    measure(world->set, &count, &bytes);
    for (unsigned i = 0; world->user && i < AE_CHILD_USER_VARIABLES; i++)
        bytes += strlen(ae_child_user_variable(world->user, i)) + 1;
    list = calloc(1, count * sizeof(*list) + bytes);
    if (!list)
        return NULL;
    room = (char *)(list + count);
    for (const char *const *at = world->set; at && *at; at++)
        put(list, &room, *at);
    for (unsigned i = 0; world->user && i < AE_CHILD_USER_VARIABLES; i++)
        put(list, &room, ae_child_user_variable(world->user, i));
    for (; ours && *ours; ours++)
        if (listed(*ours, always) || listed(*ours, world->pass) ||
            (!world->user && listed(*ours, own)))
            put(list, &room, *ours);
    return list;
}
