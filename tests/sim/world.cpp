// SPDX-License-Identifier: GPL-2.0
// Life and death of a simulated volume.
#include "sim/world.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sim {
namespace {

constexpr Micros kSecond = 1'000'000;
constexpr Micros kBootLimit = 60 * kSecond;

snapstore::StoreConfig store_config()
{
    snapstore::StoreConfig config;
    config.node_cache = snapstore::Bytes{1U << 20U};
    config.max_operations = 64;
    config.copy_buffer = snapstore::Bytes{1U << 20U};
    config.max_run = snapstore::Bytes{128U << 10U};
    return config;
}

ddsnap::ServiceConfig service_config(const Setup& setup)
{
    ddsnap::ServiceConfig config;
    config.origin_credits = setup.credits;
    config.snapshot_credits = std::min(setup.credits, 16U);
    config.max_range = 64;
    config.max_extents = setup.max_extents;
    config.snapshot_operations = 24;
    config.probe_interval_ns = 20'000'000;
    return config;
}

} // namespace

World::World(Context& context, const Setup& setup, ClientBug bug)
    : context_(context), setup_(setup), bug_(bug),
      model_(context, setup.capacity, setup.origin_sectors, setup.ample)
{
    context_.trace("setup: {}", setup_.describe());
}

World::~World()
{
    if (origin_ != nullptr) {
        origin_->die(Death::power);
    }
    for (const auto& client : snapshot_clients_) {
        if (!client->gone()) {
            client->die(Death::power);
        }
    }
    if (Daemon* last = daemon(); last != nullptr && !last->dead()) {
        last->kill(Death::power);
    }
    for (Disk* disk : {disks_.origin, disks_.store, disks_.meta}) {
        if (disk != nullptr) {
            disk->power_cut(); // lets go of what it still has
        }
    }
}

// ---- making the volume ----------------------------------------------------------------------

// The smallest store that this volume can have, and as many chunks more as the seed wants.
bool World::make_disks(const snapstore::Format& format)
{
    Disk origin(context_, "origin", setup_.capacity, 1);
    Port origin_port(context_, origin);
    std::uint64_t store_sectors = setup_.chunk_sectors();
    std::uint64_t meta_sectors = kSectorsPerBlock;
    bool enough = false;
    const char* refused = "";
    bool grown = false;
    for (int attempt = 0; attempt < 2000 && !enough; ++attempt) {
        Disk store(context_, "store", store_sectors, 1);
        Disk meta(context_, "meta", meta_sectors, 1);
        Port store_port(context_, store);
        Port meta_port(context_, meta);
        const snapstore::Devices devices{&origin_port, &store_port,
                                         setup_.separate_meta ? &meta_port : nullptr};
        const auto checked = snapstore::Store::check_sizes(devices, format);
        enough = checked.has_value();
        refused = enough ? "" : checked.error().what;
        if (!enough) {
            store_sectors += setup_.chunk_sectors();
            meta_sectors +=
                (attempt < 1000 ? 1 : 16) * kSectorsPerBlock; // tables for many snapshots are large
        } else if (!grown) {
            // Every chunk more needs a little more metadata.
            grown = true;
            store_sectors += setup_.store_chunks * (setup_.chunk_sectors() + 1) + context_.rng.below(16);
            meta_sectors += setup_.store_chunks;
            if (setup_.separate_meta && setup_.resizes) { // and may get less
                meta_sectors += context_.rng.below(64) * kSectorsPerBlock;
            }
            enough = false;
        }
    }
    origin_disk_ = std::make_unique<Disk>(context_, "origin", setup_.capacity, setup_.origin_latency);
    const std::uint64_t store_capacity = store_sectors + (setup_.resizes ? 64 * setup_.chunk_sectors() : 0);
    store_disk_ =
        std::make_unique<Disk>(context_, "store", store_sectors, setup_.store_latency, store_capacity);
    if (setup_.separate_meta) {
        meta_disk_ = std::make_unique<Disk>(context_, "meta", meta_sectors, setup_.store_latency,
                                            meta_sectors + (setup_.resizes ? 64 * kSectorsPerBlock : 0));
    }
    disks_ = {origin_disk_.get(), store_disk_.get(), meta_disk_.get()};
    if (!enough) {
        context_.fail(std::string("no size of the store satisfies check_sizes(): ") + refused);
    }
    return enough;
}

