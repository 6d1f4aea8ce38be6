// SPDX-License-Identifier: GPL-2.0
// The origin's side of the protocol: which writes may go to the disk, and when. Pure.
//
// Invariants, as in the kernel's target:
//   A write is issued only if its whole range is granted in the present epoch (or there are no snapshots)
//   and the client is not held. Grants survive the loss of a session; a new epoch ends them.
//   HELD is sent only when no issued write is in flight. A client that loses its session between HOLD and
//   RESUME stays held until the next WELCOME.
#pragma once

#include <cstdint>
#include <list>
#include <vector>

#include "ddsnapd/client/protocol_client.h"

namespace ddsnap::client {

// One write of the application. Owned by its submitter until issued and completed, or failed.
class OriginWrite {
public:
    explicit OriginWrite(snapstore::ChunkRange chunks) noexcept : range(chunks) {}
    virtual ~OriginWrite() = default;
    OriginWrite(const OriginWrite&) = delete;
    OriginWrite& operator=(const OriginWrite&) = delete;

    // The write may go to the disk now; OriginClient::completed() is to follow.
    virtual void issue() = 0;
    // It may not, for good.
    virtual void failed(wire::Status status) = 0;

    const snapstore::ChunkRange range;

private:
    friend class OriginClient;
    snapstore::Chunk asked_to_; // chunks below are asked for or granted, in this session and epoch
    std::uint64_t request_ = 0; // the WRITE unanswered, 0 = none
};

class OriginClient final : public ProtocolClient {
public:
    OriginClient(std::uint64_t origin_chunks, const ClientOptions& options);

    void submit(OriginWrite& write);
    void completed(OriginWrite& write); // of an issued write: its I/O has ended
    // Takes back a write that has not been issued.
    void withdraw(OriginWrite& write);

    bool granted(snapstore::ChunkRange range) const noexcept;
    bool held() const noexcept { return held_; }
    snapstore::Epoch epoch() const noexcept { return epoch_; }
    bool no_snapshots() const noexcept { return no_snapshots_; }
    std::uint32_t in_flight() const noexcept { return in_flight_; }
    std::size_t deferred() const noexcept { return deferred_.size(); }
    std::uint64_t queries() const noexcept { return queries_; } // WRITEs sent

private:
    void on_welcome() override;
    void on_lost() override;
    void on_message(const wire::Header& header, wire::Bytes message) override;
    snapstore::Epoch grants_epoch() const noexcept override { return epoch_; }
    void on_grant(const wire::Grant& grant);
    void on_epoch_message(const wire::EpochMessage& message);
    void enter_epoch(snapstore::Epoch epoch, std::uint32_t flags);
    void answer_hold();
    void forget_requests();
    void advance(); // issues what may go, asks for what may not

    std::vector<bool> grants_;
    snapstore::Epoch epoch_;
    bool no_snapshots_ = false;
    bool held_ = false;
    bool owes_held_ = false; // HOLD has come, HELD is still to be sent
    std::uint32_t in_flight_ = 0;
    std::uint32_t outstanding_ = 0;
    std::uint64_t queries_ = 0;
    std::list<OriginWrite*> deferred_;
};

} // namespace ddsnap::client
