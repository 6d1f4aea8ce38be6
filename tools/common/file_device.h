// SPDX-License-Identifier: GPL-2.0
// The engine's devices for programs that do one thing and end: plain synchronous I/O on files and block
// devices. submit() only queues; FileIo::run() does the I/O and so drives the engine.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "ddsnapd/disk/unique_fd.h"
#include "snapstore/block_device.h"
#include "snapstore/task.h"

namespace zumastor {

class FileDevice;

// The queue that the devices of one store share: requests are done in the order of their submission.
class FileIo {
public:
    // Does queued requests, and those that their completions submit, until none is left.
    void run();

    // Runs a coroutine to its end and returns what it returns. It must not wait for anything but these
    // devices: else there is no result, which throws std::bad_optional_access.
    template <class T>
    T finish(snapstore::FramePool& frames, snapstore::Task<T> task)
    {
        std::optional<T> result;
        snapstore::spawn(frames, keep(frames, std::move(task), result));
        run();
        return std::move(result).value();
    }

private:
    friend class FileDevice;

    template <class T>
    static snapstore::Task<void> keep([[maybe_unused]] snapstore::FramePool& frames, snapstore::Task<T> task,
                                      std::optional<T>& result)
    {
        result.emplace(co_await task);
    }

    std::deque<std::pair<FileDevice*, snapstore::IoRequest*>> queue_;
};

class FileDevice final : public snapstore::BlockDevice {
public:
    // Takes over the descriptor. `name` is for messages.
    FileDevice(FileIo& io, ddsnap::UniqueFd fd, snapstore::Bytes size, std::string name);

    snapstore::Bytes size() const noexcept override { return size_; }
    void submit(snapstore::IoRequest& request) noexcept override;

    int fd() const noexcept { return fd_.get(); }
    const std::string& name() const noexcept { return name_; }
    const std::string& last_error() const noexcept { return last_error_; } // of the system, for messages

private:
    friend class FileIo;
    void execute(snapstore::IoRequest& request);
    bool transfer(const snapstore::IoRequest& request, bool write);

    FileIo& io_;
    ddsnap::UniqueFd fd_;
    snapstore::Bytes size_;
    std::string name_;
    std::string last_error_;
};

} // namespace zumastor
