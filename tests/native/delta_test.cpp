// SPDX-License-Identifier: GPL-2.0
// Deltas through the daemon: what was written is what is listed, page by page, and by ddsnap's change list.
#include <algorithm>
#include <filesystem>
#include <set>

#include "tests/native/model.h"
#include "tools/common/changelist.h"
#include "tools/common/daemon.h"
#include "tools/common/failure.h"
#include "tools/common/process.h"

namespace ddsnap::test {
namespace {

using zumastor::Daemon;
using zumastor::DeltaRange;
using zumastor::SnapshotEntry;

class DeltaTest : public testing::Test {
protected:
    DeltaTest()
    {
        volume.start();
        auto device = client::OriginDevice::open(volume.device("origin"));
        if (!device) {
            throw std::runtime_error(device.error());
        }
        origin = std::move(*device);
        daemon.emplace(volume.path("control"), "volume");
    }

    SnapshotEntry snapshot() { return *daemon->find(volume.create()); }
    void write(const std::set<std::uint64_t>& chunks)
    {
        const std::vector<std::byte> data(kChunk, std::byte{7});
        for (const std::uint64_t c : chunks) {
            ASSERT_EQ(origin->write(c * kChunk, data), wire::Status::ok);
        }
    }
    static std::set<std::uint64_t> random_chunks(std::size_t count, std::uint64_t seed)
    {
        std::mt19937_64 random(seed);
        std::set<std::uint64_t> chunks;
        while (chunks.size() < count) {
            chunks.insert(random() % kChunks);
        }
        return chunks;
    }
    static std::vector<DeltaRange> merged(const std::set<std::uint64_t>& chunks, std::uint64_t start = 0)
    {
        std::vector<DeltaRange> ranges;
        for (auto at = chunks.lower_bound(start); at != chunks.end(); ++at) {
            if (!ranges.empty() && ranges.back().first + ranges.back().count == *at) {
                ++ranges.back().count;
            } else {
                ranges.push_back({*at, 1});
            }
        }
        return ranges;
    }
    std::vector<DeltaRange> delta(const SnapshotEntry& from, const std::optional<SnapshotEntry>& to,
                                  std::uint64_t start = 0)
    {
        std::vector<DeltaRange> ranges;
        daemon->delta(from, to, start, [&](const DeltaRange& range) {
            ranges.push_back(range);
            return true;
        });
        return ranges;
    }

