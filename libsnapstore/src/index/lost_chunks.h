// SPDX-License-Identifier: GPL-2.0
// The shared exceptions without content: chunks that the origin could not deliver when they were to be
// copied. All are counted; of the first ones it is known which they are. Allocates nothing after its
// construction.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "format/entry.h"

namespace snapstore {

class LostChunks {
public:
    static constexpr std::size_t kMost = 1024; // known ones

    LostChunks() { known_.reserve(kMost); }

    void insert(Key key) noexcept
    {
        ++count_;
        if (known_.size() < kMost) {
            known_.push_back(key);
        }
    }
    void erase(Key key) noexcept
    {
        --count_;
        std::erase(known_, key);
    }
    std::uint64_t count() const noexcept { return count_; }
    const std::vector<Key>& known() const noexcept { return known_; }

private:
    std::uint64_t count_ = 0;
    std::vector<Key> known_;
};

} // namespace snapstore
