// SPDX-License-Identifier: GPL-2.0
// How much may be sent: what each side's configuration says (config.h), and what JSON says: the other side's
// (session.h, verify_session.h), or of before (former_source.h). Rates are in bytes of the stream a second; 0
// is no limit.
#pragma once

#include <cstdint>

#include <nlohmann/json_fwd.hpp>

#include "tools/stream/sender.h"
#include "tools/zumastor/config/config.h"

namespace zumastor {

// Of several limits the smallest counts.
void limit_rate(stream::SendOptions& options, std::uint64_t rate);

// What `define target` says of the stream.
stream::SendOptions limited(stream::SendOptions options, const Target& target);

// The field "bytes_per_second". An older version has written none: no limit. Throws json::exception, as for
// any other field that is not understood, if it is no whole number from 0 on.
std::uint64_t read_limit(const nlohmann::json& object);

} // namespace zumastor
