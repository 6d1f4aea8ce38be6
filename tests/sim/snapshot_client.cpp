// SPDX-License-Identifier: GPL-2.0
#include "sim/snapshot_client.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace sim {
namespace {

constexpr unsigned kPatience = 5;

} // namespace

SnapshotClient::SnapshotClient(Context& context, Listener& listener, Identity identity, Model& model,
                               Disk& origin, Disk& store, std::uint64_t snapshot, bool read_only)
    : Client(context, listener, std::move(identity)), model_(model), origin_(context, origin),
      store_(context, store), snapshot_(snapshot), read_only_(read_only), sectors_(0)
{
    if (const SnapshotModel* known = model.find(snapshot); known != nullptr) {
        sectors_ = known->content.sectors();
    }
}

// ---- the application ------------------------------------------------------------------------

bool SnapshotClient::overlaps(std::uint64_t first, std::uint64_t count, bool write) const
{
    return std::any_of(operations_.begin(), operations_.end(), [&](const Operation& other) {
        return (write || other.write) && other.first < first + count && first < other.first + other.count;
    });
}

SnapshotClient::Op SnapshotClient::add(std::uint64_t first_block, std::uint64_t blocks, bool write)
{
    const std::uint64_t first = first_block * kSectorsPerBlock;
    if (leaving_ || gone() || invalid_ || first >= sectors_) {
        return operations_.end();
    }
    const std::uint64_t count = std::min(blocks * kSectorsPerBlock, sectors_ - first);
    if (overlaps(first, count, write)) {
        return operations_.end();
    }
    Operation operation;
    operation.write = write;
    operation.first = first;
    operation.count = count;
    operation.data.resize((count + kSectorsPerBlock - 1) / kSectorsPerBlock * kBlock);
    operations_.push_back(std::move(operation));
    return std::prev(operations_.end());
}

void SnapshotClient::read(std::uint64_t first_block, std::uint64_t blocks, Done done)
{
    const Op operation = add(first_block, blocks, false);
    if (operation != operations_.end()) {
        operation->done = std::move(done);
        advance(operation);
    }
}

void SnapshotClient::write(std::uint64_t first_block, std::uint64_t blocks, bool zeros)
{
    SnapshotModel* snapshot = model_.find(snapshot_);
    if (snapshot == nullptr || read_only_) {
        return;
    }
    const Op operation = add(first_block, blocks, true);
    if (operation == operations_.end()) {
        return;
    }
    operation->stamp =
        zeros ? 0 : make_stamp(1 + static_cast<unsigned>(snapshot_ % 250), ++snapshot->operations);
    for (std::uint64_t i = 0; i < operation->count; ++i) {
        encode_sector(std::span(operation->data).subspan(i * kSector, kSector), operation->stamp,
                      operation->first + i);
    }
    context_.trace("{}: write {} to sectors {}+{}", identity().name, describe(operation->stamp),
                   operation->first, operation->count);
    snapshot->content.write_started(operation->first, operation->count, operation->stamp);
    advance(operation);
}

void SnapshotClient::flush()
{
    SnapshotModel* snapshot = model_.find(snapshot_);
    if (gone() || snapshot == nullptr) {
        return;
    }
    ++flushes_;
    const std::uint64_t started = snapshot->content.now();
    store_.flush([this, started](bool ok) {
        if (gone()) {
            return;
        }
        --flushes_;
        SnapshotModel* flushed = model_.find(snapshot_);
        if (ok && flushed != nullptr) {
            flushed->content.flush_done(started);
        }
        drained();
    });
}

void SnapshotClient::begin_leave(bool farewell)
{
    leaving_ = true;
    farewell_ = farewell;
    drained();
}

