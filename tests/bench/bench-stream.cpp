// SPDX-License-Identifier: GPL-2.0
// bench-stream: the two ends of a replication without the kernel's target: what `zumastor send` and
// `zumastor receive` do with a stream, on a volume of files that a ddsnapd serves as a process.
//
//   format   makes the store of a volume
//   fill     writes an origin's content, before it is a volume
//   change   writes to scattered chunks of the volume, through the client library, as the kernel would;
//            prints what was changed, counted where it is written and nowhere else
//   send     the stream of a snapshot to standard output
//   receive  a stream from standard input to the origin of another volume, written with grants and
//            copy-out, flushed at the intervals and at the end as zumastor receive does
//
// send and receive use the code of the commands (tools/stream, progress): only the receiver's way to its
// origin is another one, the client library where the command has a device.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <csignal>
#include <cstring>
#include <iostream>
#include <map>
#include <random>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "ddsnapd/client/devices.h"
#include "tests/native/volume.h"
#include "tools/common/daemon.h"
#include "tools/common/uuid_text.h"
#include "tools/stream/aligned_memory.h"
#include "tools/stream/devices.h"
#include "tools/stream/receiver.h"
#include "tools/stream/sender.h"
#include "tools/zumastor/replication/progress.h"

namespace {

using namespace zumastor; // NOLINT: the bench is about it
using ddsnap::RawDisk;
using ddsnap::client::DeviceOptions;
using ddsnap::client::OriginDevice;
using nlohmann::ordered_json;
namespace wire = ddsnap::wire;

constexpr std::size_t kStep = 1u << 20;

struct Options {
    std::string folder; // of the volume: origin, store, and the sockets data and control
    std::uint64_t seed = 1;
    std::string kind = "random";
    std::uint64_t chunks = 1000;
    double zeros = 0.1;
    std::uint64_t longest = 40;
    std::uint64_t from = 0; // snapshot; 0: none
    std::uint64_t to = 0;
    std::string compress = "none";
    bool json = false;
    std::uint32_t chunk_shift = 14;

