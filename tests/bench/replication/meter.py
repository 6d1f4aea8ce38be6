# SPDX-License-Identifier: GPL-2.0
"""Somebody else's count of a transfer: what came out of the sender's pipe, beside what the sender said meanwhile."""

import json
import subprocess
import threading

from .rig import words

HEADER, RECORD = 256, 40  # bytes; docs/stream-format.md


class Meter:
    """Stands in the pipe: hands each record on, and counts the volume's bytes in those that have come through."""

    def __init__(self):
        self.passed = 0

    def pump(self, source, sink):
        header = source.read(HEADER)
        chunk_shift = int.from_bytes(header[12:16], "little")
        sink.write(header)
        while record := source.read(RECORD):
            sink.write(record + source.read(int.from_bytes(record[16:20], "little")))
            sink.flush()
            self.passed += int.from_bytes(record[4:8], "little") << chunk_shift
        sink.close()


def metered(sender, receiver):
    """What the sender said with --json, and in each line as "counted_left" what came through after that line."""
    meter, lines = Meter(), []

    def listen(said):
        for line in said:
            passed = meter.passed
            lines.append((json.loads(line), passed))

    with subprocess.Popen(words(sender), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as sends, \
            subprocess.Popen(words(receiver), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as receives:
        listener = threading.Thread(target=listen, args=(sends.stderr,))
        listener.start()
        try:
            meter.pump(sends.stdout, receives.stdin)
        finally:  # whoever is left hears of it
            sends.stdout.close()
            listener.join()
    if sends.returncode != 0 or receives.returncode != 0:
        raise RuntimeError(f"{words(sender)}, {words(receiver)}: statuses {sends.returncode}, {receives.returncode}")
    return [line | {"counted_left": meter.passed - passed} for line, passed in lines]
