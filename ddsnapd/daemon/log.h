// SPDX-License-Identifier: GPL-2.0
// The daemon's log: spdlog's bounded asynchronous logger. When the disk or terminal behind it is slow (the
// log may lie on our own volume), the oldest lines are dropped and counted; nobody waits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "ddsnapd/service/service_log.h"

namespace ddsnap::daemon {

class Log final : public ServiceLog {
public:
    // path: a file to append to; empty: standard error.
    static tl::expected<std::unique_ptr<Log>, std::string> open(const std::string& path);
    ~Log() override;
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    void log(Severity severity, std::string_view text) noexcept override;
    // The file is closed, and opened anew by its path, before the next line: it may have been moved away.
    // Nobody waits for that, either. Says so in it. Nothing, if the log goes to standard error.
    void reopen() noexcept;
    std::uint64_t dropped() const noexcept; // lines

private:
    struct Impl;
    explicit Log(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

} // namespace ddsnap::daemon
