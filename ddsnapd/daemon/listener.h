// SPDX-License-Identifier: GPL-2.0
// A listening AF_UNIX socket with mode 0600. A socket file that a dead daemon left is replaced; one that a
// live daemon answers on, or that is no socket, is not.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "ddsnapd/disk/unique_fd.h"

namespace ddsnap::daemon {

class SocketFile {
public:
    static tl::expected<SocketFile, std::string> listen(const std::string& path);
    SocketFile() = default;
    SocketFile(SocketFile&& o) noexcept : fd_(std::move(o.fd_)), path_(std::exchange(o.path_, {})) {}
    SocketFile& operator=(SocketFile&&) = delete;
    ~SocketFile() { remove(); }

    int release() noexcept { return fd_.release(); } // the descriptor; the file is still ours to remove
    void remove() noexcept;

private:
    SocketFile(UniqueFd fd, std::string path) noexcept : fd_(std::move(fd)), path_(std::move(path)) {}
    UniqueFd fd_;
    std::string path_;
};

} // namespace ddsnap::daemon