    std::string path(const char* name) const { return folder + "/" + name; }
    DeviceOptions device() const
    {
        DeviceOptions options;
        options.data_socket = path("data");
        options.origin = path("origin");
        options.store = path("store");
        options.name = "bench-stream";
        return options;
    }
};

template <class T>
T need(tl::expected<T, std::string> opened)
{
    if (!opened) {
        throw std::runtime_error(opened.error());
    }
    return std::move(*opened);
}

// ---- fill, change -----------------------------------------------------------------------------

// "random": nothing can be compressed. "text": words of a small vocabulary, which zstd makes a third.
class Content {
public:
    Content(const std::string& kind, std::uint64_t seed) : text_(kind == "text"), random_(seed)
    {
        for (std::string& word : words_) {
            word.resize(2 + random_() % 8);
            std::generate(word.begin(), word.end(), [&] { return static_cast<char>('a' + random_() % 26); });
            word += ' ';
        }
    }
    void fill(std::span<std::byte> out)
    {
        for (std::size_t at = 0; at < out.size();) {
            const std::uint64_t number = random_();
            const std::string_view part = text_ ? words_[number % words_.size()] : as_bytes(number);
            const std::size_t length = std::min(part.size(), out.size() - at);
            std::memcpy(out.data() + at, part.data(), length);
            at += length;
        }
    }

private:
    static std::string_view as_bytes(const std::uint64_t& number)
    {
        return {reinterpret_cast<const char*>(&number), sizeof number};
    }
    bool text_;
    std::mt19937_64 random_;
    std::array<std::string, 1024> words_;
};

void format(const Options& options)
{
    ddsnap::test::format_store(options.path("origin"), options.path("store"), "", options.chunk_shift);
}

void fill(const Options& options)
{
    const RawDisk disk = need(RawDisk::open(options.path("origin")));
    Content content(options.kind, options.seed);
    const AlignedMemory memory(kStep);
    for (std::uint64_t at = 0; at < disk.size(); at += kStep) {
        const auto part = memory.bytes().first(std::min<std::uint64_t>(kStep, disk.size() - at));
        content.fill(part);
        if (!disk.write(at, part)) {
            throw std::runtime_error(options.path("origin") + ": cannot be written");
        }
    }
    if (!disk.flush()) {
        throw std::runtime_error(options.path("origin") + ": cannot be flushed");
    }
}

// Runs of 1 … longest chunks anywhere, single ones as often as all others; some all zeros.
std::map<std::uint64_t, bool> choose(const Options& options, std::uint64_t all, std::mt19937_64& random)
{
    std::map<std::uint64_t, bool> chosen; // chunk: zero
    while (chosen.size() < options.chunks) {
        const std::uint64_t length = random() % 2 == 0 ? 1 : 1 + random() % options.longest;
        const bool zero = static_cast<double>(random() % 1000) < options.zeros * 1000;
        const std::uint64_t first = random() % all;
        for (std::uint64_t chunk = first; chunk < std::min(first + length, all); ++chunk) {
            if (chosen.size() < options.chunks || chosen.contains(chunk)) {
                chosen[chunk] = zero;
            }
        }
    }
    return chosen;
}

void change(const Options& options)
{
    const auto device = need(OriginDevice::open(options.device()));
    const std::uint64_t chunk_bytes = device->chunk_size();
    std::mt19937_64 random(options.seed);
    if (options.chunks > device->size() / chunk_bytes / 2) {
        throw std::runtime_error("too many chunks for this volume");
    }
    const auto chosen = choose(options, device->size() / chunk_bytes, random);
    Content content(options.kind, options.seed);
    const AlignedMemory memory(chunk_bytes);
    std::uint64_t zeros = 0;
    for (const auto& [chunk, zero] : chosen) {
        zeros += zero ? 1 : 0;
        std::fill(memory.bytes().begin(), memory.bytes().end(), std::byte{0});
        if (!zero) {
            content.fill(memory.bytes());
        }
        if (const auto status = device->write(chunk * chunk_bytes, memory.bytes());
            status != wire::Status::ok) {
            throw std::runtime_error("chunk " + std::to_string(chunk) + ": " +
                                     std::string(wire::name_of(status)));
        }
    }
    if (device->flush() != wire::Status::ok || !device->bye()) {
        throw std::runtime_error("the changes cannot be flushed");
    }
    std::cout << ordered_json{{"chunks", chosen.size()},
                              {"zero_chunks", zeros},
                              {"nonzero_bytes", (chosen.size() - zeros) * chunk_bytes}}
              << "\n";
}

// ---- send -------------------------------------------------------------------------------------

stream::RunSource whole(std::uint64_t chunks)
{
    return [chunks]() mutable -> std::optional<stream::ChunkRun> {
        const stream::ChunkRun run{0, std::exchange(chunks, 0)};
        return run.count > 0 ? std::optional(run) : std::nullopt;
    };
}

std::vector<stream::ChunkRun> changed(Daemon& daemon, const SnapshotEntry& from, const SnapshotEntry& to)
{
    std::vector<stream::ChunkRun> runs;
    daemon.delta(from, to, 0, [&](const DeltaRange& range) {
        runs.push_back({range.first, range.count});
        return true;
    });
    return runs;
}

SnapshotEntry find(Daemon& daemon, std::uint64_t id)
{
    const auto found = daemon.find(id);
    if (!found) {
        throw std::runtime_error("there is no snapshot " + std::to_string(id));
    }
    return *found;
}

ProgressOptions progress_options(const Options& options) { return {!options.json, options.json}; }

void send(const Options& options)
{
    const auto compression = stream::Compression::parse(options.compress);
    if (!compression) {
        throw std::runtime_error("--compress: none, zstd or zstd:LEVEL");
    }
    Daemon daemon(options.path("control"), options.folder);
    const SnapshotEntry to = find(daemon, options.to);
    const VolumeEntry store = daemon.status();
    DeviceOptions device = options.device();
    device.read_only = true;
    SnapshotContent content(to.id, device);

    stream::Header header;
    header.chunk_shift = static_cast<std::uint32_t>(std::countr_zero(store.chunk_bytes));
    header.lineage = need_uuid(store.uuid);
    header.to = need_uuid(to.uuid);
    header.sectors = to.sectors;
    header.created_ns = to.created_ns;
    header.chunks = header.all_chunks();
    stream::RunSource source = whole(header.chunks);
    std::optional<SnapshotContent> before;
    stream::Base base;
    if (options.from != 0) {
        const SnapshotEntry from = find(daemon, options.from);
        DeviceOptions old = options.device(); // a client of its own, by another UUID
        old.read_only = true;
        before.emplace(from.id, old);
        base = {&*before, from.sectors * 512};
        header.patches = true;
        header.from = need_uuid(from.uuid);
        header.chunks = 0;
        const auto runs = changed(daemon, from, to);
        for (const stream::ChunkRun& run : runs) {
            header.chunks += run.count;
        }
        source = [runs, at = std::size_t{0}]() mutable -> std::optional<stream::ChunkRun> {
            return at < runs.size() ? std::optional(runs[at++]) : std::nullopt;
        };
    }
    stream::FdSink sink(STDOUT_FILENO);
    Progress progress(progress_options(options), header);
    const auto sent = stream::send(
        header, source, content, sink, {*compression},
        [&](const stream::SendProgress& p) { progress.show(p.chunks, p.bytes); }, base);
    progress.finish(sent.chunks, sent.bytes);
}

// ---- receive ----------------------------------------------------------------------------------

// As DeviceWriter does it, through the client library.
class OriginWriter final : public stream::VolumeWriter {
public:
    explicit OriginWriter(const Options& options) : device_(need(OriginDevice::open(options.device()))) {}

