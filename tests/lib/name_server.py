#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A name server for guests: name_server.py NAME=ADDRESS... answers on 127.0.0.1, port 53, for these names and backwards."""
import socket
import struct
import sys

NAMES = dict(word.split("=") for word in sys.argv[1:])
BACKWARDS = {".".join(reversed(address.split("."))) + ".in-addr.arpa": name for name, address in NAMES.items()}
A, PTR, IN = 1, 12, 1


def labels(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def question_of(packet):
    parts, at = [], 12
    while packet[at]:
        parts.append(packet[at + 1 : at + 1 + packet[at]].decode().lower())
        at += 1 + packet[at]
    return ".".join(parts), struct.unpack_from(">HH", packet, at + 1)[0], packet[12 : at + 5]


def answer(packet):
    name, kind, question = question_of(packet)
    data = b""
    if kind == A and name in NAMES:
        data = socket.inet_aton(NAMES[name])
    elif kind == PTR and name in BACKWARDS:
        data = labels(BACKWARDS[name])
    known = name in NAMES or name in BACKWARDS
    head = packet[:2] + struct.pack(">HHHHH", 0x8580 | (0 if known else 3), 1, 1 if data else 0, 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", kind, IN, 60, len(data)) + data if data else b""
    return head + question + record


def main():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    print("ready", flush=True)
    while True:
        packet, peer = server.recvfrom(512)
        server.sendto(answer(packet), peer)


main()
