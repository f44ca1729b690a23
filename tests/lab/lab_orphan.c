/* SPDX-License-Identifier: Apache-2.0 */

/*
 * lab_orphan DIRECTORY [stay|SECONDS]: a hostile worker on a real card. It looks for the device
 * wherever it could be, and writes what it found into DIRECTORY/found; it leaves two processes
 * behind that have the card's registers, use them for ever, and say in DIRECTORY/alive that they
 * live.
 */

#include <fcntl.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "port/handoff.h"
#include "worker/shared.h"

/* All that a descriptor of the device would allow. */
static bool is_device(int fd)
{
    struct vfio_device_info info = {.argsz = sizeof(info)};

    return ioctl(fd, VFIO_DEVICE_GET_INFO, &info) == 0;
}

static unsigned devices_by_number(void)
{
    unsigned found = 0;

    for (int fd = 0; fd < 4096; fd++)
        found += is_device(fd);
    return found;
}

/* From the mapping back to the file. */
static bool device_by_mapping(uint64_t address, uint64_t size)
{
    char path[96];
    int fd;

    snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)address,
             (unsigned long)(address + size));
    fd = open(path, O_RDWR);
    return fd >= 0 && is_device(fd);
}

static _Noreturn void live_on(const char *directory, volatile const uint32_t *registers)
{
    char path[256];

    setsid();
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    snprintf(path, sizeof(path), "%s/alive", directory);
    for (;;) {
        FILE *alive = fopen(path, "w");

        if (alive) {
            fprintf(alive, "%d %x\n", getpid(), registers ? registers[0] : 0);
            fclose(alive);
        }
        usleep(20000);
    }
}

static void leave_behind(const char *directory, volatile const uint32_t *registers, bool twice)
{
    if (fork())
        return;
    setsid();
    if (twice && fork())
        _exit(0);
    live_on(directory, registers);
}

int main(int argc, char **argv)
{
    const char *fd = getenv(AE_SHARED_ENVIRONMENT);
    const struct ae_shared *shared;
    const struct ae_port_map *registers;
    char path[256];
    FILE *found;

    if (argc < 2 || !fd)
        return 2;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(fd), 0);
    if (shared == MAP_FAILED)
        return 2;
    registers = ae_handoff_find(&shared->ports[0], AE_PORT_MAP_REGISTERS, 0);
    snprintf(path, sizeof(path), "%s/found", argv[1]);
    found = fopen(path, "w");
    if (!found)
        return 2;
    fprintf(found, "registers %d handed %d numbers %u mapping %d\n", registers->mapped != 0,
            registers->fd, devices_by_number(),
            device_by_mapping(registers->mapped, registers->length));
    fclose(found);
    leave_behind(argv[1], (void *)(uintptr_t)registers->mapped, false);
    leave_behind(argv[1], (void *)(uintptr_t)registers->mapped, true);
    usleep(500000);
    if (argc > 2 && strcmp(argv[2], "stay") == 0)
        pause();
    else if (argc > 2)
        sleep((unsigned)atoi(argv[2]));
    return 0;
}
