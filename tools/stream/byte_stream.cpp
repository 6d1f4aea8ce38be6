// SPDX-License-Identifier: GPL-2.0
#include "tools/stream/byte_stream.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "tools/common/failure.h"
#include "tools/common/held_locks.h"

namespace zumastor::stream {
namespace {

// As large as everybody may make one by default (/proc/sys/fs/pipe-max-size). With 64 KiB, both ends would
// sleep and wake sixteen times as often.
constexpr int kPipeBytes = 1 << 20;

void widen(int fd) noexcept
{
    (void)::fcntl(fd, F_SETPIPE_SZ, kPipeBytes); // fails if it is no pipe, or not allowed: it works as it is
}

} // namespace

FdSink::FdSink(int fd) noexcept : fd_(fd) { widen(fd); }
FdSource::FdSource(int fd, std::size_t ahead) : fd_(fd), buffer_(ahead) { widen(fd); }

bool FdSink::write(std::span<const std::byte> bytes)
{
    about_to_wait_for_peer();
    while (!bytes.empty()) {
        check_interrupt(); // in each round: a write that is interrupted in the middle only is a short one
        const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
        if (n < 0 && errno != EINTR) {
            error_ = std::generic_category().message(errno);
            return false;
        }
        bytes = bytes.subspan(n > 0 ? static_cast<std::size_t>(n) : 0);
    }
    return true;
}

std::size_t FdSource::read(std::span<std::byte> bytes)
{
    std::size_t filled = take(bytes);
    while (filled < bytes.size()) {
        const auto rest = bytes.subspan(filled);
        if (rest.size() >= buffer_.size()) {
            const std::size_t n = read_some(rest);
            if (n == 0) {
                break;
            }
            filled += n;
        } else {
            waiting_ = std::span(buffer_).first(read_some(buffer_));
            if (waiting_.empty()) {
                break;
            }
            filled += take(rest);
        }
    }
    return filled;
}

std::size_t FdSource::take(std::span<std::byte> bytes) noexcept
{
    const std::size_t n = std::min(bytes.size(), waiting_.size());
    std::copy_n(waiting_.begin(), n, bytes.begin());
    waiting_ = waiting_.subspan(n);
    return n;
}

std::size_t FdSource::read_some(std::span<std::byte> bytes)
{
    about_to_wait_for_peer();
    for (;;) {
        check_interrupt();
        const ssize_t n = ::read(fd_, bytes.data(), bytes.size());
        if (n >= 0) {
            return static_cast<std::size_t>(n);
        }
        if (errno != EINTR) {
            error_ = std::generic_category().message(errno);
            return 0;
        }
    }
}

bool FdSource::ready() const
{
    pollfd poll{fd_, POLLIN, 0};
    return !waiting_.empty() || ::poll(&poll, 1, 0) != 0; // a failure is read()'s to tell
}

} // namespace zumastor::stream
