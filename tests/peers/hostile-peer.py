# SPDX-License-Identifier: Apache-2.0
"""A hostile vhost-user peer: sequences that are nearly right, descriptors of every kind, too many of them and
with messages that take none, memory that shrinks, grows and has holes, rings that are written while they are
read.

    hostile-peer.py front PATH SECONDS SEED    connects, as a front end
    hostile-peer.py back PATH SECONDS SEED     listens, as a back end
"""
import ctypes
import os
import random
import socket
import struct
import sys
import time

SIDE, PATH, SECONDS, SEED = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
END = time.monotonic() + SECONDS
SIZE = 1 << 20
USER = 0x7F0000000000
LIBC = ctypes.CDLL(None)
HAVE_ANSWERS = {1, 11, 15, 17, 24, 26, 31, 36, 40}
dice = random.Random(SEED)
said = connections = 0


def memory(size=SIZE):
    fd = os.memfd_create("peer", dice.choice([1, 3]))
    os.ftruncate(fd, size)
    return fd


def odd():
    """A descriptor that no message is for."""
    kind = dice.randrange(9)
    if kind == 0:
        return os.open("/dev/null", os.O_RDWR)
    if kind == 1:
        return os.open("/etc/hostname", os.O_RDONLY)
    if kind == 2:
        return os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    if kind == 3:
        one, other = os.pipe()
        os.close(one)
        return other
    if kind == 4:
        return socket.socket(socket.AF_UNIX).detach()
    if kind == 5:
        return os.dup(0)
    if kind == 6:
        fd = memory()
        again = os.open(f"/proc/self/fd/{fd}", dice.choice([os.O_RDONLY, os.O_PATH]))
        os.close(fd)
        return again
    if kind == 7:
        return lingering()
    return os.pidfd_open(os.getpid())


