// SPDX-License-Identifier: GPL-2.0
// Many pieces read or written at once: of disks, and of a snapshot that the daemon serves.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

#include "ddsnapd/disk/disk_batch.h"
#include "tests/native/model.h"

namespace ddsnap::test {
namespace {

using client::SnapshotDevice;

constexpr std::size_t kBlock = 4096;

struct Aligned {
    explicit Aligned(std::size_t size) : memory(size + kBlock)
    {
        const auto at = reinterpret_cast<std::uintptr_t>(memory.data());
        bytes = std::span(memory).subspan((kBlock - at % kBlock) % kBlock, size);
    }
    std::span<std::byte> block(std::size_t number) const { return bytes.subspan(number * kBlock, kBlock); }
    std::vector<std::byte> memory;
    std::span<std::byte> bytes;
};

// Content that says where it belongs.
void mark(std::span<std::byte> data, std::uint64_t number)
{
    for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = static_cast<std::byte>(number * 31 + i / 512);
    }
}

class DiskBatchTest : public testing::Test {
protected:
    Volume volume; // its files are all that is needed
    RawDisk disk = *RawDisk::open(volume.path("origin"));
};

// Disk by disk, each from its beginning to its end; what is at the same place as it came.
TEST_F(DiskBatchTest, OrderOfTheDisks)
{
    const RawDisk other = *RawDisk::open(volume.path("store"));
    const Aligned memory(kBlock);
    std::vector<DiskOp> ops;
    for (const std::uint64_t block : std::initializer_list<std::uint64_t>{9, 2, 7, 2, 0, 11, 5, 3}) {
        ops.push_back(DiskOp::read(ops.size() % 3 == 0 ? other : disk, block * kBlock, memory.block(0)));
    }
    const std::vector<std::size_t> order = disk_order(ops);
    std::vector<std::size_t> all = order;
    std::sort(all.begin(), all.end());
    for (std::size_t i = 0; i < ops.size(); ++i) {
        ASSERT_EQ(all[i], i);
    }
    int changes = 0;
    for (std::size_t i = 1; i < order.size(); ++i) {
        const DiskOp& before = ops[order[i - 1]];
        const DiskOp& op = ops[order[i]];
        if (op.disk != before.disk) {
            ++changes;
        } else {
            EXPECT_TRUE(before.offset < op.offset || (before.offset == op.offset && order[i - 1] < order[i]));
        }
    }
    EXPECT_EQ(changes, 1);
    EXPECT_TRUE(disk_order({}).empty());
}

// More than are under way at once, backwards, some of them not aligned.
TEST_F(DiskBatchTest, AllAreDone)
{
    constexpr std::size_t kCount = 1000;
    const Aligned out(kCount * kBlock);
    std::vector<DiskOp> ops;
    for (std::size_t i = kCount; i-- > 0;) {
        mark(out.block(i), i);
        ops.push_back(DiskOp::write(disk, i * kBlock, out.block(i)));
    }
    run_all(ops);
    EXPECT_TRUE(std::all_of(ops.begin(), ops.end(), [](const DiskOp& op) { return op.error == 0; }));

    const Aligned in(2 * kCount * kBlock);
    ops.clear();
    for (std::size_t i = 0; i < kCount; ++i) {
        const std::size_t shift = i % 100 == 99 ? 8 : 0;
        ops.push_back(DiskOp::read(disk, i * kBlock, in.bytes.subspan(2 * i * kBlock + shift, kBlock)));
    }
    run_all(ops);
    for (std::size_t i = 0; i < kCount; ++i) {
        ASSERT_EQ(ops[i].error, 0) << i;
        ASSERT_TRUE(std::equal(ops[i].input.begin(), ops[i].input.end(), out.block(i).begin())) << i;
    }
}

TEST_F(DiskBatchTest, OneThatFailsSaysSoAlone)
{
    const RawDisk read_only = *RawDisk::open(volume.path("store"), true);
    const Aligned memory(300 * kBlock);
    std::vector<DiskOp> ops;
    for (std::size_t i = 0; i < 300; ++i) {
        mark(memory.block(i), i);
        ops.push_back(DiskOp::write(i == 200 ? read_only : disk, i * kBlock, memory.block(i)));
    }
    ops[40].offset = 100; // not what O_DIRECT takes, where there is O_DIRECT
    run_all(ops);
    for (std::size_t i = 0; i < 300; ++i) {
        if (i != 40) {
            EXPECT_EQ(ops[i].error, i == 200 ? EBADF : 0) << i;
        }
    }
    for (DiskOp& op : ops) {
        op = DiskOp::read(disk, op.offset, memory.block(static_cast<std::size_t>(&op - ops.data())));
    }
    ops[40].offset = 40 * kBlock;
    ops[7].offset = disk.size() - 512; // ends beyond the end
    ops[8].offset = disk.size();
    run_all(ops);
    for (std::size_t i = 0; i < 300; ++i) {
        EXPECT_EQ(ops[i].error, i == 7 || i == 8 ? EIO : 0) << i;
    }
}

// ---- of a snapshot ----------------------------------------------------------------------------

class PartsTest : public testing::Test {
protected:
    static constexpr std::size_t kParts = 700; // more than a session has credits

