// SPDX-License-Identifier: GPL-2.0
#include "tools/ddsnap/delta_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tools/common/failure.h"
#include "tools/common/known.h"

namespace zumastor::ddsnap {
namespace {

using ::ddsnap::UniqueFd;

// Who can write to the directory can put a socket of their own there, and be sent what is meant for us.
void refuse_open_directory(const std::string& path)
{
    const std::string directory = std::filesystem::path(path).parent_path().string();
    const auto found = look_at(directory).need();
    if (!found || !S_ISDIR(found->st_mode)) {
        throw Failure(Exit::not_found, path + ": there is no directory " + directory);
    }
    if ((found->st_uid != 0 && found->st_uid != ::geteuid()) || (found->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        throw Failure(Exit::usage, path + ": others can write to " + directory,
                      "name a socket in a directory that only root can write to, such as " + kDeltaSocket);
    }
}

UniqueFd lock_beside(const std::string& path)
{
    const std::string name = path + ".lock";
    UniqueFd lock(::open(name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!lock) {
        throw errno_failure("cannot lock " + name);
    }
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        throw errno == EWOULDBLOCK
            ? Failure(Exit::busy, path + ": another ddsnap delta listen is running there",
                      "give this one another socket: ddsnap delta listen DEVSTEM /PATH")
            : errno_failure("cannot lock " + name);
    }
    return lock;
}

::ddsnap::daemon::SocketFile listen_on(const std::string& path)
{
    auto file = ::ddsnap::daemon::SocketFile::listen(path);
    if (!file) {
        throw Failure(Exit::failed, "cannot listen: " + file.error());
    }
    return std::move(*file);
}

} // namespace

DeltaSocket::DeltaSocket(const std::string& path)
    : lock_((refuse_open_directory(path), lock_beside(path))), file_(listen_on(path)), fd_(file_.release())
{}

UniqueFd connect_to_socket(const std::string& path, void (*set_up)(int))
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        throw Failure(Exit::usage, "socket path is longer than 107 bytes: " + path);
    }
    path.copy(static_cast<char*>(address.sun_path), path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) {
        throw errno_failure("cannot make a socket");
    }
    set_up(fd.get());
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw errno_failure("cannot connect to " + path, Exit::peer_unreachable);
    }
    return fd;
}

} // namespace zumastor::ddsnap
