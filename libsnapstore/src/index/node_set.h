// SPDX-License-Identifier: GPL-2.0
// The nodes of a tree: which there are, each in a block of the metadata zone, and which of them the next
// checkpoint has to write.
//
// Nodes have their disk form in memory. A node made in the current generation is changed in place; any
// other one is first moved to a new block (and copied, if a checkpoint is writing it just now).
//
// Invariant: the block of a node that is part of a checkpoint is freed for later only: what the newest
// durable superblock names stays as it is. at(block) is the node in that block, as long as it is of the tree.
// (TreeTest, StoreModelTest)
#pragma once

#include <array>

#include "format/zone.h"
#include "index/node.h"
#include "snapstore/error.h"

namespace snapstore {

class NodeSet {
public:
    static constexpr unsigned kMaxLevels = 16;

    NodeSet(NodePool& pool, Zone& zone);

    Node* at(Block block) const noexcept; // null: none, or no block of the zone
    Node* child(const entry_disk& e) const noexcept { return by_block_[child_block(e) - first_]; }
    std::uint64_t size() const noexcept;
    std::uint64_t created() const noexcept { return created_; } // nodes added so far; only grows
    std::uint64_t thinned() const noexcept { return thinned_; } // thin() so far, each node once a generation
    const std::array<std::uint64_t, kMaxLevels>& of_levels() const noexcept { return of_levels_; }

    // ---- changes: a free node and a free block are there for each ----
    Node* make(unsigned level) noexcept;
    Node* changeable(Node* node) noexcept; // the same node; another one in memory if it was being written
    void drop(Node* node) noexcept;
    // An erasure has taken entries out of a changeable node, or moved them between it and its neighbour.
    void thin(Node& node) noexcept
    {
        if (node.thinned_in != generation_) {
            node.thinned_in = generation_;
            ++thinned_;
        }
    }

    // More blocks at the zone's end.
    void grow_zone(std::uint64_t blocks) { by_block_.resize(blocks, nullptr); }
    // Fewer: no node is in one that goes.
    void cut_zone(std::uint64_t blocks) noexcept { by_block_.resize(blocks); }

    // ---- checkpoints ----
    std::uint64_t generation() const noexcept { return generation_; }
    void set_generation(std::uint64_t generation) noexcept { generation_ = generation; }
    bool dirty() const noexcept { return dropped_ || !dirty_.empty(); }
    // Ends the current generation; its nodes are to be written. `next` becomes the current one.
    void freeze(std::uint64_t next) noexcept;
    Node* next_frozen() noexcept; // takes a node off the list of those to be written
    void written(Node* node) noexcept;

    // ---- loading ----
    // Takes over a node read from `block`; the caller has verified its header. Checks what is in it.
    Result<void> adopt(Node* node, Block block);

private:
    bool is_of_zone(Block block) const noexcept { return Area{first_, by_block_.size()}.contains(block); }
    void attach_to_block(Node& node, Block block) noexcept;
    void detach_from_block(const Node& node) noexcept;

    NodePool& pool_;
    Zone& zone_;
    Block first_;                 // of the zone
    std::vector<Node*> by_block_; // one for each block of it
    std::uint64_t generation_ = 1;
    std::uint64_t created_ = 0;
    std::uint64_t thinned_ = 0;
    bool dropped_ = false; // a node, in this generation
    std::array<std::uint64_t, kMaxLevels> of_levels_{};
    NodeList dirty_;
    NodeList frozen_;
};

} // namespace snapstore
