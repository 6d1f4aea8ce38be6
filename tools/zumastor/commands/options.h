// SPDX-License-Identifier: GPL-2.0
// Options that several commands have: each is described once.
#pragma once

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "tools/common/command_table.h"
#include "tools/zumastor/config/config.h"
#include "tools/zumastor/replication/progress.h"

namespace zumastor {

struct DryRun {
    bool dry_run = false;
};
inline constexpr auto kDryRunOption =
    flag<&DryRun::dry_run>("--dry-run", "check everything, say what would be done, change nothing");

struct Yes {
    bool yes = false;
};
inline constexpr auto kYesOption = flag<&Yes::yes>("-y,--yes", "do not ask before other data is destroyed");

struct Force {
    bool force = false;
};
inline constexpr auto kForceOption =
    flag<&Force::force>("--force", "cut off the users of a replica that is in use, and name them");

// What commands about one volume, or one of its targets, are given.
struct OneVolume : DryRun {
    std::string volume;
};
inline constexpr auto kOneVolume = option_table<OneVolume>(kDryRunOption);
struct OneTarget : OneVolume {
    std::string host;
};
inline constexpr auto kOneTarget = option_table<OneTarget>(kDryRunOption);

// How a new volume's store behaves when it fills up.
struct FillOptions {
    std::optional<std::string> warn_at;
    bool snapshot_first = false;
};
inline constexpr std::tuple kFillOptions{
    value<&FillOptions::warn_at>("--warn-at", "PERCENT,...",
                                 "warn in the log when the store is so full (80,90,95); 0: never"),
    flag<&FillOptions::snapshot_first>(
        "--snapshot-first", "if the store is full or fails: writes fail, no snapshot is given up")};
// Throws Exit::usage.
void apply(const FillOptions& given, VolumeConfig& config);

struct KindOptions {
    std::optional<std::string> hourly;
    std::optional<std::string> daily;
    std::optional<std::string> weekly;
    std::optional<std::string> monthly;
    std::vector<std::string> custom;
};
inline constexpr std::tuple kKindOptions{
    value<&KindOptions::hourly>("-h,--hourly", "N", "how many hourly snapshots to keep; 0: none are rotated"),
    value<&KindOptions::daily>("-d,--daily", "N", "how many daily snapshots to keep"),
    value<&KindOptions::weekly>("-w,--weekly", "N", "how many weekly snapshots to keep"),
    value<&KindOptions::monthly>("-m,--monthly", "N", "how many monthly snapshots to keep"),
    value<&KindOptions::custom>("-c,--custom", "NAME,N",
                                "how many snapshots of a kind of your own to keep; may be repeated")};
// Counts into the schedule. Throws Exit::usage.
void read_schedule(const KindOptions& given, std::vector<Kind>& schedule);

// The volume at the other side, and how it is reached.
struct PeerOptions {
    std::optional<std::string> name;
    std::optional<std::string> ssh_user;
};
inline constexpr auto kSshUserOption = value<&PeerOptions::ssh_user>(
    "--ssh-user", "USER", "run ssh as this user, with this user's keys, not as root");
// Both throw Exit::usage.
SourceRole source_from(const std::string& host, const PeerOptions& given);
Target target_from(const std::string& host, const PeerOptions& given);
// The argument HOST, if there is one. Throws Exit::usage.
std::optional<HostName> host_from(const std::optional<std::string>& text);

struct CycleTimes {
    std::optional<std::string> period;
    std::optional<std::string> rate_limit;
};
inline constexpr auto kPeriodOption = value<&CycleTimes::period>(
    "-p,--period", "SEC", "seconds from start to start of automatic cycles (0: none)");
// Both throw Exit::usage.
std::uint64_t period_from(const CycleTimes& given);
std::uint64_t rate_from(const CycleTimes& given);
// What the administrator wants to know after having said how often. `name`: as the command has it.
void tell_period(const std::string& name, const std::string& role, std::uint64_t period, bool stopped);

inline constexpr std::tuple kProgressOptions{
    flag<&ProgressOptions::quiet>("-q,--quiet", "do not show the progress"),
    flag<&ProgressOptions::json>("--json",
                                 "show the progress for programs: JSON objects, one a line, on stderr")};

struct CycleFlags {
    std::optional<std::string> snapnum;
    bool full = false;
};
inline constexpr std::tuple kCycleOptions{
    value<&CycleFlags::snapnum>("-s,--snapnum", "SNAP", "send this snapshot, not a new one"),
    flag<&CycleFlags::full>("--full", "send everything, not only what changed")};

} // namespace zumastor
