// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/host/nfs.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

// Of a client's file info, the line: address: "192.168.1.7:815"
std::string address_in(const std::string& info)
{
    constexpr std::string_view kKey = "address: \"";
    const std::size_t key = info.find(kKey);
    if (key == std::string::npos) {
        return "unknown";
    }
    const std::size_t begin = key + kKey.size();
    const std::string address = info.substr(begin, info.find('"', begin) - begin);
    return address.substr(0, address.rfind(':'));
}

// In the order in which the server asks, backwards: no answer is made of an old one.
constexpr std::array<const char*, 2> kCaches{"nfsd.export", "nfsd.fh"};

std::string flush_file(const char* cache) { return std::string("/proc/net/rpc/") + cache + "/flush"; }

} // namespace

bool empty_nfs_caches()
{
    const std::time_t now = std::time(nullptr);
    for (const char* cache : kCaches) {
        const std::string flushed = text_of(flush_file(cache)).need().value_or("");
        if (!flushed.empty() && std::strtoll(flushed.c_str(), nullptr, 10) >= now) {
            return false;
        }
    }
    renew_nfs_exports();
    return true;
}

void renew_nfs_exports()
{
    const std::string now = std::to_string(std::time(nullptr)) + "\n";
    for (const char* cache : kCaches) {
        const std::string path = flush_file(cache);
        const ddsnap::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
        if (!file && errno == ENOENT) {
            return; // there is no server
        }
        if (!file || ::write(file.get(), now.data(), now.size()) < 0) {
            note("NFS clients may still see what was mounted before: " + path + ": " + std::strerror(errno) +
                 "; to repair this: exportfs -f");
        }
    }
}

std::vector<std::string> nfs_clients_on(dev_t filesystem, const std::string& clients)
{
    // As nfs4_show_superblock() in fs/nfsd/nfs4state.c writes it; the file's number follows.
    std::array<char, 64> superblock{};
    std::snprintf(superblock.data(), superblock.size(), "superblock: \"%02x:%02x:", major(filesystem),
                  minor(filesystem));
    std::vector<std::string> found;
    // Not there: no server, or a kernel before 5.3. Nobody is known then.
    for (const fs::path& client : entries_of(clients).need().value_or(std::vector<fs::path>{})) {
        const auto states = text_of(client / "states").need(); // of one that has just left: none
        if (states && states->find(superblock.data()) != std::string::npos) {
            found.push_back(address_in(read_text(client / "info")));
        }
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

} // namespace zumastor
