/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost_notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

int ae_vhost_notifier_open(struct ae_vhost_notifier *notifier, struct ae_error *err)
{
    notifier->context = 0;
    notifier->nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (notifier->nothing < 0)
        return ae_error_set(err, -errno, "opening /dev/null: %s", strerror(errno));
    if (syscall(SYS_io_setup, 1, &notifier->context)) {
        int rc = ae_error_set(err, -errno, "io_setup: %s%s", strerror(errno),
                              errno == EAGAIN ? "; raise fs.aio-max-nr (sysctl)" : "");

        close(notifier->nothing);
        notifier->context = 0;
        return rc;
    }
    return 0;
}

void ae_vhost_notifier_close(struct ae_vhost_notifier *notifier)
{
    if (!notifier->context)
        return;
    syscall(SYS_io_destroy, notifier->context);
    close(notifier->nothing);
    notifier->context = 0;
}

int ae_vhost_notify(const struct ae_vhost_notifier *notifier, int fd)
{
    uint8_t byte;
    struct iocb request = {
        .aio_lio_opcode = IOCB_CMD_PREAD,
        .aio_fildes = (uint32_t)notifier->nothing,
        .aio_buf = (uintptr_t)&byte,
        .aio_nbytes = sizeof(byte),
        .aio_flags = IOCB_FLAG_RESFD,
        .aio_resfd = (uint32_t)fd,
    };
    struct iocb *requests[] = {&request};
    struct io_event event;

    if (syscall(SYS_io_submit, notifier->context, 1, requests) != 1)
        return -errno;
    /* Done already: makes room for the next. */
    syscall(SYS_io_getevents, notifier->context, 0, 1, &event, NULL);
    return 0;
}
