// SPDX-License-Identifier: GPL-2.0
// The exceptions: a copy-on-write B+tree, in memory as a whole.
//
// An inner entry holds a lower bound of the keys below it, the child's block and the highest epoch of an
// exception below, shared or private (max_epoch); who asks for recent epochs skips what is older. Where the
// nodes are, and which a checkpoint writes, is known to the NodeSet.
//
// Invariant: keys are strictly ascending, all leaves are at level 0, max_epoch is exact.
// (TreeTest.AgainstMap calls check() throughout)
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <optional>

#include "index/node_set.h"
#include "snapstore/error.h"

namespace snapstore {

class Tree {
public:
    static constexpr unsigned kMaxLevels = NodeSet::kMaxLevels;

    Tree(NodePool& pool, Zone& zone);

    // ---- queries ----
    std::optional<Entry> find(const Key& key) const noexcept;
    std::optional<Entry> lower_bound(const Key& key) const noexcept; // the first entry >= key
    std::optional<Entry> predecessor(const Key& key) const noexcept; // the last entry < key

    // Entries with from <= key < to, in order, but for subtrees without an epoch >= min_epoch.
    // visit(const Entry&, bool adjacent) returns false to stop; adjacent: the entry before it in the tree was
    // visited, too. min_epoch 0 skips nothing. Returns false if stopped. The tree must not be changed.
    template <class Visit>
    bool visit(const Key& from, const Key& to, std::uint32_t min_epoch, Visit&& visit) const
    {
        Walk<Visit> walk{from, to, min_epoch, visit, false};
        return root_ == nullptr || walk_node(*root_, walk);
    }

    // Keys from `from` on, in order, but for subtrees without an epoch >= min_epoch, and only those that are
    // wanted: next(key) returns the least key wanted after this one, which is greater, or nothing to stop
    // before it. Looks into at most `budget` nodes and takes them off it. True: there is nothing more.
    // False: stopped, or the budget is used up; `from` is where to go on.
    template <class Next>
    bool seek(Key& from, std::uint32_t min_epoch, std::uint64_t& budget, Next&& next) const
    {
        Hunt<Next> hunt{from, min_epoch, budget, next};
        return root_ == nullptr || hunt_node(*root_, hunt);
    }

    std::uint64_t entries() const noexcept { return entries_; }
    NodeSet& nodes() noexcept { return nodes_; }
    const NodeSet& nodes() const noexcept { return nodes_; }
    unsigned levels() const noexcept { return root_ == nullptr ? 0 : root_->level() + 1; }
    const Node* root() const noexcept { return root_; }

    // ---- changes: the caller has seen to it that insert_bound() or erase_bound()'s nodes and blocks are
    // there ----
    bool insert(const Entry& entry) noexcept;                 // false if the key is there already
    bool erase(const Key& key) noexcept;                      // false if it is not
    bool relocate(const Key& key, StoreChunk place) noexcept; // false if the key is not there
    // The node in this block, if there is one, and those above it get other blocks, as if it was changed. One
    // of the current generation stays where it is.
    void renew(Block block) noexcept;

    // At most so many nodes are new or moved by `inserts` insertions.
    std::uint64_t insert_bound(std::uint64_t inserts) const noexcept;
    std::uint64_t erase_bound(std::uint64_t erasures) const noexcept; // also for relocate() and renew()
    // At most so many nodes are added to the tree by `inserts` insertions.
    std::uint64_t growth_bound(std::uint64_t inserts) const noexcept;
    // The tree at one moment. What it counts only grows, but for the nodes that there are.
    struct Mark {
        std::uint64_t nodes = 0;
        std::uint64_t inner = 0; // of these, not leaves
        std::uint64_t created = 0;
        std::uint64_t thinned = 0;
        std::uint64_t inserted = 0;
    };
    Mark mark() const noexcept;
    // At most so many nodes has the tree of then with the insertions since, and without the erasures.
    std::uint64_t nodes_without_erasures(const Mark& then) const noexcept;

    // For loading: after all nodes were adopted.
    Result<void> set_root(Block block, std::uint32_t level, std::uint64_t entries);

