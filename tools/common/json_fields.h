// SPDX-License-Identifier: GPL-2.0
// The fields of a JSON object that comes from elsewhere: another host's line, or a file. Each is checked
// where it enters: no conversion makes a number of another one, or of a text. All throw BadField.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tools/common/border.h"

namespace zumastor {

// Which field, and what is wrong with it.
class BadField : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
    BadField(const char* name, const std::string& wrong);
};

const nlohmann::json& need_field(const nlohmann::json& object, const char* name);
std::uint64_t need_number(const nlohmann::json& value, const char* name, std::uint64_t most);
std::uint64_t number_field(const nlohmann::json& object, const char* name, std::uint64_t most);
bool flag_field(const nlohmann::json& object, const char* name);
std::string text_field(const nlohmann::json& object, const char* name); // to be checked by who asks
PlainText shown_field(const nlohmann::json& object, const char* name);
VolumeName volume_field(const nlohmann::json& object, const char* name);
UuidText uuid_field(const nlohmann::json& object, const char* name); // may be empty
UuidText need_uuid_field(const nlohmann::json& object, const char* name);
std::vector<UuidText> uuids_field(const nlohmann::json& object, const char* name, std::size_t most);

} // namespace zumastor
