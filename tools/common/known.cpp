// SPDX-License-Identifier: GPL-2.0
#include "tools/common/known.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "ddsnapd/disk/unique_fd.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

// A link that leads nowhere, be it the path or a directory on it: a disk is not mounted, perhaps, and what is
// on it is not gone.
bool leads_nowhere(const fs::path& path)
{
    for (fs::path part = path; !part.empty() && part != part.parent_path(); part = part.parent_path()) {
        struct stat info {};
        if (::lstat(part.c_str(), &info) == 0) {
            return S_ISLNK(info.st_mode);
        }
    }
    return false;
}

// Of all numbers only these say that nothing is there. (ESRCH is what /proc says of a process that has
// ended.)
template <class T>
Known<T> nothing_at(const std::string& path, int number)
{
    if (number == ENOENT || number == ENOTDIR || number == ESRCH) {
        return Known<T>::absent();
    }
    return Known<T>::unknown(cannot_be_known(path + " cannot be read", number));
}

template <class T>
Known<T> no_content_at(const std::string& path, int number)
{
    if (number == ENOENT && leads_nowhere(path)) {
        return Known<T>::unknown(Failure(Exit::failed, path + " cannot be read: a link leads nowhere"));
    }
    return nothing_at<T>(path, number);
}

} // namespace

Failure cannot_be_known(const std::string& what, int number)
{
    const bool by_root = (number == EACCES || number == EPERM) && ::geteuid() != 0;
    return Failure(Exit::failed, what + ": " + std::strerror(number),
                   by_root ? "ask as root: the same command with sudo" : "");
}

Known<struct stat> look_at(const std::string& path)
{
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? Known<struct stat>::there(info)
                                            : nothing_at<struct stat>(path, errno);
}

Known<struct stat> look_at_link(const std::string& path)
{
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 ? Known<struct stat>::there(info)
                                             : nothing_at<struct stat>(path, errno);
}

Known<std::string> text_of(const std::string& path)
{
    const ddsnap::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        return no_content_at<std::string>(path, errno);
    }
    std::string text;
    std::array<char, 4096> block{};
    for (;;) {
        const ssize_t n = ::read(file.get(), block.data(), block.size());
        if (n == 0) {
            return Known<std::string>::there(std::move(text));
        }
        if (n < 0 && errno != EINTR) {
            return nothing_at<std::string>(path, errno);
        }
        text.append(block.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
    }
}

Known<std::vector<fs::path>> entries_of(const std::string& directory)
{
    using Entries = std::vector<fs::path>;
    const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), ::closedir);
    if (!open) {
        return no_content_at<Entries>(directory, errno);
    }
    Entries entries;
    for (;;) {
        errno = 0; // the only way to tell an error from the end
        const dirent* entry = ::readdir(open.get());
        if (entry == nullptr) {
            return errno == 0 ? Known<Entries>::there(std::move(entries))
                              : nothing_at<Entries>(directory, errno);
        }
        const std::string name = entry->d_name;
        if (name != "." && name != "..") {
            entries.push_back(fs::path(directory) / name);
        }
    }
}

void remove_file(const std::string& path)
{
    if (::unlink(path.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) {
        throw errno_failure("cannot remove " + path);
    }
}

} // namespace zumastor
