// SPDX-License-Identifier: GPL-2.0
// Commands that work on the devices themselves, while no daemon has them.
#include <fcntl.h>
#include <sys/stat.h>

#include <cinttypes>
#include <cstdio>

#include "snapstore/store.h"
#include "tools/common/daemon.h"
#include "tools/common/known.h"
#include "tools/common/offline_store.h"
#include "tools/common/other_origin.h"
#include "tools/common/process.h"
#include "tools/common/store_owner.h"
#include "tools/common/text.h"
#include "tools/ddsnap/commands.h"

namespace zumastor::ddsnap {
namespace {

const char* state_name(snapstore::SnapshotState state)
{
    switch (state) {
    case snapstore::SnapshotState::normal:
        return "normal";
    case snapstore::SnapshotState::squashed:
        return "squashed";
    case snapstore::SnapshotState::deleting:
        return "deleting";
    }
    return "unknown";
}

void dump_header(const snapstore::Store& store)
{
    const snapstore::StoreInfo info = store.info();
    std::printf("origin %" PRIu64 " sectors, chunk %u bytes, epoch %u\n", info.origin_size.value,
                1u << info.chunk_shift, info.epoch.value);
    std::printf("store %" PRIu64 " chunks, %" PRIu64 " free, %" PRIu64 " pending\n", info.store_chunks,
                info.free_chunks, info.pending_chunks);
    std::printf("metadata %" PRIu64 " blocks, %" PRIu64 " free; journal %" PRIu64 " blocks, %" PRIu64
                " used\n",
                info.meta_blocks, info.free_meta_blocks, info.journal_blocks, info.journal_used);
    std::printf("exceptions %" PRIu64 ", snapshots %" PRIu64 "\n", info.exceptions, info.snapshots);
    std::printf("known of the origin: %s; %" PRIu64 " blocks of content\n",
                PlainText(store.origin_identity()).c_str(), info.origin_samples);
}

void dump_snapshots(const snapstore::Store& store)
{
    for (const snapstore::SnapshotInfo& snapshot : store.list()) {
        std::printf("snapshot %" PRIu64 " epoch %u created %s sectors %" PRIu64 " priority %d use %u %s",
                    snapshot.id.value, snapshot.epoch.value, format_rfc3339(snapshot.created_ns).c_str(),
                    snapshot.size.value, snapshot.priority, snapshot.use_count, state_name(snapshot.state));
        std::printf("%s%s%s%s\n", snapshot.tag.empty() ? "" : " tag ", PlainText(snapshot.tag).c_str(),
                    snapshot.name.empty() ? "" : " name ", PlainText(snapshot.name).c_str());
    }
    for (const snapstore::Attachment& attachment : store.attachments()) {
        std::printf("attached %s %s\n", attachment.origin ? "origin" : "snapshot",
                    PlainText(attachment.name).c_str());
    }
}

void dump_exception(const snapstore::Store::DumpEntry& entry)
{
    std::printf("chunk %" PRIu64 " epoch %u %s ", entry.chunk.value, entry.epoch.value,
                entry.is_private ? "private" : "shared");
    if (entry.lost) {
        std::printf("lost\n");
    } else if (entry.zero) {
        std::printf("zero\n");
    } else {
        std::printf("at %" PRIu64 " crc %08x\n", entry.location.value, entry.crc);
    }
}

void print_check(const std::string& name, std::uint64_t exceptions, std::uint64_t verified,
                 std::size_t damages)
{
    std::printf("%s: %" PRIu64 " exceptions, %" PRIu64 " data chunks verified, %s\n", name.c_str(),
                exceptions, verified,
                damages == 0 ? "consistent" : (std::to_string(damages) + " damaged places").c_str());
}

Exit check_online(const std::string& socket, bool data)
{
    const CheckEntry report = Daemon(socket, socket).check(data);
    for (const DamageEntry& damage : report.damage) {
        std::printf("damage: %s at %" PRIu64 "\n", damage.what.c_str(), damage.where);
    }
    print_check(socket, report.exceptions, report.data_verified, report.damage.size());
    return report.damage.empty() ? Exit::ok : Exit::mismatch;
}

} // namespace

Exit initialize(const Args& args)
{
    InitOptions options;
    if (const auto chunk = args.get("--chunksize")) {
        options.chunk_bytes = need_chunk_size(*chunk);
    }
    if (const auto block = args.get("--blocksize")) {
        need_block_size(*block);
    }
    if (const auto journal = args.get("--journalsize")) {
        options.journal_bytes = need_size(*journal, "journal size");
    }
    const StorePaths paths =
        need_store_paths(args.need("SNAPDEV"), args.need("ORIGDEV"), args.get("METADEV"));
    check_store_fits(paths, options);
    refuse_owned_store(paths);
    open_exclusive(paths.origin, O_RDONLY, "origin");
    for (const DeviceNode* device : {&paths.store, paths.meta ? &*paths.meta : nullptr}) {
        if (device == nullptr) {
            continue;
        }
        open_exclusive(*device, O_RDONLY, "snapshot store");
        if (const std::string content = precious_content(*device); !content.empty()) {
            confirm(device->given + " holds " + content + ": all of it will be lost.", args.has("--yes"));
        }
    }
    const std::string uuid = initialize_store(paths, options);
    std::printf("%s: new snapshot store for %s, volume %s\n", paths.store.given.c_str(),
                paths.origin.given.c_str(), uuid.c_str());
    return Exit::ok;
}

Exit accept_other_origin(const Args& args)
{
    const StorePaths paths =
        need_store_paths(args.need("SNAPDEV"), args.need("ORIGDEV"), args.get("METADEV"));
    if (why_other_origin(paths).empty()) {
        std::printf("%s: the origin of this store; nothing was changed\n", paths.origin.given.c_str());
        return Exit::ok;
    }
    const bool keep = args.has("--keep-snapshots");
    confirm(describe_acceptance(paths, keep), args.has("--yes"));
    const std::size_t lost = accept_origin(paths, keep);
    std::printf("%s: the origin of this store from now on; %zu snapshots were given up\n",
                paths.origin.given.c_str(), lost);
    return Exit::ok;
}

Exit dump(const Args& args)
{
    OfflineStore store(need_store_paths(args.need("SNAPDEV"), args.need("ORIGDEV"), args.get("METADEV")));
    dump_header(store.store());
    dump_snapshots(store.store());
    store.store().dump(dump_exception);
    store.close();
    return Exit::ok;
}

Exit check(const Args& args)
{
    const std::string first = args.need("SNAPDEV_OR_SERVERSOCK");
    if (const auto info = look_at(first).need(); info && S_ISSOCK(info->st_mode)) {
        return check_online(first, args.has("--data"));
    }
    if (!args.has("ORIGDEV")) {
        throw Failure(Exit::usage, first + ": is no socket; for an offline check give the origin, too",
                      "ddsnap check SNAPDEV ORIGDEV [METADEV]");
    }
    OfflineStore store(need_store_paths(first, args.need("ORIGDEV"), args.get("METADEV")));
    const snapstore::CheckReport report = store.check(args.has("--data"));
    for (const snapstore::Damage& damage : report.damage) {
        std::printf("damage: %s at %" PRIu64 ", chunk %" PRIu64 " epoch %u\n", damage.what, damage.where,
                    damage.chunk.value, damage.epoch.value);
    }
    if (report.leaked_chunks != 0) {
        std::printf("%" PRIu64 " chunks of the store are in use by nothing\n", report.leaked_chunks);
    }
    print_check(first, report.exceptions, report.data_verified, report.damage.size());
    store.close();
    return report.damage.empty() ? Exit::ok : Exit::mismatch;
}

} // namespace zumastor::ddsnap
