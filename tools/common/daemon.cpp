// SPDX-License-Identifier: GPL-2.0
#include "tools/common/daemon.h"

#include <unistd.h>

#include <array>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ddsnapd/client/control_client.h"
#include "tools/common/failure.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

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
        Row{"not_found", Exit::not_found}, Row{"exists", Exit::exists},    Row{"busy", Exit::busy},
        Row{"detached", Exit::busy},       Row{"timeout", Exit::busy},     Row{"no_space", Exit::store_full},
        Row{"stopping", Exit::missing},    Row{"corrupt", Exit::mismatch},
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
    if (code == "timeout") {
        return "the origin device did not drain its writes in time: is its disk stalled?";
    }
    if (code == "detached") {
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
    entry.id = object.at("id").get<std::uint64_t>();
    entry.epoch = field<std::uint64_t>(object, "epoch");
    entry.uuid = UuidText::need(field<std::string>(object, "uuid"));
    entry.name = SnapshotName::from(field<std::string>(object, "name")).value_or(SnapshotName{});
    entry.tag = SnapshotTag::from(field<std::string>(object, "tag")).value_or(SnapshotTag{});
    entry.created_ns = field<std::uint64_t>(object, "created_ns");
    entry.sectors = field<std::uint64_t>(object, "sectors");
    entry.priority = field<int>(object, "priority");
    entry.use_count = field<std::uint64_t>(object, "use_count");
    entry.squashed = field<std::string>(object, "state") == "squashed";
    entry.clients = field<std::uint64_t>(object, "clients");
    return entry;
}

ClientEntry client_of(const json& object)
{
    ClientEntry entry;
    entry.origin = field<std::string>(object, "role") == "origin";
    entry.snapshot = field<std::uint64_t>(object, "snapshot");
    entry.name = field<std::string>(object, "name");
    entry.device = field<std::string>(object, "device");
    entry.sectors = field<std::uint64_t>(object, "sectors");
    entry.connected = field<bool>(object, "connected");
    entry.attached = field<bool>(object, "attached");
    return entry;
}

VolumeEntry volume_of(const json& object)
{
    VolumeEntry entry;
    const auto number = [&](const char* name) { return field<std::uint64_t>(object, name); };
    entry.uuid = UuidText::need(field<std::string>(object, "uuid"));
    entry.origin_sectors = number("origin_sectors");
    entry.chunk_bytes = number("chunk_size");
    entry.store_bytes = number("store_bytes");
    entry.store_chunks = number("store_chunks");
    entry.free_chunks = number("free_chunks");
    entry.pending_chunks = number("pending_chunks");
    entry.meta_blocks = number("meta_blocks");
    entry.free_meta_blocks = number("free_meta_blocks");
    entry.journal_blocks = number("journal_blocks");
    entry.journal_used = number("journal_used");
    entry.exceptions = number("exceptions");
    entry.snapshots = number("snapshots");
    entry.sweeping = field<bool>(object, "sweeping");
    entry.failed = field<std::string>(object, "state") == "failed";
    // A daemon that was not restarted since an upgrade does not tell these.
    if (const auto failure = object.find("failure"); failure != object.end() && failure->is_string()) {
        entry.failure = failure->get<std::string>();
    }
    entry.given_up = object.value("given_up", false);
    entry.snapshot_first = object.value("policy", std::string()) == "snapshot-first";
    entry.lost_chunks = object.value("lost_chunks", std::uint64_t{0});
    entry.bad_chunks = object.value("bad_chunks", std::uint64_t{0});
    entry.origin_samples = object.value("origin_samples", std::uint64_t{0});
    for (const json& lost : object.value("lost", json::array())) {
        entry.lost.push_back(
            {field<std::uint64_t>(lost, "chunk"), field<std::vector<std::uint64_t>>(lost, "snapshots")});
    }
    entry.uptime_ms = number("uptime_ms");
    for (const json& client : object.value("clients", json::array())) {
        entry.clients.push_back(client_of(client));
    }
    const json counters = object.value("counters", json::object());
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
    return impl_->read(impl_->call({{"op", "hello"}}), [](const json& answer) {
        return HelloEntry{field<std::string>(answer, "version"),  answer.at("pid").get<int>(),
                          answer.at("volume").get<std::string>(), field<std::string>(answer, "store"),
                          field<std::string>(answer, "origin"),   field<std::string>(answer, "data_socket")};
    });
}

VolumeEntry Daemon::status()
{
    return impl_->read(impl_->call({{"op", "status"}}),
                       [](const json& answer) { return volume_of(answer.at("volume")); });
}

