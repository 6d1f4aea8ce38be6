// SPDX-License-Identifier: GPL-2.0
// A command that goes on by itself after the administrator has got the prompt back.
#pragma once

#include <string>
#include <vector>

#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// Has cycles (to `hosts`; "": from the source) run without their caller: by systemd's unit if that can do
// what is asked for, else by a process in a session of its own, which logs to replicate.log beside the
// daemon's log. True in that process, which now does the work; false in the caller, which is done. Throws
// Exit::busy if one of them is at work already.
// `plain`: nothing but these cycles is asked for, which is all that the unit can do.
bool go_on_in_background(const Volume& volume, const std::vector<HostName>& hosts, bool plain);

} // namespace zumastor
