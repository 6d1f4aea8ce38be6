// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/volume/volume.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/host/device_claims.h"
#include "tools/zumastor/host/loop.h"
#include "tools/zumastor/host/mapper.h"
#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/host/nfs.h"
#include "tools/zumastor/host/raw_origin.h"
#include "tools/zumastor/systemd/systemd.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kDaemonStart{120000}; // a long journal may have to be replayed
constexpr milliseconds kDaemonStop{120000};
constexpr milliseconds kConnect{20000};
constexpr int kPollMs = 20; // the connection of a kernel client has no event that could be waited for

bool is_file(const std::string& path)
{
    const auto found = path.empty() ? std::nullopt : look_at(path).need();
    return found && S_ISREG(found->st_mode);
}

std::string as_device(const std::string& path) { return is_file(path) ? loop::attach(path) : path; }

// The last line of the daemon's log says more than its exit code.
std::string last_line(const std::string& path)
{
    const std::vector<std::string> lines = split(read_text(path), '\n');
    return lines.empty() ? std::string() : lines.back();
}

// The server's own openings have no process. A client that has a file open through a switch of what a replica
// shows, and opens it once more, never closes the first of them.
void refuse_for_nfs(const std::string& device, dev_t number)
{
    if (const auto clients = nfs_clients_on(number); !clients.empty()) {
        throw Failure(Exit::busy,
                      "/dev/mapper/" + device + ": in use: by NFS clients: " + join(clients, ", "),
                      "close the files on the clients; files that clients have forgotten are closed "
                      "when the NFS server is stopped (rpc.nfsd 0)");
    }
}

} // namespace

Volume::Volume(VolumeConfig config) : config_(std::move(config)), paths_(config_.name) {}

std::string Volume::mount_point() const
{
    return config_.mount_point.empty() ? paths_.default_mount : config_.mount_point;
}

std::string Volume::snapshot_directory() const
{
    return config_.snapshot_path.empty() ? paths_.default_snapshots : config_.snapshot_path;
}

std::string Volume::dot_snapshot() const { return canonical(mount_point()) + "/" + kDotSnapshot; }

Known<Daemon> Volume::ask_daemon() const { return Daemon::ask(paths_.server_socket, what()); }

std::optional<Daemon> Volume::try_daemon() const { return ask_daemon().need(); }

Daemon Volume::daemon() const
{
    if (auto daemon = try_daemon()) {
        return std::move(*daemon);
    }
    const bool mapped = mapper::find(paths_.origin_name).has_value();
    throw Failure(Exit::missing, what() + (mapped ? ": its daemon does not run" : " is not started"),
                  "start it: zumastor start " + std::string(config_.master ? "master " : "volume ") +
                      config_.name);
}

StorePaths Volume::attach_devices() const
{
    const std::optional<std::string> meta =
        config_.meta.empty() ? std::nullopt : std::optional(as_device(config_.meta));
    return need_store_paths(as_device(config_.store), as_device(config_.origin), meta);
}

std::vector<std::string> Volume::daemon_command(const StorePaths& paths,
                                                const std::vector<std::string>& options) const
{
    std::vector<std::string> argv{find_daemon(), "-p", paths_.pid_file};
    argv.insert(argv.end(), options.begin(), options.end());
    if (config_.cache_bytes != 0) {
        argv.insert(argv.end(), {"-k", std::to_string(config_.cache_bytes)});
    }
    if (!config_.warn_at.empty()) {
        argv.insert(argv.end(), {"-w", format_marks(config_.warn_at, ",")});
    }
    if (config_.snapshot_first) {
        argv.emplace_back("-s");
    }
    argv.insert(argv.end(), {paths.store.path, paths.origin.path});
    if (paths.meta) {
        argv.push_back(paths.meta->path);
    }
    argv.insert(argv.end(), {paths_.agent_socket, paths_.server_socket});
    return argv;
}

void Volume::start_daemon(const StorePaths& paths) const
{
    if (has_daemon_unit(config_.name)) {
        start_daemon_unit(config_.name);
        return;
    }
    std::error_code error;
    fs::create_directories(paths_.runtime, error);
    const std::string log = prepare_log_file(paths_, config_.name);
    const ProgramResult result = run_program(daemon_command(paths, {"-l", log}), kDaemonStart);
    if (result.status != 0) {
        const std::string reason = result.output.empty() ? last_line(log) : result.output;
        throw Failure(result.status == 127 ? Exit::missing : Exit::failed,
                      what() + ": its daemon cannot be started: " +
                          (reason.empty() ? "exit code " + std::to_string(result.status) : reason),
                      "see its log: " + log);
    }
}

void Volume::become_daemon()
{
    if (try_daemon()) {
        throw Failure(Exit::busy, what() + ": its daemon runs already");
    }
    refuse_claimed(config_);
    const StorePaths paths = attach_devices();
    refuse_wrong_devices(paths);
    const WritableOrigin origin(paths_.runtime, paths.origin.path); // as before if there is no daemon
    std::vector<std::string> argv = daemon_command(paths, {"-f"});
    const std::string program = argv[0];
    // What serves a filesystem has to outlive it: systemd spares a process of such a name when, at the end of
    // a shutdown, it ends all others before it unmounts what is left.
    argv[0] = "@ddsnapd";
    std::vector<char*> words;
    words.reserve(argv.size() + 1);
    for (std::string& word : argv) {
        words.push_back(word.data());
    }
    words.push_back(nullptr);
    ::execv(program.c_str(), words.data());
    throw errno_failure(what() + ": cannot execute " + program, Exit::missing);
}

