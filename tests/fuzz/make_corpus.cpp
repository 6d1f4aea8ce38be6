// SPDX-License-Identifier: GPL-2.0
// Makes the inputs that every corpus of a binary format began with, from real stores and messages:
//
//   fuzz-corpus tests/fuzz/corpus
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "format/block.h"
#include "tests/fuzz/client_input.h"
#include "tests/fuzz/message.h"
#include "tests/fuzz/service_input.h"
#include "tests/fuzz/store_input.h"

namespace zumastor::fuzz {
namespace {

namespace wire = ddsnap::wire;
using snapstore::Block;
using snapstore::Chunk;
using snapstore::Epoch;
using snapstore::SnapshotId;
using test::SimWorld;

std::filesystem::path root;

void save(const char* target, const char* name, const Output& input)
{
    std::filesystem::create_directories(root / target);
    std::ofstream out(root / target / name, std::ios::binary);
    out.write(reinterpret_cast<const char*>(input.get().data()), std::ssize(input.get()));
}

// ---- store ----

void put_blocks(Output& out, std::span<const std::byte> disk, unsigned flags, Block data_start)
{
    for (Block block; block_offset(block).value < disk.size(); ++block) {
        auto content = disk.subspan(block_offset(block).value, 4096);
        while (!content.empty() && content.back() == std::byte{0}) {
            content = content.first(content.size() - 1);
        }
        if (!content.empty()) {
            const unsigned data = block >= data_start ? kData : 0;
            out.word(static_cast<unsigned>(block.value) | flags | data);
            out.word(static_cast<unsigned>(content.size())).bytes(content);
        }
    }
}

void save_store(const char* name, SimWorld& world, bool with_meta)
{
    constexpr std::size_t kField = offsetof(snapstore::superblock_disk, data_start);
    const auto disk = world.store_disk().content();
    const Block data_start{snapstore::load_disk<snapstore::le64>(
        disk, block_offset(snapstore::kSuperblockBlock[0]).value + kField)};
    Output out;
    out.byte(with_meta ? 1 : 0);
    put_blocks(out, disk, with_meta ? kOnStoreDevice : 0, data_start);
    if (with_meta) {
        put_blocks(out, world.meta_disk().content(), 0, Block{~std::uint64_t{0}});
    }
    save("store", name, out);
}

void require(bool condition)
{
    if (!condition) {
        finding("a corpus cannot be made");
    }
}

void copy(SimWorld& world, std::uint64_t first, std::uint32_t count)
{
    require(world.run(world.store().origin().write({Chunk{first}, count})).has_value());
}

// Some of everything.
void load(SimWorld& world)
{
    for (const std::uint64_t chunk : {1U, 2U, 9U}) { // the others are zeros
        world.origin().content()[chunk * 4096] = std::byte{7};
    }
    require(world.initialize() && world.open());
    auto& store = world.store();
    std::array<snapstore::Extent, 4> out{};
    for (std::uint64_t id = 0; id < 4; ++id) {
        snapstore::CreateOptions create;
        create.name = "name";
        require(world.run(store.snapshots().create(create)).has_value());
        copy(world, id, 3);
    }
    require(world.run(store.snapshots().write(SnapshotId{1}, {Chunk{9}, 1}, out)).has_value());
    snapstore::Attachment client;
    client.client.fill(std::byte{1});
    require(world.run(store.clients().attach(client)).has_value());
    require(world.run(store.snapshots().set_priority(SnapshotId{3}, 5)).has_value());
    require(world.run(store.snapshots().add_use(SnapshotId{3}, 1)).has_value());
    require(world.run(store.snapshots().remove(SnapshotId{0})).has_value());
}

void make_stores()
{
    for (const bool with_meta : {false, true}) {
        SimWorld closed(1, store_world(with_meta));
        load(closed);
        require(closed.close().has_value());
        save_store(with_meta ? "closed-two-devices" : "closed", closed, with_meta);
    }
    SimWorld killed(1, store_world(false));
    load(killed);
    killed.kill();
    save_store("killed", killed, false);

    SimWorld large(1, store_world(false));
    require(large.initialize() && large.open());
    for (std::uint64_t id = 0; id < 4; ++id) { // 64 chunks each: more than one leaf
        require(large.run(large.store().snapshots().create({})).has_value());
        copy(large, 0, 64);
    }
    require(large.close().has_value());
    save_store("two-leaves", large, false);
}

// ---- service ----

wire::Hello hello(wire::Role role, unsigned client, bool read_only)
{
    wire::Hello m;
    m.id = 1;
    m.role = role;
    m.client.fill(static_cast<std::byte>(client + 1));
    m.read_only = read_only;
    m.set_name("client");
    return m;
}

void op(Output& out, Op what, unsigned argument) { out.byte(static_cast<unsigned>(what)).byte(argument); }
template <class Message>
void say(Output& out, unsigned client, const Message& message)
{
    op(out, Op::say, client);
    put_message(out, wire::encode(message));
    op(out, Op::run, 0);
}

void make_service()
{
    Output out;
    op(out, Op::connect, 0);
    say(out, 0, hello(wire::Role::origin, 0, false));
    op(out, Op::create, 200);
    say(out, 0, wire::EpochMessage{wire::Type::held, 0, Epoch{1}, 0});
    say(out, 0, wire::Request{wire::Type::write, 2, {Chunk{3}, 2}, Epoch{2}});
    op(out, Op::connect, 1);
    say(out, 1, hello(wire::Role::snapshot, 1, true));
    say(out, 1, wire::Request{wire::Type::snap_read, 3, {Chunk{0}, 8}, {}});
    say(out, 0, wire::Request{wire::Type::write, 4, {Chunk{6}, 4}, Epoch{2}}); // waits for the reader
    say(out, 1, wire::Bare{wire::Type::unlock, 3});
    op(out, Op::create, 10); // not answered in time
    op(out, Op::tick, 250);
    say(out, 0, wire::Bare{wire::Type::bye, 5});
    op(out, Op::disconnect, 1);
    op(out, Op::remove, 0);
    op(out, Op::run, 0);
    save("service", "origin-and-reader", out);

    Output writer;
    op(writer, Op::create, 200);
    op(writer, Op::run, 0);
    op(writer, Op::connect, 2);
    say(writer, 2, hello(wire::Role::snapshot, 2, false));
    say(writer, 2, wire::Request{wire::Type::snap_write, 2, {Chunk{1}, 4}, {}});
    op(writer, Op::priority, 127);
    op(writer, Op::use, 128);
    op(writer, Op::reads, 2);
    say(writer, 2, wire::Request{wire::Type::snap_read, 3, {Chunk{1}, 4}, {}});
    op(writer, Op::gone, 1);
    op(writer, Op::remove, 128);
    op(writer, Op::run, 0);
    save("service", "writer", writer);

    Output full; // origin and store are small: some rounds fill it
    op(full, Op::connect, 0);
    say(full, 0, hello(wire::Role::origin, 0, false));
    op(full, Op::create, 200);
    say(full, 0, wire::EpochMessage{wire::Type::held, 0, Epoch{1}, 0});
    op(full, Op::connect, 1);
    say(full, 1, hello(wire::Role::snapshot, 1, true));
    for (unsigned epoch = 2; epoch < 7; ++epoch) {
        say(full, 0, wire::Request{wire::Type::write, epoch, {Chunk{0}, 16}, Epoch{epoch}});
        op(full, Op::create, 200);
        say(full, 0, wire::EpochMessage{wire::Type::held, 0, Epoch{epoch}, 0});
        op(full, Op::tick, 10);
    }
    say(full, 1, wire::Bare{wire::Type::invalid_ack, 0});
    op(full, Op::tick, 200);
    save("service", "full-store", full);
}

// ---- client ----

void op(Output& out, ClientOp what, unsigned argument)
{
    out.byte(static_cast<unsigned>(what)).byte(argument);
}
void hear(Output& out, wire::Bytes message)
{
    op(out, ClientOp::say, 0);
    put_message(out, message);
}

wire::Welcome welcome(std::uint64_t id, unsigned epoch)
{
    wire::Welcome m;
    m.id = id;
    m.chunk_shift = 14;
    m.epoch = Epoch{epoch};
    m.credits = 4;
    m.max_range = 4;
    return m;
}

void make_clients()
{
    Output origin;
    origin.byte(0);
    op(origin, ClientOp::connect, 0);
    hear(origin, wire::encode(welcome(1, 1)));
    op(origin, ClientOp::write, 3);
    origin.byte(1);
    hear(origin, wire::encode(wire::Grant{2, {Chunk{3}, 2}, Epoch{1}, wire::Status::ok}));
    hear(origin, wire::encode(wire::EpochMessage{wire::Type::hold, 0, Epoch{1}, 0}));
    op(origin, ClientOp::complete, 0);
    hear(origin, wire::encode(wire::EpochMessage{wire::Type::resume, 0, Epoch{2}, 0}));
    op(origin, ClientOp::write, 9);
    origin.byte(7);
    hear(origin, wire::encode(wire::Grant{3, {Chunk{9}, 4}, Epoch{2}, wire::Status::io}));
    op(origin, ClientOp::write, 1);
    origin.byte(1);
    op(origin, ClientOp::disconnect, 0);
    op(origin, ClientOp::connect, 0);
    hear(origin, wire::encode(welcome(5, 2)));
    hear(origin, wire::encode(wire::EpochMessage{wire::Type::state, 0, Epoch{2}, DDSNAP_FLAG_NO_SNAPSHOTS}));
    op(origin, ClientOp::complete, 0);
    op(origin, ClientOp::bye, 0);
    hear(origin, wire::encode(wire::Bare{wire::Type::bye_ack, 7}));
    save("client", "origin", origin);

    Output reader;
    reader.byte(1);
    op(reader, ClientOp::connect, 0);
    hear(reader, wire::encode(welcome(1, 1)));
    wire::ExtentsBuffer buffer;
    for (unsigned io = 0; io < 2; ++io) {
        op(reader, io == 0 ? ClientOp::read : ClientOp::write, 4);
        reader.byte(1);
        const std::array<snapstore::Extent, 1> place{snapstore::Extent{
            Chunk{4}, 2, io == 0 ? snapstore::Extent::Kind::origin : snapstore::Extent::Kind::store,
            snapstore::Sectors{64}}};
        hear(reader, wire::encode_extents(2 + io, wire::Status::ok, place, buffer));
        op(reader, ClientOp::complete, 0);
    }
    hear(reader, wire::encode(wire::Bare{wire::Type::invalid, 0}));
    op(reader, ClientOp::read, 4);
    reader.byte(1);
    save("client", "snapshot", reader);
}

} // namespace
} // namespace zumastor::fuzz

int main(int argc, char** argv)
{
    using namespace zumastor::fuzz; // NOLINT
    if (argc != 2) {
        (void)std::fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    root = argv[1];
    make_stores();
    make_service();
    make_clients();
    return 0;
}
