// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/verify_session.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string_view>

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/zumastor/config/rate_limit.h"
#include "tools/zumastor/replication/session_fields.h"

namespace zumastor {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kVerifyVersion = 1;
constexpr std::size_t kHashText = 32;

template <class Read>
auto parse_verify(const std::string& line, const Read& read)
{
    try {
        return read(need_line(line, "zumastor_verify", kVerifyVersion));
    } catch (const BadField& bad) {
        throw not_understood("the other side", bad.what(), line);
    }
}

std::string one_of(const json& object, const char* name, std::initializer_list<std::string_view> words)
{
    std::string text = text_field(object, name);
    if (std::find(words.begin(), words.end(), text) == words.end()) {
        throw BadField(std::string("its field '") + name + "' is not known here");
    }
    return text;
}

constexpr std::array kAsks{"open", "hash", "chunks", "take", "send", "end"}; // in the order of Ask

Ask ask_field(const json& object)
{
    const std::string text = text_field(object, "what");
    const auto found = std::find(kAsks.begin(), kAsks.end(), text);
    if (found == kAsks.end()) {
        throw BadField("its field 'what' is not known here");
    }
    return static_cast<Ask>(found - kAsks.begin());
}

} // namespace

const char* name_of(Ask what) { return kAsks.at(static_cast<std::size_t>(what)); }

std::string format(const VerifyHello& hello)
{
    return ordered_json{{"zumastor_verify", kVerifyVersion},
                        {"volume", hello.volume.str()},
                        {"role", hello.role},
                        {"chunk_bytes", hello.chunk_bytes},
                        {"snapshots", texts_of(hello.snapshots)},
                        {"sector_bytes", hello.sector_bytes}}
        .dump();
}

VerifyHello parse_verify_hello(const std::string& line)
{
    return parse_verify(line, [](const json& object) {
        return VerifyHello{volume_field(object, "volume"), one_of(object, "role", {"master", "replica", ""}),
                           chunk_bytes_field(object, "chunk_bytes"),
                           uuids_field(object, "snapshots", kMostSnapshots), sector_bytes_field(object)};
    });
}

std::string format(const VerifyRequest& request)
{
    ordered_json runs = ordered_json::array();
    for (const stream::ChunkRun& run : request.runs) {
        runs.push_back({run.first, run.count});
    }
    return ordered_json{{"zumastor_verify", kVerifyVersion},
                        {"what", name_of(request.what)},
                        {"snapshot", request.snapshot.str()},
                        {"bytes", request.bytes},
                        {"first", request.first},
                        {"count", request.count},
                        {"runs", runs},
                        {"bytes_per_second", request.bytes_per_second}}
        .dump();
}

VerifyRequest parse_verify_request(const std::string& line)
{
    return parse_verify(line, [](const json& object) {
        VerifyRequest request{ask_field(object),
                              uuid_field(object, "snapshot"),
                              number_field(object, "bytes", kMostBytes),
                              number_field(object, "first", kMostSectors),
                              number_field(object, "count", kMostSectors),
                              {},
                              read_limit(object)};
        const json& runs = need_field(object, "runs");
        const auto is_run = [](const json& run) { return run.is_array() && run.size() == 2; };
        if (!runs.is_array() || !std::all_of(runs.begin(), runs.end(), is_run)) {
            throw BadField("its field 'runs' must be an array of pairs");
        }
        for (const json& run : runs) {
            request.runs.push_back(
                {need_number(run[0], "runs", kMostSectors), need_number(run[1], "runs", kMostSectors)});
        }
        return request;
    });
}

std::string format(const VerifyAnswer& answer)
{
    return ordered_json{{"zumastor_verify", kVerifyVersion},
                        {"bytes", answer.bytes},
                        {"error", answer.refusal.error.str()},
                        {"next", answer.refusal.next.str()},
                        {"code", static_cast<int>(answer.refusal.code)}}
        .dump();
}

VerifyAnswer parse_verify_answer(const std::string& line)
{
    return parse_verify(line, [](const json& object) {
        return VerifyAnswer{
            number_field(object, "bytes", kMostBytes),
            {shown_field(object, "error"), shown_field(object, "next"), code_field(object, "code")}};
    });
}

std::string format_hash(const stream::RangeHash& hash) { return hash.empty() ? "-" : hash; }

stream::RangeHash parse_hash(const std::string& line)
{
    if (line == "-") {
        return {};
    }
    if (line.size() != kHashText || line.find_first_not_of("0123456789abcdef") != std::string::npos) {
        throw not_understood("the other side's hash", "it is not a hash", line);
    }
    return line;
}

} // namespace zumastor
