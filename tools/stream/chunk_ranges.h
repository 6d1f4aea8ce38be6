// SPDX-License-Identifier: GPL-2.0
// Ranges of chunks in rising order, and what of them others do not have.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "tools/common/daemon.h"

namespace zumastor {

// Rising and not overlapping; empty at the end.
using RangeSource = std::function<std::optional<DeltaRange>()>;

// Takes out of ranges, which come in rising order, what `others` gives. One pass through both: no memory.
class RangesWithout {
public:
    explicit RangesWithout(RangeSource others) : others_(std::move(others)) { next(); }

    // Calls visit() for each part of `range` that is not among the others, until it returns false.
    bool visit_rest(DeltaRange range, const std::function<bool(const DeltaRange&)>& visit)
    {
        const std::uint64_t end = range.first + range.count;
        for (std::uint64_t at = range.first; at < end;) {
            while (other_ && other_->first + other_->count <= at) {
                next();
            }
            const std::uint64_t begin = other_ ? std::clamp(other_->first, at, end) : end; // of the other
            if (begin > at && !visit({at, begin - at})) {
                return false;
            }
            at = other_ && begin < end ? other_->first + other_->count : end;
        }
        return true;
    }

private:
    void next() { other_ = others_ ? others_() : std::nullopt; }

    RangeSource others_;
    std::optional<DeltaRange> other_; // the first one that may still matter
};

} // namespace zumastor
