// SPDX-License-Identifier: GPL-2.0
// How a receiver tells a sender where to go on: text for people to carry from one host to the other.
#pragma once

#include <string>

#include "tools/common/failure.h"
#include "tools/zumastor/state/replica_state.h"

namespace zumastor {

std::string format_token(const Reception& reception); // "1:FROM:TO:NEXT", FROM "-" for a full stream
Reception parse_token(const std::string& text);       // throws Exit::usage

} // namespace zumastor
