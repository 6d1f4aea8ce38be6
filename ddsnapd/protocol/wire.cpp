// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/protocol/wire.h"

#include <endian.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>

namespace ddsnap::wire {
namespace {

using snapstore::Chunk;
using snapstore::ChunkRange;
using snapstore::Epoch;
using snapstore::Extent;
using snapstore::Sectors;
using snapstore::SnapshotId;

std::uint16_t get(__le16 v) noexcept { return le16toh(v); }
std::uint32_t get(__le32 v) noexcept { return le32toh(v); }
std::uint64_t get64(__le64 v) noexcept { return le64toh(v); }
__le16 put16(std::uint16_t v) noexcept { return htole16(v); }
__le32 put32(std::uint32_t v) noexcept { return htole32(v); }
__le64 put64(std::uint64_t v) noexcept { return htole64(v); }

tl::unexpected<const char*> bad(const char* why) noexcept { return tl::unexpected<const char*>(why); }

// False if the message is not exactly a Disk.
template <class Disk>
bool load(Bytes message, Disk& disk) noexcept
{
    if (message.size() != sizeof disk) {
        return false;
    }
    std::memcpy(&disk, message.data(), sizeof disk);
    return true;
}

template <class Disk>
Encoded<Disk> store(const Disk& disk) noexcept
{
    Encoded<Disk> bytes;
    std::memcpy(bytes.data(), &disk, sizeof disk);
    return bytes;
}

ddsnap_header header(Type type, std::uint64_t id, std::size_t length) noexcept
{
    ddsnap_header h{};
    h.length = put32(static_cast<std::uint32_t>(length));
    h.type = put16(static_cast<std::uint16_t>(type));
    h.id = put64(id);
    return h;
}

void put_uuid(__u8 (&to)[DDSNAP_UUID_LEN], const snapstore::Uuid& from) noexcept
{
    std::memcpy(to, from.data(), from.size());
}

snapstore::Uuid get_uuid(const __u8 (&from)[DDSNAP_UUID_LEN]) noexcept
{
    snapstore::Uuid to;
    std::memcpy(to.data(), from, to.size());
    return to;
}

template <std::size_t N>
std::string_view text_of(const std::array<char, N>& text) noexcept
{
    return {text.data(), static_cast<std::size_t>(std::find(text.begin(), text.end(), '\0') - text.begin())};
}

template <std::size_t N>
void set_text_of(std::array<char, N>& text, std::string_view words) noexcept
{
    text.fill('\0');
    std::copy_n(words.begin(), std::min(words.size(), N - 1), text.begin());
}

bool valid(ChunkRange range) noexcept
{
    return range.count >= 1 && range.count <= DDSNAP_MAX_RANGE &&
           range.first.value <= std::numeric_limits<std::uint64_t>::max() - range.count;
}

bool known_status(std::uint32_t status) noexcept { return status <= DDSNAP_ERR_INVALID; }

} // namespace

Status status_of(snapstore::Errc code) noexcept
{
    using snapstore::Errc;
    switch (code) {
    case Errc::no_space:
        return Status::no_space;
    case Errc::not_found:
        return Status::no_snapshot;
    case Errc::busy:
        return Status::busy;
    case Errc::squashed:
        return Status::squashed;
    case Errc::corrupt:
        return Status::corrupt;
    case Errc::invalid:
        return Status::range;
    case Errc::stopping:
        return Status::stopping;
    default:
        return Status::io;
    }
}

Decoded<Header> Header::decode(Bytes message) noexcept
{
    if (message.size() < sizeof(ddsnap_header)) {
        return bad("message is shorter than a header");
    }
    ddsnap_header h;
    std::memcpy(&h, message.data(), sizeof h);
    const std::uint32_t length = get(h.length);
    if (length < sizeof h || length > DDSNAP_MAX_MESSAGE) {
        return bad("message length is out of range");
    }
    const std::uint16_t type = get(h.type);
    if (type < DDSNAP_HELLO || type > DDSNAP_BYE_ACK) {
        return bad("message type is unknown");
    }
    if (h.reserved != 0) {
        return bad("reserved header field is not 0");
    }
    return Header{length, static_cast<Type>(type), get64(h.id)};
}

std::string_view Hello::name_view() const noexcept { return text_of(name); }
void Hello::set_name(std::string_view text) noexcept { set_text_of(name, text); }
std::string_view Refused::text_view() const noexcept { return text_of(text); }
void Refused::set_text(std::string_view words) noexcept { set_text_of(text, words); }

Decoded<Hello> Hello::decode(Bytes message) noexcept
{
    ddsnap_hello d;
    if (!load(message, d)) {
        return bad("HELLO has a wrong length");
    }
    if (get(d.magic) != DDSNAP_MAGIC) {
        return bad("HELLO has a wrong magic number");
    }
    const std::uint32_t role = get(d.role);
    const std::uint32_t kind = get(d.kind);
    if (role != DDSNAP_ROLE_ORIGIN && role != DDSNAP_ROLE_SNAPSHOT) {
        return bad("HELLO has an unknown role");
    }
    if (kind != DDSNAP_CLIENT_KERNEL && kind != DDSNAP_CLIENT_PROCESS) {
        return bad("HELLO has an unknown kind of client");
    }
    Hello m;
    m.id = get64(d.header.id);
    m.version = get(d.version);
    m.version_min = get(d.version_min);
    m.features = get64(d.features);
    m.role = static_cast<Role>(role);
    m.read_only = (get(d.flags) & DDSNAP_HELLO_READ_ONLY) != 0;
    m.snapshot = SnapshotId{get64(d.snapshot)};
    m.sectors = Sectors{get64(d.sectors)};
    m.volume = get_uuid(d.volume);
    m.client = get_uuid(d.client);
    m.kind = static_cast<Kind>(kind);
    m.major = get(d.major);
    m.minor = get(d.minor);
    m.epoch = Epoch{get(d.epoch)};
    m.snapshot_uuid = get_uuid(d.snapshot_uuid);
    std::copy_n(std::begin(d.name), m.name.size(), m.name.begin());
    m.name.back() = '\0';
    return m;
}

Encoded<ddsnap_hello> encode(const Hello& m) noexcept
{
    ddsnap_hello d{};
    d.header = header(Type::hello, m.id, sizeof d);
    d.magic = put32(DDSNAP_MAGIC);
    d.version = put16(m.version);
    d.version_min = put16(m.version_min);
    d.features = put64(m.features);
    d.role = put32(static_cast<std::uint32_t>(m.role));
    d.flags = put32(m.read_only ? DDSNAP_HELLO_READ_ONLY : 0);
    d.snapshot = put64(m.snapshot.value);
    d.sectors = put64(m.sectors.value);
    put_uuid(d.volume, m.volume);
    put_uuid(d.client, m.client);
    d.kind = put32(static_cast<std::uint32_t>(m.kind));
    d.major = put32(m.major);
    d.minor = put32(m.minor);
    d.epoch = put32(m.epoch.value);
    put_uuid(d.snapshot_uuid, m.snapshot_uuid);
    std::copy_n(m.name.begin(), m.name.size() - 1, std::begin(d.name));
    return store(d);
}

Decoded<Welcome> Welcome::decode(Bytes message) noexcept
{
    ddsnap_welcome d;
    if (!load(message, d)) {
        return bad("WELCOME has a wrong length");
    }
    Welcome m;
    m.id = get64(d.header.id);
    m.version = get(d.version);
    m.chunk_shift = get(d.chunk_shift);
    m.flags = get(d.flags);
    m.features = get64(d.features);
    m.epoch = Epoch{get(d.epoch)};
    m.credits = get(d.credits);
    m.max_range = get(d.max_range);
    m.sectors = Sectors{get64(d.sectors)};
    m.volume = get_uuid(d.volume);
    m.session = get64(d.session);
    m.snapshot_uuid = get_uuid(d.snapshot_uuid);
    if (!snapstore::is_chunk_shift(m.chunk_shift) || m.credits == 0 || m.max_range == 0 ||
        m.max_range > DDSNAP_MAX_RANGE) {
        return bad("WELCOME has a field out of range");
    }
    return m;
}

Encoded<ddsnap_welcome> encode(const Welcome& m) noexcept
{
    ddsnap_welcome d{};
    d.header = header(Type::welcome, m.id, sizeof d);
    d.version = put16(m.version);
    d.chunk_shift = put16(m.chunk_shift);
    d.flags = put32(m.flags);
    d.features = put64(m.features);
    d.epoch = put32(m.epoch.value);
    d.credits = put32(m.credits);
    d.max_range = put32(m.max_range);
    d.sectors = put64(m.sectors.value);
    put_uuid(d.volume, m.volume);
    d.session = put64(m.session);
    put_uuid(d.snapshot_uuid, m.snapshot_uuid);
    return store(d);
}

Decoded<Refused> Refused::decode(Bytes message) noexcept
{
    ddsnap_refused d;
    if (!load(message, d)) {
        return bad("REFUSED has a wrong length");
    }
    const std::uint32_t reason = get(d.reason);
    if (reason == DDSNAP_OK || !known_status(reason)) {
        return bad("REFUSED has an unknown reason");
    }
    Refused m;
    m.id = get64(d.header.id);
    m.reason = static_cast<Status>(reason);
    std::copy_n(std::begin(d.text), m.text.size(), m.text.begin());
    m.text.back() = '\0';
    return m;
}

Encoded<ddsnap_refused> encode(const Refused& m) noexcept
{
    ddsnap_refused d{};
    d.header = header(Type::refused, m.id, sizeof d);
    d.reason = put32(static_cast<std::uint32_t>(m.reason));
    std::copy_n(m.text.begin(), m.text.size() - 1, std::begin(d.text));
    return store(d);
}

Decoded<Request> Request::decode(Bytes message) noexcept
{
    ddsnap_request d;
    if (!load(message, d)) {
        return bad("request has a wrong length");
    }
    Request m;
    m.type = static_cast<Type>(get(d.header.type));
    m.id = get64(d.header.id);
    m.range = {Chunk{get64(d.first)}, get(d.count)};
    m.epoch = Epoch{get(d.epoch)};
    if (m.id == 0) {
        return bad("request has id 0");
    }
    if (!valid(m.range)) {
        return bad("request has a chunk count out of range");
    }
    return m;
}

Encoded<ddsnap_request> encode(const Request& m) noexcept
{
    ddsnap_request d{};
    d.header = header(m.type, m.id, sizeof d);
    d.first = put64(m.range.first.value);
    d.count = put32(m.range.count);
    d.epoch = put32(m.epoch.value);
    return store(d);
}

Decoded<Grant> Grant::decode(Bytes message) noexcept
{
    ddsnap_grant d;
    if (!load(message, d)) {
        return bad("GRANT has a wrong length");
    }
    const std::uint32_t status = get(d.status);
    Grant m;
    m.id = get64(d.header.id);
    m.range = {Chunk{get64(d.first)}, get(d.count)};
    m.epoch = Epoch{get(d.epoch)};
    m.status = static_cast<Status>(status);
    if (!known_status(status) ||
        m.range.first.value > std::numeric_limits<std::uint64_t>::max() - m.range.count) {
        return bad("GRANT has a field out of range");
    }
    return m;
}

Encoded<ddsnap_grant> encode(const Grant& m) noexcept
{
    ddsnap_grant d{};
    d.header = header(Type::grant, m.id, sizeof d);
    d.first = put64(m.range.first.value);
    d.count = put32(m.range.count);
    d.epoch = put32(m.epoch.value);
    d.status = put32(static_cast<std::uint32_t>(m.status));
    return store(d);
}

Decoded<EpochMessage> EpochMessage::decode(Bytes message) noexcept
{
    ddsnap_epoch d;
    if (!load(message, d)) {
        return bad("epoch message has a wrong length");
    }
    return EpochMessage{static_cast<Type>(get(d.header.type)), get64(d.header.id), Epoch{get(d.epoch)},
                        get(d.flags)};
}

Encoded<ddsnap_epoch> encode(const EpochMessage& m) noexcept
{
    ddsnap_epoch d{};
    d.header = header(m.type, m.id, sizeof d);
    d.epoch = put32(m.epoch.value);
    d.flags = put32(m.flags);
    return store(d);
}

Decoded<Bare> Bare::decode(Bytes message) noexcept
{
    ddsnap_header d;
    if (!load(message, d)) {
        return bad("message has a wrong length");
    }
    return Bare{static_cast<Type>(get(d.type)), get64(d.id)};
}

Encoded<ddsnap_header> encode(const Bare& m) noexcept
{
    return store(header(m.type, m.id, sizeof(ddsnap_header)));
}

Decoded<Extents> Extents::decode(Bytes message) noexcept
{
    ddsnap_extents d;
    if (message.size() < sizeof d) {
        return bad("EXTENTS has a wrong length");
    }
    std::memcpy(&d, message.data(), sizeof d);
    const std::uint32_t status = get(d.status);
    Extents m;
    m.id = get64(d.header.id);
    m.status = static_cast<Status>(status);
    m.count = get(d.extents);
    if (m.count > DDSNAP_MAX_EXTENTS || message.size() != sizeof d + m.count * sizeof(ddsnap_extent)) {
        return bad("EXTENTS has a wrong length");
    }
    if (!known_status(status) || (status == DDSNAP_OK) == (m.count == 0)) {
        return bad("EXTENTS has a status that does not go with its extents");
    }
    for (std::uint32_t i = 0; i < m.count; ++i) {
        ddsnap_extent e;
        std::memcpy(&e, message.data() + sizeof d + i * sizeof e, sizeof e);
        const std::uint32_t kind = get(e.kind);
        if (kind < DDSNAP_EXTENT_STORE || kind > DDSNAP_EXTENT_ORIGIN) {
            return bad("EXTENTS has an extent of unknown kind");
        }
        m.extent[i] = {Chunk{get64(e.first)}, get(e.count),
                       static_cast<Extent::Kind>(kind - DDSNAP_EXTENT_STORE), Sectors{get64(e.sector)}};
        if (!valid({m.extent[i].first, m.extent[i].count}) ||
            (i > 0 && m.extent[i].first.value != m.extent[i - 1].first.value + m.extent[i - 1].count)) {
            return bad("EXTENTS has extents out of order");
        }
    }
    return m;
}

Bytes encode_extents(std::uint64_t id, Status status, std::span<const Extent> extents,
                     ExtentsBuffer& buffer) noexcept
{
    static_assert(static_cast<int>(Extent::Kind::store) + 1 == DDSNAP_EXTENT_STORE &&
                  static_cast<int>(Extent::Kind::zero) + 1 == DDSNAP_EXTENT_ZERO &&
                  static_cast<int>(Extent::Kind::origin) + 1 == DDSNAP_EXTENT_ORIGIN);
    assert(extents.size() <= DDSNAP_MAX_EXTENTS);
    const std::size_t length = sizeof(ddsnap_extents) + extents.size() * sizeof(ddsnap_extent);
    ddsnap_extents d{};
    d.header = header(Type::extents, id, length);
    d.status = put32(static_cast<std::uint32_t>(status));
    d.extents = put32(static_cast<std::uint32_t>(extents.size()));
    std::memcpy(buffer.data(), &d, sizeof d);
    std::byte* to = buffer.data() + sizeof d;
    for (const Extent& extent : extents) {
        ddsnap_extent e{};
        e.first = put64(extent.first.value);
        e.sector = put64(extent.kind == Extent::Kind::store ? extent.sector.value : 0);
        e.count = put32(extent.count);
        e.kind = put32(static_cast<std::uint32_t>(extent.kind) + DDSNAP_EXTENT_STORE);
        std::memcpy(to, &e, sizeof e);
        to += sizeof e;
    }
    return Bytes(buffer).first(length);
}

bool MessageReader::fill(std::size_t wanted) noexcept
{
    const std::size_t n = std::min(wanted - held_, input_.size());
    std::copy_n(input_.begin(), n, partial_.begin() + static_cast<std::ptrdiff_t>(held_));
    held_ += n;
    input_ = input_.subspan(n);
    return held_ == wanted;
}

std::optional<Bytes> MessageReader::next() noexcept
{
    if (delivered_) {
        delivered_ = false;
        held_ = 0;
    }
    if (error_ != nullptr || (held_ < sizeof(ddsnap_header) && !fill(sizeof(ddsnap_header)))) {
        return std::nullopt;
    }
    const auto h = Header::decode(Bytes(partial_).first(held_));
    if (!h) {
        error_ = h.error();
        return std::nullopt;
    }
    if (!fill(h->length)) {
        return std::nullopt;
    }
    delivered_ = true;
    return Bytes(partial_).first(h->length);
}

} // namespace ddsnap::wire