std::vector<SnapshotEntry> Daemon::list()
{
    return impl_->read(impl_->call({{"op", "list"}}), [](const json& answer) {
        std::vector<SnapshotEntry> entries;
        for (const json& object : answer.at("snapshots")) {
            entries.push_back(snapshot_of(object));
        }
        return entries;
    });
}

std::optional<SnapshotEntry> Daemon::find(std::uint64_t id)
{
    auto answer = impl_->client.call({{"op", "get"}, {"snapshot", id}});
    if (!answer) {
        if (answer.error().code == "not_found") {
            return std::nullopt;
        }
        throw failure_of(answer.error(), impl_->what);
    }
    return impl_->read(*answer, [](const json& object) { return snapshot_of(object.at("snapshot")); });
}

SnapshotEntry Daemon::create(const NewSnapshot& wanted, milliseconds limit)
{
    json request{{"op", "create"}, {"timeout_ms", limit.count()}, {"priority", wanted.priority}};
    if (wanted.id) {
        request["snapshot"] = *wanted.id;
    }
    if (!wanted.tag.empty()) {
        request["tag"] = wanted.tag.str();
    }
    if (!wanted.name.empty()) {
        request["name"] = wanted.name.str();
    }
    return impl_->read(impl_->call(request, limit + kGrace),
                       [](const json& answer) { return snapshot_of(answer.at("snapshot")); });
}

SnapshotEntry Daemon::create(const ReceivedSnapshot& received, milliseconds limit)
{
    const json request{{"op", "create"},
                       {"timeout_ms", limit.count()},
                       {"uuid", received.uuid.str()},
                       {"name", received.name.str()},
                       {"tag", received.tag.str()},
                       {"created_ns", received.created_ns}};
    return impl_->read(impl_->call(request, limit + kGrace),
                       [](const json& answer) { return snapshot_of(answer.at("snapshot")); });
}

void Daemon::remove(std::uint64_t id) { impl_->call({{"op", "delete"}, {"snapshot", id}}); }

void Daemon::set_priority(std::uint64_t id, int priority)
{
    impl_->call({{"op", "priority"}, {"snapshot", id}, {"priority", priority}});
}

std::uint64_t Daemon::add_use(std::uint64_t id, std::int64_t difference)
{
    return impl_->read(impl_->call({{"op", "usecount"}, {"snapshot", id}, {"diff", difference}}),
                       [](const json& answer) { return answer.at("use_count").get<std::uint64_t>(); });
}

void Daemon::resize(std::optional<std::uint64_t> origin_sectors, std::optional<std::uint64_t> store_bytes,
                    std::optional<std::uint64_t> meta_bytes)
{
    json request{{"op", "resize"}};
    if (origin_sectors) {
        request["origin_sectors"] = *origin_sectors;
    }
    if (store_bytes) {
        request["store_bytes"] = *store_bytes;
    }
    if (meta_bytes) {
        request["meta_bytes"] = *meta_bytes;
    }
    impl_->call(request, kCheckLimit);
}

CheckEntry Daemon::check(bool data)
{
    return impl_->read(impl_->call({{"op", "check"}, {"data", data}}, kCheckLimit), [](const json& answer) {
        CheckEntry entry{
            field<std::uint64_t>(answer, "exceptions"), field<std::uint64_t>(answer, "data_verified"), {}};
        for (const json& damage : answer.value("damage", json::array())) {
            entry.damage.push_back(
                {field<std::string>(damage, "what"), field<std::uint64_t>(damage, "where")});
        }
        return entry;
    });
}

DeltaEntry Daemon::delta_step(const SnapshotEntry& from, const std::optional<SnapshotEntry>& to,
                              std::uint64_t start)
{
    json request{{"op", "delta"}, {"from", from.id}, {"start", start}};
    if (to) {
        request["to"] = to->id;
    }
    DeltaEntry entry = impl_->read(impl_->call(request), [](const json& answer) {
        DeltaEntry step;
        for (const json& range : answer.at("ranges")) {
            step.ranges.push_back({range.at(0).get<std::uint64_t>(), range.at(1).get<std::uint64_t>()});
        }
        step.next = answer.at("next").get<std::uint64_t>();
        step.done = answer.at("done").get<bool>();
        step.from_epoch = answer.at("from_epoch").get<std::uint64_t>();
        step.to_epoch = field<std::uint64_t>(answer, "to_epoch");
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

void Daemon::shutdown() { impl_->call({{"op", "shutdown"}}); }

} // namespace zumastor
