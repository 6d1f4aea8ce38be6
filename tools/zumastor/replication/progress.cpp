// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/replication/progress.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "tools/common/text.h"

namespace zumastor {
namespace {

constexpr std::chrono::milliseconds kInterval{500};

std::string format_seconds(double seconds)
{
    const auto all = static_cast<unsigned long long>(std::llround(seconds));
    char text[32];
    (void)std::snprintf(text, sizeof text, "%llu:%02llu:%02llu", all / 3600, all / 60 % 60, all % 60);
    return text;
}

} // namespace

Progress::Progress(const ProgressOptions& options, const stream::Header& header)
    : total_(header.chunks), chunk_bytes_(header.chunk_bytes())
{
    if (options.json) {
        style_ = Style::as_json;
    } else if (options.quiet) {
        style_ = Style::quiet;
    } else {
        style_ = ::isatty(STDERR_FILENO) != 0 ? Style::line : Style::end_only;
    }
}

// `rate`: chunks per second.
std::string Progress::text(std::uint64_t chunks, std::uint64_t bytes, double rate) const
{
    return format_size(chunks * chunk_bytes_) + " of " + format_size(total_ * chunk_bytes_) + ", " +
           format_size(static_cast<std::uint64_t>(rate * static_cast<double>(chunk_bytes_))) + "/s, " +
           format_size(bytes) + " in the stream";
}

std::string Progress::json(const char* event, std::uint64_t chunks, std::uint64_t bytes, double seconds) const
{
    nlohmann::ordered_json line{{"version", 1},
                                {"event", event},
                                {"bytes_done", chunks * chunk_bytes_},
                                {"bytes_left", (total_ - chunks) * chunk_bytes_},
                                {"bytes_total", total_ * chunk_bytes_},
                                {"stream_bytes", bytes},
                                {"seconds", seconds},
                                {"bytes_per_second", nullptr},
                                {"seconds_left", nullptr}};
    if (const auto rate = estimate_.rate()) {
        line["bytes_per_second"] = std::llround(*rate * static_cast<double>(chunk_bytes_));
        line["seconds_left"] = *estimate_.seconds_left(total_);
    }
    return line.dump();
}

void Progress::show(std::uint64_t chunks, std::uint64_t bytes)
{
    if (style_ != Style::line && style_ != Style::as_json) {
        return;
    }
    const auto now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - start_).count();
    estimate_.reached(seconds, chunks);
    if (now < next_) {
        return;
    }
    next_ = now + kInterval;
    if (style_ == Style::as_json) {
        (void)std::fprintf(stderr, "%s\n", json("progress", chunks, bytes, seconds).c_str());
        return;
    }
    const auto left = estimate_.seconds_left(total_);
    (void)std::fprintf(stderr, "\r%s; %s and %s left \033[K",
                       text(chunks, bytes, estimate_.rate().value_or(0)).c_str(),
                       format_size((total_ - chunks) * chunk_bytes_).c_str(),
                       left ? format_seconds(*left).c_str() : "?:??:??");
}

void Progress::finish(std::uint64_t chunks, std::uint64_t bytes)
{
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    estimate_.reached(seconds, chunks);
    if (style_ == Style::as_json) {
        (void)std::fprintf(stderr, "%s\n", json("end", chunks, bytes, seconds).c_str());
    } else if (style_ != Style::quiet) {
        const double rate = seconds > 0 ? static_cast<double>(chunks) / seconds : 0; // over all
        (void)std::fprintf(stderr, "%s%s, %s\n", style_ == Style::line ? "\r\033[K" : "",
                           text(chunks, bytes, rate).c_str(), format_seconds(seconds).c_str());
    }
}

} // namespace zumastor
