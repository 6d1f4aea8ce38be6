// SPDX-License-Identifier: GPL-2.0
// The server of a comparison (verify_session.h).
#pragma once

#include "tools/zumastor/replication/verify_end.h"

namespace zumastor {

// Answers on standard input and output, until nobody asks any more. Repairs only with `may_repair`. Throws
// Failure.
void serve_verify(Volume& volume, VerifyEnd::Side side, bool may_repair);

} // namespace zumastor
