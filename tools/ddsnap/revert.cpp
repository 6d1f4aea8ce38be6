// SPDX-License-Identifier: GPL-2.0
// ddsnap revert: the origin becomes what a snapshot holds, through the origin's device. What it held is kept
// only by other snapshots: to keep it, take one first. After an interruption the same command goes on; until
// then the origin holds a mixture.
// The snapshot's priority is 127 meanwhile, and stays so until the command has come to its end: with the
// store full it must not be given up halfway.
#include <fcntl.h>

#include "tools/common/block_device.h"
#include "tools/common/text.h"
#include "tools/ddsnap/commands.h"
#include "tools/stream/devices.h"
#include "tools/stream/write_back.h"

namespace zumastor::ddsnap {
namespace {

constexpr std::int8_t kKeep = 127; // a snapshot of this priority is not given up

SnapshotEntry find_goal(Daemon& daemon, const VolumeEntry& volume, std::uint64_t id)
{
    const auto to = daemon.find(id);
    const std::string what = "snapshot " + std::to_string(id);
    if (!to) {
        throw Failure(Exit::not_found, what + " does not exist");
    }
    if (to->squashed) {
        throw Failure(Exit::not_found,
                      what + " has no content any more: it was given up when the store was full");
    }
    if (to->sectors > volume.origin_sectors) {
        throw Failure(Exit::failed,
                      what + " has " + std::to_string(to->sectors) + " sectors, but the origin has only " +
                          std::to_string(volume.origin_sectors),
                      "enlarge it first: ddsnap resize SERVERSOCK --origin " +
                          std::to_string(to->sectors * kSectorBytes));
    }
    return *to;
}

// The kernel's device of the origin: what is written to it goes the way of all writes.
DeviceNode origin_device(const VolumeEntry& volume)
{
    for (const ClientEntry& client : volume.clients) {
        if (client.origin && client.connected && !client.device.empty()) {
            return need_block_device("/dev/block/" + client.device, "origin device");
        }
    }
    throw Failure(Exit::missing, "the origin has no device",
                  "make one: echo 0 SECTORS ddsnap SNAPDEV ORIGDEV AGENTSOCK -1 | dmsetup create NAME");
}

struct Revert : OfDaemon {
    std::string snapshot;
};

Exit revert(const Revert& given)
{
    const std::string& socket = given.socket;
    Daemon daemon(socket, "server " + socket);
    const VolumeEntry volume = daemon.status();
    const SnapshotEntry to = find_goal(daemon, volume, snapshot_number(given.snapshot));
    const DeviceNode device = origin_device(volume);
    const auto held =
        open_exclusive(device, O_RDONLY, "origin device"); // nobody mounts it before this is done
    const std::string again = "repeat: ddsnap revert " + socket + " " + std::to_string(to.id);
    daemon.set_priority(to.id, kKeep);
    try {
        SnapshotContent content(to.id, reader_options(daemon, "ddsnap revert"));
        write_back(device.path, daemon, to, content);
    } catch (const NoSpace& error) {
        throw Failure(Exit::store_full, error.what(), "delete snapshots or enlarge the store; then " + again);
    } catch (const stream::TransferError& error) {
        throw Failure(Exit::failed, error.what(), again);
    }
    daemon.set_priority(to.id, to.priority);
    return Exit::ok;
}

} // namespace

constexpr CommandSpec kRevert =
    command<revert>("revert", arguments<&Revert::socket, &Revert::snapshot>("SERVERSOCK SNAP"),
                    "Set the origin back to a snapshot, through the origin's device.",
                    Page{"The origin's device must not be in use. Only what changed is written. The "
                         "origin's present content stays only in snapshots: take one first. After an "
                         "interruption, repeat the command.",
                         "$ ddsnap revert /run/zumastor/data/server 7"});

} // namespace zumastor::ddsnap
