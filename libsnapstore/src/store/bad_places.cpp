// SPDX-License-Identifier: GPL-2.0
// Places of the data area that cannot be written. A copy goes elsewhere then, and the place is not used again
// by this process: one sector must not cost all snapshots. Only a device that fails in several places at
// once, far from each other, has failed.
//
// Bad places are not recorded: the next life finds them again, if they are still bad. Blocks of the journal
// are passed over (commit.cpp). The superblock, the tables and the tree are not among them: an error there is
// one of the store. (BadPlaceTest)
#include <cinttypes>
#include <cstdio>

#include "store/store_impl.h"

namespace snapstore {

bool Store::Impl::is_bad(std::uint64_t place) const noexcept
{
    return std::find(bad_places.begin(), bad_places.end(), place) != bad_places.end();
}

// The place is allocated, and stays so. The next one that is allocated is far away: where one sector is bad,
// its neighbours often are.
void Store::Impl::note_bad(std::uint64_t place) noexcept
{
    if (bad_places.size() == bad_places.capacity()) {
        fail_store("cannot write to the snapshot store, in too many places");
        return;
    }
    bad_places.push_back(place);
    --uncommitted;
    chunks.look_from((place + chunks.size() / 8 * 3) % chunks.size());
    std::array<char, 160> text{};
    const int length = std::snprintf(text.data(), text.size(),
                                     "the snapshot store cannot be written at byte %" PRIu64
                                     ": that place is not used any more",
                                     store_offset(place).value);
    observer.log(2, {text.data(), static_cast<std::size_t>(std::max(length, 0))});
}

// Gives what was allocated and will not be named back, but for bad places.
void Store::Impl::give_back(std::uint64_t first, std::uint64_t count) noexcept
{
    for (std::uint64_t place = first; place < first + count; ++place) {
        if (!is_bad(place)) {
            chunks.free_now(place);
            --uncommitted;
        }
    }
}

// A store that is being made smaller takes its bad places with it.
void Store::Impl::forget_bad_from(std::uint64_t end) noexcept
{
    std::erase_if(bad_places, [&](std::uint64_t place) {
        if (place >= end) {
            chunks.free_now(place);
        }
        return place >= end;
    });
}

// Of pieces, some of which could not be written: chunk by chunk, until one cannot be. False: one is bad.
Task<bool> Store::Impl::write_singly(const BufferPool::Lease& lease, std::span<const Piece> pieces)
{
    for (const Piece& piece : pieces) {
        for (std::uint32_t i = 0; i < piece.count && !piece.zero; ++i) {
            const IoStatus status =
                co_await DeviceIo(store_device(), IoRequest::Op::write, store_offset(piece.store_chunk + i),
                                  lease.span(piece.index + i, 1));
            if (status != IoStatus::ok) {
                note_bad(piece.store_chunk + i);
                co_return false;
            }
        }
    }
    co_return true;
}

} // namespace snapstore
