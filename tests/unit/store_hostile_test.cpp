// SPDX-License-Identifier: GPL-2.0
// Stores whose blocks are valid one by one but do not make a store: refused when they are opened, not met by
// an assertion later.
#include <gtest/gtest.h>

#include "format/block.h"
#include "format/journal.h"
#include "format/superblock.h"
#include "tests/support/sim_world.h"

namespace zumastor::test {
namespace {

class HostileStoreTest : public testing::Test {
protected:
    void SetUp() override
    {
        ASSERT_TRUE(world.initialize());
        ASSERT_TRUE(world.open());
        ASSERT_TRUE(world.run(world.store().snapshots().create({})));
        ASSERT_TRUE(world.run(world.store().clients().attach({})));
    }
    std::span<std::byte> on_disk(Block block)
    {
        return world.store_disk().content().subspan(block_offset(block).value, kBlockSize.value);
    }
    Superblock superblock()
    {
        const auto sb = choose_superblock(on_disk(kSuperblockBlock[0]), on_disk(kSuperblockBlock[1]));
        EXPECT_TRUE(sb);
        return sb.value_or(Superblock{});
    }
    template <class Spoil>
    Errc spoiled_superblock(Spoil&& spoil)
    {
        EXPECT_TRUE(world.close());
        Superblock sb = superblock();
        spoil(sb);
        for (int copy = 0; copy < 2; ++copy) {
            ++sb.generation;
            pack_superblock(sb, on_disk(sb.home()));
        }
        const auto opened = world.open();
        return opened ? Errc{} : opened.error().code;
    }
    // Appends a journal block with `copies` of the last record of `type`; its epoch or client made different
    // by `spoil`, which gets the record's slots and the number of the copy.
    template <class Spoil>
    Errc spoiled_journal(RecordType type, std::uint64_t copies, Spoil&& spoil)
    {
        world.kill();
        const Superblock sb = superblock();
        std::vector<record_disk> record;
        Sequence sequence = sb.journal.start;
        for (;; ++sequence) {
            const Block block = journal_block_of(sb.ring, sequence);
            const auto header = unpack_journal_block(on_disk(block), sb, block);
            if (!header || header->sequence != sequence || header->incarnation != sb.journal.incarnation) {
                break;
            }
            if (load_slot(on_disk(block), 0).type == static_cast<std::uint8_t>(type)) {
                record.clear();
                for (std::size_t slot = 0; slot < load_slot(on_disk(block), 0).slots; ++slot) {
                    record.push_back(load_slot(on_disk(block), slot));
                }
            }
        }
        const std::size_t per_block = kSlotsPerBlock / record.size();
        for (std::uint64_t made = 0; made < copies; ++sequence) {
            const auto block = on_disk(journal_block_of(sb.ring, sequence));
            JournalHeader header{sequence, sb.journal.incarnation, sequence - 1, sb.generation, 0};
            for (std::size_t i = 0; i < per_block && made < copies; ++i, ++made) {
                spoil(record, made);
                for (const record_disk& slot : record) {
                    store_disk(block, slot, sizeof(journal_header_disk) + header.used++ * sizeof slot);
                }
            }
            seal_journal_block(block, sb, header);
        }
        const auto opened = world.open();
        return opened ? Errc{} : opened.error().code;
    }
    static WorldConfig config()
    {
        WorldConfig config;
        config.journal = Bytes{1ULL << 20};
        return config;
    }

    SimWorld world{1, config()};
};

TEST_F(HostileStoreTest, SoundOnesOpen)
{
    EXPECT_EQ(spoiled_superblock([](Superblock&) {}), Errc{});
}

TEST_F(HostileStoreTest, ZoneWithoutRoomForItsTables)
{
    EXPECT_EQ(spoiled_superblock([](Superblock& sb) { sb.zone.count = 8; }), Errc::corrupt);
}

TEST_F(HostileStoreTest, MoreSnapshotsAllowedThanTheZoneCanName)
{
    EXPECT_EQ(spoiled_superblock([](Superblock& sb) { sb.max_snapshots = ~std::uint32_t{0}; }),
              Errc::corrupt);
}

TEST_F(HostileStoreTest, DataAreaWhoseEndOverflows)
{
    EXPECT_EQ(spoiled_superblock([](Superblock& sb) {
                  sb.chunk.shift = 20;
                  sb.data.chunks = std::uint64_t{1} << 44;
              }),
              Errc::corrupt);
}

void another_client(std::vector<record_disk>& record, std::uint64_t number)
{
    store_disk(std::as_writable_bytes(std::span(record).subspan(1)), le64{number + 1}); // its UUID
}

TEST_F(HostileStoreTest, JournalWithAsManyClientsAsThereMayBe)
{
    EXPECT_EQ(spoiled_journal(RecordType::attach, 1023, another_client), Errc{});
    EXPECT_EQ(world.store().clients().attachments().size(), 1024U);
}

TEST_F(HostileStoreTest, JournalWithOneClientMore)
{
    EXPECT_EQ(spoiled_journal(RecordType::attach, 1024, another_client), Errc::corrupt);
}

void another_snapshot(std::vector<record_disk>& record, std::uint64_t number)
{
    const auto payload = std::as_writable_bytes(std::span(record).subspan(1));
    auto snapshot = load_disk<snapshot_disk>(payload);
    snapshot.id = number + 2;
    snapshot.epoch = static_cast<std::uint32_t>(number + 2);
    record[0].epoch = snapshot.epoch;
    store_disk(payload, snapshot);
}

TEST_F(HostileStoreTest, JournalWithAsManySnapshotsAsThereMayBe)
{
    const std::uint32_t most = superblock().max_snapshots;
    EXPECT_EQ(spoiled_journal(RecordType::create, most - 1, another_snapshot), Errc{});
    EXPECT_EQ(world.store().snapshots().list().size(), most);
    EXPECT_EQ(world.run(world.store().snapshots().create({})).error().code, Errc::no_space);
}

TEST_F(HostileStoreTest, JournalWithOneSnapshotMore)
{
    EXPECT_EQ(spoiled_journal(RecordType::create, superblock().max_snapshots, another_snapshot),
              Errc::corrupt);
}

} // namespace
} // namespace zumastor::test
