// SPDX-License-Identifier: GPL-2.0
#include "index/node_set.h"

#include <cstring>
#include <numeric>
#include <utility>

#include "memory/assertion.h"

namespace snapstore {

NodeSet::NodeSet(NodePool& pool, Allocator& blocks, Area zone)
    : pool_(pool), blocks_(blocks), zone_(zone), by_block_(zone.count, nullptr)
{}

std::uint64_t NodeSet::size() const noexcept
{
    return std::accumulate(of_levels_.begin(), of_levels_.end(), std::uint64_t{0});
}

Node* NodeSet::at(std::uint64_t block) const noexcept
{
    return zone_.contains(block) ? by_block_[block - zone_.first] : nullptr;
}

Node* NodeSet::make(unsigned level) noexcept
{
    Node* node = pool_.get();
    const Allocator::Run run = blocks_.allocate(1);
    SNAPSTORE_ASSERT(node != nullptr && run.count == 1);
    std::memset(static_cast<void*>(node->page), 0, sizeof(node_disk));
    node->page->level = static_cast<std::uint16_t>(level);
    node->block = zone_.first + run.first;
    node->generation = generation_;
    by_block_[run.first] = node;
    dirty_.push(*node);
    ++of_levels_[level];
    ++created_;
    return node;
}

// The block of a node that is moved or dropped. One of this generation was never part of a checkpoint.
void NodeSet::detach_from_block(const Node& node) noexcept
{
    const std::uint64_t unit = node.block - zone_.first;
    by_block_[unit] = nullptr;
    if (node.generation == generation_) {
        blocks_.free_now(unit);
    } else {
        blocks_.free_later(unit);
    }
}

Node* NodeSet::changeable(Node* node) noexcept
{
    if (node->generation == generation_) {
        return node;
    }
    const Allocator::Run run = blocks_.allocate(1);
    SNAPSTORE_ASSERT(run.count == 1);
    detach_from_block(*node);
    Node* copy = node;
    if (node->frozen) {
        copy = pool_.get();
        SNAPSTORE_ASSERT(copy != nullptr);
        std::memcpy(static_cast<void*>(copy->page), node->page, sizeof(node_disk));
        node->abandoned = true;
    }
    copy->block = zone_.first + run.first;
    copy->generation = generation_;
    by_block_[run.first] = copy;
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

Result<void> NodeSet::adopt(Node* node, std::uint64_t block)
{
    const std::uint64_t where = block * kBlockSize.value;
    const node_disk& page = *node->page;
    if (page.count == 0 || page.count > kNodeEntries || page.level >= kMaxLevels) {
        return fail(Errc::corrupt, "node: count or level out of range", where);
    }
    for (unsigned i = 0; i < page.count; ++i) {
        if (i > 0 && !(key_of(page.entries[i - 1]) < key_of(page.entries[i]))) {
            return fail(Errc::corrupt, "node: keys out of order", where);
        }
        if (page.level > 0 && !zone_.contains(child_block(page.entries[i]))) {
            return fail(Errc::corrupt, "node: child out of range", where);
        }
    }
    if (!zone_.contains(block) || by_block_[block - zone_.first] != nullptr ||
        !blocks_.mark_used(block - zone_.first)) {
        return fail(Errc::corrupt, "node: block used twice", where);
    }
    node->block = block;
    node->generation = page.header.generation;
    by_block_[block - zone_.first] = node;
    ++of_levels_[page.level];
    return {};
}

} // namespace snapstore
