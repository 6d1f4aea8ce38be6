// SPDX-License-Identifier: GPL-2.0
// What a volume must read: the origin and each snapshot as plain memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/native/volume.h"

namespace ddsnap::test {

class Model {
public:
    Model(Volume& volume, std::uint64_t seed) : volume_(volume), random_(seed), origin_(volume.sizes().origin)
    {}

    // Writes `count` random runs of 1 … 32 blocks of 4 KiB through the device.
    void scribble(client::OriginDevice& device, int count)
    {
        for (int i = 0; i < count; ++i) {
            const std::uint64_t blocks = origin_.size() / 4096;
            const std::uint64_t first = random_() % blocks;
            const std::uint64_t length = std::min(1 + random_() % 32, blocks - first);
            const std::span<std::byte> place(origin_.data() + first * 4096, length * 4096);
            fill(place);
            ASSERT_EQ(device.write(first * 4096, place), wire::Status::ok);
        }
    }
    void scribble(std::uint64_t snapshot, client::SnapshotDevice& device, int count)
    {
        auto& content = snapshots_.at(snapshot);
        for (int i = 0; i < count; ++i) {
            const std::uint64_t first = random_() % (content.size() / 4096);
            const std::span<std::byte> place(content.data() + first * 4096, 4096);
            fill(place);
            ASSERT_EQ(device.write(first * 4096, place), wire::Status::ok);
        }
    }

    std::uint64_t snapshot()
    {
        const std::uint64_t id = volume_.create();
        snapshots_[id] = origin_;
        return id;
    }
    void forget(std::uint64_t id) { snapshots_.erase(id); }

    void compare(std::uint64_t id)
    {
        auto options = volume_.device("reader");
        options.read_only = true;
        auto device = client::SnapshotDevice::open(snapstore::SnapshotId{id}, options);
        ASSERT_TRUE(device) << device.error();
        compare(id, **device);
        EXPECT_TRUE((*device)->bye());
    }
    void compare(std::uint64_t id, client::SnapshotDevice& device)
    {
        const auto& wanted = snapshots_.at(id);
        std::vector<std::byte> found(1u << 20);
        for (std::uint64_t at = 0; at < wanted.size(); at += found.size()) {
            const std::span part(found.data(), std::min<std::uint64_t>(found.size(), wanted.size() - at));
            ASSERT_EQ(device.read(at, part), wire::Status::ok);
            const auto differs =
                std::mismatch(part.begin(), part.end(), wanted.begin() + static_cast<long>(at));
            ASSERT_TRUE(differs.first == part.end())
                << "snapshot " << id << " differs at byte "
                << at + static_cast<std::uint64_t>(differs.first - part.begin());
        }
    }
    void compare_all()
    {
        for (const auto& [id, content] : snapshots_) {
            compare(id);
        }
    }
    const std::map<std::uint64_t, std::vector<std::byte>>& snapshots() const noexcept { return snapshots_; }
    std::mt19937_64& random() noexcept { return random_; }

private:
    void fill(std::span<std::byte> place)
    {
        const bool zeros = random_() % 8 == 0;
        for (std::size_t i = 0; i < place.size(); i += 8) {
            const std::uint64_t word = zeros ? 0 : random_();
            std::memcpy(place.data() + i, &word, 8);
        }
    }

    Volume& volume_;
    std::mt19937_64 random_;
    std::vector<std::byte> origin_;
    std::map<std::uint64_t, std::vector<std::byte>> snapshots_;
};

} // namespace ddsnap::test
