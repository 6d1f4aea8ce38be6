// SPDX-License-Identifier: GPL-2.0
#include "tools/common/changelist.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <cinttypes>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "libsnapstore/src/format/crc32c.h"
#include "tools/common/failure.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

constexpr std::string_view kFirstLine = "zumastor changelist 1";

std::uint32_t crc_of(std::string_view text, std::uint32_t previous)
{
    return snapstore::crc32c(std::as_bytes(std::span(text.data(), text.size())), previous);
}

std::string hex(std::uint32_t value)
{
    std::array<char, 9> text{};
    std::snprintf(text.data(), text.size(), "%08" PRIx32, value);
    return text.data();
}

std::string end_line(const char* which, const ChangelistHeader::End& end)
{
    return std::string(which) + " " + std::to_string(end.id) + " " + end.uuid + " " +
           std::to_string(end.sectors);
}

// Decimal digits and nothing else.
std::optional<std::uint64_t> number(std::string_view text)
{
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    const bool plain = !text.empty() && (text.size() == 1 || text.front() != '0');
    return plain && error == std::errc{} && at == end ? std::optional(value) : std::nullopt;
}

// Reads line by line; knows where it is.
class Parser {
public:
    Parser(std::string_view text, std::string name) : text_(text), name_(std::move(name)) {}

    Changelist parse()
    {
        Changelist list;
        if (line() != kFirstLine) {
            fail("this is not a change list of version 1");
        }
        list.header.volume = words("volume", 1)[0];
        list.header.chunk_bytes = need(words("chunk-size", 1)[0]);
        list.header.from = end("from");
        list.header.to = end("to");
        std::uint64_t chunks = 0;
        for (std::uint64_t behind = 0;;) {
            const std::size_t before = at_;
            const std::vector<std::string> parts = split(std::string(line()), ' ');
            if (!parts.empty() && parts[0] == "end") {
                check_end(parts, before, list.ranges.size(), chunks);
                return list;
            }
            if (parts.size() != 2) {
                fail("not a range");
            }
            const DeltaRange range{need(parts[0]), need(parts[1])};
            const bool first = list.ranges.empty();
            if (range.count == 0 || (first ? false : range.first <= behind) ||
                range.count > UINT64_MAX - range.first) {
                fail("a range that is empty, adjacent or out of order");
            }
            behind = range.first + range.count;
            chunks += range.count;
            list.ranges.push_back(range);
        }
    }

private:
    [[noreturn]] void fail(const std::string& what) const
    {
        throw Failure(Exit::mismatch, name_ + ", line " + std::to_string(line_) + ": " + what,
                      "make it again: ddsnap delta changelist");
    }

    std::string_view line()
    {
        ++line_;
        const std::size_t end = text_.find('\n', at_);
        if (end == std::string_view::npos) {
            fail("the file is not complete");
        }
        return text_.substr(std::exchange(at_, end + 1), end - at_);
    }

    std::uint64_t need(const std::string& text) const
    {
        const auto value = number(text);
        if (!value) {
            fail("'" + text + "' is not a number");
        }
        return *value;
    }

    // The words after `name`, the line's first one.
    std::vector<std::string> words(const std::string& name, std::size_t count)
    {
        std::vector<std::string> parts = split(std::string(line()), ' ');
        if (parts.size() != count + 1 || parts[0] != name) {
            fail("'" + name + "' was expected");
        }
        parts.erase(parts.begin());
        return parts;
    }

    ChangelistHeader::End end(const std::string& name)
    {
        const auto parts = words(name, 3);
        return {need(parts[0]), parts[1], need(parts[2])};
    }

    void check_end(const std::vector<std::string>& parts, std::size_t before, std::uint64_t ranges,
                   std::uint64_t chunks) const
    {
        if (parts.size() != 4 || need(parts[1]) != ranges || need(parts[2]) != chunks) {
            fail("the counts differ from the ranges in the file");
        }
        if (parts[3] != hex(crc_of(text_.substr(0, before), 0))) {
            fail("the checksum differs: the file is damaged");
        }
        if (at_ != text_.size()) {
            fail("something follows the end");
        }
    }

    std::string_view text_;
    std::string name_;
    std::size_t at_ = 0;
    std::uint64_t line_ = 0;
};

struct CloseFile {
    void operator()(std::FILE* file) const { (void)std::fclose(file); }
};

// Removes the file again unless it has been given its name.
class NewFile {
public:
    explicit NewFile(const std::string& path)
        : path_(path), new_path_(path + ".new"), file_(std::fopen(new_path_.c_str(), "w"))
    {
        if (file_ == nullptr) {
            throw errno_failure(new_path_);
        }
    }
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;
    ~NewFile()
    {
        if (file_ != nullptr) {
            ::unlink(new_path_.c_str());
        }
    }
    std::FILE* get() const { return file_.get(); }
    void commit()
    {
        if (std::fflush(get()) != 0 || ::fsync(::fileno(get())) != 0 ||
            std::rename(new_path_.c_str(), path_.c_str()) != 0) {
            throw errno_failure(path_);
        }
        file_.reset();
    }

private:
    std::string path_;
    std::string new_path_;
    std::unique_ptr<std::FILE, CloseFile> file_;
};

} // namespace

ChangelistWriter::ChangelistWriter(std::FILE* file, std::string name, const ChangelistHeader& header)
    : file_(file), name_(std::move(name))
{
    put(std::string(kFirstLine));
    put("volume " + header.volume);
    put("chunk-size " + std::to_string(header.chunk_bytes));
    put(end_line("from", header.from));
    put(end_line("to", header.to));
}

void ChangelistWriter::put(const std::string& line)
{
    const std::string text = line + "\n";
    crc_ = crc_of(text, crc_);
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) {
        throw errno_failure(name_);
    }
}

void ChangelistWriter::add(const DeltaRange& range)
{
    put(std::to_string(range.first) + " " + std::to_string(range.count));
    ++ranges_;
    chunks_ += range.count;
}

void ChangelistWriter::finish()
{
    put("end " + std::to_string(ranges_) + " " + std::to_string(chunks_) + " " + hex(crc_));
}

Changelist parse_changelist(std::string_view text, const std::string& name)
{
    return Parser(text, name).parse();
}

ChangelistSize write_changelist(Daemon& daemon, const SnapshotEntry& from, const SnapshotEntry& to,
                                const std::string& path)
{
    const VolumeEntry volume = daemon.status();
    const ChangelistHeader header{
        volume.uuid, volume.chunk_bytes, {from.id, from.uuid, from.sectors}, {to.id, to.uuid, to.sectors}};
    NewFile file(path);
    ChangelistWriter writer(file.get(), path, header);
    daemon.delta(from, to, 0, [&](const DeltaRange& range) {
        writer.add(range);
        return true;
    });
    writer.finish();
    file.commit();
    return {writer.ranges(), writer.chunks()};
}

void write_changelist(const Changelist& list, const std::string& path)
{
    NewFile file(path);
    ChangelistWriter writer(file.get(), path, list.header);
    for (const DeltaRange& range : list.ranges) {
        writer.add(range);
    }
    writer.finish();
    file.commit();
}

} // namespace zumastor
