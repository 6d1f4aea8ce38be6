// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/host.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>

#include "ddsnapd/daemon/uuid.h"

namespace ddsnap::daemon {

namespace fs = std::filesystem;

namespace {
std::ptrdiff_t threads_of(std::uint32_t pid)
{
    std::error_code error;
    const fs::directory_iterator threads(fmt::format("/proc/{}/task", pid), error);
    return error ? 0 : std::distance(begin(threads), end(threads));
}
} // namespace

Host read_host()
{
    Host host;
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string text;
    if (std::getline(file, text)) {
        host.boot = parse_uuid(text).value_or(snapstore::Uuid{});
    }
    return host;
}

std::optional<std::uint64_t> start_time_of(std::uint32_t pid)
{
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto name_end = text.rfind(')'); // the name may hold anything
    if (name_end == std::string::npos) {
        return std::nullopt;
    }
    std::istringstream fields(text.substr(name_end + 1));
    std::string field;
    for (int i = 3; i <= 22; ++i) { // field 22, counted from 1: starttime
        fields >> field;
        if (i == 3 && (field == "Z" || field == "X") && threads_of(pid) <= 1) {
            return std::nullopt; // a zombie whose threads have all ended writes no more
        }
    }
    if (!fields) {
        return std::nullopt;
    }
    return std::strtoull(field.c_str(), nullptr, 10);
}

PeerCheck check_peer(int socket, const Host& host)
{
    PeerCheck check;
    ucred credentials{};
    socklen_t length = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
        return check;
    }
    check.uid = credentials.uid;
    check.allowed = credentials.uid == 0 || credentials.uid == ::geteuid();
    check.peer.boot = host.boot;
    check.peer.pid = static_cast<std::uint32_t>(credentials.pid);
    check.peer.start_time = start_time_of(check.peer.pid).value_or(0);
    return check;
}

// A mapped device is gone if its number is unused, or if another device has the number now: one of another
// name that does not lie on our origin. (A renamed device still lies on it.)
bool HostProbe::device_gone(const snapstore::Attachment& a) const
{
    std::error_code error;
    const fs::path devices = "/sys/dev/block";
    if (!fs::is_directory(devices, error) || error) {
        return false;
    }
    const fs::path device = devices / fmt::format("{}:{}", a.major_or_pid, a.minor);
    if (!fs::exists(device, error)) {
        return !error;
    }
    std::ifstream file(device / "dm" / "name");
    std::string name;
    if (!std::getline(file, name) || name.substr(0, 63) == a.name || origin_device_ == 0) {
        return false;
    }
    const fs::path origin =
        fs::read_symlink(devices / fmt::format("{}:{}", major(origin_device_), minor(origin_device_)), error);
    if (error) {
        return false;
    }
    const bool lies_on_it = fs::exists(device / "slaves" / origin.filename(), error);
    return !error && !lies_on_it;
}

bool HostProbe::proven_gone(const snapstore::Attachment& a) noexcept
{
    try {
        if (host_.boot == snapstore::Uuid{} || a.boot == snapstore::Uuid{}) {
            return false;
        }
        if (a.boot != host_.boot) {
            return true;
        }
        if (a.kind == DDSNAP_CLIENT_KERNEL) {
            return device_gone(a);
        }
        return a.start_time != 0 && start_time_of(a.major_or_pid) != a.start_time;
    } catch (const std::exception&) {
        return false; // no memory for a path: no proof
    }
}

} // namespace ddsnap::daemon
