// SPDX-License-Identifier: GPL-2.0
// The commands of zumastor; the table in main.cpp leads to them.
#pragma once

#include <optional>
#include <string>

#include "tools/common/command_line.h"
#include "tools/common/offline_store.h"
#include "tools/zumastor/config/lock.h"
#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// define.cpp
Exit define_volume(const Args& args);
Exit define_master(const Args& args);
// What sharing of snapshots the options ask for is checked before anything is changed, and told of at the
// end.
MasterRole master_role_from(const Args& args);
void refuse_unshareable(const Volume& volume, const MasterRole& role);
void tell_sharing(const Volume& volume);
Exit define_schedule(const Args& args);
// create.cpp
Exit create_volume(const Args& args);
// lifecycle.cpp
Exit start_volume(const Args& args);
Exit start_master(const Args& args);
Exit accept_volume_origin(const Args& args);
Exit stop_volume(const Args& args);
Exit stop_master(const Args& args);
Exit forget_volume(const Args& args);
// resize.cpp
Exit resize_volume(const Args& args);
// snapshot.cpp
Exit take_snapshot(const Args& args);
// status.cpp
Exit show_status(const Args& args);
// diff.cpp
Exit show_diff(const Args& args);

// send.cpp, receive.cpp
Exit send_stream(const Args& args);
Exit receive_stream(const Args& args);

// replicate.cpp
Exit replicate(const Args& args);
// The other side's end of a session, on standard input and output.
Exit serve_session(const Args& args, bool sends);
// define_replication.cpp
Exit define_target(const Args& args);
Exit define_source(const Args& args);
Exit forget_target(const Args& args);
Exit forget_source(const Args& args);
Exit start_source(const Args& args);
Exit stop_source(const Args& args);
// Saves a configuration and tells systemd; what systemd does not do is a trouble, no reason to stop halfway.
void save_and_follow(const VolumeConfig& before, const VolumeConfig& now, Troubles& troubles);
// The argument HOST, if there is one; a source that is `host`, and --name there. Throw Exit::usage.
std::optional<HostName> host_from(const Args& args);
SourceRole source_from(const std::string& host, const Args& args);
Exit start_target(const Args& args);
Exit stop_target(const Args& args);
// service.cpp
Exit service_daemon(const Args& args);
Exit service_start(const Args& args);
Exit service_stop(const Args& args);
Exit service_shutdown(const Args& args);
// doctor.cpp
Exit doctor(const Args& args);
// scheduled.cpp
Exit scheduled_cycle(const Args& args);
Exit scheduled_snapshot(const Args& args);
// verify.cpp
Exit verify(const Args& args);
// promote.cpp, reverse.cpp
Exit promote(const Args& args);
Exit reverse(const Args& args);
// import.cpp
Exit import_old(const Args& args);
// remount.cpp
Exit remount(const Args& args);
// revert.cpp
Exit revert(const Args& args);
// kept.cpp
Exit release_kept(const Args& args);
// ssh_gate.cpp
Exit ssh_gate(const Args& args);

// ---- what several of them share ----

// A snapshot of the volume's present content, its filesystem frozen meanwhile (snapshot.cpp).
SnapshotEntry take_consistent(const Volume& volume, Daemon& daemon, const NewSnapshot& wanted);
// Mounts what is new, makes the links, deletes what the schedule drops and replication does not need.
void rotate_snapshots(Volume& volume, Daemon& daemon, Troubles& troubles);

// The volume that the command names, with no other command at work on it.
struct LockedVolume {
    VolumeLock lock;
    Volume volume;
};
LockedVolume lock_volume(const Args& args);

// A volume that is to be made.
struct NewVolume {
    VolumeConfig config;
    StorePaths paths;
    bool initialize = false;
    InitOptions format;
    bool zero_origin = false;
};
// Everything that can be known to go wrong, before anything is touched. Throws.
void check_new_name(const VolumeConfig& config);
void check_new_devices(const NewVolume& wanted);
// What destroys data, to be asked for; empty: nothing does.
std::string question_about(const NewVolume& wanted);
// Makes it: store, daemon, device, configuration. Undoes what it did if it fails.
Volume make_volume(const NewVolume& wanted);
// Counts from -h, -d, -w, -m and -c into the schedule. Throws Exit::usage.
void read_schedule(const Args& args, std::vector<Kind>& schedule);

// Prints the troubles; Exit::partly if there are any.
Exit conclude(const Troubles& troubles);
// Starts the daemon again if it has died under a mounted filesystem: without it nothing can be unmounted.
void revive_for_unmount(Volume& volume);
void stop_completely(Volume& volume);
// For units: the command, but a failure is one line in the journal, of a priority that stands out.
Exit in_one_line(const std::string& what, Exit (*command)(const Args&), const Args& args);

} // namespace zumastor
