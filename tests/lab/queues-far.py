#!/usr/bin/env python3
"""The far end of tests/lab/queues: sends datagrams of many flows, three to the first queue for one to
the second, if the card spreads them by the hash of VIRTIO 1.2 5.1.6.4.3 with the key that Aether gives
it; and counts what came back unaltered. Whoever sends it a datagram on port 9000 is told, and it counts
anew: answers to flows of the first queue, of the second, flows answered, answers altered."""
import select
import socket
import struct
import time

FAR, GUEST = ("10.77.0.1", 0), ("10.77.0.2", 7)
KEY = int.from_bytes(b"\x6d\x5a" * 20, "big")
FLOWS = [48, 16]


def queue(source, destination):
    """Toeplitz: for each bit of the input that is set, the 32 bits of the key from there on."""
    data = b"".join(socket.inet_aton(address) for address, _ in (source, destination))
    data += struct.pack("!HH", source[1], destination[1])
    hashed = 0
    for bit in range(8 * len(data)):
        if data[bit // 8] & 0x80 >> bit % 8:
            hashed ^= KEY >> 320 - 32 - bit & 0xFFFFFFFF
    return hashed % 128 % 2


def open_flows():
    made = [[], []]
    while [len(flows) for flows in made] != FLOWS:
        flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        flow.bind(FAR)
        flow.setblocking(False)
        number = queue(flow.getsockname(), GUEST)
        if len(made[number]) < FLOWS[number]:
            made[number].append(flow)
    return made[0] + made[1]


flows = open_flows()
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.bind((FAR[0], 9000))

sent, answered, altered, seen = [set() for _ in flows], [0, 0], 0, set()
sequence, end, next_send = 0, time.time() + 200, 0.0
while time.time() < end:
    if time.time() >= next_send:
        next_send = time.time() + 0.01
        number = sequence % len(flows)
        payload = b"%d %d" % (number, sequence)
        sent[number].add(payload)
        try:
            flows[number].sendto(payload, GUEST)
        except OSError:
            pass  # nobody there yet
        sequence += 1
    for ready in select.select([*flows, asked], [], [], 0.005)[0]:
        try:
            data, peer = ready.recvfrom(2048)
        except OSError:
            continue  # "port unreachable", while the guest's kernel has the card
        if ready is asked:
            asked.sendto(b"%d %d %d %d\n" % (*answered, len(seen), altered), peer)
            answered, altered, seen = [0, 0], 0, set()
            continue
        number = flows.index(ready)
        answered[number >= FLOWS[0]] += 1
        altered += data not in sent[number]
        seen.add(number)
