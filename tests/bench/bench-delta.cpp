// SPDX-License-Identifier: GPL-2.0
// bench-delta: how long it takes to list the chunks that changed between the last two snapshots of a large
// store, by how many there are.
//
// The store is the real engine on disks in memory. Exceptions of many snapshots are spread over it at random;
// then, for each number of changed chunks, two snapshots are taken with so many chunks written in between,
// single ones or runs of 64. What is timed is the engine's delta(), call by call until it is complete, with
// room for 1,024 ranges as over the control socket; no socket, no JSON. longest_call_ms is that of the repeat
// in which it was shortest: on a busy machine other processes get in between. The counts (nodes, calls) are
// exact, the times are this machine's.
//
// Prints one JSON object. Exit status: 0, or 3 if the target is missed: 1,000 changed chunks in 20 ms.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/memory_world.h"

namespace {

using namespace zumastor::test; // NOLINT: the engine and its world
using Clock = std::chrono::steady_clock;
using nlohmann::ordered_json;

constexpr std::uint32_t kChunkShift = 12;
constexpr std::uint64_t kTargetChunks = 1000;
constexpr double kTargetMs = 20;

struct Options {
    std::uint64_t exceptions = 5'000'000;
    std::uint64_t snapshots = 50; // that they are spread over
    std::uint64_t most = 1'000'000;
    unsigned repeats = 7;
    std::uint64_t seed = 1;
};

struct Walk {
    double ms = 0;
    std::uint64_t calls = 0;
    std::uint64_t nodes = 0;
    std::uint64_t ranges = 0;
    std::uint64_t chunks = 0;
    double longest_call_ms = 0;
};

double milliseconds(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

class Bench {
public:
    explicit Bench(const Options& options)
        : options_(options), random_(options.seed), chunks_(options.exceptions),
          world_(Bytes{chunks_ << kChunkShift}, Bytes{(chunks_ + 2 * options.most) << kChunkShift},
                 kChunkShift, StoreConfig{})
    {
        need(world_.open(), "open");
    }

    void fill()
    {
        constexpr std::uint32_t kRun = 8;
        const std::uint64_t each = options_.exceptions / options_.snapshots;
        while (world_.store().info().exceptions < options_.exceptions) {
            take();
            const std::uint64_t wanted = world_.store().info().exceptions + each;
            while (world_.store().info().exceptions < std::min(wanted, options_.exceptions)) {
                write(random_() % (chunks_ - kRun), kRun);
            }
        }
    }

    ordered_json measure(std::uint64_t changed, std::uint32_t run)
    {
        const SnapshotId from = take();
        for (std::uint64_t copied = world_.store().counters().copied_chunks, end = copied + changed;
             copied < end; copied = world_.store().counters().copied_chunks) {
            const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(run, end - copied));
            write(random_() % (chunks_ / run) * run, count);
        }
        const SnapshotId to = take();
        std::vector<Walk> walks;
        for (unsigned i = 0; i < options_.repeats; ++i) {
            walks.push_back(walk(from, to));
        }
        std::sort(walks.begin(), walks.end(), [](const Walk& a, const Walk& b) { return a.ms < b.ms; });
        const Walk& median = walks[walks.size() / 2];
        const auto longest = std::min_element(walks.begin(), walks.end(), [](const Walk& a, const Walk& b) {
                                 return a.longest_call_ms < b.longest_call_ms;
                             })->longest_call_ms;
        return {{"changed", median.chunks},   {"run", run},
                {"ranges", median.ranges},    {"calls", median.calls},
                {"nodes", median.nodes},      {"ms", median.ms},
                {"ms_min", walks.front().ms}, {"ms_max", walks.back().ms},
                {"longest_call_ms", longest}};
    }

    std::uint64_t exceptions() { return world_.store().info().exceptions; }
    std::uint64_t meta_blocks()
    {
        return world_.store().info().meta_blocks - world_.store().info().free_meta_blocks;
    }

private:
    template <class R>
    static void need(const R& result, const char* what)
    {
        if (!result) {
            throw std::runtime_error(std::string(what) + ": " + result.error().what);
        }
    }

    SnapshotId take()
    {
        const auto made = world_.run(world_.store().snapshots().create({}));
        need(made, "create");
        return made->id;
    }

    void write(std::uint64_t first, std::uint32_t count)
    {
        need(world_.run(world_.store().origin().write({Chunk{first}, count})), "write");
    }

    Walk walk(SnapshotId from, SnapshotId to)
    {
        std::vector<ChunkRange> out(1024);
        Walk walk;
        const std::uint64_t nodes = world_.store().counters().delta_nodes;
        const auto begin = Clock::now();
        for (DeltaPart part; !part.complete; ++walk.calls) {
            const auto call = Clock::now();
            const auto answer = world_.store().snapshots().delta(from, to, part.next, out);
            walk.longest_call_ms = std::max(walk.longest_call_ms, milliseconds(Clock::now() - call));
            need(answer, "delta");
            part = *answer;
            walk.ranges += part.ranges;
            for (std::size_t i = 0; i < part.ranges; ++i) {
                walk.chunks += out[i].count;
            }
        }
        walk.ms = milliseconds(Clock::now() - begin);
        walk.nodes = world_.store().counters().delta_nodes - nodes;
        return walk;
    }

    Options options_;
    std::mt19937_64 random_;
    std::uint64_t chunks_;
    MemoryWorld world_;
};

int run(const Options& options)
{
    Bench bench(options);
    const auto begin = Clock::now();
    bench.fill();
    ordered_json result{{"exceptions", bench.exceptions()},
                        {"metadata_blocks", bench.meta_blocks()},
                        {"fill_s", milliseconds(Clock::now() - begin) / 1000},
                        {"repeats", options.repeats}};
    ordered_json target;
    for (const std::uint32_t length : {1U, 64U}) {
        for (std::uint64_t changed = 100; changed <= options.most; changed *= 10) {
            const ordered_json row = bench.measure(changed, length);
            if (changed == kTargetChunks && length == 1) {
                target = {{"name", "delta of the last two snapshots, 1,000 changed chunks, ms"},
                          {"relation", "<="},
                          {"target", kTargetMs},
                          {"measured", row["ms"]},
                          {"spread", {row["ms_min"], row["ms_max"]}},
                          {"met", row["ms"].get<double>() <= kTargetMs}};
            }
            result["results"].push_back(row);
        }
    }
    result["targets"].push_back(target);
    std::cout << result.dump(2) << "\n";
    return target["met"].get<bool>() ? 0 : 3;
}

} // namespace

int main(int argc, char** argv)
{
    Options options;
    CLI::App app{"Times deltas of a large store."};
    app.add_option("--exceptions", options.exceptions, "in the store to begin with (5000000)")
        ->check(CLI::Range(100'000, 100'000'000));
    app.add_option("--snapshots", options.snapshots, "that made them (50)")->check(CLI::Range(1, 10'000));
    app.add_option("--most", options.most, "changed chunks (1000000)")->check(CLI::Range(1000, 10'000'000));
    app.add_option("--repeats", options.repeats, "(7)")->check(CLI::Range(1, 1000));
    app.add_option("--seed", options.seed, "(1)");
    CLI11_PARSE(app, argc, argv);
    try {
        return run(options);
    } catch (const std::exception& error) {
        std::cerr << "bench-delta: " << error.what() << "\n";
        return 1;
    }
}
