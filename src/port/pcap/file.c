/* SPDX-License-Identifier: Apache-2.0 */
#include "port/pcap/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/error.h"

#define NS         UINT64_C(1000000000)
#define BYTES_MOST (UINT64_C(1) << 30) /* of a file's frames */

/* ---- Reading ---- */

static int check_frame(const struct pcap_frames *frames, const struct pcap_pkthdr *header,
                       uint16_t mtu, struct ae_error *err)
{
    uint32_t number = frames->count + 1;

    if (header->caplen < header->len)
        return ae_error_set(err, -EMSGSIZE, "its frame %u was cut when it was captured: %u of %u",
                            number, header->caplen, header->len);
    if (header->caplen < AE_FRAME_MIN || header->caplen > AE_FRAME_MAX(mtu))
        return ae_error_set(err, -EMSGSIZE,
                            "its frame %u has %u bytes, and with an MTU of %u there are %u to %u "
                            "(mtu=, up to %d)",
                            number, header->caplen, mtu, AE_FRAME_MIN, AE_FRAME_MAX(mtu),
                            PCAP_MTU_MAX);
    if (frames->bytes + pcap_frame_bytes(header->caplen) > BYTES_MOST)
        return ae_error_set(err, -EFBIG, "it has more than %llu bytes",
                            (unsigned long long)BYTES_MOST);
    return 0;
}

static struct pcap_frame *add_frame(struct pcap_frames *frames, uint32_t length)
{
    uint64_t bytes = pcap_frame_bytes(length);
    struct pcap_frame *frame;

    if (frames->bytes + bytes > frames->room) {
        uint64_t room = 2 * frames->room + bytes;
        void *grown = realloc(frames->data, room);

        if (!grown)
            return NULL;
        frames->data = grown;
        frames->room = room;
    }
    frame = (void *)(frames->data + frames->bytes);
    memset(frame, 0, bytes);
    frames->bytes += bytes;
    frames->count++;
    return frame;
}

/* A file may go back in time: such a frame comes right behind the one before. */
static uint64_t due(const struct pcap_frames *frames, const struct pcap_pace *pace, uint64_t ns,
                    uint64_t *last_ns)
{
    uint64_t since = *last_ns && ns > *last_ns ? ns - *last_ns : 0;

    if (!*last_ns || ns > *last_ns)
        *last_ns = ns;
    if (pace->rate)
        return (frames->count - 1) * NS / pace->rate;
    return pace->speed ? frames->pass_ns + since / pace->speed : 0;
}

static int read_frames(struct pcap_frames *frames, pcap_t *file, const struct pcap_pace *pace,
                       uint16_t mtu, struct ae_error *err)
{
    struct pcap_pkthdr *header;
    const uint8_t *bytes;
    uint64_t last_ns = 0;
    int rc;

    while ((rc = pcap_next_ex(file, &header, &bytes)) == 1) {
        struct pcap_frame *frame;

        rc = check_frame(frames, header, mtu, err);
        if (rc)
            return rc;
        frame = add_frame(frames, header->caplen);
        if (!frame)
            return ae_error_set(err, -ENOMEM, "out of memory");
        frame->ns = (uint64_t)header->ts.tv_sec * NS + (uint64_t)header->ts.tv_usec;
        frame->due_ns = frames->pass_ns = due(frames, pace, frame->ns, &last_ns);
        frame->length = header->caplen;
        memcpy(frame->bytes, bytes, header->caplen);
    }
    if (rc != PCAP_ERROR_BREAK)
        return ae_error_set(err, -EBADMSG, "behind its frame %u: %s", frames->count,
                            pcap_geterr(file));
    if (!frames->count)
        return ae_error_set(err, -EBADMSG, "it has no frame");
    /* What begins a pass comes no sooner behind the last frame than it came to the next. */
    if (pace->rate)
        frames->pass_ns = frames->count * NS / pace->rate;
    return 0;
}