std::string Volume::table_of(const StorePaths& paths, const std::string& id) const
{
    return paths.store.path + " " + paths.origin.path + " " + paths_.agent_socket + " " + id;
}

void Volume::wait_until_connected(Daemon& daemon, std::uint64_t sectors) const
{
    const auto device = mapper::find(paths_.origin_name);
    if (!device) {
        throw Failure(Exit::failed, what() + ": its device is gone");
    }
    const std::string number = format_number(device->number);
    const auto deadline = std::chrono::steady_clock::now() + kConnect;
    for (;;) {
        const std::vector<ClientEntry> clients = daemon.status().clients;
        if (std::any_of(clients.begin(), clients.end(), [&](const ClientEntry& client) {
                return client.origin && client.connected && client.device == number &&
                       client.sectors == sectors;
            })) {
            return;
        }
        if (std::chrono::steady_clock::now() > deadline) {
            throw Failure(
                Exit::failed,
                what() + ": its device does not connect to the daemon: " + mapper::status(paths_.origin_name),
                "see the kernel log (dmesg) and the daemon's");
        }
        check_interrupt();
        ::poll(nullptr, 0, kPollMs);
    }
}

// Another volume's store must not even be opened: its daemon would write to it.
void Volume::refuse_other_store(const std::string& uuid) const
{
    if (!config_.uuid.empty() && uuid != config_.uuid) {
        throw Failure(Exit::mismatch,
                      what() + ": " + config_.store + " holds the store of another volume (" + uuid + ")",
                      "was a disk replaced or renamed? " + paths_.config + " expects " + config_.uuid);
    }
}

// Before a daemon opens them.
void Volume::refuse_wrong_devices(const StorePaths& paths) const
{
    if (!mapper::find(paths_.origin_name)) { // else the mapped devices hold them
        open_exclusive(paths.origin, O_RDONLY, "origin");
        open_exclusive(paths.store, O_RDONLY, "snapshot store");
    }
    const auto store = probe_store(paths.meta ? *paths.meta : paths.store);
    if (!store) {
        throw Failure(Exit::mismatch, what() + ": " + config_.store + " holds no snapshot store any more",
                      "was a disk replaced or renamed? see " + paths_.config);
    }
    refuse_other_store(store->uuid);
}

void Volume::start_devices()
{
    mapper::require_target();
    std::optional<Daemon> daemon = try_daemon();
    if (!daemon) {
        refuse_claimed(config_);
    }
    const StorePaths paths = attach_devices();
    const bool mapped = mapper::find(paths_.origin_name).has_value();
    if (!daemon) {
        refuse_wrong_devices(paths);
    }
    WritableOrigin origin(paths_.runtime, paths.origin.path);
    if (!daemon) {
        start_daemon(paths);
        daemon.emplace(paths_.server_socket, what());
    }
    const std::string uuid = daemon->hello().uuid;
    refuse_other_store(uuid);
    config_.uuid = uuid;
    const std::uint64_t sectors = daemon->status().origin_sectors;
    if (!mapped) {
        mapper::create({paths_.origin_name, mapper::kUuidPrefix + uuid + "-origin", sectors,
                        table_of(paths, "-1"), false});
    }
    origin.keep();
    set_device_length(*daemon, sectors); // a resize may have been broken off
}

std::vector<std::uint64_t> Volume::mapped_snapshots() const
{
    const std::string prefix = paths_.origin_name + "@";
    std::vector<std::uint64_t> ids;
    for (const std::string& name : mapper::list(prefix)) {
        if (const auto id = parse_integer(name.substr(prefix.size())); id && *id >= 0) {
            ids.push_back(static_cast<std::uint64_t>(*id));
        }
    }
    return ids;
}

void Volume::stop_devices()
{
    for (const std::uint64_t id : mapped_snapshots()) {
        unmap_snapshot(id);
    }
    if (mapper::find(paths_.origin_name)) {
        mapper::remove(paths_.origin_name);
    }
    if (auto daemon = try_daemon()) {
        const int pid = daemon->hello().pid;
        daemon->shutdown();
        if (!wait_for_exit(pid, kDaemonStop)) {
            throw Failure(Exit::failed,
                          what() + ": its daemon (process " + std::to_string(pid) + ") does not end",
                          "is its store device stalled?");
        }
    }
    for (const std::string* path : {&config_.origin, &config_.store, &config_.meta}) {
        if (is_file(*path)) {
            loop::detach(*path);
        }
    }
}

void Volume::map_snapshot(const StorePaths& paths, const SnapshotEntry& snapshot, mapper::Udev udev) const
{
    const std::string name = paths_.snapshot_name(snapshot.id);
    if (!mapper::find(name)) {
        mapper::create({name, mapper::kUuidPrefix + config_.uuid + "-" + std::to_string(snapshot.id),
                        snapshot.sectors, table_of(paths, std::to_string(snapshot.id)), true},
                       udev);
    }
}

void Volume::unmap_snapshot(std::uint64_t id, mapper::Udev udev) const
{
    const std::string name = paths_.snapshot_name(id);
    const auto device = mapper::find(name);
    if (!device) {
        return;
    }
    if (device->open_count > 0) {
        std::vector<std::string> users = holders_of(device->number);
        const std::vector<std::string> processes = describe(files_in_use({device->number}));
        users.insert(users.end(), processes.begin(), processes.end());
        if (!users.empty()) {
            throw Failure(Exit::busy, "/dev/mapper/" + name + ": in use: " + join(users, "; "),
                          "end that use, then try again");
        }
        refuse_for_nfs(name, device->number); // else it is udev for a moment: removal waits for that
    }
    mapper::remove(name, udev);
}

} // namespace zumastor
