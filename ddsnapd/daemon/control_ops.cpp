// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/control_ops.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "ddsnapd/daemon/control_json.h"
#include "ddsnapd/daemon/uuid.h"

namespace ddsnap::daemon {

namespace fields = control::fields;
namespace ops = control::ops;
using nlohmann::json;
using snapstore::Task;
using Code = ServiceError::Code;

json control_error(Code code, const std::string& message)
{
    return {{fields::ok, false},
            {fields::error, {{fields::code, name_of(code)}, {fields::message, message}}}};
}

namespace {

json refused(const ServiceError& error) { return control_error(error.code, error.message); }

json okay(json answer = json::object())
{
    answer[fields::ok] = true;
    return answer;
}

json one_snapshot(const ControlContext& c, const ServiceResult<snapstore::SnapshotInfo>& result)
{
    return result ? okay({{fields::snapshot, snapshot_json(c, *result)}}) : refused(result.error());
}

// Each operation is a coroutine that may throw BadRequest before its first suspension only; see call().
using Operation = Task<json> (*)(ControlContext&, const json&);

Task<json> op_hello(ControlContext& c, const json&)
{
    co_return okay({{fields::daemon, control::values::ddsnapd},
                    {fields::version, ZUMASTOR_VERSION},
                    {fields::protocol, 1},
                    {fields::pid, ::getpid()},
                    {fields::volume, format_uuid(c.service.store().info().uuid)},
                    {fields::store, c.store},
                    {fields::origin, c.origin},
                    {fields::meta, c.meta ? json(*c.meta) : json()},
                    {fields::data_socket, c.data_socket}});
}

std::uint64_t deadline(const ControlContext& c, std::int64_t timeout_ms)
{
    const auto ms = static_cast<std::uint64_t>(std::clamp<std::int64_t>(timeout_ms, 0, 86'400'000));
    return c.now() + ms * 1'000'000;
}

Task<json> create(ControlContext& c, snapstore::CreateOptions options, std::string name, std::string tag,
                  std::uint64_t until)
{
    options.name = name;
    options.tag = tag;
    const auto result = co_await c.service.create(options, until);
    co_return one_snapshot(c, result);
}

Task<json> op_create(ControlContext& c, const json& request)
{
    snapstore::CreateOptions options;
    options.id = optional_snapshot_field(request, fields::snapshot);
    // A replica's snapshot is the same snapshot as the one that was sent.
    options.uuid = uuid_field(request, fields::uuid).value_or(random_uuid());
    for (const auto& info : c.service.store().snapshots().list()) {
        if (info.uuid == options.uuid) {
            throw BadRequest(fmt::format("snapshot {} has this UUID", info.id.value));
        }
    }
    const auto now = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
    options.created_ns = static_cast<std::uint64_t>(integer_field(request, fields::created_ns, now));
    options.priority = priority_field(request, std::int8_t{0});
    auto name = name_field(request, fields::name);
    auto tag = tag_field(request, fields::tag);
    const auto until = deadline(c, integer_field(request, fields::timeout_ms, 30'000));
    return create(c, options, std::move(name), std::move(tag), until);
}

Task<json> remove(ControlContext& c, snapstore::SnapshotId id, bool force)
{
    const auto result = co_await c.service.remove(id, force);
    co_return result ? okay() : refused(result.error());
}

Task<json> op_delete(ControlContext& c, const json& request)
{
    return remove(c, snapshot_field(request), flag_field(request, fields::force));
}

Task<json> op_list(ControlContext& c, const json&)
{
    json all = json::array();
    for (const auto& info : c.service.store().snapshots().list()) {
        all.push_back(snapshot_json(c, info));
    }
    co_return okay({{fields::snapshots, std::move(all)}});
}

Task<json> get(ControlContext& c, snapstore::SnapshotId id)
{
    const auto info = c.service.store().snapshots().find(id);
    co_return info ? okay({{fields::snapshot, snapshot_json(c, *info)}})
                   : control_error(Code::not_found, fmt::format("there is no snapshot {}", id.value));
}

Task<json> op_get(ControlContext& c, const json& request) { return get(c, snapshot_field(request)); }

Task<json> set_priority(ControlContext& c, snapstore::SnapshotId id, std::int8_t priority)
{
    const auto result = co_await c.service.set_priority(id, priority);
    co_return one_snapshot(c, result);
}

Task<json> op_priority(ControlContext& c, const json& request)
{
    return set_priority(c, snapshot_field(request), priority_field(request, std::nullopt));
}

Task<json> add_use(ControlContext& c, snapstore::SnapshotId id, std::int64_t difference)
{
    const auto result = co_await c.service.add_use(id, difference);
    co_return result ? okay({{fields::use_count, *result}}) : refused(result.error());
}

Task<json> op_usecount(ControlContext& c, const json& request)
{
    return add_use(c, snapshot_field(request), integer_field(request, fields::diff, 0));
}

Task<json> op_status(ControlContext& c, const json&) { co_return okay({{fields::volume, volume_json(c)}}); }

Task<json> op_checkpoint(ControlContext& c, const json&)
{
    const auto result = co_await c.service.checkpoint();
    co_return result ? okay() : refused(result.error());
}

Task<json> quiesce(ControlContext& c, std::uint64_t until)
{
    const auto result = co_await c.service.quiesce(until);
    co_return result ? okay() : refused(result.error());
}

Task<json> op_quiesce(ControlContext& c, const json& request)
{
    return quiesce(c, deadline(c, integer_field(request, fields::timeout_ms, 30'000)));
}

Task<json> check(ControlContext& c, bool data)
{
    const auto result = co_await c.service.check(data);
    co_return result ? okay(check_json(*result)) : refused(result.error());
}

Task<json> op_check(ControlContext& c, const json& request)
{
    return check(c, flag_field(request, fields::data));
}

Task<json> delta(ControlContext& c, snapstore::SnapshotId from, std::optional<snapstore::SnapshotId> to,
                 snapstore::Chunk start, std::size_t limit)
{
    std::vector<snapstore::ChunkRange> ranges(limit);
    const auto part = c.service.store().snapshots().delta(from, to, start, ranges);
    co_return part ? okay(delta_json(*part, std::span(ranges).first(part->ranges)))
                   : refused(to_service_error(part.error()));
}

// One bounded step: the client pages.
Task<json> op_delta(ControlContext& c, const json& request)
{
    constexpr std::int64_t kMostRanges = 1024; // at most 30 bytes each: the answer stays below 64 KiB
    const std::int64_t start = integer_field(request, fields::start, 0);
    const std::int64_t limit = integer_field(request, fields::limit, kMostRanges);
    if (start < 0 || limit < 1) {
        throw BadRequest("\"start\" must not be negative, \"limit\" must be positive");
    }
    return delta(c, snapshot_field(request, fields::from), optional_snapshot_field(request, fields::to),
                 snapstore::Chunk{static_cast<std::uint64_t>(start)},
                 static_cast<std::size_t>(std::min(limit, kMostRanges)));
}

// All that are wanted; empty: as it is.
struct NewSizes {
    std::optional<snapstore::Sectors> origin;
    std::optional<snapstore::Bytes> store;
    std::optional<snapstore::Bytes> meta;
};

Task<json> resize(ControlContext& c, NewSizes sizes)
{
    if (const std::string wrong = c.measure(); !wrong.empty()) {
        co_return control_error(Code::io_error, wrong);
    }
    if (sizes.meta) {
        if (const auto done = co_await c.service.resize_meta(*sizes.meta); !done) {
            co_return refused(done.error());
        }
    }
    if (sizes.store) {
        if (const auto done = co_await c.service.resize_store(*sizes.store); !done) {
            co_return refused(done.error());
        }
    }
    if (sizes.origin) {
        if (const auto done = co_await c.service.resize_origin(*sizes.origin); !done) {
            co_return refused(done.error());
        }
    }
    co_return okay({{fields::volume, volume_json(c)}});
}

Task<json> op_resize(ControlContext& c, const json& request)
{
    const std::int64_t origin = integer_field(request, fields::origin_sectors, 0);
    const std::int64_t store = integer_field(request, fields::store_bytes, 0);
    const std::int64_t meta = integer_field(request, fields::meta_bytes, 0);
    if (std::min({origin, store, meta}) < 0 || std::max({origin, store, meta}) == 0) {
        throw BadRequest("\"origin_sectors\", \"store_bytes\" or \"meta_bytes\" must be positive");
    }
    NewSizes sizes;
    if (origin > 0) {
        sizes.origin = snapstore::Sectors{static_cast<std::uint64_t>(origin)};
    }
    if (store > 0) {
        sizes.store = snapstore::Bytes{static_cast<std::uint64_t>(store)};
    }
    if (meta > 0) {
        sizes.meta = snapstore::Bytes{static_cast<std::uint64_t>(meta)};
    }
    return resize(c, sizes);
}

Task<json> op_metrics(ControlContext& c, const json&) { co_return okay({{fields::text, metrics_text(c)}}); }

Task<json> op_shutdown(ControlContext& c, const json&)
{
    c.shut_down();
    co_return okay();
}

Task<json> answer(ControlContext&, json ready) { co_return ready; }

const std::map<std::string_view, Operation>& operations()
{
    static const std::map<std::string_view, Operation> kAll{
        {ops::hello, op_hello},       {ops::create, op_create},     {ops::remove, op_delete},
        {ops::list, op_list},         {ops::get, op_get},           {ops::priority, op_priority},
        {ops::usecount, op_usecount}, {ops::status, op_status},     {ops::checkpoint, op_checkpoint},
        {ops::quiesce, op_quiesce},   {ops::check, op_check},       {ops::delta, op_delta},
        {ops::metrics, op_metrics},   {ops::shutdown, op_shutdown}, {ops::resize, op_resize},
    };
    return kAll;
}

// Operations read their fields before they make their coroutine, so that a bad request is an exception here
// and not inside of one, where it would end the process.
Task<json> call(ControlContext& c, const json& request)
{
    if (c.stopping()) {
        return answer(c, control_error(Code::stopping, "the daemon is stopping"));
    }
    try {
        const auto name = request.find(fields::op);
        if (name == request.end() || !name->is_string()) {
            return answer(c, control_error(Code::invalid, "the request has no \"op\""));
        }
        const auto it = operations().find(name->get_ref<const std::string&>());
        if (it == operations().end()) {
            return answer(c, control_error(Code::unsupported,
                                           "unknown operation " +
                                               name->dump(-1, ' ', true, json::error_handler_t::replace)));
        }
        return it->second(c, request);
    } catch (const BadRequest& bad) {
        return answer(c, control_error(Code::invalid, bad.what()));
    }
}

} // namespace

Task<json> control_operation(ControlContext& context, json request)
{
    auto task = call(context, request);
    co_return co_await std::move(task);
}

} // namespace ddsnap::daemon
