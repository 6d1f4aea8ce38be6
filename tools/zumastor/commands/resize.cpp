// SPDX-License-Identifier: GPL-2.0
// zumastor resize: the volume's length, and how much of the store's device is used. The devices below are the
// administrator's: grown before, made smaller afterwards.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "tools/common/block_device.h"
#include "tools/common/look_and_ask.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/host/filesystem_size.h"
#include "tools/zumastor/host/loop.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/volume/in_use.h"
#include "tools/zumastor/volume/locked_volume.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

struct Resize : Yes, DryRun {
    std::string volume;
    std::optional<std::string> origin;
    std::optional<std::string> snapshot;
    std::optional<std::string> metadata;
};

struct Wish {
    std::uint64_t bytes = 0;
    std::uint64_t device = 0; // bytes that the device below has
    std::string path;
};

// A size as given, or "max": all of the device. Files on loop devices may have changed, too.
Wish need_wish(const std::string& text, const std::string& path, const std::string& role)
{
    std::error_code error;
    if (std::filesystem::is_regular_file(path, error)) {
        loop::refresh(path);
    }
    const bool file = std::filesystem::is_regular_file(path, error);
    const DeviceNode device = need_block_device(file ? loop::attach(path) : path, role);
    Wish wish{device.bytes, device.bytes, path};
    if (text != "max") {
        wish.bytes = need_size(text, "size of the " + role);
    }
    wish.bytes -= wish.bytes % kSectorBytes;
    if (wish.bytes == 0) {
        throw Failure(Exit::usage, "the size of the " + role + " must not be zero");
    }
    if (wish.bytes > device.bytes) {
        throw Failure(Exit::usage,
                      path + " has " + std::to_string(device.bytes) + " bytes, but the " + role +
                          " is to have " + std::to_string(wish.bytes),
                      "make the device larger first, e.g. lvextend -L " + std::to_string(wish.bytes) + "b " +
                          path);
    }
    return wish;
}

constexpr std::uint64_t kBlockBytes = 4096; // of metadata

std::string quantity(std::uint64_t bytes)
{
    return format_size(bytes) + " (" + std::to_string(bytes) + " bytes)";
}

// A filesystem must not lose its end.
void refuse_cut(const Volume& volume, std::uint64_t bytes)
{
    const auto used = filesystem_bytes(volume.paths().origin_device);
    if (!used) {
        refuse_if_origin_used(volume); // by something that does not say how much of it it needs
    }
    if (used && *used > bytes) {
        const auto mount = origin_mount(volume);
        throw Failure(Exit::busy,
                      volume.what() + ": its filesystem has " + std::to_string(*used) +
                          " bytes, more than the " + std::to_string(bytes) + " that would be left",
                      "make the filesystem smaller first: " +
                          (mount ? "umount " + mount->target + ", then " : std::string()) + "resize2fs " +
                          volume.paths().origin_device + " " + std::to_string(bytes / 1024) +
                          "K (XFS cannot be made smaller)");
    }
}

std::string growth_advice(const Volume& volume)
{
    const std::string& device = volume.paths().origin_device;
    const auto found = signature_of(device);
    const std::string type = found ? found->type : "";
    const auto mount = origin_mount(volume);
    const std::string where = mount ? mount->target : "where it is mounted";
    if (type.starts_with("ext")) {
        return "now grow its filesystem: resize2fs " + device;
    }
    if (type == "xfs") {
        return "now grow its filesystem: xfs_growfs " + where;
    }
    if (type == "btrfs") {
        return "now grow its filesystem: btrfs filesystem resize max " + where;
    }
    return "what is on the volume can be grown now";
}

// What snapshots hold must fit into what is left. The daemon looks again.
void refuse_full_store(const Volume& volume, const VolumeEntry& now, const Wish& wish)
{
    const std::uint64_t unused = (now.free_chunks + now.pending_chunks) * now.chunk_bytes;
    const std::uint64_t least = now.store_bytes - std::min(now.store_bytes, unused);
    if (wish.bytes < least) {
        throw Failure(Exit::store_full,
                      volume.what() + ": its snapshots use " +
                          format_size(now.store_chunks * now.chunk_bytes - unused) +
                          " of its store; the smallest possible size is " + quantity(least),
                      "give a larger size, with room for new data, or delete snapshots first");
    }
}

void print_may_shrink(const Wish& wish)
{
    std::printf("the device can be made smaller now, e.g. lvreduce -L %llub %s\n",
                static_cast<unsigned long long>(wish.bytes), wish.path.c_str());
}

void resize_store(Daemon& daemon, const Volume& volume, const Wish& wish)
{
    const VolumeEntry before = daemon.status();
    daemon.resize(std::nullopt, wish.bytes);
    const VolumeEntry now = daemon.status();
    const bool less = now.store_chunks < before.store_chunks;
    const std::uint64_t chunks =
        less ? before.store_chunks - now.store_chunks : now.store_chunks - before.store_chunks;
    std::printf("%s: its store has %s for copies, %s %s\n", volume.what().c_str(),
                format_size(now.store_chunks * now.chunk_bytes).c_str(),
                format_size(chunks * now.chunk_bytes).c_str(), less ? "less" : "more");
    if (less) {
        print_may_shrink(wish);
    }
}

void refuse_shared_metadata(const Volume& volume)
{
    if (volume.config().meta.empty()) {
        throw Failure(Exit::usage,
                      volume.what() +
                          " has no metadata device: its metadata is on the store's device, where its "
                          "size cannot change",
                      "leave --metadata out; the size of the metadata was set when the store was made");
    }
}

