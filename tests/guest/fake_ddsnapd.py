# SPDX-License-Identifier: GPL-2.0
"""A daemon for the kernel target's tests: speaks kernel/ddsnap-protocol.h, remembers what it heard, and can misbehave.

It runs in threads of the test itself, so that a test can stop, kill, fill and question it between two lines. It keeps no
store: a WRITE is granted as soon as `on_write` says so (after an optional copy of the chunks, to compare with later), and a
snapshot's extents are whatever `on_extents` returns.
"""

import os
import socket
import struct
import threading
import time

MAGIC = 0x70736464
(HELLO, WELCOME, REFUSED, WRITE, GRANT, SNAP_READ, SNAP_WRITE, EXTENTS, UNLOCK, HOLD, HELD, RESUME, STATE, INVALID,
 INVALID_ACK, BYE, BYE_ACK) = range(1, 18)
NAMES = ("- HELLO WELCOME REFUSED WRITE GRANT SNAP_READ SNAP_WRITE EXTENTS UNLOCK HOLD HELD RESUME STATE INVALID "
         "INVALID_ACK BYE BYE_ACK").split()
NO_SNAPSHOTS, MAY_CACHE, SQUASHED = 1, 2, 4
DRAINED = 1  # a feature
STORE, ZERO, ORIGIN = 1, 2, 3
ERR_VERSION, ERR_VOLUME, ERR_NO_SNAPSHOT, ERR_SQUASHED, ERR_BUSY, ERR_IO = 1, 2, 3, 4, 5, 8
ERR_NO_SPACE, ERR_STOPPING = 9, 11

HEADER = struct.Struct("<IHHQ")
HELLO_BODY = struct.Struct("<IHHQIIQQ16s16sIIII16s8x128s")
REQUEST_BODY = struct.Struct("<QII")
LENGTHS = {HELLO: 256, WRITE: 32, SNAP_READ: 32, SNAP_WRITE: 32, UNLOCK: 16, HELD: 24, INVALID_ACK: 16, BYE: 16}


def message(kind, body=b"", ident=0):
    return HEADER.pack(HEADER.size + len(body), kind, 0, ident) + body


class Message:
    """One message that a client sent, and when."""

    def __init__(self, kind, ident, body):
        self.kind, self.ident, self.when = kind, ident, time.monotonic()
        self.first = self.count = self.epoch = 0
        if kind in (WRITE, SNAP_READ, SNAP_WRITE):
            self.first, self.count, self.epoch = REQUEST_BODY.unpack(body)
        elif kind == HELD:
            self.epoch, _ = struct.unpack("<II", body)

    def __repr__(self):
        return f"{NAMES[self.kind]}({self.ident:x}: {self.first}+{self.count} e{self.epoch})"


class Hello:
    def __init__(self, body):
        (self.magic, self.version, self.version_min, self.features, self.role, self.flags, self.snapshot, self.sectors,
         self.volume, self.client, self.kind, self.major, self.minor, self.epoch,
         self.snapshot_uuid, name) = HELLO_BODY.unpack(body)
        self.name = name.split(b"\0")[0].decode()


class Session:
    """One connection. Everything that the client says is appended to `heard`."""

    def __init__(self, daemon, sock):
        self.daemon, self.sock = daemon, sock
        self.hello = None
        self.heard = []
        self.closed = threading.Event()
        self.send_lock = threading.Lock()

    def send(self, data):
        try:
            with self.send_lock:
                self.sock.sendall(data)
        except OSError:
            pass

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data

    def next(self):
        length, kind, reserved, ident = HEADER.unpack(self.receive(HEADER.size))
        if LENGTHS.get(kind) != length or reserved:
            self.daemon.complain(f"a message of type {kind}, length {length}, reserved {reserved}")
        return kind, ident, self.receive(length - HEADER.size)

    def serve(self):
        try:
            kind, ident, body = self.next()
            if kind != HELLO:
                self.daemon.complain(f"the first message is {NAMES[kind]}")
            self.hello = Hello(body)
            self.daemon.on_hello(self, ident)
            while True:
                kind, ident, body = self.next()
                heard = Message(kind, ident, body)
                self.heard.append(heard)
                self.daemon.on_message(self, heard)
        except (OSError, ConnectionError):
            pass
        finally:
            self.closed.set()
            self.daemon.ended(self)