    static constexpr std::uint64_t kChunk = 4096;
    static constexpr std::uint64_t kChunks = 8192;
    Volume volume{{kChunks * kChunk, 64ull << 20, 0, 12}};
    std::unique_ptr<client::OriginDevice> origin;
    std::optional<Daemon> daemon;
};

TEST_F(DeltaTest, ListsWhatWasWritten)
{
    const auto first = snapshot();
    const auto written = random_chunks(4000, 1); // of 8192: more ranges than an answer has room for
    write(written);
    const auto second = snapshot();
    const auto later = random_chunks(50, 2);
    write(later);
    const auto third = snapshot();
    ASSERT_GT(merged(written).size(), 1024U);
    EXPECT_EQ(delta(first, second), merged(written));
    EXPECT_EQ(delta(first, second, 5000), merged(written, 5000));
    EXPECT_EQ(delta(second, third), merged(later));
    std::set<std::uint64_t> both = written;
    both.insert(later.begin(), later.end());
    EXPECT_EQ(delta(first, third), merged(both));
    EXPECT_EQ(delta(second, std::nullopt), merged(later));
    EXPECT_TRUE(delta(third, std::nullopt).empty());
    EXPECT_GT(volume.counter("delta_nodes"), 0U);

    // The middle one goes, with everything that only it needs.
    volume.call({{"op", "delete"}, {"snapshot", second.id}});
    volume.call({{"op", "quiesce"}});
    EXPECT_EQ(delta(first, third), merged(both));
}

TEST_F(DeltaTest, AnswersAreBounded)
{
    const auto first = snapshot();
    std::set<std::uint64_t> every_other;
    for (std::uint64_t c = 0; c < kChunks; c += 2) {
        every_other.insert(c);
    }
    write(every_other);
    nlohmann::json request{{"op", "delta"}, {"from", first.id}, {"limit", 100'000}};
    auto answer = volume.call(request);
    EXPECT_EQ(answer["ranges"].size(), 1024U);
    EXPECT_FALSE(answer["done"].get<bool>());
    EXPECT_TRUE(answer["to_epoch"].is_null());
    EXPECT_EQ(answer["next"], 2048);
    request["limit"] = 3;
    request["start"] = 4;
    answer = volume.call(request);
    EXPECT_EQ(answer["ranges"], nlohmann::json::parse("[[4,1],[6,1],[8,1]]"));
    EXPECT_EQ(answer["next"], 10);
    request["start"] = kChunks;
    answer = volume.call(request);
    EXPECT_TRUE(answer["done"].get<bool>());
    EXPECT_TRUE(answer["ranges"].empty());
}

TEST_F(DeltaTest, BadRequestsAreAnswered)
{
    const auto old = snapshot().id;
    const auto young = snapshot().id;
    const nlohmann::json good{{"op", "delta"}, {"from", old}, {"to", young}};
    EXPECT_EQ(volume.refusal(good), "");
    const auto with = [&](const char* field, const nlohmann::json& value) {
        nlohmann::json request = good;
        request[field] = value;
        return volume.refusal(request);
    };
    EXPECT_EQ(with("from", young), "invalid"); // not older
    EXPECT_EQ(with("from", 99), "not_found");
    EXPECT_EQ(with("to", 99), "not_found");
    EXPECT_EQ(with("from", nullptr), "invalid");
    EXPECT_EQ(with("to", "1"), "invalid");
    EXPECT_EQ(with("start", -1), "invalid");
    EXPECT_EQ(with("limit", 0), "invalid");
    EXPECT_EQ(with("limit", 1.5), "invalid");
    EXPECT_EQ(with("to", nullptr), "");
}

TEST_F(DeltaTest, ANumberThatIsGivenToAnotherSnapshotIsNoticed)
{
    const auto first = snapshot();
    const auto second = snapshot();
    volume.call({{"op", "delete"}, {"snapshot", second.id}});
    EXPECT_THROW(delta(first, second), zumastor::Failure);
    volume.call({{"op", "create"}, {"snapshot", second.id}});
    EXPECT_THROW(delta(first, second), zumastor::Failure);
}

TEST_F(DeltaTest, ChangelistIsWritten)
{
    const auto first = snapshot();
    const auto written = random_chunks(3000, 3);
    write(written);
    const auto second = snapshot();
    const std::string file = volume.path("list");
    const auto run = [&](std::uint64_t from, std::uint64_t to) {
        return zumastor::run_program({DDSNAP, "delta", "changelist", volume.path("control"), file,
                                      std::to_string(from), std::to_string(to)},
                                     std::chrono::seconds(60));
    };
    EXPECT_EQ(run(second.id, first.id).status, 2);
    EXPECT_EQ(run(first.id, 77).status, 4);
    EXPECT_FALSE(std::filesystem::exists(file));
    const auto done = run(first.id, second.id);
    ASSERT_EQ(done.status, 0) << done.output;
    EXPECT_NE(done.output.find("3000 chunks in "), std::string::npos) << done.output;
    const auto list = zumastor::parse_changelist(zumastor::read_text(file), file);
    EXPECT_EQ(list.ranges, merged(written));
    EXPECT_EQ(list.header.volume, daemon->hello().uuid);
    EXPECT_EQ(list.header.chunk_bytes, kChunk);
    EXPECT_EQ(list.header.from.uuid, first.uuid);
    EXPECT_EQ(list.header.to.uuid, second.uuid);
    EXPECT_EQ(list.header.to.sectors, kChunks * kChunk / 512);
}

} // namespace
} // namespace ddsnap::test
