// SPDX-License-Identifier: GPL-2.0
// Whatever blocks are on the devices, with right checksums even: opening them is an error or gives a store
// that works, and that opens again.
#include "format/block.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/store_input.h"

namespace zumastor::fuzz {
namespace {

using namespace snapstore; // NOLINT: nothing else is spoken of
using test::SimWorld;

void put_block(SimWorld& world, unsigned place, std::span<const std::byte> content)
{
    auto& disk = (place & kOnStoreDevice) != 0 ? world.store_disk() : world.meta_disk();
    const Block number{place & kBlockMask};
    if (block_offset(number + 1) > disk.size()) {
        return;
    }
    const auto block = disk.content().subspan(block_offset(number).value, kBlockSize.value);
    std::fill(block.begin(), block.end(), std::byte{0});
    std::copy(content.begin(), content.end(), block.begin());
    if ((place & kData) != 0) {
        return;
    }
    const auto header = load_disk<block_header_disk>(block);
    const Uuid uuid = world.format().uuid;
    if (header.magic == kSuperblockMagic) {
        store_disk(block, uuid, offsetof(superblock_disk, uuid));
    }
    seal_block(block, header.magic, number, uuid_prefix(uuid), header.generation);
}

// Everything that an administrator or a client may ask of a store. The answers do not matter.
void use(SimWorld& world)
{
    Store& store = world.store();
    (void)store.info();
    (void)store.clients().attachments();
    store.upkeep().dump([](const DumpEntry&) {});
    (void)world.run(store.upkeep().check(true));
    (void)world.run(store.snapshots().create({}));
    const ChunkRange range{Chunk{0}, 4};
    (void)store.origin().writable(range);
    (void)world.run(store.origin().write(range));
    std::array<Extent, 4> extents{};
    const auto list = store.snapshots().list();
    for (const SnapshotInfo& info : std::span(list).first(std::min<std::size_t>(list.size(), 4))) {
        (void)world.run(store.snapshots().read(info.id, range, extents));
        (void)world.run(store.snapshots().write(info.id, {Chunk{1}, 1}, extents));
        (void)world.run(store.snapshots().add_use(info.id, -std::int64_t{info.use_count}));
        (void)world.run(store.snapshots().set_priority(info.id, 1));
        (void)world.run(store.snapshots().remove(info.id));
    }
    (void)world.run(store.clients().attach({}));
    world.run(store.upkeep().quiesce());
    (void)world.run(store.upkeep().check(true));
}

} // namespace
} // namespace zumastor::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace zumastor::fuzz; // NOLINT
    Input input(data, size);
    const bool with_meta = (input.byte() & 1U) != 0;
    zumastor::test::SimWorld world(1, store_world(with_meta));
    while (!input.empty()) {
        const unsigned place = input.word();
        const unsigned length = input.word();
        put_block(world, place, input.bytes(std::min<std::size_t>(length, 4096)));
    }
    if (const auto opened = world.open(); !opened) {
        (void)world.run(world.store().upkeep().check(false));
        return 0;
    }
    use(world);
    const bool failed = world.store().info().failed;
    if (failed) {
        finding("a store failed though its disks do not");
    }
    if (!world.close()) {
        finding("a store does not close");
    }
    if (!world.open()) {
        finding("a store that was closed in order does not open again");
    }
    return 0;
}
