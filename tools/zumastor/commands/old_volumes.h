// SPDX-License-Identifier: GPL-2.0
// The configuration of Zumastor 0.8: a directory tree, below /var/lib/zumastor/volumes as a rule.
//
//   VOL/device/{origin,snapstore,meta}      symbolic links to the devices
//   VOL/filesystem/{mountpoint,options}     one line each
//   VOL/master/                             is there if the volume is a master
//   VOL/{schedule,master/schedule}/KIND     how many of the kind are kept
//   VOL/source/{hostname,period}            is there if it is a replica
//   VOL/targets/HOST/{port,period}          one for each host that it is replicated to
//
// Source: the layout that zumastor 0.8 made and its scripts read. Its stores have another format, which
// nothing reads any more; what is on an origin is just the filesystem.
#pragma once

#include <string>
#include <vector>

namespace zumastor {

// Commands of today that define the volume in `directory` (…/VOL) anew, as lines of a shell script; as
// comments, what could not be taken over, and why. `yes`: the commands ask nothing. Throws Exit::failed if
// origin or snapshot store are not named.
std::vector<std::string> commands_for_old_volume(const std::string& directory, bool yes);

} // namespace zumastor
