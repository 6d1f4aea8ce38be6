// SPDX-License-Identifier: GPL-2.0
// Runs a fuzz target without libFuzzer: over all files of a corpus, then over a fixed number of mutations of
// them. What it does depends on its arguments alone.
//
//   fuzz-NAME-replay DIRECTORY [MUTATIONS [SEED]]
//   fuzz-NAME-replay FILE            one input
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace {

using Content = std::vector<std::uint8_t>;

constexpr unsigned kPatience = 60;          // seconds for one input
constexpr rlim_t kMemory = rlim_t{2} << 30; // bytes of address space
constexpr std::size_t kLongest = std::size_t{64} << 10;
constexpr const char* kFailedInput = "fuzz-failed-input";

const Content* current = nullptr;

// Async-signal-safe: keeps the input that did it.
void on_signal(int number)
{
    const int fd = ::open(kFailedInput, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0 && current != nullptr) {
        (void)!::write(fd, current->data(), current->size());
    }
    constexpr std::string_view kText = "replay: failed; the input is in ./fuzz-failed-input\n";
    (void)!::write(STDERR_FILENO, kText.data(), kText.size());
    (void)std::signal(number, SIG_DFL);
    (void)std::raise(number);
}

void run(const Content& input)
{
    current = &input;
    ::alarm(kPatience);
    (void)LLVMFuzzerTestOneInput(input.data(), input.size());
    ::alarm(0);
}

Content read_file(const std::filesystem::path& path)
{
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

class Mutator {
public:
    Mutator(std::vector<Content> corpus, std::uint64_t seed) : corpus_(std::move(corpus)), random_(seed) {}

    Content next()
    {
        Content bytes = corpus_[below(corpus_.size())];
        for (std::uint64_t n = 1 + below(4); n > 0; --n) {
            mutate(bytes);
        }
        bytes.resize(std::min(bytes.size(), kLongest));
        return bytes;
    }

private:
    std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : random_() % bound; }
    void mutate(Content& bytes)
    {
        constexpr std::array<std::uint8_t, 8> kInteresting{0, 1, 2, 0x7f, 0x80, 0xff, 0xfe, 0x10};
        const auto at = static_cast<std::ptrdiff_t>(below(bytes.size() + 1));
        const auto left = bytes.size() - static_cast<std::size_t>(at);
        const auto n = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(left, 1 + below(16)));
        switch (below(5)) {
        case 0:
            bytes.insert(bytes.begin() + at, static_cast<std::uint8_t>(random_()));
            break;
        case 1:
            bytes.erase(bytes.begin() + at, bytes.begin() + at + n);
            break;
        case 2: { // a piece of another input
            const Content& other = corpus_[below(corpus_.size())];
            const auto from = static_cast<std::ptrdiff_t>(below(other.size()));
            const auto end = std::min<std::ptrdiff_t>(std::ssize(other),
                                                      from + 1 + static_cast<std::ptrdiff_t>(below(200)));
            bytes.insert(bytes.begin() + at, other.begin() + from, other.begin() + end);
            break;
        }
        case 3:
            std::fill_n(bytes.begin() + at, n, kInteresting[below(kInteresting.size())]);
            break;
        default:
            if (left > 0) {
                bytes[static_cast<std::size_t>(at)] ^= static_cast<std::uint8_t>(1U << below(8));
            }
        }
    }

    std::vector<Content> corpus_;
    std::mt19937_64 random_;
};

std::uint64_t number(const char* text) { return std::strtoull(text, nullptr, 10); }

} // namespace

int main(int argc, char** argv)
{
    if (argc < 2) {
        (void)std::fprintf(stderr, "usage: %s FILE | DIRECTORY [MUTATIONS [SEED]]\n", argv[0]);
        return 2;
    }
    for (const int n : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM}) {
        (void)std::signal(n, on_signal);
    }
#ifndef ZUMASTOR_SANITIZED // sanitizers take terabytes of addresses
    const rlimit limit{kMemory, kMemory};
    (void)::setrlimit(RLIMIT_AS, &limit);
#endif
    if (!std::filesystem::is_directory(argv[1])) {
        run(read_file(argv[1]));
        return 0;
    }
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
        paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end()); // the order of a directory is no one's to rely on
    std::vector<Content> corpus;
    for (const auto& path : paths) {
        std::printf("%s\n", path.filename().c_str());
        (void)std::fflush(stdout);
        corpus.push_back(read_file(path));
        run(corpus.back());
    }
    if (corpus.empty()) {
        (void)std::fprintf(stderr, "%s has no corpus in it\n", argv[1]);
        return 1;
    }
    const std::uint64_t mutations = argc > 2 ? number(argv[2]) : 0;
    Mutator mutator(corpus, argc > 3 ? number(argv[3]) : 1);
    for (std::uint64_t i = 0; i < mutations; ++i) {
        run(mutator.next());
    }
    std::printf("%zu inputs, %llu mutations\n", corpus.size(), static_cast<unsigned long long>(mutations));
    return 0;
}
