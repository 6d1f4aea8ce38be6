// SPDX-License-Identifier: GPL-2.0
// Group commit. Records that arrive while a commit is under way make up the next one. Records of copies wait
// for company moreover, as long as more copies are at their I/O than wait: otherwise a fast disk would get a
// commit for each chunk, a quarter of a 16 KiB chunk's size. Each copy that ends brings the moment nearer, so
// nobody waits longer than for I/O under way; and a lone writer never waits.
//
// Invariant: a record is applied, and its requester answered, only when its journal block and all data
// written before it are flushed. (StoreModelTest, and the planted bugs of the simulation)
//
// Each block says up to which one the journal was durable before it, and so proves that a commit was
// acknowledged. The last commit has no successor yet: when nothing follows, the next tick writes an empty
// block, the seal, and from then on damage to that commit is found, rather than taken for a torn tail.
// (JournalEndTest)
//
// May call: State, Room, Checkpoint, Applier. Allocates nothing once reset() has made room.
#pragma once

#include "store/apply.h"
#include "store/checkpoint.h"

namespace snapstore {

class Commit {
public:
    Commit(Context& ctx, State& state, Room& room, Checkpoint& checkpoint, Applier& applier) noexcept
        : ctx_(ctx), state_(state), room_(room), checkpoint_(checkpoint), applier_(applier)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    void reset(std::size_t slots) { queue_ = RecordQueue(slots); } // room for so many

    // Completes when the record is durable and applied.
    Task<Result<void>> write(std::span<const record_disk> record);
    void enqueue(std::span<const record_disk> record); // somebody waits for it alone

    // Copies: between begin_copy() and end_copy() one is at its reads and writes; its records go into the
    // queue with push(), and copied() is said once for all of them.
    void begin_copy() noexcept { ++copies_moving_; }
    void end_copy() noexcept { --copies_moving_; }
    void push(const record_disk& record) noexcept { queue_.push({&record, 1}); }
    void copied();

    void kick(); // begins a commit if one is due
    void seal(); // for the last commit, if no other is about to follow
    bool running() const noexcept { return running_; }
    bool idle() const noexcept { return !running_ && queue_.empty(); }

private:
    struct Batch {
        std::uint64_t end = 0; // position in the queue
        std::uint64_t blocks = 0;
        std::uint64_t inserts = 0;
        bool has_private = false;
    };
    enum class Written : std::uint8_t { ok, nowhere, failed }; // nowhere: blocks of the ring take no write

    bool due() const noexcept;
    Task<void> loop();
    Task<void> write_seal();
    Batch choose_batch() const noexcept;
    Task<bool> make_room(); // false: the store failed
    void fill_batch(const Batch& batch);
    Task<Written> write_batch(const Batch& batch);
    Task<bool> skip(std::uint64_t count);
    void apply_batch(const Batch& batch);

    Context& ctx_;
    State& state_;
    Room& room_;
    Checkpoint& checkpoint_;
    Applier& applier_;

    RecordQueue queue_;
    AlignedBuffer buffer_{kMaxBatchBlocks * kBlockSize.value};
    bool running_ = false;
    bool unsealed_ = false; // no block follows the last commit
    bool seal_wanted_ = false;
    bool urgent_ = false;             // a record in the queue has somebody waiting for it alone
    std::uint32_t copies_queued_ = 0; // copies whose records are in the queue, and in no commit yet
    std::uint32_t copies_moving_ = 0; // copies at their reads and writes
};

} // namespace snapstore
