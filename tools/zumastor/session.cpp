// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/session.h"

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/replication/byte_stream.h"
#include "tools/zumastor/rate_limit.h"
#include "tools/zumastor/uuid_text.h"

namespace zumastor {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kSessionVersion = 1;
constexpr std::size_t kLongestLine = 4u << 20; // 65,536 snapshots' UUIDs fit

template <class Read>
auto parse(const std::string& line, const char* what, const Read& read)
{
    try {
        const json object = json::parse(line);
        if (object.at("zumastor").get<int>() != kSessionVersion) {
            throw Failure(Exit::failed, "the other side speaks another version of the protocol");
        }
        if (const auto refused = object.find("refused"); refused != object.end()) {
            throw Failure(static_cast<Exit>(refused->at("code").get<int>()),
                          "the other side: " + refused->at("error").get<std::string>(),
                          refused->at("next").get<std::string>());
        }
        return read(object);
    } catch (const json::exception&) {
        throw Failure(Exit::failed,
                      std::string("the other side's ") + what + " is not understood: " + line.substr(0, 200),
                      "is zumastor there, and nothing else that writes to this connection?");
    }
}

} // namespace

std::string read_line(int fd)
{
    stream::FdSource source(fd);
    std::string line;
    for (;;) {
        std::byte byte{};
        if (source.read({&byte, 1}) != 1) {
            throw stream::TransferError(source.error().empty() ? "the other side has gone"
                                                               : "the other side: " + source.error());
        }
        if (byte == std::byte{'\n'}) {
            return line;
        }
        if (line.size() == kLongestLine) {
            throw stream::TransferError("the other side's line is too long");
        }
        line.push_back(static_cast<char>(byte));
    }
}

void write_line(int fd, const std::string& line)
{
    stream::FdSink sink(fd);
    const std::string text = line + "\n";
    if (!sink.write(std::as_bytes(std::span(text)))) {
        throw stream::TransferError("the other side: " + sink.error());
    }
}

std::string format_refusal(const Failure& failure)
{
    const ordered_json refused{
        {"error", failure.what()}, {"next", failure.next()}, {"code", static_cast<int>(failure.code())}};
    return ordered_json{{"zumastor", kSessionVersion}, {"refused", refused}}.dump();
}

std::string format(const ReplicaOffer& offer)
{
    ordered_json reception;
    if (offer.reception) {
        reception = {{"from", offer.reception->from},
                     {"to", offer.reception->to},
                     {"next_chunk", offer.reception->next_chunk}};
    }
    return ordered_json{{"zumastor", kSessionVersion},
                        {"volume", offer.volume},
                        {"uuid", offer.uuid},
                        {"lineage", offer.lineage},
                        {"chunk_bytes", offer.chunk_bytes},
                        {"sectors", offer.sectors},
                        {"snapshots", offer.snapshots},
                        {"reception", reception},
                        {"patches", offer.patches},
                        {"bytes_per_second", offer.bytes_per_second}}
        .dump();
}

ReplicaOffer parse_offer(const std::string& line)
{
    return parse(line, "offer", [](const json& object) {
        ReplicaOffer offer{object.at("volume").get<std::string>(),
                           object.at("uuid").get<std::string>(),
                           object.at("lineage").get<std::string>(),
                           object.at("chunk_bytes").get<std::uint64_t>(),
                           object.at("sectors").get<std::uint64_t>(),
                           object.at("snapshots").get<std::vector<std::string>>(),
                           {}};
        if (const json& reception = object.at("reception"); !reception.is_null()) {
            offer.reception =
                Reception{reception.at("from").get<std::string>(), reception.at("to").get<std::string>(),
                          reception.at("next_chunk").get<std::uint64_t>()};
        }
        offer.patches = object.value("patches", false);
        offer.bytes_per_second = read_limit(object);
        need_uuid(offer.uuid); // it becomes part of a file's name
        return offer;
    });
}

std::string format(const SendPlan& plan)
{
    return ordered_json{{"zumastor", kSessionVersion}, {"nothing", plan.nothing}, {"more", plan.more},
                        {"error", plan.error},         {"next", plan.next},       {"code", plan.code}}
        .dump();
}

SendPlan parse_plan(const std::string& line)
{
    return parse(line, "plan", [](const json& object) {
        return SendPlan{object.at("nothing").get<bool>(), object.at("more").get<bool>(),
                        object.at("error").get<std::string>(), object.at("next").get<std::string>(),
                        object.at("code").get<int>()};
    });
}

std::string format(const ReplicaResult& result)
{
    return ordered_json{{"zumastor", kSessionVersion}, {"ok", result.ok},
                        {"snapshot", result.snapshot}, {"id", result.id},
                        {"error", result.error},       {"next", result.next},
                        {"code", result.code}}
        .dump();
}

ReplicaResult parse_result(const std::string& line)
{
    return parse(line, "result", [](const json& object) {
        return ReplicaResult{object.at("ok").get<bool>(),          object.at("snapshot").get<std::string>(),
                             object.at("id").get<std::uint64_t>(), object.at("error").get<std::string>(),
                             object.at("next").get<std::string>(), object.at("code").get<int>()};
    });
}

} // namespace zumastor
