// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/session_fields.h"

#include <bit>

#include <nlohmann/json.hpp>

#include "tools/common/text.h"

namespace zumastor {

using nlohmann::json;

namespace {

constexpr std::size_t kQuoted = 200; // bytes of what was said instead

[[noreturn]] void bad_field(const char* name, const std::string& wrong)
{
    throw BadLine(std::string("its field '") + name + "' " + wrong);
}

std::string quoted_field(const std::string& text) { return "'" + shown(text, kQuoted) + "'"; }

} // namespace

json need_line(const std::string& line, const char* key, int version)
{
    json object = json::parse(line, nullptr, false);
    if (!object.is_object()) {
        throw BadLine("it is no line of a session");
    }
    if (number_field(object, key, INT32_MAX) != static_cast<std::uint64_t>(version)) {
        throw Failure(Exit::failed, "the other side speaks another version of the protocol",
                      "install the same version of zumastor on both sides");
    }
    return object;
}

const json& need_field(const json& object, const char* name)
{
    const auto found = object.find(name);
    if (found == object.end()) {
        bad_field(name, "is missing");
    }
    return *found;
}

std::uint64_t need_number(const json& value, const char* name, std::uint64_t most)
{
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
        bad_field(name, "must be a number from 0 to " + std::to_string(most));
    }
    return value.get<std::uint64_t>();
}

std::uint64_t number_field(const json& object, const char* name, std::uint64_t most)
{
    return need_number(need_field(object, name), name, most);
}

bool flag_field(const json& object, const char* name)
{
    const json& value = need_field(object, name);
    if (!value.is_boolean()) {
        bad_field(name, "must be true or false");
    }
    return value.get<bool>();
}

std::string text_field(const json& object, const char* name)
{
    const json& value = need_field(object, name);
    if (!value.is_string()) {
        bad_field(name, "must be text");
    }
    return value.get<std::string>();
}

PlainText shown_field(const json& object, const char* name) { return text_field(object, name); }

VolumeName volume_field(const json& object, const char* name)
{
    const std::string text = text_field(object, name);
    auto volume = VolumeName::from(text);
    if (!volume) {
        bad_field(name, "is no name of a volume: " + quoted_field(text));
    }
    return std::move(*volume);
}

UuidText uuid_field(const json& object, const char* name)
{
    const std::string text = text_field(object, name);
    auto uuid = UuidText::from(text);
    if (!uuid) {
        bad_field(name, "is no UUID: " + quoted_field(text));
    }
    return std::move(*uuid);
}

UuidText need_uuid_field(const json& object, const char* name)
{
    UuidText uuid = uuid_field(object, name);
    if (uuid.empty()) {
        bad_field(name, "is empty");
    }
    return uuid;
}

std::vector<UuidText> uuids_field(const json& object, const char* name)
{
    const json& list = need_field(object, name);
    if (!list.is_array() || list.size() > kMostSnapshots) {
        bad_field(name, "must be an array of at most " + std::to_string(kMostSnapshots));
    }
    std::vector<UuidText> uuids;
    uuids.reserve(list.size());
    for (const json& one : list) {
        auto uuid = one.is_string() ? UuidText::from(one.get_ref<const std::string&>()) : std::nullopt;
        if (!uuid || uuid->empty()) {
            bad_field(name, "has an element that is no UUID");
        }
        uuids.push_back(std::move(*uuid));
    }
    return uuids;
}

std::uint64_t chunk_bytes_field(const json& object, const char* name)
{
    constexpr std::uint64_t kLeastChunk = 4096;
    constexpr std::uint64_t kMostChunk = 1U << 20;
    const std::uint64_t bytes = number_field(object, name, kMostChunk);
    if (bytes < kLeastChunk || !std::has_single_bit(bytes)) {
        bad_field(name, "is no size of chunks: " + std::to_string(bytes));
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
        bad_field(name, "is no size of sectors: " + std::to_string(bytes));
    }
    return bytes;
}

Exit code_field(const json& object, const char* name)
{
    const auto code = exit_of_peer(static_cast<std::int64_t>(number_field(object, name, INT32_MAX)));
    if (!code) {
        bad_field(name, "is no exit code of a failure");
    }
    return *code;
}

std::vector<std::string> texts_of(const std::vector<UuidText>& uuids) { return {uuids.begin(), uuids.end()}; }

Failure not_understood(const std::string& whose, const std::string& reason, const std::string& line)
{
    return Failure(Exit::failed, whose + " is not understood: " + reason + "; it said: " + quoted_field(line),
                   "is zumastor there, and does nothing else write to this connection, like a greeting in "
                   "~/.bashrc?");
}

} // namespace zumastor
