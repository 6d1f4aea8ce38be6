// SPDX-License-Identifier: GPL-2.0
#include "store/loss.h"

#include <algorithm>
#include <utility>

#include "store/planted_bugs.h"

namespace snapstore {

namespace {
constexpr std::uint32_t kWitnessVersion = 1;
constexpr Block kWitnessBlock{0}; // the only one that it has
} // namespace

bool Loss::pinned() const noexcept
{
    for (const auto& s : state_.table.all()) {
        if (s->info.state == SnapshotState::normal && s->info.priority == 127) {
            return true;
        }
    }
    return false;
}

Task<Result<void>> Loss::give_up()
{
    if (!ctx_.failed) {
        co_return fail(Errc::invalid, "the snapshot store has not failed");
    }
    if (stage_ == Stage::none && (ctx_.config.snapshot_first || pinned())) {
        if (!std::exchange(room_.refusal_told, true)) {
            ctx_.observer.log(
                Severity::error,
                ctx_.config.snapshot_first
                    ? "the snapshot store has failed: writes to the origin that need it fail "
                      "(snapshot first)"
                    : "the snapshot store has failed and a snapshot is pinned: writes to the origin "
                      "that need it fail");
        }
        co_return tl::unexpected(ctx_.failure());
    }
    if (stage_ == Stage::none) {
        stage_ = Stage::recording;
        spawn(ctx_.frame_pool, record());
    }
    while (stage_ == Stage::recording) {
        co_await recording_ended_.wait();
    }
    co_return stage_ == Stage::recorded ? Result<void>{} : tl::unexpected(ctx_.failure());
}

Task<void> Loss::record()
{
    ctx_.observer.log(Severity::error,
                      "the snapshot store has failed: all snapshots are given up, so that the origin can be "
                      "written (origin first)");
    while (commit_.running() || checkpoint_.running()) { // which may be writing a superblock
        if (commit_.running()) {
            co_await ctx_.queues.commit.wait();
        } else {
            co_await ctx_.queues.checkpoint.wait();
        }
    }
    IoStatus marked = IoStatus::ok;
    IoStatus witnessed = IoStatus::ok;
    if (!has_bug(PlantedBug::loss_not_recorded)) {
        marked = co_await mark_superblock();
        witnessed = co_await write_witness(true);
    }
    if (marked != IoStatus::ok && witnessed != IoStatus::ok) {
        ctx_.observer.log(Severity::error,
                          "the loss of the snapshots cannot be recorded anywhere: the snapshots are "
                          "kept, and writes to the origin that need the store fail");
        stage_ = Stage::refused;
        recording_ended_.wake_all();
        co_return;
    }
    ctx_.observer.log(Severity::error,
                      marked != IoStatus::ok      ? "the loss of the snapshots is recorded on this host only"
                      : witnessed != IoStatus::ok ? "the loss of the snapshots is recorded in the store only"
                                                  : "the loss of the snapshots is recorded");
    stage_ = Stage::recorded;
    for (const auto& s : state_.table.all()) {
        if (s->info.state == SnapshotState::normal) {
            state_.table.set_state(*s, SnapshotState::squashed);
            ++ctx_.counters.squashed;
            ctx_.observer.squashed(s->info.id);
        }
    }
    ctx_.observer.state_changed();
    recording_ended_.wake_all();
}

// What the newest durable superblock says, and the bit. Of a checkpoint that has failed, the next two
// generations may be on disk: this one is newer, and goes where the older copy is. Then the other copy: one
// that is damaged later must not bring back the time before.
Task<IoStatus> Loss::mark_superblock()
{
    Superblock lost = ctx_.sb;
    lost.generation += 3;
    lost.features.incompat |= kIncompatLost;
    lost.clean = false;
    const IoStatus status = co_await checkpoint_.write_superblock(lost);
    if (status != IoStatus::ok) {
        co_return status;
    }
    ctx_.sb = lost;
    ++lost.generation;
    const IoStatus again = co_await checkpoint_.write_superblock(lost);
    if (again == IoStatus::ok) {
        ctx_.sb = std::move(lost);
    } else {
        ctx_.observer.log(Severity::warning,
                          "the loss of the snapshots is recorded in one copy of the store's superblock "
                          "only");
    }
    co_return IoStatus::ok;
}

Task<IoStatus> Loss::write_witness(bool lost)
{
    if (ctx_.devices.witness == nullptr) {
        co_return IoStatus::error;
    }
    const auto block = block_.span();
    std::fill(block.begin(), block.end(), std::byte{0});
    if (lost) {
        witness_disk disk{};
        disk.uuid = ctx_.sb.uuid;
        disk.version = kWitnessVersion;
        // One that was being created may be on disk, closing this epoch.
        disk.epoch = state_.epoch.value;
        store_disk(block, disk);
        seal_block(block, kWitnessMagic, kWitnessBlock, uuid_prefix(ctx_.sb.uuid), ctx_.sb.generation);
    }
    const IoStatus written =
        co_await DeviceIo(*ctx_.devices.witness, IoRequest::Op::write, block_offset(kWitnessBlock), block);
    if (written != IoStatus::ok) {
        co_return written;
    }
    co_return co_await DeviceIo(*ctx_.devices.witness, IoRequest::Op::flush);
}

// ---- the next life ----------------------------------------------------------------------------

// After the replay, before anything is written or answered.
Task<Result<void>> Loss::find(OpenReport& report)
{
    if ((ctx_.sb.features.incompat & kIncompatLost) != 0) {
        report.lost += state_.lose_snapshots(Epoch{~std::uint32_t{0}});
        ctx_.sb.features.incompat &=
            ~kIncompatLost; // on disk with the checkpoint that has the squashed snapshots
    }
    if (ctx_.devices.witness == nullptr) {
        co_return Result<void>{};
    }
    const AlignedBuffer buffer(kBlockSize.value);
    const IoStatus status = co_await DeviceIo(*ctx_.devices.witness, IoRequest::Op::read,
                                              block_offset(kWitnessBlock), buffer.span());
    if (status != IoStatus::ok) {
        co_return fail(Errc::io_error,
                       "cannot read the witness, which records whether the snapshots are valid");
    }
    if (is_all_zero(buffer.span())) {
        co_return Result<void>{};
    }
    const auto disk = load_disk<witness_disk>(buffer.span());
    if (auto ok = verify_block(buffer.span(), kWitnessMagic, kWitnessBlock, uuid_prefix(disk.uuid)); !ok) {
        co_return fail(Errc::corrupt,
                       "the witness, which records whether the snapshots are valid, is damaged");
    }
    if (disk.version != kWitnessVersion || disk.uuid != ctx_.sb.uuid) {
        co_return fail(Errc::mismatch, "the witness is of another volume or version");
    }
    witness_written_ = true;
    report.lost += state_.lose_snapshots(Epoch{disk.epoch});
    co_return Result<void>{};
}

// The squash is durable. Forgotten before the first snapshot is taken: that may get the epoch of one whose
// creation had failed.
Task<Result<void>> Loss::forget()
{
    if (!witness_written_) {
        co_return Result<void>{};
    }
    const IoStatus cleared = co_await write_witness(false);
    if (cleared != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot write the witness");
    }
    witness_written_ = false;
    co_return Result<void>{};
}

} // namespace snapstore
