/* SPDX-License-Identifier: Apache-2.0 */

/* IPv4 addresses as text, and groups as MAC addresses. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aether/net.h>

int ae_ipv4_parse(const char *text, ae_ipv4_t *address)
{
    struct in_addr in;

    if (inet_pton(AF_INET, text, &in) != 1)
        return -EINVAL;
    address->be = in.s_addr;
    return 0;
}

void ae_ipv4_format(ae_ipv4_t address, char text[AE_IPV4_TEXT])
{
    const uint8_t *bytes = (const uint8_t *)&address.be;

    snprintf(text, AE_IPV4_TEXT, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
}

int ae_ipv4_parse_prefix(const char *text, ae_ipv4_t *address, uint8_t *prefix)
{
    const char *slash = strchr(text, '/');
    char host[AE_IPV4_TEXT], *end;
    unsigned long bits;

    if (!slash || (size_t)(slash - text) >= sizeof(host) || slash[1] < '0' || slash[1] > '9')
        return -EINVAL;
    memcpy(host, text, (size_t)(slash - text));
    host[slash - text] = '\0';
    bits = strtoul(slash + 1, &end, 10);
    if (*end || bits < 1 || bits > 32)
        return -EINVAL;
    *prefix = (uint8_t)bits;
    return ae_ipv4_parse(host, address);
}

int ae_ipv4_group_mac(ae_ipv4_t group, uint8_t mac[6])
{
    const uint8_t *bytes = (const uint8_t *)&group.be;

    if (bytes[0] >> 4 != 0xe)
        return -EINVAL;
    memcpy(mac, (const uint8_t[]){0x01, 0x00, 0x5e, bytes[1] & 0x7f, bytes[2], bytes[3]}, 6);
    return 0;
}
