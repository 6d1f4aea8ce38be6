// SPDX-License-Identifier: GPL-2.0
// A store on disks in memory that do at once what they are asked for: for tests and measurements of large
// stores. What was never written costs no memory and reads as zeros.
#pragma once

#include <memory>
#include <optional>

#include "snapstore/store.h"

namespace zumastor::test {

using namespace snapstore; // NOLINT: the tests speak of nothing else

class MemoryQueue;

class MemoryDisk final : public BlockDevice {
public:
    MemoryDisk(MemoryQueue& queue, Bytes size);
    ~MemoryDisk() override;
    MemoryDisk(const MemoryDisk&) = delete;
    MemoryDisk& operator=(const MemoryDisk&) = delete;

    Bytes size() const noexcept override { return size_; }
    void submit(IoRequest& request) noexcept override;
    void execute(IoRequest& request) noexcept;

private:
    MemoryQueue& queue_;
    Bytes size_;
    std::byte* content_ = nullptr;
};

// Requests in the order of their submission.
class MemoryQueue {
public:
    void push(MemoryDisk& disk, IoRequest& request) noexcept;
    bool pump() noexcept; // completes one; false if there is none

private:
    IoRequest* head_ = nullptr;
    IoRequest* tail_ = nullptr;
};

class MemoryWorld final : public StoreObserver {
public:
    MemoryWorld(Bytes origin, Bytes store, std::uint32_t chunk_shift, const StoreConfig& config);

    // Makes and opens the store. Before anything else.
    Result<void> open();
    Store& store() noexcept { return *store_; }

    // Runs `task` to its end; aborts if nothing can go on.
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

    void squashed(SnapshotId) noexcept override {}
    Release released(SnapshotId) noexcept override { return Release::done; }
    void state_changed() noexcept override {}
    void log(Severity, std::string_view) noexcept override {}

private:
    template <class T>
    static Task<void> deliver([[maybe_unused]] FramePool& frames, Task<T> task, std::optional<T>& result)
    {
        result.emplace(co_await task);
    }
    void step();

    std::uint32_t chunk_shift_;
    StoreConfig config_;
    FramePool frames_;
    MemoryQueue queue_;
    MemoryDisk origin_;
    MemoryDisk disk_;
    std::unique_ptr<Store> store_;
    std::uint64_t idle_ = 0;
};

} // namespace zumastor::test
