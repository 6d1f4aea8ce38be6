// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/session.h"

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/stream/byte_stream.h"
#include "tools/zumastor/config/rate_limit.h"
#include "tools/zumastor/replication/session_fields.h"

namespace zumastor {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kSessionVersion = 1;
constexpr std::uint64_t kMostNumber = 1ULL << 53; // of a snapshot: JSON everywhere has it exactly
constexpr std::size_t kLongestLine = 4u << 20;    // 65,536 snapshots' UUIDs fit

Refusal refusal_fields(const json& object)
{
    return {shown_field(object, "error"), shown_field(object, "next"), code_field(object, "code")};
}

template <class Read>
auto parse(const std::string& line, const char* what, const Read& read)
{
    try {
        const json object = need_line(line, "zumastor", kSessionVersion);
        if (const auto refused = object.find("refused"); refused != object.end()) {
            if (!refused->is_object()) {
                throw BadField("its field 'refused' must be an object");
            }
            const Refusal why = refusal_fields(*refused);
            throw Failure(why.code, "the other side: " + why.error, why.next);
        }
        return read(object);
    } catch (const BadField& bad) {
        throw not_understood(std::string("the other side's ") + what, bad.what(), line);
    }
}

} // namespace

Refusal refusal_of(const Failure& failure) { return {failure.what(), failure.next(), failure.code()}; }

void need_no_refusal(const Refusal& refusal, const std::string& who)
{
    if (!refusal.error.empty()) {
        throw Failure(refusal.code, who + ": " + refusal.error, refusal.next);
    }
}

std::string read_line(int fd)
{
    stream::FdSource source(fd);
    std::string line;
    for (;;) {
        std::byte byte{};
        if (source.read({&byte, 1}) != 1) {
            std::string what = source.error().empty() ? "the other side has closed the connection"
                                                      : "the other side: " + source.error();
            if (!line.empty()) { // a shell that says why there will be no session
                what += "; it said: '" + shown(line, PlainText::kMost) + "'";
            }
            throw stream::TransferError(what);
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
        reception = {{"from", offer.reception->from.str()},
                     {"to", offer.reception->to.str()},
                     {"next_chunk", offer.reception->next_chunk}};
    }
    return ordered_json{{"zumastor", kSessionVersion},
                        {"volume", offer.volume.str()},
                        {"uuid", offer.uuid.str()},
                        {"lineage", offer.lineage.str()},
                        {"chunk_bytes", offer.chunk_bytes},
                        {"sectors", offer.sectors},
                        {"snapshots", texts_of(offer.snapshots)},
                        {"reception", reception},
                        {"patches", offer.patches},
                        {"bytes_per_second", offer.bytes_per_second},
                        {"sector_bytes", offer.sector_bytes}}
        .dump();
}

ReplicaOffer parse_offer(const std::string& line)
{
    return parse(line, "offer", [](const json& object) {
        ReplicaOffer offer{volume_field(object, "volume"),
                           need_uuid_field(object, "uuid"),
                           uuid_field(object, "lineage"),
                           chunk_bytes_field(object, "chunk_bytes"),
                           number_field(object, "sectors", kMostSectors),
                           uuids_field(object, "snapshots", kMostSnapshots),
                           {}};
        if (const json& reception = need_field(object, "reception"); !reception.is_null()) {
            if (!reception.is_object()) {
                throw BadField("its field 'reception' must be an object or null");
            }
            offer.reception = Reception{uuid_field(reception, "from"), need_uuid_field(reception, "to"),
                                        number_field(reception, "next_chunk", kMostSectors)};
        }
        offer.patches = object.contains("patches") && flag_field(object, "patches");
        offer.bytes_per_second = read_limit(object);
        offer.sector_bytes = sector_bytes_field(object);
        return offer;
    });
}

std::string format(const SendPlan& plan)
{
    return ordered_json{{"zumastor", kSessionVersion},
                        {"nothing", plan.nothing},
                        {"more", plan.more},
                        {"error", plan.refusal.error.str()},
                        {"next", plan.refusal.next.str()},
                        {"code", static_cast<int>(plan.refusal.code)},
                        {"sector_bytes", plan.sector_bytes}}
        .dump();
}

SendPlan parse_plan(const std::string& line)
{
    return parse(line, "plan", [](const json& object) {
        return SendPlan{flag_field(object, "nothing"), flag_field(object, "more"), refusal_fields(object),
                        sector_bytes_field(object)};
    });
}

std::string format(const ReplicaResult& result)
{
    return ordered_json{{"zumastor", kSessionVersion},
                        {"ok", result.ok},
                        {"snapshot", result.snapshot.str()},
                        {"id", result.id},
                        {"error", result.refusal.error.str()},
                        {"next", result.refusal.next.str()},
                        {"code", static_cast<int>(result.refusal.code)}}
        .dump();
}

ReplicaResult parse_result(const std::string& line)
{
    return parse(line, "result", [](const json& object) {
        return ReplicaResult{flag_field(object, "ok"), uuid_field(object, "snapshot"),
                             number_field(object, "id", kMostNumber), refusal_fields(object)};
    });
}

} // namespace zumastor
