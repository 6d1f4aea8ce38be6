// SPDX-License-Identifier: GPL-2.0
#include "tools/common/offline_store.h"

#include <fcntl.h>
#include <sys/random.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "ddsnapd/disk/disk_lock.h"
#include "ddsnapd/disk/origin_identity.h"
#include "ddsnapd/disk/witness_file.h"
#include "snapstore/store.h"
#include "tools/common/failure.h"
#include "tools/common/file_device.h"
#include "tools/common/known.h"
#include "tools/common/store_owner.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

using ddsnap::UniqueFd;
using snapstore::Bytes;
using snapstore::Errc;

constexpr std::uint64_t kMinChunk = 1u << snapstore::kMinChunkShift;
constexpr std::uint64_t kMaxChunk = 1u << snapstore::kMaxChunkShift;

std::string format_uuid(const snapstore::Uuid& uuid)
{
    std::string text;
    for (std::size_t i = 0; i < uuid.size(); ++i) {
        std::array<char, 3> hex{};
        std::snprintf(hex.data(), hex.size(), "%02x", std::to_integer<unsigned>(uuid[i]));
        text += hex.data();
        if (i == 3 || i == 5 || i == 7 || i == 9) {
            text += '-';
        }
    }
    return text;
}

snapstore::Uuid random_uuid()
{
    snapstore::Uuid uuid{};
    if (::getrandom(uuid.data(), uuid.size(), 0) != static_cast<ssize_t>(uuid.size())) {
        throw errno_failure("no random numbers for the volume's UUID");
    }
    uuid[6] = (uuid[6] & std::byte{0x0f}) | std::byte{0x40};
    uuid[8] = (uuid[8] & std::byte{0x3f}) | std::byte{0x80};
    return uuid;
}

snapstore::Format format_of(const StorePaths& paths, const InitOptions& options)
{
    snapstore::Format format;
    format.chunk_shift = static_cast<std::uint32_t>(std::countr_zero(options.chunk_bytes));
    if (options.journal_bytes) {
        format.journal = Bytes{*options.journal_bytes};
    }
    format.uuid = random_uuid();
    format.origin_size = to_sectors_floor(Bytes{paths.origin.bytes});
    return format;
}

// The devices of a volume for the engine.
struct OpenDevices {
    FileIo io;
    std::unique_ptr<FileDevice> store;
    std::unique_ptr<FileDevice> origin;
    std::unique_ptr<FileDevice> meta;
    std::unique_ptr<FileDevice> witness;

    snapstore::Devices devices() const { return {origin.get(), store.get(), meta.get(), witness.get()}; }
};

// The engine's buffers suit O_DIRECT, which keeps what another program wrote and we cached out of the way.
UniqueFd open_shared(const DeviceNode& device, int flags, const std::string& role)
{
    UniqueFd fd(::open(device.path.c_str(), flags | O_DIRECT | O_CLOEXEC));
    if (!fd && errno == EINVAL) {
        fd = UniqueFd(::open(device.path.c_str(), flags | O_CLOEXEC));
    }
    if (!fd) {
        throw errno_failure(role + " " + device.given);
    }
    return fd;
}

std::unique_ptr<FileDevice> make_device(FileIo& io, UniqueFd fd, const DeviceNode& node)
{
    return std::make_unique<FileDevice>(io, std::move(fd), Bytes{node.bytes}, node.given);
}

void lock(const FileDevice& device)
{
    if (ddsnap::try_lock_disk(device.fd())) {
        return;
    }
    if (errno != EAGAIN && errno != EACCES) {
        throw errno_failure(device.name() + ": cannot be locked");
    }
    throw Failure(Exit::busy, device.name() + ": in use by a running ddsnapd or another ddsnap",
                  "ask the daemon through its server socket, or stop it first");
}

// For a store that is to be written anew.
void open_all_exclusive(OpenDevices& open, const StorePaths& paths)
{
    open.origin = make_device(open.io, open_exclusive(paths.origin, O_RDONLY, "origin"), paths.origin);
    open.store =
        make_device(open.io, open_exclusive(paths.store, O_RDWR | O_DIRECT, "snapshot store"), paths.store);
    lock(*open.store);
    if (paths.meta) {
        open.meta = make_device(open.io, open_exclusive(*paths.meta, O_RDWR | O_DIRECT, "metadata device"),
                                *paths.meta);
        lock(*open.meta);
    }
}

Exit exit_of(Errc code)
{
    switch (code) {
    case Errc::no_space:
        return Exit::store_full;
    case Errc::not_found:
        return Exit::not_found;
    case Errc::exists:
        return Exit::exists;
    case Errc::busy:
        return Exit::busy;
    case Errc::corrupt:
    case Errc::other_origin:
        return Exit::mismatch;
    case Errc::invalid:
        return Exit::usage;
    default:
        return Exit::failed;
    }
}

