// SPDX-License-Identifier: GPL-2.0
#include "index/node_set.h"

#include <cstring>
#include <numeric>
#include <utility>

#include "memory/assertion.h"

namespace snapstore {

NodeSet::NodeSet(NodePool& pool, Zone& zone)
    : pool_(pool), zone_(zone), first_(zone.first()), by_block_(zone.units().size(), nullptr)
{}

std::uint64_t NodeSet::size() const noexcept
{
    return std::accumulate(of_levels_.begin(), of_levels_.end(), std::uint64_t{0});
}

Node* NodeSet::at(Block block) const noexcept
{
    return is_of_zone(block) ? by_block_[block - first_] : nullptr;
}

void NodeSet::attach_to_block(Node& node, Block block) noexcept
{
    node.block = block;
    by_block_[block - first_] = &node;
}

Node* NodeSet::make(unsigned level) noexcept
{
    Node* node = pool_.get();
    const Zone::Run run = zone_.allocate(1);
    SNAPSTORE_ASSERT(node != nullptr && run.count == 1);
    std::memset(static_cast<void*>(node->page), 0, sizeof(node_disk));
    node->page->level = static_cast<std::uint16_t>(level);
    attach_to_block(*node, run.first);
    node->generation = generation_;
    dirty_.push(*node);
    ++of_levels_[level];
    ++created_;
    return node;
}

// The block of a node that is moved or dropped. One of this generation was never part of a checkpoint.
void NodeSet::detach_from_block(const Node& node) noexcept
{
    by_block_[node.block - first_] = nullptr;
    if (node.generation == generation_) {
        zone_.free_now(node.block);
    } else {
        zone_.free_later(node.block);
    }
}

Node* NodeSet::changeable(Node* node) noexcept
{
    if (node->generation == generation_) {
        return node;
    }
    const Zone::Run run = zone_.allocate(1);
    SNAPSTORE_ASSERT(run.count == 1);
    detach_from_block(*node);
    Node* copy = node;
    if (node->frozen) {
        copy = pool_.get();
        SNAPSTORE_ASSERT(copy != nullptr);
        std::memcpy(static_cast<void*>(copy->page), node->page, sizeof(node_disk));
        node->abandoned = true;
    }
    attach_to_block(*copy, run.first);
    copy->generation = generation_;
    dirty_.push(*copy);
    return copy;
}

void NodeSet::drop(Node* node) noexcept
{
    dropped_ = true;
    --of_levels_[node->level()];
    detach_from_block(*node);
    if (node->generation == generation_) {
        dirty_.remove(*node);
    }
    if (node->frozen) {
        node->abandoned = true;
    } else {
        pool_.put(node);
    }
}

void NodeSet::freeze(std::uint64_t next) noexcept
{
    SNAPSTORE_ASSERT(frozen_.empty() && next > generation_);
    std::swap(dirty_, frozen_);
    for (Node* node = frozen_.head(); node != nullptr; node = node->next) {
        node->frozen = true;
    }
    dropped_ = false;
    generation_ = next;
}

Node* NodeSet::next_frozen() noexcept
{
    Node* node = frozen_.head();
    if (node != nullptr) {
        frozen_.remove(*node);
    }
    return node;
}

void NodeSet::written(Node* node) noexcept
{
    node->frozen = false;
    if (node->abandoned) {
        pool_.put(node);
    }
}

Result<void> NodeSet::adopt(Node* node, Block block)
{
    const Bytes where = block_offset(block);
    const node_disk& page = *node->page;
    if (page.count == 0 || page.count > kNodeEntries || page.level >= kMaxLevels) {
        return fail(Errc::corrupt, "node: count or level out of range", where);
    }
    for (unsigned i = 0; i < page.count; ++i) {
        if (i > 0 && !(key_of(page.entries[i - 1]) < key_of(page.entries[i]))) {
            return fail(Errc::corrupt, "node: keys out of order", where);
        }
        if (page.level > 0 && !is_of_zone(child_block(page.entries[i]))) {
            return fail(Errc::corrupt, "node: child out of range", where);
        }
    }
    if (!is_of_zone(block) || at(block) != nullptr || !zone_.mark_used(block)) {
        return fail(Errc::corrupt, "node: block used twice", where);
    }
    attach_to_block(*node, block);
    node->generation = page.header.generation;
    ++of_levels_[page.level];
    return {};
}

} // namespace snapstore
