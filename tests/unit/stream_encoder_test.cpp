// SPDX-License-Identifier: GPL-2.0
// When the sender compresses, and when what it has goes out.
#include <gtest/gtest.h>

#include <condition_variable>
#include <random>

#include "tests/unit/stream_case.h"
#include "tools/stream/codec.h"

namespace zumastor::stream::test {
namespace {

constexpr std::size_t kChunk = 16384;

Content random_content(std::size_t bytes, unsigned seed)
{
    std::mt19937_64 random(seed);
    Content content(bytes);
    for (auto& b : content) {
        b = static_cast<std::byte>(random());
    }
    return content;
}

class EncoderTest : public testing::Test {
protected:
    // Encodes one chunk after the other; how many of them were compressed.
    int compressed(const Content& content, int chunks)
    {
        int count = 0;
        for (int i = 0; i < chunks; ++i) {
            const auto pieces = encoder_.encode(header_, next_++, content);
            EXPECT_EQ(pieces.size(), 1u);
            count += (pieces[0].record.flags & Record::kZstd) != 0 ? 1 : 0;
        }
        return count;
    }

    Header header_ = header_of(14, false, 1 << 20);
    Encoder encoder_{Compression{}};
    std::uint64_t next_ = 0;
    const Content dense_ = random_content(kChunk, 1);
    const Content text_ = Content(kChunk, std::byte{'a'});
};

TEST_F(EncoderTest, WhatBecomesSmallerIsCompressedThroughout) { EXPECT_EQ(compressed(text_, 50), 50); }

TEST_F(EncoderTest, AFewThatDoNotBecomeSmallerChangeNothing)
{
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(compressed(dense_, 2), 0);
        EXPECT_EQ(compressed(text_, 1), 1);
    }
}

TEST_F(EncoderTest, AfterManyOnlyEveryEighthIsTriedUntilOneBecomesSmaller)
{
    EXPECT_EQ(compressed(dense_, 3), 0);
    EXPECT_EQ(compressed(text_, 7), 0); // not tried
    EXPECT_EQ(compressed(text_, 20), 20);
}

TEST_F(EncoderTest, ABatchBeginsAnew)
{
    EXPECT_EQ(compressed(dense_, 3), 0);
    EXPECT_EQ(compressed(text_, 1), 0);
    encoder_.begin_batch();
    EXPECT_EQ(compressed(text_, 20), 20);
}

// What is read has to wait until something of the stream is out.
class AfterTheHeader final : public SnapshotReader, public ByteSink {
public:
    void read(std::uint64_t /*offset*/, std::span<std::byte> data) override
    {
        std::unique_lock lock(mutex_);
        if (!more_.wait_for(lock, std::chrono::seconds(20), [&] { return bytes_ >= kHeaderBytes; })) {
            throw TransferError("the header waits for content");
        }
        std::fill(data.begin(), data.end(), std::byte{1});
    }
    bool write(Bytes bytes) override
    {
        const std::lock_guard lock(mutex_);
        bytes_ += bytes.size();
        more_.notify_all();
        return true;
    }
    std::string error() const override { return {}; }

private:
    std::mutex mutex_;
    std::condition_variable more_;
    std::size_t bytes_ = 0;
};

TEST(Stream, TheHeaderDoesNotWaitForContent)
{
    Header header = header_of(14, false, 1 << 10);
    const std::vector<ChunkRun> runs{{0, 2}, {5, 1}};
    header.chunks = total(runs);
    AfterTheHeader both;
    EXPECT_NO_THROW(send(header, runs_of(runs), both, both, {}, [](const auto&) {}));
}

} // namespace
} // namespace zumastor::stream::test
