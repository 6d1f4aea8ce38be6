// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/sectors.h"

#include <gtest/gtest.h>

namespace zumastor {
namespace {

// What is sent, the replica, and whether that goes. 0: an older version does not say.
TEST(Sectors, OnlyLargerOnesAtTheReplicaAreRefused)
{
    for (const auto& [needed, here, good] : {std::tuple{512, 512, true},
                                             {4096, 512, true},
                                             {4096, 4096, true},
                                             {512, 4096, false},
                                             {1024, 4096, false},
                                             {0, 4096, true},
                                             {512, 0, true}}) {
        const auto ask = [needed = needed, here = here] {
            refuse_larger_sectors(static_cast<std::uint64_t>(needed), static_cast<std::uint64_t>(here),
                                  "volume a", "volume b");
        };
        if (good) {
            EXPECT_NO_THROW(ask()) << needed << " on " << here;
        } else {
            EXPECT_THROW(ask(), Failure) << needed << " on " << here;
        }
    }
}

TEST(Sectors, TheRefusalNamesBothAndTheRemedy)
{
    try {
        refuse_larger_sectors(512, 4096, "volume a", "volume b");
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), Exit::mismatch);
        EXPECT_EQ(std::string(failure.what()), "volume b has sectors of 4096 bytes, but what volume a holds "
                                               "needs sectors of at most 512 bytes: it "
                                               "could not be mounted there");
        EXPECT_NE(failure.next().find("--sector-size 512"), std::string::npos);
        EXPECT_NE(failure.next().find("mkfs.xfs -s size=4096"), std::string::npos);
    }
}

} // namespace
} // namespace zumastor
