// SPDX-License-Identifier: GPL-2.0
// What progress foretells, against what then happens, on a clock of the test's own.
#include <algorithm>
#include <functional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tools/zumastor/replication/estimate.h"

namespace zumastor {
namespace {

constexpr std::uint64_t kTotal = 1'000'000;

struct Told {
    double seconds = 0;
    double left = 0;
};

// Runs a transfer whose rate (units a second) depends on the time, in steps of `step` seconds; `told` is what
// was said on the way, `duration` what it took.
struct Transfer {
    explicit Transfer(const std::function<double(double)>& rate, double step = 0.01)
    {
        Estimate estimate;
        double done = 0;
        while (done < kTotal) {
            done += rate(duration) * step;
            duration += step;
            estimate.reached(duration, static_cast<std::uint64_t>(std::min<double>(done, kTotal)));
            if (const auto left = estimate.seconds_left(kTotal)) {
                told.push_back({duration, *left});
            }
        }
    }
    // The largest error in the second half, relative to what was really left; a second is always allowed.
    double worst() const
    {
        double error = 0;
        for (const Told& t : told) {
            const double left = duration - t.seconds;
            if (t.seconds >= duration / 2 && left > 0) {
                error = std::max(error, (std::abs(t.left - left) - 1) / left);
            }
        }
        return error;
    }
    double duration = 0;
    std::vector<Told> told;
};

TEST(Estimate, AnEvenRate)
{
    for (const double rate : {1e3, 1e4, 1e5}) {
        const Transfer transfer([&](double) { return rate; });
        ASSERT_GT(transfer.told.size(), 100u);
        EXPECT_LT(transfer.worst(), 0.01) << rate;
    }
}

// Another rate for good after the first quarter: an average over the whole time would be wrong to the end.
TEST(Estimate, ARateThatChanges)
{
    for (const double later : {0.1, 0.5, 2.0, 10.0}) {
        const double before = kTotal / 100.0;
        const double at = later < 1 ? 20 : 3;
        const Transfer transfer([&](double t) { return t < at ? before : before * later; });
        ASSERT_GT(transfer.duration, 4 * at - 1) << later;
        EXPECT_LT(transfer.worst(), 0.1) << later;
    }
}

// Shortly before the second half: wrong at first, right once a third of the time has passed since.
TEST(Estimate, AChangeIsBelievedInTime)
{
    const Transfer transfer([](double t) { return t < 40 ? 1e4 : 1e4 * 0.6 / 0.9; });
    for (const Told& t : transfer.told) {
        if (t.seconds > 60 && t.seconds < transfer.duration) {
            EXPECT_NEAR(t.left, transfer.duration - t.seconds, 1 + 0.1 * (transfer.duration - t.seconds));
        }
    }
}

TEST(Estimate, HiccupsEvenOut)
{
    std::mt19937 random(5);
    double until = 0;
    double rate = 0;
    const Transfer transfer([&](double t) { // another rate twice a second, up to three times the average
        if (t >= until) {
            rate = random() % 3 == 0 ? 3e4 : 0;
            until = t + 0.5;
        }
        return rate;
    });
    EXPECT_GT(transfer.duration, 60);
    const double half = transfer.duration / 2;
    for (const Told& t : transfer.told) {
        if (t.seconds >= half) { // the end that it foretells
            EXPECT_NEAR(t.seconds + t.left, transfer.duration, 0.2 * transfer.duration) << t.seconds;
        }
    }
}

TEST(Estimate, SaysNothingBeforeItKnowsAnything)
{
    Estimate estimate;
    EXPECT_FALSE(estimate.rate());
    EXPECT_FALSE(estimate.seconds_left(10));
    estimate.reached(0.5, 0);
    EXPECT_FALSE(estimate.seconds_left(10));
    estimate.reached(1, 5);
    EXPECT_DOUBLE_EQ(*estimate.seconds_left(10), 1);
    estimate.reached(2, 12); // more than was announced
    EXPECT_DOUBLE_EQ(*estimate.seconds_left(10), 0);
}

} // namespace
} // namespace zumastor