bool World::format()
{
    snapstore::Format format;
    format.chunk_shift = setup_.chunk_shift;
    format.journal = snapstore::Bytes{setup_.journal_bytes};
    format.origin_size = snapstore::Sectors{setup_.origin_sectors};
    for (std::byte& byte : format.uuid) {
        byte = static_cast<std::byte>(context_.rng.below(256));
    }
    if (!make_disks(format)) {
        return false;
    }
    Port origin(context_, *disks_.origin);
    Port store(context_, *disks_.store);
    Port meta(context_, setup_.separate_meta ? *disks_.meta : *disks_.store);
    const snapstore::Devices devices{&origin, &store, setup_.separate_meta ? &meta : nullptr};
    snapstore::FramePool frames;
    bool done = false;
    auto initialize = [](World& world, snapstore::FramePool& pool, snapstore::Devices on,
                         snapstore::Format with, bool& ended) -> snapstore::Task<void> {
        const auto result = co_await snapstore::Store::initialize(pool, on, with);
        if (!result) {
            world.context_.fail(fmt::format("initialize failed: {}", result.error().what));
        }
        ended = true;
    };
    snapstore::spawn(frames, initialize(*this, frames, devices, format, done));
    return step_until([&] { return done; }, kBootLimit, "initialize");
}

// ---- daemons --------------------------------------------------------------------------------

void World::boot()
{
    booting_ = false;
    daemons_.push_back(std::make_unique<Daemon>(context_, disks_, store_config(), service_config(setup_),
                                                *this, fmt::format("daemon{}", daemons_.size() + 1)));
    daemons_.back()->start([this] { opened(); });
}

void World::opened()
{
    // Only what was open when the last daemon died is open to doubt; its list decides it.
    model_.reconcile(daemon()->service().store().snapshots().list(), true);
    model_.resize_decided(daemon()->service().store().info().origin_size.value);
    follow_size();
}

// The successor begins when the last I/O of its predecessor has ended: it waits for the device's lock.
void World::boot_when_quiet()
{
    booting_ = true;
    context_.scheduler.after(context_.delay(800), [this] {
        if (!booting_) {
            return;
        }
        if (daemon() != nullptr && daemon()->io_under_way() > 0) {
            boot_when_quiet();
        } else {
            boot();
        }
    });
}

std::shared_ptr<Connection> World::connect(const Identity& identity)
{
    if (daemon() == nullptr || !daemon()->open()) {
        return nullptr;
    }
    auto connection = std::make_shared<Connection>(context_);
    daemon()->accept(connection, {identity.boot, identity.major_or_pid, identity.start_time});
    return connection;
}

bool World::proven_gone(const snapstore::Attachment& attachment) noexcept
{
    if (attachment.boot != boot_id_) {
        return true;
    }
    const auto it = registry_.find(attachment.client);
    return it == registry_.end() || (it->second->gone() && it->second->io_under_way() == 0);
}

// ---- clients --------------------------------------------------------------------------------

Identity World::make_identity(std::string name, bool process)
{
    Identity identity;
    const std::uint64_t number = ++identities_;
    std::memcpy(identity.client.data(), &number, sizeof(number));
    identity.boot = boot_id_;
    identity.kind = process ? DDSNAP_CLIENT_PROCESS : DDSNAP_CLIENT_KERNEL;
    identity.major_or_pid = static_cast<std::uint32_t>(1000 + number);
    identity.minor = process ? 0 : 1;
    identity.start_time = process ? number : 0;
    identity.name = fmt::format("{}{}", name, number);
    return identity;
}