// Has nobody to tell: no reader waits on a store without a daemon.
class QuietObserver final : public snapstore::StoreObserver {
public:
    void squashed(snapstore::SnapshotId) noexcept override {}
    snapstore::Release released(snapstore::SnapshotId) noexcept override { return snapstore::Release::done; }
    void state_changed() noexcept override {}
    void log(snapstore::Severity severity, std::string_view text) noexcept override
    {
        if (severity != snapstore::Severity::info) {
            std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
        }
    }
};

} // namespace

void throw_store_error(const snapstore::Error& error, const std::string& doing)
{
    std::string text = doing + ": " + error.what;
    if (error.where != 0) {
        text += " (at " + std::to_string(error.where) + ")";
    }
    throw Failure(exit_of(error.code), text);
}

StorePaths need_store_paths(const std::string& store, const std::string& origin,
                            const std::optional<std::string>& meta)
{
    StorePaths paths{need_block_device(store, "snapshot store"), need_block_device(origin, "origin"), {}};
    if (overlap(paths.store, paths.origin)) {
        throw Failure(Exit::usage,
                      "snapshot store " + store + " and origin " + origin + " are the same device");
    }
    if (meta) {
        paths.meta = need_block_device(*meta, "metadata device");
        for (const DeviceNode* other : {&paths.store, &paths.origin}) {
            if (overlap(*paths.meta, *other)) {
                throw Failure(Exit::usage,
                              "metadata device " + *meta + " and " + other->given + " are the same device");
            }
        }
    }
    return paths;
}

std::optional<FoundStore> probe_store(const DeviceNode& device)
{
    FileIo io;
    snapstore::FramePool frames;
    const auto file = make_device(io, open_shared(device, O_RDONLY, "device"), device);
    const auto info = io.finish(frames, snapstore::Store::probe(frames, *file));
    if (!info) {
        if (info.error().code == Errc::not_a_store || info.error().code == Errc::too_small) {
            return std::nullopt;
        }
        throw_store_error(info.error(), "snapshot store " + device.given);
    }
    return FoundStore{format_uuid(info->uuid), to_bytes(info->origin_size).value, 1ull << info->chunk_shift};
}

std::uint64_t need_chunk_size(const std::string& text)
{
    const std::uint64_t bytes = need_size(text, "chunk size");
    if (bytes < kMinChunk) {
        throw Failure(
            Exit::usage, "chunk size " + text + ": chunks are at least 4k",
            "a smaller chunk would be a fraction of a memory page and of the store's metadata block");
    }
    if (bytes > kMaxChunk || !std::has_single_bit(bytes)) {
        throw Failure(Exit::usage, "chunk size " + text + ": it is a power of two from 4k to 1m");
    }
    return bytes;
}

void need_block_size(const std::string& text)
{
    if (need_size(text, "block size") != snapstore::kBlockSize.value) {
        throw Failure(Exit::usage, "block size " + text + ": metadata blocks have 4k");
    }
}

std::string sector_conflict(const StorePaths& paths)
{
    if (paths.store.sector <= paths.origin.sector) {
        return {};
    }
    return "snapshot store " + paths.store.given + " has sectors of " + std::to_string(paths.store.sector) +
           " bytes, but origin " + paths.origin.given + " has sectors of " +
           std::to_string(paths.origin.sector) +
           " bytes: a filesystem that uses the smaller ones could not be mounted from a snapshot";
}

void refuse_sector_conflict(const StorePaths& paths)
{
    if (const std::string conflict = sector_conflict(paths); !conflict.empty()) {
        throw Failure(Exit::mismatch, conflict,
                      "use a store with sectors of " + std::to_string(paths.origin.sector) +
                          " bytes (blockdev --getss DEVICE shows them)");
    }
}

void check_store_fits(const StorePaths& paths, const InitOptions& options)
{
    refuse_sector_conflict(paths);
    FileIo io; // the sizes count, no I/O is done
    const FileDevice store(io, UniqueFd(), Bytes{paths.store.bytes}, paths.store.given);
    const FileDevice origin(io, UniqueFd(), Bytes{paths.origin.bytes}, paths.origin.given);
    std::optional<FileDevice> meta;
    snapstore::Devices devices{const_cast<FileDevice*>(&origin), const_cast<FileDevice*>(&store), nullptr};
    if (paths.meta) {
        meta.emplace(io, UniqueFd(), Bytes{paths.meta->bytes}, paths.meta->given);
        devices.meta = &*meta;
    }
    const auto fits = snapstore::Store::check_sizes(devices, format_of(paths, options));
    if (!fits) {
        throw Failure(Exit::failed,
                      "snapshot store " + paths.store.given + " (" + format_size(paths.store.bytes) +
                          "): " + fits.error().what,
                      "give a larger device, or a smaller journal (-j)");
    }
}

