// SPDX-License-Identifier: GPL-2.0
// Where a stream's bytes go to and come from: a pipe, a file, a test's memory.
#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace zumastor::stream {

// A stream cannot be sent or received: why, and where.
class TransferError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// ... because nobody takes it.
class SinkError : public TransferError {
public:
    using TransferError::TransferError;
};

class ByteSink {
public:
    virtual ~ByteSink() = default;
    // All of it; or false, and error() says why (the reader has gone: "Broken pipe").
    virtual bool write(std::span<const std::byte> bytes) = 0;
    virtual std::string error() const = 0;
};

class ByteSource {
public:
    virtual ~ByteSource() = default;
    // Fills `bytes` as far as the source reaches and returns how much that is: less only at its end or
    // after a failure, of which error() is not empty then.
    virtual std::size_t read(std::span<std::byte> bytes) = 0;
    // Whether read() would give something, or say that there is no more, without waiting.
    virtual bool ready() const { return true; }
    virtual std::string error() const = 0;
};

// File descriptors, blocking, not owned. A pipe is made larger if the system allows it. A pipe's reader that
// has gone is an error, not a signal: the program ignores SIGPIPE. Both throw when the program is
// interrupted: behind a connection that was cut they would wait for ever. At the other end may be another
// host, so the volume's lock must not be held (tools/common/held_locks.h).
class FdSink final : public ByteSink {
public:
    explicit FdSink(int fd) noexcept;
    bool write(std::span<const std::byte> bytes) override;
    std::string error() const override { return error_; }

private:
    int fd_;
    std::string error_;
};

// Nowhere: a dry run's stream is only measured.
class NullSink final : public ByteSink {
public:
    bool write(std::span<const std::byte>) override { return true; }
    std::string error() const override { return {}; }
};

class FdSource final : public ByteSource {
public:
    // `ahead`: takes up to so many bytes more out of the descriptor than were asked for, for a reader of
    // many small pieces. Only if nobody else reads from it afterwards.
    explicit FdSource(int fd, std::size_t ahead = 0);
    std::size_t read(std::span<std::byte> bytes) override;
    bool ready() const override;
    std::string error() const override { return error_; }

private:
    std::size_t take(std::span<std::byte> bytes) noexcept;
    std::size_t read_some(std::span<std::byte> bytes); // 0: the end, or error_

    int fd_;
    std::string error_;
    std::vector<std::byte> buffer_;
    std::span<std::byte> waiting_; // of the buffer: read, and not yet asked for
};

} // namespace zumastor::stream
