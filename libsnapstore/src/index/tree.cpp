// SPDX-License-Identifier: GPL-2.0
// Queries of the tree, and its bounds.
#include "index/tree.h"

#include <algorithm>

#include "memory/assertion.h"

namespace snapstore {

Tree::Tree(NodePool& pool, Zone& zone) : nodes_(pool, zone) {}

unsigned Tree::position(const node_disk& page, const Key& key) noexcept
{
    const auto* begin = page.entries.data();
    const auto* found = std::lower_bound(begin, begin + page.count, key,
                                         [](const entry_disk& e, const Key& k) { return key_of(e) < k; });
    return static_cast<unsigned>(found - begin);
}

unsigned Tree::child_index(const node_disk& page, const Key& key) noexcept
{
    const unsigned i = position(page, key);
    if (i < page.count && key_of(page.entries[i]) == key) {
        return i;
    }
    return i == 0 ? 0 : i - 1;
}

std::uint32_t Tree::max_epoch(const Node& node) noexcept
{
    std::uint32_t highest = 0;
    for (unsigned i = 0; i < node.count(); ++i) {
        const entry_disk& e = node.page->entries[i];
        highest = std::max(highest, node.level() != 0 ? highest_epoch(e) : e.epoch.get());
    }
    return highest;
}

std::optional<Entry> Tree::lower_bound(const Key& key) const noexcept
{
    const Node* node = root_;
    const Node* right = nullptr; // the subtree just right of the path, nearest to it
    if (node == nullptr) {
        return {};
    }
    while (node->level() > 0) {
        const unsigned i = child_index(*node->page, key);
        if (i + 1 < node->count()) {
            right = nodes_.child(node->page->entries[i + 1]);
        }
        node = nodes_.child(node->page->entries[i]);
    }
    unsigned i = position(*node->page, key);
    if (i == node->count()) {
        if (right == nullptr) {
            return {};
        }
        for (node = right; node->level() > 0;) {
            node = nodes_.child(node->page->entries[0]);
        }
        i = 0;
    }
    return unpack_entry(node->page->entries[i]);
}

std::optional<Entry> Tree::predecessor(const Key& key) const noexcept
{
    const Node* node = root_;
    const Node* left = nullptr;
    if (node == nullptr) {
        return {};
    }
    while (node->level() > 0) {
        const unsigned i = child_index(*node->page, key);
        if (i > 0) {
            left = nodes_.child(node->page->entries[i - 1]);
        }
        node = nodes_.child(node->page->entries[i]);
    }
    unsigned i = position(*node->page, key);
    if (i == 0) {
        if (left == nullptr) {
            return {};
        }
        for (node = left; node->level() > 0;) {
            node = nodes_.child(node->page->entries[node->count() - 1]);
        }
        i = node->count();
    }
    return unpack_entry(node->page->entries[i - 1]);
}

std::optional<Entry> Tree::find(const Key& key) const noexcept
{
    const Node* node = root_;
    if (node == nullptr) {
        return {};
    }
    while (node->level() > 0) {
        node = nodes_.child(node->page->entries[child_index(*node->page, key)]);
    }
    const unsigned i = position(*node->page, key);
    if (i < node->count() && key_of(node->page->entries[i]) == key) {
        return unpack_entry(node->page->entries[i]);
    }
    return {};
}

std::uint64_t Tree::growth_bound(std::uint64_t inserts) const noexcept
{
    // Each insertion splits at most one node of a level, and only a full one: those that are there now, or
    // one that half a node's worth of insertions has filled again. One new root per level that appears.
    std::uint64_t bound = 3;
    std::uint64_t below = inserts;
    for (const std::uint64_t nodes : nodes_.of_levels()) {
        below = std::min(inserts, nodes + below / (kNodeEntries / 8) + 1);
        bound += below;
        if (nodes == 0) {
            break;
        }
    }
    return bound;
}

Tree::Mark Tree::mark() const noexcept
{
    return {nodes_.size(), nodes_.size() - nodes_.of_levels()[0], nodes_.created(), nodes_.thinned(),
            inserted_};
}

// Where nothing was erased, both trees have the same leaves. A leaf that was thinned may be split more often
// without its erasures: at most once for each insertion, and at most once as it is full now, and once for each
// kNodeEntries / 8 insertions after that (as in growth_bound()). Inner nodes, likewise, by the leaves' splits.
std::uint64_t Tree::nodes_without_erasures(const Mark& then) const noexcept
{
    const std::uint64_t made = then.nodes + (nodes_.created() - then.created);
    const std::uint64_t thinned = nodes_.thinned() - then.thinned;
    if (thinned == 0) {
        return made;
    }
    const std::uint64_t inserted = inserted_ - then.inserted;
    const std::uint64_t leaves = std::min(inserted, thinned + inserted / (kNodeEntries / 8) + 1);
    const std::uint64_t inner =
        std::min(leaves * levels(), then.inner + thinned + leaves / (kNodeEntries / 16) + levels());
    return made + leaves + inner;
}

std::uint64_t Tree::insert_bound(std::uint64_t inserts) const noexcept
{
    std::uint64_t moved = 0;
    for (const std::uint64_t nodes : nodes_.of_levels()) {
        moved += std::min(inserts, nodes);
    }
    return moved + growth_bound(inserts);
}

std::uint64_t Tree::erase_bound(std::uint64_t erasures) const noexcept
{
    std::uint64_t moved = 0;
    for (const std::uint64_t nodes : nodes_.of_levels()) {
        moved += std::min(2 * erasures, nodes);
    }
    return moved;
}

Result<void> Tree::set_root(Block block, std::uint32_t level, std::uint64_t entries)
{
    root_ = block == kNoBlock ? nullptr : nodes_.at(block);
    entries_ = entries;
    if (root_ != nullptr && root_->level() != level) {
        return fail(Errc::corrupt, "root of another level", block_offset(block));
    }
    return {};
}

} // namespace snapstore
