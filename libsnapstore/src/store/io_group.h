// SPDX-License-Identifier: GPL-2.0
// Several I/Os at once: co_await group -> IoStatus::error if any of them failed. The requests live in the
// awaiting frame.
#pragma once

#include <array>

#include "memory/assertion.h"
#include "snapstore/task.h"

namespace snapstore {

template <std::size_t N>
class IoGroup {
public:
    IoGroup() = default;
    IoGroup(const IoGroup&) = delete;
    IoGroup& operator=(const IoGroup&) = delete;

    bool full() const noexcept { return count_ == N; }
    bool empty() const noexcept { return count_ == 0; }
    std::size_t size() const noexcept { return count_; }
    void clear() noexcept
    {
        count_ = 0;
        status_ = IoStatus::ok;
    }
    void add(BlockDevice& device, IoRequest::Op op, Bytes offset = {},
             std::span<std::byte> buffer = {}) noexcept
    {
        SNAPSTORE_ASSERT(!full());
        devices_[count_] = &device;
        IoRequest& request = requests_[count_];
        request = IoRequest{};
        request.op = op;
        request.offset = offset;
        request.buffer = buffer;
        request.context = this;
        request.on_complete = [](IoRequest& r) noexcept { static_cast<IoGroup*>(r.context)->completed(r); };
        ++count_;
    }
    IoStatus status(std::size_t index) const noexcept { return requests_[index].status; }

    bool await_ready() const noexcept { return count_ == 0; }
    void await_suspend(std::coroutine_handle<> h) noexcept
    {
        handle_ = h;
        waiting_ = count_;
        for (std::size_t i = 0; i < count_; ++i) {
            devices_[i]->submit(requests_[i]);
        }
    }
    IoStatus await_resume() const noexcept { return status_; }

private:
    void completed(const IoRequest& request) noexcept
    {
        if (request.status != IoStatus::ok) {
            status_ = IoStatus::error;
        }
        if (--waiting_ == 0) {
            handle_.resume();
        }
    }

    std::array<IoRequest, N> requests_{};
    std::array<BlockDevice*, N> devices_{};
    std::size_t count_ = 0;
    std::size_t waiting_ = 0;
    IoStatus status_ = IoStatus::ok;
    std::coroutine_handle<> handle_;
};

} // namespace snapstore
