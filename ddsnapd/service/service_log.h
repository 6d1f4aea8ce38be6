// SPDX-License-Identifier: GPL-2.0
// Where the service and the daemon around it say what has happened.
#pragma once

#include <string_view>

#include "snapstore/types.h"

namespace ddsnap {

using snapstore::Severity;

class ServiceLog {
public:
    virtual ~ServiceLog() = default;
    virtual void log(Severity severity, std::string_view text) noexcept = 0;
};

} // namespace ddsnap
