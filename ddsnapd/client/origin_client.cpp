// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/client/origin_client.h"

#include <algorithm>

namespace ddsnap::client {

using snapstore::Chunk;
using snapstore::ChunkRange;

OriginClient::OriginClient(std::uint64_t origin_chunks, const ClientOptions& options)
    : ProtocolClient(wire::Role::origin, {}, options), grants_(origin_chunks)
{}

bool OriginClient::granted(ChunkRange range) const noexcept
{
    if (no_snapshots_) {
        return true;
    }
    for (std::uint64_t c = range.first.value; c < range.end().value; ++c) {
        if (c >= grants_.size() || !grants_[c]) {
            return false;
        }
    }
    return true;
}

void OriginClient::submit(OriginWrite& write)
{
    write.asked_to_ = write.range.first;
    write.request_ = 0;
    deferred_.push_back(&write);
    advance();
}

void OriginClient::withdraw(OriginWrite& write)
{
    deferred_.remove(&write);
    // An answer still on its way is counted when it comes: see on_grant().
}

void OriginClient::completed(OriginWrite&)
{
    --in_flight_;
    answer_hold();
}

void OriginClient::answer_hold()
{
    if (owes_held_ && in_flight_ == 0 && is_open()) {
        owes_held_ = false;
        send_message(wire::EpochMessage{wire::Type::held, 0, epoch_, 0});
    }
}

void OriginClient::forget_requests()
{
    outstanding_ = 0;
    for (OriginWrite* w : deferred_) {
        w->asked_to_ = w->range.first;
        w->request_ = 0;
    }
}

void OriginClient::advance()
{
    if (held_) {
        return;
    }
    for (auto it = deferred_.begin(); it != deferred_.end();) {
        OriginWrite& w = **it;
        if (granted(w.range)) {
            it = deferred_.erase(it);
            ++in_flight_;
            w.issue();
            continue;
        }
        if (is_open() && w.request_ == 0 && w.asked_to_ < w.range.end() && outstanding_ < welcome().credits) {
            const std::uint64_t left = (w.range.end() - w.asked_to_).value;
            const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, welcome().max_range));
            const wire::Request request{wire::Type::write, next_id(), {w.asked_to_, count}, epoch_};
            w.asked_to_ += Chunk{count};
            w.request_ = request.id;
            ++outstanding_;
            ++queries_;
            send_message(request);
        }
        ++it;
    }
}

void OriginClient::on_welcome()
{
    forget_requests();
    owes_held_ = false;
    enter_epoch(welcome().epoch, welcome().flags);
}

void OriginClient::on_lost() { owes_held_ = false; } // held_ stays until the next WELCOME

void OriginClient::enter_epoch(snapstore::Epoch epoch, std::uint32_t flags)
{
    if (epoch != epoch_) {
        std::fill(grants_.begin(), grants_.end(), false);
        forget_requests();
        epoch_ = epoch;
    }
    no_snapshots_ = (flags & DDSNAP_FLAG_NO_SNAPSHOTS) != 0;
    held_ = false;
    owes_held_ = false;
    advance();
}

void OriginClient::on_grant(const wire::Grant& grant)
{
    if (grant.epoch != epoch_) {
        return;
    }
    if (grant.id != 0 && outstanding_ > 0) {
        --outstanding_;
    }
    const auto asker = std::find_if(deferred_.begin(), deferred_.end(), [&](const OriginWrite* w) {
        return grant.id != 0 && w->request_ == grant.id;
    });
    if (asker != deferred_.end()) {
        (*asker)->request_ = 0;
    }
    if (grant.status == wire::Status::ok) {
        const std::uint64_t end = std::min<std::uint64_t>(grant.range.end().value, grants_.size());
        for (std::uint64_t c = grant.range.first.value; c < end; ++c) {
            grants_[c] = true;
        }
    } else if (asker != deferred_.end()) {
        OriginWrite& w = **asker;
        deferred_.erase(asker);
        w.failed(grant.status);
    }
    advance();
}

void OriginClient::on_epoch_message(const wire::EpochMessage& message)
{
    switch (message.type) {
    case wire::Type::hold:
        if (message.epoch != epoch_) {
            return fail("HOLD of another epoch");
        }
        held_ = true;
        owes_held_ = true;
        return answer_hold();
    case wire::Type::resume:
        return enter_epoch(message.epoch, message.flags);
    default: // STATE
        if (message.epoch == epoch_) {
            no_snapshots_ = (message.flags & DDSNAP_FLAG_NO_SNAPSHOTS) != 0;
            advance();
        }
    }
}

void OriginClient::on_message(const wire::Header& header, wire::Bytes message)
{
    switch (header.type) {
    case wire::Type::grant:
        if (const auto grant = wire::Grant::decode(message)) {
            return on_grant(*grant);
        }
        break;
    case wire::Type::hold:
    case wire::Type::resume:
    case wire::Type::state:
        if (const auto epoch_message = wire::EpochMessage::decode(message)) {
            return on_epoch_message(*epoch_message);
        }
        break;
    default:
        break;
    }
    fail("unexpected message");
}

} // namespace ddsnap::client
