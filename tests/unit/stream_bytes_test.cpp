// SPDX-License-Identifier: GPL-2.0
// The ends of a stream that are file descriptors: one that waits for ever can be interrupted.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <thread>
#include <vector>

#include <pthread.h>
#include <unistd.h>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/common/failure.h"
#include "tools/stream/byte_stream.h"

namespace zumastor::stream::test {
namespace {

// Does it while this thread gets signals: again and again, as nobody can know when it has begun to wait.
void expect_interrupted(const std::function<void()>& waits)
{
    (void)std::signal(SIGINT, SIG_DFL); // what runs in the background may have it ignored
    catch_interrupts();
    std::atomic<bool> done = false;
    std::thread sender([&, to = ::pthread_self()] {
        while (!done) {
            ::pthread_kill(to, SIGINT);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    });
    try {
        waits();
        ADD_FAILURE() << "it has ended by itself";
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), Exit::interrupted);
    }
    done = true;
    sender.join();
    try {
        check_interrupt(); // the last signal may have come after the wait
    } catch (const Failure&) {
    }
}

struct Pipe {
    Pipe()
    {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe(ends.data()), 0);
        from = ddsnap::UniqueFd(ends[0]);
        to = ddsnap::UniqueFd(ends[1]);
    }
    ddsnap::UniqueFd from;
    ddsnap::UniqueFd to;
};

TEST(ByteStream, AReadThatWaitsIsInterrupted)
{
    const Pipe pipe;
    FdSource source(pipe.from.get());
    std::array<std::byte, 100> bytes{};
    expect_interrupted([&] { source.read(bytes); });
}

TEST(ByteStream, AReadThatWaitsForTheRestIsInterrupted)
{
    const Pipe pipe;
    ASSERT_EQ(::write(pipe.to.get(), "some", 4), 4);
    FdSource source(pipe.from.get());
    std::array<std::byte, 100> bytes{};
    expect_interrupted([&] { source.read(bytes); });
}

TEST(ByteStream, WhatWasReadAheadComesFirstAndCountsAsReady)
{
    Pipe pipe;
    FdSource source(pipe.from.get(), 8);
    EXPECT_FALSE(source.ready());
    ASSERT_EQ(::write(pipe.to.get(), "0123456789abcdefghij", 20), 20);
    const auto next = [&](std::size_t bytes) {
        std::string text(bytes, '-');
        text.resize(source.read(std::as_writable_bytes(std::span(text))));
        return text;
    };
    EXPECT_EQ(next(3), "012");
    EXPECT_TRUE(source.ready());
    EXPECT_EQ(next(2), "34");
    EXPECT_EQ(next(13), "56789abcdefgh"); // more than it keeps
    EXPECT_EQ(next(1), "i");
    EXPECT_TRUE(source.ready()); // nothing is left in the pipe
    pipe.to.reset();
    EXPECT_EQ(next(5), "j");
    EXPECT_EQ(next(5), "");
}

TEST(ByteStream, AWriteThatNobodyTakesIsInterrupted)
{
    const Pipe pipe;
    FdSink sink(pipe.to.get());
    const std::vector<std::byte> bytes(4u << 20);
    expect_interrupted([&] { sink.write(bytes); });
}

} // namespace
} // namespace zumastor::stream::test
