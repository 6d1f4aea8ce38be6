// SPDX-License-Identifier: GPL-2.0
// Loading tables and tree, as the superblock names them. Nothing read is trusted: every block is verified,
// every number checked against its area.
//
// Invariant: what load() accepts can be used, and written anew, without leaving an area (I7).
// (HostileStoreTest, StoreTest.DamagedMetadataNeverCrashes)
//
// May call: State, Places, Room.
#pragma once

#include "store/room.h"

namespace snapstore {

class Loader {
public:
    Loader(Context& ctx, State& state, Places& places, Room& room) noexcept
        : ctx_(ctx), state_(state), places_(places), room_(room)
    {}
    FramePool& frames() noexcept { return ctx_.frames(); }

    // With `damage`: goes on past what is damaged and lists it.
    Task<Result<void>> load(DamageList* damage);

private:
    struct PendingNode;

    Task<Result<void>> load_table(TableKind kind, const TableRoot& table);
    Result<void> load_table_block(std::span<const std::byte> image, TableKind kind);
    Task<Result<void>> load_tree(DamageList* damage);
    Result<void> adopt_node(Node* node, const PendingNode& pending, std::vector<PendingNode>& below);
    Result<void> scan_entries(DamageList* damage);
    Result<void> check_zone() const;

    Context& ctx_;
    State& state_;
    Places& places_;
    Room& room_;
};

} // namespace snapstore
