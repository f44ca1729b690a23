/* SPDX-License-Identifier: Apache-2.0 */
#include "port/domains.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "packet/domain.h"

#define KEY ",domain="

void ae_domains_name(const char *spec, char *name)
{
    const char *at = strstr(spec, KEY);
    int length = at ? (int)strcspn(at + strlen(KEY), ",") : 0;

    snprintf(name, AE_PORT_SPEC, "%.*s", length, at ? at + strlen(KEY) : "");
}

static bool is_due(const struct ae_port_options *options, const char *spec, const char *name)
{
    char other[AE_PORT_SPEC];

    ae_domains_name(spec, other);
    return !options->domain && strcmp(name, other) == 0;
}

/* For a port, and for those behind it that name the same. */
static int open_one(struct ae_domain **domains, const char *const *specs,
                    const struct ae_port_options *options, const char *name, unsigned count,
                    struct ae_error *err)
{
    struct ae_domain_options domain = {
        .page_size = options->page_size, .on_node = options->on_node, .node = options->node};
    struct ae_port_plan plan;
    int rc = 0;

    for (unsigned i = 0; i < count && !rc; i++)
        if (is_due(&options[i], specs[i], name)) {
            rc = ae_port_plan(&plan, specs[i], &options[i], err);
            domain.packets += rc ? 0 : plan.packets;
        }
    if (!rc)
        rc = ae_domain_create(&domains[0], &domain, err);
    for (unsigned i = 1; i < count && !rc; i++)
        if (is_due(&options[i], specs[i], name))
            domains[i] = ae_domain_hold(domains[0]);
    return rc ? ae_error_prefix(err, rc, "domain %s", name) : 0;
}

int ae_domains_open(struct ae_domain **domains, const char *const *specs,
                    const struct ae_port_options *options, unsigned count, struct ae_error *err)
{
    char name[AE_PORT_SPEC];
    int rc = 0;

    for (unsigned i = 0; i < count; i++)
        domains[i] = options[i].domain ? ae_domain_hold(options[i].domain) : NULL;
    for (unsigned i = 0; i < count && !rc; i++) {
        ae_domains_name(specs[i], name);
        if (!domains[i] && name[0])
            rc = open_one(domains + i, specs + i, options + i, name, count - i, err);
    }
    if (rc)
        ae_domains_close(domains, count);
    return rc;
}

void ae_domains_close(struct ae_domain **domains, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ae_domain_close(domains[i]);
        domains[i] = NULL;
    }
}
