// SPDX-License-Identifier: GPL-2.0
// zumastor: volumes with snapshots that are taken, rotated and mounted.
#include <sys/stat.h>

#include <array>

#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/completion.h"

namespace zumastor {
namespace {

#define ZUMASTOR_DRY_RUN                                                                                     \
    OptionSpec { "--dry-run", "", "check everything, say what would be done, do nothing" }
#define ZUMASTOR_YES                                                                                         \
    OptionSpec { "-y,--yes", "", "do not ask before other data is destroyed" }
#define ZUMASTOR_FORCE                                                                                       \
    OptionSpec { "--force", "", "a replica that is in use: cut its users off, and say whom" }
#define ZUMASTOR_WARN_AT                                                                                     \
    OptionSpec                                                                                               \
    {                                                                                                        \
        "--warn-at", "PERCENT,...", "warn in the log when the store is so full (80,90,95); 0: never"         \
    }
#define ZUMASTOR_SNAPSHOT_FIRST                                                                              \
    OptionSpec                                                                                               \
    {                                                                                                        \
        "--snapshot-first", "", "a store that is full or fails: writes fail, no snapshot is given up"        \
    }
#define ZUMASTOR_KINDS                                                                                       \
    OptionSpec{"-h,--hourly", "N", "how many hourly snapshots to keep; 0: none are rotated"},                \
        OptionSpec{"-d,--daily", "N", "the same for daily ones"},                                            \
        OptionSpec{"-w,--weekly", "N", "for weekly ones"},                                                   \
        OptionSpec{"-m,--monthly", "N", "for monthly ones"}, OptionSpec                                      \
    {                                                                                                        \
        "-c,--custom", "NAME,N", "for a kind of your own; may be repeated"                                   \
    }

constexpr std::array kDefineVolume{
    OptionSpec{"-i,--initialize", "", "make a new snapshot store on SNAPSTORE"},
    OptionSpec{"-z,--zero", "", "fill the origin with zeros (with -i)"},
    OptionSpec{"-m,--metadev", "DEV", "a device of its own for the metadata"},
    OptionSpec{"-b,--blocksize", "SIZE", "size of metadata blocks: 4k"},
    OptionSpec{"-c,--chunksize", "SIZE", "unit of copying, with -i: 4k … 1m, a power of two (16k)"},
    OptionSpec{"-k,--cachesize", "SIZE", "memory of the daemon for metadata"},
    ZUMASTOR_WARN_AT,
    ZUMASTOR_SNAPSHOT_FIRST,
    OptionSpec{"-p,--mountpoint", "DIR", "where the volume is mounted (/var/run/zumastor/mount/VOL)"},
    OptionSpec{"-o,--mountopts", "LIST", "with which options"},
    OptionSpec{"-s,--snappath", "DIR", "where its snapshots are mounted (/var/run/zumastor/snapshot/VOL)"},
    OptionSpec{"--snapmountopts", "LIST",
               "what snapshots and replicas allow: suid, dev (they are mounted nosuid, nodev), exec, "
               "symfollow (as the "
               "volume's own options say); or noexec, nosymfollow"},
    ZUMASTOR_YES,
    ZUMASTOR_DRY_RUN,
};
constexpr std::array kDefineMaster{
    OptionSpec{"-n,--no-snapmount", "", "do not mount the snapshots"},
    OptionSpec{"-s,--dotsnapshot", "", "show the snapshots in .snapshot of the volume's root, too"},
    OptionSpec{"-e,--export", "",
               "export the snapshots over NFS, read-only, to the clients of the mount point"},
    OptionSpec{"-p,--samba", "", "write the settings of a share for Samba that has previous versions"},
    OptionSpec{"-y,--yes", "",
               "a replica: promote it without asking; one that was: also if a stream to it was broken off"},
    ZUMASTOR_FORCE,
    ZUMASTOR_DRY_RUN,
};
constexpr std::array kDefineSchedule{
    ZUMASTOR_KINDS,
    ZUMASTOR_DRY_RUN,
};
#define ZUMASTOR_SSH_USER                                                                                    \
    OptionSpec { "--ssh-user", "USER", "run ssh as this user, with its keys, not as root" }
constexpr std::array kCreate{
    OptionSpec{"--file", "SIZE", "in sparse files on loop devices, in DIR (/var/lib/zumastor/VOL)"},
    OptionSpec{"--store-size", "SIZE", "size of the store's file (half of the volume's)"},
    OptionSpec{"--origin", "DEV", "on this device; a filesystem on it is kept"},
    OptionSpec{"--store", "DEV", "with a new snapshot store on this one"},
    OptionSpec{"--metadev", "DEV", "a device of its own for the metadata"},
    OptionSpec{"--fstype", "TYPE", "the filesystem to make where there is none (--file: ext4)"},
    OptionSpec{"--replica-of", "HOST", "no master: a replica of the volume on this host"},
    OptionSpec{"--name", "REMOTEVOL", "the volume's name there (the same)"},
    ZUMASTOR_SSH_USER,
    OptionSpec{"--chunksize", "SIZE", "unit of copying: 4k … 1m, a power of two (16k)"},
    ZUMASTOR_WARN_AT,
    ZUMASTOR_SNAPSHOT_FIRST,
    ZUMASTOR_KINDS,
    ZUMASTOR_YES,
    ZUMASTOR_DRY_RUN,
};
constexpr std::array kResize{
    OptionSpec{"-o,--origin", "SIZE", "the volume's size; max: all of its device"},
    OptionSpec{
        "-s,--snapshot", "SIZE",
        "the snapshot store's; max: all of its device. A smaller one moves what snapshots use of its end"},
    OptionSpec{"-m,--metadata", "SIZE", "the metadata device's; max: all of it"},
    OptionSpec{"-y,--yes", "", "do not ask before the volume's end is cut off"},
    ZUMASTOR_DRY_RUN,
};
constexpr std::array kDryRun{ZUMASTOR_DRY_RUN};
constexpr std::array kAccept{
    ZUMASTOR_DRY_RUN,
    ZUMASTOR_YES,
    OptionSpec{"--keep-snapshots", "", "they show what this origin holds where they shared chunks"},
};
constexpr std::array kStatus{
    OptionSpec{"-u,--usage", "", "how full store, metadata and filesystem are"},
    OptionSpec{"-f,--full", "", "everything about every volume"},
    OptionSpec{"--json", "", "for programs: one JSON document, versioned"},
};
constexpr std::array kDiff{
    OptionSpec{"--start", "OFFSET", "go on from this offset, rounded down to a chunk (0)"},
    OptionSpec{"--limit", "N", "at most so many ranges; what to go on with is printed"},
    OptionSpec{"--json", "", "for programs: one JSON document, versioned"},
};
#define ZUMASTOR_PROGRESS                                                                                    \
    OptionSpec{"-q,--quiet", "", "do not show how far it has come"}, OptionSpec                              \
    {                                                                                                        \
        "--json", "", "show it for programs: JSON objects, one a line, on stderr"                            \
    }
#define ZUMASTOR_CYCLE                                                                                       \
    OptionSpec{"-s,--snapnum", "SNAP", "send this snapshot, not a new one"}, OptionSpec                      \
    {                                                                                                        \
        "--full", "", "send everything, not what changed"                                                    \
    }
constexpr std::array kReplicate{
    ZUMASTOR_CYCLE,
    OptionSpec{"-w,--wait", "", "return when the cycle is done; this is so unless --nowait is given"},
    OptionSpec{"-n,--nowait", "", "return at once; how it ends: zumastor status VOL"},
    OptionSpec{"-d,--delay", "SEC", "begin after so many seconds"},
    ZUMASTOR_PROGRESS,
};
#define ZUMASTOR_PERIOD                                                                                      \
    OptionSpec { "-p,--period", "SEC", "a cycle so often by itself, from start to start (0: none)" }
constexpr std::array kDefineTarget{
    ZUMASTOR_PERIOD,
    OptionSpec{"-n,--name", "REMOTEVOL", "the volume's name there (the same)"},
    OptionSpec{"-r,--ratelimit,--rate-limit", "SIZE",
               "at most so many bytes a second; pulled, too, once it was pushed to"},
    OptionSpec{"-u,--uncompressed", "", "do not compress; the same"},
    OptionSpec{"-t,--test", "fullvolume", "every cycle begun here sends everything, not what changed"},
    ZUMASTOR_SSH_USER,
    ZUMASTOR_DRY_RUN,
};
constexpr std::array kDefineSource{
    ZUMASTOR_PERIOD,
    OptionSpec{"-n,--name", "REMOTEVOL", "the volume's name there (the same)"},
    OptionSpec{
        "-r,--ratelimit,--rate-limit", "SIZE",
        "it is sent at most so many bytes a second; of upstream's limit and this one the smaller counts"},
    OptionSpec{"-m,--mount-snap", "", "mount all snapshots, not only the newest"},
    ZUMASTOR_SSH_USER,
    ZUMASTOR_YES,
    ZUMASTOR_DRY_RUN,
};
constexpr std::array kVerify{
    OptionSpec{"--repair", "", "send what differs again, to the replica"},
    OptionSpec{"--limit", "N", "list at most so many ranges (1000); all are counted"},
    OptionSpec{"--session", "", "talk to zumastor verify on the other side"},
    OptionSpec{"--as", "SIDE", "with --session: upstream or replica"},
    OptionSpec{"-q,--quiet", "", "do not show how far it has come"},
    OptionSpec{"--json", "", "for programs: one JSON document; how far it has come on stderr"},
};
constexpr std::array kPromote{ZUMASTOR_FORCE, ZUMASTOR_YES, ZUMASTOR_DRY_RUN};
constexpr std::array kReverse{ZUMASTOR_YES, ZUMASTOR_PROGRESS, ZUMASTOR_DRY_RUN};
constexpr std::array kGate{
    OptionSpec{"--send", "", "the key may be sent these volumes' snapshots"},
    OptionSpec{"--receive", "", "the key may send snapshots to these volumes"},
};
constexpr std::array kSend{
    OptionSpec{"--from", "SNAP", "only what changed since this older snapshot"},
    OptionSpec{"--compress", "METHOD", "none, zstd, zstd:LEVEL (zstd)"},
    OptionSpec{"-r,--ratelimit,--rate-limit", "SIZE", "at most so many bytes a second"},
    OptionSpec{"--resume", "TOKEN", "go on where the receiver stopped: it prints the token"},
    OptionSpec{"--whole-chunks", "", "not only the changed blocks of a chunk: reads less, sends more"},
    OptionSpec{"--session", "", "talk to zumastor replicate on the other side"},
    ZUMASTOR_CYCLE,
    ZUMASTOR_PROGRESS,
    ZUMASTOR_DRY_RUN,
};
constexpr std::array kReceive{
    OptionSpec{"--resume-token", "", "print where a reception broke off, for send --resume"},
    OptionSpec{"--session", "", "talk to zumastor replicate on the other side"},
    OptionSpec{"--abort", "", "take back what was received or written since the last snapshot received"},
    ZUMASTOR_YES,
    ZUMASTOR_PROGRESS,
};

constexpr std::array kImport{
    OptionSpec{"-y,--yes", "",
               "write --yes into the commands: the old stores are overwritten without a question"},
};
constexpr std::array kRevert{
    OptionSpec{"--no-undo", "", "take no snapshot of what is overwritten"},
    ZUMASTOR_YES,
    ZUMASTOR_DRY_RUN,
};
constexpr std::array kRelease{
    OptionSpec{"-y,--yes", "", "do not ask before it is deleted"},
    ZUMASTOR_DRY_RUN,
};
constexpr std::array kDoctor{
    OptionSpec{"--json", "", "for programs: one JSON document"},
};

constexpr std::array kCommands{
    CommandSpec{"create", "VOL [DIR]", "Make a volume, its store and its mounts at one go.", kCreate,
                create_volume},
    CommandSpec{"define volume", "VOL ORIGIN SNAPSTORE", "Make a volume of an origin and a snapshot store.",
                kDefineVolume, define_volume},
    CommandSpec{"define master", "VOL",
                "Mount the volume and its snapshots; repeating it resets the options.", kDefineMaster,
                define_master},
    CommandSpec{"define schedule", "VOL", "Set how many snapshots of each kind are kept.", kDefineSchedule,
                define_schedule},
    CommandSpec{"define target", "VOL HOST",
                "Name a host ([USER@]HOST[:PORT]) that this volume is replicated to.", kDefineTarget,
                define_target},
    CommandSpec{"define source", "VOL HOST", "Make this volume a replica of HOST's ([USER@]HOST[:PORT]).",
                kDefineSource, define_source},
    CommandSpec{"start volume", "VOL", "Start the daemon and create /dev/mapper/VOL.", kDryRun, start_volume},
    CommandSpec{"start master", "VOL", "The same, and mount the volume and its snapshots.", kDryRun,
                start_master},
    CommandSpec{"start source", "VOL",
                "Start a replica, mount its newest snapshot; its cycles go on at their period.", kDryRun,
                start_source},
    CommandSpec{"start target", "VOL HOST", "Cycles to HOST go on at their period.", kDryRun, start_target},
    CommandSpec{"accept origin", "VOL",
                "The volume's origin is another disk, restored for example, and this is meant.", kAccept,
                accept_volume_origin},
    CommandSpec{"stop volume", "VOL", "Unmount all, remove the devices, end the daemon.", kDryRun,
                stop_volume},
    CommandSpec{"stop master", "VOL", "Unmount the volume and its snapshots.", kDryRun, stop_master},
    CommandSpec{"stop source", "VOL", "Unmount a replica; no cycles by themselves until it is started.",
                kDryRun, stop_source},
    CommandSpec{"stop target", "VOL HOST", "No cycles to HOST by themselves until it is started.", kDryRun,
                stop_target},
    CommandSpec{"forget target", "VOL HOST", "Replicate to HOST no longer.", kDryRun, forget_target},
    CommandSpec{"forget source", "VOL", "Make the volume a replica no longer; its snapshots stay.", kDryRun,
                forget_source},
    CommandSpec{"forget volume", "VOL", "Stop the volume and forget it; its data stay.", kDryRun,
                forget_volume},
    CommandSpec{"snapshot", "VOL [KIND...]", "Take a snapshot, mount it and rotate its kinds.", kDryRun,
                take_snapshot},
    CommandSpec{"import", "[DIR]", "Print the commands that define the volumes of zumastor 0.8 anew.",
                kImport, import_old},
    CommandSpec{"remount", "VOL DIR [OPTS]",
                "Change the mount point, the mount options, or both ('-': as it is).", kDryRun, remount},
    CommandSpec{"revert", "VOL SNAP",
                "Make the volume what a snapshot holds; what it held becomes a snapshot.", kRevert, revert},
    CommandSpec{"release", "VOL SNAP",
                "Delete a snapshot that was kept of what revert, reverse or receive --abort overwrote.",
                kRelease, release_kept},
    CommandSpec{"diff", "VOL SNAP1 [SNAP2]",
                "List the ranges that may differ between a snapshot and a newer one, or the volume.", kDiff,
                show_diff},
    CommandSpec{"send", "VOL [SNAP]", "Write a snapshot, or what changed since another, as a stream.", kSend,
                send_stream},
    CommandSpec{"receive", "VOL", "Make a snapshot of a stream from standard input.", kReceive,
                receive_stream},
    CommandSpec{"replicate", "VOL [HOST]", "Bring a replica up to date: one cycle.", kReplicate, replicate},
    CommandSpec{"service daemon", "VOL", "What ddsnapd@.service runs.", {}, service_daemon},
    CommandSpec{"service start", "VOL", "What zumastor@.service runs to start a volume.", {}, service_start},
    CommandSpec{"service stop", "VOL", "What zumastor@.service runs to stop it.", {}, service_stop},
    CommandSpec{"service shutdown", "", "What zumastor-shutdown.service runs.", {}, service_shutdown},
    CommandSpec{"scheduled cycle", "INSTANCE", "What zumastor-replicate@.service runs.", {}, scheduled_cycle},
    CommandSpec{
        "scheduled snapshot", "INSTANCE", "What zumastor-snapshot@.service runs.", {}, scheduled_snapshot},
    CommandSpec{"verify", "VOL [HOST] [SNAP]",
                "Compare a snapshot's content with that of the other side; repair the replica.", kVerify,
                verify},
    CommandSpec{"promote", "VOL", "Make a replica the master, with its last complete snapshot.", kPromote,
                promote},
    CommandSpec{"reverse", "VOL [HOST]", "Make an old master a replica of the promoted one: only a delta.",
                kReverse, reverse},
    CommandSpec{"ssh-gate", "VOL...", "The forced command of a key that is for replication only.", kGate,
                ssh_gate},
    CommandSpec{"resize", "VOL", "Change the size of the volume, or of its store; snapshots keep theirs.",
                kResize, resize_volume},
    CommandSpec{"doctor", "[VOL]", "Look for what is wrong, with this host or a volume, and say what to do.",
                kDoctor, doctor},
    CommandSpec{"status", "[VOL] [SNAP]", "Show volumes and snapshots.", kStatus, show_status},
};

constexpr ToolSpec kTool{"zumastor", "Snapshots of volumes: taken, rotated, mounted and replicated.",
                         kCommands, names_of};

} // namespace
} // namespace zumastor

int main(int argc, char** argv)
{
    // Others than root get to the mounts by way of what is made here, and nobody else may write to it,
    // whatever shell, unit or ssh a command comes from. What is for root alone has that mode of its own.
    ::umask(022);
    return zumastor::run_tool(zumastor::kTool, argc, argv);
}
