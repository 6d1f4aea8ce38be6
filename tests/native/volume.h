// SPDX-License-Identifier: GPL-2.0
// A volume on files, and a daemon as a process that serves it: for tests on the host, without the kernel's
// target.
#pragma once

#include <sys/types.h>
#include <sys/un.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "ddsnapd/client/control_client.h"
#include "ddsnapd/client/devices.h"
#include "tests/support/scratch_folder.h"

namespace ddsnap::test {

struct VolumeSizes {
    std::uint64_t origin = 16ull << 20;
    std::uint64_t store = 64ull << 20;
    std::uint64_t meta = 0; // 0: metadata on the store
    std::uint32_t chunk_shift = 14;
};

class Volume {
public:
    explicit Volume(const VolumeSizes& sizes = {}); // makes the files, initializes the store
    ~Volume();                                      // kills the daemon, removes the files
    Volume(const Volume&) = delete;
    Volume& operator=(const Volume&) = delete;

    void launch();        // returns at once
    void start();         // returns when it answers; throws if it does not
    int start_detached(); // without -f: the exit status of the process that detaches
    void kill();          // SIGKILL
    int terminate();      // SIGTERM; its exit status
    void signal(int number);
    int wait(); // for its end: its exit status
    // Runs a second daemon on the same devices (but other sockets) to its end: exit status and what it says.
    std::pair<int, std::string> run_rival();
    bool running() const noexcept { return pid_ > 0; }

    nlohmann::json call(const nlohmann::json& request); // throws unless answered with ok
    std::string refusal(const nlohmann::json& request); // the error's code; "" if answered with ok
    std::uint64_t create();                             // the snapshot's number
    std::uint64_t counter(const std::string& name);
    std::string log() const;

    client::DeviceOptions device(const std::string& name) const;
    std::string path(const std::string& name) const { return folder_ / name; }
    sockaddr_un address(const std::string& name) const; // of the socket "data" or "control"
    const VolumeSizes& sizes() const noexcept { return sizes_; }

private:
    std::vector<std::string> arguments(const std::string& sockets_suffix, bool foreground = true) const;
    pid_t spawn(const std::vector<std::string>& arguments, const std::string& output) const;

    const VolumeSizes sizes_;
    zumastor::test::ScratchFolder folder_;
    pid_t pid_ = 0;
};

// Initializes a store in files, without a daemon.
void format_store(const std::string& origin, const std::string& store, const std::string& meta,
                  std::uint32_t chunk_shift);

} // namespace ddsnap::test
