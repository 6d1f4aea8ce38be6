// SPDX-License-Identifier: GPL-2.0
// What a peer says is hostile until it was checked: every field of the stream's header and of the sessions'
// lines, each with what could do harm in a file's name, a shell, a terminal or an exit code.
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/stream/stream_format.h"
#include "tools/zumastor/replication/session.h"
#include "tools/zumastor/replication/verify_session.h"

namespace zumastor {
namespace {

using nlohmann::json;

const std::vector<std::string>& hostile_texts()
{
    using namespace std::string_literals;
    static const std::vector<std::string> texts{"../../../etc/cron.d/x"s,
                                                "/etc/passwd"s,
                                                ".."s,
                                                "$(touch /tmp/x)"s,
                                                "`id`"s,
                                                "a;reboot"s,
                                                "\x1b]0;title\x07"s,
                                                "\x1b[2J"s,
                                                "a\nb"s,
                                                "a\rb"s,
                                                "a\0b"s,
                                                "-oProxyCommand=id"s,
                                                "\xff\xfe"s,
                                                "\xc2\x9b[31m"s,
                                                std::string(300, 'a')};
    return texts;
}

// As the stream has it, hash included.
std::array<std::byte, stream::kHeaderBytes> header_with(std::size_t at, std::size_t room,
                                                        const std::string& text)
{
    stream::Header header;
    header.to[0] = std::byte{1};
    header.lineage[0] = std::byte{2};
    header.sectors = 2048;
    auto bytes = stream::encode(header);
    for (std::size_t i = 0; i < room; ++i) {
        bytes[at + i] = i < text.size() ? static_cast<std::byte>(text[i]) : std::byte{0};
    }
    const std::uint64_t hash = stream::hash_of(stream::Bytes(bytes).first(stream::kHeaderBytes - 8));
    for (std::size_t i = 0; i < 8; ++i) {
        bytes[stream::kHeaderBytes - 8 + i] = static_cast<std::byte>(hash >> (8 * i));
    }
    return bytes;
}

// Printable, and not without end.
void expect_harmless(const std::string& text)
{
    EXPECT_LE(text.size(), 4096U);
    EXPECT_NO_THROW((void)json(text).dump()) << "it is no UTF-8";
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        EXPECT_FALSE(c < 0x20 || c == 0x7f) << "byte " << i << " of: " << text;
        EXPECT_FALSE(c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0);
    }
}

constexpr std::size_t kNameAt = 104;
constexpr std::size_t kTagAt = 168;

TEST(Border, AHostileTagOrNameOfAStreamIsRefused)
{
    for (const std::string& text : hostile_texts()) {
        for (const auto& [at, room] :
             {std::pair{kNameAt, std::size_t{64}}, std::pair{kTagAt, std::size_t{32}}}) {
            if (text.size() > room && text.find_first_not_of('a') != std::string::npos) {
                continue; // cut, it would be another text
            }
            const auto header = stream::decode_header(header_with(at, room, text));
            ASSERT_FALSE(header) << text << " at " << at;
            expect_harmless(header.error().what);
        }
    }
    EXPECT_TRUE(stream::decode_header(header_with(kTagAt, 32, "hourly,daily")));
    EXPECT_TRUE(stream::decode_header(header_with(kNameAt, 64, "before the upgrade (2) – äöü")));
    for (const char* wrong : {"hourly,../x", ",", "hourly,,daily", "hourly,"}) {
        EXPECT_FALSE(stream::decode_header(header_with(kTagAt, 32, wrong))) << wrong;
    }
}

// 2^64 − 1 nanoseconds: the store would refuse it after all has been received.
TEST(Border, AStreamsTimeFitsTheStore)
{
    EXPECT_FALSE(stream::decode_header(header_with(200, 8, std::string(8, '\xff'))));
}

std::vector<std::string> sample_lines()
{
    std::ifstream file(SAMPLES "/session-lines.txt");
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
        lines.push_back(line);
    }
    return lines;
}

using Parse = void (*)(const std::string&);

struct Line {
    std::size_t sample;
    Parse parse;
};

const std::vector<Line>& lines_of_peers()
{
    static const std::vector<Line> lines{{1, [](const std::string& l) { (void)parse_offer(l); }},
                                         {5, [](const std::string& l) { (void)parse_plan(l); }},
                                         {7, [](const std::string& l) { (void)parse_result(l); }},
                                         {8, [](const std::string& l) { (void)parse_plan(l); }},
                                         {9, [](const std::string& l) { (void)parse_verify_hello(l); }},
                                         {10, [](const std::string& l) { (void)parse_verify_request(l); }},
                                         {13, [](const std::string& l) { (void)parse_verify_request(l); }},
                                         {17, [](const std::string& l) { (void)parse_verify_answer(l); }}};
    return lines;
}

