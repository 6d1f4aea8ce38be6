// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/client/snapshot_client.h"

#include <algorithm>

namespace ddsnap::client {

using snapstore::Chunk;
using snapstore::Extent;
using wire::Status;

SnapshotClient::SnapshotClient(snapstore::SnapshotId snapshot, const ClientOptions& options)
    : ProtocolClient(wire::Role::snapshot, snapshot, options)
{}

void SnapshotClient::submit(SnapshotIo& io)
{
    io.next_ = io.range.first;
    io.request_ = 0;
    io.performing_ = false;
    all_.push_back(&io);
    if (squashed_) {
        finish(io, Status::squashed);
        return;
    }
    advance();
}

void SnapshotClient::withdraw(SnapshotIo& io) { all_.remove(&io); }

void SnapshotClient::finish(SnapshotIo& io, Status status)
{
    all_.remove(&io);
    io.done(status);
}

void SnapshotClient::advance()
{
    if (!is_open() || squashed_) {
        return;
    }
    for (SnapshotIo* io : all_) {
        if (outstanding_ >= welcome().credits) {
            return;
        }
        if (io->performing_ || io->request_ != 0) {
            continue;
        }
        const std::uint64_t left = (io->range.end() - io->next_).value;
        const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, welcome().max_range));
        const wire::Request request{
            io->write ? wire::Type::snap_write : wire::Type::snap_read, next_id(), {io->next_, count}, {}};
        io->request_ = request.id;
        ++outstanding_;
        send_message(request);
    }
}

void SnapshotClient::on_extents(const wire::Extents& extents)
{
    const auto it = std::find_if(all_.begin(), all_.end(), [&](const SnapshotIo* io) {
        return extents.id != 0 && io->request_ == extents.id && !io->performing_;
    });
    const auto list = std::span(extents.extent).first(extents.count);
    const bool locked =
        std::any_of(list.begin(), list.end(), [](const Extent& e) { return e.kind == Extent::Kind::origin; });
    if (it == all_.end()) { // withdrawn
        outstanding_ -= outstanding_ > 0 ? 1 : 0;
        if (locked) {
            send_message(wire::Bare{wire::Type::unlock, extents.id});
        }
        return advance();
    }
    SnapshotIo& io = **it;
    if (!locked) {
        --outstanding_;
    }
    if (extents.status != Status::ok) {
        finish(io, extents.status);
        return advance();
    }
    if (list.front().first != io.next_) {
        return fail("EXTENTS do not begin where they should");
    }
    // The data would end up at the origin's place, on whichever device.
    if (io.write && std::any_of(list.begin(), list.end(),
                                [](const Extent& e) { return e.kind != Extent::Kind::store; })) {
        return fail("EXTENTS of a write that are not in the store");
    }
    io.part_end_ = std::min(Chunk{list.back().first.value + list.back().count}, io.range.end());
    io.locked_ = locked;
    io.session_ = sessions();
    io.performing_ = true;
    ++performing_;
    io.perform(list);
}

void SnapshotClient::performed(SnapshotIo& io, Status status)
{
    io.performing_ = false;
    --performing_;
    const bool session_lives = is_open() && io.session_ == sessions() && stands();
    if (session_lives && io.locked_) {
        --outstanding_;
        send_message(wire::Bare{wire::Type::unlock, io.request_});
    }
    io.request_ = 0;
    if (squashed_) {
        finish(io, Status::squashed);
        return acknowledge();
    }
    if (session_lives) {
        io.next_ = io.part_end_;
    }
    if (session_lives && status != Status::ok) {
        finish(io, status);
    } else if (io.next_ == io.range.end()) {
        finish(io, Status::ok);
    }
    advance();
}

void SnapshotClient::on_welcome()
{
    outstanding_ = 0;
    owes_ack_ = false;
    if ((welcome().flags & DDSNAP_FLAG_SQUASHED) != 0) {
        squashed_ = true;
    }
    advance();
}

void SnapshotClient::on_lost()
{
    owes_ack_ = false;
    for (SnapshotIo* io : all_) {
        if (!io->performing_) {
            io->request_ = 0;
        }
    }
}

void SnapshotClient::on_invalid()
{
    squashed_ = true;
    owes_ack_ = true;
    const auto waiting = all_;
    for (SnapshotIo* io : waiting) {
        if (!io->performing_) {
            finish(*io, Status::squashed);
        }
    }
    acknowledge();
}

void SnapshotClient::acknowledge()
{
    if (owes_ack_ && performing_ == 0 && is_open()) {
        owes_ack_ = false;
        send_message(wire::Bare{wire::Type::invalid_ack, 0});
    }
}

void SnapshotClient::on_message(const wire::Header& header, wire::Bytes message)
{
    if (header.type == wire::Type::extents) {
        if (const auto extents = wire::Extents::decode(message)) {
            return on_extents(*extents);
        }
    } else if (header.type == wire::Type::invalid && wire::Bare::decode(message)) {
        return on_invalid();
    }
    fail("unexpected message");
}

} // namespace ddsnap::client
