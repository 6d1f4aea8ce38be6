// SPDX-License-Identifier: GPL-2.0
// The operations of the control socket (docs/control.md): one function each, found by name.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "ddsnapd/service/volume_service.h"

namespace ddsnap::daemon {

// What the operations work on. Outlives them.
struct ControlContext {
    VolumeService& service;
    bool snapshot_first = false;
    std::string store;
    std::string origin;
    std::optional<std::string> meta;
    std::string data_socket;
    std::uint64_t started_ns = 0;         // of the clock of now()
    std::function<std::uint64_t()> now;   // nanoseconds, never goes back
    std::function<bool()> stopping;       // nothing may touch the store any more
    std::function<void()> shut_down;      // called after the answer is sent
    std::function<std::string()> measure; // looks how large the devices are now; empty, or what is wrong
    std::function<std::uint64_t()> log_dropped; // lines
    std::function<std::uint64_t()> io_errors;
    std::optional<std::function<std::uint64_t()>> allocations; // in builds that count them

    snapstore::FramePool& frames() noexcept { return service.frames(); }
};

// Never fails: errors are answers.
snapstore::Task<nlohmann::json> control_operation(ControlContext& context, nlohmann::json request);

nlohmann::json control_error(ServiceError::Code code, const std::string& message);

} // namespace ddsnap::daemon
