/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/cards.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/root.h"
#include "machine/pci.h"
#include "partition/kernel.h"

static struct ae_error reason;

int ae_card_read(const char *address, char **value)
{
    const char *state = "free";
    char record[64];
    struct ae_pci pci;

    if (ae_pci_read(&pci, address, NULL))
        return -ENOENT;
    snprintf(record, sizeof(record), "/run/aether/nic/%s.json", address);
    if (ae_pci_is_vfio(&pci))
        state = "taken";
    else if (ae_root_exists(record))
        state = "interrupted";
    *value = strdup(state);
    return *value ? 0 : -ENOMEM;
}

int ae_card_write(const char *address, const char *value)
{
    bool take = strcmp(value, "taken") == 0;

    reason.text[0] = '\0';
    return (take ? ae_kernel.take_card : ae_kernel.give_card)(address, &reason);
}

const char *ae_card_reason(void)
{
    return reason.text;
}
