// SPDX-License-Identifier: GPL-2.0
// The volume service on simulated disks, with hand-made clients: every message can be looked at, and time
// and disks stand still until the test moves them.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ddsnapd/protocol/wire.h"
#include "ddsnapd/service/volume_service.h"
#include "tests/support/sim_disk.h"

namespace ddsnap::test {

using snapstore::Chunk;
using snapstore::ChunkRange;
using snapstore::Epoch;
using snapstore::SnapshotId;
using wire::Status;
using wire::Type;

// One client: what the service sent, and whether it closed.
class FakeClient final : public Transport {
public:
    bool send(std::span<const std::byte> bytes) noexcept override
    {
        if (!reads) {
            return false;
        }
        received.emplace_back(bytes.begin(), bytes.end());
        return true;
    }
    void close(std::string_view why) noexcept override
    {
        closed = true;
        reason = why;
        session = nullptr;
    }

    std::optional<Type> peek() const
    {
        return received.empty() ? std::nullopt : std::optional(wire::Header::decode(received.front())->type);
    }
    template <class Message>
    Message take()
    {
        if (received.empty()) {
            ADD_FAILURE() << "no message; closed: " << reason;
            return {};
        }
        const auto message = Message::decode(received.front());
        received.pop_front();
        if (!message) {
            ADD_FAILURE() << message.error();
            return {};
        }
        return *message;
    }

    Session* session = nullptr;
    std::deque<std::vector<std::byte>> received;
    bool reads = true;
    bool closed = false;
    std::string reason;
};

struct FakeProbe final : ClientProbe {
    bool proven_gone(const snapstore::Attachment& a) noexcept override
    {
        for (const auto& client : gone) {
            if (client == a.client) {
                return true;
            }
        }
        return false;
    }
    std::vector<snapstore::Uuid> gone;
};

class ServiceWorld : public testing::Test, public ServiceLog {
protected:
    static constexpr std::uint64_t kMs = 1'000'000;

    explicit ServiceWorld(snapstore::Bytes store = snapstore::Bytes{16ull << 20}); // the origin has 4 MiB

    void start(); // (again: on the disks as they are)
    void log(Severity, std::string_view text) noexcept override { lines.emplace_back(text); }

    // Runs everything that the disks can do now.
    void run();
    // One completion; false if there is none.
    bool step();
    void tick(std::uint64_t ms);

    template <class Result>
    struct Pending {
        std::optional<Result> result;
        bool done() const { return result.has_value(); }
    };
    template <class Result>
    std::shared_ptr<Pending<Result>> begin(snapstore::Task<Result> task)
    {
        auto pending = std::make_shared<Pending<Result>>();
        snapstore::spawn(service->frames(), await(service->frames(), std::move(task), pending));
        return pending;
    }
    std::shared_ptr<Pending<ServiceResult<snapstore::SnapshotInfo>>>
    begin_create(std::uint64_t timeout_ms = 1000);
    SnapshotId create(); // with all origin clients answering HOLD

    static wire::Hello hello(wire::Role role, std::uint8_t client, SnapshotId snapshot = {});
    void connect(FakeClient& client, const wire::Hello& hello);
    wire::Welcome open(FakeClient& client, const wire::Hello& hello); // to WELCOME
    wire::Welcome open_origin(FakeClient& client, std::uint8_t id = 1)
    {
        return open(client, hello(wire::Role::origin, id));
    }
    wire::Welcome open_snapshot(FakeClient& client, SnapshotId snapshot, std::uint8_t id,
                                bool read_only = true);
    void drop(FakeClient& client); // the connection breaks
    void say(FakeClient& client, std::span<const std::byte> bytes);
    void request(FakeClient& client, Type type, std::uint64_t id, ChunkRange range, Epoch epoch = {});
    void held(FakeClient& client);

    std::mt19937_64 random{1};
    zumastor::test::SimDisk origin_disk;
    zumastor::test::SimDisk store_disk;
    zumastor::test::SimDisk witness{snapstore::kBlockSize, random};
    bool with_witness = false; // from the next start() on
    snapstore::StoreConfig store_config;
    FakeProbe probe;
    std::vector<std::string> lines;
    std::unique_ptr<VolumeService> service;
    std::uint64_t now = 1'000'000'000;

private:
    template <class Result>
    static snapstore::Task<void> await(snapstore::FramePool&, snapstore::Task<Result> task,
                                       std::shared_ptr<Pending<Result>> pending)
    {
        pending->result.emplace(co_await task);
    }
};

} // namespace ddsnap::test