void SnapshotClient::die(Death death)
{
    Client::die(death);
    SnapshotModel* snapshot = model_.find(snapshot_);
    for (const Operation& operation : operations_) {
        if (operation.write && snapshot != nullptr && death == Death::process) {
            snapshot->content.write_lost(operation.first, operation.count, operation.stamp);
        }
    }
    for (Port* port : {&origin_, &store_}) {
        port->kill(death);
        while (port->fail_one()) {
        }
    }
    operations_.clear();
}

bool SnapshotClient::idle() const noexcept
{
    return operations_.empty() && flushes_ == 0 && io_under_way() == 0;
}

std::string SnapshotClient::state() const
{
    return fmt::format("{}: snapshot {} session {} operations {} requests {} leaving {} invalid {}",
                       identity().name, snapshot_, in_session() ? session_ : 0, operations_.size(),
                       requests_.size(), leaving_, invalid_);
}

void SnapshotClient::verify(const Operation& operation)
{
    SnapshotModel* snapshot = model_.find(snapshot_);
    if (snapshot == nullptr || snapshot->squashed) {
        return;
    }
    for (std::uint64_t i = 0; i < operation.count; ++i) {
        const auto bytes = std::span(operation.data).subspan(i * kSector, kSector);
        const std::uint64_t sector = operation.first + i;
        const Stamp seen = decode_sector(bytes, sector);
        if (snapshot->content.written_since(sector, operation.began)) {
            continue; // another client has written here meanwhile
        }
        if (!snapshot->content.allowed(sector, seen)) {
            context_.fail(fmt::format("{}: snapshot {} (epoch {}), chunk {}, sector {}: expected {}, read {}",
                                      identity().name, snapshot_, snapshot->epoch, chunk_of(sector), sector,
                                      snapshot->content.expectation(sector), describe_bytes(bytes)));
            return;
        }
        snapshot->content.observe(sector, seen, false);
    }
}

// ---- operations -----------------------------------------------------------------------------

void SnapshotClient::pump()
{
    for (auto it = operations_.begin(); it != operations_.end();) {
        const Op operation = it++; // advance() may erase it
        advance(operation);
    }
}

void SnapshotClient::advance(Op operation)
{
    if (operation->asking || operation->pieces > 0) {
        return;
    }
    if (invalid_) {
        return fail_operation(operation);
    }
    if (operation->redo) {
        operation->redo = false;
        operation->session = 0;
    }
    if (operation->session != 0 && operation->next > last_chunk(*operation)) {
        return finished(operation);
    }
    if (!in_session()) {
        return;
    }
    if (operation->session == 0) {
        const SnapshotModel* snapshot = model_.find(snapshot_);
        operation->began = snapshot != nullptr ? snapshot->content.now() : 0;
        operation->next = chunk_of(operation->first);
        operation->session = session_;
    }
    if (!from_cache(operation)) {
        ask(operation);
    }
}

void SnapshotClient::finished(Op operation)
{
    SnapshotModel* snapshot = model_.find(snapshot_);
    if (!operation->write) {
        verify(*operation);
    } else if (snapshot != nullptr) {
        context_.trace("{}: done {}", identity().name, describe(operation->stamp));
        snapshot->content.write_done(operation->first, operation->count, operation->stamp);
    }
    const Operation ended = std::move(*operation);
    operations_.erase(operation);
    drained();
    if (ended.done) {
        ended.done(ended.first, std::span(ended.data).first(ended.count * kSector));
    }
}

void SnapshotClient::fail_operation(Op operation)
{
    SnapshotModel* snapshot = model_.find(snapshot_);
    if (operation->write && snapshot != nullptr) {
        snapshot->content.write_lost(operation->first, operation->count, operation->stamp);
    }
    operations_.erase(operation);
    drained();
}

