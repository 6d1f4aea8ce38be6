// SPDX-License-Identifier: GPL-2.0
// zumastor send: a snapshot, or what changed since another one, as a stream on standard output.
#include <unistd.h>

#include <cstdio>

#include "tools/common/text.h"
#include "tools/common/uuid_text.h"
#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/commands/options.h"
#include "tools/zumastor/config/snapshot_ref.h"
#include "tools/zumastor/replication/sending.h"
#include "tools/zumastor/replication/session_ends.h"
#include "tools/zumastor/state/resume_token.h"

namespace zumastor {
namespace {

struct Send : CycleFlags, ProgressOptions, DryRun {
    std::string volume;
    std::optional<std::string> snapshot;
    std::optional<std::string> from;
    std::optional<std::string> compress;
    std::optional<std::string> rate_limit;
    std::optional<std::string> resume;
    bool whole_chunks = false;
    bool session = false;
};

SnapshotEntry need_readable(SnapshotEntry snapshot)
{
    if (snapshot.squashed) {
        throw Failure(Exit::failed,
                      "snapshot " + std::to_string(snapshot.id) + " was squashed: its content is gone",
                      "send another snapshot, in full if necessary");
    }
    return snapshot;
}

SendEnds ends_of_token(const std::vector<SnapshotEntry>& list, const VolumeConfig& config, const Send& given)
{
    if (given.snapshot.has_value() || given.from.has_value()) {
        throw Failure(Exit::usage, "--resume already names the snapshots", "leave out SNAP and --from");
    }
    const Reception reception = parse_token(*given.resume);
    SendEnds ends{{}, need_readable(find_snapshot(list, config, reception.to)), reception.next_chunk};
    if (!reception.from.empty()) {
        ends.from = need_readable(find_snapshot(list, config, reception.from));
    }
    return ends;
}

SendEnds find_ends(const std::vector<SnapshotEntry>& list, const VolumeConfig& config, const Send& given)
{
    if (given.resume.has_value()) {
        return ends_of_token(list, config, given);
    }
    SendEnds ends{{}, need_readable(find_snapshot(list, config, given.snapshot.value_or("latest")))};
    if (const auto from = given.from) {
        ends.from = need_readable(find_snapshot(list, config, *from));
        if (ends.from->epoch >= ends.to.epoch) {
            throw Failure(Exit::usage, "snapshot " + *from + " is not older than the snapshot to be sent",
                          "give an older snapshot with --from");
        }
    }
    return ends;
}

// Reads and compresses all that would be sent: only so is it known which chunks are zero, and how small the
// others become.
void print_send_plan(const Volume& volume, const SendEnds& ends, stream::SendOptions options,
                     const Send& given)
{
    options.bytes_per_second = 0; // nothing goes anywhere
    stream::NullSink nowhere;
    const Sent plan = send_to(volume, ends, options, given, nowhere);
    std::printf("would send snapshot %s%s: %llu chunks of %llu bytes, a stream of %llu bytes\n",
                format_uuid(plan.header.to).c_str(),
                plan.header.full() ? " in full" : (" since " + format_uuid(plan.header.from)).c_str(),
                static_cast<unsigned long long>(plan.header.chunks),
                static_cast<unsigned long long>(plan.header.chunk_bytes()),
                static_cast<unsigned long long>(plan.amount.bytes));
}

stream::SendOptions send_options(const Send& given)
{
    stream::SendOptions options;
    const std::string compression = given.compress.value_or("zstd");
    const auto parsed = stream::Compression::parse(compression);
    if (!parsed) {
        throw Failure(Exit::usage, "--compress " + compression + ": unknown compression",
                      "choose none, zstd or zstd:LEVEL (1 … 19)");
    }
    options.compression = *parsed;
    if (const auto rate = given.rate_limit) {
        options.bytes_per_second = need_size(*rate, "rate limit");
    }
    return options;
}

Exit send_stream(const Send& given)
{
    if (given.session) {
        Volume volume(load_config(given.volume));
        return serve_session(volume, [&](Pipes pipes) {
            return send_session(volume, {given.snapnum, given.full, given}, send_options(given), {}, pipes,
                                nullptr);
        });
    }

    const Volume volume(load_config(given.volume));
    Daemon daemon = volume.daemon();
    const stream::SendOptions options = send_options(given);
    SendEnds ends = find_ends(daemon.list(), volume.config(), given);
    ends.patches = !given.whole_chunks;
    if (given.dry_run) {
        print_send_plan(volume, ends, options, given);
        return Exit::ok;
    }
    if (::isatty(STDOUT_FILENO) != 0) {
        throw Failure(Exit::usage, "standard output is a terminal, where a stream cannot go",
                      "send the stream elsewhere: zumastor send … | ssh HOST zumastor receive VOL");
    }
    try {
        send_to(volume, ends, options, given, STDOUT_FILENO);
    } catch (const stream::SinkError& error) {
        throw Failure(Exit::failed, volume.what() + ": " + error.what(),
                      "the stream can be resumed; the receiver has the token: zumastor receive "
                      "--resume-token");
    }
    return Exit::ok;
}

constexpr auto kSendOptions = option_table<Send>(
    value<&Send::from>("--from", "SNAP", "send only what changed since this older snapshot"),
    value<&Send::compress>("--compress", "METHOD", "none, zstd, zstd:LEVEL (zstd)"),
    value<&Send::rate_limit>("-r,--ratelimit,--rate-limit", "SIZE", "at most so many bytes a second"),
    value<&Send::resume>("--resume", "TOKEN",
                         "resume where the receiver stopped; receive --resume-token prints TOKEN"),
    flag<&Send::whole_chunks>("--whole-chunks",
                              "send whole chunks, not only their changed blocks: reads less, sends more"),
    flag<&Send::session>("--session", "talk to zumastor replicate on the other side"), kCycleOptions,
    kProgressOptions, kDryRunOption);

} // namespace

constexpr CommandSpec kSend =
    command<send_stream>("send", arguments<&Send::volume, &Send::snapshot>("VOL [SNAP]"),
                         "Write a snapshot, or what changed since another, as a stream.", kSendOptions,
                         Page{"The stream is written to standard output. Without --from it has the whole "
                              "snapshot (the newest, if none is named). replicate does the same between two "
                              "hosts, and remembers which snapshots both have.",
                              "$ zumastor send data hourly.0 | ssh replica zumastor receive data\n"
                              "$ zumastor send data hourly.0 --from hourly.1 >changes"});

} // namespace zumastor
