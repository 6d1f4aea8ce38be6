// SPDX-License-Identifier: GPL-2.0
#include "tools/common/json_fields.h"

#include <nlohmann/json.hpp>

#include "tools/common/text.h"

namespace zumastor {

using nlohmann::json;

namespace {

constexpr std::size_t kQuoted = 200; // bytes of what is there instead

} // namespace

BadField::BadField(const char* name, const std::string& wrong)
    : std::runtime_error(std::string("its field '") + name + "' " + wrong)
{}

const json& need_field(const json& object, const char* name)
{
    const auto found = object.find(name);
    if (found == object.end()) {
        throw BadField(name, "is missing");
    }
    return *found;
}

std::uint64_t need_number(const json& value, const char* name, std::uint64_t most)
{
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
        throw BadField(name, "must be a number from 0 to " + std::to_string(most));
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
        throw BadField(name, "must be true or false");
    }
    return value.get<bool>();
}

std::string text_field(const json& object, const char* name)
{
    const json& value = need_field(object, name);
    if (!value.is_string()) {
        throw BadField(name, "must be text");
    }
    return value.get<std::string>();
}

PlainText shown_field(const json& object, const char* name) { return text_field(object, name); }

VolumeName volume_field(const json& object, const char* name)
{
    const std::string text = text_field(object, name);
    auto volume = VolumeName::from(text);
    if (!volume) {
        throw BadField(name, "is not a volume's name: '" + shown(text, kQuoted) + "'");
    }
    return std::move(*volume);
}

UuidText uuid_field(const json& object, const char* name)
{
    const std::string text = text_field(object, name);
    auto uuid = UuidText::from(text);
    if (!uuid) {
        throw BadField(name, "is not a UUID: '" + shown(text, kQuoted) + "'");
    }
    return std::move(*uuid);
}

UuidText need_uuid_field(const json& object, const char* name)
{
    UuidText uuid = uuid_field(object, name);
    if (uuid.empty()) {
        throw BadField(name, "is empty");
    }
    return uuid;
}

std::vector<UuidText> uuids_field(const json& object, const char* name, std::size_t most)
{
    const json& list = need_field(object, name);
    if (!list.is_array() || list.size() > most) {
        throw BadField(name, "must be an array of at most " + std::to_string(most));
    }
    std::vector<UuidText> uuids;
    uuids.reserve(list.size());
    for (const json& one : list) {
        auto uuid = one.is_string() ? UuidText::from(one.get_ref<const std::string&>()) : std::nullopt;
        if (!uuid || uuid->empty()) {
            throw BadField(name, "has an element that is not a UUID");
        }
        uuids.push_back(std::move(*uuid));
    }
    return uuids;
}

} // namespace zumastor
