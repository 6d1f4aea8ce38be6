// SPDX-License-Identifier: GPL-2.0
// A snapshot's side of the protocol: where its chunks are, and what to believe of it. Pure.
//
// Invariant: an extent is worth what its session is worth. I/O that ends after the session broke is asked
// for and done again: its read lock was lost, and its place may have been reused. Nothing is cached here.
#pragma once

#include <cstdint>
#include <list>

#include "ddsnapd/client/protocol_client.h"

namespace ddsnap::client {

// One read or write of a snapshot. Owned by its submitter until done() is called.
class SnapshotIo {
public:
    SnapshotIo(snapstore::ChunkRange chunks, bool is_write) noexcept : range(chunks), write(is_write) {}
    virtual ~SnapshotIo() = default;
    SnapshotIo(const SnapshotIo&) = delete;
    SnapshotIo& operator=(const SnapshotIo&) = delete;

    // A part of the range is at `extents` (copied by the callee if it needs them longer). The I/O is to be
    // done, or done again, and SnapshotClient::performed() to be called.
    virtual void perform(std::span<const snapstore::Extent> extents) = 0;
    virtual void done(wire::Status status) = 0;

    const snapstore::ChunkRange range;
    const bool write;

private:
    friend class SnapshotClient;
    snapstore::Chunk next_;     // chunks below are done
    snapstore::Chunk part_end_; // end of the part under way
    std::uint64_t request_ = 0; // the request unanswered or locked, 0 = none
    std::uint64_t session_ = 0; // the session in which the part was answered
    bool performing_ = false;
    bool locked_ = false;
};

class SnapshotClient final : public ProtocolClient {
public:
    SnapshotClient(snapstore::SnapshotId snapshot, const ClientOptions& options);

    void submit(SnapshotIo& io);
    void performed(SnapshotIo& io, wire::Status status); // ok, or io if the device failed
    void withdraw(SnapshotIo& io);                       // one that is not being performed

    bool squashed() const noexcept { return squashed_; }
    bool may_cache() const noexcept { return (welcome().flags & DDSNAP_FLAG_MAY_CACHE) != 0; }

private:
    void on_welcome() override;
    void on_lost() override;
    bool drained() const noexcept override { return performing_ == 0; }
    void on_message(const wire::Header& header, wire::Bytes message) override;
    void on_extents(const wire::Extents& extents);
    void on_invalid();
    void advance();
    void finish(SnapshotIo& io, wire::Status status);
    void acknowledge();

    bool squashed_ = false;
    bool owes_ack_ = false;
    std::uint32_t performing_ = 0;
    std::uint32_t outstanding_ = 0;
    std::list<SnapshotIo*> all_;
};

} // namespace ddsnap::client
