// SPDX-License-Identifier: GPL-2.0
// The daemon as a process: detaching from the terminal, and never waiting for memory that can only be had
// by writing to its own volume.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "ddsnapd/disk/unique_fd.h"
#include "ddsnapd/service/service_log.h"

namespace ddsnap::daemon {

// Continues in a child with a session of its own. The parent stays until the child reports, and exits with
// its status: so a script that starts the daemon goes on when both sockets accept.
class Detached {
public:
    // Returns in the child only.
    static tl::expected<Detached, std::string> detach();
    Detached() = default; // not detached: reports to nobody

    void ready();                            // the parent exits 0
    void failed(const std::string& message); // the parent prints it and exits 1

private:
    explicit Detached(int fd) : pipe_(fd) {}
    UniqueFd pipe_;
};

// Locks all memory, now and later, with the stack and a reserve of heap touched beforehand; makes the heap
// keep what it has; protects the process from the OOM killer; tells the kernel that it is part of the I/O
// path. What is not permitted is logged as a warning and done without.
void protect_process(ServiceLog& log);

// Has dm-ddsnap give the calling thread the use of the kernel's memory reserves: what it allocates in the
// kernel from then on does not wait for memory that only its own answers can free. The module must be loaded,
// as it is once a device has connected. From then on the thread must leave no dirty pages of a file to an
// fsync of its own (some filesystems refuse to write them back, as in reclaim): the witness is made before,
// and written with O_DIRECT where there is such a thing. Error: the file, and why it cannot be written.
tl::expected<void, std::string> use_memory_reserves();

tl::expected<void, std::string> write_pid_file(const std::string& path);

} // namespace ddsnap::daemon
