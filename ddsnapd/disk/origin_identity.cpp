// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/disk/origin_identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string_view>

#include <blkid/blkid.h>

#include "ddsnapd/disk/unique_fd.h"

namespace ddsnap {

namespace {

namespace fs = std::filesystem;

// A value as one word: identifiers of SCSI devices have spaces in them, and some have worse.
std::string as_word(std::string_view text)
{
    std::string word;
    bool gap = false;
    for (const char c : text) {
        if (std::isgraph(static_cast<unsigned char>(c)) == 0) {
            gap = !word.empty();
            continue;
        }
        word += (gap ? "_" : "");
        word += c;
        gap = false;
    }
    return word;
}

void add(std::string& identity, std::string_view kind, std::string_view value)
{
    if (const std::string word = as_word(value); !word.empty()) {
        identity += (identity.empty() ? "" : " ") + std::string(kind) + "=" + word;
    }
}

std::string first_line(const fs::path& path)
{
    std::ifstream file(path);
    std::string line;
    std::getline(file, line); // nothing: the device has no such attribute
    return line;
}

// "CRYPT-LUKS2-UUID-name": the name can be another one tomorrow.
std::string stable_part(const std::string& uuid)
{
    if (!uuid.starts_with("CRYPT-")) {
        return uuid;
    }
    std::size_t end = 0;
    for (int dashes = 0; dashes < 3 && end != std::string::npos; ++dashes) {
        end = uuid.find('-', end == 0 ? 0 : end + 1);
    }
    return uuid.substr(0, end);
}

void add_from_sysfs(std::string& identity, dev_t number)
{
    std::error_code error;
    fs::path device = fs::canonical(
        "/sys/dev/block/" + std::to_string(::major(number)) + ":" + std::to_string(::minor(number)), error);
    if (error) {
        return;
    }
    if (fs::exists(device / "partition", error)) {
        device = device.parent_path();
    }
    std::string wwid = first_line(device / "wwid"); // NVMe
    wwid = wwid.empty() ? first_line(device / "device/wwid") : wwid;
    add(identity, "wwid", wwid);
    add(identity, "serial", first_line(device / "serial")); // virtio
    add(identity, "dm", stable_part(first_line(device / "dm/uuid")));
}

using Probe = std::unique_ptr<blkid_struct_probe, void (*)(blkid_probe)>;

std::string looked_up(const Probe& probe, const char* name)
{
    const char* value = nullptr;
    return blkid_probe_lookup_value(probe.get(), name, &value, nullptr) == 0 ? value : "";
}

void add_from_content(std::string& identity, int fd)
{
    const Probe probe(blkid_new_probe(), blkid_free_probe);
    if (!probe || blkid_probe_set_device(probe.get(), fd, 0, 0) != 0) {
        return;
    }
    blkid_probe_enable_superblocks(probe.get(), 1);
    blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_UUID);
    blkid_probe_enable_partitions(probe.get(), 1);
    blkid_probe_set_partitions_flags(probe.get(), BLKID_PARTS_ENTRY_DETAILS);
    if (blkid_do_safeprobe(probe.get()) != 0) {
        return; // nothing is found, or several things
    }
    add(identity, "part", looked_up(probe, "PART_ENTRY_UUID"));
    const std::string uuid = looked_up(probe, "UUID");
    add(identity, "fs", uuid.empty() ? looked_up(probe, "PTUUID") : uuid);
}

} // namespace

std::string identity_of_device(int fd)
{
    std::string identity;
    struct stat info {};
    if (::fstat(fd, &info) != 0) {
        return identity;
    }
    if (S_ISBLK(info.st_mode)) {
        add_from_sysfs(identity, info.st_rdev);
    }
    // Another description, without O_DIRECT, which libblkid's reads do not suit.
    const std::string name = "/proc/self/fd/" + std::to_string(fd);
    if (const UniqueFd readable{::open(name.c_str(), O_RDONLY | O_CLOEXEC)}) {
        (void)::posix_fadvise(readable.get(), 0, 0, POSIX_FADV_DONTNEED);
        add_from_content(identity, readable.get());
        (void)::posix_fadvise(readable.get(), 0, 0, POSIX_FADV_DONTNEED);
    }
    return identity;
}

} // namespace ddsnap
