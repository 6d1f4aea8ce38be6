// SPDX-License-Identifier: GPL-2.0
// The device of one snapshot with an application on top. It asks where chunks are, reads and writes them
// itself, and holds an extent for worth no more than the session that gave it: I/O that ends after its
// session did is asked for and done again.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/client.h"
#include "sim/model.h"

namespace sim {

class SnapshotClient final : public Client {
public:
    SnapshotClient(Context& context, Listener& listener, Identity identity, Model& model, Disk& origin,
                   Disk& store, std::uint64_t snapshot, bool read_only);

    // Blocks of 4 KiB. Reads compare what they get with the model. Both do nothing if the range overlaps an
    // operation that could make the result ambiguous.
    // `done` gets the first sector and what was read, unless the read fails.
    using Done = std::function<void(std::uint64_t, std::span<const std::byte>)>;
    void read(std::uint64_t first_block, std::uint64_t blocks, Done done = {});
    void write(std::uint64_t first_block, std::uint64_t blocks, bool zeros);
    void flush();
    void begin_leave(bool farewell);
    void die(Death death) final;

    bool idle() const noexcept;
    bool leaving() const noexcept { return leaving_; }
    bool read_only() const noexcept { return read_only_; }
    std::uint64_t snapshot() const noexcept { return snapshot_; }
    std::uint64_t blocks() const noexcept { return (sectors_ + kSectorsPerBlock - 1) / kSectorsPerBlock; }
    std::size_t io_under_way() const noexcept final { return origin_.under_way() + store_.under_way(); }
    std::string state() const;

    // The kernel's client waits for the end of its I/O before it says HELLO; others say that there is some.
    bool ready() const noexcept final
    {
        return io_under_way() == 0 || identity().kind != DDSNAP_CLIENT_KERNEL;
    }

    // Planted bug: a read counts although its lock died with its session.
    bool bug_trusts_dead_locks = false;

private:
    struct Operation {
        bool write = false;
        std::uint64_t first = 0; // sector
        std::uint64_t count = 0; // sectors
        Stamp stamp = 0;
        std::uint64_t next = 0;    // chunk to ask for next
        std::uint64_t began = 0;   // by the model's clock
        std::uint64_t session = 0; // in which it was asked for; 0 = not asked yet
        std::size_t pieces = 0;    // I/Os under way
        bool asking = false;
        bool redo = false;
        std::vector<std::byte> data;
        Done done;
    };
    using Operations = std::list<Operation>;
    using Op = Operations::iterator;
    struct Request {
        Op operation;           // end() once it was given up
        std::size_t pieces = 0; // I/Os of its origin extents that are under way
        bool locked = false;
    };
    struct Piece {
        Op operation;
        std::uint64_t sector = 0; // of the snapshot
        std::uint64_t bytes = 0;
        std::uint64_t lock = 0; // request id, if the piece is on the origin
    };

    ddsnap_hello hello() final;
    void welcome(const ddsnap_welcome& welcome) final;
    void refused(const ddsnap_refused& refused) final;
    void message(const ddsnap_header& header, std::span<const std::byte> bytes) final;
    void session_lost() final;

    bool overlaps(std::uint64_t first, std::uint64_t count, bool write) const;
    Op add(std::uint64_t first_block, std::uint64_t blocks, bool write);
    void pump();
    void advance(Op operation);
    bool from_cache(Op operation);
    void ask(Op operation);
    void extents(const ddsnap_header& header, std::span<const std::byte> bytes);
    bool take(Op operation, const ddsnap_extent& extent, std::uint64_t request);
    void do_piece(const Piece& piece, const ddsnap_extent& extent);
    void piece_done(const Piece& piece, const std::vector<std::byte>* data, bool ok);
    void finished(Op operation);
    void fail_operation(Op operation);
    void extents_refused(Op operation, std::uint32_t status);
    void give_up(std::uint64_t request, std::span<const ddsnap_extent> extents);
    void invalidate();
    void verify(const Operation& operation);
    void release(std::uint64_t request);
    void drained();

    std::uint64_t last_chunk(const Operation& op) const { return chunk_of(op.first + op.count - 1); }
    std::uint64_t chunk_of(std::uint64_t sector) const { return sector >> (chunk_shift_ - 9U); }

    Model& model_;
    Port origin_;
    Port store_;
    std::uint64_t snapshot_;
    bool read_only_;
    std::uint64_t sectors_;
    std::uint32_t chunk_shift_ = 12;
    Operations operations_;
    std::map<std::uint64_t, Request> requests_;    // unanswered or locked
    std::map<std::uint64_t, ddsnap_extent> cache_; // by chunk, one each
    std::uint64_t next_request_ = 1;
    std::size_t flushes_ = 0;
    unsigned refusals_ = 0; // before the first session
    bool invalid_ = false;
    bool invalid_said_ = true;
    bool leaving_ = false;
    bool farewell_ = true;
    bool bye_said_ = false;
};

} // namespace sim
