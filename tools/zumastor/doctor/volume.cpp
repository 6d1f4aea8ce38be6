// SPDX-License-Identifier: GPL-2.0
// A volume: its state, its store's room, its timers, its last cycles.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/doctor/doctor.h"
#include "tools/zumastor/doctor/units.h"
#include "tools/zumastor/host/device_claims.h"
#include "tools/zumastor/state/replica_state.h"
#include "tools/zumastor/systemd/fstab.h"
#include "tools/zumastor/systemd/systemd.h"
#include "tools/zumastor/systemd/units.h"
#include "tools/zumastor/view/volume_view.h"
#include "tools/zumastor/volume/kept.h"
#include "tools/zumastor/volume/other_users.h"
#include "tools/zumastor/volume/sectors.h"
#include "tools/zumastor/volume/volume_mounts.h"

namespace zumastor {
namespace {

constexpr std::uint64_t kWarnPercent = 80;
constexpr std::uint64_t kFaultPercent = 95;
constexpr std::uint64_t kLatePeriods = 3; // without a cycle that succeeded

class Examination {
public:
    explicit Examination(const VolumeView& view) : view_(view), subject_("volume " + view.config.name) {}

    Findings all()
    {
        state();
        if (view_.store) {
            room("snapshot store", view_.store->store_chunks, view_.store->free_chunks,
                 "delete snapshots, or enlarge it: zumastor resize " + view_.config.name + " --snapshot max");
            room("metadata", view_.store->meta_blocks, view_.store->free_meta_blocks, "delete snapshots");
            bad_places();
            squashed();
            kept();
            sockets();
            program();
        }
        if (systemd_runs()) { // else they are cron's business, which `define` has told of
            units();
            timers();
        }
        others();
        replication();
        return std::move(findings_);
    }

private:
    void add(Verdict verdict, const std::string& what, const std::string& next = {}, Exit code = Exit::failed)
    {
        findings_.push_back({verdict, subject_, what, next, code});
    }

    // One that somebody has stopped may be meant to be.
    void state()
    {
        if (view_.problem.empty()) {
            add(Verdict::good, "is " + view_.state);
        } else {
            const bool missing = view_.state == "module_missing" || view_.state == "daemon_down";
            add(view_.state == "stopped" ? Verdict::warning : Verdict::fault, view_.problem, view_.next,
                missing                   ? Exit::missing
                : view_.state == kUnknown ? Exit::partly // what can be looked at was
                                          : Exit::failed);
        }
    }

    void room(const char* what, std::uint64_t all, std::uint64_t free, const std::string& next)
    {
        const std::uint64_t percent = all == 0 ? 0 : (all - free) * 100 / all;
        const std::string text = std::string(what) + ": " + std::to_string(percent) + " % used";
        if (percent < kWarnPercent) {
            add(Verdict::good, text);
        } else {
            add(percent < kFaultPercent ? Verdict::warning : Verdict::fault,
                text + (view_.store->snapshot_first ? "; when it is full, writes to the volume fail"
                                                    : "; when it is full, snapshots are given up"),
                next, Exit::store_full);
        }
    }

    void squashed()
    {
        for (const SnapshotView& snapshot : view_.snapshots) {
            if (snapshot.entry.squashed) {
                add(Verdict::warning,
                    "snapshot " + std::to_string(snapshot.entry.id) +
                        " was given up when the store was full or failed: the snapshot has no content "
                        "any more",
                    "remove the snapshot: ddsnap delete " + Paths(view_.config.name).server_socket + " " +
                        std::to_string(snapshot.entry.id) + "; give the store more room");
            }
        }
    }

    void bad_places()
    {
        if (view_.store->bad_chunks > 0) {
            add(Verdict::warning,
                std::to_string(view_.store->bad_chunks) + " places of its snapshot store " +
                    view_.config.store + " cannot be written, and are not used: the disk is failing",
                "examine the disk (smartctl -a), and move the store to another disk while it "
                "can be read");
        }
    }

    // No fault; but a store that fills up with them has writes fail.
    void kept()
    {
        for (const SnapshotView& snapshot : view_.snapshots) {
            if (is_kept(snapshot.entry) && is_pinned(snapshot.entry)) {
                add(Verdict::good, describe_kept(view_.config, snapshot.entry),
                    advice_on_kept(view_.config, snapshot.entry));
            }
        }
    }

    void sockets()
    {
        const Paths paths(view_.config.name);
        for (const std::string* path : {&paths.agent_socket, &paths.server_socket}) {
            const auto info = look_at(*path);
            if (info.is_unknown()) {
                add(Verdict::warning, info.why().what(), info.why().next(), Exit::partly);
            } else if (!info.is_there()) {
                add(Verdict::fault, "its daemon's socket " + *path + " is gone",
                    "stop and start the volume at a convenient time", Exit::missing);
            } else if (info.value().st_uid != 0 || (info.value().st_mode & 0077) != 0) {
                add(Verdict::fault, *path + ": users other than root may talk to the daemon",
                    "chmod 600 " + *path);
            }
        }
    }

    // Packages leave daemons alone when they put another program there.
    void program()
    {
        std::string pid = read_text(Paths(view_.config.name).pid_file);
        pid.erase(std::min(pid.find('\n'), pid.size()));
        std::error_code error; // it has just ended: nothing to say of its program
        const std::string file = std::filesystem::read_symlink("/proc/" + pid + "/exe", error);
        if (!error && file.ends_with(" (deleted)")) {
            const std::string& name = view_.config.name;
            add(Verdict::warning,
                "its daemon (process " + pid + ") runs a program that an upgrade has replaced since",
                (has_daemon_unit(name) ? "systemctl restart " + quote_word(daemon_unit(name))
                                       : "kill " + pid + "; zumastor start volume " + name) +
                    ", at a convenient time: writes wait during the restart, and no write fails");
        }
    }

