// SPDX-License-Identifier: GPL-2.0
// What the lines of all sessions have in common (docs/session-format.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tools/common/json_fields.h"

namespace zumastor {

inline constexpr std::uint64_t kMostSectors = 1ULL << 53; // bytes, and sums of them, fit 64 bits
inline constexpr std::uint64_t kMostBytes = kMostSectors * 512;
inline constexpr std::uint64_t kMostSnapshots = 65536;

// An object of this version of the protocol; `key` has its number. Throws BadField, or Failure if it is of
// another version.
nlohmann::json need_line(const std::string& line, const char* key, int version);

std::uint64_t chunk_bytes_field(const nlohmann::json& object, const char* name);
std::uint64_t sector_bytes_field(const nlohmann::json& object); // 0, also if it is absent: not known
Exit code_field(const nlohmann::json& object, const char* name);

std::vector<std::string> texts_of(const std::vector<UuidText>& uuids); // to be written

// "WHOSE is not understood", with the line as far as it can be quoted.
Failure not_understood(const std::string& whose, const std::string& reason, const std::string& line);

} // namespace zumastor