// Every leaf of the line, put in turn.
template <class Visit>
void each_leaf(const json& line, const Visit& visit)
{
    const json flat = line.flatten();
    for (const auto& [pointer, value] : flat.items()) {
        visit(json::json_pointer(pointer), value);
    }
}

// Texts that are only shown may be anything, and are harmless then; all others are refused.
bool only_shown(const std::string& pointer)
{
    return pointer.ends_with("/error") || pointer.ends_with("/next");
}

void check_refusal(const Line& line, const std::string& text, const std::string& pointer,
                   bool must_be_refused)
{
    static const std::set<int> kCodes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    try {
        line.parse(text);
        EXPECT_FALSE(must_be_refused) << pointer << ": " << text;
    } catch (const Failure& failure) {
        expect_harmless(failure.what());
        expect_harmless(failure.next());
        EXPECT_TRUE(kCodes.contains(static_cast<int>(failure.code()))) << text;
    }
}

TEST(Border, EveryHostileTextOfASessionIsRefusedOrMadeHarmless)
{
    for (const Line& line : lines_of_peers()) {
        const json sample = json::parse(sample_lines().at(line.sample));
        each_leaf(sample, [&](const json::json_pointer& pointer, const json& value) {
            for (const std::string& text : hostile_texts()) {
                json changed = sample;
                changed[pointer] = text;
                const std::string raw = changed.dump(-1, ' ', false, json::error_handler_t::ignore);
                if (text == "\xff\xfe") {
                    continue; // as raw bytes, below
                }
                check_refusal(line, raw, pointer.to_string(), !only_shown(pointer.to_string()));
            }
            (void)value;
        });
    }
}

TEST(Border, EveryHostileNumberOfASessionIsRefused)
{
    const std::vector<std::string> numbers{"-1",
                                           "18446744073709551615",
                                           "18446744073709551616",
                                           "1e30",
                                           "0.5",
                                           "1e400",
                                           "9223372036854775806",
                                           "true",
                                           "null",
                                           "[]",
                                           "{}"};
    for (const Line& line : lines_of_peers()) {
        const json sample = json::parse(sample_lines().at(line.sample));
        each_leaf(sample, [&](const json::json_pointer& pointer, const json& value) {
            if (!value.is_number()) {
                return;
            }
            for (const std::string& number : numbers) {
                json changed = sample;
                changed[pointer] = "HERE";
                std::string raw = changed.dump();
                raw.replace(raw.find("\"HERE\""), 6, number);
                check_refusal(line, raw, pointer.to_string(), true);
            }
        });
    }
}

// The sender's exit code becomes this program's.
TEST(Border, AnExitCodeOfAPeersIsOneOfAFailure)
{
    for (const std::string code : {"0", "-1", "256", "130", "70000", "4294967296", "4294967300"}) {
        const std::string plan =
            R"({"zumastor":1,"nothing":false,"more":false,"error":"no","next":"","code":)" + code + "}";
        const std::string refusal =
            R"({"zumastor":1,"refused":{"error":"no","next":"","code":)" + code + "}}";
        if (code == "130") { // interrupted there: nothing was interrupted here
            EXPECT_EQ(parse_plan(plan).refusal.code, Exit::failed);
        } else {
            EXPECT_THROW(parse_plan(plan), Failure) << code;
        }
        try {
            parse_plan(refusal);
            ADD_FAILURE();
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), Exit::failed) << code;
        }
    }
}

// Whatever stands in a message, a terminal shows it and does not act on it.
TEST(Border, AMessageHasNoControlCharacters)
{
    for (const std::string& text : hostile_texts()) {
        const Failure failure(Exit::failed, "the other side: " + text, text);
        expect_harmless(failure.what());
        expect_harmless(failure.next());
    }
    for (const std::string line : {"\x1b]52;c;aWQ=\x07", "Welcome\x1b[2J", "\xff\xfe{"}) {
        try {
            parse_offer(line);
            ADD_FAILURE();
        } catch (const Failure& failure) {
            expect_harmless(failure.what());
        }
        EXPECT_THROW(parse_verify_hello(line), Failure);
    }
}

TEST(Border, UuidsHaveOneForm)
{
    EXPECT_TRUE(UuidText::from("01234567-89ab-4def-8123-456789abcdef"));
    EXPECT_TRUE(UuidText::from("")->empty());
    using namespace std::string_literals;
    for (const std::string& text :
         {"01234567-89AB-4def-8123-456789abcdef"s, "01234567-89ab-4def-8123-456789abcdef\0/../x"s,
          "../../etc/passwd"s, "01234567-89ab-4def-8123-456789abcde"s,
          "0123456789ab-4def-8123-456789abcdef01"s}) {
        EXPECT_FALSE(UuidText::from(text)) << text;
        EXPECT_THROW(UuidText::need(text), Failure) << text;
    }
}

} // namespace
} // namespace zumastor
