// SPDX-License-Identifier: GPL-2.0
// The beginning and the orderly end of a session: HELLO, WELCOME, REFUSED, BYE.
//
// Who may open what:
//   origin     one client that may write; any number that only read.
//   snapshot   one client that may write; any number that only read. A reader may cache (MAY_CACHE) if no
//              client that may write is connected or recorded when it comes; while a reader that may cache
//              is connected, a new writer is refused BUSY. So whoever caches knows that nobody else can
//              change where the snapshot's chunks are. A squashed snapshot may be opened by anyone: all
//              I/O fails.
//
// Invariant: no origin client is welcomed while a snapshot is being committed: its epoch and flags would be
// wrong a moment later (BarrierTest.NobodyIsWelcomedDuringACommit). Snapshot clients must not wait: the
// commit may wait for a copy-out, that for space, and that for this very client to release what is squashed.
// A snapshot's writer waits only while its chunks are moved, which waits for nobody.
//
// May call: Common, and all parts that a session's beginning depends on: Attachments, Squash, Barrier, the
// resizes, Removal. None of them calls it.
#pragma once

#include "ddsnapd/service/attachments.h"
#include "ddsnapd/service/barrier.h"
#include "ddsnapd/service/origin_resize.h"
#include "ddsnapd/service/removal.h"
#include "ddsnapd/service/squash.h"
#include "ddsnapd/service/store_resize.h"

namespace ddsnap {

class Handshake {
public:
    Handshake(Common& common, Attachments& attachments, Squash& squash, Barrier& barrier,
              const OriginResize& origin_resize, const StoreResize& store_resize,
              const Removal& removal) noexcept;
    snapstore::FramePool& frames() noexcept { return c_.store.frames(); }

    void on_hello(Session& s, wire::Bytes message);
    void on_bye(Session& s);

private:
    Refusal check(const wire::Hello& hello) const;
    Refusal judge_snapshot(const wire::Hello& hello) const;
    Refusal judge_rivals(const Session& s) const; // other connected clients that stand in the way
    void refuse(Session& s, const Refusal& refusal);
    snapstore::Task<void> open_writer(Session& s);
    void welcome(Session& s);
    snapstore::Task<void> leave(Session& s);

    Common& c_;
    Attachments& attachments_;
    Squash& squash_;
    Barrier& barrier_;
    const OriginResize& origin_resize_;
    const StoreResize& store_resize_;
    const Removal& removal_;
};

} // namespace ddsnap