class FakeDaemon:
    """See the module. Attributes may be changed at any time by the test."""

    def __init__(self, path, chunk_shift=14, epoch=1, no_snapshots=False, origin=None, versions=(1, 1)):
        self.path, self.chunk_shift, self.epoch = path, chunk_shift, epoch
        self.flags = NO_SNAPSHOTS if no_snapshots else 0
        self.snapshot_flags = 0
        self.volume, self.snapshot_uuid = b"v" * 16, b"s" * 16
        self.credits, self.max_range, self.sectors = 64, 1024, 1 << 40
        self.versions = versions  # of the protocol: the oldest and the newest that it speaks
        self.origin = origin  # path of the origin, to copy chunks from before they are granted
        self.copies = {}  # chunk -> content before the first grant of the epoch
        self.granted = set()
        self.greeting = self.welcome  # what to do about a HELLO
        self.on_write = self.grant
        self.on_extents = lambda m: [(m.first, 0, m.count, ZERO)]
        self.answer_bye = True
        self.attached = None
        self.locks = set()  # (session, id) of answers with origin extents
        self.complaints = []
        self.sessions = []  # all there ever were
        self.lock = threading.RLock()
        self.listener = None

    # ---- life

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(16)
        self.listener = listener
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()
        return self

    def accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            session = Session(self, sock)
            self.sessions.append(session)
            threading.Thread(target=session.serve, daemon=True).start()

    def kill(self):
        """As kill -9 does: all sockets close; the socket's file stays."""
        listener, self.listener = self.listener, None
        if listener:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
        for session in self.sessions:
            if not session.closed.is_set():
                session.close()
                session.closed.wait(10)

    def complain(self, text):
        self.complaints.append(text)
        raise ConnectionError(text)

    def ended(self, session):
        with self.lock:
            self.locks = {lock for lock in self.locks if lock[0] is not session}

    # ---- sessions

    def live(self, role=None):
        return [s for s in self.sessions if s.hello and not s.closed.is_set() and (role is None or s.hello.role == role)]

    def on_hello(self, session, ident):
        hello = session.hello
        if hello.magic != MAGIC or hello.version < 1 or hello.kind != 1:
            self.complain("a HELLO that makes no sense")
        self.greeting(session, ident)

    def welcome(self, session, ident):
        hello = session.hello
        oldest, newest = self.versions
        if hello.version < oldest or hello.version_min > newest:
            self.refuse(session, ident, ERR_VERSION, f"the daemon speaks protocol versions {oldest} to {newest}, "
                        f"the client {hello.version_min} to {hello.version}")
        version = min(newest, hello.version)
        if hello.role == 1:
            if self.attached not in (None, hello.client):
                self.refuse(session, ident, ERR_BUSY, "another client is attached")
                return
            self.attached = hello.client
        flags = self.flags if hello.role == 1 else self.snapshot_flags
        session.send(message(WELCOME, struct.pack("<HHIQIIIIQ16sQ16s", version, self.chunk_shift, flags, 0, self.epoch,
                                                  self.credits, self.max_range, 0, self.sectors, self.volume,
                                                  len(self.sessions), self.snapshot_uuid if hello.role == 2 else bytes(16)),
                             ident))

    def refuse(self, session, ident, reason, text):
        session.send(message(REFUSED, struct.pack("<II128s", reason, 0, text.encode()), ident))
        raise ConnectionError

    def on_message(self, session, m):
        if m.kind == WRITE:
            if m.epoch == self.epoch:
                self.on_write(session, m)
        elif m.kind in (SNAP_READ, SNAP_WRITE):
            self.send_extents(session, m, self.on_extents(m))
        elif m.kind == UNLOCK:
            with self.lock:
                if (session, m.ident) not in self.locks:
                    self.complain(f"UNLOCK of what is not locked: {m}")
                self.locks.discard((session, m.ident))
        elif m.kind == BYE:
            if self.answer_bye:
                self.attached = None
                session.send(message(BYE_ACK))
                session.close()
        elif m.kind not in (HELD, INVALID_ACK):
            self.complain(f"unexpected {m}")

    # ---- answers

    def grant(self, session, m, extra=0):
        self.send_grant(session, m.ident, m.first, m.count + extra)

    def send_grant(self, session, ident, first, count, status=0, epoch=None):
        if status == 0:
            if self.origin:
                self.copy(first, count)
            self.granted.update(range(first, first + count))
        session.send(message(GRANT, struct.pack("<QIIII", first, count, self.epoch if epoch is None else epoch, status, 0),
                             ident))

    def copy(self, first, count):
        size = 1 << self.chunk_shift
        with open(self.origin, "rb", buffering=0) as origin:
            for chunk in range(first, first + count):
                if chunk not in self.copies:
                    os.posix_fadvise(origin.fileno(), chunk * size, size, os.POSIX_FADV_DONTNEED)
                    self.copies[chunk] = os.pread(origin.fileno(), size, chunk * size)

    def send_extents(self, session, m, extents):
        if extents is None:
            return
        if isinstance(extents, int):
            session.send(message(EXTENTS, struct.pack("<IIQ", extents, 0, 0), m.ident))
            return
        if any(kind == ORIGIN for _, _, _, kind in extents):
            with self.lock:
                self.locks.add((session, m.ident))
        body = b"".join(struct.pack("<QQII", *extent) for extent in extents)
        session.send(message(EXTENTS, struct.pack("<IIQ", 0, len(extents), 0) + body, m.ident))

    # ---- epochs

    def hold(self):
        for session in self.live(1):
            session.send(message(HOLD, struct.pack("<II", self.epoch, 0)))

    def held(self):
        return any(m.kind == HELD and m.epoch == self.epoch for s in self.live(1) for m in s.heard)

    def resume(self, epoch, flags=0):
        if epoch != self.epoch:
            self.granted.clear()
            self.copies.clear()
        self.epoch, self.flags = epoch, flags
        for session in self.live(1):
            session.send(message(RESUME, struct.pack("<II", epoch, flags)))

    def state(self, flags):
        self.flags = flags
        for session in self.live(1):
            session.send(message(STATE, struct.pack("<II", self.epoch, flags)))

    def heard(self, *kinds):
        return [m for s in self.sessions for m in s.heard if m.kind in kinds]
