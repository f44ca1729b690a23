/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/netlink_message.h"

#include <errno.h>
#include <linux/rtnetlink.h>

int ae_netlink_transact(struct nlmsghdr *request, mnl_cb_t parse, void *context)
{
    struct mnl_socket *netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    char answer[AE_NETLINK_BUFFER];
    int rc = 0, more = MNL_CB_OK;

    if (!netlink)
        return -errno;
    request->nlmsg_seq = 1;
    if (mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) ||
        mnl_socket_sendto(netlink, request, request->nlmsg_len) < 0)
        rc = -errno;
    while (!rc && more > MNL_CB_STOP) {
        ssize_t got = mnl_socket_recvfrom(netlink, answer, sizeof(answer));

        more = got < 0 ? MNL_CB_ERROR
                       : mnl_cb_run(answer, (size_t)got, 1, mnl_socket_get_portid(netlink), parse,
                                    context);
        if (more < MNL_CB_STOP)
            rc = -errno;
    }
    mnl_socket_close(netlink);
    return rc;
}

struct nlmsghdr *ae_netlink_begin(char *buffer, uint16_t type, uint16_t flags)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    return message;
}