    PartsTest()
    {
        volume.start();
        origin = std::move(*client::OriginDevice::open(volume.device("origin")));
    }
    std::unique_ptr<SnapshotDevice> open(std::uint64_t id) const
    {
        auto options = volume.device("reader");
        options.read_only = true;
        return std::move(*SnapshotDevice::open(snapstore::SnapshotId{id}, options));
    }
    static std::uint64_t place(std::size_t part) { return (part * 37 % 1024) * 16384 + part % 4 * kBlock; }

    // Each part has what was written where it is before the snapshot was taken.
    void compare(SnapshotDevice& snapshot, const Aligned& memory) const
    {
        std::vector<SnapshotDevice::Part> parts;
        for (std::size_t i = 0; i < kParts; ++i) {
            parts.push_back({place(i), memory.block(i)});
        }
        ASSERT_EQ(snapshot.read(parts), wire::Status::ok);
        std::vector<std::byte> wanted(kBlock);
        for (const auto& part : parts) {
            mark(wanted, part.offset / kBlock);
            ASSERT_TRUE(std::equal(wanted.begin(), wanted.end(), part.data.begin())) << part.offset;
        }
    }
    void write_all()
    {
        const Aligned block(kBlock);
        for (std::uint64_t at = 0; at < origin->size(); at += kBlock) {
            mark(block.bytes, at / kBlock);
            ASSERT_EQ(origin->write(at, block.bytes), wire::Status::ok);
        }
    }
    // Overwrites all of it, again and again, until told to stop.
    void overwrite(const std::atomic<bool>& stop)
    {
        const Aligned block(4 * kBlock);
        while (!stop) {
            for (std::uint64_t at = 0; at < origin->size() && !stop; at += block.bytes.size()) {
                ASSERT_EQ(origin->write(at, block.bytes), wire::Status::ok);
            }
        }
    }

    Volume volume;
    std::unique_ptr<client::OriginDevice> origin;
};

// Two readers hold many chunks at once while a writer asks for all of them in turn.
TEST_F(PartsTest, AreRightWhileTheOriginIsWritten)
{
    write_all();
    for (int round = 0; round < 3; ++round) {
        const std::uint64_t id = volume.create();
        std::atomic<bool> stop = false;
        std::thread writer([&] { overwrite(stop); });
        const auto first = open(id);
        const auto second = open(id);
        std::thread other([&] {
            const Aligned memory(kParts * kBlock);
            compare(*second, memory);
        });
        const Aligned memory(kParts * kBlock);
        compare(*first, memory);
        compare(*first, memory);
        other.join();
        stop = true;
        writer.join();
        write_all(); // for the next snapshot
    }
}

TEST_F(PartsTest, SurviveTheDaemon)
{
    write_all();
    const auto snapshot = open(volume.create());
    const Aligned memory(kParts * kBlock);
    std::atomic<bool> done = false;
    std::thread breaker([&] {
        for (int i = 0; i < 20 && !done; ++i) {
            snapshot->break_connection(std::chrono::milliseconds(1));
            std::this_thread::sleep_for(std::chrono::milliseconds(3)); // a pace, nothing waits for it
        }
        volume.kill();
        volume.start();
    });
    for (int i = 0; i < 20; ++i) {
        compare(*snapshot, memory);
    }
    done = true;
    breaker.join();
    compare(*snapshot, memory);
}

TEST_F(PartsTest, OneOutOfRangeIsRefused)
{
    const auto snapshot = open(volume.create());
    const Aligned memory(2 * kBlock);
    const std::array<SnapshotDevice::Part, 2> parts{SnapshotDevice::Part{0, memory.block(0)},
                                                    {volume.sizes().origin, memory.block(1)}};
    EXPECT_EQ(snapshot->read(parts), wire::Status::range);
    EXPECT_EQ(snapshot->read(std::span<const SnapshotDevice::Part>{}), wire::Status::ok);
}

} // namespace
} // namespace ddsnap::test
