// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/progress.h"

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

Progress::Progress(const Args& args, const stream::Header& header)
    : total_(header.chunks), chunk_bytes_(header.chunk_bytes())
{
    if (args.has("--json")) {
        style_ = Style::json;
    } else if (args.has("--quiet")) {
        style_ = Style::quiet;
    } else {
        style_ = ::isatty(STDERR_FILENO) != 0 ? Style::line : Style::end_only;
    }
}

// As long as what is done took, in proportion to what is left.
double Progress::seconds_left(std::uint64_t chunks, double seconds) const
{
    return chunks == 0 ? 0.0 : seconds * static_cast<double>(total_ - chunks) / static_cast<double>(chunks);
}

std::string Progress::text(std::uint64_t chunks, std::uint64_t bytes, double seconds) const
{
    const double done = static_cast<double>(chunks * chunk_bytes_);
    const auto rate = static_cast<std::uint64_t>(seconds > 0 ? done / seconds : 0);
    return format_size(chunks * chunk_bytes_) + " of " + format_size(total_ * chunk_bytes_) + ", " +
           format_size(rate) + "/s, " + format_size(bytes) + " in the stream";
}

std::string Progress::json(const char* event, std::uint64_t chunks, std::uint64_t bytes, double seconds) const
{
    return nlohmann::ordered_json{{"version", 1},
                                  {"event", event},
                                  {"bytes_done", chunks * chunk_bytes_},
                                  {"bytes_total", total_ * chunk_bytes_},
                                  {"stream_bytes", bytes},
                                  {"seconds", seconds},
                                  {"seconds_left", seconds_left(chunks, seconds)}}
        .dump();
}

void Progress::show(std::uint64_t chunks, std::uint64_t bytes)
{
    const auto now = Clock::now();
    if ((style_ != Style::line && style_ != Style::json) || now < next_) {
        return;
    }
    next_ = now + kInterval;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    if (style_ == Style::json) {
        (void)std::fprintf(stderr, "%s\n", json("progress", chunks, bytes, seconds).c_str());
    } else {
        (void)std::fprintf(stderr, "\r%s, %s left \033[K", text(chunks, bytes, seconds).c_str(),
                           format_seconds(seconds_left(chunks, seconds)).c_str());
    }
}

void Progress::finish(std::uint64_t chunks, std::uint64_t bytes)
{
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    if (style_ == Style::json) {
        (void)std::fprintf(stderr, "%s\n", json("end", chunks, bytes, seconds).c_str());
    } else if (style_ != Style::quiet) {
        (void)std::fprintf(stderr, "%s%s, %s\n", style_ == Style::line ? "\r\033[K" : "",
                           text(chunks, bytes, seconds).c_str(), format_seconds(seconds).c_str());
    }
}

} // namespace zumastor
