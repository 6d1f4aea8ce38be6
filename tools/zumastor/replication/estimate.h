// SPDX-License-Identifier: GPL-2.0
// How fast a transfer is, and how long the rest of it will take. Pure: the caller has the clock.
//
// Measured over the last third of the time so far, but no less than two seconds: long enough that hiccups
// even out, short enough that a rate that has changed for good is believed half as long again after the
// change.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace zumastor {

class Estimate {
public:
    // `done` units have been reached so many seconds after the start. Neither goes back.
    void reached(double seconds, std::uint64_t done);

    // Units per second, lately. None as long as there is nothing to measure.
    std::optional<double> rate() const;
    // Until `total` units are reached.
    std::optional<double> seconds_left(std::uint64_t total) const;

private:
    struct Point {
        double seconds = 0;
        std::uint64_t done = 0;
    };
    Point now_;
    std::deque<Point> points_{
        Point{}}; // rising; the first is where the measured time begins. Some hundred at most
};

} // namespace zumastor
