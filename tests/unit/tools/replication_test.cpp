// SPDX-License-Identifier: GPL-2.0
// What two sides of a replication say to each other, and what each remembers.

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/scratch_folder.h"
#include "tests/unit/tools/literals.h"
#include "tools/common/failure.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/config.h"
#include "tools/zumastor/replication/sending.h"
#include "tools/zumastor/replication/session.h"
#include "tools/zumastor/replication/ssh_gate.h"
#include "tools/zumastor/state/resume_token.h"
#include "tools/zumastor/state/target_state.h"

namespace zumastor {
namespace {

using namespace literals;

const UuidText kUuid1 = "11111111-2222-3333-4444-555555555555"_uuid;
const UuidText kUuid2 = "22222222-2222-3333-4444-555555555555"_uuid;
const UuidText kUuid3 = "33333333-2222-3333-4444-555555555555"_uuid;
const UuidText kStranger = "99999999-2222-3333-4444-555555555555"_uuid;

TEST(SshGate, LetsSessionsOfItsVolumesThroughAndNothingElse)
{
    const GateRights send{{"a", "b"}, true, false};
    const GateRights receive{{"a"}, false, true};
    const auto allows = [](const GateRights& rights, const std::string& line) {
        const auto words = split_words(line);
        return words && gate_allows(rights, *words);
    };
    for (const std::string snapshot :
         {"7", "hourly.0", "latest", kUuid1.c_str(), "before the upgrade (2)", "gr\u00fcn"}) {
        const std::string line = "zumastor send b --session --quiet --full --snapnum " + quote_word(snapshot);
        EXPECT_TRUE(allows(send, line)) << line;
        EXPECT_FALSE(allows(receive, line)) << line;
    }
    EXPECT_TRUE(allows(receive, "zumastor receive a --session --quiet"));
    EXPECT_TRUE(allows(send, "zumastor verify a --session --as upstream --repair"));
    EXPECT_TRUE(allows(receive, "zumastor verify a --session --as upstream"));
    EXPECT_FALSE(allows(receive, "zumastor verify a --session --as upstream --repair"));
    EXPECT_FALSE(allows(send, "zumastor receive a --session --quiet"));
    EXPECT_FALSE(allows(receive, "zumastor receive b --session --quiet"));
    EXPECT_FALSE(allows(receive, "zumastor receive a --session --full"));
    for (const char* line :
         {"", "id", "zumastor", "zumastor send a", "zumastor send a --quiet", "zumastor send c --session",
          "zumastor status a --session", "zumastor send a --session --snapnum",
          "zumastor send a --session --snapnum ''", "zumastor send a --session --snapnum --dry-run",
          "zumastor send a --session; id", "zumastor send a --session --snapnum 7;id",
          "zumastor send a --session --snapnum $(id)", "zumastor send a --session --snapnum '$(id)'",
          "zumastor send a --session --snapnum ../x", "zumastor send a --session --snapnum 'gr\u00fcn; id'",
          "zumastor send a --session 7", "zumastor send a --session --from 1"}) {
        EXPECT_FALSE(allows(send, line)) << line;
    }
    const std::string long_name(64, 'a');
    EXPECT_FALSE(allows(send, "zumastor send a --session --snapnum " + long_name))
        << "a reference has 63 bytes";
}

TEST(Session, LinesAreUnderstoodByTheOtherSide)
{
    ReplicaOffer offer{
        "b"_volume, kStranger, kUuid1, 16384, 2048, {kUuid1, kUuid2}, Reception{kUuid2, kUuid3, 77}};
    const ReplicaOffer read = parse_offer(format(offer));
    EXPECT_EQ(read.volume, offer.volume);
    EXPECT_EQ(read.snapshots, offer.snapshots);
    EXPECT_EQ(read.reception, offer.reception);
    EXPECT_EQ(read.sectors, 2048u);
    EXPECT_EQ(read.bytes_per_second, 0u);
    offer.reception.reset();
    offer.bytes_per_second = 1u << 20;
    EXPECT_FALSE(parse_offer(format(offer)).reception);
    EXPECT_EQ(parse_offer(format(offer)).bytes_per_second, 1u << 20);

    SendPlan plan;
    plan.more = true;
    plan.refusal.error = "a \"quoted\" reason";
    plan.refusal.code = Exit::not_found;
    EXPECT_EQ(parse_plan(format(plan)).refusal.error, plan.refusal.error);
    EXPECT_TRUE(parse_plan(format(plan)).more);
    const ReplicaResult result = parse_result(format(ReplicaResult{true, kUuid1, 12}));
    EXPECT_TRUE(result.ok);
    EXPECT_EQ(result.id, 12u);
}

TEST(Session, GarbageIsRefused)
{
    for (const char* line : {"", "{}", "[]", "null", "{\"zumastor\":2}", "{\"zumastor\":\"1\"}",
                             "bash: zumastor: not found", "{\"zumastor\":1,\"volume\":7}"}) {
        EXPECT_THROW(parse_offer(line), Failure) << line;
        EXPECT_THROW(parse_plan(line), Failure) << line;
        EXPECT_THROW(parse_result(line), Failure) << line;
    }
    const ReplicaOffer offer{"b"_volume, kStranger, {}, 16384, 2048, {}, {}};
    nlohmann::json object = nlohmann::json::parse(format(offer));
    for (const nlohmann::json& limit :
         {nlohmann::json(-1), nlohmann::json(0.5), nlohmann::json("1M"), nlohmann::json()}) {
        object["bytes_per_second"] = limit; // must not become another limit, or none
        EXPECT_THROW(parse_offer(object.dump()), Failure) << limit;
    }
    object.erase("bytes_per_second"); // as older versions have it
    EXPECT_EQ(parse_offer(object.dump()).bytes_per_second, 0u);
}

TEST(ResumeToken, IsReadBackAndNothingElse)
{
    const Reception reception{kUuid1, kUuid2, 123};
    EXPECT_EQ(parse_token(format_token(reception)), reception);
    const Reception full{{}, kUuid2, 0};
    EXPECT_EQ(parse_token(format_token(full)), full);
    for (const std::string& text :
         {std::string(), std::string("1:-:x:3"), "2:-:" + kUuid1 + ":3", "1:" + kUuid1 + ":3",
          "1:-:" + kUuid1 + ":-3", "1:-:" + kUuid1 + ":3:4"}) {
        EXPECT_THROW(parse_token(text), Failure) << text;
    }
}

TEST(ReplicaState, IsRemembered)
{
    const zumastor::test::ScratchFolder directory;
    EXPECT_EQ(load_replica_state(directory.path()), ReplicaState{});
    const ReplicaState state{kStranger, kUuid1, Reception{kUuid1, kUuid2, 5}};
    save_replica_state(directory.path(), state);
    EXPECT_EQ(load_replica_state(directory.path()), state);
    save_target_state(directory.path(), {kStranger, "host"_host, "b"_volume, kUuid2, kUuid3, {}});
    EXPECT_EQ(load_target_state(directory.path(), kStranger).in_flight, kUuid3);
    EXPECT_EQ(load_target_state(directory.path(), kUuid1), (TargetState{kUuid1, {}, {}, {}, {}, {}}));
    EXPECT_EQ(snapshots_in_use(directory.path()), (std::set<std::string>{kUuid1, kUuid2, kUuid3}));
    forget_target_state(directory.path(), kStranger);
    EXPECT_EQ(snapshots_in_use(directory.path()), (std::set<std::string>{kUuid1}));
}

// ---- what is sent ------------------------------------------------------------------------------

SnapshotEntry entry(std::uint64_t id, const UuidText& uuid)
{
    SnapshotEntry made;
    made.id = id;
    made.epoch = id + 1;
    made.uuid = uuid;
    return made;
}

class PlanTest : public testing::Test {
protected:
    std::optional<SendEnds> plan(const ReplicaOffer& offer, std::size_t to = 2, bool full = false) const
    {
        VolumeConfig config;
        config.name = "a"_volume;
        config.uuid = kStranger;
        return plan_for(Volume(config), mine, offer, mine.at(to), full);
    }
    static ReplicaOffer has(std::vector<UuidText> snapshots)
    {
        return {"b"_volume, kStranger, kStranger, 16384, 2048, std::move(snapshots), {}};
    }

