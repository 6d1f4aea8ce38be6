// SPDX-License-Identifier: GPL-2.0
// simulation: runs seeds. docs/testing.md says what a run is and how to read a failure.
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "sim/bugs.h"
#include "sim/world.h"

namespace {

constexpr std::size_t kTraceLines = 80;

struct Options {
    std::uint64_t first = 1;
    std::uint64_t seeds = 100;
    std::uint64_t seed = 0; // 0 = as many as `seeds`
    unsigned operations = 0;
    std::string bug;
    bool trace = false;
    bool keep_going = false;
    bool expect_failure = false;
    bool all_bugs = false;
};

// The seed that is running, for a crash of the process and for the parent of a forked run.
volatile std::uint64_t* running_seed = nullptr;
std::array<char, 512> replay_suffix{};

extern "C" void on_fatal_signal(int number)
{
    std::array<char, 1024> text{};
    std::snprintf(text.data(), text.size(),
                  "\nseed %llu ended with signal %d; replay: simulation --seed %llu%s\n",
                  static_cast<unsigned long long>(*running_seed), number,
                  static_cast<unsigned long long>(*running_seed), replay_suffix.data());
    [[maybe_unused]] const auto written =
        ::write(STDERR_FILENO, text.data(), std::string_view(text.data()).size());
    std::signal(number, SIG_DFL);
    std::raise(number);
}

std::string options_suffix(const Options& options)
{
    std::string text;
    if (options.operations != 0) {
        text += fmt::format(" --ops {}", options.operations);
    }
    if (!options.bug.empty()) {
        text += fmt::format(" --bug {}", options.bug);
    }
    return text;
}

bool run_world(sim::Context& context, const Options& options, sim::Statistics& sum)
{
    const sim::Setup setup = sim::choose_setup(context.rng, options.operations);
    const sim::BugEntry* bug = sim::find_bug(options.bug);
    sim::World world(context, setup, bug == nullptr ? sim::ClientBug::none : bug->client);
    const bool good = world.run();
    sum.add(world.statistics());
    return good;
}

bool run_seed(std::uint64_t seed, const Options& options, sim::Statistics& sum)
{
    *running_seed = seed;
    sim::Context context(seed);
    if (options.trace) {
        context.enable_trace(true, 1);
    }
    return run_world(context, options, sum);
}

// Runs the seed again with a trace, and says how to do the same.
void explain(std::uint64_t seed, const Options& options)
{
    sim::Context context(seed);
    context.enable_trace(false, kTraceLines);
    sim::Statistics ignored;
    run_world(context, options, ignored);
    fmt::print("seed {} FAILED: {}\nThe last events:\n", seed, context.failure());
    for (const std::string& line : context.lines()) {
        fmt::print("  {}\n", line);
    }
    fmt::print("replay: simulation --seed {}{} --trace\n", seed, options_suffix(options));
    std::fflush(stdout);
}

// Returns the number of seeds that failed; stops at the first unless told to keep going.
std::uint64_t run_seeds(const Options& options)
{
    const auto begin = std::chrono::steady_clock::now();
    sim::Statistics sum;
    std::uint64_t failed = 0;
    std::uint64_t run = 0;
    const std::uint64_t first = options.seed != 0 ? options.seed : options.first;
    const std::uint64_t count = options.seed != 0 ? 1 : options.seeds;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        ++run;
        if (!run_seed(seed, options, sum)) {
            ++failed;
            if (!options.expect_failure) {
                explain(seed, options);
            }
            if (!options.keep_going) {
                break;
            }
        }
    }
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    fmt::print("{} seeds from {}, {} failed, {:.1f} s, {:.1f} seeds/s\n{}\n", run, first, failed,
               time.count(), static_cast<double>(run) / time.count(), sum.describe());
    return failed;
}

