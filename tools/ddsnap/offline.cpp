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
                PlainText(store.origin().identity()).c_str(), info.origin_samples);
}

void dump_snapshots(const snapstore::Store& store)
{
    for (const snapstore::SnapshotInfo& snapshot : store.snapshots().list()) {
        std::printf("snapshot %" PRIu64 " epoch %u created %s sectors %" PRIu64 " priority %d use %u %s",
                    snapshot.id.value, snapshot.epoch.value, format_rfc3339(snapshot.created_ns).c_str(),
                    snapshot.size.value, snapshot.priority, snapshot.use_count, state_name(snapshot.state));
        std::printf("%s%s%s%s\n", snapshot.tag.empty() ? "" : " tag ", PlainText(snapshot.tag).c_str(),
                    snapshot.name.empty() ? "" : " name ", PlainText(snapshot.name).c_str());
    }
    for (const snapstore::Attachment& attachment : store.clients().attachments()) {
        std::printf("attached %s %s\n", attachment.origin ? "origin" : "snapshot",
                    PlainText(attachment.name).c_str());
    }
}

void dump_exception(const snapstore::DumpEntry& entry)
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
                 std::uint64_t damages, std::size_t listed)
{
    if (damages > listed) {
        std::printf("damage: %" PRIu64 " more places\n", damages - listed);
    }
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
    print_check(socket, report.exceptions, report.data_verified, report.damage_found, report.damage.size());
    return report.damage_found == 0 ? Exit::ok : Exit::mismatch;
}

struct Initialize : Devices {
    bool yes = false;
    std::optional<std::string> journalsize;
    std::optional<std::string> blocksize;
    std::optional<std::string> chunksize;
};

struct AcceptOrigin : Devices {
    bool yes = false;
    bool keep_snapshots = false;
};

struct Check {
    std::string first; // a device, or a daemon's socket
    std::optional<std::string> origin;
    std::optional<std::string> meta;
    bool data = false;
};

Exit initialize(const Initialize& given)
{
    InitOptions options;
    if (const auto chunk = given.chunksize) {
        options.chunk_bytes = need_chunk_size(*chunk);
    }
    if (const auto block = given.blocksize) {
        need_block_size(*block);
    }
    if (const auto journal = given.journalsize) {
        options.journal_bytes = need_size(*journal, "journal size");
    }
    const StorePaths paths = need_store_paths(given.store, given.origin, given.meta);
    check_store_fits(paths, options);
    refuse_owned_store(paths);
    open_exclusive(paths.origin, O_RDONLY, "origin");
    for (const DeviceNode* device : {&paths.store, paths.meta ? &*paths.meta : nullptr}) {
        if (device == nullptr) {
            continue;
        }
        open_exclusive(*device, O_RDONLY, "snapshot store");
        if (const std::string content = precious_content(*device); !content.empty()) {
            confirm(device->given + " holds " + content + ": all of it will be lost.", given.yes);
        }
    }
    const std::string uuid = initialize_store(paths, options);
    std::printf("%s: new snapshot store for %s, volume %s\n", paths.store.given.c_str(),
                paths.origin.given.c_str(), uuid.c_str());
    return Exit::ok;
}

Exit accept_other_origin(const AcceptOrigin& given)
{
    const StorePaths paths = need_store_paths(given.store, given.origin, given.meta);
    if (why_other_origin(paths).empty()) {
        std::printf("%s is the origin of this store already; nothing was changed\n",
                    paths.origin.given.c_str());
        return Exit::ok;
    }
    const bool keep = given.keep_snapshots;
    confirm(describe_acceptance(paths, keep), given.yes);
    const std::size_t lost = accept_origin(paths, keep);
    std::printf("%s is the origin of this store from now on; %zu snapshots were given up\n",
                paths.origin.given.c_str(), lost);
    return Exit::ok;
}

Exit dump(const Devices& given)
{
    OfflineStore store(need_store_paths(given.store, given.origin, given.meta));
    dump_header(store.store());
    dump_snapshots(store.store());
    store.store().upkeep().dump(dump_exception);
    store.close();
    return Exit::ok;
}

