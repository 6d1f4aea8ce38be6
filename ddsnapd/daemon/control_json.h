// SPDX-License-Identifier: GPL-2.0
// The objects of docs/control.md as JSON, and the fields of requests.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

#include "ddsnapd/daemon/control_ops.h"
#include "ddsnapd/protocol/control_words.h"

namespace ddsnap::daemon {

// A request that cannot be understood; answered with code `invalid`.
class BadRequest : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

snapstore::SnapshotId snapshot_field(const nlohmann::json& request,
                                     const char* name = control::fields::snapshot); // required
// Absent or null: none.
std::optional<snapstore::SnapshotId> optional_snapshot_field(const nlohmann::json& request, const char* name);
std::int8_t priority_field(const nlohmann::json& request, std::optional<std::int8_t> otherwise);
std::int64_t integer_field(const nlohmann::json& request, const char* name,
                           std::optional<std::int64_t> otherwise);
std::optional<snapstore::Uuid> uuid_field(const nlohmann::json& request, const char* name);
bool flag_field(const nlohmann::json& request, const char* name);
// What a snapshot can be called, and its kinds; absent or null: none (snapstore/texts.h).
std::string name_field(const nlohmann::json& request, const char* name);
std::string tag_field(const nlohmann::json& request, const char* name);

nlohmann::json snapshot_json(const ControlContext& context, const snapstore::SnapshotInfo& info);
nlohmann::json volume_json(const ControlContext& context);
nlohmann::json delta_json(const snapstore::DeltaPart& part, std::span<const snapstore::ChunkRange> ranges);
nlohmann::json check_json(const snapstore::CheckReport& report);
std::string metrics_text(const ControlContext& context);

} // namespace ddsnap::daemon
