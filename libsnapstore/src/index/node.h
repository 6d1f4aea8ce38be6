// SPDX-License-Identifier: GPL-2.0
// A tree node in memory: its 4 KiB page, in the form it has on disk, and what is known about it; and the
// pool that both come from.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "format/entry.h"
#include "memory/aligned_buffer.h"

namespace snapstore {

// An inner node's entry has other things where a leaf's has checksum and place.
inline std::uint32_t highest_epoch(const entry_disk& inner) noexcept { return inner.crc; } // of those below
inline Block child_block(const entry_disk& inner) noexcept { return Block{inner.location}; }
inline void set_highest_epoch(entry_disk& inner, std::uint32_t epoch) noexcept { inner.crc = epoch; }
inline void set_child_block(entry_disk& inner, Block block) noexcept { inner.location = block.value; }
inline void set_key(entry_disk& e, const Key& key) noexcept
{
    e.key = key.key;
    e.epoch = key.epoch;
}

struct Node {
    node_disk* page = nullptr;
    Block block;
    std::uint64_t generation = 0; // in which it was made or last moved
    std::uint64_t thinned_in = 0; // the latest generation in which NodeSet::thin() had it
    Node* previous = nullptr;     // in the list of nodes made in the same generation, until written
    Node* next = nullptr;
    bool frozen = false;    // being written by a checkpoint: may not be changed
    bool abandoned = false; // frozen, and no longer part of the tree: freed when written

    unsigned level() const noexcept { return page->level; }
    unsigned count() const noexcept { return page->count; }
    std::span<std::byte> bytes() const noexcept
    {
        return {reinterpret_cast<std::byte*>(page), kBlockSize.value};
    }
};

// A list of nodes through their own links.
class NodeList {
public:
    bool empty() const noexcept { return head_ == nullptr; }
    Node* head() const noexcept { return head_; }
    std::uint64_t size() const noexcept { return size_; }
    void push(Node& node) noexcept
    {
        node.previous = nullptr;
        node.next = head_;
        if (head_ != nullptr) {
            head_->previous = &node;
        }
        head_ = &node;
        ++size_;
    }
    void remove(Node& node) noexcept
    {
        (node.previous != nullptr ? node.previous->next : head_) = node.next;
        if (node.next != nullptr) {
            node.next->previous = node.previous;
        }
        node.previous = nullptr;
        node.next = nullptr;
        --size_;
    }

private:
    Node* head_ = nullptr;
    std::uint64_t size_ = 0;
};

// Nodes from slabs. get() never allocates; grow() does.
class NodePool {
public:
    // Invariant: free() only shrinks by get(). (AllocationTest.WritesAllocateNothing)
    Node* get() noexcept; // null if there is none
    void put(Node* node) noexcept;
    void grow(std::size_t nodes);
    std::size_t free() const noexcept { return free_; }
    std::size_t size() const noexcept { return size_; }

private:
    struct Slab {
        AlignedBuffer pages;
        std::vector<Node> nodes;
    };
    std::vector<Slab> slabs_;
    Node* head_ = nullptr;
    std::size_t free_ = 0;
    std::size_t size_ = 0;
};

} // namespace snapstore
