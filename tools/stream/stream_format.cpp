// SPDX-License-Identifier: GPL-2.0
#include "tools/stream/stream_format.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "snapstore/store.h"

namespace zumastor::stream {

using snapstore::SnapshotInfo;

namespace {

// Offsets of the header's fields.
constexpr std::size_t kHeaderHash = kHeaderBytes - 8;
constexpr std::size_t kNameAt = 104;
constexpr std::size_t kTagAt = kNameAt + SnapshotInfo::kMaxName + 1;
constexpr std::size_t kCreatedAt = kTagAt + SnapshotInfo::kMaxTag + 1;
static_assert(kCreatedAt == 200);

class Writer {
public:
    explicit Writer(std::span<std::byte> out) noexcept : out_(out) {}
    template <class T>
    void put(T value) noexcept
    {
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            out_[at_++] = static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * i));
        }
    }
    void put_bytes(const void* from, std::size_t size) noexcept
    {
        std::memcpy(&out_[at_], from, size);
        at_ += size;
    }
    void seek(std::size_t at) noexcept { at_ = at; }

private:
    std::span<std::byte> out_;
    std::size_t at_ = 0;
};

class Reader {
public:
    explicit Reader(Bytes in) noexcept : in_(in) {}
    template <class T>
    T get() noexcept
    {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            value |= std::to_integer<std::uint64_t>(in_[at_++]) << (8 * i);
        }
        return static_cast<T>(value);
    }
    void get_bytes(void* to, std::size_t size) noexcept
    {
        std::memcpy(to, &in_[at_], size);
        at_ += size;
    }

private:
    Bytes in_;
    std::size_t at_ = 0;
};

tl::unexpected<Error> refuse(std::size_t offset, std::string what)
{
    return tl::unexpected(Error{offset, std::move(what)});
}

// NUL-padded text without a NUL inside.
Result<std::string> decode_text(Bytes field, std::size_t offset, const char* what)
{
    const auto* begin = reinterpret_cast<const char*>(field.data());
    const std::size_t length = ::strnlen(begin, field.size());
    if (length == field.size() ||
        !std::all_of(begin + length, begin + field.size(), [](char c) { return c == '\0'; })) {
        return refuse(offset, fmt::format("the snapshot's {} is not ended by zeros", what));
    }
    return std::string(begin, length);
}

Result<void> check(const Header& header)
{
    if (!snapstore::is_chunk_shift(header.chunk_shift)) {
        return refuse(12, fmt::format("chunks of 2^{} bytes are not possible", header.chunk_shift));
    }
    if (header.to == Uuid{}) {
        return refuse(64, "the snapshot has no UUID");
    }
    if (header.sectors == 0 || header.sectors > (1ull << 54)) { // bytes, and sums of them, fit 64 bits
        return refuse(80, fmt::format("a size of {} sectors is not possible", header.sectors));
    }
    if (header.first_chunk > header.all_chunks() ||
        header.chunks > header.all_chunks() - header.first_chunk) {
        return refuse(88, "the header announces more chunks than the volume has");
    }
    if (header.created_ns > INT64_MAX) {
        return refuse(kCreatedAt, fmt::format("a time of {} ns is not possible", header.created_ns));
    }
    if (header.patches && header.full()) {
        return refuse(16, "a full stream has no base to be patched");
    }
    return {};
}

} // namespace

std::array<std::byte, kHeaderBytes> encode(const Header& header)
{
    std::array<std::byte, kHeaderBytes> out{};
    Writer w(out);
    w.put_bytes(kMagic.data(), kMagic.size());
    w.put(kVersion);
    w.put(static_cast<std::uint16_t>(kHeaderBytes));
    w.put(header.chunk_shift);
    w.put(header.patches ? kFeaturePatches : std::uint64_t{0});   // feature bits that a receiver must know
    w.put(std::uint64_t{header.sector_shift} & kSectorShiftMask); // ... may ignore
    w.put_bytes(header.lineage.data(), header.lineage.size());
    w.put_bytes(header.from.data(), header.from.size());
    w.put_bytes(header.to.data(), header.to.size());
    w.put(header.sectors);
    w.put(header.chunks);
    w.put(header.first_chunk);
    w.put_bytes(header.name.c_str(), std::min(header.name.size(), SnapshotInfo::kMaxName));
    w.seek(kTagAt);
    w.put_bytes(header.tag.c_str(), std::min(header.tag.size(), SnapshotInfo::kMaxTag));
    w.seek(kCreatedAt);
    w.put(header.created_ns);
    w.seek(kHeaderHash);
    w.put(hash_of(Bytes(out).first(kHeaderHash)));
    return out;
}

