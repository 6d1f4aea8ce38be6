// SPDX-License-Identifier: GPL-2.0
// The store has failed (an I/O error of its own or of its metadata's device) and the origin has not: origin
// first (I6). Copies cannot be made any more, so the snapshots are given up and the origin is written
// without.
//
// They must never be taken for valid again: not by a daemon that is started when the device is back, not
// after a reboot. So that they are lost is recorded first, in two places:
//
//   the superblock, with the bit kIncompatLost: moves with the store; but its device may be what has failed
//   the witness: a block elsewhere on this host
//
// Invariant: origin writes pass without copies only when one of the two is durable; if none is, they fail.
// open() looks at both, squashes what it finds, and forgets the record only when the squash is durable.
// (LossTest, StoreErrorTest, UnrecordedLossTest)
#include "format/block.h"
#include "store/store_impl.h"

namespace snapstore {

namespace {
constexpr std::uint32_t kWitnessVersion = 1;
}

bool Store::Impl::pinned() const noexcept
{
    for (const auto& s : table.all()) {
        if (s->info.state == SnapshotState::normal && s->info.priority == 127) {
            return true;
        }
    }
    return false;
}

Task<Result<void>> Store::Impl::give_up()
{
    if (!failed) {
        co_return fail(Errc::invalid, "the snapshot store has not failed");
    }
    if (loss == Loss::none && (config.snapshot_first || pinned())) {
        if (!std::exchange(refusal_told, true)) {
            observer.log(2,
                         config.snapshot_first
                             ? "the snapshot store has failed: writes to the origin that need it fail "
                               "(snapshot first)"
                             : "the snapshot store has failed and a snapshot is pinned: writes to the origin "
                               "that need it fail");
        }
        co_return tl::unexpected(failure());
    }
    if (loss == Loss::none) {
        loss = Loss::recording;
        spawn(frame_pool, record_loss());
    }
    while (loss == Loss::recording) {
        co_await loss_settled.wait();
    }
    co_return loss == Loss::recorded ? Result<void>{} : tl::unexpected(failure());
}

Task<void> Store::Impl::record_loss()
{
    observer.log(2, "the snapshot store has failed: all snapshots are given up, so that the origin can be "
                    "written (origin first)");
    while (commit_running || checkpoint.running()) { // which may be writing a superblock
        if (commit_running) {
            co_await commit_done.wait();
        } else {
            co_await checkpoint_done.wait();
        }
    }
    IoStatus marked = IoStatus::ok;
    IoStatus witnessed = IoStatus::ok;
    if (!has_bug(PlantedBug::loss_not_recorded)) {
        marked = co_await mark_superblock();
        witnessed = co_await write_witness(true);
    }
    if (marked != IoStatus::ok && witnessed != IoStatus::ok) {
        observer.log(2,
                     "that the snapshots are lost can be recorded nowhere: they are kept, and writes to the "
                     "origin that need the store fail");
        loss = Loss::refused;
        loss_settled.wake_all();
        co_return;
    }
    observer.log(2, marked != IoStatus::ok      ? "that the snapshots are lost is recorded on this host only"
                    : witnessed != IoStatus::ok ? "that the snapshots are lost is recorded in the store only"
                                                : "that the snapshots are lost is recorded");
    loss = Loss::recorded;
    for (const auto& s : table.all()) {
        if (s->info.state == SnapshotState::normal) {
            table.set_state(*s, SnapshotState::squashed);
            ++counters.squashed;
            observer.squashed(s->info.id);
        }
    }
    observer.state_changed();
    loss_settled.wake_all();
}

// What the newest durable superblock says, and the bit. Of a checkpoint that has failed, the next two
// generations may be on disk: this one is newer, and goes where the older copy is. Then the other copy: one
// that is damaged later must not bring back the time before.
Task<IoStatus> Store::Impl::mark_superblock()
{
    Superblock lost = sb;
    lost.generation += 3;
    lost.incompat |= kIncompatLost;
    lost.clean = false;
    const IoStatus status = co_await checkpoint.write_superblock(lost);
    if (status != IoStatus::ok) {
        co_return status;
    }
    sb = lost;
    ++lost.generation;
    const IoStatus again = co_await checkpoint.write_superblock(lost);
    if (again == IoStatus::ok) {
        sb = std::move(lost);
    } else {
        observer.log(1, "that the snapshots are lost is in one copy of the store's superblock only");
    }
    co_return IoStatus::ok;
}

Task<IoStatus> Store::Impl::write_witness(bool lost)
{
    if (devices.witness == nullptr) {
        co_return IoStatus::error;
    }
    const auto block = sb_buffer.block(1);
    std::fill(block.begin(), block.end(), std::byte{0});
    if (lost) {
        witness_disk disk{};
        disk.uuid = sb.uuid;
        disk.version = kWitnessVersion;
        // One that was being created may be on disk, closing this epoch.
        disk.epoch = epoch.value;
        store_disk(block, disk);
        seal_block(block, kWitnessMagic, 0, uuid_prefix(sb.uuid), sb.generation);
    }
    const IoStatus written = co_await DeviceIo(*devices.witness, IoRequest::Op::write, Bytes{0}, block);
    if (written != IoStatus::ok) {
        co_return written;
    }
    co_return co_await DeviceIo(*devices.witness, IoRequest::Op::flush);
}

// ---- the next life ----------------------------------------------------------------------------

// After the replay, before anything is written or answered.
Task<Result<void>> Store::Impl::find_loss(OpenReport& report)
{
    if ((sb.incompat & kIncompatLost) != 0) {
        report.lost += lose_snapshots(Epoch{~std::uint32_t{0}});
        sb.incompat &= ~kIncompatLost; // on disk with the checkpoint that has the squashed snapshots
    }
    if (devices.witness == nullptr) {
        co_return Result<void>{};
    }
    const AlignedBuffer buffer(kBlockSize.value);
    const IoStatus status = co_await DeviceIo(*devices.witness, IoRequest::Op::read, Bytes{0}, buffer.span());
    if (status != IoStatus::ok) {
        co_return fail(Errc::io_error,
                       "cannot read the witness, which knows whether the snapshots are valid");
    }
    if (is_all_zero(buffer.span())) {
        co_return Result<void>{};
    }
    const auto disk = load_disk<witness_disk>(buffer.span());
    if (auto ok = verify_block(buffer.span(), kWitnessMagic, 0, uuid_prefix(disk.uuid)); !ok) {
        co_return fail(Errc::corrupt, "the witness, which knows whether the snapshots are valid, is damaged");
    }
    if (disk.version != kWitnessVersion || disk.uuid != sb.uuid) {
        co_return fail(Errc::mismatch, "the witness is of another volume or version");
    }
    witness_written = true;
    report.lost += lose_snapshots(Epoch{disk.epoch});
    co_return Result<void>{};
}

// The squash is durable. Forgotten before the first snapshot is taken: that may get the epoch of one whose
// creation had failed.
Task<Result<void>> Store::Impl::forget_loss()
{
    if (!witness_written) {
        co_return Result<void>{};
    }
    const IoStatus cleared = co_await write_witness(false);
    if (cleared != IoStatus::ok) {
        co_return fail(Errc::io_error, "cannot write the witness");
    }
    witness_written = false;
    co_return Result<void>{};
}

} // namespace snapstore
