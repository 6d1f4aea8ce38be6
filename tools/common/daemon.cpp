// SPDX-License-Identifier: GPL-2.0
#include "tools/common/daemon.h"

#include <unistd.h>

#include <array>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ddsnapd/client/control_client.h"
#include "ddsnapd/protocol/control_words.h"
#include "tools/common/failure.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

namespace codes = ::ddsnap::control::codes;
namespace fields = ::ddsnap::control::fields;
namespace ops = ::ddsnap::control::ops;
namespace values = ::ddsnap::control::values;
using ddsnap::client::ControlClient;
using ddsnap::client::ControlError;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kGrace{4000}; // beyond the daemon's own limit
constexpr milliseconds kCheckLimit{std::chrono::hours(24)};

Exit exit_of(const std::string& code)
{
    struct Row {
        std::string_view code;
        Exit exit;
    };
    static constexpr std::array kRows{
        Row{codes::not_found, Exit::not_found}, Row{codes::exists, Exit::exists},
        Row{codes::busy, Exit::busy},           Row{codes::detached, Exit::busy},
        Row{codes::timeout, Exit::busy},        Row{codes::no_space, Exit::store_full},
        Row{codes::stopping, Exit::missing},    Row{codes::corrupt, Exit::mismatch},
    };
    for (const Row& row : kRows) {
        if (row.code == code) {
            return row.exit;
        }
    }
    return Exit::failed;
}

std::string advice_for(const std::string& code)
{
    if (code == codes::timeout) {
        return "the origin device did not drain its writes in time: is its disk stalled?";
    }
    if (code == codes::detached) {
        return "reconnect that device, or remove it (dmsetup remove): until then its writes are not under "
               "control";
    }
    return {};
}

Failure failure_of(const ControlError& error, const std::string& what)
{
    if (error.kind == ControlError::Kind::refused) {
        return Failure(exit_of(error.code), what + ": " + error.message, advice_for(error.code));
    }
    if (error.kind == ControlError::Kind::timeout) {
        return Failure(Exit::failed, what + ": " + error.message, "is its store device stalled? see its log");
    }
    if (error.kind == ControlError::Kind::unreachable) {
        return Failure(Exit::failed, what + ": its daemon cannot be asked: " + error.message,
                       ::geteuid() == 0 ? "" : "ask as root: the same command with sudo");
    }
    return Failure(Exit::missing, what + ": no daemon answers: " + error.message);
}

// Fields that the daemon leaves out or gives as null keep their default.
template <class T>
T field(const json& object, const char* name, T otherwise = {})
{
    const auto found = object.find(name);
    return found == object.end() || found->is_null() ? otherwise : found->get<T>();
}

SnapshotEntry snapshot_of(const json& object)
{
    SnapshotEntry entry;
    entry.id = object.at(fields::id).get<std::uint64_t>();
    entry.epoch = field<std::uint64_t>(object, fields::epoch);
    entry.uuid = UuidText::need(field<std::string>(object, fields::uuid));
    entry.name = SnapshotName::from(field<std::string>(object, fields::name)).value_or(SnapshotName{});
    entry.tag = SnapshotTag::from(field<std::string>(object, fields::tag)).value_or(SnapshotTag{});
    entry.created_ns = field<std::uint64_t>(object, fields::created_ns);
    entry.sectors = field<std::uint64_t>(object, fields::sectors);
    entry.priority = field<int>(object, fields::priority);
    entry.use_count = field<std::uint64_t>(object, fields::use_count);
    entry.squashed = field<std::string>(object, fields::state) == values::squashed;
    entry.clients = field<std::uint64_t>(object, fields::clients);
    return entry;
}

ClientEntry client_of(const json& object)
{
    ClientEntry entry;
    entry.origin = field<std::string>(object, fields::role) == values::origin;
    entry.snapshot = field<std::uint64_t>(object, fields::snapshot);
    entry.name = field<std::string>(object, fields::name);
    entry.device = field<std::string>(object, fields::device);
    entry.sectors = field<std::uint64_t>(object, fields::sectors);
    entry.connected = field<bool>(object, fields::connected);
    entry.attached = field<bool>(object, fields::attached);
    return entry;
}

