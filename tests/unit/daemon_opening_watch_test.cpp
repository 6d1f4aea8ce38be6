// SPDX-License-Identifier: GPL-2.0
// What systemd hears of a store that takes long to open.
#include <gtest/gtest.h>

#include "ddsnapd/daemon/opening_watch.h"

namespace ddsnap::daemon {
namespace {

TEST(OpeningWatch, AsksForTimeAsLongAsThereIsProgress)
{
    OpeningWatch watch;
    EXPECT_EQ(
        watch.look(0),
        "EXTEND_TIMEOUT_USEC=120000000\nSTATUS=Opening the snapshot store: 0 MiB read"); // the first limit
    EXPECT_EQ(watch.look(4096),
              "EXTEND_TIMEOUT_USEC=120000000\nSTATUS=Opening the snapshot store: 0 MiB read");
    EXPECT_EQ(watch.look(5u << 20),
              "EXTEND_TIMEOUT_USEC=120000000\nSTATUS=Opening the snapshot store: 5 MiB read");
}

TEST(OpeningWatch, ADiskThatStandsStillGetsNone)
{
    OpeningWatch watch;
    EXPECT_NE(watch.look(8192), "");
    EXPECT_EQ(watch.look(8192), "");
    EXPECT_EQ(watch.look(8192), "");
    EXPECT_NE(watch.look(8193), "");
}

} // namespace
} // namespace ddsnap::daemon
