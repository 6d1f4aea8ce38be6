// SPDX-License-Identifier: GPL-2.0
// Who has a snapshot store for itself.
#pragma once

#include <string>

namespace ddsnap {

// Takes a write lock on the whole of a device or file, for this open file description: it lasts until all
// that go through it have ended, I/O of a killed process included. Does not wait. False with errno: EAGAIN if
// another description has it. The descriptor must be open for writing.
//
// Not flock(): udev takes that for a sign that a device is being written anew, and puts off all events of the
// device while it is held, for minutes; whoever waits for udev waits, too.
bool try_lock_disk(int fd);

// "process 123 (name)" that has the lock; empty if none is to be found, as when it was killed and its last
// I/O is ending.
std::string disk_lock_holder(int fd);

} // namespace ddsnap