    std::vector<SnapshotEntry> mine{entry(1, kUuid1), entry(2, kUuid2), entry(3, kUuid3)};
};

TEST_F(PlanTest, FromTheNewestThatBothHave)
{
    EXPECT_EQ(plan(has({kUuid1, kUuid2}))->from->uuid, kUuid2);
    EXPECT_EQ(plan(has({kUuid1, kStranger}))->from->uuid, kUuid1);
    EXPECT_FALSE(plan(has({kUuid1, kUuid3})));                     // it has it
    EXPECT_EQ(plan(has({kUuid3, kUuid1}), 1)->from->uuid, kUuid1); // a newer one is no base
}

TEST_F(PlanTest, NothingIsSentToAReplicaOfAnotherVolume)
{
    ReplicaOffer other = has({});
    other.lineage = kUuid1;
    for (const bool full : {false, true}) {
        try {
            plan(other, 2, full);
            ADD_FAILURE();
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), Exit::mismatch);
        }
    }
    other.lineage.clear(); // it has received nothing yet
    EXPECT_TRUE(plan(other));
}

TEST_F(PlanTest, EverythingIfItHasNothingOrIsToldTo)
{
    EXPECT_FALSE(plan(has({}))->from);
    EXPECT_FALSE(plan(has({kUuid1}), 2, true)->from);
    EXPECT_THROW(plan(has({kStranger})), Failure); // never by itself, over what is there
}

