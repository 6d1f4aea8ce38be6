// SPDX-License-Identifier: GPL-2.0
// Disks and a store in one deterministic world: runs coroutines to their end, completing I/O at random.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "snapstore/store.h"
#include "tests/support/sim_disk.h"

namespace zumastor::test {

using namespace snapstore; // NOLINT: the tests speak of nothing else

struct WorldConfig {
    Bytes origin{1ULL << 20};
    Bytes store{8ULL << 20};
    Bytes meta{}; // 0 = no metadata device
    bool witness = false;
    Sectors volume{}; // length of the volume; 0 = all of the origin's device
    std::uint32_t chunk_shift = 12;
    std::optional<Bytes> journal;
    std::uint32_t largest_write = 40; // chunks, of the model's origin writes
    StoreConfig store_config{Bytes{256ULL << 10}, 64, Bytes{256ULL << 10}, Bytes{64ULL << 10}};
};

class SimWorld : public StoreObserver {
public:
    explicit SimWorld(std::uint64_t seed, const WorldConfig& config = {});
    ~SimWorld() override;

    // Makes a store, opens one. A store that is open is given up first (the I/O must have ended).
    Result<void> initialize();
    Result<OpenReport> open();
    Result<void> close();

    // Power cut or death of the program; what was in flight ends with errors. The store is gone.
    void power_cut();
    void kill();

    // Completes I/O until `task` has ended. Ticks and refills when nothing else goes on.
    template <class T>
    T run(Task<T> task)
    {
        std::optional<T> result;
        spawn(frames_, deliver(frames_, std::move(task), result));
        while (!result) {
            step();
        }
        return std::move(*result);
    }
    void run(Task<void> task);
    // What goes on while a test does something else.
    struct Running {
        bool ended = false;
        Result<void> result;
    };
    void begin(Task<Result<void>> task, Running& running);
    void finish(const Running& running);
    void step();  // one completion, or a tick
    bool pump();  // one completion; false if no I/O is in flight
    void drain(); // all I/O in flight

    Store& store() noexcept { return *store_; }
    bool is_open() const noexcept { return store_ != nullptr; }
    SimDisk& origin() noexcept { return origin_; }
    // Each byte of the origin is the number of its 4 KiB, from 1 on: what is read tells where it is from.
    void number_origin();
    SimDisk& store_disk() noexcept { return store_disk_; }
    SimDisk& meta_disk() noexcept { return meta_disk_ ? *meta_disk_ : store_disk_; }
    SimDisk& witness() noexcept { return *witness_; }
    Devices devices() noexcept { return {&origin_, &store_disk_, meta_disk_.get(), witness_.get()}; }
    Random& random() noexcept { return random_; }
    FramePool& frames() noexcept { return frames_; }
    const WorldConfig& config() const noexcept { return config_; }
    Format format() const;

    // StoreObserver
    void squashed(SnapshotId id) noexcept override { squashed_ids.push_back(id); }
    Release released(SnapshotId id) noexcept override;
    void state_changed() noexcept override {}
    void log(Severity, std::string_view) noexcept override {}

    std::vector<SnapshotId> squashed_ids;
    Release squashed_space = Release::done; // what released() answers

private:
    template <class T>
    static Task<void> deliver([[maybe_unused]] FramePool& frames, Task<T> task, std::optional<T>& result)
    {
        result.emplace(co_await task);
    }
    static Task<void> keep([[maybe_unused]] FramePool& frames, Task<Result<void>> task, Running& running)
    {
        running.result = co_await task;
        running.ended = true;
    }
    static Task<void> deliver_void([[maybe_unused]] FramePool& frames, Task<void> task, bool& done)
    {
        co_await task;
        done = true;
    }
    void give_up();
    std::array<SimDisk*, 4> disks() noexcept
    {
        return {&origin_, &store_disk_, meta_disk_.get(), witness_.get()};
    }

    Random random_;
    WorldConfig config_;
    FramePool frames_;
    SimDisk origin_;
    SimDisk store_disk_;
    std::unique_ptr<SimDisk> meta_disk_;
    std::unique_ptr<SimDisk> witness_;
    std::unique_ptr<Store> store_;
    std::uint64_t idle_steps_ = 0;
};

} // namespace zumastor::test