VolumeEntry volume_of(const json& object)
{
    VolumeEntry entry;
    const auto number = [&](const char* name) { return field<std::uint64_t>(object, name); };
    entry.uuid = UuidText::need(field<std::string>(object, fields::uuid));
    entry.origin_sectors = number(fields::origin_sectors);
    entry.chunk_bytes = number(fields::chunk_size);
    entry.store_bytes = number(fields::store_bytes);
    entry.store_chunks = number(fields::store_chunks);
    entry.free_chunks = number(fields::free_chunks);
    entry.pending_chunks = number(fields::pending_chunks);
    entry.meta_blocks = number(fields::meta_blocks);
    entry.free_meta_blocks = number(fields::free_meta_blocks);
    entry.journal_blocks = number(fields::journal_blocks);
    entry.journal_used = number(fields::journal_used);
    entry.exceptions = number(fields::exceptions);
    entry.snapshots = number(fields::snapshots);
    entry.sweeping = field<bool>(object, fields::sweeping);
    entry.failed = field<std::string>(object, fields::state) == values::failed;
    // A daemon that was not restarted since an upgrade does not tell these.
    if (const auto failure = object.find(fields::failure); failure != object.end() && failure->is_string()) {
        entry.failure = failure->get<std::string>();
    }
    entry.given_up = object.value(fields::given_up, false);
    entry.snapshot_first = object.value(fields::policy, std::string()) == values::snapshot_first;
    entry.lost_chunks = object.value(fields::lost_chunks, std::uint64_t{0});
    entry.bad_chunks = object.value(fields::bad_chunks, std::uint64_t{0});
    entry.origin_samples = object.value(fields::origin_samples, std::uint64_t{0});
    for (const json& lost : object.value(fields::lost, json::array())) {
        entry.lost.push_back({field<std::uint64_t>(lost, fields::chunk),
                              field<std::vector<std::uint64_t>>(lost, fields::snapshots)});
    }
    entry.uptime_ms = number(fields::uptime_ms);
    for (const json& client : object.value(fields::clients, json::array())) {
        entry.clients.push_back(client_of(client));
    }
    const json counters = object.value(fields::counters, json::object());
    for (const auto& [name, value] : counters.items()) {
        if (value.is_number_unsigned()) {
            entry.counters.emplace_back(name, value.get<std::uint64_t>());
        }
    }
    return entry;
}

} // namespace

struct Daemon::Impl {
    ControlClient client;
    std::string what;

    json call(const json& request, milliseconds limit = ControlClient::kCallTimeout)
    {
        auto answer = client.call(request, limit);
        if (!answer) {
            throw failure_of(answer.error(), what);
        }
        return std::move(*answer);
    }

    // Reads the answer; one without its fields is the daemon's fault, not the user's.
    template <class Read>
    auto read(const json& answer, const Read& how) const
    {
        try {
            return how(answer);
        } catch (const json::exception& error) {
            throw Failure(Exit::failed, what + ": the daemon's answer is not understood: " + error.what(),
                          "are daemon and tools of the same version?");
        }
    }
};

Daemon::Daemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Daemon::~Daemon() = default;
Daemon::Daemon(Daemon&&) noexcept = default;
Daemon& Daemon::operator=(Daemon&&) noexcept = default;

Daemon::Daemon(const std::string& socket, const std::string& what)
{
    auto client = ControlClient::connect(socket);
    if (!client) {
        throw failure_of(client.error(), what);
    }
    impl_ = std::make_unique<Impl>(Impl{std::move(*client), what});
}

Known<Daemon> Daemon::ask(const std::string& socket, const std::string& what)
{
    auto client = ControlClient::connect(socket);
    if (client) {
        return Known<Daemon>::there(Daemon(std::make_unique<Impl>(Impl{std::move(*client), what})));
    }
    if (client.error().kind == ControlError::Kind::absent) {
        return Known<Daemon>::absent();
    }
    return Known<Daemon>::unknown(failure_of(client.error(), what));
}

HelloEntry Daemon::hello()
{
    return impl_->read(impl_->call({{fields::op, ops::hello}}), [](const json& answer) {
        return HelloEntry{
            field<std::string>(answer, fields::version),  answer.at(fields::pid).get<int>(),
            answer.at(fields::volume).get<std::string>(), field<std::string>(answer, fields::store),
            field<std::string>(answer, fields::origin),   field<std::string>(answer, fields::data_socket)};
    });
}

VolumeEntry Daemon::status()
{
    return impl_->read(impl_->call({{fields::op, ops::status}}),
                       [](const json& answer) { return volume_of(answer.at(fields::volume)); });
}

std::vector<SnapshotEntry> Daemon::list()
{
    return impl_->read(impl_->call({{fields::op, ops::list}}), [](const json& answer) {
        std::vector<SnapshotEntry> entries;
        for (const json& object : answer.at(fields::snapshots)) {
            entries.push_back(snapshot_of(object));
        }
        return entries;
    });
}

std::optional<SnapshotEntry> Daemon::find(std::uint64_t id)
{
    auto answer = impl_->client.call({{fields::op, ops::get}, {fields::snapshot, id}});
    if (!answer) {
        if (answer.error().code == codes::not_found) {
            return std::nullopt;
        }
        throw failure_of(answer.error(), impl_->what);
    }
    return impl_->read(*answer, [](const json& object) { return snapshot_of(object.at(fields::snapshot)); });
}

SnapshotEntry Daemon::create(const NewSnapshot& wanted, milliseconds limit)
{
    json request{
        {fields::op, ops::create}, {fields::timeout_ms, limit.count()}, {fields::priority, wanted.priority}};
    if (wanted.id) {
        request[fields::snapshot] = *wanted.id;
    }
    if (!wanted.tag.empty()) {
        request[fields::tag] = wanted.tag.str();
    }
    if (!wanted.name.empty()) {
        request[fields::name] = wanted.name.str();
    }
    return impl_->read(impl_->call(request, limit + kGrace),
                       [](const json& answer) { return snapshot_of(answer.at(fields::snapshot)); });
}

