// SPDX-License-Identifier: GPL-2.0
#include "index/node.h"

namespace snapstore {

Node* NodePool::get() noexcept
{
    Node* node = head_;
    if (node != nullptr) {
        head_ = node->next;
        --free_;
        node_disk* page = node->page;
        *node = Node{};
        node->page = page;
    }
    return node;
}

void NodePool::put(Node* node) noexcept
{
    node->next = head_;
    head_ = node;
    ++free_;
}

void NodePool::grow(std::size_t nodes)
{
    Slab slab{AlignedBuffer(nodes * kBlockSize.value), std::vector<Node>(nodes)};
    for (std::size_t i = 0; i < nodes; ++i) {
        slab.nodes[i].page = reinterpret_cast<node_disk*>(slab.pages.block(i).data());
        put(&slab.nodes[i]);
    }
    size_ += nodes;
    slabs_.push_back(std::move(slab));
}

} // namespace snapstore