Result<Header> decode_header(std::span<const std::byte, kHeaderBytes> bytes)
{
    Reader r(bytes);
    std::array<char, 8> magic{};
    r.get_bytes(magic.data(), magic.size());
    if (magic != kMagic) {
        return refuse(0, "this is not a replication stream");
    }
    const auto version = r.get<std::uint16_t>();
    const auto length = r.get<std::uint16_t>();
    if (version != kVersion || length != kHeaderBytes) {
        return refuse(
            8, fmt::format("the stream is of version {}; version {} is known here", version, kVersion));
    }
    Reader tail(bytes.last(8));
    if (tail.get<std::uint64_t>() != hash_of(Bytes(bytes).first(kHeaderHash))) {
        return refuse(kHeaderHash, "the header's checksum is wrong");
    }
    Header header;
    header.chunk_shift = r.get<std::uint32_t>();
    const auto features = r.get<std::uint64_t>();
    if (const auto unknown = features & ~kFeaturePatches; unknown != 0) {
        return refuse(16, fmt::format("the stream needs features that are not known here: {:#x}", unknown));
    }
    header.patches = features != 0;
    const auto shift = static_cast<std::uint32_t>(r.get<std::uint64_t>() & kSectorShiftMask);
    header.sector_shift = shift >= 9 && shift <= 20 ? shift : 0; // what may be ignored is no reason to refuse
    r.get_bytes(header.lineage.data(), header.lineage.size());
    r.get_bytes(header.from.data(), header.from.size());
    r.get_bytes(header.to.data(), header.to.size());
    header.sectors = r.get<std::uint64_t>();
    header.chunks = r.get<std::uint64_t>();
    header.first_chunk = r.get<std::uint64_t>();
    auto name = decode_text(Bytes(bytes).subspan(kNameAt, SnapshotInfo::kMaxName + 1), kNameAt, "name");
    auto tag = decode_text(Bytes(bytes).subspan(kTagAt, SnapshotInfo::kMaxTag + 1), kTagAt, "kind");
    if (!name || !tag) {
        return tl::unexpected(name ? tag.error() : name.error());
    }
    auto checked_name = SnapshotName::from(*name);
    auto checked_tag = SnapshotTag::from(*tag);
    if (!checked_name) {
        return refuse(kNameAt, fmt::format("a snapshot cannot be called '{}'",
                                           shown(*name, 4 * SnapshotInfo::kMaxName)));
    }
    if (!checked_tag) {
        return refuse(kTagAt, fmt::format("a snapshot cannot be of the kinds '{}'",
                                          shown(*tag, 4 * SnapshotInfo::kMaxTag)));
    }
    header.name = std::move(*checked_name);
    header.tag = std::move(*checked_tag);
    header.created_ns = Reader(Bytes(bytes).subspan(kCreatedAt)).get<std::uint64_t>();
    return check(header).map([&] { return header; });
}

std::array<std::byte, kRecordBytes> encode(const Record& record)
{
    std::array<std::byte, kRecordBytes> out{};
    Writer w(out);
    w.put(static_cast<std::uint16_t>(record.type));
    w.put(record.flags);
    w.put(record.count);
    w.put(record.first);
    w.put(record.payload);
    w.put(record.sequence);
    w.put(record.hash);
    w.put(hash_of(Bytes(out).first(kRecordBytes - 8)));
    return out;
}

Result<Record> decode_record(std::span<const std::byte, kRecordBytes> bytes)
{
    if (Reader(bytes.last(8)).get<std::uint64_t>() != hash_of(Bytes(bytes).first(kRecordBytes - 8))) {
        return refuse(kRecordBytes - 8, "a record's checksum is wrong");
    }
    Reader r(bytes);
    Record record;
    const auto type = r.get<std::uint16_t>();
    record.type = static_cast<RecordType>(type);
    record.flags = r.get<std::uint16_t>();
    record.count = r.get<std::uint32_t>();
    record.first = r.get<std::uint64_t>();
    record.payload = r.get<std::uint32_t>();
    record.sequence = r.get<std::uint32_t>();
    record.hash = r.get<std::uint64_t>();
    const bool zstd = record.flags == Record::kZstd;
    bool good = false;
    switch (record.type) {
    case RecordType::data:
    case RecordType::patch:
        good = (record.flags == 0 || zstd) && record.count > 0 && record.payload > 0 &&
               record.payload <= kMaxDataBytes;
        break;
    case RecordType::zero:
        good = record.flags == 0 && record.count > 0 && record.payload == 0 && record.hash == 0;
        break;
    case RecordType::end:
        good =
            record.flags == 0 && record.count == 0 && record.first == 0 && record.payload == kEndPayloadBytes;
        break;
    default:
        return refuse(0, fmt::format("a record of unknown type {}", type));
    }
    if (!good) {
        return refuse(0, fmt::format("a record of type {} with impossible fields", type));
    }
    return record;
}

std::array<std::byte, kEndPayloadBytes> encode(const EndPayload& end)
{
    std::array<std::byte, kEndPayloadBytes> out{};
    Writer w(out);
    w.put(end.records);
    w.put(end.chunks);
    w.put_bytes(end.digest.data(), end.digest.size());
    return out;
}

EndPayload decode_end(std::span<const std::byte, kEndPayloadBytes> bytes)
{
    Reader r(bytes);
    EndPayload end;
    end.records = r.get<std::uint64_t>();
    end.chunks = r.get<std::uint64_t>();
    r.get_bytes(end.digest.data(), end.digest.size());
    return end;
}

std::uint64_t hash_of(Bytes bytes) noexcept { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint64_t plain_bytes(const Header& header, std::uint64_t first, std::uint64_t count) noexcept
{
    const std::uint64_t begin = first << header.chunk_shift;
    return std::min((first + count) << header.chunk_shift, header.sectors * 512) - begin;
}

} // namespace zumastor::stream
