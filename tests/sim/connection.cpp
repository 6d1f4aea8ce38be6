// SPDX-License-Identifier: GPL-2.0
#include "sim/connection.h"

#include <algorithm>
#include <utility>

namespace sim {
namespace {

constexpr Micros kDelay = 30;

} // namespace

std::size_t Connection::send(Side from, std::span<const std::byte> bytes)
{
    End& to = end(other(from));
    if (to.endpoint == nullptr || to.closing) {
        return bytes.size(); // into the void: the sender learns of it in disconnected()
    }
    const std::size_t room = kCapacity - std::min(kCapacity, to.inbox.size());
    std::size_t count = std::min(room, bytes.size());
    if (count > 1 && context_.rng.below(32) == 0) {
        count = context_.rng.between(1, count);
    }
    to.inbox.insert(to.inbox.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    to.sender_waits = count < bytes.size();
    schedule(other(from));
    return count;
}

void Connection::schedule(Side to)
{
    if (std::exchange(end(to).scheduled, true)) {
        return;
    }
    context_.scheduler.after(context_.delay(kDelay), [self = shared_from_this(), to] { self->deliver(to); });
}

void Connection::deliver(Side to)
{
    End& here = end(to);
    here.scheduled = false;
    if (here.endpoint == nullptr) {
        return;
    }
    if (!here.inbox.empty()) {
        const std::size_t all = here.inbox.size();
        const std::size_t count = context_.rng.percent(70) ? all : context_.rng.between(1, all);
        const auto cut = here.inbox.begin() + static_cast<std::ptrdiff_t>(count);
        const std::vector<std::byte> bytes(here.inbox.begin(), cut);
        here.inbox.erase(here.inbox.begin(), cut);
        here.endpoint->received(bytes);
    }
    if (here.endpoint == nullptr) {
        return;
    }
    if (here.inbox.empty() && here.closing) {
        std::exchange(here.endpoint, nullptr)->disconnected();
        return;
    }
    if (!here.inbox.empty()) {
        schedule(to);
    }
    End& peer = end(other(to));
    if (std::exchange(here.sender_waits, false) && peer.endpoint != nullptr) {
        peer.endpoint->writable();
    }
}

void Connection::close(Side side)
{
    end(side).endpoint = nullptr;
    end(side).inbox.clear();
    end(other(side)).closing = true;
    schedule(other(side));
}

void Connection::cut()
{
    for (End& each : ends_) {
        each.endpoint = nullptr;
        each.inbox.clear();
    }
}

} // namespace sim
