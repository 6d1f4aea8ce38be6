// SPDX-License-Identifier: GPL-2.0
#include "sim/bugs.h"

#include <algorithm>
#include <array>

#ifdef SNAPSTORE_PLANTED_BUGS
#include "ddsnapd/service/planted_bugs.h"
#include "libsnapstore/src/store/planted_bugs.h"
#endif

namespace sim {

#ifdef SNAPSTORE_PLANTED_BUGS
namespace {

using ddsnap::ServiceBug;
using snapstore::PlantedBug;

constexpr BugEntry in_engine(std::string_view name, std::string_view what, std::uint64_t seeds,
                             PlantedBug bug)
{
    return {name, what, seeds, static_cast<int>(bug), 0, ClientBug::none};
}

constexpr BugEntry in_service(std::string_view name, std::string_view what, std::uint64_t seeds,
                              ServiceBug bug)
{
    return {name, what, seeds, 0, static_cast<int>(bug), ClientBug::none};
}

constexpr BugEntry in_client(std::string_view name, std::string_view what, std::uint64_t seeds, ClientBug bug)
{
    return {name, what, seeds, 0, 0, bug};
}

// PlantedBug::stale_incarnation_accepted is not among them: it takes a torn commit of several blocks and a
// next life that ends in just the right place. StaleIncarnationTest makes that happen; random runs meet it
// too rarely. Nor is moved_before_durable: a shrink ends with a checkpoint, moments after the last move
// (MoveTest.ThatIsNotDurableIsFound).
constexpr std::array kBugs{
    in_engine("no-flush", "a commit is acknowledged without a flush", 500, PlantedBug::no_flush_before_ack),
    in_engine("ack-before-commit", "an origin write is answered when its copy is queued", 500,
              PlantedBug::ack_before_commit),
    in_engine("early-reuse", "a chunk is reused before its free is durable", 3000,
              PlantedBug::chunk_reused_before_checkpoint),
    in_engine("tail-unchecked", "the journal's tail is accepted with a wrong data checksum", 3000,
              PlantedBug::tail_without_data_crc),
    in_engine("sweep-too-much", "the sweep frees an exception that is needed", 500,
              PlantedBug::sweep_frees_needed_exception),
    in_engine("private-unflushed", "a private exception is recorded before its data are flushed", 3000,
              PlantedBug::private_record_before_flush),
    in_engine("shrink-no-copy", "the origin shrinks, its end is not copied out", 500,
              PlantedBug::shrink_without_copy),
    in_engine("resize-lost", "a resize is answered before it is durable", 500,
              PlantedBug::resize_before_durable),
    in_engine("move-unwritten", "a store shrinks: a chunk's new place is named before it is written", 3000,
              PlantedBug::moved_before_written),
    in_engine("old-place-reused", "a store shrinks: a chunk's old place is free before its move is durable",
              3000, PlantedBug::old_place_reused_early),
    in_engine("move-under-writer", "a store shrinks: chunks are moved while a client writes to them", 3000,
              PlantedBug::move_under_writer),
    in_engine("places-kept", "a store shrinks: clients keep what they know of old places", 3000,
              PlantedBug::places_not_revoked),
    in_engine("delta-no-private", "a delta knows nothing of writes to snapshots", 500,
              PlantedBug::delta_ignores_private),
    in_engine("stale-samples", "a block counts for what the store knows of its origin after it was written",
              500, PlantedBug::stale_samples),
    in_service("grant-before-commit", "GRANT goes out before the copy is durable", 500,
               ServiceBug::grant_before_commit),
    in_service("barrier-no-drain", "a snapshot is committed without waiting for HELD", 500,
               ServiceBug::barrier_does_not_drain),
    in_service("create-detached", "a snapshot is taken while a client with grants is out of reach", 500,
               ServiceBug::create_while_client_detached),
    in_service("grant-over-reader", "GRANT for a chunk that is being read from the origin", 1000,
               ServiceBug::grant_ignores_read_locks),
    in_service("old-epoch-grant", "a WRITE of an old epoch is answered in the new one", 500,
               ServiceBug::grant_of_old_epoch_sent),
    in_client("dead-lock-read", "a read is completed on the lock of a dead session", 2000,
              ClientBug::read_on_dead_lock),
    in_client("held-early", "a client says HELD with writes under way", 500, ClientBug::held_before_drained),
    in_client("grants-forever", "a client keeps its grants into the next epoch", 100,
              ClientBug::grants_outlive_epoch),
};

} // namespace

std::span<const BugEntry> all_bugs() { return kBugs; }

void plant(const BugEntry& bug)
{
    snapstore::planted_bug = static_cast<PlantedBug>(bug.engine);
    ddsnap::planted_service_bug = static_cast<ServiceBug>(bug.service);
}
#else
std::span<const BugEntry> all_bugs() { return {}; }

void plant(const BugEntry&) {}
#endif

const BugEntry* find_bug(std::string_view name)
{
    const auto bugs = all_bugs();
    const auto it =
        std::find_if(bugs.begin(), bugs.end(), [name](const BugEntry& bug) { return bug.name == name; });
    return it == bugs.end() ? nullptr : &*it;
}

} // namespace sim
