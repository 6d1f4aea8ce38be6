// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/log.h"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace ddsnap::daemon {

namespace {
constexpr std::size_t kLines = 4096;
}

struct Log::Impl {
    std::shared_ptr<spdlog::details::thread_pool> pool;
    std::shared_ptr<spdlog::async_logger> logger;
};

Log::Log(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

Log::~Log()
{
    impl_->logger->flush();
    impl_->pool.reset(); // ends the thread after the last line; each line holds the logger
    impl_->logger.reset();
}

tl::expected<std::unique_ptr<Log>, std::string> Log::open(const std::string& path)
{
    try {
        spdlog::sink_ptr sink;
        if (path.empty()) {
            sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        } else {
            sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
        }
        auto impl = std::make_unique<Impl>();
        impl->pool = std::make_shared<spdlog::details::thread_pool>(kLines, 1);
        impl->logger = std::make_shared<spdlog::async_logger>("ddsnapd", sink, impl->pool,
                                                              spdlog::async_overflow_policy::overrun_oldest);
        impl->logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z ddsnapd[%P] %l: %v");
        impl->logger->flush_on(spdlog::level::info);
        return std::unique_ptr<Log>(new Log(std::move(impl)));
    } catch (const spdlog::spdlog_ex& e) {
        return tl::unexpected<std::string>(e.what());
    }
}

void Log::log(int severity, std::string_view text) noexcept
{
    const auto level = severity >= 2   ? spdlog::level::err
                       : severity == 1 ? spdlog::level::warn
                                       : spdlog::level::info;
    impl_->logger->log(level, text); // spdlog reports its own failures on standard error
}

std::uint64_t Log::dropped() const noexcept { return impl_->pool->overrun_counter(); }

} // namespace ddsnap::daemon
