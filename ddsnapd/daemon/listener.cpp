// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace ddsnap::daemon {
namespace {

tl::unexpected<std::string> not_listening(const std::string& path, const char* what)
{
    return tl::unexpected<std::string>(fmt::format("{}: {}: {}", path, what, std::strerror(errno)));
}

// 0: somebody listens. ECONNREFUSED alone says that nobody does; with any other error somebody may.
int ask(const sockaddr_un& address)
{
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const bool connected =
        probe && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    return connected || errno == EAGAIN ? 0 : errno;
}

} // namespace

tl::expected<SocketFile, std::string> SocketFile::listen(const std::string& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return tl::unexpected<std::string>(path + ": a socket's path has 1 to 107 bytes");
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0) {
        if (errno != ENOENT) {
            return not_listening(path, "cannot be examined");
        }
    } else {
        if (!S_ISSOCK(st.st_mode)) {
            return tl::unexpected<std::string>(path + " exists and is not a socket");
        }
        const int answer = ask(address);
        if (answer == 0) {
            return tl::unexpected<std::string>(path + ": another daemon listens there");
        }
        if (answer != ECONNREFUSED) {
            errno = answer;
            return not_listening(path, "cannot find out whether another daemon listens there");
        }
        if (::unlink(path.c_str()) != 0) {
            return not_listening(path, "cannot replace");
        }
    }
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) {
        return not_listening(path, "socket");
    }
    const mode_t old_mask = ::umask(0177); // mode 0600 from the first moment
    const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int error = errno;
    (void)::umask(old_mask);
    if (bound != 0) {
        errno = error;
        return not_listening(path, "cannot bind");
    }
    SocketFile file(std::move(fd), path);
    if (::listen(file.fd_.get(), 128) != 0) {
        return not_listening(path, "cannot listen");
    }
    return file;
}

void SocketFile::remove() noexcept
{
    if (!path_.empty()) {
        (void)::unlink(path_.c_str());
        path_.clear();
    }
}

} // namespace ddsnap::daemon
