// SPDX-License-Identifier: GPL-2.0
// zumastor create: one command to a protected volume.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

#include "tools/common/known.h"
#include "tools/common/look_and_ask.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/config/troubles.h"
#include "tools/zumastor/host/loop.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/systemd/systemd.h"
#include "tools/zumastor/systemd/timers.h"
#include "tools/zumastor/volume/new_volume.h"
#include "tools/zumastor/volume/other_users.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

struct Create : PeerOptions, FillOptions, KindOptions, Yes, DryRun {
    std::string volume;
    std::optional<std::string> dir;
    std::optional<std::string> file;
    std::optional<std::string> store_size;
    std::optional<std::string> origin;
    std::optional<std::string> store;
    std::optional<std::string> metadev;
    std::optional<std::string> fstype;
    std::optional<std::string> replica_of;
    std::optional<std::string> chunksize;
};

namespace fs = std::filesystem;

constexpr std::uint64_t kLeastStore = 64ull << 20;
constexpr auto kMkfsLimit = std::chrono::minutes(30);

// What is to be installed, by Debian's names.
std::string advice_for_mkfs(const std::string& type)
{
    constexpr std::array<std::array<const char*, 2>, 6> kPackages{{{"ext2", "e2fsprogs"},
                                                                   {"ext3", "e2fsprogs"},
                                                                   {"ext4", "e2fsprogs"},
                                                                   {"xfs", "xfsprogs"},
                                                                   {"btrfs", "btrfs-progs"},
                                                                   {"f2fs", "f2fs-tools"}}};
    for (const auto& [known, package] : kPackages) {
        if (type == known) {
            return std::string("apt install ") + package + "; or choose another --fstype";
        }
    }
    return "install it, or choose another --fstype";
}

void require_mkfs(const std::string& type)
{
    if (type.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") != std::string::npos ||
        find_in_path("mkfs." + type).empty()) {
        throw Failure(Exit::usage, "mkfs." + type + " is not installed", advice_for_mkfs(type));
    }
}

void make_filesystem(const std::string& type, const std::string& device)
{
    const ProgramResult result = run_program({"mkfs." + type, device}, kMkfsLimit);
    if (result.status != 0) {
        throw Failure(Exit::failed, "mkfs." + type + " " + device + ": " + result.output);
    }
}

struct Files {
    std::string directory;
    std::string origin;
    std::string store;
    std::uint64_t origin_bytes = 0;
    std::uint64_t store_bytes = 0;
};

Files files_from(const Create& given, const std::string& name)
{
    constexpr std::uint64_t kBlock = 4096;
    Files files;
    files.directory =
        fs::absolute(given.dir.value_or("/var/lib/zumastor/" + name)).lexically_normal().string();
    files.origin = files.directory + "/" + name + ".origin";
    files.store = files.directory + "/" + name + ".store";
    files.origin_bytes = need_size(*given.file, "--file") / kBlock * kBlock;
    files.store_bytes = given.store_size.has_value()
                            ? need_size(*given.store_size, "--store-size") / kBlock * kBlock
                            : std::max(files.origin_bytes / 2 / kBlock * kBlock, kLeastStore);
    if (files.origin_bytes == 0) {
        throw Failure(Exit::usage, "--file: the size is smaller than a block of 4096 bytes");
    }
    for (const std::string& path : {files.origin, files.store}) {
        if (look_at_link(path).need()) {
            throw Failure(Exit::exists, path + " exists already", "choose another directory or volume name");
        }
    }
    return files;
}

NewVolume common_request(const Create& given)
{
    NewVolume wanted;
    wanted.config.name = VolumeName::need(given.volume);
    if (const auto host = given.replica_of) {
        wanted.config.source = source_from(*host, given);
    } else {
        wanted.config.master = MasterRole{};
    }
    wanted.initialize = true;
    apply(given, wanted.config);
    if (const auto chunk = given.chunksize) {
        wanted.format.chunk_bytes = need_chunk_size(*chunk);
    }
    read_schedule(given, wanted.config.schedule);
    return wanted;
}

// The filesystem to make, and what it is called if it is not named. A replica has its master's.
std::string type_from(const Create& given, const char* usual)
{
    if (given.replica_of.has_value() && given.fstype.has_value()) {
        throw Failure(Exit::usage, "--fstype: a replica gets the filesystem of its master",
                      "leave --fstype out");
    }
    return given.replica_of.has_value() ? "" : given.fstype.value_or(usual);
}

