// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/control_json.h"

#include <ctime>

#include <fmt/format.h>

#include "ddsnapd/daemon/counters.h"
#include "ddsnapd/daemon/uuid.h"
#include "kernel/ddsnap-protocol.h"
#include "snapstore/texts.h"

namespace ddsnap::daemon {

namespace fields = control::fields;
namespace values = control::values;
using nlohmann::json;
using snapstore::SnapshotState;

namespace {

std::string rfc3339(std::uint64_t ns)
{
    const auto seconds = static_cast<std::time_t>(ns / 1'000'000'000);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    char text[32];
    (void)std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return text;
}

json client_json(const ClientInfo& client)
{
    const bool kernel = client.kind == DDSNAP_CLIENT_KERNEL;
    return {{fields::role, client.origin ? values::origin : values::snapshot},
            {fields::snapshot, client.origin ? json() : json(client.snapshot.value)},
            {fields::kind, kernel ? values::kernel : values::process},
            {fields::name, client.name},
            {fields::device, kernel ? json(fmt::format("{}:{}", client.major_or_pid, client.minor)) : json()},
            {fields::pid, kernel ? json() : json(client.major_or_pid)},
            {fields::sectors, client.connected ? json(client.sectors.value) : json()},
            {fields::connected, client.connected},
            {fields::attached, client.attached}};
}

} // namespace

snapstore::SnapshotId snapshot_field(const json& request, const char* name)
{
    const auto it = request.find(name);
    if (it == request.end() || !it->is_number_unsigned()) {
        throw BadRequest(fmt::format("\"{}\" must be a snapshot's number", name));
    }
    return snapstore::SnapshotId{it->get<std::uint64_t>()};
}

std::optional<snapstore::SnapshotId> optional_snapshot_field(const json& request, const char* name)
{
    const auto it = request.find(name);
    if (it == request.end() || it->is_null()) {
        return std::nullopt;
    }
    return snapshot_field(request, name);
}

std::int64_t integer_field(const json& request, const char* name, std::optional<std::int64_t> otherwise)
{
    const auto it = request.find(name);
    if (it == request.end() && otherwise) {
        return *otherwise;
    }
    if (it == request.end() || !it->is_number_integer()) {
        throw BadRequest(fmt::format("\"{}\" must be an integer", name));
    }
    if (it->is_number_unsigned() && it->get<std::uint64_t>() > INT64_MAX) {
        throw BadRequest(fmt::format("\"{}\" is too large", name));
    }
    return it->get<std::int64_t>();
}

std::int8_t priority_field(const json& request, std::optional<std::int8_t> otherwise)
{
    const std::int64_t priority = integer_field(request, fields::priority, otherwise);
    if (priority < -128 || priority > 127) {
        throw BadRequest(fmt::format("\"{}\" must be between -128 and 127", fields::priority));
    }
    return static_cast<std::int8_t>(priority);
}

std::optional<snapstore::Uuid> uuid_field(const json& request, const char* name)
{
    const auto it = request.find(name);
    if (it == request.end()) {
        return std::nullopt;
    }
    const auto uuid = it->is_string() ? parse_uuid(it->get<std::string>()) : std::nullopt;
    if (!uuid || *uuid == snapstore::Uuid{}) {
        throw BadRequest(fmt::format("\"{}\" must be a UUID", name));
    }
    return uuid;
}

bool flag_field(const json& request, const char* name)
{
    const auto it = request.find(name);
    if (it == request.end()) {
        return false;
    }
    if (!it->is_boolean()) {
        throw BadRequest(fmt::format("\"{}\" must be true or false", name));
    }
    return it->get<bool>();
}

namespace {

std::string text_field(const json& request, const char* name)
{
    const auto it = request.find(name);
    if (it == request.end() || it->is_null()) {
        return {};
    }
    if (!it->is_string()) {
        throw BadRequest(fmt::format("\"{}\" must be text", name));
    }
    return it->get<std::string>();
}

} // namespace

std::string name_field(const json& request, const char* name)
{
    auto text = text_field(request, name);
    if (!snapstore::is_snapshot_name(text)) {
        throw BadRequest(
            fmt::format("\"{}\" must be at most {} bytes of UTF-8: letters and digits, then also blanks "
                        "and # % + , - . : = @ _ ( )",
                        name, snapstore::SnapshotInfo::kMaxName));
    }
    return text;
}

std::string tag_field(const json& request, const char* name)
{
    auto text = text_field(request, name);
    if (!snapstore::is_snapshot_tag(text)) {
        throw BadRequest(
            fmt::format("\"{}\" must be kinds separated by commas, at most {} bytes: each is up to 24 "
                        "letters, digits, - and _, a letter or digit first",
                        name, snapstore::SnapshotInfo::kMaxTag));
    }
    return text;
}

json snapshot_json(const ControlContext& context, const snapstore::SnapshotInfo& info)
{
    return {{fields::id, info.id.value},
            {fields::epoch, info.epoch.value},
            {fields::uuid, format_uuid(info.uuid)},
            {fields::name, info.name},
            {fields::tag, info.tag},
            {fields::created, rfc3339(info.created_ns)},
            {fields::created_ns, info.created_ns},
            {fields::sectors, info.size.value},
            {fields::priority, info.priority},
            {fields::use_count, info.use_count},
            {fields::state, info.state == SnapshotState::normal ? values::normal : values::squashed},
            {fields::clients, context.service.sessions_of(info.id)}};
}

// As many as an administrator looks at; the number of all is beside it.
json lost_json(const ControlContext& context)
{
    constexpr std::size_t kMost = 64;
    json list = json::array();
    for (const snapstore::LostChunk& lost : context.service.store().snapshots().lost_chunks()) {
        if (list.size() == kMost) {
            break;
        }
        json snapshots = json::array();
        for (const snapstore::SnapshotId id : lost.snapshots) {
            snapshots.push_back(id.value);
        }
        list.push_back({{fields::chunk, lost.chunk.value}, {fields::snapshots, std::move(snapshots)}});
    }
    return list;
}

json volume_json(const ControlContext& context)
{
    const auto info = context.service.store().info();
    json counters = json::object();
    for (const Counter& counter : all_counters(context)) {
        counters[counter.name] = counter.value;
    }
    json clients = json::array();
    for (const ClientInfo& client : context.service.clients()) {
        clients.push_back(client_json(client));
    }
    return {{fields::uuid, format_uuid(info.uuid)},
            {fields::origin_sectors, info.origin_size.value},
            {fields::chunk_size, std::uint64_t{1} << info.chunk_shift},
            {fields::epoch, info.epoch.value},
            {fields::store_bytes, info.store_size.value},
            {fields::store_chunks, info.store_chunks},
            {fields::free_chunks, info.free_chunks},
            {fields::pending_chunks, info.pending_chunks},
            {fields::meta_blocks, info.meta_blocks},
            {fields::free_meta_blocks, info.free_meta_blocks},
            {fields::journal_blocks, info.journal_blocks},
            {fields::journal_used, info.journal_used},
            {fields::exceptions, info.exceptions},
            {fields::snapshots, info.snapshots},
            {fields::sweeping, info.sweeping},
            {fields::state, info.failed ? values::failed : values::normal},
            {fields::failure, info.failed ? json(info.failure) : json()},
            {fields::given_up, info.given_up},
            {fields::lost_chunks, info.lost_chunks},
            {fields::lost, lost_json(context)},
            {fields::bad_chunks, info.bad_chunks},
            {fields::origin_samples, info.origin_samples},
            {fields::policy, context.snapshot_first ? values::snapshot_first : values::origin_first},
            {fields::uptime_ms, (context.now() - context.started_ns) / 1'000'000},
            {fields::counters, std::move(counters)},
            {fields::clients, std::move(clients)}};
}

json delta_json(const snapstore::DeltaPart& part, std::span<const snapstore::ChunkRange> ranges)
{
    json list = json::array();
    for (const snapstore::ChunkRange& range : ranges) {
        list.push_back(json::array({range.first.value, range.count}));
    }
    return {{fields::ranges, std::move(list)},
            {fields::next, part.next.value},
            {fields::done, part.complete},
            {fields::from_epoch, part.from.value},
            {fields::to_epoch, part.to.value == 0 ? json() : json(part.to.value)}};
}

json check_json(const snapstore::CheckReport& report)
{
    json damage = json::array();
    for (const auto& d : report.damage.listed()) {
        damage.push_back({{fields::what, d.what},
                          {fields::where, d.where},
                          {fields::chunk, d.chunk.value},
                          {fields::epoch, d.epoch.value}});
    }
    return {{fields::exceptions, report.exceptions},
            {fields::data_verified, report.data_verified},
            {fields::leaked_chunks, report.leaked_chunks},
            {fields::damage, std::move(damage)},
            {fields::damage_found, report.damage.found()}};
}

} // namespace ddsnap::daemon
