// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/view/replication_view.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/common/text.h"
#include "tools/zumastor/state/wanted_kinds.h"

namespace zumastor {
namespace {

using nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

constexpr std::uint64_t kMinute = 60; // seconds
constexpr std::uint64_t kHour = 60 * kMinute;
constexpr std::uint64_t kDay = 24 * kHour;

using KnownNumber = Known<std::uint64_t>;

SharedSnapshot shared(const KnownSnapshots& list, const std::string& uuid, const CycleRecord& record)
{
    SharedSnapshot found{uuid, KnownNumber::absent(), uuid == record.snapshot ? record.created_ns : 0};
    if (list.is_unknown()) {
        found.id = KnownNumber::unknown(list.why());
        return found;
    }
    for (const SnapshotEntry& snapshot : list.value()) {
        if (!uuid.empty() && snapshot.uuid == uuid) {
            found.id = KnownNumber::there(snapshot.id);
            found.created_ns = snapshot.created_ns;
        }
    }
    return found;
}

CycleView cycle_of(const Volume& volume, const HostName& host)
{
    return {load_cycle(volume.paths().state, host), ask_cycle_at_work(volume.config().name, host)};
}

void fill_in(TargetView& view, const TargetState& state, const KnownSnapshots& list)
{
    view.replica = state.replica;
    view.base = shared(list, state.base, view.cycle.record);
    view.in_flight = state.in_flight;
}

// A host may have had another replica before: the one with the newer base is meant.
bool is_newer(const TargetView& view, const TargetState& state, const KnownSnapshots& list)
{
    return view.replica.empty() ||
           shared(list, state.base, view.cycle.record).created_ns >= view.base.created_ns;
}

void gather_targets(const Volume& volume, const KnownSnapshots& list, ReplicationView& view)
{
    const std::vector<TargetState> states = load_target_states(volume.paths().state);
    for (const Target& target : volume.config().targets) {
        TargetView one{target, cycle_of(volume, target.host), {}, {}, {}};
        for (const TargetState& state : states) {
            if (state.host == target.host && is_newer(one, state, list)) {
                fill_in(one, state, list);
            }
        }
        view.targets.push_back(std::move(one));
    }
    for (const TargetState& state : states) {
        if (find_target(volume.config(), state.host) == nullptr) {
            TargetView one;
            one.target.volume = state.volume;
            fill_in(one, state, list);
            view.targets.push_back(std::move(one));
        }
    }
}

void gather_source(const Volume& volume, const KnownSnapshots& list, ReplicationView& view)
{
    const ReplicaState state = load_replica_state(volume.paths().state);
    SourceView source;
    source.cycle = cycle_of(volume, {});
    source.last = shared(list, state.last, source.cycle.record);
    source.received_ns = state.received_ns;
    source.reception = state.reception;
    source.wanted_kinds = load_wanted_kinds(volume.paths().state);
    view.source = std::move(source);
}

std::uint64_t seconds_since(std::uint64_t ns)
{
    const std::uint64_t now = now_ns();
    return now > ns ? (now - ns) / 1'000'000'000 : 0;
}

// ---- JSON ------------------------------------------------------------------------------------

ordered_json text_json(const std::string& text) { return text.empty() ? ordered_json() : ordered_json(text); }
ordered_json time_json(std::uint64_t ns)
{
    return ns == 0 ? ordered_json() : ordered_json(format_rfc3339(ns));
}

ordered_json rate_json(std::uint64_t bytes_per_second)
{
    return bytes_per_second == 0 ? ordered_json() : ordered_json(bytes_per_second);
}

// Whether it is there; null if that cannot be known.
template <class T>
ordered_json known_json(const Known<T>& known)
{
    return known.is_unknown() ? ordered_json() : ordered_json(known.is_there());
}

ordered_json shared_json(const SharedSnapshot& snapshot)
{
    if (snapshot.uuid.empty()) {
        return {};
    }
    return {{"uuid", snapshot.uuid},
            {"id", snapshot.id.is_there() ? ordered_json(snapshot.id.value()) : ordered_json()},
            {"here", known_json(snapshot.id)},
            {"created", time_json(snapshot.created_ns)}};
}

ordered_json lag_json(const SharedSnapshot& snapshot)
{
    return snapshot.created_ns == 0 ? ordered_json() : ordered_json(seconds_since(snapshot.created_ns));
}

void add_cycle(ordered_json& object, const CycleView& cycle)
{
    const CycleRecord& record = cycle.record;
    object["process"] = cycle.process.is_there() ? ordered_json(cycle.process.value()) : ordered_json();
    object["at_work"] = known_json(cycle.process);
    object["last_success"] = time_json(record.success_ns);
    object["last_attempt"] = ordered_json();
    if (record.begun_ns != 0) {
        object["last_attempt"] = {{"begun", time_json(record.begun_ns)},
                                  {"ended", time_json(record.ended_ns)},
                                  {"code", record.ended_ns == 0 ? ordered_json() : ordered_json(record.code)},
                                  {"error", text_json(record.error)},
                                  {"next", text_json(record.next)}};
    }
}

// ---- for people --------------------------------------------------------------------------------

std::string age(std::uint64_t ns)
{
    const std::uint64_t seconds = seconds_since(ns);
    if (seconds < 2 * kMinute) {
        return std::to_string(seconds) + " s";
    }
    if (seconds < 2 * kHour) {
        return std::to_string(seconds / kMinute) + " min";
    }
    return seconds < 2 * kDay ? std::to_string(seconds / kHour) + " h"
                              : std::to_string(seconds / kDay) + " days";
}

// Of a target or a source.
template <class Role>
std::string terms_text(const Role& role)
{
    std::string terms = role.period > 0 ? "every " + std::to_string(role.period) + " s" : "no period";
    if (role.stopped) {
        terms += ", stopped";
    }
    return role.bytes_per_second == 0
               ? terms
               : terms + ", at most " + format_size(role.bytes_per_second) + " a second";
}

std::string name_of(const SharedSnapshot& snapshot)
{
    if (snapshot.id.is_there()) {
        return std::to_string(snapshot.id.value());
    }
    return snapshot.uuid + (snapshot.id.is_unknown()
                                ? " (cannot be looked up here: " + std::string(snapshot.id.why().what()) + ")"
                                : ", not here any more");
}

std::string shared_text(const SharedSnapshot& snapshot)
{
    if (snapshot.uuid.empty()) {
        return "nothing yet";
    }
    return "snapshot " + name_of(snapshot) +
           (snapshot.created_ns == 0
                ? ""
                : " of " + format_rfc3339(snapshot.created_ns) + ", " + age(snapshot.created_ns) + " behind");
}

void add_cycle(Rows& rows, const CycleView& cycle, bool full)
{
    const CycleRecord& record = cycle.record;
    if (cycle.process.is_unknown()) {
        rows.push_back({"    at work", std::string("unknown: ") + cycle.process.why().what()});
    } else if (cycle.process.is_there()) {
        rows.push_back({"    at work", "process " + std::to_string(cycle.process.value()) + ", since " +
                                           format_rfc3339(record.begun_ns)});
    } else if (record.begun_ns != 0 && record.ended_ns == 0) {
        rows.push_back(
            {"    last cycle", format_rfc3339(record.begun_ns) +
                                   ": it was killed, or the power failed; the next cycle resumes it"});
    } else if (!record.error.empty()) {
        rows.push_back({"    last cycle",
                        format_rfc3339(record.ended_ns) +
                            (record.code == static_cast<int>(Exit::partly) ? " was incomplete, exit code "
                                                                           : " failed, exit code ") +
                            std::to_string(record.code) + ": " + record.error});
        if (!record.next.empty()) {
            rows.push_back({"    next", record.next});
        }
    }
    if (record.success_ns != 0 && (full || !record.error.empty())) {
        rows.push_back({"    last success", format_rfc3339(record.success_ns)});
    }
}

// Of a source or a target.
template <class Role>
std::string place_text(const Role& role)
{
    return role.host + (role.volume.empty() ? "" : ", volume " + role.volume) +
           (role.ssh_user.empty() ? "" : ", ssh as " + role.ssh_user);
}

void add_target(Rows& rows, const TargetView& view, bool full)
{
    const Target& target = view.target;
    if (target.host.empty()) {
        rows.push_back({"  asked by", target.volume + " (" + view.replica + ")"});
    } else {
        rows.push_back({"  target", place_text(target) + ": " + terms_text(target)});
    }
    rows.push_back({"    has", shared_text(view.base)});
    if (!view.in_flight.empty() && full) {
        rows.push_back({"    being sent", "snapshot " + view.in_flight});
    }
    add_cycle(rows, view.cycle, full);
}

} // namespace

ReplicationView gather_replication(const Volume& volume, const KnownSnapshots& list)
{
    ReplicationView view;
    try {
        gather_targets(volume, list, view);
        if (volume.config().source) {
            gather_source(volume, list, view);
        }
    } catch (const Failure& failure) {
        view.problem = failure.what();
    }
    return view;
}

ordered_json targets_json(const ReplicationView& view)
{
    ordered_json targets = ordered_json::array();
    for (const TargetView& one : view.targets) {
        ordered_json object{{"host", text_json(one.target.host)},
                            {"volume", text_json(one.target.volume)},
                            {"replica", text_json(one.replica)},
                            {"period", one.target.period},
                            {"stopped", one.target.stopped},
                            {"base", shared_json(one.base)},
                            {"lag_seconds", lag_json(one.base)},
                            {"in_flight", text_json(one.in_flight)},
                            {"rate_limit", rate_json(one.target.bytes_per_second)},
                            {"ssh_user", text_json(one.target.ssh_user)}};
        add_cycle(object, one.cycle);
        targets.push_back(std::move(object));
    }
    return targets;
}

ordered_json source_json(const ReplicationView& view, const VolumeConfig& config, std::uint64_t chunk_bytes)
{
    if (!view.source || !config.source) {
        return {};
    }
    const SourceView& source = *view.source;
    ordered_json object{{"host", config.source->host.str()},
                        {"volume", text_json(config.source->volume)},
                        {"snapmount", config.source->mount_snapshots},
                        {"period", config.source->period},
                        {"stopped", config.source->stopped},
                        {"rate_limit", rate_json(config.source->bytes_per_second)},
                        {"ssh_user", text_json(config.source->ssh_user)},
                        {"last", shared_json(source.last)},
                        {"received", time_json(source.received_ns)},
                        {"lag_seconds", lag_json(source.last)},
                        {"reception", ordered_json()},
                        {"wanted_kinds", source.wanted_kinds}};
    if (source.reception) {
        object["reception"] = {{"from", text_json(source.reception->from)},
                               {"to", source.reception->to},
                               {"reached_bytes", source.reception->next_chunk * chunk_bytes}};
    }
    add_cycle(object, source.cycle);
    return object;
}

Rows replication_rows(const ReplicationView& view, const VolumeConfig& config, bool full)
{
    Rows rows;
    if (view.source && config.source) {
        const SourceView& source = *view.source;
        rows.push_back({"  source", place_text(*config.source) + ": " + terms_text(*config.source)});
        rows.push_back({"    here", shared_text(source.last)});
        if (source.received_ns != 0 && full) {
            rows.push_back({"    received", format_rfc3339(source.received_ns)});
        }
        if (source.reception) {
            rows.push_back({"    coming", "snapshot " + source.reception->to + ", not complete"});
        }
        if (!source.wanted_kinds.empty()) {
            rows.push_back({"    wanted", join(source.wanted_kinds, ", ") + ", with the next snapshot"});
        }
        add_cycle(rows, source.cycle, full);
    }
    for (const TargetView& target : view.targets) {
        add_target(rows, target, full);
    }
    if (!view.problem.empty()) {
        rows.push_back({"  replication", view.problem});
    }
    return rows;
}

} // namespace zumastor
