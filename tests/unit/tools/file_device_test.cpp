// SPDX-License-Identifier: GPL-2.0
// The engine on plain files, driven by FileIo.
#include "tools/common/file_device.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "snapstore/store.h"
#include "tests/support/scratch_folder.h"

namespace zumastor {
namespace {

using snapstore::Bytes;
using snapstore::IoRequest;
using snapstore::IoStatus;

class Files : public testing::Test {
protected:
    FileDevice make(const std::string& name, std::uint64_t bytes)
    {
        ddsnap::UniqueFd fd(::open((folder_ / name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
        return FileDevice(io_, std::move(fd), Bytes{bytes}, name);
    }

    zumastor::test::ScratchFolder folder_;
    FileIo io_;
    snapstore::FramePool frames_;
};

snapstore::Task<IoStatus> transfer([[maybe_unused]] snapstore::FramePool& frames, FileDevice& device,
                                   IoRequest::Op op, Bytes offset, std::span<std::byte> buffer)
{
    co_return co_await snapstore::DeviceIo(device, op, offset, buffer);
}

TEST_F(Files, BeyondTheEndReadsAsZeros)
{
    FileDevice device = make("odd", 4096 + 1000); // 4096 + 512 in whole sectors
    EXPECT_EQ(device.size().value, 4608u);
    std::vector<std::byte> block(4096, std::byte{0xaa});
    ASSERT_EQ(io_.finish(frames_, transfer(frames_, device, IoRequest::Op::write, Bytes{4096}, block)),
              IoStatus::ok);
    std::fill(block.begin(), block.end(), std::byte{0xff});
    ASSERT_EQ(io_.finish(frames_, transfer(frames_, device, IoRequest::Op::read, Bytes{4096}, block)),
              IoStatus::ok);
    EXPECT_EQ(block[511], std::byte{0xaa});
    EXPECT_EQ(block[512], std::byte{0});
    EXPECT_EQ(block[4095], std::byte{0});
}

TEST_F(Files, ErrorsAreReported)
{
    FileDevice device(io_, ddsnap::UniqueFd(), Bytes{8192}, "closed");
    std::vector<std::byte> block(4096);
    EXPECT_EQ(io_.finish(frames_, transfer(frames_, device, IoRequest::Op::read, Bytes{0}, block)),
              IoStatus::error);
    EXPECT_FALSE(device.last_error().empty());
}

TEST_F(Files, StoreIsMadeAndFound)
{
    FileDevice origin = make("origin", 64u << 20);
    FileDevice store = make("store", 64u << 20);
    snapstore::Format format;
    format.uuid[0] = std::byte{0x42};
    format.origin_size = to_sectors_floor(origin.size());
    ASSERT_FALSE(io_.finish(frames_, snapstore::Store::probe(frames_, store)));
    ASSERT_TRUE(
        io_.finish(frames_, snapstore::Store::initialize(frames_, {&origin, &store, nullptr}, format)));
    const auto found = io_.finish(frames_, snapstore::Store::probe(frames_, store));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->uuid, format.uuid);
    EXPECT_EQ(found->origin_size, format.origin_size);
}

} // namespace
} // namespace zumastor
