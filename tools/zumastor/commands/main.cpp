// SPDX-License-Identifier: GPL-2.0
// zumastor: volumes with snapshots that are taken, rotated and mounted.
#include <sys/stat.h>

#include <array>

#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/completion.h"

namespace zumastor {
namespace {

// In the order of the manual.
constexpr std::array kCommands{
    &kCreate,
    &kDefineVolume,
    &kDefineMaster,
    &kDefineSchedule,
    &kDefineTarget,
    &kDefineSource,
    &kStartVolume,
    &kStartMaster,
    &kStartSource,
    &kStartTarget,
    &kAcceptOrigin,
    &kStopVolume,
    &kStopMaster,
    &kStopSource,
    &kStopTarget,
    &kForgetTarget,
    &kForgetSource,
    &kForgetVolume,
    &kSnapshot,
    &kImport,
    &kRemount,
    &kRevert,
    &kRelease,
    &kDiff,
    &kSend,
    &kReceive,
    &kReplicate,
    &kServiceDaemon,
    &kServiceStart,
    &kServiceStop,
    &kServiceShutdown,
    &kScheduledCycle,
    &kScheduledSnapshot,
    &kVerify,
    &kPromote,
    &kReverse,
    &kGate,
    &kResize,
    &kDoctor,
    &kStatus,
};
constexpr std::array kFiles{
    FileSpec{"/etc/zumastor/VOL.toml", "the configuration of a volume: zumastor-volume(5)"},
    FileSpec{"/run/zumastor/VOL/", "sockets and process id of its daemon"},
    FileSpec{"/run/zumastor/mount/VOL, /run/zumastor/snapshot/VOL",
             "where volume and snapshots are mounted unless another place is named"},
    FileSpec{"/var/lib/zumastor/.state/VOL/", "the state of replication and revert"},
    FileSpec{"/var/log/zumastor/VOL/server.log",
             "the daemon's log, where systemd's journal does not have it"},
};
constexpr ToolSpec kTool{"zumastor", "Snapshots of volumes: taken, rotated, mounted and replicated.",
                         kCommands, names_of, kFiles};

} // namespace
} // namespace zumastor

int main(int argc, char** argv)
{
    // Others than root get to the mounts by way of what is made here, and nobody else may write to it,
    // whatever shell, unit or ssh a command comes from. What is for root alone has that mode of its own.
    ::umask(022);
    return zumastor::run_tool(zumastor::kTool, argc, argv);
}
