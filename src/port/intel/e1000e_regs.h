/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_INTEL_E1000E_REGS_H
#define AE_PORT_INTEL_E1000E_REGS_H

/*
 * Registers and descriptors of the Intel 82574L, named as in "Intel 82574 GbE Controller Family
 * Datasheet", revision 3.4: registers in chapter 10, descriptors in 7.1 (receive) and 7.2
 * (transmit).
 */

#include <stdint.h>

/* 10.2.2 General */
#define CTRL                     0x00000
#define CTRL_FD                  (1u << 0)
#define CTRL_GIO_MASTER_DISABLE  (1u << 2)
#define CTRL_ASDE                (1u << 5)
#define CTRL_SLU                 (1u << 6)
#define CTRL_FRCSPD              (1u << 11)
#define CTRL_FRCDPLX             (1u << 12)
#define CTRL_RST                 (1u << 26)
#define CTRL_VME                 (1u << 30)
#define STATUS                   0x00008
#define STATUS_FD                (1u << 0)
#define STATUS_LU                (1u << 1)
#define STATUS_SPEED_SHIFT       6
#define STATUS_GIO_MASTER_ENABLE (1u << 19)
#define EECD                     0x00010
#define EECD_AUTO_RD             (1u << 9)
#define CTRL_EXT                 0x00018
#define CTRL_EXT_DRV_LOAD        (1u << 28)
#define FCAL                     0x00028
#define FCAH                     0x0002C
#define FCT                      0x00030
#define VET                      0x00038
#define FCTTV                    0x00170

/* 10.2.4 Interrupts */
#define ICR              0x000C0
#define IMS              0x000D0
#define IMC              0x000D8
#define EIAC             0x000DC
#define IVAR             0x000E4
#define IVAR_OTHER_SHIFT 16
#define IVAR_VALID       (1u << 3)
#define ICR_LSC          (1u << 2)
#define ICR_OTHER        (1u << 24)

/* 10.2.5 Receive */
#define RCTL          0x00100
#define RCTL_EN       (1u << 1)
#define RCTL_UPE      (1u << 3)
#define RCTL_MPE      (1u << 4)
#define RCTL_LPE      (1u << 5)
#define RCTL_BAM      (1u << 15)
#define RCTL_BSIZE_1K (1u << 16) /* with BSEX 0; 0: 2048 */
#define RCTL_VFE      (1u << 18)
#define RCTL_SECRC    (1u << 26)
#define RDBAL         0x02800
#define RDBAH         0x02804
#define RDLEN         0x02808
#define RDH           0x02810
#define RDT           0x02818
#define RDTR          0x02820
#define RXDCTL        0x02828
#define RXDCTL_GRAN   (1u << 24)
#define RADV          0x0282C
#define RXCSUM        0x05000
#define RXCSUM_IPOFLD (1u << 8)
#define RXCSUM_TUOFLD (1u << 9)
#define RFCTL         0x05008
#define RFCTL_EXSTEN  (1u << 15)
#define MTA           0x05200
#define MTA_COUNT     128
#define RAL(n)        (0x05400 + 8u * (n))
#define RAH(n)        (0x05404 + 8u * (n))
#define RA_COUNT      15 /* of 16; the last is left alone, as by Linux */
#define RAH_AV        (1u << 31)
#define VFTA          0x05600
#define VFTA_COUNT    128
#define MRQC          0x05818

/* 10.2.6 Transmit */
#define TCTL              0x00400
#define TCTL_EN           (1u << 1)
#define TCTL_PSP          (1u << 3)
#define TCTL_CT_SHIFT     4
#define TCTL_COLD_SHIFT   12
#define TCTL_MULR         (1u << 28)
#define TIPG              0x00410
#define TDBAL             0x03800
#define TDBAH             0x03804
#define TDLEN             0x03808
#define TDH               0x03810
#define TDT               0x03818
#define TIDV              0x03820
#define TXDCTL            0x03828
#define TXDCTL_GRAN       (1u << 24)
#define TXDCTL_COUNT_DESC (1u << 22)
#define TADV              0x0382C

/* 10.2.9 Time synchronization: at each period of 1 / 25 MHz, SYSTIM grows by the increment */
#define SYSTIML          0x0B600
#define SYSTIMH          0x0B604
#define TIMINCA          0x0B608
#define TIMINCA_PERIOD   (1u << 24)
#define TIMINCA_NS       40u
#define TSYNCTXCTL       0x0B614
#define TSYNCTXCTL_VALID (1u << 0) /* till TXSTMPH is read; no other frame is stamped before */
#define TSYNCTXCTL_EN    (1u << 4)
#define TXSTMPL          0x0B618
#define TXSTMPH          0x0B61C
#define E1000E_REGISTERS (TXSTMPH + 4) /* bytes from the start of BAR 0 up to the last of these */

/* 7.1.5 Extended receive descriptor */
struct e1000e_receive_read {
    uint64_t buffer_address;
    uint64_t reserved; /* holds DD when written back, so 0 */
};

struct e1000e_receive_write_back {
    uint32_t mrq;
    uint32_t rss_hash;
    uint32_t status_error; /* Extended Status 19:0, Extended Error 31:20 */
    uint16_t length;
    uint16_t vlan_tag;
};

union e1000e_receive {
    struct e1000e_receive_read read;
    struct e1000e_receive_write_back write_back;
};

#define RXD_DD    (1u << 0)
#define RXD_EOP   (1u << 1)
#define RXD_IXSM  (1u << 2)
#define RXD_UDPCS (1u << 4)
#define RXD_L4CS  (1u << 5)
#define RXD_IPCS  (1u << 6)
#define RXD_CE    (1u << 24)
#define RXD_SE    (1u << 25)
#define RXD_SEQ   (1u << 26)
#define RXD_CXE   (1u << 28)
#define RXD_L4E   (1u << 29)
#define RXD_IPE   (1u << 30)
#define RXD_RXE   (1u << 31)

/* 7.2.4 Legacy, 7.2.6 context, 7.2.7 extended data: one layout, told apart by DEXT and DTYP */
struct e1000e_send {
    uint64_t address;        /* context: IPCSS 7:0, IPCSO 15:8, IPCSE 31:16, TUCSS 39:32, ... */
    uint32_t length_command; /* length 19:0, DTYP 23:20, command 31:24 */
    uint32_t status_options; /* STA 3:0, ExtCMD 7:4 and POPTS 15:8, or HDRLEN and MSS (context) */
};

#define TXD_DTYP_DATA (1u << 20)
#define TXD_EOP       (1u << 24)
#define TXD_IFCS      (1u << 25)
#define TXD_RS        (1u << 27)
#define TXD_DEXT      (1u << 29)
#define TXD_TUCMD_TCP (1u << 24)
#define TXD_TUCMD_IP  (1u << 25)
#define TXD_DD        (1u << 0)
#define TXD_TSTMP     (1u << 4)
#define TXD_IXSM      (1u << 8)
#define TXD_TXSM      (1u << 9)

_Static_assert(sizeof(union e1000e_receive) == 16, "7.1.5");
_Static_assert(sizeof(struct e1000e_send) == 16, "7.2.4");

#endif