def lingering():
    """Who closes it last waits, or should."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    one = socket.create_connection(listener.getsockname())
    kept.append((listener.accept()[0], one.fileno()))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    one.setblocking(False)
    try:
        while True:
            one.send(b"x" * 65536)
    except BlockingIOError:
        pass
    return one.detach()


kept = []  # the far end of one that lingers, and it


def let_go(fds):
    """Closes. Not those that linger, which would make us wait, too, as long as their far end is there."""
    lingering_fds = {fd for _, fd in kept}
    for fd in set(fds) - lingering_fds:
        os.close(fd)
    while len(kept) > 16:
        far, fd = kept.pop(0)
        far.close()
        os.close(fd)


calm = False  # for now: a good peer


def pick(first, *others):
    return first if calm else dice.choice([first, *others])


def pack_message(request, payload=b"", flags=1):
    if calm:
        return struct.pack("<III", request, flags, len(payload)) + payload
    if dice.random() < .03:
        payload = dice.randbytes(len(payload))
    if dice.random() < .02:
        request = dice.randrange(45)
    message = struct.pack("<III", request, flags, len(payload)) + payload
    if dice.random() < .01:
        message = dice.randbytes(dice.randrange(1, 64))
    if dice.random() < .02:
        message = message[:dice.randrange(1, len(message))]
    return message


def say(peer, request, payload=b"", fds=(), flags=1):
    """May add a descriptor, or very many; ends the connection when the other side has."""
    global said
    said += 1
    fds, extra = list(fds), []
    if not calm and dice.random() < .02:
        extra = [dice.choice([odd, memory, lambda: os.eventfd(0)])()] * dice.choice([1, 2, 9, 253])
    try:
        socket.send_fds(peer, [pack_message(request, payload, flags)], (fds + extra)[:253])
    except OSError as error:
        raise EOFError from error
    finally:
        let_go(extra)


def hear(peer):
    try:
        if not peer.recv(4096):
            raise EOFError
    except TimeoutError:
        pass
    except OSError as error:
        raise EOFError from error


def spoil(fd, size):
    """While the other side uses it."""
    try:
        for _ in range(dice.randrange(8)):
            os.pwrite(fd, dice.randbytes(dice.randrange(1, 4096)), dice.randrange(size - 4096))
        os.pwrite(fd, struct.pack("<HH", 0, dice.randrange(65536)), 16 * 256)
        time.sleep(dice.choice([0, 0, .001, .005]))
        fate = dice.random()
        if fate < .2:
            os.ftruncate(fd, dice.choice([0, 4096, size // 2]))
        elif fate < .4:
            LIBC.fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(size))
        elif fate < .5:
            os.ftruncate(fd, size * 4)
    except OSError:
        pass


# ---- A front end ----

def ask(peer, request, payload=b"", fds=()):
    flags = 1 | (8 if dice.random() < .3 else 0)
    say(peer, request, payload, fds, flags)
    if request in HAVE_ANSWERS or flags & 8:
        hear(peer)


def set_memory(peer, fds):
    count = pick(1, 1, 1, 2, 8)
    files = [memory() if calm or dice.random() < .95 else dice.choice([odd, lambda: os.eventfd(0)])()
             for _ in range(count)]
    fds += files
    regions = b"".join(struct.pack("<QQQQ", i * SIZE * 2, SIZE, USER + i * SIZE * 2, 0) for i in range(count))
    ask(peer, 5, struct.pack("<II", count, 0) + regions, files)
    return files[0]


def set_ring(peer, ring, fds):
    size = pick(256, 256, 16, 2, 1024)
    at = USER + pick(0, 0, 0x10000, SIZE - 4096) + ring * 0x8000
    ask(peer, 8, struct.pack("<II", ring, size))
    ask(peer, 10, struct.pack("<II", ring, pick(0, 0, 0, 65535, 1 << 31 | 1 << 15)))
    available = at + 16 * size
    ask(peer, 9, struct.pack("<IIQQQQ", ring, 0, at, (available + 2 * size + 9) // 4 * 4, available, 0))
    for request in (13, 14, 12):
        fd = os.eventfd(0) if calm or dice.random() < .98 else odd()
        fds.append(fd)
        if dice.random() < .1:
            os.set_blocking(fd, False)
        ask(peer, request, struct.pack("<Q", ring), [fd])
    ask(peer, 18, struct.pack("<II", ring, 1))


def front(peer, fds):
    """The first is good until its rings run: what nobody gets as far as is not tried."""
    global calm
    calm = connections == 1 or dice.random() < .1
    ask(peer, 1)
    features = 1 << 32 | 1 << 30
    for bit in (34, 35, 15):
        features |= pick(0, 0, 1) << bit
    ask(peer, 15)
    ask(peer, 16, struct.pack("<Q", pick(1 | 8, 1 | 2 | 4 | 8, 9 | 1 << 9 | 1 << 16)))
    ask(peer, 3)
    ask(peer, 2, struct.pack("<Q", features))
    for _ in range(dice.randrange(1, 6)):
        file = set_memory(peer, fds)
        for ring in (0, 1):
            set_ring(peer, ring, fds)
        calm = False
        spoil(file, SIZE)
        if dice.random() < .5:
            ask(peer, 11, struct.pack("<II", dice.randrange(2), 0))


# ---- A back end ----

def answer(peer, request, flags, fds):
    body, files = None, []
    if calm and request == 15:
        body = struct.pack("<Q", 1 << 12 | 8)
    elif calm and request == 17:
        body = struct.pack("<Q", 1)
    elif calm and request == 31:
        files = [memory(8192)]
        body = struct.pack("<QQHH", 4096, 0, 2, 256)
    elif request == 1:
        body = struct.pack("<Q", 1 << 32 | 1 << 30 | dice.randrange(2) << 34)
    elif request == 15:
        body = struct.pack("<Q", dice.choice([0, 8, 1 << 12, 1 << 12 | 8, 9 | 1 << 9]))
    elif request == 17:
        body = struct.pack("<Q", dice.choice([1, 1, 1, 0, 1 << 40]))
    elif request == 24:
        body = struct.pack("<III", 0, 12, 0) + dice.randbytes(12)
    elif request == 31:
        files = [memory(8192) if dice.random() < .7 else odd()]
        body = struct.pack("<QQHH", dice.choice([4096, 8192, 1 << 62]), dice.choice([0, 0, 4096]), 2, 256)
    elif request == 11:
        body = struct.pack("<II", dice.choice([0, 1]), dice.randrange(65536))
    elif flags & 8:
        body = struct.pack("<Q", not calm and dice.random() < .02)
    if body is not None and (calm or dice.random() < .98):
        fds += files
        say(peer, request, body, files, 5)


def back(peer, fds):
    """Keeps the memory that it is given, and spoils it."""
    global calm
    shared, calm = None, dice.random() < .8
    while time.monotonic() < END and dice.random() > .002:
        try:
            head, files, _, _ = socket.recv_fds(peer, 12, 8)
        except TimeoutError:
            if shared is not None:
                spoil(shared, SIZE)
            continue
        except OSError:
            return
        fds += files
        if len(head) < 12:
            return
        request, flags, size = struct.unpack("<III", head)
        while size > 0 and (some := peer.recv(size)):
            size -= len(some)
        if request == 5 and files:
            shared = files[0]
        if request == 18 and dice.random() < .5:
            calm = False
        for fd in files if request == 12 and dice.random() < .2 else ():
            os.write(fd, struct.pack("<Q", 2**64 - 2 if dice.random() < .5 else 1))
        answer(peer, request, flags, fds)


def serve(peer, side):
    global connections
    connections += 1
    peer.settimeout(.02)
    fds = []
    try:
        side(peer, fds)
    except (EOFError, OSError):
        pass
    # First its own, so that the other side has the last of what is on its way.
    let_go(fds)
    peer.close()


def main():
    if SIDE == "back":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(PATH)
        os.chmod(PATH, 0o666)
        listener.listen(4)
        listener.settimeout(.1)
    while time.monotonic() < END:
        try:
            if SIDE == "back":
                peer = listener.accept()[0]
            else:
                peer = socket.socket(socket.AF_UNIX)
                peer.connect(PATH)
        except (OSError, TimeoutError):
            time.sleep(.01)
            continue
        serve(peer, back if SIDE == "back" else front)
    for far, _ in kept:
        far.close()
    print(f"# {SIDE} end, seed {SEED}: {connections} connections, {said} messages")


main()
