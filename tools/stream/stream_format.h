// SPDX-License-Identifier: GPL-2.0
// The replication stream, version 1: the only definition of its bytes in code; docs/stream-format.md has the
// same in words. A stream is one header, then records in the order of their chunks, then one end record.
//
// Everything is little-endian. Hashes are XXH3-64 (xxhash's specification, seed 0), the digest is XXH3-128 in
// its canonical (big-endian) form. They find accidents, not forgeries: the transport authenticates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "snapstore/types.h"
#include "tools/common/border.h"

namespace zumastor::stream {

using Bytes = std::span<const std::byte>;
using snapstore::Uuid;

constexpr std::array<char, 8> kMagic{'Z', 'U', 'M', 'A', 'S', 'T', 'R', 'M'};
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 256;
constexpr std::size_t kRecordBytes = 40;
constexpr std::size_t kEndPayloadBytes = 32;
// The most that one record expands to: bounds the memory of both ends. A multiple of every chunk size.
constexpr std::uint32_t kMaxDataBytes = 1u << 20;
// What patches are made of: no device's sectors are larger, and filesystems write no less.
constexpr std::size_t kBlockBytes = 4096;
constexpr std::uint64_t kFeaturePatches = 1;     // of those that a receiver must know
constexpr std::uint64_t kSectorShiftMask = 0x1f; // of those that it may ignore: not a flag each, but a number

// What went wrong, and at which byte of the stream.
struct Error {
    std::uint64_t offset = 0;
    std::string what;
};
template <class T>
using Result = tl::expected<T, Error>;

struct Header {
    std::uint32_t chunk_shift = 14; // kMinChunkShift … kMaxChunkShift
    Uuid lineage{};                 // the volume whose history this is: handed on along chains
    Uuid from{};                    // base snapshot; all zero: a full stream, which covers every chunk
    Uuid to{};                      // the snapshot that the receiver has afterwards
    std::uint64_t sectors = 0;      // size of `to`, in 512-byte sectors
    std::uint64_t chunks = 0;       // carried by this stream, zero ones included
    std::uint64_t first_chunk = 0;  // chunks below it were received before: a resumed stream
    std::uint64_t created_ns = 0;   // of `to`: UTC, nanoseconds since 1970
    SnapshotName name;              // of `to`
    SnapshotTag tag;                // its kinds
    bool patches = false;           // records of type patch may occur; never in a full stream
    std::uint32_t sector_shift =
        0; // the largest sectors that the content can be on have 2^… bytes; 0: not said

    bool full() const noexcept { return from == Uuid{}; }
    std::uint64_t chunk_bytes() const noexcept { return 1ull << chunk_shift; }
    std::uint64_t all_chunks() const noexcept // of the volume; the last may be partial
    {
        return (sectors * 512 + chunk_bytes() - 1) >> chunk_shift;
    }
    std::uint64_t sector_bytes() const noexcept { return sector_shift == 0 ? 0 : 1ull << sector_shift; }
    bool operator==(const Header&) const = default;
};

enum class RecordType : std::uint16_t {
    data = 1,  // payload: the chunks' content, plain or as one zstd frame
    zero = 2,  // no payload: the chunks are all zeros
    end = 3,   // payload: EndPayload
    patch = 4, // payload: the blocks that differ from the base (patch.h), plain or as one zstd frame
};

struct Record {
    static constexpr std::uint16_t kZstd = 1; // flags, data and patch only

    RecordType type = RecordType::end;
    std::uint16_t flags = 0;
    std::uint32_t count = 0;    // chunks; end: 0
    std::uint64_t first = 0;    // chunk; end: 0
    std::uint32_t payload = 0;  // bytes that follow
    std::uint32_t sequence = 0; // 0, 1, …
    std::uint64_t hash = 0;     // of the expanded payload (data, patch), of the payload (end), 0 (zero)
};

struct EndPayload {
    std::uint64_t records = 0;          // before this one
    std::uint64_t chunks = 0;           // in them
    std::array<std::byte, 16> digest{}; // of all bytes of the stream before the end record
};

std::array<std::byte, kHeaderBytes> encode(const Header& header);
std::array<std::byte, kRecordBytes> encode(const Record& record);
std::array<std::byte, kEndPayloadBytes> encode(const EndPayload& end);

// Refuse, saying why, whatever this version does not know, and lengths beyond the limits. The error's offset
// counts from the beginning of the part.
Result<Header> decode_header(std::span<const std::byte, kHeaderBytes> bytes);
Result<Record> decode_record(std::span<const std::byte, kRecordBytes> bytes);
EndPayload decode_end(std::span<const std::byte, kEndPayloadBytes> bytes);

std::uint64_t hash_of(Bytes bytes) noexcept;

// How many bytes chunks [first, first + count) have: the volume's last chunk may be partial.
std::uint64_t plain_bytes(const Header& header, std::uint64_t first, std::uint64_t count) noexcept;

} // namespace zumastor::stream