int ae_pcap_read(struct pcap_frames *frames, const char *path, const struct pcap_pace *pace,
                 uint16_t mtu, struct ae_error *err)
{
    char why[PCAP_ERRBUF_SIZE] = "";
    pcap_t *file = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
    int rc;

    *frames = (struct pcap_frames){.data = NULL};
    if (!file)
        return ae_error_set(err, -EBADMSG, "reading it: %s", why);
    if (pcap_datalink(file) == DLT_EN10MB)
        rc = read_frames(frames, file, pace, mtu, err);
    else
        rc = ae_error_set(err, -EBADMSG, "it is of '%s', and not of Ethernet",
                          pcap_datalink_val_to_description_or_dlt(pcap_datalink(file)));
    pcap_close(file);
    return rc ? ae_error_prefix(err, rc, "%s", path) : 0;
}

/* ---- Writing ---- */

struct ae_pcap_writer {
    pcap_t *file;
    pcap_dumper_t *out;
    uint64_t ticks, ns; /* the same moment by both clocks */
};

/* What is in it is other people's. Whoever reads a pipe could keep us, and a file that is there may
 * be open to all: to its owner alone it is made. */
static int make_out(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0600);
    struct stat file;
    int rc = 0;

    if (fd < 0)
        return errno == ENXIO ? -EINVAL : -errno;
    if (fstat(fd, &file))
        rc = -errno;
    else if (!S_ISREG(file.st_mode))
        rc = -EINVAL;
    else if (fchmod(fd, 0600) || ftruncate(fd, 0))
        rc = -errno;
    if (!rc)
        return fd;
    close(fd);
    return rc;
}

static int open_out(struct ae_pcap_writer *writer, const char *path, struct ae_error *err)
{
    int fd = make_out(path);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

    if (!out) {
        int rc = fd < 0 ? fd : -errno;

        if (fd >= 0)
            close(fd);
        return ae_error_set(err, rc, "write=%s: %s", path,
                            rc == -EINVAL ? "it is no regular file" : strerror(-rc));
    }
    writer->out = pcap_dump_fopen(writer->file, out);
    if (writer->out)
        return 0;
    fclose(out);
    return ae_error_set(err, -EIO, "write=%s: %s", path, pcap_geterr(writer->file));
}

int ae_pcap_writer_open(struct ae_pcap_writer **out, const char *path, uint32_t longest,
                        struct ae_error *err)
{
    struct ae_pcap_writer *writer = calloc(1, sizeof(*writer));
    struct timespec now;
    int rc = ae_clock_calibrate(err);

    if (!writer)
        return ae_error_set(err, -ENOMEM, "out of memory");
    writer->file =
        pcap_open_dead_with_tstamp_precision(DLT_EN10MB, (int)longest, PCAP_TSTAMP_PRECISION_NANO);
    if (!rc && !writer->file)
        rc = ae_error_set(err, -ENOMEM, "out of memory");
    if (!rc)
        rc = open_out(writer, path, err);
    if (rc) {
        ae_pcap_writer_close(writer);
        return rc;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    writer->ticks = ae_clock_ticks();
    writer->ns = (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
    *out = writer;
    return 0;
}

void ae_pcap_writer_put(struct ae_pcap_writer *writer, uint64_t ticks, const uint8_t *frame,
                        uint32_t length)
{
    uint64_t ns = writer->ns;
    struct pcap_pkthdr header = {.caplen = length, .len = length};

    if (ticks > writer->ticks)
        ns += ae_clock_to_ns(ticks - writer->ticks);
    header.ts.tv_sec = (time_t)(ns / NS);
    header.ts.tv_usec = (suseconds_t)(ns % NS);
    pcap_dump((u_char *)writer->out, &header, frame);
}

int ae_pcap_writer_flush(struct ae_pcap_writer *writer)
{
    return pcap_dump_flush(writer->out) || ferror(pcap_dump_file(writer->out)) ? -EIO : 0;
}

void ae_pcap_writer_close(struct ae_pcap_writer *writer)
{
    if (!writer)
        return;
    if (writer->out)
        pcap_dump_close(writer->out);
    if (writer->file)
        pcap_close(writer->file);
    free(writer);
}
