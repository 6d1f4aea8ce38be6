// SPDX-License-Identifier: GPL-2.0
// Bugs that the simulation plants to prove that it finds them. They exist in the library target
// snapstore_with_bugs only; elsewhere has_bug() is a constant false.
#pragma once

namespace snapstore {

enum class PlantedBug {
    none,
    no_flush_before_ack, // a commit is acknowledged without a flush
    ack_before_commit,   // an origin write is answered when its copy is queued
    chunk_reused_before_checkpoint,
    tail_without_data_crc, // the journal's tail is accepted without comparing the data
    sweep_frees_needed_exception,
    stale_incarnation_accepted, // blocks of an earlier life continue a cut tail
    private_record_before_flush,
    shrink_without_copy,   // the origin shrinks, its end is not copied out
    resize_before_durable, // a resize is answered before the superblock is written
    delta_ignores_private, // a delta knows nothing of writes to snapshots
    loss_not_recorded, // the store fails, and origin writes go on without a record that snapshots are lost
    stale_samples,     // what the store knows of its origin counts although it was written since
    // A store shrinks, and
    moved_before_written,   // the tree names a chunk's new place before the data are there
    old_place_reused_early, // a moved chunk's old place is free before the move is durable
    moved_before_durable,   // a moved chunk can be written to before the move is durable
    move_under_writer,      // chunks are moved while their snapshot's writer writes
    places_not_revoked,     // clients keep what they know of old places
};

#ifdef SNAPSTORE_PLANTED_BUGS
inline PlantedBug planted_bug = PlantedBug::none; // NOLINT: set by the simulation
inline bool has_bug(PlantedBug bug) noexcept { return planted_bug == bug; }
#else
constexpr bool has_bug(PlantedBug) noexcept { return false; }
#endif

} // namespace snapstore
