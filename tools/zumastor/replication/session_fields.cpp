// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/session_fields.h"

#include <bit>

#include <nlohmann/json.hpp>

#include "tools/common/text.h"

namespace zumastor {

using nlohmann::json;

namespace {

constexpr std::size_t kQuoted = 200; // bytes of what was said instead

std::string quoted_field(const std::string& text) { return "'" + shown(text, kQuoted) + "'"; }

} // namespace

json need_line(const std::string& line, const char* key, int version)
{
    json object = json::parse(line, nullptr, false);
    if (!object.is_object()) {
        throw BadField("it is not a line of a session");
    }
    if (number_field(object, key, INT32_MAX) != static_cast<std::uint64_t>(version)) {
        throw Failure(Exit::failed, "the other side speaks another version of the protocol",
                      "install the same version of zumastor on both sides");
    }
    return object;
}

std::uint64_t chunk_bytes_field(const json& object, const char* name)
{
    constexpr std::uint64_t kLeastChunk = 4096;
    constexpr std::uint64_t kMostChunk = 1U << 20;
    const std::uint64_t bytes = number_field(object, name, kMostChunk);
    if (bytes < kLeastChunk || !std::has_single_bit(bytes)) {
        throw BadField(name, "is not a chunk size: " + std::to_string(bytes));
    }
    return bytes;
}

std::uint64_t sector_bytes_field(const json& object)
{
    constexpr std::uint64_t kMostSector = 1U << 20;
    const char* const name = "sector_bytes";
    if (!object.contains(name)) {
        return 0;
    }
    const std::uint64_t bytes = number_field(object, name, kMostSector);
    if (bytes != 0 && (bytes < 512 || !std::has_single_bit(bytes))) {
        throw BadField(name, "is not a sector size: " + std::to_string(bytes));
    }
    return bytes;
}

Exit code_field(const json& object, const char* name)
{
    const auto code = exit_of_peer(static_cast<std::int64_t>(number_field(object, name, INT32_MAX)));
    if (!code) {
        throw BadField(name, "is not an exit code of a failure");
    }
    return *code;
}

std::vector<std::string> texts_of(const std::vector<UuidText>& uuids) { return {uuids.begin(), uuids.end()}; }

Failure not_understood(const std::string& whose, const std::string& reason, const std::string& line)
{
    return Failure(Exit::failed, whose + " is not understood: " + reason + "; it said: " + quoted_field(line),
                   "check that zumastor is installed there, and that nothing else writes to the "
                   "connection, such as a greeting in ~/.bashrc");
}

} // namespace zumastor
