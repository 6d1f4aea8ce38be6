// SPDX-License-Identifier: GPL-2.0
// bench-load: writes to a block device in an exactly known order, and says how long it took.
//
// A region is cut into slots of `--step` bytes; one block of `--block` bytes is written into each slot, once,
// at a pseudo-random place in it, the slots in order or shuffled. So the same options always give the same
// list of writes, and the number of chunks that they touch is exact, which fio's generators do not promise.
// Direct I/O through io_uring keeps `--depth` writes in flight. What is written is never zero: zero chunks
// are a special case of the snapshot store. fio takes seconds to start in an emulated processor; this takes
// milliseconds.
//
// Prints one JSON object: operations, bytes, elapsed_ns (first submission to last completion) and latencies.

#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
    std::string device;
    bool shuffle = false;
    std::uint64_t first = 0;
    std::uint64_t length = 0;
    std::uint64_t block = 4096;
    std::uint64_t step = 4096;
    unsigned depth = 32;
    std::uint64_t seed = 1;
};

struct Outcome {
    Clock::duration elapsed{};
    std::vector<std::uint64_t> latencies_us; // one a write, sorted
};

// The offsets to write, in order. mt19937_64's numbers are fixed by the standard; std::shuffle's use of them
// is not, hence a shuffle of our own.
std::vector<std::uint64_t> offsets(const Options& options)
{
    std::mt19937_64 random(options.seed);
    std::vector<std::uint64_t> list(options.length / options.step);
    const std::uint64_t places = options.step / options.block;
    for (std::size_t slot = 0; slot < list.size(); ++slot)
        list[slot] = options.first + slot * options.step + random() % places * options.block;
    if (options.shuffle)
        for (std::size_t left = list.size(); left > 1; --left)
            std::swap(list[left - 1], list[random() % left]);
    return list;
}

[[noreturn]] void fail(int error, const std::string& what)
{
    throw std::system_error(error, std::generic_category(), what);
}

class Writer {
public:
    explicit Writer(const Options& options)
        : block_(options.block), fd_(open(options.device.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC)),
          buffer_(static_cast<std::uint64_t*>(std::aligned_alloc(4096, options.block)), &std::free)
    {
        if (fd_ < 0)
            fail(errno, options.device);
        if (!buffer_)
            throw std::bad_alloc();
        std::mt19937_64 random(options.seed);
        std::generate_n(buffer_.get(), options.block / sizeof(std::uint64_t), [&] { return random() | 1; });
        if (const int error = io_uring_queue_init(options.depth, &ring_, 0); error < 0)
            fail(-error, "io_uring");
    }
    ~Writer()
    {
        io_uring_queue_exit(&ring_);
        close(fd_);
    }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    Outcome run(const std::vector<std::uint64_t>& list, unsigned depth)
    {
        Outcome outcome;
        submitted_.resize(list.size());
        outcome.latencies_us.reserve(list.size());
        const auto start = Clock::now();
        std::size_t next = 0;
        while (outcome.latencies_us.size() < list.size()) {
            while (next < list.size() && next - outcome.latencies_us.size() < depth)
                prepare(next++, list);
            if (const int error = io_uring_submit_and_wait(&ring_, 1); error < 0 && error != -EINTR)
                fail(-error, "io_uring_submit_and_wait");
            reap(outcome);
        }
        outcome.elapsed = Clock::now() - start;
        std::sort(outcome.latencies_us.begin(), outcome.latencies_us.end());
        return outcome;
    }

private:
    void prepare(std::size_t index, const std::vector<std::uint64_t>& list)
    {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        if (sqe == nullptr)
            throw std::logic_error("the submission queue is shorter than the depth");
        io_uring_prep_write(sqe, fd_, buffer_.get(), static_cast<unsigned>(block_), list[index]);
        io_uring_sqe_set_data64(sqe, index);
        submitted_[index] = Clock::now();
    }

    void reap(Outcome& outcome)
    {
        io_uring_cqe* cqe = nullptr;
        while (io_uring_peek_cqe(&ring_, &cqe) == 0) {
            const int result = cqe->res;
            const std::uint64_t index = io_uring_cqe_get_data64(cqe);
            io_uring_cqe_seen(&ring_, cqe);
            if (result < 0)
                fail(-result, "write");
            if (static_cast<std::uint64_t>(result) != block_)
                throw std::runtime_error("short write");
            const auto latency = Clock::now() - submitted_[index];
            outcome.latencies_us.push_back(static_cast<std::uint64_t>(
                std::chrono::duration_cast<std::chrono::microseconds>(latency).count()));
        }
    }

    std::uint64_t block_;
    int fd_;
    std::unique_ptr<std::uint64_t, decltype(&std::free)> buffer_;
    io_uring ring_{};
    std::vector<Clock::time_point> submitted_;
};

void print(const Options& options, const Outcome& outcome)
{
    const auto& us = outcome.latencies_us;
    const auto at = [&](std::size_t percent) { return us[(us.size() - 1) * percent / 100]; };
    const auto elapsed = std::chrono::duration_cast<std::chrono::nanoseconds>(outcome.elapsed).count();
    std::cout << R"({"operations": )" << us.size() << R"(, "bytes": )" << us.size() * options.block
              << R"(, "elapsed_ns": )" << elapsed << R"(, "latency_us": {"min": )" << at(0) << R"(, "p50": )"
              << at(50) << R"(, "p99": )" << at(99) << R"(, "max": )" << at(100) << "}}\n";
}

void check(const Options& options)
{
    if (options.block == 0 || options.block % 512 != 0 || options.block > (1u << 30))
        throw std::invalid_argument("--block is not a multiple of 512, or too large");
    if (options.step < options.block || options.step % options.block != 0)
        throw std::invalid_argument("--step is not a multiple of --block");
    if (options.length < options.step || options.length % options.step != 0)
        throw std::invalid_argument("--length is not a multiple of --step");
    if (options.first % 512 != 0)
        throw std::invalid_argument("--first is not a multiple of 512");
    if (options.depth == 0 || options.depth > 4096)
        throw std::invalid_argument("--depth is not within 1 ... 4096");
}

} // namespace

int main(int argc, char** argv)
{
    Options options;
    CLI::App app{"Writes each slot of a region of a block device once, and says how long it took"};
    app.add_option("--device", options.device, "block device; its content is overwritten")->required();
    app.add_flag("--shuffle", options.shuffle, "slots in pseudo-random order, not in ascending order");
    app.add_option("--first", options.first, "where the region begins, in bytes");
    app.add_option("--length", options.length, "length of the region, in bytes")->required();
    app.add_option("--block", options.block, "bytes a write");
    app.add_option("--step", options.step, "bytes a slot, of which one block is written");
    app.add_option("--depth", options.depth, "writes in flight");
    app.add_option("--seed", options.seed, "of order, places and content");
    CLI11_PARSE(app, argc, argv);
    try {
        check(options);
        print(options, Writer(options).run(offsets(options), options.depth));
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "bench-load: " << error.what() << "\n";
        return 1;
    }
}
