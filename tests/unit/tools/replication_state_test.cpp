// SPDX-License-Identifier: GPL-2.0
// What status and a replica's own rotation are told from: records of cycles, kinds that are wanted.
#include <string>

#include <gtest/gtest.h>

#include "tests/support/scratch_folder.h"
#include "tests/unit/tools/literals.h"
#include "tools/common/failure.h"
#include "tools/common/process.h"
#include "tools/zumastor/replication/cycle.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/state/wanted_kinds.h"

namespace zumastor {
namespace {

using namespace literals;

class StateTest : public testing::Test {
protected:
    zumastor::test::ScratchFolder folder;
    const std::string& directory = folder.path();
};

TEST_F(StateTest, CyclesAreKeptForEachHost)
{
    EXPECT_EQ(load_cycle(directory, "root@fe80::1%eth0"_host), CycleRecord{});
    const CycleRecord failed{1, 2, 8, "nobody there", "try ssh", 3, "uuid", 4};
    const CycleRecord good{5, 6, 0, "", "", 6, "other", 5};
    save_cycle(directory, "root@fe80::1%eth0"_host, failed);
    save_cycle(directory, {}, good);
    EXPECT_EQ(load_cycle(directory, "root@fe80::1%eth0"_host), failed);
    EXPECT_EQ(load_cycle(directory, {}), good);
    forget_cycle(directory, {});
    EXPECT_EQ(load_cycle(directory, {}), CycleRecord{});
    write_text(directory + "/cycle-from-source.json", "{\"version\": 1}");
    EXPECT_THROW(load_cycle(directory, {}), Failure);
}

TEST(Cycle, ASuccessIsOneLine)
{
    VolumeConfig config;
    config.name = "a"_volume;
    config.source = SourceRole{};
    config.source->host = "upstream"_host;
    const Volume volume(config);
    const CycleRecord record{1'000'000'000, 2'250'000'000, 0, "", "", 2'250'000'000, "uuid", 4};
    EXPECT_EQ(describe_cycle(volume, "root@peer"_host, record, 12345),
              "volume a: cycle to root@peer: snapshot uuid, 12345 bytes, 1.2 s");
    EXPECT_EQ(describe_cycle(volume, {}, record, 0),
              "volume a: cycle from upstream: snapshot uuid, 0 bytes, 1.2 s");
}

TEST_F(StateTest, AReplicaOfAnOlderVersionIsRead)
{
    write_text(directory + "/replica.json",
               R"({"version": 1, "lineage": "l", "last": "s", "reception": null})");
    const ReplicaState state = load_replica_state(directory);
    EXPECT_EQ(state.last, "s");
    EXPECT_EQ(state.received_ns, 0u);
}

TEST_F(StateTest, WantedKindsAreKeptOnceEachUntilTaken)
{
    using Kinds = std::vector<std::string>;
    EXPECT_EQ(load_wanted_kinds(directory), Kinds{});
    add_wanted_kinds(directory, {"hourly"});
    add_wanted_kinds(directory, {"daily", "hourly"});
    EXPECT_EQ(load_wanted_kinds(directory), (Kinds{"hourly", "daily"}));
    remove_wanted_kinds(directory, {"hourly", "never"});
    EXPECT_EQ(load_wanted_kinds(directory), Kinds{"daily"});
}

TEST(WantedKinds, JoinTheSendersAsFarAsThereIsRoom)
{
    EXPECT_EQ(add_to_tag("hourly"_tag, {}).tag, "hourly");
    EXPECT_EQ(add_to_tag("replicate"_tag, {}).tag, "replicate");
    EXPECT_EQ(add_to_tag("replicate"_tag, {"hourly"}).tag, "hourly");
    EXPECT_EQ(add_to_tag("hourly"_tag, {"daily", "hourly"}).tag, "hourly,daily");
    const TagWithWanted full =
        add_to_tag("hourly"_tag, {"a-kind-with-a-long-name", "daily", "b-long-one-more"});
    EXPECT_EQ(full.tag, "hourly,a-kind-with-a-long-name");
    EXPECT_EQ(full.taken, std::vector<std::string>{"a-kind-with-a-long-name"});
}

} // namespace
} // namespace zumastor