void resize_metadata(Daemon& daemon, const Volume& volume, const Wish& wish)
{
    const VolumeEntry before = daemon.status();
    daemon.resize(std::nullopt, std::nullopt, wish.bytes);
    const VolumeEntry now = daemon.status();
    std::printf("%s: its metadata area has %s, %s of it unused\n", volume.what().c_str(),
                format_size(now.meta_blocks * kBlockBytes).c_str(),
                format_size(now.free_meta_blocks * kBlockBytes).c_str());
    if (now.meta_blocks < before.meta_blocks) {
        print_may_shrink(wish);
    }
}

void resize_origin(Volume& volume, Daemon& daemon, const Wish& wish)
{
    const std::uint64_t before = daemon.status().origin_sectors * kSectorBytes;
    if (wish.bytes >= before) {
        volume.resize_origin(daemon, wish.bytes / kSectorBytes);
        std::printf("%s has %s\n", volume.what().c_str(), quantity(wish.bytes).c_str());
        if (wish.bytes > before) {
            std::printf("%s\n", growth_advice(volume).c_str());
        }
        return;
    }
    volume.resize_origin(daemon, wish.bytes / kSectorBytes);
    std::printf("%s has %s; the device can be made smaller now, e.g. lvreduce -L %llub %s\n",
                volume.what().c_str(), quantity(wish.bytes).c_str(),
                static_cast<unsigned long long>(wish.bytes), wish.path.c_str());
}

void refuse_while_half_received(const Volume& volume)
{
    if (load_replica_state(volume.paths().state).reception) {
        throw Failure(Exit::busy,
                      volume.what() + " holds part of an interrupted stream, which may need the volume's end",
                      "finish the stream (zumastor replicate), or take it back: zumastor receive "
                      "--abort " +
                          volume.config().name);
    }
}

struct Resizable {
    LockedVolume locked;
    std::optional<VolumeLock> streams; // one would lose its end
    std::optional<Wish> origin;
    std::optional<Wish> store;
    std::optional<Wish> meta;
    std::string question;
};

Resizable find_resizable(const Resize& given)
{
    Resizable found{lock_volume(given.volume), {}, {}, {}, {}, {}};
    const Volume& volume = found.locked.volume;
    auto& [locked, streams, origin, store, meta, question] = found;
    if (const auto size = given.metadata) {
        refuse_shared_metadata(volume);
        meta = need_wish(*size, volume.config().meta, "metadata device");
    }
    if (const auto size = given.snapshot) {
        store = need_wish(*size, volume.config().store, "snapshot store");
    }
    if (const auto size = given.origin) {
        origin = need_wish(*size, volume.config().origin, "origin");
    }
    const VolumeEntry now = volume.daemon().status();
    if (store) {
        refuse_full_store(volume, now, *store);
    }
    if (origin && origin->bytes < now.origin_sectors * kSectorBytes) {
        refuse_cut(volume, origin->bytes);
        streams.emplace(volume.config().name, "receive");
        refuse_while_half_received(volume);
        question = "everything beyond " + quantity(origin->bytes) + " of " + volume.what() +
                   " is cut off (its snapshots keep it)";
    }
    return found;
}

Exit resize_volume(const Resize& given)
{
    if (!given.origin.has_value() && !given.snapshot.has_value() && !given.metadata.has_value()) {
        throw Failure(Exit::usage, "nothing to resize",
                      "give --origin SIZE, --snapshot SIZE, --metadata SIZE or several");
    }
    const bool dry = given.dry_run;
    Resizable found = look_and_ask(dry || given.yes, [&] { return find_resizable(given); });
    Volume& volume = found.locked.volume;
    Daemon daemon = volume.daemon();
    const auto& [locked, streams, origin, store, meta, question] = found;
    if (dry) {
        for (const auto& [wish, what] : {std::pair{meta, "metadata"}, {store, "store"}, {origin, "origin"}}) {
            if (wish) {
                std::printf("would resize the %s of %s to %s\n", what, volume.what().c_str(),
                            quantity(wish->bytes).c_str());
            }
        }
        return Exit::ok;
    }
    if (meta) {
        resize_metadata(daemon, volume, *meta);
    }
    if (store) {
        resize_store(daemon, volume, *store);
    }
    if (origin) {
        resize_origin(volume, daemon, *origin);
    }
    return Exit::ok;
}

constexpr auto kResizeOptions = option_table<Resize>(
    value<&Resize::origin>("-o,--origin", "SIZE", "the volume's size; max: all of its device"),
    value<&Resize::snapshot>("-s,--snapshot", "SIZE",
                             "the snapshot store's size; max: all of its device. Before a store shrinks, "
                             "data at its end is moved"),
    value<&Resize::metadata>("-m,--metadata", "SIZE", "the size used of the metadata device; max: all of it"),
    flag<&Resize::yes>("-y,--yes", "do not ask before the volume's end is cut off"), kDryRunOption);

} // namespace

constexpr CommandSpec kResize = command<resize_volume>(
    "resize", arguments<&Resize::volume>("VOL"),
    "Change the size of the volume, or of its store; snapshots keep theirs.", kResizeOptions,
    Page{"To grow, enlarge the device below first. To shrink, make the device smaller "
         "afterwards. The volume stays in use meanwhile. Snapshots keep their size and "
         "content.",
         "$ zumastor resize data --origin max\n"
         "$ zumastor resize data --snapshot 40G"});

} // namespace zumastor
