// SPDX-License-Identifier: GPL-2.0
// The fields of a session's line, each judged where it enters: no conversion makes a number of another one,
// or of a text.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tools/common/border.h"

namespace zumastor {

// A line that is not as docs/session-format.md says: which field, and what is wrong with it.
class BadLine : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

inline constexpr std::uint64_t kMostSectors = 1ULL << 53; // bytes, and sums of them, fit 64 bits
inline constexpr std::uint64_t kMostBytes = kMostSectors * 512;
inline constexpr std::uint64_t kMostSnapshots = 65536;

// An object of this version of the protocol; `key` has its number.
nlohmann::json need_line(const std::string& line, const char* key, int version);

const nlohmann::json& need_field(const nlohmann::json& object, const char* name);
std::uint64_t need_number(const nlohmann::json& value, const char* name, std::uint64_t most);
std::uint64_t number_field(const nlohmann::json& object, const char* name, std::uint64_t most);
bool flag_field(const nlohmann::json& object, const char* name);
std::string text_field(const nlohmann::json& object, const char* name); // to be judged by who asks
PlainText shown_field(const nlohmann::json& object, const char* name);
VolumeName volume_field(const nlohmann::json& object, const char* name);
UuidText uuid_field(const nlohmann::json& object, const char* name); // may be empty
UuidText need_uuid_field(const nlohmann::json& object, const char* name);
std::vector<UuidText> uuids_field(const nlohmann::json& object, const char* name);
std::uint64_t chunk_bytes_field(const nlohmann::json& object, const char* name);
std::uint64_t sector_bytes_field(const nlohmann::json& object); // 0, also if it is absent: not known
Exit code_field(const nlohmann::json& object, const char* name);

std::vector<std::string> texts_of(const std::vector<UuidText>& uuids); // to be written

// "WHOSE is not understood", with the line as far as it can be quoted.
Failure not_understood(const std::string& whose, const std::string& reason, const std::string& line);

} // namespace zumastor
