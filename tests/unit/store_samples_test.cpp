// SPDX-License-Identifier: GPL-2.0
// What a whole store writes is, byte for byte, what the stored samples say: leaf, inner node, both tables,
// and a journal block with every type of record. A store made of the samples opens, and says what it should;
// a flipped byte is refused.
#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

#include "format/block.h"
#include "format/journal.h"
#include "format/superblock.h"
#include "index/node.h"
#include "tests/support/sample.h"
#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

Uuid uuid_of(unsigned first)
{
    Uuid uuid;
    for (std::size_t i = 0; i < uuid.size(); ++i) {
        uuid[i] = static_cast<std::byte>(first + i);
    }
    return uuid;
}

Attachment origin_client()
{
    Attachment a;
    a.client = uuid_of(0x20);
    a.boot = uuid_of(0x40);
    a.kind = 1;
    a.major_or_pid = 253;
    a.minor = 7;
    a.name = "origin";
    return a;
}

Attachment snapshot_client()
{
    Attachment a;
    a.client = uuid_of(0x60);
    a.boot = uuid_of(0x40);
    a.origin = false;
    a.snapshot = SnapshotId{7};
    a.kind = 2;
    a.major_or_pid = 4711;
    a.start_time = 0x123456789a;
    a.name = "writer";
    return a;
}

class StoreSampleTest : public testing::Test {
protected:
    void SetUp() override
    {
        for (std::size_t i = 0; i < world.origin().content().size(); ++i) {
            const std::size_t chunk = i / 4096;
            world.origin().content()[i] = static_cast<std::byte>(chunk < 2 ? 0 : chunk); // two of zeros
        }
        ASSERT_TRUE(world.initialize());
        ASSERT_TRUE(world.open());
    }

    static WorldConfig config()
    {
        WorldConfig config;
        config.journal = Bytes{256ULL << 10}; // no checkpoint by itself
        return config;
    }
    void create(std::uint64_t id, std::int8_t priority, std::string_view name, std::string_view tag)
    {
        CreateOptions options;
        options.id = SnapshotId{id};
        options.uuid = uuid_of(static_cast<unsigned>(0x80 + 16 * id));
        options.created_ns = 1'700'000'000'000'000'000 + id;
        options.priority = priority;
        options.name = name;
        options.tag = tag;
        ASSERT_TRUE(world.run(world.store().snapshots().create(options)));
    }
    void copy(std::uint64_t first, std::uint32_t count)
    {
        ASSERT_TRUE(world.run(world.store().origin().write({Chunk{first}, count})));
    }
    // Every kind of record, once at least.
    void load()
    {
        create(3, -5, "before the upgrade", "daily");
        copy(1, 2); // a ZERO one and a stored one
        create(7, 127, "", "");
        copy(2, 1);
        std::array<Extent, 4> out{};
        ASSERT_TRUE(world.run(world.store().snapshots().write(SnapshotId{7}, {Chunk{5}, 1}, out)));
        ASSERT_TRUE(world.run(world.store().snapshots().set_priority(SnapshotId{7}, -128)));
        ASSERT_TRUE(world.run(world.store().snapshots().add_use(SnapshotId{3}, 2)));
        ASSERT_TRUE(world.run(world.store().clients().attach(origin_client())));
        ASSERT_TRUE(world.run(world.store().clients().attach(snapshot_client())));
    }

    std::span<std::byte> on_disk(Block block)
    {
        return world.meta_disk().content().subspan(block_offset(block).value, kBlockSize.value);
    }
    Superblock superblock()
    {
        const auto sb = choose_superblock(on_disk(kSuperblockBlock[0]), on_disk(kSuperblockBlock[1]));
        EXPECT_TRUE(sb);
        return sb.value_or(Superblock{});
    }
    // The block is as the sample; after this it is the sample, for whoever opens the store next.
    void matches(const std::string& name, Block block)
    {
        const auto now = on_disk(block);
        const auto stored = sample(name, {now.begin(), now.end()});
        for (std::size_t i = 0; i < stored.size(); ++i) {
            ASSERT_EQ(now[i], stored[i]) << name << ", byte " << i;
        }
        std::ranges::copy(stored, now.begin());
    }
    // No byte of the block may change unnoticed.
    void every_flip_is_refused(Block block, std::uint32_t magic)
    {
        const auto content = on_disk(block);
        const std::uint64_t uuid = uuid_prefix(world.format().uuid);
        ASSERT_TRUE(verify_block(content, magic, block, uuid));
        for (std::size_t i = 0; i < content.size(); ++i) {
            content[i] ^= std::byte{0x10};
            ASSERT_FALSE(verify_block(content, magic, block, uuid)) << i;
            if (i % 97 == 0) { // and so says the whole store
                const auto opened = world.open();
                ASSERT_FALSE(opened) << i;
                EXPECT_EQ(opened.error().code, Errc::corrupt) << i;
                EXPECT_EQ(opened.error().where, block_offset(block).value) << i;
            }
            content[i] ^= std::byte{0x10};
        }
    }

