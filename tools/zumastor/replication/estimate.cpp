// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/estimate.h"

#include <algorithm>

namespace zumastor {
namespace {

constexpr double kShare = 1.0 / 3;     // of the time so far
constexpr double kLeast = 2;           // seconds
constexpr double kPointsPerTime = 300; // of the time so far: a third of them is kept

} // namespace

void Estimate::reached(double seconds, std::uint64_t done)
{
    now_ = {seconds, done};
    if (seconds >= points_.back().seconds + seconds / kPointsPerTime) {
        points_.push_back(now_);
    }
    const double begin = seconds - std::max(kLeast, kShare * seconds);
    while (points_.size() > 1 && points_[1].seconds <= begin) {
        points_.pop_front();
    }
}

std::optional<double> Estimate::rate() const
{
    const Point& then = points_.front();
    if (now_.done == then.done || now_.seconds <= then.seconds) {
        return std::nullopt;
    }
    return static_cast<double>(now_.done - then.done) / (now_.seconds - then.seconds);
}

std::optional<double> Estimate::seconds_left(std::uint64_t total) const
{
    const auto speed = rate();
    if (!speed) {
        return std::nullopt;
    }
    return static_cast<double>(total - std::min(total, now_.done)) / *speed;
}

} // namespace zumastor
