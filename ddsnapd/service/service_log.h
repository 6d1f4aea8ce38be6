// SPDX-License-Identifier: GPL-2.0
// Where the service and the daemon around it say what has happened.
#pragma once

#include <cstdint>
#include <string_view>

namespace ddsnap {

enum class Severity : std::uint8_t { info, warning, error };

class ServiceLog {
public:
    virtual ~ServiceLog() = default;
    virtual void log(Severity severity, std::string_view text) noexcept = 0;
};

} // namespace ddsnap