    SimWorld world{1, config()};
};

TEST_F(StoreSampleTest, LeafAndTablesOfAWholeStore)
{
    load();
    ASSERT_TRUE(world.close());
    const Superblock sb = superblock();
    ASSERT_EQ(sb.tree.level, 0U);
    matches("leaf.hex", sb.tree.root);
    matches("snapshots.hex", sb.snapshot_table.head);
    matches("attachments.hex", sb.attachment_table.head);

    ASSERT_TRUE(world.open());
    const auto list = world.store().snapshots().list();
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(list[0].id.value, 3U);
    EXPECT_EQ(list[0].epoch, Epoch{1});
    EXPECT_EQ(list[0].uuid, uuid_of(0x80 + 48));
    EXPECT_EQ(list[0].created_ns, 1'700'000'000'000'000'003U);
    EXPECT_EQ(list[0].size, to_sectors_floor(world.config().origin));
    EXPECT_EQ(list[0].priority, -5);
    EXPECT_EQ(list[0].use_count, 2U);
    EXPECT_EQ(list[0].name, "before the upgrade");
    EXPECT_EQ(list[0].tag, "daily");
    EXPECT_EQ(list[1].id.value, 7U);
    EXPECT_EQ(list[1].priority, -128);
    std::vector<DumpEntry> dump;
    world.store().upkeep().dump([&](const DumpEntry& e) { dump.push_back(e); });
    ASSERT_EQ(dump.size(), 4U);
    EXPECT_TRUE(dump[0].zero && dump[0].chunk == Chunk{1} && dump[0].epoch == Epoch{1});
    EXPECT_TRUE(!dump[1].zero && dump[1].chunk == Chunk{2} && dump[1].epoch == Epoch{1});
    EXPECT_TRUE(!dump[2].zero && dump[2].chunk == Chunk{2} && dump[2].epoch == Epoch{2});
    EXPECT_TRUE(dump[3].is_private && dump[3].chunk == Chunk{5} && dump[3].epoch == Epoch{2});
    const auto& clients = world.store().clients().attachments();
    ASSERT_EQ(clients.size(), 2U);
    EXPECT_TRUE(clients[0].origin);
    EXPECT_EQ(clients[0].client, uuid_of(0x20));
    EXPECT_EQ(clients[0].boot, uuid_of(0x40));
    EXPECT_EQ(clients[0].minor, 7U);
    EXPECT_FALSE(clients[1].origin);
    EXPECT_EQ(clients[1].snapshot, SnapshotId{7});
    EXPECT_EQ(clients[1].major_or_pid, 4711U);
    EXPECT_EQ(clients[1].start_time, 0x123456789aU);
    EXPECT_EQ(clients[1].name, "writer");
    const auto report = world.run(world.store().upkeep().check(true));
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->damage.empty());
}

TEST_F(StoreSampleTest, FlippedBytesOfLeafAndTables)
{
    load();
    ASSERT_TRUE(world.close());
    const Superblock sb = superblock();
    every_flip_is_refused(sb.tree.root, kNodeMagic);
    every_flip_is_refused(sb.snapshot_table.head, kTableMagic);
    every_flip_is_refused(sb.attachment_table.head, kTableMagic);
    EXPECT_TRUE(world.open());
}

TEST_F(StoreSampleTest, InnerNodeOfAWholeStore)
{
    create(0, 0, "", "");
    copy(0, 256); // more than a leaf holds
    create(1, 0, "", "");
    copy(250, 6);
    ASSERT_TRUE(world.close());
    const Superblock sb = superblock();
    ASSERT_EQ(sb.tree.level, 1U);
    matches("inner.hex", sb.tree.root);
    const auto first = load_disk<entry_disk>(on_disk(sb.tree.root), offsetof(node_disk, entries));
    const auto second =
        load_disk<entry_disk>(on_disk(sb.tree.root), offsetof(node_disk, entries) + sizeof first);
    EXPECT_EQ(first.crc, 1U); // the highest epoch below
    EXPECT_EQ(second.crc, 2U);
    every_flip_is_refused(sb.tree.root, kNodeMagic);
    ASSERT_TRUE(world.open());
    EXPECT_EQ(world.store().info().exceptions, 262U);
    const auto report = world.run(world.store().upkeep().check(true));
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->damage.empty());
}

