// SPDX-License-Identifier: GPL-2.0
// A stream written and read, record by record.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "tools/stream/buffer_pool.h"
#include "tools/stream/byte_stream.h"
#include "tools/stream/codec.h"
#include "tools/stream/stream_format.h"

namespace zumastor::stream {

// The digest of what has passed so far.
class Digest {
public:
    Digest();
    ~Digest();
    void add(Bytes bytes) noexcept;
    std::array<std::byte, 16> value() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

class StreamWriter {
public:
    explicit StreamWriter(ByteSink& sink) : sink_(sink) { waiting_.reserve(kGather); }

    // In this order: begin() once, append() with rising chunks, finish() once. An error is the sink's.
    Result<void> begin(const Header& header);
    Result<void> append(const Piece& piece); // adjacent zero runs become one record
    Result<void> finish();
    // Small records wait here until there are as many as are worth a call of the sink.
    Result<void> flush();

    std::uint64_t bytes() const noexcept { return bytes_; }

private:
    static constexpr std::size_t kGather = 128u << 10; // bytes

    Result<void> put(Bytes bytes);
    Result<void> write(Bytes bytes);
    Result<void> put_record(Record record, Bytes payload);
    Result<void> put_zeros();

    ByteSink& sink_;
    Digest digest_;
    Record zeros_; // not written yet; count 0: none
    std::uint32_t sequence_ = 0;
    std::uint64_t chunks_ = 0;
    std::uint64_t bytes_ = 0; // written or waiting
    std::vector<std::byte> waiting_;
};

class StreamReader {
public:
    explicit StreamReader(ByteSource& source) noexcept : source_(source) {}

    // begin() once; then next() until it has no piece: the end record was there and right. A piece's
    // content is not checked yet: see Decoder. An error's offset is that of the part that is wrong.
    Result<Header> begin();
    Result<std::optional<Piece>> next();

    const Header& header() const noexcept { return header_; }
    std::uint64_t bytes() const noexcept { return bytes_; }
    std::uint64_t record_offset() const noexcept { return record_offset_; } // of the piece from next()
    bool ready() const { return source_.ready(); }                          // next() has something to read

private:
    Result<void> get(std::span<std::byte> bytes);
    std::span<std::byte> room_for(std::size_t bytes);
    Result<void> check(const Record& record) const;
    Result<std::optional<Piece>> finish(const Record& record, const std::array<std::byte, 16>& digest);
    tl::unexpected<Error> refuse(std::string what) const;

    ByteSource& source_;
    // Payloads lie one behind the other in a buffer of the pool, each at a multiple of 4096: the present one,
    // and what is left of it.
    BufferPool pool_{kMaxDataBytes};
    std::shared_ptr<AlignedMemory> memory_;
    std::span<std::byte> room_;
    Header header_;
    Digest digest_;
    std::uint64_t next_chunk_ = 0; // no record may begin below it
    std::uint32_t sequence_ = 0;
    std::uint64_t chunks_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t record_offset_ = 0;
};

} // namespace zumastor::stream