bool SnapshotClient::from_cache(Op operation)
{
    if (operation->write || (welcome_.flags & DDSNAP_FLAG_MAY_CACHE) == 0) {
        return false;
    }
    for (std::uint64_t c = operation->next; c <= last_chunk(*operation); ++c) {
        if (!cache_.contains(c)) {
            return false;
        }
    }
    while (operation->next <= last_chunk(*operation)) {
        take(operation, cache_.at(operation->next), 0);
    }
    if (operation->pieces == 0) {
        context_.scheduler.after(1, [this] { pump(); });
    }
    return true;
}

void SnapshotClient::ask(Op operation)
{
    if (requests_.size() >= welcome_.credits) {
        return;
    }
    const std::uint64_t id = next_request_++;
    const std::uint64_t wanted = last_chunk(*operation) - operation->next + 1;
    requests_[id] = {operation, 0, false};
    operation->asking = true;
    auto message = make_message<ddsnap_request>(operation->write ? DDSNAP_SNAP_WRITE : DDSNAP_SNAP_READ, id);
    message.first = operation->next;
    message.count = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, welcome_.max_range));
    send(message);
}

// ---- extents --------------------------------------------------------------------------------

void SnapshotClient::extents(const ddsnap_header& header, std::span<const std::byte> bytes)
{
    ddsnap_extents answer{};
    const auto found = requests_.find(header.id);
    if (found == requests_.end() || bytes.size() < sizeof(answer)) {
        return protocol_error("EXTENTS that nobody asked for, or too short");
    }
    std::memcpy(&answer, bytes.data(), sizeof(answer));
    if (bytes.size() != sizeof(answer) + answer.extents * sizeof(ddsnap_extent)) {
        return protocol_error("EXTENTS of a wrong length");
    }
    std::vector<ddsnap_extent> list(answer.extents);
    if (!list.empty()) {
        std::memcpy(list.data(), &bytes[sizeof(answer)], list.size() * sizeof(ddsnap_extent));
    }
    const Op operation = found->second.operation;
    if (operation == operations_.end()) {
        return give_up(header.id, list);
    }
    operation->asking = false;
    if (answer.status != DDSNAP_OK || list.empty()) {
        requests_.erase(found);
        return extents_refused(operation, answer.status);
    }
    for (const ddsnap_extent& extent : list) {
        if (!take(operation, extent, header.id)) {
            return protocol_error(fmt::format("extent {}+{} of kind {} where chunk {} comes next",
                                              static_cast<std::uint64_t>(extent.first),
                                              static_cast<std::uint32_t>(extent.count),
                                              static_cast<std::uint32_t>(extent.kind), operation->next));
        }
    }
    if (!found->second.locked) {
        requests_.erase(found);
    }
    pump();
}

// The operation ended before its answer came.
void SnapshotClient::give_up(std::uint64_t request, std::span<const ddsnap_extent> extents)
{
    requests_.erase(request);
    const bool locked = std::any_of(extents.begin(), extents.end(), [](const ddsnap_extent& extent) {
        return extent.kind == DDSNAP_EXTENT_ORIGIN;
    });
    if (locked) {
        send(make_message<ddsnap_header>(DDSNAP_UNLOCK, request));
    }
    drained();
}

void SnapshotClient::extents_refused(Op operation, std::uint32_t status)
{
    SnapshotModel* snapshot = model_.find(snapshot_);
    context_.trace("{}: refused extents with {}", identity().name, status);
    if (status == DDSNAP_ERR_SQUASHED) {
        model_.squash_seen(snapshot_);
    } else if (status == DDSNAP_ERR_NO_SNAPSHOT && (snapshot == nullptr || snapshot->removing)) {
        context_.trace("{}: the snapshot is gone", identity().name);
    } else if (status != DDSNAP_ERR_NO_SPACE || !operation->write || model_.ample()) {
        protocol_error(fmt::format("{} of snapshot {} failed with status {}",
                                   operation->write ? "write" : "read", snapshot_, status));
    }
    fail_operation(operation);
}

