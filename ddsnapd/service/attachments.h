// SPDX-License-Identifier: GPL-2.0
// The durable record of clients that may write, which outlives their sessions.
//
// Invariant: a client that may hold grants (origin) or write into the store (snapshot) is recorded durably
// before its WELCOME, and forgotten only after its BYE or on proof that it is gone
// (BarrierTest.AttachmentIsDurableBeforeWelcome).
//
// May call: Common, ClientProbe. The record itself is the store's.
#pragma once

#include <string>

#include "ddsnapd/service/common.h"

namespace ddsnap {

// Why a client is not welcomed; ok: it is.
struct Refusal {
    wire::Status reason = wire::Status::ok;
    std::string text;
};

class Attachments {
public:
    Attachments(Common& common, ClientProbe& probe) noexcept : c_(common), probe_(probe) {}
    snapstore::FramePool& frames() noexcept { return c_.store.frames(); }

    static snapstore::Attachment of(const Session& s);
    const snapstore::Attachment* recorded(const snapstore::Uuid& client) const noexcept;
    bool writer_recorded(snapstore::SnapshotId id) const noexcept;
    // Connected, or out of reach and not proven gone.
    bool may_act(const snapstore::Attachment& attachment) const noexcept;
    // Records the client, unless another one is recorded in its place and not proven gone.
    snapstore::Task<Refusal> attach(Session& s);
    // Forgets whoever is not connected and, by proof, no longer there.
    snapstore::Task<void> forget_gone();

private:
    // Another client recorded in the same place.
    const snapstore::Attachment* rival_of(const snapstore::Attachment& mine) const noexcept;
    const snapstore::Attachment* find_gone() const noexcept;

    Common& c_;
    ClientProbe& probe_;
};

} // namespace ddsnap