Exit check(const Check& given)
{
    const std::string& first = given.first;
    if (const auto info = look_at(first).need(); info && S_ISSOCK(info->st_mode)) {
        return check_online(first, given.data);
    }
    if (!given.origin) {
        throw Failure(Exit::usage, first + " is not a socket; an offline check needs the origin, too",
                      "ddsnap check SNAPDEV ORIGDEV [METADEV]");
    }
    OfflineStore store(need_store_paths(first, *given.origin, given.meta));
    const snapstore::CheckReport report = store.check(given.data);
    for (const snapstore::Damage& damage : report.damage.listed()) {
        std::printf("damage: %s at %" PRIu64 ", chunk %" PRIu64 " epoch %u\n", damage.what, damage.where,
                    damage.chunk.value, damage.epoch.value);
    }
    if (report.leaked_chunks != 0) {
        std::printf("%" PRIu64 " chunks of the store are in use by nothing\n", report.leaked_chunks);
    }
    print_check(first, report.exceptions, report.data_verified, report.damage.found(),
                report.damage.listed().size());
    store.close();
    return report.damage.empty() ? Exit::ok : Exit::mismatch;
}

constexpr auto kInitializeOptions = option_table<Initialize>(
    flag<&Initialize::yes>("-y,--yes", "do not ask before other data on SNAPDEV is destroyed"),
    value<&Initialize::journalsize>("-j,--journalsize", "SIZE",
                                    "size of the journal (chosen from the store's size)"),
    value<&Initialize::blocksize>("-b,--blocksize", "SIZE", "size of metadata blocks: 4k"),
    value<&Initialize::chunksize>("-c,--chunksize", "SIZE",
                                  "unit of copying: 4k … 1m, a power of two (16k)"));
constexpr auto kAcceptOriginOptions = option_table<AcceptOrigin>(
    flag<&AcceptOrigin::yes>("-y,--yes", "do not ask"),
    flag<&AcceptOrigin::keep_snapshots>("--keep-snapshots",
                                        "keep the snapshots: shared chunks show the new origin's content"));
constexpr auto kCheckOptions = option_table<Check>(
    flag<&Check::data>("-d,--data", "read all data too and compare it with its checksums"));

} // namespace

constexpr CommandSpec kInitialize = command<initialize>(
    "initialize",
    arguments<&Initialize::store, &Initialize::origin, &Initialize::meta>("SNAPDEV ORIGDEV [METADEV]"),
    "Make a new, empty snapshot store.", kInitializeOptions,
    Page{"If data is found on SNAPDEV or METADEV, you are asked first. The store of a "
         "volume of Zumastor is refused.",
         "$ ddsnap initialize /dev/sdc1 /dev/sdb1"});
constexpr CommandSpec kAcceptOrigin = command<accept_other_origin>(
    "accept-origin",
    arguments<&AcceptOrigin::store, &AcceptOrigin::origin, &AcceptOrigin::meta>("SNAPDEV ORIGDEV [METADEV]"),
    "Accept another disk as a store's origin, e.g. a restored one.", kAcceptOriginOptions,
    Page{"The store must not be in use. The snapshots are given up, because they "
         "shared chunks with the old origin. With --keep-snapshots the snapshots stay, "
         "and their shared chunks show the new origin's content.",
         "$ ddsnap accept-origin /dev/sdc1 /dev/sdb1"});
constexpr CommandSpec kDump = command<dump>(
    "dump", arguments<&Devices::store, &Devices::origin, &Devices::meta>("SNAPDEV ORIGDEV [METADEV]"),
    "Print the metadata of a store that is not in use.",
    Page{"The store must not be in use, and is only read.", "$ ddsnap dump /dev/sdc1 /dev/sdb1"});
constexpr CommandSpec kCheck = command<check>(
    "check",
    arguments<&Check::first, &Check::origin, &Check::meta>("SNAPDEV_OR_SERVERSOCK [ORIGDEV] [METADEV]"),
    "Check a store completely: offline, or through the daemon that has it.", kCheckOptions,
    Page{"Checks the metadata and its checksums; with --data, all chunks, too. Through "
         "a daemon, a store is checked while it is in use. The exit status is 9 if "
         "something is damaged.",
         "$ ddsnap check /dev/sdc1 /dev/sdb1 --data\n"
         "$ ddsnap check /run/zumastor/data/server"});

} // namespace zumastor::ddsnap