void World::start_origin_client()
{
    if ((origin_ != nullptr && !origin_->gone()) || resizing_) {
        return; // nobody starts a volume that is being resized
    }
    list_anew();
    origin_clients_.push_back(std::make_unique<OriginClient>(
        context_, *this, make_identity("origin", setup_.process_client), model_, *disks_.origin));
    origin_ = origin_clients_.back().get();
    origin_->reconnect_delay = setup_.reconnect;
    origin_->bug_held_early = bug_ == ClientBug::held_before_drained;
    origin_->bug_keeps_grants = bug_ == ClientBug::grants_outlive_epoch;
    registry_[origin_->identity().client] = origin_;
    origin_->start();
}

// ---- crashes --------------------------------------------------------------------------------

void World::crash_daemon()
{
    ++statistics_.daemon_crashes;
    Daemon* last = daemon();
    if (last != nullptr && !last->dead()) {
        statistics_.recoveries_cut += last->open() ? 0U : 1U;
        statistics_.copied += last->open() ? last->service().store().counters().copied_chunks : 0;
        statistics_.moved += last->open() ? last->service().store().counters().moved_chunks : 0;
        statistics_.checkpoints += last->open() ? last->service().store().counters().checkpoints : 0;
        last->kill(Death::process);
    }
    admin_under_way_ = 0;
    resizing_ = false;
    if (!booting_) {
        boot_when_quiet();
    }
}

void World::crash_power()
{
    ++statistics_.power_cuts;
    context_.trace("---- power cut ----");
    if (Daemon* last = daemon(); last != nullptr && !last->dead()) {
        statistics_.recoveries_cut += last->open() ? 0U : 1U;
        last->kill(Death::power);
    }
    admin_under_way_ = 0;
    resizing_ = false;
    if (origin_ != nullptr) {
        std::exchange(origin_, nullptr)->die(Death::power);
    }
    for (const auto& client : snapshot_clients_) {
        if (!client->gone()) {
            client->die(Death::power);
        }
    }
    for (const auto& dead : daemons_) {
        dead->power_lost();
    }
    for (Disk* disk : {disks_.origin, disks_.store, disks_.meta}) {
        if (disk != nullptr) {
            disk->power_cut();
        }
    }
    model_.power_cut();
    observe_origin("after a power cut");
    const std::uint64_t boots = statistics_.power_cuts;
    std::memcpy(boot_id_.data(), &boots, sizeof(boots));
    if (!booting_) {
        boot_when_quiet();
    }
}

// What the origin holds is on the disk for all to see; so nothing about it stays open.
void World::observe_origin(const char* when)
{
    for (std::uint64_t sector = 0; sector < setup_.capacity; ++sector) {
        const Stamp seen = decode_sector(disks_.origin->peek(sector), sector);
        if (!model_.origin.allowed(sector, seen)) {
            context_.fail(fmt::format("origin {}: sector {} (chunk {}): expected {}, found {}", when, sector,
                                      sector / setup_.chunk_sectors(), model_.origin.expectation(sector),
                                      describe_bytes(disks_.origin->peek(sector))));
            return;
        }
        model_.origin.observe(sector, seen, true);
    }
}

// A process client is killed. Its last I/O may still be executed, and only then is it gone.
void World::crash_client()
{
    std::vector<SnapshotClient*> victims;
    for (const auto& client : snapshot_clients_) {
        if (!client->gone() && client->identity().kind == DDSNAP_CLIENT_PROCESS) {
            victims.push_back(client.get());
        }
    }
    if (!victims.empty() && (origin_ == nullptr || !setup_.process_client || context_.rng.percent(50))) {
        ++statistics_.client_crashes;
        SnapshotClient* victim = context_.rng.pick(victims);
        context_.trace("---- {} is killed ----", victim->identity().name);
        victim->die(Death::process);
    } else if (origin_ != nullptr && setup_.process_client) {
        ++statistics_.client_crashes;
        context_.trace("---- {} is killed ----", origin_->identity().name);
        OriginClient* victim = std::exchange(origin_, nullptr);
        victim->die(Death::process);
        step_until([victim] { return victim->io_under_way() == 0; }, kBootLimit, "a dead client's I/O");
        observe_origin("after its client was killed");
    }
}

