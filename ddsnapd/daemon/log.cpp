// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/daemon/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "ddsnapd/disk/unique_fd.h"

namespace ddsnap::daemon {

namespace {

constexpr std::size_t kLines = 4096;

// "<4>": a line's priority, for the journal; see sd-daemon(3).
class Priority : public spdlog::custom_flag_formatter {
public:
    void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
                spdlog::memory_buf_t& to) override
    {
        const std::string_view mark = message.level >= spdlog::level::err    ? "<3>"
                                      : message.level == spdlog::level::warn ? "<4>"
                                                                             : "<6>";
        to.append(mark.data(), mark.data() + mark.size());
    }
    std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Priority>(); }
};

// A file that is opened again by its path when that is asked for, by the thread that writes. If it cannot be,
// lines go on to the file that is open.
class LogFile final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
public:
    explicit LogFile(std::string path) : path_(std::move(path))
    {
        if (!open()) {
            throw spdlog::spdlog_ex("cannot open the log " + path_, errno);
        }
    }
    void reopen() noexcept { wanted_ = true; }

protected:
    void sink_it_(const spdlog::details::log_msg& message) override
    {
        if (wanted_.exchange(false) && !open()) {
            throw spdlog::spdlog_ex("cannot open the log " + path_ + " anew", errno);
        }
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        const char* at = line.data();
        for (std::size_t left = line.size(); left > 0;) {
            const ssize_t n = ::write(file_.get(), at, left);
            if (n < 0 && errno != EINTR) {
                throw spdlog::spdlog_ex("cannot write to the log " + path_, errno);
            }
            at += n > 0 ? n : 0;
            left -= n > 0 ? static_cast<std::size_t>(n) : 0;
        }
    }
    void flush_() override {} // nothing is kept back

private:
    static constexpr mode_t kMode = 0640; // it names devices and programs

    bool open()
    {
        UniqueFd file(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, kMode));
        if (!file) {
            return false;
        }
        (void)::fchmod(file.get(), kMode);
        file_ = std::move(file);
        return true;
    }

    const std::string path_;
    UniqueFd file_;
    std::atomic<bool> wanted_{false};
};

// The journal knows time, program and process itself.
std::unique_ptr<spdlog::formatter> line_format(bool to_journal)
{
    auto format = std::make_unique<spdlog::pattern_formatter>();
    format->add_flag<Priority>('*').set_pattern(to_journal ? "%*%v"
                                                           : "%Y-%m-%dT%H:%M:%S.%e%z ddsnapd[%P] %l: %v");
    return format;
}

} // namespace

struct Log::Impl {
    std::shared_ptr<spdlog::details::thread_pool> pool;
    std::shared_ptr<spdlog::async_logger> logger;
    std::shared_ptr<LogFile> file; // empty: standard error
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
        std::shared_ptr<LogFile> file;
        if (path.empty()) {
            sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        } else {
            file = std::make_shared<LogFile>(path);
            sink = file;
        }
        auto impl = std::make_unique<Impl>();
        impl->file = std::move(file);
        impl->pool = std::make_shared<spdlog::details::thread_pool>(kLines, 1);
        impl->logger = std::make_shared<spdlog::async_logger>("ddsnapd", sink, impl->pool,
                                                              spdlog::async_overflow_policy::overrun_oldest);
        impl->logger->set_formatter(line_format(path.empty() && std::getenv("JOURNAL_STREAM") != nullptr));
        impl->logger->flush_on(spdlog::level::info);
        return std::unique_ptr<Log>(new Log(std::move(impl)));
    } catch (const spdlog::spdlog_ex& e) {
        return tl::unexpected<std::string>(e.what());
    }
}

void Log::log(Severity severity, std::string_view text) noexcept
{
    const auto level = severity == Severity::error     ? spdlog::level::err
                       : severity == Severity::warning ? spdlog::level::warn
                                                       : spdlog::level::info;
    impl_->logger->log(level, text); // spdlog reports its own failures on standard error
}

void Log::reopen() noexcept
{
    if (impl_->file) {
        impl_->file->reopen();
        log(Severity::info, "the log is reopened");
    }
}

std::uint64_t Log::dropped() const noexcept { return impl_->pool->overrun_counter(); }

} // namespace ddsnap::daemon
