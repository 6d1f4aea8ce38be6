// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/received_ranges.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>

#include "tools/common/failure.h"
#include "tools/common/uuid_text.h"

namespace zumastor {
namespace {

constexpr std::array<char, 8> kRangesMagic{'Z', 'U', 'M', 'A', 'R', 'N', 'G', '1'};
constexpr std::size_t kRangesHeader = 48; // a multiple of an entry: none of them lies in two sectors
constexpr std::size_t kRangesEntry = 16;
constexpr std::size_t kEntriesAtOnce = 4096;

std::string ranges_file(const std::string& directory) { return directory + "/reception.ranges"; }

void put_number(std::byte* to, std::uint64_t number)
{
    for (int i = 0; i < 8; ++i) {
        to[i] = static_cast<std::byte>(number >> (8 * i));
    }
}

std::uint64_t get_number(const std::byte* from)
{
    std::uint64_t number = 0;
    for (int i = 0; i < 8; ++i) {
        number |= static_cast<std::uint64_t>(from[i]) << (8 * i);
    }
    return number;
}

using RangesHeader = std::array<std::byte, kRangesHeader>;

RangesHeader ranges_header(const Reception& reception, std::uint64_t known_from)
{
    RangesHeader header{};
    const auto from = need_uuid(reception.from);
    const auto to = need_uuid(reception.to);
    std::memcpy(header.data(), kRangesMagic.data(), kRangesMagic.size());
    put_number(&header[8], known_from);
    std::copy(from.begin(), from.end(), &header[16]);
    std::copy(to.begin(), to.end(), &header[32]);
    return header;
}

void write_at(int fd, std::uint64_t offset, std::span<const std::byte> bytes, const std::string& path)
{
    while (!bytes.empty()) {
        const auto wrote = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            throw errno_failure("cannot write " + path);
        }
        bytes = bytes.subspan(static_cast<std::size_t>(wrote));
        offset += static_cast<std::uint64_t>(wrote);
    }
}

// Entries of a file, one after the other: those that are whole and rise.
class EntryReader {
public:
    EntryReader(int fd, std::uint64_t end, std::string path) : fd_(fd), end_(end), path_(std::move(path))
    {
        buffer_.resize(kEntriesAtOnce * kRangesEntry);
    }

    std::optional<DeltaRange> next()
    {
        if (left_.empty() && !fill()) {
            return std::nullopt;
        }
        const DeltaRange range{get_number(left_.data()), get_number(left_.data() + 8)};
        const bool sound = range.count > 0 && range.first >= last_ && range.count <= UINT64_MAX - range.first;
        if (!sound) { // written when the power failed
            return std::nullopt;
        }
        left_ = left_.subspan(kRangesEntry);
        last_ = range.first + range.count;
        return range;
    }

private:
    bool fill()
    {
        const std::size_t wanted = std::min<std::uint64_t>(buffer_.size(), end_ - std::min(at_, end_));
        const auto got = ::pread(fd_, buffer_.data(), wanted, static_cast<off_t>(at_));
        if (got < 0) {
            throw errno_failure("cannot read " + path_);
        }
        left_ = std::span(buffer_).first(static_cast<std::size_t>(got) / kRangesEntry * kRangesEntry);
        at_ += left_.size();
        return !left_.empty();
    }

    int fd_;
    std::uint64_t end_;
    std::string path_;
    std::uint64_t at_ = kRangesHeader;
    std::uint64_t last_ = 0; // end of the range before
    std::vector<std::byte> buffer_;
    std::span<const std::byte> left_;
};

} // namespace

ReceivedRanges::ReceivedRanges(const std::string& directory, const Reception& reception)
    : path_(ranges_file(directory)), reception_(reception), known_from_(reception.next_chunk)
{
    load();
}

void ReceivedRanges::load()
{
    const ddsnap::UniqueFd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file && errno != ENOENT) {
        throw errno_failure("cannot read " + path_);
    }
    RangesHeader header{};
    const ssize_t got = file ? ::pread(file.get(), header.data(), header.size(), 0) : 0;
    if (got < 0) {
        throw errno_failure("cannot read " + path_);
    }
    if (got != kRangesHeader) {
        return;
    }
    const std::uint64_t known_from = get_number(&header[8]);
    if (header != ranges_header(reception_, known_from) || known_from > reception_.next_chunk) {
        return;
    }
    known_from_ = known_from;
    end_ = kRangesHeader;
    EntryReader entries(file.get(), UINT64_MAX, path_);
    for (auto range = entries.next(); range && range->first < reception_.next_chunk; range = entries.next()) {
        if (range->first + range->count > reception_.next_chunk) { // the stream goes on within it
            waiting_.push_back({range->first, reception_.next_chunk - range->first});
            break;
        }
        end_ += kRangesEntry;
    }
}

void ReceivedRanges::add(const DeltaRange& range)
{
    const std::lock_guard lock(mutex_);
    if (!waiting_.empty() && waiting_.back().first + waiting_.back().count == range.first) {
        waiting_.back().count += range.count;
    } else {
        waiting_.push_back(range);
    }
}

void ReceivedRanges::open()
{
    if (file_) {
        return;
    }
    file_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file_) {
        throw errno_failure("cannot write " + path_);
    }
    if (end_ == 0) {
        if (::ftruncate(file_.get(), 0) != 0) {
            throw errno_failure("cannot write " + path_);
        }
        write_at(file_.get(), 0, ranges_header(reception_, known_from_), path_);
        end_ = kRangesHeader;
    }
}

// A crash in the middle is harmless: the entries up to where replica.json says that the reception is stay.
void ReceivedRanges::keep(std::uint64_t next_chunk)
{
    const std::lock_guard lock(mutex_);
    open();
    std::vector<std::byte> entries;
    std::size_t kept = 0;
    for (DeltaRange& range : waiting_) {
        if (range.first >= next_chunk) {
            break;
        }
        const std::uint64_t count = std::min(range.count, next_chunk - range.first);
        entries.resize(entries.size() + kRangesEntry);
        put_number(&entries[entries.size() - kRangesEntry], range.first);
        put_number(&entries[entries.size() - kRangesEntry + 8], count);
        range.first += count;
        range.count -= count;
        if (range.count > 0) {
            break;
        }
        ++kept;
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(kept));
    write_at(file_.get(), end_, entries, path_);
    end_ += entries.size();
    if (::ftruncate(file_.get(), static_cast<off_t>(end_)) != 0 || ::fdatasync(file_.get()) != 0) {
        throw errno_failure("cannot write " + path_);
    }
}

RangeSource ReceivedRanges::all() const
{
    const std::lock_guard lock(mutex_);
    auto file = std::make_shared<ddsnap::UniqueFd>();
    std::shared_ptr<EntryReader> entries;
    if (end_ > kRangesHeader) {
        file->reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
        if (!*file) {
            throw errno_failure("cannot read " + path_);
        }
        entries = std::make_shared<EntryReader>(file->get(), end_, path_);
    }
    return [file, entries, this, at = std::size_t{0}]() mutable -> std::optional<DeltaRange> {
        if (entries) {
            if (const auto range = entries->next()) {
                return range;
            }
            entries.reset();
        }
        return at < waiting_.size() ? std::optional(waiting_[at++]) : std::nullopt;
    };
}

void forget_received_ranges(const std::string& directory)
{
    std::error_code error;
    std::filesystem::remove(ranges_file(directory), error); // one that stays is known to be of another
}

} // namespace zumastor
