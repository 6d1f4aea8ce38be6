// SPDX-License-Identifier: GPL-2.0
// A replication stream: refused, or applied within the volume that its header announces. The hashes of header
// and records are put right first, or nothing would ever get past them.
#include <atomic>
#include <cstring>
#include <vector>

#include "tools/replication/receiver.h"

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

void put_hash(std::span<std::byte> bytes)
{
    const std::uint64_t hash = hash_of(bytes.first(bytes.size() - 8));
    for (std::size_t i = 0; i < 8; ++i) {
        bytes[bytes.size() - 8 + i] = static_cast<std::byte>(hash >> (8 * i));
    }
}

// The header's hash and the records', as far as lengths lead from one to the next.
void put_hashes(std::span<std::byte> bytes)
{
    if (bytes.size() < kHeaderBytes) {
        return;
    }
    put_hash(bytes.first(kHeaderBytes));
    bytes = bytes.subspan(kHeaderBytes);
    while (bytes.size() >= kRecordBytes) {
        put_hash(bytes.first(kRecordBytes));
        std::uint32_t payload = 0;
        std::memcpy(&payload, &bytes[16], sizeof payload);
        if (payload > bytes.size() - kRecordBytes) {
            return;
        }
        bytes = bytes.subspan(kRecordBytes + payload);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const auto* begin = reinterpret_cast<const std::byte*>(data);
    std::vector<std::byte> bytes(begin, begin + size);
    put_hashes(bytes);
    test::MemorySource source(bytes);
    StreamReader reader(source);
    const auto header = reader.begin();
    if (!header) {
        return 0;
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
