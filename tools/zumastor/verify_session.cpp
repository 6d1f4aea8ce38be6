// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/verify_session.h"

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/zumastor/rate_limit.h"

namespace zumastor {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kVerifyVersion = 1;
constexpr std::size_t kHashText = 32;

Failure not_understood(const std::string& line)
{
    return Failure(Exit::failed, "the other side is not understood: " + line.substr(0, 200),
                   "is zumastor there, of this version, and nothing else that writes to this connection?");
}

template <class Read>
auto parse_verify(const std::string& line, const Read& read)
{
    try {
        const json object = json::parse(line);
        if (object.at("zumastor_verify").get<int>() != kVerifyVersion) {
            throw Failure(Exit::failed, "the other side compares by another version of the protocol");
        }
        return read(object);
    } catch (const json::exception&) {
        throw not_understood(line);
    }
}

} // namespace

std::string format(const VerifyHello& hello)
{
    return ordered_json{{"zumastor_verify", kVerifyVersion},
                        {"volume", hello.volume},
                        {"role", hello.role},
                        {"chunk_bytes", hello.chunk_bytes},
                        {"snapshots", hello.snapshots}}
        .dump();
}

VerifyHello parse_verify_hello(const std::string& line)
{
    return parse_verify(line, [](const json& object) {
        return VerifyHello{object.at("volume").get<std::string>(), object.at("role").get<std::string>(),
                           object.at("chunk_bytes").get<std::uint64_t>(),
                           object.at("snapshots").get<std::vector<std::string>>()};
    });
}

std::string format(const VerifyRequest& request)
{
    ordered_json runs = ordered_json::array();
    for (const stream::ChunkRun& run : request.runs) {
        runs.push_back({run.first, run.count});
    }
    return ordered_json{{"zumastor_verify", kVerifyVersion},
                        {"what", request.what},
                        {"snapshot", request.snapshot},
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
        VerifyRequest request{object.at("what").get<std::string>(),
                              object.at("snapshot").get<std::string>(),
                              object.at("bytes").get<std::uint64_t>(),
                              object.at("first").get<std::uint64_t>(),
                              object.at("count").get<std::uint64_t>(),
                              {},
                              read_limit(object)};
        for (const json& run : object.at("runs")) {
            request.runs.push_back({run.at(0).get<std::uint64_t>(), run.at(1).get<std::uint64_t>()});
        }
        return request;
    });
}

std::string format(const VerifyAnswer& answer)
{
    return ordered_json{{"zumastor_verify", kVerifyVersion},
                        {"bytes", answer.bytes},
                        {"error", answer.error},
                        {"next", answer.next},
                        {"code", answer.code}}
        .dump();
}

VerifyAnswer parse_verify_answer(const std::string& line)
{
    return parse_verify(line, [](const json& object) {
        return VerifyAnswer{object.at("bytes").get<std::uint64_t>(), object.at("error").get<std::string>(),
                            object.at("next").get<std::string>(), object.at("code").get<int>()};
    });
}

std::string format_hash(const stream::RangeHash& hash) { return hash.empty() ? "-" : hash; }

stream::RangeHash parse_hash(const std::string& line)
{
    if (line == "-") {
        return {};
    }
    if (line.size() != kHashText || line.find_first_not_of("0123456789abcdef") != std::string::npos) {
        throw not_understood(line);
    }
    return line;
}

} // namespace zumastor
