/* SPDX-License-Identifier: Apache-2.0 */
#include "made_owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/pci_regs.h>

#include "made_function.h"
#include "made_root.h"

struct ae_port_owner *made_owner_open(const struct ae_port_options *options)
{
    struct ae_port_owner *owner;
    struct ae_error err;

    if (ae_port_owner_open(&owner, MADE_ADDRESS, options, &err))
        fail_msg("%s", err.text);
    return owner;
}

int made_owner_end(void **state)
{
    bool well = !made_function.masters && !made_function.unmapped_early;

    made_function_end();
    return made_root_end(state) || !well ? -1 : 0;
}

bool made_owner_masters(void)
{
    return made_config_get(PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}

struct ae_link made_owner_link(const struct ae_port_owner *owner)
{
    struct ae_link link;

    ae_port_owner_get_link(owner, &link);
    return link;
}
