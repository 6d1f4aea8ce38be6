// SPDX-License-Identifier: GPL-2.0
// ddsnap delta create, delta apply: deltas as files.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstdio>
#include <optional>

#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/ddsnap/commands.h"
#include "tools/ddsnap/delta_stream.h"

namespace zumastor::ddsnap {
namespace {

// A snapshot's device, mapped by whoever makes deltas.
class DeviceContent final : public stream::SnapshotReader {
public:
    explicit DeviceContent(const std::string& path) : path_(path), disk_(open(path)) {}

    std::uint64_t size() const noexcept { return disk_.size(); }
    void read(std::uint64_t offset, std::span<std::byte> data) override
    {
        if (!disk_.read(offset, data)) {
            throw stream::TransferError(path_ + ": cannot be read at byte " + std::to_string(offset));
        }
    }

private:
    static ::ddsnap::RawDisk open(const std::string& path)
    {
        auto disk = ::ddsnap::RawDisk::open(path, true);
        if (!disk) {
            throw Failure(Exit::not_found, disk.error(), "map the snapshot first (dmsetup)");
        }
        return std::move(*disk);
    }

    std::string path_;
    ::ddsnap::RawDisk disk_;
};

Changelist read_changelist(const std::string& path)
{
    const auto text = text_of(path).need();
    if (!text) {
        throw Failure(Exit::not_found, path + " is not there");
    }
    Changelist list = parse_changelist(*text, path);
    constexpr std::uint64_t kLeast = 4096;
    constexpr std::uint64_t kMost = 1u << 20;
    const std::uint64_t chunk = list.header.chunk_bytes;
    if (!std::has_single_bit(chunk) || chunk < kLeast || chunk > kMost) {
        throw Failure(Exit::mismatch,
                      path + ": chunks of " + std::to_string(chunk) + " bytes are not possible");
    }
    return list;
}

stream::RunSource runs_of(const Changelist& list, std::uint64_t all_chunks)
{
    return [&list, all_chunks, at = std::size_t{0}]() mutable -> std::optional<stream::ChunkRun> {
        if (at == list.ranges.size() || list.ranges[at].first >= all_chunks) {
            return std::nullopt;
        }
        const DeltaRange& range = list.ranges[at++];
        return stream::ChunkRun{range.first, std::min(range.count, all_chunks - range.first)};
    };
}

// Removed again unless it is complete.
class DeltaFile {
public:
    explicit DeltaFile(const std::string& path)
        : path_(path), new_path_(path + ".new"),
          fd_(::open(new_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600))
    {
        if (!fd_) {
            throw errno_failure("cannot write " + new_path_);
        }
    }
    DeltaFile(const DeltaFile&) = delete;
    DeltaFile& operator=(const DeltaFile&) = delete;
    ~DeltaFile()
    {
        if (fd_) {
            ::unlink(new_path_.c_str());
        }
    }
    int fd() const noexcept { return fd_.get(); }
    void commit()
    {
        if (::fsync(fd_.get()) != 0 || ::rename(new_path_.c_str(), path_.c_str()) != 0) {
            throw errno_failure("cannot write " + path_);
        }
        fd_.reset();
    }

private:
    std::string path_;
    std::string new_path_;
    ::ddsnap::UniqueFd fd_;
};

struct DeltaCreate : Level {
    std::string changelist;
    std::string delta;
    std::string stem;
};

struct DeltaApply {
    std::string delta;
    std::string stem;
};

Exit delta_create(const DeltaCreate& given)
{
    const Changelist list = read_changelist(given.changelist);
    const ChangelistHeader& about = list.header;
    const std::string device = given.stem + "@" + std::to_string(about.to.id);
    DeviceContent content(device);
    if (content.size() != about.to.sectors * 512) {
        throw Failure(Exit::mismatch,
                      device + " has " + std::to_string(content.size()) +
                          " bytes, but the change list's snapshot " + std::to_string(about.to.id) + " has " +
                          std::to_string(about.to.sectors * 512),
                      "is it a device of the same volume?");
    }
    stream::Header header =
        delta_header(about.volume, about.chunk_bytes, about.from.uuid, about.to.uuid, about.to.sectors);
    const stream::RunSource count = runs_of(list, header.all_chunks());
    while (const auto run = count()) {
        header.chunks += run->count;
    }
    stream::SendOptions options;
    if (const auto level = given.level) {
        options.compression = need_compression(*level);
    }
    DeltaFile file(given.delta);
    stream::FdSink sink(file.fd());
    try {
        const auto sent = stream::send(header, runs_of(list, header.all_chunks()), content, sink, options,
                                       [](const stream::SendProgress&) { check_interrupt(); });
        file.commit();
        std::printf("%" PRIu64 " chunks in %" PRIu64 " bytes\n", sent.chunks, sent.bytes);
    } catch (const stream::TransferError& error) {
        throw Failure(Exit::failed, given.delta + ": " + error.what());
    }
    return Exit::ok;
}

Exit delta_apply(const DeltaApply& given)
{
    const std::string path = given.delta;
    const ::ddsnap::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        throw errno_failure(path, errno == ENOENT ? Exit::not_found : Exit::failed);
    }
    struct stat info {};
    if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
        throw Failure(Exit::usage, path + " is not a regular file: a delta is read twice",
                      "to apply a stream from a pipe, use zumastor receive");
    }
    DeltaDevice device(given.stem);
    { // all of it is right, or nothing is written
        stream::FdSource source(file.get());
        stream::StreamReader reader(source);
        device.check(need_header(reader, path));
        verify_rest(reader, path);
    }
    if (::lseek(file.get(), 0, SEEK_SET) != 0) {
        throw errno_failure(path);
    }
    stream::FdSource source(file.get());
    stream::StreamReader reader(source);
    device.check(need_header(reader, path));
    std::printf("%" PRIu64 " chunks\n", device.apply(reader));
    return Exit::ok;
}

constexpr auto kDeltaCreateOptions = option_table<DeltaCreate>(kLevelOption);

} // namespace

constexpr CommandSpec kDeltaCreate = command<delta_create>(
    "delta create",
    arguments<&DeltaCreate::changelist, &DeltaCreate::delta, &DeltaCreate::stem>("CHANGELIST DELTA DEVSTEM"),
    "Make a delta of a change list, with what DEVSTEM@S2 holds.", kDeltaCreateOptions,
    Page{"Reads DEVSTEM@S2 where the list says so. The delta is a stream as zumastor "
         "receive takes it.",
         "$ ddsnap delta create changes delta /dev/mapper/data"});
constexpr CommandSpec kDeltaApply =
    command<delta_apply>("delta apply", arguments<&DeltaApply::delta, &DeltaApply::stem>("DELTA DEVSTEM"),
                         "Write a delta to the device DEVSTEM, which must hold snapshot S1.",
                         Page{"All of the delta is checked before anything is written.",
                              "$ ddsnap delta apply delta /dev/mapper/copy"});

} // namespace zumastor::ddsnap
