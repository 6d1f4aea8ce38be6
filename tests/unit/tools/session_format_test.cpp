// SPDX-License-Identifier: GPL-2.0
// The lines of sessions are what docs/session-format.md and the stored sample say.
#include <fstream>

#include <gtest/gtest.h>

#include "tests/unit/tools/literals.h"
#include "tools/common/failure.h"
#include "tools/zumastor/replication/session.h"
#include "tools/zumastor/replication/verify_session.h"

namespace zumastor {
namespace {

using namespace literals;

const UuidText kOlder = "8c6d0c1e-5a3f-4c55-9d0e-3f8a5e7b9a01"_uuid;
const UuidText kNewer = "f3a1b0de-90c7-4e0b-8a64-77d1c2a4be02"_uuid;
const UuidText kStore = "01234567-89ab-4def-8123-456789abcdef"_uuid;
const UuidText kLineage = "76543210-ba98-4fed-b210-fedcba987654"_uuid;

// In the sample's order.
std::vector<std::string> lines_of_this_version()
{
    const ReplicaOffer fresh{"copy"_volume, kStore, {}, 4096, 2048, {}, {}};
    const ReplicaOffer broken_off{"copy"_volume,
                                  kStore,
                                  kLineage,
                                  16384,
                                  1ull << 33,
                                  {kOlder, kNewer},
                                  Reception{kOlder, kNewer, 4711},
                                  true,
                                  1ull << 20,
                                  4096};
    SendPlan refused;
    refused.refusal.error = "snapshot \"7\" is not here";
    refused.refusal.next = "list them: zumastor status data";
    refused.refusal.code = Exit::not_found;
    refused.sector_bytes = 512;
    const Failure no_replica(Exit::usage, "volume copy is no replica",
                             "make it one: zumastor define source copy HOST");
    return {format(fresh),
            format(broken_off),
            format(SendPlan{}),
            format(SendPlan{true, false}),
            format(SendPlan{false, true}),
            format(refused),
            format(ReplicaResult{true, kNewer, 12}),
            format(ReplicaResult{false, {}, 0, {"its store is full", "make room", Exit::store_full}}),
            format_refusal(no_replica),
            format(VerifyHello{"copy"_volume, "replica", 16384, {kOlder, kNewer}, 512}),
            format(VerifyRequest{Ask::open, kNewer, 0, 0, 0, {}, 0}),
            format(VerifyRequest{Ask::hash, {}, 1ull << 40, 0, 1ull << 18, {}, 0}),
            format(VerifyRequest{Ask::chunks, {}, 1ull << 40, 256, 256, {}, 0}),
            format(VerifyRequest{Ask::send, {}, 1ull << 40, 0, 0, {{4, 5}, {600, 7}}, 1ull << 20}),
            format(VerifyRequest{Ask::take, {}, 1ull << 40, 0, 0, {}, 0}),
            format(VerifyRequest{Ask::end, {}, 0, 0, 0, {}, 0}),
            format(VerifyAnswer{1ull << 40}),
            format(VerifyAnswer{0, {"not here", "compare another one", Exit::not_found}}),
            format_hash("99aa06d3014798d86001c324468d497f"),
            format_hash({})};
}

std::vector<std::string> stored_lines()
{
    std::ifstream file(SAMPLES "/session-lines.txt");
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
        lines.push_back(line);
    }
    return lines;
}

// An older version does not say it.
TEST(SessionFormat, SectorsAreNotKnownOrAPowerOfTwo)
{
    const std::string said = "\"sector_bytes\":4096";
    const auto offer = [&](const std::string& instead) {
        std::string line = stored_lines().at(1);
        const std::size_t at = line.find(said);
        line.replace(at - (instead.empty() ? 1 : 0), said.size() + (instead.empty() ? 1 : 0), instead);
        return parse_offer(line).sector_bytes;
    };
    EXPECT_EQ(offer(said), 4096U);
    EXPECT_EQ(offer(""), 0U);
    for (const char* wrong : {"1000", "256", "-1", "true", "2097152"}) {
        EXPECT_THROW((void)offer(std::string("\"sector_bytes\":") + wrong), Failure) << wrong;
    }
}

TEST(SessionFormat, IsWhatTheSampleSays) { EXPECT_EQ(lines_of_this_version(), stored_lines()); }

// What is read of a stored line is all that is in it: written again, it is the same line.
TEST(SessionFormat, StoredLinesAreRead)
{
    const std::vector<std::string> stored = stored_lines();
    ASSERT_EQ(stored.size(), lines_of_this_version().size());
    for (std::size_t i : {0u, 1u}) {
        EXPECT_EQ(format(parse_offer(stored[i])), stored[i]);
    }
    for (std::size_t i : {2u, 3u, 4u, 5u}) {
        EXPECT_EQ(format(parse_plan(stored[i])), stored[i]);
    }
    for (std::size_t i : {6u, 7u}) {
        EXPECT_EQ(format(parse_result(stored[i])), stored[i]);
    }
    EXPECT_EQ(format(parse_verify_hello(stored[9])), stored[9]);
    for (std::size_t i : {10u, 11u, 12u, 13u, 14u, 15u}) {
        EXPECT_EQ(format(parse_verify_request(stored[i])), stored[i]);
    }
    for (std::size_t i : {16u, 17u}) {
        EXPECT_EQ(format(parse_verify_answer(stored[i])), stored[i]);
    }
    for (std::size_t i : {18u, 19u}) {
        EXPECT_EQ(format_hash(parse_hash(stored[i])), stored[i]);
    }
}

// Whoever gets a refusal instead of its line says it in the other side's words.
TEST(SessionFormat, ARefusalIsPassedOn)
{
    const std::string refusal = stored_lines().at(8);
    const auto said = [](const auto& read) -> std::string {
        try {
            read();
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), Exit::usage);
            EXPECT_EQ(failure.next(), "make it one: zumastor define source copy HOST");
            return failure.what();
        }
        return {};
    };
    const std::string expected = "the other side: volume copy is no replica";
    EXPECT_EQ(said([&] { parse_offer(refusal); }), expected);
    EXPECT_EQ(said([&] { parse_plan(refusal); }), expected);
    EXPECT_EQ(said([&] { parse_result(refusal); }), expected);
}