TEST_F(PlanTest, ASquashedSnapshotIsNoBase)
{
    mine[1].squashed = true;
    EXPECT_EQ(plan(has({kUuid1, kUuid2}))->from->uuid, kUuid1);
}

TEST_F(PlanTest, GoesOnWhereItBrokeOff)
{
    ReplicaOffer offer = has({kUuid1});
    offer.reception = Reception{kUuid1, kUuid2, 99};
    const auto ends = plan(offer);
    EXPECT_EQ(ends->to.uuid, kUuid2); // first, whatever is wanted
    EXPECT_EQ(ends->from->uuid, kUuid1);
    EXPECT_EQ(ends->first_chunk, 99u);
    offer.reception->to = kStranger; // that one is gone
    EXPECT_EQ(plan(offer)->to.uuid, kUuid3);
    offer.reception = Reception{{}, kUuid2, 7}; // a full stream
    EXPECT_FALSE(plan(offer)->from);
    EXPECT_EQ(plan(offer)->first_chunk, 7u);
}

TEST(Config, SourceAndTargetsAreReadBack)
{
    VolumeConfig config;
    config.name = "v"_volume;
    config.origin = "/dev/a";
    config.store = "/dev/b";
    config.source = SourceRole{"upstream:2222"_host, "other"_volume, true, 600, true, 1u << 20};
    config.source->ssh_user = LoginName::need("zumastor-repl", "test");
    config.targets = {Target{"one"_host, {}, 1000, false, true},
                      Target{"user@two"_host, "x"_volume, 0, true}};
    config.targets[1].ssh_user = LoginName::need("other", "test");
    const VolumeConfig read = parse_config(format_config(config), "v"_volume, "test");
    EXPECT_EQ(read.source, config.source);
    EXPECT_EQ(read.targets, config.targets);
    EXPECT_EQ(format_config(read), format_config(config));
    config.source->bytes_per_second = 0; // and then older versions can read it
    EXPECT_EQ(format_config(config).find("ratelimit"), format_config(config).find("ratelimit = 1000"));
    config.master = MasterRole{};
    EXPECT_THROW(parse_config(format_config(config), "v"_volume, "test"), Failure); // both roles
    EXPECT_THROW(
        parse_config("origin='a'\nstore='b'\n[[target]]\nhost='-oProxyCommand=x'\n", "v"_volume, "test"),
        Failure);
    const std::string start = "origin='a'\nstore='b'\n";
    for (const std::string& wrong :
         {"[source]\nhost='" + std::string(150, 'h') + "'\n",
          std::string("[source]\nhost='h'\nperiod=315360000\n"),
          std::string("[source]\nhost='h'\nport=65536\n"), std::string("[source]\nhost='h'\nvolume='../x'\n"),
          std::string("[[target]]\nhost='h'\nratelimit=9223372036854775806\n"),
          std::string("[[target]]\nhost='h'\nperiod=9223372036854775806\n"),
          std::string("[schedule]\nhourly=9223372036854775806\n")}) {
        EXPECT_THROW(parse_config(start + wrong, "v"_volume, "test"), Failure) << wrong;
    }
    EXPECT_THROW(parse_config("origin='a'\nstore='b'\n[source]\nhost='a b'\n", "v"_volume, "test"), Failure);
    EXPECT_THROW(
        parse_config("origin='a'\nstore='b'\n[source]\nhost='a'\nratelimit=-1\n", "v"_volume, "test"),
        Failure);
}

} // namespace
} // namespace zumastor