// A chain that goes on: 22 snapshots are one more than a block holds.
TEST_F(StoreSampleTest, SecondBlockOfATable)
{
    for (std::uint64_t id = 0; id < 22; ++id) {
        create(id, 0, "n", "t");
    }
    ASSERT_TRUE(world.close());
    const auto header = load_disk<table_block_disk>(on_disk(superblock().snapshot_table.head));
    EXPECT_EQ(header.count, 21U);
    const Block next{header.next};
    ASSERT_NE(next, kNoBlock);
    matches("snapshots-2.hex", next);
    EXPECT_EQ(load_disk<table_block_disk>(on_disk(next)).count, 1U);
    every_flip_is_refused(next, kTableMagic);
    ASSERT_TRUE(world.open());
    EXPECT_EQ(world.store().snapshots().list().size(), 22U);
}

// The journal's blocks of this life, one record each but for the copies.
TEST_F(StoreSampleTest, RecordsOfEveryType)
{
    load();
    ASSERT_TRUE(world.run(world.store().clients().detach(origin_client().client)));
    create(9, 0, "gone soon", "");
    ASSERT_TRUE(world.run(world.store().snapshots().remove(SnapshotId{9})));
    world.kill();
    const Superblock sb = superblock();
    std::vector<std::byte> all;
    std::vector<bool> types(10);
    for (Sequence sequence = sb.journal.start;; ++sequence) {
        const Block block = journal_block_of(sb.ring, sequence);
        const auto header = unpack_journal_block(on_disk(block), sb, block);
        if (!header || header->sequence != sequence || header->incarnation != sb.journal.incarnation) {
            break;
        }
        all.insert(all.end(), on_disk(block).begin(), on_disk(block).end());
        for (std::size_t slot = 0; slot < header->used; slot += load_slot(on_disk(block), slot).slots) {
            types[load_slot(on_disk(block), slot).type] = true;
        }
    }
    const auto stored = sample("journal-records.hex", all);
    ASSERT_EQ(stored.size(), all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        ASSERT_EQ(all[i], stored[i]) << "byte " << i;
    }
    types[static_cast<std::size_t>(RecordType::none)] = true;
    types[static_cast<std::size_t>(RecordType::squash)] =
        true; // takes a full store; as remove but for its type
    EXPECT_EQ(std::ranges::count(types, true), 10);
    const auto opened = world.open();
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->replayed_records, 13U);
    EXPECT_EQ(world.store().snapshots().list().size(), 2U);
    EXPECT_EQ(world.store().clients().attachments().size(), 1U);
}

// The store's device fails for good: only the witness can say that its snapshots are lost.
TEST(WitnessSampleTest, TheRecordOfALoss)
{
    WorldConfig config;
    config.witness = true;
    SimWorld world{1, config};
    std::ranges::fill(world.origin().content(), std::byte{1});
    ASSERT_TRUE(world.initialize());
    ASSERT_TRUE(world.open());
    ASSERT_TRUE(world.run(world.store().snapshots().create({})));
    ASSERT_TRUE(world.run(world.store().snapshots().create({})));
    world.store_disk().fail_request(1, true);
    ASSERT_TRUE(world.run(world.store().origin().write({Chunk{3}, 1})));
    world.store_disk().fail_request(0);
    world.kill();

    const auto block = world.witness().content().first(kBlockSize.value);
    const auto stored = sample("witness.hex", {block.begin(), block.end()});
    ASSERT_EQ(stored.size(), block.size());
    for (std::size_t i = 0; i < stored.size(); ++i) {
        ASSERT_EQ(block[i], stored[i]) << "byte " << i;
    }
    std::ranges::copy(stored, block.begin());
    for (std::size_t i = 0; i < block.size(); i += i < sizeof(witness_disk) - 4040 ? 1 : 61) {
        block[i] ^= std::byte{0x10};
        const auto opened = world.open();
        ASSERT_FALSE(opened) << "byte " << i;
        EXPECT_EQ(opened.error().code, Errc::corrupt) << "byte " << i;
        block[i] ^= std::byte{0x10};
    }
    const auto opened = world.open();
    ASSERT_TRUE(opened) << opened.error().what;
    EXPECT_EQ(opened->lost, 2U);
    EXPECT_TRUE(std::ranges::all_of(block, [](std::byte b) { return b == std::byte{0}; })) << "taken over";
}

} // namespace
} // namespace zumastor::test
