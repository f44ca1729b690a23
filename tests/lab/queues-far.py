#!/usr/bin/env python3
"""The far end of tests/lab/queues: sends datagrams from many ports, so many flows, and counts how many
came back unaltered. Whoever sends it a datagram on port 9000 is told."""
import select
import socket
import time

GUEST = ("10.77.0.2", 7)
FLOWS = 64

flows = []
for _ in range(FLOWS):
    flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flow.bind(("10.77.0.1", 0))
    flow.setblocking(False)
    flows.append(flow)
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.bind(("10.77.0.1", 9000))

sent, answered, altered, seen = [set() for _ in flows], 0, 0, set()
sequence, end, next_send = 0, time.time() + 110, 0.0
while time.time() < end:
    if time.time() >= next_send:
        next_send = time.time() + 0.01
        number = sequence % FLOWS
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
            asked.sendto(b"%d %d %d\n" % (answered, len(seen), altered), peer)
            continue
        number = flows.index(ready)
        answered += 1
        altered += data not in sent[number]
        seen.add(number)
