/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Intel 82574L, the owner's half: reset, addresses, rings, link, statistics. Sections are those of
 * the "Intel 82574 GbE Controller Family Datasheet", revision 3.4.
 */

#include <errno.h>
#include <string.h>
#include <time.h>

#include <aether/clock.h>

#include "base/barrier.h"
#include "base/error.h"
#include "port/intel/e1000e_queue.h"
#include "port/owner.h"
#include "vfio/device.h"

#define TIMEOUT_MS 200
#define MTU        1500
#define MTU_MAX    (9234 - 4 - 18) /* of 9234 bytes, 4 are FCS, 18 header and tag (10.2.5.1) */

static uint32_t get(const struct ae_port_owner *owner, uint32_t offset)
{
    return ae_mmio_read32(owner->registers.base, offset);
}

static void set(struct ae_port_owner *owner, uint32_t offset, uint32_t value)
{
    ae_mmio_write32(owner->registers.base, offset, value);
}

static void sleep_us(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static int wait_for(struct ae_port_owner *owner, uint32_t offset, uint32_t mask, uint32_t value)
{
    for (int ms = 0; ms < TIMEOUT_MS; ms++) {
        if ((get(owner, offset) & mask) == value)
            return 0;
        sleep_us(1000);
    }
    return -ETIMEDOUT;
}

static int failed(const struct ae_port_owner *owner, int rc, const char *what, struct ae_error *err)
{
    if (get(owner, STATUS) == UINT32_MAX)
        return ae_error_set(err, -ENODEV,
                            "82574L: %s: its registers read as all ones, the device "
                            "is gone",
                            what);
    return ae_error_set(err, rc, "82574L: %s: no answer in %d ms", what, TIMEOUT_MS);
}

/* 4.6.2 Global Reset and General Configuration; 4.6.1: interrupts off on both sides of it. */
static int reset(struct ae_port_owner *owner, struct ae_error *err)
{
    set(owner, IMC, UINT32_MAX);
    set(owner, CTRL, get(owner, CTRL) | CTRL_RST);
    sleep_us(1000);
    if (wait_for(owner, CTRL, CTRL_RST, 0))
        return failed(owner, -ETIMEDOUT, "reset", err);
    if (wait_for(owner, EECD, EECD_AUTO_RD, EECD_AUTO_RD))
        return failed(owner, -ETIMEDOUT, "loading the NVM after reset", err);
    set(owner, IMC, UINT32_MAX);
    set(owner, ICR, UINT32_MAX);
    return 0;
}

/* 10.2.5.23: the NVM's address is in the first receive address register after reset. */
static int read_mac(struct ae_port_owner *owner, struct ae_error *err)
{
    uint32_t low = get(owner, RAL(0)), high = get(owner, RAH(0));
    uint8_t *mac = owner->handoff.info.mac;

    for (int i = 0; i < 4; i++)
        mac[i] = (uint8_t)(low >> 8 * i);
    for (int i = 0; i < 2; i++)
        mac[4 + i] = (uint8_t)(high >> 8 * i);
    if (!(high & RAH_AV) || mac[0] & 1 || (low == 0 && (high & 0xffff) == 0))
        return ae_error_set(err, -EIO, "82574L: its NVM holds no valid MAC address");
    return 0;
}

static void update_link(struct ae_port_owner *owner)
{
    static const uint32_t speeds[] = {10, 100, 1000, 1000};
    uint32_t status = get(owner, STATUS);
    struct ae_link old, link = {0};

    ae_port_read_link(owner->state, &old);
    if (status == UINT32_MAX) {
        link.device_gone = true;
    } else {
        link.device_gone = old.device_gone; /* the kernel may want it back */
        link.up = status & STATUS_LU;
        link.full_duplex = status & STATUS_FD;
        link.mbps = link.up ? speeds[status >> STATUS_SPEED_SHIFT & 3] : 0;
    }
    link.changes = old.changes + (link.up != old.up);
    ae_port_set_link(owner->state, &link);
}

/* 4.6.5.1 Receive: rings stay empty (RDH = RDT) until a worker fills them. */
static void init_receive(struct ae_port_owner *owner)
{
    uint64_t ring = owner->memory_iova.value +
                    ae_port_receive_ring_offset(owner->ops->queue, &owner->handoff, 0);

    set(owner, RDBAL, (uint32_t)ring);
    set(owner, RDBAH, (uint32_t)(ring >> 32));
    set(owner, RDLEN, owner->handoff.receive_ring * (uint32_t)sizeof(union e1000e_receive));
    set(owner, RDH, 0);
    set(owner, RDT, 0);
    set(owner, RDTR, 0);
    set(owner, RADV, 0);
    set(owner, RXDCTL, RXDCTL_GRAN | 1u << 16);
    set(owner, RFCTL, RFCTL_EXSTEN);
    set(owner, MRQC, 0);
    set(owner, RXCSUM, RXCSUM_IPOFLD | RXCSUM_TUOFLD);
}

/* 4.6.6 Transmit. Collision distances matter at half duplex only; values are the datasheet's. */
static void init_send(struct ae_port_owner *owner)
{
    uint64_t ring =
        owner->memory_iova.value + ae_port_send_ring_offset(owner->ops->queue, &owner->handoff, 0);

    set(owner, TDBAL, (uint32_t)ring);
    set(owner, TDBAH, (uint32_t)(ring >> 32));
    set(owner, TDLEN, owner->handoff.send_ring * (uint32_t)sizeof(struct e1000e_send));
    set(owner, TDH, 0);
    set(owner, TDT, 0);
    set(owner, TIDV, 0);
    set(owner, TADV, 0);
    set(owner, TXDCTL, TXDCTL_GRAN | TXDCTL_COUNT_DESC | 1u << 16);
    set(owner, TIPG, 8 | 8 << 10 | 6 << 20);
}

/* ---- What it lets in ---- */

/* 10.2.5.23: an address of which one half is written must not match. */
static void set_address(struct ae_port_owner *owner, unsigned slot, ae_mac_t mac)
{
    set(owner, RAH(slot), 0);
    set(owner, RAL(slot), (uint32_t)mac);
    if (mac)
        set(owner, RAH(slot), (uint32_t)(mac >> 32) | RAH_AV);
}

/* 10.2.5.1, RCTL.MO 0: bits 47:36 of the address choose one of the table's 4096. */
static void hash(uint32_t table[MTA_COUNT], ae_mac_t mac)
{
    uint32_t bit = (uint32_t)(mac >> 36);

    table[bit / 32] |= 1u << bit % 32;
}

/*
 * Unicast addresses are matched one by one before groups are, which can do with the hash table.
 * That lets in others of the same hash, and workers sift; so they do where unicast addresses are
 * too many, and the card lets in all.
 */
static uint32_t set_addresses(struct ae_port_owner *owner)
{
    const struct ae_filter *wanted = &owner->filter;
    uint32_t table[MTA_COUNT] = {0}, modes = 0;
    unsigned slot = 1; /* the first is the port's own */

    for (int group = 0; group < 2; group++)
        for (unsigned i = 0; i < wanted->count; i++) {
            ae_mac_t mac = wanted->addresses[i];

            if (ae_mac_is_group(mac) != group)
                continue;
            if (slot < RA_COUNT) {
                set_address(owner, slot++, mac);
                continue;
            }
            owner->filter_exact = false;
            if (group)
                hash(table, mac);
            else
                modes = RCTL_UPE;
        }
    for (; slot < RA_COUNT; slot++)
        set_address(owner, slot, 0);
    for (uint32_t i = 0; i < MTA_COUNT; i++)
        set(owner, MTA + 4 * i, table[i]);
    return modes;
}

/* 10.2.5.1. Frames of more than 1522 bytes go into buffers as small as that: it says 2048, and then
 * 1024, and some of ours is headroom. */
static uint32_t buffers(const struct ae_port_owner *owner)
{
    return owner->handoff.info.mtu > MTU ? RCTL_LPE | RCTL_BSIZE_1K : 0;
}

/* Tagged frames are let in as long as nothing is asked for. */
static int filter(struct ae_port_owner *owner, struct ae_error *err)
{
    const struct ae_filter *wanted = &owner->filter;
    uint32_t modes;

    owner->filter_exact = true;
    modes = set_addresses(owner);
    set(owner, VET, 0x8100);
    for (uint32_t i = 0; i < VFTA_COUNT; i++)
        set(owner, VFTA + 4 * i, wanted->vlans[i]);
    if (wanted->promiscuous)
        modes |= RCTL_UPE | RCTL_MPE;
    else if (wanted->set)
        modes |= RCTL_VFE;
    if (wanted->all_multicast)
        modes |= RCTL_MPE;
    set(owner, RCTL, (get(owner, RCTL) & RCTL_EN) | RCTL_BAM | RCTL_SECRC | buffers(owner) | modes);
    return get(owner, STATUS) == UINT32_MAX ? failed(owner, -ENODEV, "filtering", err) : 0;
}

static int probe(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc = ae_device_map_bar(owner->device, 0, &owner->registers, err);

    if (!rc)
        rc = ae_device_check_registers(owner->device, 0, 0, E1000E_REGISTERS, "82574L: registers",
                                       err);
    /* Nothing is to be stopped where nothing may be touched. */
    if (rc)
        owner->registers.base = NULL;
    return rc;
}

static int init(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc = reset(owner, err);

    if (!rc)
        rc = read_mac(owner, err);
    if (rc)
        return rc;
    memset(owner->statistics, 0, sizeof(owner->statistics));
    /* No flow control: a pause frame would stop the quiet CPU's sending without a trace. */
    set(owner, FCAL, 0);
    set(owner, FCAH, 0);
    set(owner, FCT, 0);
    set(owner, FCTTV, 0);
    /* Tags stay in their frames; QEMU's reset leaves what the kernel's driver had set. */
    set(owner, CTRL, (get(owner, CTRL) & ~(CTRL_FRCSPD | CTRL_FRCDPLX | CTRL_VME)) | CTRL_SLU);
    set(owner, CTRL_EXT, get(owner, CTRL_EXT) | CTRL_EXT_DRV_LOAD);
    /* Nanoseconds since now. */
    set(owner, TIMINCA, TIMINCA_PERIOD | TIMINCA_NS);
    set(owner, SYSTIML, 0);
    set(owner, SYSTIMH, 0);
    set(owner, TSYNCTXCTL, TSYNCTXCTL_EN);
    get(owner, TXSTMPH); /* of another driver's frame */
    init_receive(owner);
    init_send(owner);
    return 0;
}

/* 7.4.3: in MSI-X mode every cause but the queues' is "other"; it is the only vector in use. */
static int enable(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc = filter(owner, err);

    if (rc)
        return rc;
    set(owner, RCTL, get(owner, RCTL) | RCTL_EN);
    set(owner, TCTL,
        TCTL_EN | TCTL_PSP | 0x0fu << TCTL_CT_SHIFT | 0x3fu << TCTL_COLD_SHIFT | TCTL_MULR);
    set(owner, EIAC, 0);
    set(owner, IVAR, IVAR_VALID << IVAR_OTHER_SHIFT);
    set(owner, IMS, ICR_LSC | ICR_OTHER);
    update_link(owner);
    return 0;
}

/* 5.2.3: no more requests of its own, and those under way are done, before bus mastering goes
 * off. */
static void disable(struct ae_port_owner *owner)
{
    set(owner, IMC, UINT32_MAX);
    set(owner, RCTL, get(owner, RCTL) & ~RCTL_EN);
    set(owner, TCTL, get(owner, TCTL) & ~TCTL_EN);
    set(owner, CTRL_EXT, get(owner, CTRL_EXT) & ~CTRL_EXT_DRV_LOAD);
    set(owner, CTRL, get(owner, CTRL) | CTRL_GIO_MASTER_DISABLE);
    wait_for(owner, STATUS, STATUS_GIO_MASTER_ENABLE, 0);
}

static void interrupt(struct ae_port_owner *owner)
{
    /* Reading clears on the card; QEMU's model wants the ones written back as well. */
    set(owner, ICR, get(owner, ICR));
    update_link(owner);
    set(owner, IMS, ICR_LSC | ICR_OTHER);
}

/* 10.2.7 Statistics: clear on read, stopping at all ones; two registers hold an octet count. */
static const struct {
    uint32_t offset;
    unsigned words;
    const char *name;
    const char *description;
} registers[] = {
    {0x04000, 1, "CRCERRS", "frames with a bad CRC"},
    {0x04004, 1, "ALGNERRC", "alignment errors"},
    {0x0400C, 1, "RXERRC", "receive errors of the PHY"},
    {0x04010, 1, "MPC", "missed packets: no room in the card"},
    {0x04014, 1, "SCC", "single collisions"},
    {0x0401C, 1, "MCC", "multiple collisions"},
    {0x04020, 1, "LATECOL", "late collisions"},
    {0x04028, 1, "COLC", "collisions"},
    {0x04030, 1, "DC", "deferred sends"},
    {0x04034, 1, "TNCRS", "sends without carrier"},
    {0x0403C, 1, "CEXTERR", "carrier extension errors"},
    {0x04040, 1, "RLEC", "receive length errors"},
    {0x04074, 1, "GPRC", "good packets received"},
    {0x04078, 1, "BPRC", "broadcasts received"},
    {0x0407C, 1, "MPRC", "multicasts received"},
    {0x04080, 1, "GPTC", "good packets transmitted"},
    {0x04088, 2, "GORC", "good octets received"},
    {0x04090, 2, "GOTC", "good octets transmitted"},
    {0x040A0, 1, "RNBC", "receives that found no descriptor"},
    {0x040A4, 1, "RUC", "received undersize"},
    {0x040A8, 1, "RFC", "received fragments"},
    {0x040AC, 1, "ROC", "received oversize"},
    {0x040B0, 1, "RJC", "received jabber"},
    {0x040D0, 1, "TPR", "total packets received"},
    {0x040D4, 1, "TPT", "total packets transmitted"},
};

#define REGISTERS (sizeof(registers) / sizeof(registers[0]))
_Static_assert(REGISTERS <= AE_STATISTICS_MAX, "room for every sum");

static int statistics(struct ae_port_owner *owner, struct ae_port_statistic *out, unsigned count)
{
    uint64_t news[REGISTERS];

    for (unsigned i = 0; i < REGISTERS; i++) {
        news[i] = get(owner, registers[i].offset);
        if (registers[i].words == 2)
            news[i] |= (uint64_t)get(owner, registers[i].offset + 4) << 32;
    }
    /* Asked afterwards: of a card that goes meanwhile, the rest would read as all ones. */
    if (get(owner, STATUS) != UINT32_MAX)
        for (unsigned i = 0; i < REGISTERS; i++)
            owner->statistics[i] += news[i];
    for (unsigned i = 0; i < REGISTERS && i < count; i++)
        out[i] = (struct ae_port_statistic){registers[i].name, registers[i].description,
                                            owner->statistics[i]};
    return (int)REGISTERS;
}

#define CLOCK_TRIES   50      /* as Linux reads it: the card may say bits that are wrong */
#define CLOCK_READ_NS 1000000 /* longer than two readings in a row may be apart */

/* High before and after low, which may overflow in between. */
static uint64_t read_clock(struct ae_port_owner *owner)
{
    uint32_t high, low, again = get(owner, SYSTIMH);
    int tries = CLOCK_TRIES;

    do {
        high = again;
        low = get(owner, SYSTIML);
        again = get(owner, SYSTIMH);
    } while (high != again && again != UINT32_MAX && --tries);
    return (uint64_t)high << 32 | low;
}

static int read_time(struct ae_port_owner *owner, struct ae_port_time *time, struct ae_error *err)
{
    uint64_t last = read_clock(owner);

    for (int i = 0; i < CLOCK_TRIES; i++) {
        time->before = ae_clock_ticks();
        time->device_ns = read_clock(owner);
        time->after = ae_clock_ticks();
        if (time->device_ns > last && time->device_ns - last < CLOCK_READ_NS &&
            time->device_ns % TIMINCA_NS == 0)
            return 0;
        last = time->device_ns;
    }
    if (get(owner, STATUS) == UINT32_MAX)
        return failed(owner, -ENODEV, "reading its clock", err);
    return ae_error_set(err, -EIO, "82574L: its clock stands still or jumps");
}

static const struct ae_pci_id ids[] = {
    {0x8086, 0x10d3, "Intel 82574L"},
    {0, 0, NULL},
};

static const struct ae_port_pci pci = {
    .ids = ids,
    .vectors = 1,
    .probe = probe,
    .init = init,
    .enable = enable,
    .disable = disable,
    .interrupt = interrupt,
};

static const char *const keys[] = {"mtu", NULL};

const struct ae_port_ops ae_port_e1000e = {
    .queue = &ae_queue_e1000e,
    .path = AE_PATH_DEVICE,
    .caller = AE_CALLER_NONE,
    .keys = keys,
    .pci = &pci,
    .transport = &ae_port_transport_pci,
    .ring_default = 256,
    .queues_max = 1,
    .mtu = MTU,
    .mtu_max = MTU_MAX,
    .segments_max = AE_FRAME_SEGMENTS,
    .features = AE_PORT_SEND_IPV4_CHECKSUM | AE_PORT_SEND_UDP_CHECKSUM | AE_PORT_SEND_TCP_CHECKSUM |
                AE_PORT_RECEIVE_CHECKSUM | AE_PORT_SEND_TIMESTAMP,
    .statistics = statistics,
    .filter = filter,
    .filter_addresses = RA_COUNT - 1,
    .filter_vlans = true,
    .no_steering = "the 82574L is driven with one queue",
    .clock = read_time,
};