// The part of the operation that the extent covers, begun at operation->next.
bool SnapshotClient::take(Op operation, const ddsnap_extent& extent, std::uint64_t request)
{
    const bool known = extent.kind == DDSNAP_EXTENT_STORE || extent.kind == DDSNAP_EXTENT_ZERO ||
                       (extent.kind == DDSNAP_EXTENT_ORIGIN && request != 0);
    if (!known || extent.first != operation->next || extent.count == 0 ||
        extent.first + extent.count - 1 > last_chunk(*operation) ||
        (operation->write && extent.kind != DDSNAP_EXTENT_STORE)) {
        return false;
    }
    operation->next += extent.count;
    const std::uint64_t chunk_sectors = 1ULL << (chunk_shift_ - 9U);
    if (extent.kind != DDSNAP_EXTENT_ORIGIN) {
        for (std::uint32_t i = 0; i < extent.count; ++i) {
            const std::uint64_t place =
                extent.kind == DDSNAP_EXTENT_STORE ? extent.sector + i * chunk_sectors : 0;
            cache_[extent.first + i] = {extent.first + i, place, 1, extent.kind};
        }
    }
    const std::uint64_t begin = std::max<std::uint64_t>(operation->first, extent.first * chunk_sectors);
    const std::uint64_t end = std::min<std::uint64_t>(operation->first + operation->count,
                                                      (extent.first + extent.count) * chunk_sectors);
    const std::uint64_t blocks = (end - begin + kSectorsPerBlock - 1) / kSectorsPerBlock;
    const Piece piece{operation, begin, blocks * kBlock, extent.kind == DDSNAP_EXTENT_ORIGIN ? request : 0};
    if (piece.lock != 0) {
        requests_[request].locked = true;
        ++requests_[request].pieces;
    }
    do_piece(piece, extent);
    return true;
}

void SnapshotClient::do_piece(const Piece& piece, const ddsnap_extent& extent)
{
    const std::uint64_t at = (piece.sector - piece.operation->first) * kSector;
    const std::span<std::byte> part = std::span(piece.operation->data).subspan(at, piece.bytes);
    if (extent.kind == DDSNAP_EXTENT_ZERO) {
        std::fill(part.begin(), part.end(), std::byte{0});
        return;
    }
    ++piece.operation->pieces;
    const std::uint64_t within = piece.sector - (extent.first << (chunk_shift_ - 9U));
    const bool on_store = extent.kind == DDSNAP_EXTENT_STORE;
    Port& port = on_store ? store_ : origin_;
    const std::uint64_t offset = (on_store ? extent.sector + within : piece.sector) * kSector;
    if (piece.operation->write) {
        port.write(offset, Buffer(part.begin(), part.end()),
                   [this, piece](bool ok) { piece_done(piece, nullptr, ok); });
    } else {
        port.read(offset, piece.bytes, [this, piece](const std::vector<std::byte>* data) {
            piece_done(piece, data, data != nullptr);
        });
    }
}

void SnapshotClient::piece_done(const Piece& piece, const std::vector<std::byte>* data, bool ok)
{
    if (gone()) {
        return;
    }
    if (!ok) {
        return protocol_error("I/O failed"); // no simulated device fails
    }
    if (in_session() && daemon_closed() && !bug_trusts_dead_locks) {
        drop_connection(); // so this I/O is not believed
    }
    Operation& operation = *piece.operation;
    if (data != nullptr) {
        const std::uint64_t at = (piece.sector - operation.first) * kSector;
        std::copy(data->begin(), data->end(), operation.data.begin() + static_cast<std::ptrdiff_t>(at));
    }
    --operation.pieces;
    if (piece.lock != 0) {
        release(piece.lock);
    }
    advance(piece.operation);
    drained();
}

void SnapshotClient::release(std::uint64_t request)
{
    const auto it = requests_.find(request);
    if (it == requests_.end() || --it->second.pieces > 0) {
        return; // the lock died with its session, or other pieces still need it
    }
    requests_.erase(it);
    send(make_message<ddsnap_header>(DDSNAP_UNLOCK, request));
    context_.scheduler.after(1, [this] { pump(); }); // a credit is free
}

