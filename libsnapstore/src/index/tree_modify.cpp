// SPDX-License-Identifier: GPL-2.0
// Insertion and deletion. Every node on the way down is made changeable (shadow()) first, so that each
// step after that changes nodes in place. On the way up, separators and max_epoch are brought up to date.
#include <algorithm>
#include <cstring>

#include "index/tree.h"
#include "memory/assertion.h"

namespace snapstore {

namespace {

constexpr unsigned kFull = kNodeEntries;
constexpr unsigned kSparse = kNodeEntries / 3;         // below this a node is joined or evened out
constexpr unsigned kAppendKeep = kNodeEntries * 7 / 8; // kept by the left node when keys arrive in order

void move_entries(node_disk& to, unsigned to_index, const node_disk& from, unsigned from_index,
                  unsigned count)
{
    std::memmove(static_cast<void*>(&to.entries[0] + to_index), &from.entries[0] + from_index,
                 count * sizeof(entry_disk));
}

void set_count(Node& node, unsigned count) { node.page->count = static_cast<std::uint16_t>(count); }

void insert_at(Node& node, unsigned index, const entry_disk& e)
{
    node_disk& page = *node.page;
    SNAPSTORE_ASSERT(page.count < kFull && index <= page.count);
    move_entries(page, index + 1, page, index, page.count - index);
    page.entries[index] = e;
    set_count(node, page.count + 1U);
}

void erase_at(Node& node, unsigned index)
{
    node_disk& page = *node.page;
    SNAPSTORE_ASSERT(index < page.count);
    move_entries(page, index, page, index + 1, page.count - index - 1U);
    set_count(node, page.count - 1U);
}

} // namespace

// The same node, changeable.
Node* Tree::shadow(Node* node) noexcept
{
    Node* same = nodes_.changeable(node);
    if (root_ == node) {
        root_ = same;
    }
    return same;
}

// The child to descend into for `key`; if that is left of everything, the lower bound moves.
unsigned Tree::lower_separator(Node& node, const Key& key) noexcept
{
    const unsigned i = child_index(*node.page, key);
    entry_disk& e = node.page->entries[i];
    if (key < key_of(e)) {
        set_key(e, key);
    }
    return i;
}

Node* Tree::shadow_child(Node& parent, unsigned index) noexcept
{
    entry_disk& e = parent.page->entries[index];
    Node* node = shadow(nodes_.child(e));
    set_child_block(e, node->block);
    return node;
}

// Makes the path to `key`'s leaf changeable; returns the leaf's depth.
unsigned Tree::descend(const Key& key, Path& path) noexcept
{
    unsigned depth = 0;
    Node* node = shadow(root_);
    while (node->level() > 0) {
        const unsigned i = child_index(*node->page, key);
        path[depth++] = {node, i};
        node = shadow_child(*node, i);
    }
    path[depth] = {node, position(*node->page, key)};
    return depth;
}

void Tree::update_parents(Path& path, unsigned depth) noexcept
{
    while (depth > 0) {
        const std::uint32_t highest = max_epoch(*path[depth].node);
        --depth;
        entry_disk& e = path[depth].node->page->entries[path[depth].index];
        if (highest_epoch(e) == highest) {
            return;
        }
        set_highest_epoch(e, highest);
    }
}

// Full nodes are split on the way down, so that a parent always has room for its child's new neighbour.
bool Tree::insert(const Entry& entry) noexcept
{
    const Key& key = entry.key;
    if (find(key)) {
        return false;
    }
    if (root_ == nullptr) {
        root_ = nodes_.make(0);
    }
    Node* node = shadow(root_);
    if (node->count() == kFull) {
        node = add_root(*node);
    }
    while (node->level() > 0) {
        unsigned i = lower_separator(*node, key);
        Node* below = shadow_child(*node, i);
        if (below->count() == kFull) {
            Node* right = split_child(*node, i, *below, key);
            if (!(key < key_of(right->page->entries[0]))) {
                below = right;
                ++i;
            }
        }
        entry_disk& e = node->page->entries[i];
        set_highest_epoch(e, std::max(highest_epoch(e), key.epoch));
        node = below;
    }
    insert_at(*node, position(*node->page, key), pack_entry(entry));
    ++entries_;
    ++inserted_;
    return true;
}

Node* Tree::add_root(Node& old) noexcept
{
    Node* root = nodes_.make(old.level() + 1);
    SNAPSTORE_ASSERT(root->level() < kMaxLevels);
    entry_disk first = old.page->entries[0];
    set_highest_epoch(first, max_epoch(old));
    set_child_block(first, old.block);
    insert_at(*root, 0, first);
    root_ = root;
    return root;
}

// The new right half of the full node below entry `index`. Keys that arrive in order leave full nodes behind.
Node* Tree::split_child(Node& parent, unsigned index, Node& left, const Key& key) noexcept
{
    const bool append = key_of(left.page->entries[kFull - 1]) < key;
    const unsigned keep = append ? kAppendKeep : kFull / 2;
    Node* right = nodes_.make(left.level());
    move_entries(*right->page, 0, *left.page, keep, kFull - keep);
    set_count(*right, kFull - keep);
    set_count(left, keep);
    entry_disk e = right->page->entries[0];
    set_highest_epoch(e, max_epoch(*right));
    set_child_block(e, right->block);
    insert_at(parent, index + 1, e);
    set_highest_epoch(parent.page->entries[index], max_epoch(left));
    return right;
}

bool Tree::erase(const Key& key) noexcept
{
    if (!find(key)) {
        return false;
    }
    Path path;
    const unsigned depth = descend(key, path);
    Node& leaf = *path[depth].node;
    erase_at(leaf, path[depth].index);
    nodes_.thin(leaf);
    --entries_;
    update_parents(path, depth);
    rebalance(path, depth);
    return true;
}

bool Tree::relocate(const Key& key, StoreChunk place) noexcept
{
    if (!find(key)) {
        return false;
    }
    Path path;
    const unsigned depth = descend(key, path);
    path[depth].node->page->entries[path[depth].index].location = place.value;
    return true;
}

void Tree::renew(Block block) noexcept
{
    const Node* wanted = nodes_.at(block);
    if (wanted == nullptr || wanted->generation == nodes_.generation()) {
        return;
    }
    const Key key = key_of(wanted->page->entries[0]);
    const unsigned level = wanted->level();
    Node* node = shadow(root_); // `wanted` may not be there any more
    while (node->level() > level) {
        node = shadow_child(*node, child_index(*node->page, key));
    }
}

// Joins or evens out nodes that have become sparse, from the leaf up.
void Tree::rebalance(Path& path, unsigned depth) noexcept
{
    for (; depth > 0; --depth) {
        if (path[depth].node->count() >= kSparse) {
            return;
        }
        Node& parent = *path[depth - 1].node;
        const unsigned index = path[depth - 1].index;
        if (parent.count() == 1) { // nothing to join with
            if (path[depth].node->count() == 0) {
                erase_at(parent, 0);
                nodes_.drop(path[depth].node);
            }
            continue;
        }
        const unsigned left_index = index == 0 ? 0 : index - 1;
        Node* left = shadow_child(parent, left_index);
        Node* right = shadow_child(parent, left_index + 1);
        nodes_.thin(*left);
        nodes_.thin(*right);
        if (left->count() + right->count() <= kFull) {
            join(parent, left_index, *left, *right);
        } else {
            even_out(parent, left_index, *left, *right);
        }
    }
    while (root_->level() > 0 && root_->count() == 1) {
        Node* below = nodes_.child(root_->page->entries[0]);
        Node* old = root_;
        root_ = below;
        nodes_.drop(old);
    }
    if (root_->count() == 0) {
        nodes_.drop(root_);
        root_ = nullptr;
    }
}

void Tree::join(Node& parent, unsigned left_index, Node& left, Node& right) noexcept
{
    move_entries(*left.page, left.count(), *right.page, 0, right.count());
    set_count(left, left.count() + right.count());
    erase_at(parent, left_index + 1);
    set_highest_epoch(parent.page->entries[left_index], max_epoch(left));
    nodes_.drop(&right);
}

void Tree::even_out(Node& parent, unsigned left_index, Node& left, Node& right) noexcept
{
    const unsigned total = left.count() + right.count();
    const unsigned keep = total / 2;
    if (left.count() > keep) {
        const unsigned moved = left.count() - keep;
        move_entries(*right.page, moved, *right.page, 0, right.count());
        move_entries(*right.page, 0, *left.page, keep, moved);
    } else {
        const unsigned moved = keep - left.count();
        move_entries(*left.page, left.count(), *right.page, 0, moved);
        move_entries(*right.page, 0, *right.page, moved, right.count() - moved);
    }
    set_count(left, keep);
    set_count(right, total - keep);
    entry_disk& right_entry = parent.page->entries[left_index + 1];
    set_key(right_entry, key_of(right.page->entries[0]));
    set_highest_epoch(right_entry, max_epoch(right));
    set_highest_epoch(parent.page->entries[left_index], max_epoch(left));
}

} // namespace snapstore
