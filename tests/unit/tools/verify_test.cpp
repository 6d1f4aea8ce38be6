// SPDX-License-Identifier: GPL-2.0
// Comparing: what the two sides say, how ranges are hashed and listed; what a promoted volume remembers.
#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/scratch_folder.h"
#include "tests/unit/tools/literals.h"
#include "tools/common/failure.h"
#include "tools/zumastor/replication/differing_ranges.h"
#include "tools/zumastor/replication/verify_session.h"
#include "tools/zumastor/state/former_source.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/state/target_state.h"

namespace zumastor {
namespace {

using namespace literals;

const UuidText kFirst = "11111111-2222-3333-4444-555555555555"_uuid;
const UuidText kBase = "22222222-2222-3333-4444-555555555555"_uuid;
const UuidText kOther = "33333333-2222-3333-4444-555555555555"_uuid;

TEST(VerifySession, LinesAreUnderstoodByTheOtherSide)
{
    const VerifyHello hello =
        parse_verify_hello(format(VerifyHello{"b"_volume, "replica", 16384, {kFirst, kBase}}));
    EXPECT_EQ(hello.volume, "b");
    EXPECT_EQ(hello.role, "replica");
    EXPECT_EQ(hello.chunk_bytes, 16384u);
    EXPECT_EQ(hello.snapshots, (std::vector<UuidText>{kFirst, kBase}));
    const VerifyRequest request =
        parse_verify_request(format(VerifyRequest{Ask::send, kBase, 1, 2, 3, {{4, 5}, {600, 7}}, 8}));
    EXPECT_EQ(request.what, Ask::send);
    EXPECT_EQ(request.snapshot, kBase);
    EXPECT_EQ(request.bytes, 1u);
    EXPECT_EQ(request.first, 2u);
    EXPECT_EQ(request.count, 3u);
    EXPECT_EQ(request.runs, (std::vector<stream::ChunkRun>{{4, 5}, {600, 7}}));
    EXPECT_EQ(request.bytes_per_second, 8u);
    const VerifyAnswer answer =
        parse_verify_answer(format(VerifyAnswer{7, {"a \"reason\"", "do", Exit::busy}}));
    EXPECT_EQ(answer.bytes, 7u);
    EXPECT_EQ(answer.refusal.error, "a \"reason\"");
    EXPECT_EQ(answer.refusal.next, "do");
    EXPECT_EQ(answer.refusal.code, Exit::busy);
}

TEST(VerifySession, GarbageIsRefused)
{
    for (const char* line : {"", "{}", "[]", "null", "{\"zumastor_verify\":2}", "{\"zumastor\":1}",
                             "{\"zumastor_verify\":1,\"what\":7}"}) {
        EXPECT_THROW(parse_verify_hello(line), Failure) << line;
        EXPECT_THROW(parse_verify_request(line), Failure) << line;
        EXPECT_THROW(parse_verify_answer(line), Failure) << line;
    }
    const std::string hash(32, 'a');
    EXPECT_EQ(parse_hash(format_hash(hash)), hash);
    EXPECT_EQ(parse_hash(format_hash({})), "");
    for (const std::string& line : {std::string(), hash + "a", std::string(31, 'a'), std::string(32, 'A'),
                                    std::string("{\"error\":\"no\"}")}) {
        EXPECT_THROW(parse_hash(line), Failure) << line;
    }
}

struct Content final : stream::SnapshotReader {
    explicit Content(std::size_t size) : bytes(size)
    {
        std::mt19937_64 random(size);
        for (std::byte& byte : bytes) {
            byte = static_cast<std::byte>(random());
        }
    }
    void read(std::uint64_t offset, std::span<std::byte> data) override
    {
        if (offset <= unreadable && unreadable < offset + data.size()) {
            throw stream::TransferError("a bad place");
        }
        std::memcpy(data.data(), &bytes.at(offset), data.size());
    }
    std::vector<std::byte> bytes;
    std::uint64_t unreadable = UINT64_MAX;
};

std::vector<std::string> hashes(Content& content, std::uint64_t unit)
{
    const stream::Ranges ranges{content.bytes.size(), unit};
    std::vector<std::string> all;
    stream::hash_ranges(content, ranges, 0, ranges.count(), [&](std::uint64_t range, const auto& hash) {
        EXPECT_EQ(range, all.size());
        all.push_back(hash);
    });
    return all;
}

TEST(HashRanges, EveryByteCountsInItsOwnRange)
{
    constexpr std::size_t kSize = (9u << 20) + 512; // the last range is a part of one
    constexpr std::uint64_t kUnit = 4u << 20;
    Content content(kSize);
    const auto before = hashes(content, kUnit);
    ASSERT_EQ(before.size(), 3u);
    for (const std::size_t at : {std::size_t{0}, std::size_t{4u << 20} - 1, std::size_t{4u << 20},
                                 std::size_t{9u << 20} - 1, kSize - 1}) {
        content.bytes[at] ^= std::byte{1};
        const auto after = hashes(content, kUnit);
        for (std::size_t range = 0; range < before.size(); ++range) {
            EXPECT_EQ(after[range] == before[range], range != at / kUnit) << at << " in " << range;
        }
        content.bytes[at] ^= std::byte{1};
    }
    EXPECT_EQ(hashes(content, kUnit), before);
}

TEST(HashRanges, WhatCannotBeReadHasNoHash)
{
    Content content(3u << 20);
    content.unreadable = (1u << 20) + 7;
    const auto all = hashes(content, 1u << 20);
    ASSERT_EQ(all.size(), 3u);
    EXPECT_FALSE(all[0].empty());
    EXPECT_TRUE(all[1].empty());
    EXPECT_FALSE(all[2].empty());
}

TEST(DifferingRanges, AreAllCountedAndListedUpToTheLimit)
{
    DifferingRanges found(2);
    found.add({0, 10});
    found.add({10, 10});
    found.add({40, 10});
    found.add({50, 5});
    found.add({100, 1}); // beyond the limit, and what goes on there, too
    found.add({101, 1});
    EXPECT_EQ(found.ranges(), 3u);
    EXPECT_EQ(found.bytes(), 37u);
    EXPECT_EQ(found.listed(), (std::vector<ByteRange>{{0, 20}, {40, 15}}));
    DifferingRanges none(0);
    none.add({0, 1});
    EXPECT_EQ(none.ranges(), 1u);
    EXPECT_TRUE(none.listed().empty());
}

TEST(FormerSource, KeepsTheBaseUntilTheOldMasterIsBack)
{
    const zumastor::test::ScratchFolder directory;
    EXPECT_FALSE(load_former_source(directory.path()));
    EXPECT_FALSE(forget_former_source(directory.path()));
    save_replica_state(directory.path(), {kFirst, kBase, {}});
    FormerSource former{{"me@[::1]:22"_host, "vol"_volume, true}, kBase};
    former.source.bytes_per_second = 4096;
    save_former_source(directory.path(), former);
    EXPECT_EQ(load_former_source(directory.path()), former);
    release_former_base(directory.path(), kOther); // some other replica
    EXPECT_EQ(snapshots_in_use(directory.path()).count(kBase), 1u);
    release_former_base(directory.path(), kFirst);
    EXPECT_EQ(snapshots_in_use(directory.path()).count(kBase), 0u);
    EXPECT_EQ(load_former_source(directory.path()), former); // still known, for the way back
    EXPECT_EQ(load_replica_state(directory.path()).lineage, kFirst);

    save_replica_state(directory.path(), {kFirst, kBase, {}});
    EXPECT_TRUE(forget_former_source(directory.path()));
    EXPECT_EQ(snapshots_in_use(directory.path()).count(kBase), 0u);
    EXPECT_FALSE(load_former_source(directory.path()));
}

TEST(FormerSource, ReleasesNothingOnAPlainReplica)
{
    const zumastor::test::ScratchFolder directory;
    save_replica_state(directory.path(), {kFirst, kBase, {}});
    release_former_base(directory.path(), kFirst);
    EXPECT_EQ(snapshots_in_use(directory.path()).count(kBase), 1u);
}

} // namespace
} // namespace zumastor