void World::crash()
{
    const std::uint64_t kind = context_.rng.below(100);
    if (kind < 15) {
        crash_client();
    } else if (kind < 60) {
        crash_daemon();
    } else {
        crash_power();
    }
}

// ---- the run --------------------------------------------------------------------------------

bool World::step_until(const std::function<bool()>& condition, Micros limit, const char* waiting_for)
{
    const Micros end = context_.scheduler.now() + limit;
    while (!condition()) {
        if (context_.failed()) {
            return false;
        }
        if (context_.scheduler.now() > end || !context_.scheduler.step()) {
            context_.fail(fmt::format("hang: waiting for {}; {}", waiting_for, state()));
            return false;
        }
    }
    return !context_.failed();
}

std::string World::state() const
{
    const Daemon* last = daemons_.empty() ? nullptr : daemons_.back().get();
    std::string text = fmt::format("daemon {}, control operations under way {}",
                                   last == nullptr ? "none"
                                   : last->open()  ? "open"
                                                   : "not open",
                                   admin_under_way_);
    if (origin_ != nullptr) {
        text += "; " + origin_->state();
    }
    for (const auto& client : snapshot_clients_) {
        if (!client->gone()) {
            text += "; " + client->state();
        }
    }
    return text;
}

// One load that ends in a crash, which may be followed by others before anything has recovered.
bool World::round()
{
    operations_left_ = setup_.operations;
    next_operation();
    if (!step_until([this] { return operations_left_ == 0; }, 600 * kSecond, "the load to be issued")) {
        return false;
    }
    crash();
    while (!context_.failed() && context_.rng.percent(35)) {
        const Micros when = context_.scheduler.now() + context_.rng.between(1, 6000);
        if (!step_until([this, when] { return context_.scheduler.now() >= when; }, kBootLimit,
                        "the next crash")) {
            return false;
        }
        crash();
    }
    return !context_.failed() && recover();
}

bool World::recover()
{
    if (!step_until([this] { return daemon() != nullptr && daemon()->open(); }, kBootLimit, "recovery")) {
        return false;
    }
    if (context_.rng.percent(75)) {
        start_origin_client();
    }
    // Sometimes the next load begins at once.
    return context_.rng.percent(25) || (run_until_idle("after a crash") && compare("after a crash"));
}

bool World::finish()
{
    start_origin_client();
    if (!run_until_idle("at the end") || !compare("at the end") || !check_store()) {
        return false;
    }
    if (origin_ != nullptr) {
        origin_->begin_leave(true);
    }
    for (const auto& client : snapshot_clients_) {
        if (!client->gone()) {
            client->begin_leave(true);
        }
    }
    if (!step_until([this] { return everyone_left(); }, kBootLimit, "the clients to leave")) {
        return false;
    }
    bool closed = false;
    statistics_.copied += daemon()->service().store().counters().copied_chunks;
    statistics_.moved += daemon()->service().store().counters().moved_chunks;
    statistics_.checkpoints += daemon()->service().store().counters().checkpoints;
    daemon()->shut_down([&closed] { closed = true; });
    if (!step_until([&closed] { return closed; }, kBootLimit, "the store to close")) {
        return false;
    }
    daemon()->kill(Death::process);
    boot_when_quiet();
    return step_until([this] { return daemon()->open(); }, kBootLimit, "the last boot") &&
           compare("after an orderly end") && check_store();
}

bool World::run()
{
    bool good = format();
    if (good) {
        boot();
        good = step_until([this] { return daemon()->open(); }, kBootLimit, "the first boot");
        start_origin_client();
    }
    for (unsigned i = 0; good && i < setup_.rounds; ++i) {
        good = round();
    }
    good = good && finish();
    statistics_.events = context_.scheduler.steps();
    for (const auto& [id, snapshot] : model_.snapshots()) {
        statistics_.squashed += snapshot.squashed ? 1U : 0U;
    }
    return good && !context_.failed();
}

} // namespace sim
