// SPDX-License-Identifier: GPL-2.0
// What every actor of a simulated world shares: the event queue, the source of chance, the trace and the
// verdict.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "sim/rng.h"
#include "sim/scheduler.h"

namespace sim {

class Context {
public:
    explicit Context(std::uint64_t seed) : rng(seed) {}

    Scheduler scheduler;
    Rng rng;

    // The first failure is the one that counts; the world stops after the event that found it.
    void fail(std::string text)
    {
        if (failure_.empty()) {
            trace("FAILURE {}", text);
            failure_ = std::move(text);
        }
    }
    bool failed() const noexcept { return !failure_.empty(); }
    const std::string& failure() const noexcept { return failure_; }

    // Formats nothing unless tracing is on: a failing seed is run again with it.
    void enable_trace(bool print, std::size_t keep)
    {
        print_ = print;
        keep_ = keep;
    }
    template <class... Args>
    void trace(fmt::format_string<Args...> format, Args&&... args)
    {
        if (keep_ > 0 || print_) {
            add_line(fmt::format("{:>10} ", scheduler.now()) +
                     fmt::format(format, std::forward<Args>(args)...));
        }
    }
    const std::deque<std::string>& lines() const noexcept { return lines_; }

    // A delay of the world: mostly short, now and then long enough to overtake or be overtaken.
    Micros delay(Micros typical)
    {
        const std::uint64_t kind = rng.below(64);
        return kind == 0  ? rng.between(typical, typical * 40)
               : kind < 8 ? rng.between(1, typical * 5)
                          : rng.between(1, typical);
    }

private:
    void add_line(std::string line);

    std::string failure_;
    std::deque<std::string> lines_;
    std::size_t keep_ = 0;
    bool print_ = false;
};

} // namespace sim
