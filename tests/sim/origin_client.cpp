// SPDX-License-Identifier: GPL-2.0
#include "sim/origin_client.h"

#include <algorithm>
#include <utility>

namespace sim {

OriginClient::OriginClient(Context& context, Listener& listener, Identity identity, Model& model, Disk& disk)
    : Client(context, listener, std::move(identity)), model_(model), port_(context, disk),
      sectors_(model.origin_sectors)
{}

bool OriginClient::set_sectors(std::uint64_t sectors)
{
    for (const AppWrite& write : writes_) {
        if (write.first + write.count > sectors) {
            return false;
        }
    }
    context_.trace("{}: {} sectors", identity().name, sectors);
    sectors_ = sectors;
    break_connection(); // the next HELLO says so
    return true;
}

// ---- the application ------------------------------------------------------------------------

void OriginClient::write(std::uint64_t first_block, std::uint64_t blocks, bool zeros)
{
    const std::uint64_t first = first_block * kSectorsPerBlock;
    if (leaving_ || gone() || first >= sectors_) {
        return;
    }
    AppWrite write;
    write.first = first;
    write.count = std::min(blocks * kSectorsPerBlock, sectors_ - first);
    write.stamp = zeros ? 0 : make_stamp(0, model_.origin_operations + 1);
    if (add(write)) {
        model_.origin_operations += zeros ? 0U : 1U;
    }
}

bool OriginClient::write_back(std::uint64_t first_sector, std::span<const std::byte> sectors)
{
    AppWrite write;
    write.first = first_sector;
    write.count = sectors.size() / kSector;
    for (std::uint64_t i = 0; i < write.count; ++i) {
        write.stamps.push_back(decode_sector(sectors.subspan(i * kSector, kSector), first_sector + i));
        if (write.stamps.back() == kGarbage) {
            return false; // who has read it says so
        }
    }
    return !leaving_ && !gone() && write.first + write.count <= sectors_ && add(std::move(write));
}

bool OriginClient::add(AppWrite write)
{
    for (const AppWrite& other : writes_) {
        if (other.first < write.first + write.count && write.first < other.first + other.count) {
            return false;
        }
    }
    write.blocks = (write.count + kSectorsPerBlock - 1) / kSectorsPerBlock;
    context_.trace("{}: write {} to sectors {}+{}", identity().name,
                   write.stamps.empty() ? describe(write.stamp) : "what was read", write.first, write.count);
    writes_.push_back(std::move(write));
    pump();
    return true;
}

void OriginClient::tell_model(void (Content::*what)(std::uint64_t, std::uint64_t, Stamp),
                              const AppWrite& write)
{
    if (write.stamps.empty()) {
        (model_.origin.*what)(write.first, write.count, write.stamp);
    }
    for (std::uint64_t i = 0; i < write.stamps.size(); ++i) {
        (model_.origin.*what)(write.first + i, 1, write.stamps[i]);
    }
}

void OriginClient::flush()
{
    if (gone()) {
        return;
    }
    ++flushes_;
    const std::uint64_t started = model_.origin.now();
    port_.flush([this, started](bool ok) {
        if (gone()) {
            return;
        }
        --flushes_;
        if (ok) {
            model_.origin.flush_done(started);
        }
        drained();
    });
}

void OriginClient::begin_leave(bool farewell)
{
    leaving_ = true;
    farewell_ = farewell;
    drained();
}

void OriginClient::die(Death death)
{
    Client::die(death);
    for (const AppWrite& write : writes_) {
        if (write.issued && death == Death::process) {
            tell_model(&Content::write_lost, write);
        }
    }
    writes_.clear();
    port_.kill(death);
    while (port_.fail_one()) {
    }
}

std::string OriginClient::state() const
{
    return fmt::format(
        "{}: session {} epoch {} held {} deferred+issued {} in flight {} requests {} leaving {}",
        identity().name, in_session() ? session_ : 0, epoch_, held_, writes_.size(), in_flight_,
        requests_.size(), leaving_);
}

// ---- the rules ------------------------------------------------------------------------------

bool OriginClient::covered(const AppWrite& write) const
{
    if (all_granted_) {
        return true;
    }
    for (std::uint64_t c = chunk_of(write.first); c <= chunk_of(write.first + write.count - 1); ++c) {
        if (!granted_.contains(c)) {
            return false;
        }
    }
    return true;
}

void OriginClient::pump()
{
    if (held_ || epoch_ == 0) {
        return;
    }
    for (auto it = writes_.begin(); it != writes_.end();) {
        const auto write = it++;
        if (write->issued) {
            continue;
        }
        if (covered(*write)) {
            issue(write);
        } else if (in_session()) {
            ask(*write);
        }
    }
}

bool OriginClient::asked(std::uint64_t chunk) const
{
    return std::any_of(requests_.begin(), requests_.end(), [chunk](const auto& entry) {
        return entry.second.first <= chunk && chunk < entry.second.first + entry.second.count;
    });
}

void OriginClient::ask(const AppWrite& write)
{
    const std::uint64_t last = chunk_of(write.first + write.count - 1);
    std::uint64_t chunk = chunk_of(write.first);
    while (chunk <= last && requests_.size() < welcome_.credits) {
        if (granted_.contains(chunk) || asked(chunk)) {
            ++chunk;
            continue;
        }
        Range range{chunk, 0};
        while (chunk <= last && range.count < welcome_.max_range && !granted_.contains(chunk) &&
               !asked(chunk)) {
            ++range.count;
            ++chunk;
        }
        const std::uint64_t id = next_request_++;
        requests_[id] = range;
        auto message = make_message<ddsnap_request>(DDSNAP_WRITE, id);
        message.first = range.first;
        message.count = range.count;
        message.epoch = epoch_;
        context_.trace("{}: WRITE {} chunks {}+{}", identity().name, id, range.first, range.count);
        send(message);
    }
}

void OriginClient::issue(Writes::iterator write)
{
    write->issued = true;
    ++in_flight_;
    tell_model(&Content::write_started, *write);
    Buffer data(write->blocks * kBlock);
    for (std::uint64_t i = 0; i < write->count; ++i) {
        encode_sector(std::span(data).subspan(i * kSector, kSector),
                      write->stamps.empty() ? write->stamp : write->stamps[i], write->first + i);
    }
    port_.write(write->first * kSector, data, [this, write](bool ok) {
        if (!gone()) {
            written(write, ok);
        }
    });
}

void OriginClient::written(Writes::iterator write, bool ok)
{
    --in_flight_;
    if (ok) {
        context_.trace("{}: done {} sectors {}+{}", identity().name, describe(write->stamp), write->first,
                       write->count);
        tell_model(&Content::write_done, *write);
    } else {
        tell_model(&Content::write_lost, *write);
    }
    writes_.erase(write);
    drained();
}

void OriginClient::drained()
{
    if (held_ && !held_said_ && !bye_said_ && in_session() && (in_flight_ == 0 || bug_held_early)) {
        held_said_ = true;
        auto message = make_message<ddsnap_epoch>(DDSNAP_HELD);
        message.epoch = epoch_;
        context_.trace("{}: HELD {}", identity().name, epoch_);
        send(message);
    }
    if (!leaving_ || gone() || !idle() || held_) {
        return;
    }
    if (!farewell_ || epoch_ == 0) {
        return leave();
    }
    if (in_session() && !std::exchange(bye_said_, true)) {
        granted_.clear();
        all_granted_ = false;
        context_.trace("{}: BYE", identity().name);
        send(make_message<ddsnap_header>(DDSNAP_BYE));
    }
}

// ---- the protocol ---------------------------------------------------------------------------

ddsnap_hello OriginClient::hello()
{
    ddsnap_hello hello = basic_hello(DDSNAP_ROLE_ORIGIN);
    hello.epoch = granted_.empty() && !all_granted_ ? 0 : epoch_;
    hello.sectors = sectors_;
    return hello;
}

void OriginClient::change_epoch(std::uint32_t epoch)
{
    if (epoch == epoch_) {
        return;
    }
    if (epoch < epoch_) {
        return protocol_error(fmt::format("the epoch goes back from {} to {}", epoch_, epoch));
    }
    if (epoch_ != 0) {
        if (in_flight_ != 0 && !bug_held_early) {
            protocol_error(fmt::format("epoch {} closed while {} writes are under way", epoch_, in_flight_));
        }
        model_.epoch_seen(epoch_, epoch);
    }
    if (!bug_keeps_grants) {
        granted_.clear();
    }
    epoch_ = epoch;
}

void OriginClient::welcome(const ddsnap_welcome& welcome)
{
    chunk_shift_ = welcome.chunk_shift;
    change_epoch(welcome.epoch);
    all_granted_ = (welcome.flags & DDSNAP_FLAG_NO_SNAPSHOTS) != 0;
    held_ = false;
    held_said_ = false;
    bye_said_ = false;
    pump();
    drained();
}

void OriginClient::refused(const ddsnap_refused& refused)
{
    if (refused.reason != DDSNAP_ERR_BUSY && refused.reason != DDSNAP_ERR_STOPPING) {
        protocol_error(fmt::format("refused with {}", refused.reason));
    }
}

void OriginClient::session_lost()
{
    requests_.clear();
    held_said_ = false;
    bye_said_ = false;
}

void OriginClient::message(const ddsnap_header& header, std::span<const std::byte> bytes)
{
    ddsnap_grant grant_message{};
    ddsnap_epoch epoch_message{};
    if (header.type == DDSNAP_GRANT && decode(bytes, grant_message)) {
        return grant(grant_message);
    }
    if (header.type == DDSNAP_BYE_ACK && bye_said_) {
        return leave();
    }
    if (!decode(bytes, epoch_message)) {
        return protocol_error(fmt::format("message of type {} and {} bytes", header.type, bytes.size()));
    }
    context_.trace("{}: message {} epoch {} flags {}", identity().name, header.type, epoch_message.epoch,
                   epoch_message.flags);
    if (header.type == DDSNAP_HOLD && epoch_message.epoch == epoch_) {
        held_ = true;
        held_said_ = false;
        drained();
    } else if (header.type == DDSNAP_RESUME) {
        resume(epoch_message);
    } else if (header.type == DDSNAP_STATE && epoch_message.epoch == epoch_) {
        all_granted_ = (epoch_message.flags & DDSNAP_FLAG_NO_SNAPSHOTS) != 0;
        pump();
    } else {
        protocol_error(fmt::format("message of type {} with epoch {}", header.type, epoch_message.epoch));
    }
}

void OriginClient::resume(const ddsnap_epoch& message)
{
    if (message.epoch != epoch_) {
        requests_.clear();
    }
    change_epoch(message.epoch);
    all_granted_ = (message.flags & DDSNAP_FLAG_NO_SNAPSHOTS) != 0;
    held_ = false;
    held_said_ = false;
    pump();
    drained();
}

void OriginClient::grant(const ddsnap_grant& message)
{
    const auto request = requests_.find(message.header.id);
    if (message.header.id != 0 && request == requests_.end()) {
        // What was asked in another epoch or session is dropped without an answer, and answers come in order.
        return protocol_error(fmt::format("GRANT {} answers a WRITE that was forgotten",
                                          static_cast<std::uint64_t>(message.header.id)));
    }
    if (message.epoch != epoch_) {
        return;
    }
    Range asked_range;
    if (request != requests_.end()) {
        asked_range = request->second;
        requests_.erase(request);
    }
    if (message.status != DDSNAP_OK) {
        grant_failed(asked_range, message.status);
    } else {
        context_.trace("{}: GRANT {} chunks {}+{}", identity().name,
                       static_cast<std::uint64_t>(message.header.id),
                       static_cast<std::uint64_t>(message.first), static_cast<std::uint32_t>(message.count));
        if (asked_range.count > 0 &&
            (message.first > asked_range.first ||
             message.first + message.count < asked_range.first + asked_range.count)) {
            protocol_error("a grant covers less than was asked for");
        }
        for (std::uint64_t c = message.first; c < message.first + message.count; ++c) {
            granted_.insert(c);
        }
    }
    pump();
    drained();
}

// The writes that wait for the range fail; with a store that has room for one chunk, that is a failure.
void OriginClient::grant_failed(const Range& range, std::uint32_t status)
{
    context_.trace("{}: chunks {}+{} refused with {}", identity().name, range.first, range.count, status);
    if (status != DDSNAP_ERR_NO_SPACE || !model_.pinned_lately()) {
        protocol_error(fmt::format("a write failed with status {}", status));
    }
    std::erase_if(writes_, [&](const AppWrite& write) {
        return !write.issued && chunk_of(write.first) < range.first + range.count &&
               range.first <= chunk_of(write.first + write.count - 1);
    });
}

} // namespace sim