    void add_if(std::optional<Finding> finding)
    {
        if (finding) {
            findings_.push_back(std::move(*finding));
        }
    }

    void units()
    {
        const std::string& name = view_.config.name;
        for (const std::string& unit : {volume_unit(name), daemon_unit(name)}) {
            add_if(check_unit(read_unit(unit), subject_, start_command(view_.config)));
        }
    }

    // Those of a volume that is stopped rest with it.
    void timers()
    {
        if (view_.state == "stopped") {
            return;
        }
        for (const Timer& timer : timers_of(view_.config)) {
            add_if(check_timer(read_unit(timer.unit), subject_));
        }
    }

    // `define` refuses it; a volume may be older, or its disks replaced.
    void sectors()
    {
        try {
            const std::string conflict =
                sector_conflict(need_store_paths(view_.config.store, view_.config.origin, std::nullopt));
            if (!conflict.empty()) {
                add(Verdict::warning, conflict,
                    "move the store to a disk with smaller sectors; ext4 with blocks of 4 KiB is "
                    "not affected",
                    Exit::mismatch);
            }
        } catch (const Failure& failure) {
            // Else a device is missing, which its state tells, or is a file.
            if (failure.code() != Exit::not_found && failure.code() != Exit::usage) {
                add(Verdict::warning,
                    std::string("the sector size of its disks is not known: ") + failure.what(),
                    failure.next(), Exit::partly);
            }
        }
    }

    // Who else has, or would have, what is this volume's.
    void others()
    {
        sectors();
        for (const Claim& claim : claims_of_others(view_.config)) {
            add(Verdict::fault,
                claim.what + " belongs to volume " + claim.volume + ", too: one of the two is wrong",
                "forget the wrong one: zumastor forget volume NAME; or take its file out of " +
                    Paths::kConfigDirectory,
                Exit::busy);
        }
        if (view_.device.empty()) {
            for (const RawLine& line : raw_lines_here(view_.config)) {
                add(Verdict::fault, describe(line), remedy(view_.config, line));
            }
            return;
        }
        for (const OtherUser& user : other_users(view_.config)) {
            add(Verdict::fault, user.what, user.remedy);
        }
    }

    void cycle(const std::string& direction, const CycleRecord& record, std::uint64_t period)
    {
        if (record.code == static_cast<int>(Exit::partly)) {
            add(Verdict::warning, "the last cycle " + direction + " was incomplete: " + record.error,
                "see: zumastor status " + view_.config.name);
        } else if (!record.error.empty()) {
            add(Verdict::fault, "the last cycle " + direction + " failed: " + record.error, record.next,
                exit_of_peer(record.code).value_or(Exit::failed));
        }
        const std::uint64_t late = kLatePeriods * period * 1'000'000'000;
        if (period > 0 && record.success_ns > 0 && now_ns() > record.success_ns + late) {
            add(Verdict::warning,
                "the last cycle " + direction + " that succeeded ended at " +
                    format_rfc3339(record.success_ns),
                "see: zumastor status " + view_.config.name);
        }
    }

    // Of the pair; upstream's part is what the last cycle said.
    void sectors_of_source()
    {
        try {
            const ReplicaState state = load_replica_state(Paths(view_.config.name).state);
            refuse_larger_sectors(state.sector_bytes, sectors_here(view_.config), "upstream", "this replica");
        } catch (const Failure& failure) {
            if (failure.code() == Exit::mismatch) { // else the state tells which device is missing
                add(Verdict::fault, failure.what(), failure.next(), failure.code());
            }
        }
    }

    // However it was received: pushed, pulled, by hand.
    void shown(const SourceRole& source)
    {
        const VolumeName& name = view_.config.name;
        const std::string last = load_replica_state(Paths(name).state).last;
        const auto snapshot =
            std::find_if(view_.snapshots.begin(), view_.snapshots.end(),
                         [&](const auto& one) { return one.entry.uuid == last && !one.entry.squashed; });
        if (source.stopped || snapshot == view_.snapshots.end() || VolumeLock::holder(name, "receive")) {
            return; // nothing to show, or just being switched
        }
        const Volume volume(view_.config);
        if (!shows_snapshot(volume, snapshot->entry.id)) {
            add(Verdict::warning,
                volume.mount_point() + " does not show snapshot " + std::to_string(snapshot->entry.id) +
                    ", the last one received",
                "to see why: zumastor start source " + name, Exit::partly);
        }
    }

    void replication()
    {
        const ReplicationView& replication = view_.replication;
        if (!replication.problem.empty()) {
            add(Verdict::fault, replication.problem, "see: zumastor status " + view_.config.name);
        }
        for (const TargetView& target : replication.targets) {
            if (!target.target.host.empty()) {
                cycle("to " + target.target.host, target.cycle.record,
                      target.target.stopped ? 0 : target.target.period);
            }
        }
        if (replication.source && view_.config.source) {
            const SourceRole& source = *view_.config.source;
            sectors_of_source();
            shown(source);
            cycle("from " + source.host, replication.source->cycle.record,
                  source.stopped ? 0 : source.period);
        }
    }

    const VolumeView& view_;
    const std::string subject_;
    Findings findings_;
};

} // namespace

Findings examine_volume(const std::string& name)
{
    try {
        return Examination(view_of(name)).all();
    } catch (const Failure& failure) {
        if (failure.code() == Exit::interrupted) {
            throw;
        }
        return {{Verdict::fault, "volume " + name, failure.what(), failure.next(), failure.code()}};
    }
}

} // namespace zumastor
