// SPDX-License-Identifier: GPL-2.0
#include "tools/common/kernel_messages.h"

#include <gtest/gtest.h>

namespace zumastor {
namespace {

TEST(KernelMessages, OfARecordTheKernelsTextCounts)
{
    EXPECT_EQ(text_of_kernel_record("3,339,5140900,-;EXT4-fs (dm-3): bad geometry\n SUBSYSTEM=block\n"),
              "EXT4-fs (dm-3): bad geometry");
    EXPECT_EQ(text_of_kernel_record("30,340,5140901,-;systemd[1]: EXT4-fs (dm-3)\n"), ""); // a program's own
    EXPECT_EQ(text_of_kernel_record("nothing"), "");
    EXPECT_EQ(text_of_kernel_record(""), "");
}

} // namespace
} // namespace zumastor