std::string precious_content(const DeviceNode& device)
{
    if (const auto store = probe_store(device)) {
        return "a snapshot store (volume " + store->uuid + ")";
    }
    if (const auto found = signature_of(device.path)) {
        return found->type + " (" + found->usage + ")";
    }
    return {};
}

std::string initialize_store(const StorePaths& paths, const InitOptions& options)
{
    check_store_fits(paths, options);
    refuse_owned_store(paths); // callers do so before they ask anybody; here nobody can forget it
    OpenDevices open;
    open_all_exclusive(open, paths);
    snapstore::FramePool frames;
    const snapstore::Format format = format_of(paths, options);
    const auto done = open.io.finish(frames, snapstore::Store::initialize(frames, open.devices(), format));
    if (!done) {
        throw_store_error(done.error(), "snapshot store " + paths.store.given + ": cannot be initialized");
    }
    return format_uuid(format.uuid);
}

namespace {

// What a daemon of this host has written down of the store: that its snapshots are lost.
std::unique_ptr<FileDevice> find_witness(FileIo& io, const DeviceNode& metadata)
{
    const auto store = probe_store(metadata);
    if (!store) {
        return nullptr; // open() says what is wrong
    }
    std::string name = store->uuid;
    std::erase(name, '-');
    DeviceNode file;
    file.path = (std::filesystem::path(ddsnap::kWitnessDirectory) / name).string();
    file.given = file.path;
    file.bytes = snapstore::kBlockSize.value;
    if (!look_at(file.path).need()) {
        return nullptr;
    }
    return make_device(io, open_shared(file, O_RDWR, "witness"), file);
}

} // namespace

struct OfflineStore::Impl {
    OpenDevices open;
    QuietObserver observer;
    std::unique_ptr<snapstore::Store> store;
    snapstore::OpenReport report;
    std::string name;
};

OfflineStore::OfflineStore(const StorePaths& paths) : OfflineStore(paths, snapstore::OtherOrigin::refuse) {}

OfflineStore::OfflineStore(const StorePaths& paths, snapstore::OtherOrigin other_origin)
    : impl_(std::make_unique<Impl>())
{
    OpenDevices& open = impl_->open;
    impl_->name = "snapshot store " + paths.store.given;
    open.origin = make_device(open.io, open_shared(paths.origin, O_RDONLY, "origin"), paths.origin);
    open.store = make_device(open.io, open_shared(paths.store, O_RDWR, "snapshot store"), paths.store);
    lock(*open.store);
    if (paths.meta) {
        open.meta = make_device(open.io, open_shared(*paths.meta, O_RDWR, "metadata device"), *paths.meta);
        lock(*open.meta);
    }
    open.witness = find_witness(open.io, paths.meta ? *paths.meta : paths.store);
    snapstore::StoreConfig config;
    config.origin_identity = ddsnap::identity_of_device(open.origin->fd());
    config.other_origin = other_origin;
    impl_->store = std::make_unique<snapstore::Store>(open.devices(), config, impl_->observer);
    const auto opened = open.io.finish(impl_->store->frames(), impl_->store->open());
    if (!opened && opened.error().code == Errc::other_origin) {
        throw OtherOriginFailure(
            Exit::mismatch, impl_->name + " on origin " + paths.origin.given + ": " + opened.error().what,
            "was a disk renamed? If the disk was exchanged on purpose: zumastor accept "
            "origin, or ddsnap accept-origin");
    }
    if (!opened) {
        throw_store_error(opened.error(), impl_->name);
    }
    impl_->report = *opened;
}

OfflineStore::~OfflineStore() = default;

snapstore::Store& OfflineStore::store() noexcept { return *impl_->store; }

const snapstore::OpenReport& OfflineStore::opened() const noexcept { return impl_->report; }

snapstore::CheckReport OfflineStore::check(bool data)
{
    auto report = impl_->open.io.finish(impl_->store->frames(), impl_->store->upkeep().check(data));
    if (!report) {
        throw_store_error(report.error(), impl_->name + ": cannot be checked");
    }
    return std::move(*report);
}

void OfflineStore::close()
{
    const auto closed = impl_->open.io.finish(impl_->store->frames(), impl_->store->close());
    if (!closed) {
        throw_store_error(closed.error(), impl_->name + ": cannot be closed");
    }
}

} // namespace zumastor