// Store, daemon, device; on a master filesystem if there is none, and mounts.
Exit build(const NewVolume& wanted, const std::string& type)
{
    Volume volume = make_volume(wanted);
    const std::string name = volume.config().name;
    tell_of_others(volume.config());
    VolumeConfig none;
    none.name = volume.config().name;
    if (volume.config().source) {
        follow_config(none, volume.config());
        std::printf("volume %s is a replica of %s; ask for the first snapshot: zumastor replicate %s\n",
                    name.c_str(), volume.config().source->host.c_str(), name.c_str());
        return Exit::ok;
    }
    Troubles troubles;
    try {
        if (!type.empty()) {
            make_filesystem(type, volume.paths().origin_device);
        }
        if (!mount_all(volume, troubles)) {
            throw Failure(Exit::failed, volume.paths().origin_device + " holds no filesystem",
                          "give --fstype TYPE");
        }
    } catch (...) {
        try {
            unmount_all(volume);
            volume.stop_devices();
            remove_config(name);
        } catch (const Failure& failure) {
            report(std::string("while undoing: ") + failure.what(), failure.next());
        }
        throw;
    }
    std::printf("volume %s is mounted at %s; take a snapshot with: zumastor snapshot %s\n", name.c_str(),
                volume.mount_point().c_str(), name.c_str());
    follow_config(none, volume.config());
    mark_started(name);
    return conclude(troubles);
}

Exit create_in_files(const Create& given, NewVolume wanted)
{
    const std::string type = type_from(given, "ext4");
    if (!type.empty()) {
        require_mkfs(type);
    }
    const Files files = files_from(given, wanted.config.name);
    wanted.paths.origin = {files.origin, files.origin, 0, files.origin_bytes};
    wanted.paths.store = {files.store, files.store, 0, files.store_bytes};
    check_store_fits(wanted.paths, wanted.format);
    find_daemon();
    if (given.dry_run) {
        std::printf("would make %s (%s) and %s (%s), and %s volume %s\n", files.origin.c_str(),
                    format_size(files.origin_bytes).c_str(), files.store.c_str(),
                    format_size(files.store_bytes).c_str(),
                    type.empty() ? "from them" : ("a " + type + " filesystem on").c_str(),
                    wanted.config.name.c_str());
        return Exit::ok;
    }
    mapper::require_target();
    fs::create_directories(files.directory);
    wanted.config.origin = files.origin;
    wanted.config.store = files.store;
    try {
        loop::make_sparse_file(files.origin, files.origin_bytes);
        loop::make_sparse_file(files.store, files.store_bytes);
        wanted.paths = need_store_paths(loop::attach(files.store), loop::attach(files.origin), std::nullopt);
        return build(wanted, type);
    } catch (...) {
        for (const std::string& path : {files.origin, files.store}) { // both are ours, and new
            try {
                loop::detach(path);
            } catch (const Failure& failure) {
                report(std::string("while undoing: ") + failure.what(), failure.next());
                continue;
            }
            ::unlink(path.c_str());
        }
        throw;
    }
}

// The filesystem to make on an origin device; empty: none, as it has one or becomes a replica.
std::string type_for_device(const Create& given, const DeviceNode& origin)
{
    std::string type = type_from(given, "");
    if (given.replica_of.has_value()) {
        return type;
    }
    const auto present = filesystem_on(origin.path);
    if (present && !type.empty() && type != *present) {
        throw Failure(Exit::usage, "origin " + origin.given + " holds " + *present + " already",
                      "leave --fstype out: create keeps the filesystem");
    }
    if (!present && type.empty()) {
        throw Failure(Exit::usage, "origin " + origin.given + " holds no filesystem",
                      "give --fstype TYPE to make one, or use define volume");
    }
    if (!present) {
        require_mkfs(type);
    }
    return present ? "" : type;
}

struct Creatable {
    VolumeLock lock;
    NewVolume wanted;
    std::string type; // of the filesystem to make; empty: none
    std::string question;
};

VolumeLock lock_new(const VolumeConfig& config)
{
    check_new_name(config);
    VolumeLock lock(config.name);
    check_new_name(config); // another command may just have made it
    return lock;
}