// ---- the protocol ---------------------------------------------------------------------------

ddsnap_hello SnapshotClient::hello()
{
    ddsnap_hello hello = basic_hello(DDSNAP_ROLE_SNAPSHOT);
    hello.snapshot = snapshot_;
    hello.sectors = sectors_;
    hello.flags = read_only_ ? DDSNAP_HELLO_READ_ONLY : 0;
    if (io_under_way() > 0) {
        hello.features = 0; // not DRAINED
    }
    return hello;
}

void SnapshotClient::welcome(const ddsnap_welcome& welcome)
{
    chunk_shift_ = welcome.chunk_shift;
    bye_said_ = false;
    if ((welcome.flags & DDSNAP_FLAG_SQUASHED) != 0) {
        return invalidate();
    }
    pump();
    drained();
}

void SnapshotClient::refused(const ddsnap_refused& refused)
{
    SnapshotModel* snapshot = model_.find(snapshot_);
    const bool busy = refused.reason == DDSNAP_ERR_BUSY;
    if (refused.reason == DDSNAP_ERR_STOPPING ||
        (busy && !leaving_ && (session_ != 0 || ++refusals_ < kPatience))) {
        return;
    }
    // Another client has it, perhaps for long. One that is leaving is then recorded no more: only the answer
    // to its BYE was lost.
    if (busy) {
        context_.trace("{}: gives up", identity().name);
    } else if (refused.reason == DDSNAP_ERR_SQUASHED) {
        model_.squash_seen(snapshot_);
    } else if (refused.reason != DDSNAP_ERR_NO_SNAPSHOT || (snapshot != nullptr && !snapshot->removing)) {
        protocol_error(fmt::format("snapshot {} refused with {}", snapshot_, refused.reason));
    }
    invalid_ = true;
    leaving_ = true;
    farewell_ = false;
    pump();
    drained();
}

void SnapshotClient::session_lost()
{
    requests_.clear();
    cache_.clear();
    bye_said_ = false;
    invalid_said_ = true;
    for (Operation& operation : operations_) {
        operation.asking = false;
        operation.redo = operation.session != 0 && (operation.write || !bug_trusts_dead_locks);
    }
}

void SnapshotClient::message(const ddsnap_header& header, std::span<const std::byte> bytes)
{
    if (header.type == DDSNAP_EXTENTS) {
        extents(header, bytes);
    } else if (header.type == DDSNAP_INVALID && bytes.size() == sizeof(header)) {
        invalid_said_ = false;
        invalidate();
    } else if (header.type == DDSNAP_BYE_ACK && bye_said_) {
        leave();
    } else {
        protocol_error(fmt::format("message of type {} and {} bytes", header.type, bytes.size()));
    }
}

void SnapshotClient::invalidate()
{
    context_.trace("{}: INVALID", identity().name);
    model_.squash_seen(snapshot_);
    invalid_ = true;
    leaving_ = true;
    farewell_ = true;
    for (auto& [id, request] : requests_) {
        if (request.operation != operations_.end() && request.operation->asking) {
            request.operation->asking = false;
            request.operation = operations_.end();
        }
    }
    pump();
    drained();
}

void SnapshotClient::drained()
{
    if (gone() || !idle()) {
        return;
    }
    if (!invalid_said_ && in_session()) {
        invalid_said_ = true;
        send(make_message<ddsnap_header>(DDSNAP_INVALID_ACK));
    }
    if (!leaving_) {
        return;
    }
    if (!farewell_ || session_ == 0) {
        leave();
    } else if (in_session() && requests_.empty() && !std::exchange(bye_said_, true)) {
        send(make_message<ddsnap_header>(DDSNAP_BYE));
    }
}

} // namespace sim
