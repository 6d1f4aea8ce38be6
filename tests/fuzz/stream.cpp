// SPDX-License-Identifier: GPL-2.0
// A replication stream: refused, or applied within the volume that its header announces. Its hashes are put
// right first, or nothing would ever get past them.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include <zstd.h>

#include "snapstore/texts.h"
#include "tools/stream/receiver.h"

#include "tests/fuzz/fuzz.h"
#include "tests/unit/stream_world.h"

namespace {

using namespace zumastor::stream;

// Looks at where it is written, and keeps nothing.
struct Volume final : VolumeWriter {
    explicit Volume(const Header& h) : size(h.sectors * 512) {}
    void check(std::uint64_t offset, std::uint64_t length)
    {
        if (length == 0 || offset > size || length > size - offset) {
            zumastor::fuzz::finding("written beyond the end of the volume");
        }
        written += length;
    }
    void write(std::uint64_t offset, Bytes data) override
    {
        if (data.size() > kMaxDataBytes) {
            zumastor::fuzz::finding("a record is larger than the limit");
        }
        check(offset, data.size());
    }
    void zero(std::uint64_t offset, std::uint64_t length) override { check(offset, length); }
    void flush() override {}
    const std::uint64_t size;
    std::atomic<std::uint64_t> written{0};
};

void put_number(std::span<std::byte> bytes, std::uint64_t number)
{
    for (std::size_t i = 0; i < 8; ++i) {
        bytes[i] = static_cast<std::byte>(number >> (8 * i));
    }
}

void put_hash(std::span<std::byte> bytes)
{
    put_number(bytes.subspan(bytes.size() - 8), hash_of(bytes.first(bytes.size() - 8)));
}

// Of the expanded payload, so that what a record says can be wrong in other ways than by its hash.
void put_content_hash(std::span<std::byte> head, Bytes payload, bool zstd)
{
    std::vector<std::byte> plain;
    if (zstd) {
        plain.resize(kMaxDataBytes);
        const std::size_t size = ZSTD_decompress(plain.data(), plain.size(), payload.data(), payload.size());
        if (ZSTD_isError(size) != 0) {
            return;
        }
        payload = Bytes(plain).first(size);
    }
    put_number(head.subspan(24), hash_of(payload));
}

// Of the end: the digest of all before it, and the payload's hash.
void put_end(std::span<std::byte> head, std::span<std::byte> payload, Bytes before)
{
    if (payload.size() == kEndPayloadBytes) {
        Digest digest;
        digest.add(before);
        const auto value = digest.value();
        std::copy(value.begin(), value.end(), payload.begin() + 16);
        put_number(head.subspan(24), hash_of(payload));
    }
}

// The header's hash and the records', as far as lengths lead from one to the next; `content`: and those of
// what is in them.
void put_hashes(std::span<std::byte> stream, bool content)
{
    if (stream.size() < kHeaderBytes) {
        return;
    }
    put_hash(stream.first(kHeaderBytes));
    for (std::size_t at = kHeaderBytes; stream.size() - at >= kRecordBytes;) {
        const auto head = stream.subspan(at, kRecordBytes);
        std::uint16_t type = 0;
        std::uint16_t flags = 0;
        std::uint32_t length = 0;
        std::memcpy(&type, &head[0], sizeof type);
        std::memcpy(&flags, &head[2], sizeof flags);
        std::memcpy(&length, &head[16], sizeof length);
        const bool whole = length <= stream.size() - at - kRecordBytes;
        if (whole && content) {
            const auto payload = stream.subspan(at + kRecordBytes, length);
            if (type == static_cast<std::uint16_t>(RecordType::end)) {
                put_end(head, payload, stream.first(at));
            } else if (length > 0) {
                put_content_hash(head, payload, (flags & Record::kZstd) != 0);
            }
        }
        put_hash(head);
        if (!whole) {
            return;
        }
        at += kRecordBytes + length;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const auto* begin = reinterpret_cast<const std::byte*>(data);
    std::vector<std::byte> bytes(begin, begin + size);
    put_hashes(bytes, hash_of(bytes) % 4 != 0); // some contents are to be refused, too
    test::MemorySource source(bytes);
    StreamReader reader(source);
    const auto header = reader.begin();
    if (!header) {
        return 0;
    }
    if (!snapstore::is_snapshot_name(header->name.str()) || !snapstore::is_snapshot_tag(header->tag.str())) {
        zumastor::fuzz::finding("a name or tag that none can have came over the border");
    }
    Volume volume(*header);
    ReceiveOptions options;
    options.threads = 1;
    try {
        const auto got = receive(reader, volume, options, {[](const auto&) {}, [](std::uint64_t) {}});
        if (got.chunks != header->chunks) {
            zumastor::fuzz::finding("a stream with an end has not all of its chunks");
        }
    } catch (const BadStream&) {
        return 0;
    }
    return 0;
}
