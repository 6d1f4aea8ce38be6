// SPDX-License-Identifier: GPL-2.0
#include "tools/stream/stream_io.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

namespace zumastor::stream {

// ---- Digest -----------------------------------------------------------------------------------

struct Digest::State {
    std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> xxh{XXH3_createState(), &XXH3_freeState};
};

Digest::Digest() : state_(std::make_unique<State>())
{
    if (!state_->xxh || XXH3_128bits_reset(state_->xxh.get()) != XXH_OK) {
        throw std::bad_alloc();
    }
}
Digest::~Digest() = default;

void Digest::add(Bytes bytes) noexcept { XXH3_128bits_update(state_->xxh.get(), bytes.data(), bytes.size()); }

std::array<std::byte, 16> Digest::value() const noexcept
{
    XXH128_canonical_t canonical{};
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_->xxh.get()));
    std::array<std::byte, 16> out{};
    static_assert(sizeof(canonical) == out.size());
    std::memcpy(out.data(), &canonical, out.size());
    return out;
}

// ---- StreamWriter -----------------------------------------------------------------------------

Result<void> StreamWriter::put(Bytes bytes)
{
    digest_.add(bytes);
    bytes_ += bytes.size();
    if (waiting_.size() + bytes.size() > kGather) {
        if (auto done = flush(); !done) {
            return done;
        }
    }
    if (bytes.size() > kGather) {
        return write(bytes);
    }
    waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
    return {};
}

Result<void> StreamWriter::write(Bytes bytes)
{
    if (!sink_.write(bytes)) {
        return tl::unexpected(Error{bytes_, sink_.error()});
    }
    return {};
}

Result<void> StreamWriter::flush()
{
    auto done = write(waiting_);
    waiting_.clear();
    return done;
}

Result<void> StreamWriter::put_record(Record record, Bytes payload)
{
    record.sequence = sequence_++;
    chunks_ += record.count;
    return put(encode(record)).and_then([&] { return put(payload); });
}

Result<void> StreamWriter::put_zeros()
{
    if (zeros_.count == 0) {
        return {};
    }
    const Record record = zeros_;
    zeros_ = Record{};
    return put_record(record, {});
}

Result<void> StreamWriter::begin(const Header& header) { return put(encode(header)); }

Result<void> StreamWriter::append(const Piece& piece)
{
    const Record& record = piece.record;
    if (record.type != RecordType::zero) {
        return put_zeros().and_then([&] { return put_record(record, piece.payload); });
    }
    const bool adjacent = zeros_.count > 0 && zeros_.first + zeros_.count == record.first &&
                          record.count <= std::numeric_limits<std::uint32_t>::max() - zeros_.count;
    if (adjacent) {
        zeros_.count += record.count;
        return {};
    }
    return put_zeros().map([&] { zeros_ = record; });
}

Result<void> StreamWriter::finish()
{
    if (auto done = put_zeros(); !done) {
        return done;
    }
    const auto payload = encode(EndPayload{sequence_, chunks_, digest_.value()});
    Record record;
    record.type = RecordType::end;
    record.payload = kEndPayloadBytes;
    record.hash = hash_of(payload);
    return put_record(record, payload).and_then([&] { return flush(); });
}

// ---- StreamReader -----------------------------------------------------------------------------

tl::unexpected<Error> StreamReader::refuse(std::string what) const
{
    return tl::unexpected(Error{record_offset_, std::move(what)});
}

Result<void> StreamReader::get(std::span<std::byte> bytes)
{
    const std::size_t got = source_.read(bytes);
    bytes_ += got;
    if (got == bytes.size()) {
        return {};
    }
    const std::string error = source_.error();
    return tl::unexpected(Error{bytes_, error.empty() ? "the stream ends too early" : error});
}

Result<Header> StreamReader::begin()
{
    std::array<std::byte, kHeaderBytes> bytes{};
    if (auto got = get(bytes); !got) {
        return tl::unexpected(got.error());
    }
    digest_.add(bytes);
    auto header = decode_header(bytes);
    if (header) {
        header_ = *header;
        next_chunk_ = header_.first_chunk;
    }
    return header;
}

// A record's place: in order, within the volume, no more than was announced.
Result<void> StreamReader::check(const Record& record) const
{
    if (record.sequence != sequence_) {
        return refuse(fmt::format("record {} where {} is due", record.sequence, sequence_));
    }
    if (record.type == RecordType::end) {
        return {};
    }
    if (record.first < next_chunk_ || record.first > header_.all_chunks() ||
        record.count > header_.all_chunks() - record.first) {
        return refuse(fmt::format("a record for chunks {}+{} is out of order or beyond the end", record.first,
                                  record.count));
    }
    if (header_.full() && record.first != next_chunk_) {
        return refuse(fmt::format("a full stream leaves out chunk {}", next_chunk_));
    }
    if (record.count > header_.chunks - chunks_) {
        return refuse("there are more chunks than announced");
    }
    if (record.type != RecordType::zero && plain_bytes(header_, record.first, record.count) > kMaxDataBytes) {
        return refuse("a record is too large");
    }
    if (record.type == RecordType::patch && !header_.patches) {
        return refuse("a patch that was not announced");
    }
    return {};
}

Result<std::optional<Piece>> StreamReader::finish(const Record& record,
                                                  const std::array<std::byte, 16>& digest)
{
    std::array<std::byte, kEndPayloadBytes> bytes{};
    if (auto got = get(bytes); !got) {
        return tl::unexpected(got.error());
    }
    const EndPayload end = decode_end(bytes);
    if (hash_of(bytes) != record.hash || end.digest != digest || end.records != sequence_ ||
        end.chunks != chunks_) {
        return refuse("the stream's digest is wrong: something is missing or has changed");
    }
    if (chunks_ != header_.chunks || (header_.full() && next_chunk_ != header_.all_chunks())) {
        return refuse("the stream ends before the last of its chunks");
    }
    return std::optional<Piece>{};
}

// In memory_, which the piece is to hold.
std::span<std::byte> StreamReader::room_for(std::size_t bytes)
{
    if (room_.size() < bytes) {
        memory_ = pool_.get();
        room_ = memory_->bytes();
    }
    const auto room = room_.first(bytes);
    constexpr std::size_t kAlignment = AlignedMemory::kAlignment;
    room_ = room_.subspan(std::min(room_.size(), (bytes + kAlignment - 1) / kAlignment * kAlignment));
    return room;
}

Result<std::optional<Piece>> StreamReader::next()
{
    record_offset_ = bytes_;
    const auto digest = digest_.value();
    std::array<std::byte, kRecordBytes> bytes{};
    if (auto got = get(bytes); !got) {
        return tl::unexpected(got.error());
    }
    auto record = decode_record(bytes);
    if (!record) {
        return refuse(std::move(record.error().what));
    }
    if (auto good = check(*record); !good) {
        return tl::unexpected(good.error());
    }
    if (record->type == RecordType::end) {
        return finish(*record, digest);
    }
    Piece piece{*record, {}, nullptr};
    if (record->payload > 0) {
        const auto payload = room_for(record->payload);
        if (auto got = get(payload); !got) {
            return tl::unexpected(got.error());
        }
        piece.payload = payload;
        piece.memory = memory_;
    }
    digest_.add(bytes);
    digest_.add(piece.payload);
    ++sequence_;
    next_chunk_ = record->first + record->count;
    chunks_ += record->count;
    return std::optional<Piece>(std::move(piece));
}

} // namespace zumastor::stream
