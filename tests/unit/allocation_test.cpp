// SPDX-License-Identifier: GPL-2.0
// I5: once warm, serving origin writes, snapshot reads and snapshot writes allocates nothing.
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "tests/support/sim_world.h"

namespace {
std::uint64_t allocations = 0; // NOLINT: counted by what replaces the global operators

void* counted(std::size_t size, std::size_t alignment = 0)
{
    ++allocations;
    // aligned_alloc wants whole multiples.
    return alignment == 0 ? std::malloc(size) // NOLINT
                          : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* or_throw(void* memory)
{
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}
} // namespace

// malloc() itself is counted where the sanitizers do not own it. All forms are replaced, the arrays' too:
// those left out would be libstdc++'s, which call these, or a sanitizer's, which do not, so that nobody would
// count them, and memory of one would be given back to the other (std::stable_sort, for one, takes the form
// that does not throw and gives back to the ordinary one).
void* operator new(std::size_t size) { return or_throw(counted(size)); }
void* operator new[](std::size_t size) { return or_throw(counted(size)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void* operator new(std::size_t size, std::align_val_t to)
{
    return or_throw(counted(size, static_cast<std::size_t>(to)));
}
void* operator new[](std::size_t size, std::align_val_t to)
{
    return or_throw(counted(size, static_cast<std::size_t>(to)));
}
void* operator new(std::size_t size, std::align_val_t to, const std::nothrow_t&) noexcept
{
    return counted(size, static_cast<std::size_t>(to));
}
void* operator new[](std::size_t size, std::align_val_t to, const std::nothrow_t&) noexcept
{
    return counted(size, static_cast<std::size_t>(to));
}
// NOLINTBEGIN
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept { std::free(memory); }
// NOLINTEND

namespace zumastor::test {
namespace {

Task<void> write_many(FramePool& frames, SimWorld& world, std::uint64_t count, std::uint64_t& left)
{
    (void)frames;
    const std::uint64_t chunks = world.config().origin.value >> world.config().chunk_shift;
    std::array<Extent, 8> out{};
    for (std::uint64_t i = 0; i < count; ++i) {
        const Chunk chunk{world.random()() % (chunks - 4)};
        const SnapshotId id{world.random()() % 3};
        switch (world.random()() % 10) {
        case 0:
            (void)co_await world.store().snapshots().read(id, ChunkRange{chunk, 4}, out);
            break;
        case 1:
            (void)co_await world.store().snapshots().write(id, ChunkRange{chunk, 1}, out);
            break;
        default:
            (void)co_await world.store().origin().write(ChunkRange{chunk, 2});
        }
    }
    --left;
}

void run_writers(SimWorld& world, std::uint64_t writers, std::uint64_t each)
{
    std::uint64_t left = writers;
    for (std::uint64_t i = 0; i < writers; ++i) {
        spawn(world.frames(), write_many(world.frames(), world, each, left));
    }
    // NOLINTNEXTLINE(bugprone-infinite-loop): the coroutines change it
    while (left > 0) {
        world.step();
    }
}

TEST(AllocationTest, WritesAllocateNothing)
{
    WorldConfig config;
    config.origin = Bytes{512ULL << 20};
    config.store = Bytes{900ULL << 20};
    config.store_config.node_cache = Bytes{64ULL << 20};
    config.store_config.copy_buffer = Bytes{1ULL << 20};
    SimWorld world(7, config);
    for (SimDisk* disk : {&world.origin(), &world.store_disk()}) {
        disk->set_volatile_cache(false);
        disk->reserve(4096);
    }
    for (std::byte& b : world.origin().content()) {
        b = std::byte{1};
    }
    ASSERT_TRUE(world.initialize());
    ASSERT_TRUE(world.open());
    for (int i = 0; i < 3; ++i) {
        const CreateOptions options;
        ASSERT_TRUE(world.run(world.store().snapshots().create(options)));
    }
    run_writers(world, 32, 200); // warm-up
    const std::uint64_t before = allocations;
    const std::uint64_t misses = world.store().frames().misses();
    const std::uint64_t copied = world.store().counters().copied_chunks;
    run_writers(world, 32, 3200);
    EXPECT_EQ(allocations - before, 0U);
    EXPECT_EQ(world.store().frames().misses() - misses, 0U);
    EXPECT_GT(world.store().counters().copied_chunks - copied, 50'000U);
    EXPECT_FALSE(world.store().info().failed);
}

} // namespace
} // namespace zumastor::test