// Fields that are only known to a later version are ignored; those that an earlier one did not have are not
// missed.
TEST(SessionFormat, OtherVersionsFieldsAreNoMatter)
{
    std::string offer = stored_lines().at(1);
    const std::string later = ",\"one_more\":[1,{\"a\":null}]}";
    EXPECT_EQ(format(parse_offer(offer.substr(0, offer.size() - 1) + later)), offer);
    const std::size_t first_of_later_ones = offer.find(",\"patches\"");
    ASSERT_NE(first_of_later_ones, std::string::npos);
    const ReplicaOffer early = parse_offer(offer.substr(0, first_of_later_ones) + "}");
    EXPECT_FALSE(early.patches);
    EXPECT_EQ(early.bytes_per_second, 0u);
    std::string send = stored_lines().at(13);
    EXPECT_EQ(format(parse_verify_request(send.substr(0, send.size() - 1) + later)), send);
    const VerifyRequest early_send =
        parse_verify_request(send.substr(0, send.find(",\"bytes_per_second\"")) + "}");
    EXPECT_EQ(early_send.runs.size(), 2u);
    EXPECT_EQ(early_send.bytes_per_second, 0u);
    for (const char* wrong : {"-1}", "0.5}", "\"1M\"}"}) {
        EXPECT_THROW(parse_verify_request(send.substr(0, send.rfind(':') + 1) + wrong), Failure) << wrong;
    }
    for (const char* other : {"{\"zumastor\":2}", "{\"zumastor_verify\":2}"}) {
        EXPECT_THROW(parse_plan(other), Failure);
        EXPECT_THROW(parse_verify_answer(other), Failure);
    }
}

} // namespace
} // namespace zumastor