SnapshotEntry Daemon::create(const ReceivedSnapshot& received, milliseconds limit)
{
    const json request{{fields::op, ops::create},           {fields::timeout_ms, limit.count()},
                       {fields::uuid, received.uuid.str()}, {fields::name, received.name.str()},
                       {fields::tag, received.tag.str()},   {fields::created_ns, received.created_ns}};
    return impl_->read(impl_->call(request, limit + kGrace),
                       [](const json& answer) { return snapshot_of(answer.at(fields::snapshot)); });
}

void Daemon::remove(std::uint64_t id) { impl_->call({{fields::op, ops::remove}, {fields::snapshot, id}}); }

void Daemon::set_priority(std::uint64_t id, int priority)
{
    impl_->call({{fields::op, ops::priority}, {fields::snapshot, id}, {fields::priority, priority}});
}

std::uint64_t Daemon::add_use(std::uint64_t id, std::int64_t difference)
{
    return impl_->read(
        impl_->call({{fields::op, ops::usecount}, {fields::snapshot, id}, {fields::diff, difference}}),
        [](const json& answer) { return answer.at(fields::use_count).get<std::uint64_t>(); });
}

void Daemon::resize(std::optional<std::uint64_t> origin_sectors, std::optional<std::uint64_t> store_bytes,
                    std::optional<std::uint64_t> meta_bytes)
{
    json request{{fields::op, ops::resize}};
    if (origin_sectors) {
        request[fields::origin_sectors] = *origin_sectors;
    }
    if (store_bytes) {
        request[fields::store_bytes] = *store_bytes;
    }
    if (meta_bytes) {
        request[fields::meta_bytes] = *meta_bytes;
    }
    impl_->call(request, kCheckLimit);
}

CheckEntry Daemon::check(bool data)
{
    return impl_->read(impl_->call({{fields::op, ops::check}, {fields::data, data}}, kCheckLimit),
                       [](const json& answer) {
                           CheckEntry entry{field<std::uint64_t>(answer, fields::exceptions),
                                            field<std::uint64_t>(answer, fields::data_verified),
                                            0,
                                            {}};
                           for (const json& damage : answer.value(fields::damage, json::array())) {
                               entry.damage.push_back({field<std::string>(damage, fields::what),
                                                       field<std::uint64_t>(damage, fields::where)});
                           }
                           // A daemon of before this field listed all.
                           entry.damage_found = answer.contains(fields::damage_found)
                                                    ? field<std::uint64_t>(answer, fields::damage_found)
                                                    : entry.damage.size();
                           return entry;
                       });
}

DeltaEntry Daemon::delta_step(const SnapshotEntry& from, const std::optional<SnapshotEntry>& to,
                              std::uint64_t start)
{
    json request{{fields::op, ops::delta}, {fields::from, from.id}, {fields::start, start}};
    if (to) {
        request[fields::to] = to->id;
    }
    DeltaEntry entry = impl_->read(impl_->call(request), [](const json& answer) {
        DeltaEntry step;
        for (const json& range : answer.at(fields::ranges)) {
            step.ranges.push_back({range.at(0).get<std::uint64_t>(), range.at(1).get<std::uint64_t>()});
        }
        step.next = answer.at(fields::next).get<std::uint64_t>();
        step.done = answer.at(fields::done).get<bool>();
        step.from_epoch = answer.at(fields::from_epoch).get<std::uint64_t>();
        step.to_epoch = field<std::uint64_t>(answer, fields::to_epoch);
        return step;
    });
    if (entry.from_epoch != from.epoch || entry.to_epoch != (to ? to->epoch : 0)) {
        throw Failure(Exit::not_found,
                      impl_->what + ": a snapshot was deleted, and its number given to another");
    }
    if (!entry.done && entry.next <= start) {
        throw Failure(Exit::failed, impl_->what + ": the daemon's answer is not understood: no progress");
    }
    return entry;
}

void Daemon::delta(const SnapshotEntry& from, const std::optional<SnapshotEntry>& to, std::uint64_t start,
                   const std::function<bool(const DeltaRange&)>& visit)
{
    DeltaRange last; // may go on with the next step's first
    for (bool done = false; !done;) {
        check_interrupt();
        const DeltaEntry step = delta_step(from, to, start);
        for (const DeltaRange& range : step.ranges) {
            if (last.count > 0 && last.first + last.count == range.first) {
                last.count += range.count;
                continue;
            }
            if (last.count > 0 && !visit(last)) {
                return;
            }
            last = range;
        }
        start = step.next;
        done = step.done;
    }
    if (last.count > 0) {
        visit(last);
    }
}

void Daemon::shutdown() { impl_->call({{fields::op, ops::shutdown}}); }

} // namespace zumastor
