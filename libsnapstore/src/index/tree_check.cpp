// SPDX-License-Identifier: GPL-2.0
// Verifies the whole tree in memory.
#include <algorithm>
#include <optional>

#include "index/tree.h"

namespace snapstore {

struct Tree::CheckState {
    const std::function<void(const char*, Block, Key)>& damaged;
    std::uint64_t entries = 0;
    std::uint64_t nodes = 0;
    std::optional<Key> last;
};

void Tree::check(const std::function<void(const char* what, Block block, Key key)>& damaged) const
{
    CheckState state{damaged, 0, 0, {}};
    if (root_ != nullptr) {
        check_node(state, *root_, nullptr, nullptr);
    }
    const Block block = root_ == nullptr ? kNoBlock : root_->block;
    if (state.entries != entries_) {
        damaged("tree: wrong number of entries", block, {});
    }
    if (state.nodes != nodes_.size()) {
        damaged("tree: wrong number of nodes", block, {});
    }
}

// All keys of `node` must be >= *from and < *to.
void Tree::check_node(CheckState& state, const Node& node, const Key* from, const Key* to) const
{
    const node_disk& page = *node.page;
    ++state.nodes;
    if (page.count == 0 || page.count > kNodeEntries || nodes_.at(node.block) != &node) {
        state.damaged("tree: bad node", node.block, from != nullptr ? *from : Key{});
        return;
    }
    for (unsigned i = 0; i < page.count; ++i) {
        const Key key = key_of(page.entries[i]);
        if ((from != nullptr && key < *from) || (to != nullptr && !(key < *to))) {
            state.damaged("tree: key out of its node's range", node.block, key);
        }
        if (node.level() == 0) {
            if (state.last && !(*state.last < key)) {
                state.damaged("tree: keys out of order", node.block, key);
            }
            state.last = key;
            ++state.entries;
            continue;
        }
        const Node* below = nodes_.at(child_block(page.entries[i]));
        if (below == nullptr || below->level() + 1 != node.level() || below->generation > node.generation) {
            state.damaged("tree: bad child", node.block, key);
            continue;
        }
        if (highest_epoch(page.entries[i]) != max_epoch(*below)) {
            state.damaged("tree: wrong highest epoch", node.block, key);
        }
        const Key next = i + 1 < page.count ? key_of(page.entries[i + 1]) : Key{};
        check_node(state, *below, &key, i + 1 < page.count ? &next : to);
    }
}

} // namespace snapstore
