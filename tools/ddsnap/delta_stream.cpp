// SPDX-License-Identifier: GPL-2.0
#include "tools/ddsnap/delta_stream.h"

#include <fcntl.h>

#include <bit>

#include "tools/common/block_device.h"
#include "tools/common/text.h"
#include "tools/common/uuid_text.h"
#include "tools/stream/aligned_memory.h"
#include "tools/stream/patch.h"

namespace zumastor::ddsnap {
namespace {

Failure bad_stream(const std::string& name, const std::string& what)
{
    return Failure(Exit::mismatch, name + ": " + what, "make or send the delta again");
}

std::string at_byte(const stream::Error& error)
{
    return "byte " + std::to_string(error.offset) + " of the stream: " + error.what;
}

} // namespace

stream::Compression need_compression(const std::string& level)
{
    const auto number = static_cast<int>(need_integer(level, "level of compression", 0, 19));
    stream::Compression compression;
    compression.zstd = number == 0 ? std::nullopt : std::optional(number);
    return compression;
}

stream::Header delta_header(const std::string& volume_uuid, std::uint64_t chunk_bytes,
                            const std::string& from_uuid, const std::string& to_uuid, std::uint64_t sectors)
{
    stream::Header header;
    header.chunk_shift = static_cast<std::uint32_t>(std::countr_zero(chunk_bytes));
    header.lineage = need_uuid(volume_uuid);
    header.from = need_uuid(from_uuid);
    header.to = need_uuid(to_uuid);
    header.sectors = sectors;
    return header;
}

DeltaDevice::DeltaDevice(const std::string& path) : path_(path)
{
    const DeviceNode node = need_block_device(path, "device");
    claim_ = open_exclusive(node, O_RDWR, "device");
    bytes_ = node.bytes;
}

void DeltaDevice::check(const stream::Header& header) const
{
    if (header.sectors * kSectorBytes > bytes_) {
        throw Failure(Exit::failed,
                      path_ + " has " + std::to_string(bytes_) + " bytes, but the delta's snapshot has " +
                          std::to_string(header.sectors * kSectorBytes),
                      "use a device that is at least as large");
    }
    if (header.first_chunk > 0) {
        throw Failure(Exit::usage, path_ + ": the stream resumes an interrupted one",
                      "only zumastor receive can resume; send the delta from its beginning");
    }
}

std::uint64_t DeltaDevice::apply(stream::StreamReader& reader)
{
    DeviceWriter writer(path_);
    const stream::ReceiveHooks hooks{[](const stream::ReceiveProgress&) { check_interrupt(); },
                                     [](std::uint64_t) {}};
    try {
        return stream::receive(reader, writer, {}, hooks).chunks;
    } catch (const stream::BadStream& bad) {
        throw Failure(Exit::mismatch,
                      path_ + ": " + bad.what() +
                          "; the part before it is written: the device holds neither snapshot now",
                      "send the same delta again, from its beginning");
    } catch (const stream::TransferError& error) {
        throw Failure(Exit::failed, error.what());
    }
}

stream::Header need_header(stream::StreamReader& reader, const std::string& name)
{
    auto header = reader.begin();
    if (!header) {
        throw bad_stream(name, at_byte(header.error()));
    }
    return std::move(*header);
}

void verify_rest(stream::StreamReader& reader, const std::string& name)
{
    const AlignedMemory buffer(stream::kMaxDataBytes);
    stream::Decoder decoder;
    for (;;) {
        check_interrupt();
        const auto piece = reader.next();
        if (!piece) {
            throw bad_stream(name, at_byte(piece.error()));
        }
        if (!*piece) {
            return;
        }
        const stream::Record& record = (*piece)->record;
        if (record.type == stream::RecordType::zero) {
            continue;
        }
        const auto content = decoder.decode(reader.header(), **piece, buffer.bytes());
        if (!content) {
            throw bad_stream(name, at_byte({reader.record_offset(), content.error()}));
        }
        if (record.type == stream::RecordType::patch) {
            if (const auto runs = stream::read_patch(reader.header(), record, *content); !runs) {
                throw bad_stream(name, at_byte({reader.record_offset(), runs.error()}));
            }
        }
    }
}

} // namespace zumastor::ddsnap