    void write(std::uint64_t offset, stream::Bytes data) override { check(device_->write(offset, data)); }
    void zero(std::uint64_t offset, std::uint64_t length) override
    {
        const AlignedMemory memory(kStep);
        for (const std::uint64_t end = offset + length; offset < end;) {
            const auto part = memory.bytes().first(std::min<std::uint64_t>(kStep, end - offset));
            check(device_->read(offset, part));
            if (!stream::all_zero(part)) {
                std::fill(part.begin(), part.end(), std::byte{0});
                write(offset, part);
            }
            offset += part.size();
        }
    }
    void flush() override { check(device_->flush()); }
    void leave() const
    {
        if (!device_->bye()) {
            throw stream::TransferError("the daemon does not let go");
        }
    }

private:
    static void check(wire::Status status)
    {
        if (status != wire::Status::ok) {
            throw stream::TransferError("the origin: " + std::string(wire::name_of(status)));
        }
    }
    std::unique_ptr<OriginDevice> device_;
};

void receive(const Options& options)
{
    stream::FdSource source(STDIN_FILENO);
    stream::StreamReader reader(source);
    const auto header = reader.begin();
    if (!header) {
        throw stream::BadStream(header.error());
    }
    OriginWriter writer(options);
    Progress progress(progress_options(options), *header);
    const auto got = stream::receive(
        reader, writer, {},
        {[&](const stream::ReceiveProgress& p) { progress.show(p.chunks, p.bytes); }, [](std::uint64_t) {}});
    progress.finish(got.chunks, got.bytes);
    writer.leave();
}

} // namespace

int main(int argc, char** argv)
{
    Options options;
    CLI::App app{"The two ends of a replication, without the kernel's target."};
    app.require_subcommand(1);
    const auto command = [&](const char* name, const char* help, void (*run)(const Options&)) {
        CLI::App* sub = app.add_subcommand(name, help);
        sub->add_option("FOLDER", options.folder, "of the volume")->required();
        sub->callback([&options, run] { run(options); });
        return sub;
    };
    command("format", "make the store of a volume", format)
        ->add_option("--chunk-shift", options.chunk_shift, "(14)")
        ->check(CLI::Range(12, 20));
    CLI::App* fill_command = command("fill", "write an origin's content", fill);
    CLI::App* change_command = command("change", "write to scattered chunks", change);
    for (CLI::App* sub : {fill_command, change_command}) {
        sub->add_option("--seed", options.seed, "(1)");
        sub->add_option("--kind", options.kind, "random or text (random)")
            ->check(CLI::IsMember({"random", "text"}));
    }
    change_command->add_option("--chunks", options.chunks, "how many (1000)");
    change_command->add_option("--zeros", options.zeros, "share of zero ones (0.1)")
        ->check(CLI::Range(0.0, 1.0));
    change_command->add_option("--longest", options.longest, "run (40)")->check(CLI::Range(1, 1000));
    CLI::App* send_command = command("send", "a snapshot to standard output", send);
    send_command->add_option("--from", options.from, "number of the older snapshot");
    send_command->add_option("--to", options.to, "number of the snapshot")->required();
    send_command->add_option("--compress", options.compress, "none, zstd, zstd:LEVEL (none)");
    CLI::App* receive_command = command("receive", "a stream from standard input", receive);
    for (CLI::App* sub : {send_command, receive_command}) {
        sub->add_flag("--json", options.json, "progress on standard error");
    }
    (void)std::signal(SIGPIPE, SIG_IGN);
    try {
        CLI11_PARSE(app, argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "bench-stream: " << error.what() << "\n";
        return 1;
    }
    return 0;
}
