/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/notify.h"

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

static long submit(const struct ae_vhost_notifier *notifier, uint64_t buffer, int fd)
{
    struct iocb request = {
        .aio_lio_opcode = IOCB_CMD_PREAD,
        .aio_fildes = (uint32_t)notifier->nothing,
        .aio_buf = buffer,
        .aio_nbytes = 1,
        .aio_flags = IOCB_FLAG_RESFD,
        .aio_resfd = (uint32_t)fd,
    };
    struct iocb *requests[] = {&request};

    return syscall(SYS_io_submit, notifier->context, 1, requests);
}

bool ae_vhost_is_eventfd(const struct ae_vhost_notifier *notifier, int fd)
{
    /* What is to be signalled is looked up first: EINVAL, it is no eventfd; EBADF, it is but a name
     * (O_PATH). Then what is to be done is found impossible: reading to where no program has
     * memory. */
    return submit(notifier, UINT64_MAX, fd) < 0 && errno == EFAULT;
}

int ae_vhost_notify(const struct ae_vhost_notifier *notifier, int fd)
{
    struct io_event event;
    uint8_t byte;

    if (submit(notifier, (uintptr_t)&byte, fd) != 1)
        return -errno;
    /* Done already: makes room for the next. */
    syscall(SYS_io_getevents, notifier->context, 0, 1, &event, NULL);
    return 0;
}
