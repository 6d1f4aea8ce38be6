// SPDX-License-Identifier: GPL-2.0
// The event queue of a simulated world. Time is in simulated microseconds and moves only from event to
// event; events due at the same time run in the order in which they were made.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace sim {

using Micros = std::uint64_t;

class Scheduler {
public:
    using Action = std::function<void()>;

    Micros now() const noexcept { return now_; }
    std::uint64_t steps() const noexcept { return steps_; }
    bool empty() const noexcept { return heap_.empty(); }

    void after(Micros delay, Action action)
    {
        heap_.push_back({now_ + delay, next_++, std::move(action)});
        sift_up(heap_.size() - 1);
    }

    // Runs the next event; false if there is none.
    bool step()
    {
        if (heap_.empty()) {
            return false;
        }
        Event event = std::move(heap_.front());
        heap_.front() = std::move(heap_.back());
        heap_.pop_back();
        if (!heap_.empty()) {
            sift_down();
        }
        now_ = event.due;
        ++steps_;
        event.action();
        return true;
    }

private:
    struct Event {
        Micros due;
        std::uint64_t order;
        Action action;
        bool before(const Event& o) const noexcept { return due != o.due ? due < o.due : order < o.order; }
    };

    void sift_up(std::size_t i)
    {
        while (i > 0 && heap_[i].before(heap_[(i - 1) / 2])) {
            std::swap(heap_[i], heap_[(i - 1) / 2]);
            i = (i - 1) / 2;
        }
    }

    void sift_down()
    {
        std::size_t i = 0;
        for (;;) {
            std::size_t least = i;
            for (const std::size_t child : {2 * i + 1, 2 * i + 2}) {
                if (child < heap_.size() && heap_[child].before(heap_[least])) {
                    least = child;
                }
            }
            if (least == i) {
                return;
            }
            std::swap(heap_[i], heap_[least]);
            i = least;
        }
    }

    std::vector<Event> heap_;
    Micros now_ = 0;
    std::uint64_t next_ = 0;
    std::uint64_t steps_ = 0;
};

} // namespace sim
