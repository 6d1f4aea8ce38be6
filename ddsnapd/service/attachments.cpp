// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/service/attachments.h"

#include <algorithm>

#include <fmt/format.h>

namespace ddsnap {

using snapstore::Attachment;
using wire::Status;

const Attachment* Attachments::recorded(const snapstore::Uuid& client) const noexcept
{
    const auto& all = c_.store.clients().attachments();
    const auto it = std::find_if(all.begin(), all.end(), [&](const auto& a) { return a.client == client; });
    return it == all.end() ? nullptr : &*it;
}

bool Attachments::writer_recorded(snapstore::SnapshotId id) const noexcept
{
    const auto& all = c_.store.clients().attachments();
    return std::any_of(all.begin(), all.end(), [&](const auto& a) { return !a.origin && a.snapshot == id; });
}

bool Attachments::may_act(const Attachment& attachment) const noexcept
{
    return c_.sessions.connected(attachment.client) || !probe_.proven_gone(attachment);
}

const Attachment* Attachments::find_gone() const noexcept
{
    const auto& all = c_.store.clients().attachments();
    const auto it = std::find_if(all.begin(), all.end(), [&](const auto& a) { return !may_act(a); });
    return it == all.end() ? nullptr : &*it;
}

snapstore::Task<void> Attachments::forget_gone()
{
    for (const Attachment* gone = find_gone(); gone != nullptr; gone = find_gone()) {
        const auto client = gone->client;
        c_.log.log(Severity::info, fmt::format("client {} is gone, its attachment is forgotten", gone->name));
        if (const auto done = co_await c_.store.clients().detach(client); !done) {
            c_.log.log(Severity::error,
                       fmt::format("cannot record that a client is gone: {}", done.error().what));
            co_return;
        }
    }
}

Attachment Attachments::of(const Session& s)
{
    Attachment a;
    a.client = s.hello.client;
    a.origin = s.hello.role == wire::Role::origin;
    a.snapshot = a.origin ? snapstore::SnapshotId{} : s.hello.snapshot;
    a.boot = s.peer.boot;
    a.kind = static_cast<std::uint32_t>(s.hello.kind);
    if (s.hello.kind == wire::Kind::kernel) {
        a.major_or_pid = s.hello.major;
        a.minor = s.hello.minor;
    } else {
        a.major_or_pid = s.peer.pid;
        a.start_time = s.peer.start_time;
    }
    a.name = s.hello.name_view().substr(0, 63);
    return a;
}

const Attachment* Attachments::rival_of(const Attachment& mine) const noexcept
{
    const auto& all = c_.store.clients().attachments();
    const auto it = std::find_if(all.begin(), all.end(), [&](const auto& a) {
        return a.client != mine.client && a.origin == mine.origin && a.snapshot == mine.snapshot;
    });
    return it == all.end() ? nullptr : &*it;
}

namespace {
// A mapped device has one live table, and only that connects: when a new one does, the table recorded for
// the same device number has been suspended, and its I/O has ended.
bool replaces(const Attachment& mine, const Attachment& other) noexcept
{
    return mine.kind == DDSNAP_CLIENT_KERNEL && other.kind == DDSNAP_CLIENT_KERNEL &&
           mine.boot == other.boot && mine.major_or_pid == other.major_or_pid && mine.minor == other.minor;
}
} // namespace

snapstore::Task<Refusal> Attachments::attach(Session& s)
{
    const Attachment mine = of(s);
    co_await forget_gone();
    for (const Attachment* other = rival_of(mine); other != nullptr; other = rival_of(mine)) {
        if (!replaces(mine, *other) || c_.sessions.connected(other->client)) {
            co_return Refusal{
                Status::busy,
                fmt::format("client {} is attached and out of reach, but not gone", other->name)};
        }
        const auto client = other->client;
        if (const auto done = co_await c_.store.clients().detach(client); !done) {
            co_return Refusal{wire::status_of(done.error().code),
                              fmt::format("cannot record that a client is gone: {}", done.error().what)};
        }
    }
    const Attachment* known = recorded(mine.client);
    const bool unchanged = known != nullptr && known->boot == mine.boot && known->kind == mine.kind &&
                           known->major_or_pid == mine.major_or_pid && known->minor == mine.minor &&
                           known->start_time == mine.start_time && known->name == mine.name;
    if (!unchanged) {
        if (const auto done = co_await c_.store.clients().attach(mine); !done) {
            co_return Refusal{wire::status_of(done.error().code),
                              fmt::format("cannot record the client: {}", done.error().what)};
        }
    }
    co_return Refusal{};
}

} // namespace ddsnap
