/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/message.h"

#include <string.h>
#include <unistd.h>

void ae_vhost_init(struct vhost_user_message *message, enum vhost_user_kind kind, uint32_t request)
{
    memset(message, 0, sizeof(*message));
    message->request = request;
    message->flags = VHOST_USER_VERSION | (ae_vhost_is_reply(kind) ? VHOST_USER_REPLY_MASK : 0);
}

void ae_vhost_close_fds(struct vhost_user_message *message)
{
    for (uint32_t i = 0; i < message->fd_count; i++)
        if (message->fds[i] >= 0)
            close(message->fds[i]);
    message->fd_count = 0;
}

int ae_vhost_take_fd(struct vhost_user_message *message, unsigned index)
{
    int fd = -1;

    if (index < message->fd_count) {
        fd = message->fds[index];
        message->fds[index] = -1;
    }
    return fd;
}
