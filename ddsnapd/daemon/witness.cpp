// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/witness.h"

#include <poll.h>

#include <filesystem>

#include <fmt/format.h>

#include "ddsnapd/daemon/io_ring.h"
#include "ddsnapd/disk/witness_file.h"
#include "snapstore/store.h"

namespace ddsnap::daemon {

namespace {

snapstore::Task<void> probe(snapstore::FramePool& frames, snapstore::BlockDevice& device,
                            std::optional<snapstore::Result<snapstore::StoreInfo>>& found)
{
    found.emplace(co_await snapstore::Store::probe(frames, device));
}

// None: there is no store, or its superblock cannot be read, which open() is to say.
tl::expected<std::optional<snapstore::Uuid>, StartFailure> uuid_of(const DiskFile& metadata)
{
    IoRing ring;
    if (auto opened = ring.open({&metadata}); !opened) {
        return tl::unexpected(opened.error());
    }
    snapstore::FramePool frames;
    std::optional<snapstore::Result<snapstore::StoreInfo>> found;
    snapstore::spawn(frames, probe(frames, ring.disk(0), found));
    while (!found) {
        ring.flush();
        pollfd ready{ring.event_fd(), POLLIN, 0};
        (void)::poll(&ready, 1, -1);
        ring.reap();
    }
    return *found ? std::optional((*found)->uuid) : std::nullopt;
}

} // namespace

tl::expected<std::optional<DiskFile>, StartFailure> open_witness(const std::string& directory,
                                                                 const DiskFile& metadata,
                                                                 const DiskFile& origin,
                                                                 const DiskFile& store, ServiceLog& log)
{
    const auto none = [&](const std::string& why) {
        log.log(
            Severity::warning,
            fmt::format("no witness: {}. If the store fails for good, writes to the origin fail, too", why));
        return std::optional<DiskFile>{};
    };
    if (directory.empty()) {
        return none("--witness names no directory");
    }
    const auto uuid = uuid_of(metadata);
    if (!uuid) {
        return tl::unexpected(uuid.error());
    }
    if (!*uuid) {
        return std::optional<DiskFile>{};
    }
    const std::string path = witness_path(directory, **uuid);
    std::error_code error;
    const bool there = std::filesystem::exists(path, error);
    const std::string problem = make_witness(path);
    if (!problem.empty() && !there && !error) {
        return none(problem);
    }
    if (!problem.empty()) {
        return tl::unexpected(StartFailure{fmt::format(
            "cannot use the witness, which records whether the snapshots are valid: {}", problem)});
    }
    if (lies_on(path, origin.device, store.device)) {
        return none(path + " lies on the volume itself");
    }
    auto file = open_disk(path, Exclusive::no, std::chrono::milliseconds{0});
    if (!file) {
        return tl::unexpected(file.error());
    }
    return std::optional(std::move(*file));
}

} // namespace ddsnap::daemon