    // Verifies structure, order and max_epoch of what is in memory; calls damaged() for what is wrong.
    void check(const std::function<void(const char* what, Block block, Key key)>& damaged) const;

private:
    struct Step {
        Node* node;
        unsigned index;
    };
    using Path = std::array<Step, kMaxLevels>;
    struct CheckState;

    template <class Visit>
    struct Walk {
        Key from;
        Key to;
        std::uint32_t min_epoch;
        Visit& visit;
        bool adjacent;
    };

    template <class Visit>
    bool walk_node(const Node& node, Walk<Visit>& walk) const
    {
        const node_disk& page = *node.page;
        unsigned i = node.level() == 0 ? position(page, walk.from) : child_index(page, walk.from);
        for (; i < page.count; ++i) {
            const entry_disk& e = page.entries[i];
            if (!(key_of(e) < walk.to)) {
                break; // the rest lies beyond
            }
            if (node.level() == 0) {
                if (!walk.visit(unpack_entry(e), walk.adjacent)) {
                    return false;
                }
                walk.adjacent = true;
            } else if (highest_epoch(e) < walk.min_epoch) {
                walk.adjacent = false;
            } else if (!walk_node(*nodes_.child(e), walk)) {
                return false;
            }
        }
        return true;
    }

    template <class Next>
    struct Hunt {
        Key& from;
        std::uint32_t min_epoch;
        std::uint64_t& budget;
        Next& next;
    };

    template <class Next>
    bool hunt_node(const Node& node, Hunt<Next>& hunt) const
    {
        const node_disk& page = *node.page;
        if (hunt.budget == 0) {
            hunt.from = std::max(hunt.from, key_of(page.entries[0]));
            return false;
        }
        --hunt.budget;
        return node.level() == 0 ? hunt_leaf(page, hunt) : hunt_children(page, hunt);
    }

    template <class Next>
    bool hunt_leaf(const node_disk& page, Hunt<Next>& hunt) const
    {
        for (unsigned i = position(page, hunt.from); i < page.count;) {
            hunt.from = key_of(page.entries[i]);
            const std::optional<Key> wanted = hunt.next(hunt.from);
            if (!wanted) {
                return false;
            }
            hunt.from = *wanted;
            ++i;
            if (i < page.count && key_of(page.entries[i]) < hunt.from) {
                i = position(page, hunt.from);
            }
        }
        return true;
    }

    template <class Next>
    bool hunt_children(const node_disk& page, Hunt<Next>& hunt) const
    {
        for (unsigned i = child_index(page, hunt.from); i < page.count;) {
            const entry_disk& e = page.entries[i];
            if (highest_epoch(e) >= hunt.min_epoch && !hunt_node(*nodes_.child(e), hunt)) {
                return false;
            }
            ++i;
            if (i < page.count && !(hunt.from < key_of(page.entries[i]))) {
                i = child_index(page, hunt.from);
            }
        }
        return true;
    }

    static unsigned position(const node_disk& page, const Key& key) noexcept;    // first entry >= key
    static unsigned child_index(const node_disk& page, const Key& key) noexcept; // entry to descend into
    static std::uint32_t max_epoch(const Node& node) noexcept;

    Node* shadow(Node* node) noexcept; // the same node, changeable
    unsigned descend(const Key& key, Path& path) noexcept;
    static unsigned lower_separator(Node& node, const Key& key) noexcept;
    Node* shadow_child(Node& parent, unsigned index) noexcept;
    Node* add_root(Node& old) noexcept;
    Node* split_child(Node& parent, unsigned index, Node& left, const Key& key) noexcept;
    static void update_parents(Path& path, unsigned depth) noexcept;
    void rebalance(Path& path, unsigned depth) noexcept;
    void join(Node& parent, unsigned left_index, Node& left, Node& right) noexcept;
    static void even_out(Node& parent, unsigned left_index, Node& left, Node& right) noexcept;
    void check_node(CheckState& state, const Node& node, const Key* from, const Key* to) const;

    NodeSet nodes_;
    Node* root_ = nullptr;
    std::uint64_t entries_ = 0;
    std::uint64_t inserted_ = 0; // only grows
};

} // namespace snapstore
