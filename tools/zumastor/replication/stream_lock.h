// SPDX-License-Identifier: GPL-2.0
// One stream at a time into a replica, and to each replica: and none for ever. When a link is cut, the end
// that did not begin the session never hears of it; the next session ends it. These locks alone are held
// while another host is waited for: two streams into one replica would make a mixture of it.
#pragma once

#include <string>

#include "tools/zumastor/config/lock.h"

namespace zumastor {

// Waits up to half a minute for a stream that is at work to end. If that has moved not a byte in this time,
// its process is ended: what it has received is kept, and the new stream goes on from there. Else throws
// Exit::busy, naming it.
VolumeLock lock_stream(const std::string& volume, const std::string& purpose);

} // namespace zumastor
