// SPDX-License-Identifier: GPL-2.0
// The epoch barrier: how a snapshot is taken under load.
//
//   idle ── create: HOLD to the origin's client ──► collecting ── all HELD, or gone ──► committing
//    ▲  ◄── RESUME(same epoch): time-out, stop ─────────┘                                   │
//    └───────────────── RESUME(epoch of the store, new or the same) ◄──── commit ───────────┘
//
// Invariants:
//   The store's create() runs only while every recorded origin client is connected and HELD: none that holds
//   grants is out of reach (BarrierTest.CreateWaitsForHeld, .CreateFailsWhileTheClientIsAway).
//   No WRITE of the old epoch is in the engine when the new one begins.
//   A HELD answers the latest HOLD: a session whose earlier HOLD was taken back unanswered is closed before
//   the next one, since its HELD may still be on its way (BarrierTest.StrayHeldIsNotTakenForAnAnswer).
//   A client under NO_SNAPSHOTS is held like any other; RESUME of the new epoch clears the flag.
//   No client resumes an epoch that may have ended: if the store fails in the commit, its record may be on
//   disk or not. The origin's clients stay held, disconnected, until a restarted daemon has read which
//   (BarrierTest.AFailedCommitResumesNobody). Unless all snapshots are given up, durably, that one included:
//   then it does not matter (StoreFailureTest.ACreateThatFailsLetsTheOriginGoOn).
//
// May call: Common, Attachments, OriginWrites (whether a WRITE is in the engine).
#pragma once

#include <optional>
#include <string>

#include "ddsnapd/service/attachments.h"
#include "ddsnapd/service/origin_writes.h"
#include "ddsnapd/service/service_error.h"

namespace ddsnap {

class Barrier {
public:
    Barrier(Common& common, Attachments& attachments, const OriginWrites& origin_writes) noexcept
        : c_(common), attachments_(attachments), origin_writes_(origin_writes)
    {}
    snapstore::FramePool& frames() noexcept { return c_.store.frames(); }

    // As VolumeService::create(). Creates take turns.
    snapstore::Task<ServiceResult<snapstore::SnapshotInfo>> create(snapstore::CreateOptions options,
                                                                   std::uint64_t deadline_ns);
    void on_held(Session& s, wire::Bytes message);
    void on_tick();
    void welcomed(Session& s); // an origin client that may write: it is held, too

    bool committing() const noexcept { return phase_ == Phase::committing; } // nobody is to be welcomed
    bool epoch_unknown() const noexcept { return epoch_unknown_; }
    std::optional<std::uint64_t> deadline() const noexcept; // of a create that waits for clients
    // Origin writes need no grant: no snapshot is live, and nobody reads the origin for one.
    bool needs_no_grants() const noexcept;
    // Tells origin clients that do not know: STATE.
    void announce_state();

    // A resize of the origin: no snapshot is taken meanwhile. Why it may not begin, or nothing.
    std::optional<ServiceError> begin_resize();
    void end_resize() noexcept { resizing_ = false; }

private:
    // collecting: HOLD is out, origin clients may still write. committing: all are held (or gone) and stay
    // so; nobody is welcomed.
    enum class Phase : std::uint8_t { idle, collecting, committing };
    enum class Verdict : std::uint8_t { ready, waits, out_of_reach };

    snapstore::Task<ServiceResult<void>> hold_origin(std::uint64_t deadline_ns);
    Verdict verdict(std::string& why) const;
    void hold(Session& s);
    void resume_origin(snapstore::Epoch before);
    void abandon_origin();

    Common& c_;
    Attachments& attachments_;
    const OriginWrites& origin_writes_;
    Phase phase_ = Phase::idle;
    bool creating_ = false;
    bool resizing_ = false;
    bool epoch_unknown_ = false; // a create's record may be on disk or not: see abandon_origin()
    std::uint64_t deadline_ = 0; // of the create under way
};

} // namespace ddsnap
