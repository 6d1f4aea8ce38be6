// SPDX-License-Identifier: GPL-2.0
#include "tests/support/sim_world.h"

#include <cstdio>
#include <cstdlib>

namespace zumastor::test {

SimWorld::SimWorld(std::uint64_t seed, const WorldConfig& config)
    : random_(seed), config_(config), origin_(config.origin, random_), store_disk_(config.store, random_)
{
    if (config.meta.value != 0) {
        meta_disk_ = std::make_unique<SimDisk>(config.meta, random_);
    }
    if (config.witness) {
        witness_ = std::make_unique<SimDisk>(kBlockSize, random_);
    }
}

SimWorld::~SimWorld() { give_up(); }

void SimWorld::number_origin()
{
    const auto content = origin_.content();
    for (std::size_t i = 0; i < content.size(); ++i) {
        content[i] = static_cast<std::byte>(i / 4096 + 1);
    }
}

Format SimWorld::format() const
{
    Format format;
    format.chunk_shift = config_.chunk_shift;
    format.journal = config_.journal;
    format.uuid.fill(std::byte{0x5a});
    format.uuid[15] = std::byte{1};
    format.origin_size = config_.volume.value != 0 ? config_.volume : to_sectors_floor(config_.origin);
    return format;
}

void SimWorld::begin(Task<Result<void>> task, Running& running)
{
    spawn(frames_, keep(frames_, std::move(task), running));
}

void SimWorld::finish(const Running& running)
{
    while (!running.ended) { // NOLINT(bugprone-infinite-loop): the coroutines change it
        step();
    }
}

Result<void> SimWorld::initialize()
{
    give_up();
    return run(Store::initialize(frames_, devices(), format()));
}

Result<OpenReport> SimWorld::open()
{
    give_up();
    for (SimDisk* disk : disks()) {
        if (disk != nullptr) {
            disk->restore();
        }
    }
    store_ = std::make_unique<Store>(devices(), config_.store_config, *this);
    return run(store_->open());
}

Result<void> SimWorld::close()
{
    auto result = run(store_->close());
    give_up();
    return result;
}

void SimWorld::power_cut()
{
    for (SimDisk* disk : disks()) {
        if (disk != nullptr) {
            disk->power_cut();
        }
    }
    drain();
    give_up();
}

void SimWorld::kill()
{
    for (SimDisk* disk : disks()) {
        if (disk != nullptr) {
            disk->abandon();
        }
    }
    drain();
    give_up();
}

void SimWorld::give_up()
{
    drain();
    store_.reset();
}

bool SimWorld::pump()
{
    const std::size_t most = witness_ ? 4 : 3; // the worlds of seeds without a witness stay what they were
    const std::size_t start = random_() % most;
    for (std::size_t i = 0; i < most; ++i) {
        SimDisk* disk = disks()[(start + i) % most];
        if (disk != nullptr && disk->pump()) {
            return true;
        }
    }
    return false;
}

void SimWorld::drain()
{
    while (pump()) {
    }
}

void SimWorld::step()
{
    if (pump()) {
        idle_steps_ = 0;
        return;
    }
    if (store_ == nullptr || ++idle_steps_ > 1'000'000) {
        (void)std::fprintf(stderr, "SimWorld: nothing can go on any more\n");
        std::abort();
    }
    if (store_->upkeep().wants_refill()) {
        store_->upkeep().refill();
    }
    store_->upkeep().tick();
}

void SimWorld::run(Task<void> task)
{
    bool done = false;
    spawn(frames_, deliver_void(frames_, std::move(task), done));
    // NOLINTNEXTLINE(bugprone-infinite-loop): the coroutines change it
    while (!done) {
        step();
    }
}

Release SimWorld::released(SnapshotId) noexcept { return squashed_space; }

} // namespace zumastor::test