// Runs `work` in a process of its own, which may die of it; its wait status. Says nothing on stderr.
template <class Work>
int in_child(const Work& work)
{
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        for (const int number : {SIGABRT, SIGSEGV}) {
            std::signal(number, SIG_DFL);
        }
        std::freopen("/dev/null", "w", stderr);
        _exit(work());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

// The seed that was run last. A program that dies of it anyway has not found anything.
bool passes_without_bug(const Options& options)
{
    return in_child([&] {
               sim::plant({});
               Options mine = options;
               mine.bug.clear();
               sim::Statistics sum;
               return run_seed(*running_seed, mine, sum) ? 0 : 1;
           }) == 0;
}

// In a process of its own: a planted bug may also be found by an assertion of the engine.
bool find_one(const sim::BugEntry& bug, const Options& options)
{
    const int status = in_child([&] {
        sim::plant(bug);
        Options mine = options;
        mine.bug = bug.name;
        sim::Statistics sum;
        for (std::uint64_t seed = options.first; seed < options.first + bug.seeds; ++seed) {
            // The seed must be good without the bug, else it proves nothing.
            const bool found = !run_seed(seed, mine, sum);
            sim::plant({});
            mine.bug.clear();
            if (found && run_seed(seed, mine, sum)) {
                return 42;
            }
            sim::plant(bug);
            mine.bug = bug.name;
        }
        return 0;
    });
    const bool by_model = WIFEXITED(status) && WEXITSTATUS(status) == 42;
    const bool by_assertion =
        WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && passes_without_bug(options);
    fmt::print("{:<20} {:>6}  {:<10} {}\n", bug.name, *running_seed - options.first + 1,
               by_model       ? "model"
               : by_assertion ? "assertion"
                              : "NOT FOUND",
               bug.what);
    return by_model || by_assertion;
}

int find_all_bugs(const Options& options)
{
    if (sim::all_bugs().empty()) {
        fmt::print("this build has no bugs planted\n");
        return 2;
    }
    fmt::print("{:<20} {:>6}  {:<10} {}\n", "bug", "seeds", "found by", "what it is");
    bool good = true;
    for (const sim::BugEntry& bug : sim::all_bugs()) {
        if (options.bug.empty() || options.bug == bug.name) {
            good = find_one(bug, options) && good;
        }
    }
    return good ? 0 : 1;
}

// The bugs are in another build of the same program, beside this one.
int run_build_with_bugs(char** argv)
{
    std::array<char, 4096> path{};
    if (::readlink("/proc/self/exe", path.data(), path.size() - 16) < 0) {
        return 2;
    }
    const std::string other = std::string(path.data()) + "-with-bugs";
    ::execv(other.c_str(), argv);
    fmt::print(stderr, "cannot run {}\n", other);
    return 2;
}

int run(const Options& options)
{
    running_seed = static_cast<std::uint64_t*>(
        mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    fmt::format_to_n(replay_suffix.data(), replay_suffix.size() - 1, "{}", options_suffix(options));
    for (const int number : {SIGABRT, SIGSEGV}) {
        std::signal(number, on_fatal_signal);
    }
    if (options.all_bugs) {
        return find_all_bugs(options);
    }
    if (!options.bug.empty()) {
        const sim::BugEntry* bug = sim::find_bug(options.bug);
        if (bug == nullptr) {
            fmt::print(stderr, "no bug is named {}\n", options.bug);
            return 2;
        }
        sim::plant(*bug);
    }
    const bool failed = run_seeds(options) > 0;
    return failed == options.expect_failure ? 0 : 1;
}

} // namespace

int main(int argc, char** argv)
{
    Options options;
    CLI::App app{
        "Runs the volume service and the engine in simulated worlds with crashes, one for each seed."};
    app.add_option("--seeds", options.seeds, "how many seeds to run");
    app.add_option("--first", options.first, "the first of them");
    app.add_option("--seed", options.seed, "run this one only");
    app.add_option("--ops", options.operations, "operations in a run; 0: the seed's choice");
    app.add_option("--bug", options.bug, "plant this bug");
    app.add_flag("--trace", options.trace, "print every event");
    app.add_flag("--keep-going", options.keep_going, "run the other seeds after a failure too");
    app.add_flag("--expect-failure", options.expect_failure, "succeed if a seed fails");
    app.add_flag("--find-bugs", options.all_bugs, "plant every bug (or the one given), each must be found");
    CLI11_PARSE(app, argc, argv);
    if ((options.all_bugs || !options.bug.empty()) && sim::all_bugs().empty()) {
        return run_build_with_bugs(argv);
    }
    return run(options);
}
