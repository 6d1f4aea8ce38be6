// SPDX-License-Identifier: GPL-2.0
// The protocol cores of the client library against a daemon that says whatever it likes. The client hangs up
// on nonsense, and keeps its own promises: what it sends can be decoded, no write goes out without a grant,
// HELD only when all is quiet, snapshot writes go to the store only.
#include <memory>

#include "ddsnapd/client/origin_client.h"
#include "ddsnapd/client/snapshot_client.h"
#include "tests/fuzz/client_input.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/message.h"

namespace zumastor::fuzz {
namespace {

namespace wire = ddsnap::wire;
using ddsnap::client::ClientOptions;
using snapstore::Chunk;
using snapstore::ChunkRange;
using snapstore::Extent;

ClientOptions options()
{
    ClientOptions o;
    o.client.fill(std::byte{1});
    return o;
}

// What the client says, looked at by the target.
struct Daemon : ddsnap::client::Outlet {
    void send(std::span<const std::byte> bytes) override
    {
        if (!wire::Header::decode(bytes)) {
            finding("the client said what cannot be understood");
        }
        said = wire::Header::decode(bytes)->type;
        if (said == wire::Type::held && writing) {
            finding("HELD with a write in flight");
        }
        const bool request =
            said == wire::Type::write || said == wire::Type::snap_read || said == wire::Type::snap_write;
        if (request && !wire::Request::decode(bytes)) {
            finding("a request that the daemon would not take");
        }
    }
    void hang_up(std::string_view) override { connected = false; }

    wire::Type said{};
    bool connected = false;
    unsigned writing = 0;
};

class OriginSide {
public:
    ddsnap::client::ProtocolClient& client() { return client_; }
    void submit(ChunkRange range, bool)
    {
        writes_.push_back(std::make_unique<Write>(range, *this));
        client_.submit(*writes_.back());
    }
    void complete()
    {
        const auto it = std::find_if(writes_.begin(), writes_.end(), [](const auto& w) { return w->issued; });
        if (it != writes_.end()) {
            const auto write = std::move(*it);
            writes_.erase(it);
            --daemon.writing;
            client_.completed(*write);
        }
    }
    void withdraw()
    {
        const auto it = std::find_if(writes_.begin(), writes_.end(),
                                     [](const auto& w) { return !w->issued && !w->ended; });
        if (it != writes_.end()) {
            client_.withdraw(**it);
            writes_.erase(it);
        }
    }

    Daemon daemon;

private:
    struct Write final : ddsnap::client::OriginWrite {
        Write(ChunkRange chunks, OriginSide& its_side) : OriginWrite(chunks), side(its_side) {}
        void issue() override
        {
            if (issued || ended || side.client_.held() || !side.client_.granted(range)) {
                finding("a write that may not be issued");
            }
            issued = true;
            ++side.daemon.writing;
        }
        void failed(wire::Status status) override
        {
            if (issued || ended || status == wire::Status::ok) {
                finding("a write that cannot fail any more");
            }
            ended = true;
        }
        OriginSide& side;
        bool issued = false;
        bool ended = false;
    };
    ddsnap::client::OriginClient client_{kClientChunks, options()};
    std::vector<std::unique_ptr<Write>> writes_;
};

class SnapshotSide {
public:
    ddsnap::client::ProtocolClient& client() { return client_; }
    void submit(ChunkRange range, bool write)
    {
        all_.push_back(std::make_unique<Io>(range, write));
        client_.submit(*all_.back());
    }
    void complete()
    {
        const auto it = std::find_if(all_.begin(), all_.end(), [](const auto& io) { return io->performing; });
        if (it != all_.end()) {
            (*it)->performing = false;
            client_.performed(**it, wire::Status::ok);
        }
    }
    void withdraw()
    {
        const auto it = std::find_if(all_.begin(), all_.end(),
                                     [](const auto& io) { return !io->performing && !io->ended; });
        if (it != all_.end()) {
            client_.withdraw(**it);
            all_.erase(it);
        }
    }

    Daemon daemon;

private:
    struct Io final : ddsnap::client::SnapshotIo {
        Io(ChunkRange chunks, bool writes) : SnapshotIo(chunks, writes) {}
        void perform(std::span<const Extent> extents) override
        {
            if (performing || ended || extents.empty() || extents.front().first < range.first ||
                !(extents.front().first < range.end())) {
                finding("I/O that was not asked for");
            }
            for (const Extent& e : extents) {
                if (write && e.kind != Extent::Kind::store) {
                    finding("a snapshot's write outside of the store");
                }
            }
            performing = true;
        }
        void done(wire::Status) override
        {
            if (performing || ended) {
                finding("I/O that ends while it is under way, or twice");
            }
            ended = true;
        }
        bool performing = false;
        bool ended = false;
    };
    ddsnap::client::SnapshotClient client_{snapstore::SnapshotId{0}, options()};
    std::vector<std::unique_ptr<Io>> all_;
};

template <class Side>
void step(Side& side, Input& input)
{
    auto& client = side.client();
    const auto op = static_cast<ClientOp>(input.byte() % kClientOps);
    const unsigned argument = input.byte();
    switch (op) {
    case ClientOp::connect:
        if (!side.daemon.connected && client.state() == ddsnap::client::ProtocolClient::State::disconnected) {
            side.daemon.connected = true;
            client.connected(side.daemon);
        }
        break;
    case ClientOp::disconnect:
        side.daemon.connected = false;
        client.disconnected();
        break;
    case ClientOp::say:
        client.on_bytes(take_message(input));
        break;
    case ClientOp::raw:
        client.on_bytes(input.bytes(input.byte()));
        break;
    case ClientOp::read:
    case ClientOp::write:
        side.submit({Chunk{argument % kClientChunks}, 1 + input.byte() % 8U}, op == ClientOp::write);
        break;
    case ClientOp::complete:
        side.complete();
        break;
    case ClientOp::withdraw:
        side.withdraw();
        break;
    case ClientOp::bye:
        client.bye();
        break;
    }
}

template <class Side>
void play(Input& input)
{
    Side side;
    while (!input.empty()) {
        step(side, input);
    }
    side.client().disconnected();
}

} // namespace
} // namespace zumastor::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace zumastor::fuzz; // NOLINT
    Input input(data, size);
    if ((input.byte() & 1U) != 0) {
        play<SnapshotSide>(input);
    } else {
        play<OriginSide>(input);
    }
    return 0;
}