Creatable find_creatable(const Create& given, NewVolume wanted)
{
    VolumeLock lock = lock_new(wanted.config);
    wanted.paths = need_store_paths(*given.store, *given.origin, given.metadev);
    wanted.config.origin = stable_name(wanted.paths.origin);
    wanted.config.store = stable_name(wanted.paths.store);
    if (wanted.paths.meta) {
        wanted.config.meta = stable_name(*wanted.paths.meta);
    }
    check_new_devices(wanted);
    std::string type = type_for_device(given, wanted.paths.origin);
    if (!given.dry_run) {
        mapper::require_target();
    }
    std::string question = question_about(wanted);
    return {std::move(lock), std::move(wanted), std::move(type), std::move(question)};
}

Exit create_on_devices(const Create& given, const NewVolume& asked_for)
{
    const bool dry = given.dry_run;
    const Creatable found = look_and_ask(dry || given.yes, [&] { return find_creatable(given, asked_for); });
    const NewVolume& wanted = found.wanted;
    if (dry) {
        std::printf("would make a new snapshot store on %s and %s volume %s\n", wanted.config.store.c_str(),
                    wanted.config.source ? "make a replica of" : "mount", wanted.config.name.c_str());
        return Exit::ok;
    }
    return build(wanted, found.type);
}

Exit create_volume(const Create& given)
{
    const NewVolume wanted = common_request(given);
    check_volume_name(wanted.config.name);
    for (const auto& [option, value] : {std::pair{"--name", &given.name}, {"--ssh-user", &given.ssh_user}}) {
        if (value->has_value() && !given.replica_of) {
            throw Failure(Exit::usage, std::string(option) + " is only for a replica",
                          "give --replica-of HOST");
        }
    }
    const bool files = given.file.has_value();
    if (files == (given.origin.has_value() || given.store.has_value()) ||
        given.origin.has_value() != given.store.has_value()) {
        throw Failure(Exit::usage, "no place for the volume is given",
                      "give either --file SIZE [DIR], or --origin DEV and --store DEV");
    }
    if (!files) {
        return create_on_devices(given, wanted);
    }
    const VolumeLock lock = lock_new(wanted.config);
    return create_in_files(given, wanted);
}

constexpr auto kCreateOptions = option_table<Create>(
    value<&Create::file>("--file", "SIZE",
                         "make origin and store as sparse files in DIR (/var/lib/zumastor/VOL)"),
    value<&Create::store_size>("--store-size", "SIZE", "size of the store's file (half of the volume's)"),
    value<&Create::origin>("--origin", "DEV", "the origin; a filesystem on it is kept"),
    value<&Create::store>("--store", "DEV", "the device for the new snapshot store"),
    value<&Create::metadev>("--metadev", "DEV", "a separate device for the metadata"),
    value<&Create::fstype>("--fstype", "TYPE",
                           "the filesystem to make if the origin has none (--file: ext4)"),
    value<&Create::replica_of>("--replica-of", "HOST", "make a replica of the volume on HOST, not a master"),
    value<&Create::name>("--name", "REMOTEVOL", "the volume's name on HOST (the same)"), kSshUserOption,
    value<&Create::chunksize>("--chunksize", "SIZE", "unit of copying: 4k … 1m, a power of two (16k)"),
    kFillOptions, kKindOptions, kYesOption, kDryRunOption);

} // namespace

constexpr CommandSpec kCreate =
    command<create_volume>("create", arguments<&Create::volume, &Create::dir>("VOL [DIR]"),
                           "Make a volume, its store and its mounts with one command.", kCreateOptions,
                           Page{"Does what define volume, define master and define schedule do. If a step "
                                "fails, the steps before are undone. A filesystem on the origin is kept; if "
                                "there is none, --fstype makes one. Everything on the store is overwritten; "
                                "if data is found there, you are asked first. With --file, origin and store "
                                "are two sparse files. With --replica-of the volume becomes a replica, which "
                                "replicate fills.",
                                "A filesystem that you have, with a store on another disk, and hourly "
                                "snapshots for a day:\n"
                                "$ zumastor create data --origin /dev/sdb1 --store /dev/sdc1 --hourly 24\n"
                                "A volume to try things with:\n"
                                "$ zumastor create demo --file 1G"});

} // namespace zumastor
