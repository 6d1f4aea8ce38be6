// SPDX-License-Identifier: GPL-2.0
// What a comparison found: all of it counted, the first of it listed.
#pragma once

#include <cstdint>
#include <vector>

namespace zumastor {

struct ByteRange {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    bool operator==(const ByteRange&) const = default;
};

class DifferingRanges {
public:
    explicit DifferingRanges(std::uint64_t limit) : limit_(limit) {}

    // In rising order. What goes on where the last one ended is one range with it.
    void add(const ByteRange& range)
    {
        bytes_ += range.length;
        const bool goes_on = ranges_ > 0 && end_ == range.offset;
        end_ = range.offset + range.length;
        ranges_ += goes_on ? 0 : 1;
        if (ranges_ > limit_) {
            return;
        }
        if (goes_on) {
            listed_.back().length += range.length;
        } else {
            listed_.push_back(range);
        }
    }

    std::uint64_t bytes() const noexcept { return bytes_; }
    std::uint64_t ranges() const noexcept { return ranges_; }
    const std::vector<ByteRange>& listed() const noexcept { return listed_; }

private:
    std::uint64_t limit_;
    std::uint64_t bytes_ = 0;
    std::uint64_t ranges_ = 0;
    std::uint64_t end_ = 0;
    std::vector<ByteRange> listed_;
};

} // namespace zumastor
