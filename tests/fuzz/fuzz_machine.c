/* SPDX-License-Identifier: Apache-2.0 */

/* Addresses of PCI functions, and lines of the kernel's tables of connections. */

#include <stdlib.h>
#include <string.h>

#include "machine/netdev.c"
#include "machine/pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken for an address is one: it parses to itself. */
static void parse_address(const char *text)
{
    char address[AE_PCI_ADDRESS_TEXT], again[AE_PCI_ADDRESS_TEXT];

    if (ae_pci_parse(text, address))
        return;
    if (ae_pci_parse(address, again) || strcmp(address, again) != 0)
        abort();
}

static void parse_line(const char *line)
{
    static char variable[1024];
    static const uint8_t ipv4[4] = {192, 0, 2, 7};
    struct in6_addr address = mapped(ipv4);

    is_ssh_to(line, &address);
    /* setenv would keep every value for ever. */
    snprintf(variable, sizeof(variable), "SSH_CONNECTION=%s", line);
    putenv(variable);
    is_our_login(&address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    parse_address(text);
    parse_line(text);
    free(text);
    return 0;
}
