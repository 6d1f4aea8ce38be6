// SPDX-License-Identifier: GPL-2.0
// Snapshots over NFS: /etc/exports.d/zumastor-VOL.exports names each mounted snapshot of a volume, read-only,
// for the clients that the volume's own mount point is exported to. Format of the files: exports(5).
//
// The volume's lock is held by who changes one of these files. exportfs(8) must be installed.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace zumastor {

struct ExportClient {
    std::string host; // a name, an address, a network, a netgroup, *
    std::vector<std::string> options;
    bool operator==(const ExportClient&) const = default;
};

struct ExportedSnapshot {
    std::string path;
    std::string uuid; // becomes fsid=: clients know its files by it, whatever the kernel calls the device
};

// Whom a text in the format of exports(5) exports `directory` (canonical) to, with defaults of the line
// merged in.
std::vector<ExportClient> clients_in(const std::string& text, const std::string& directory);
// Read-only, each with an fsid of its own; all else as the client has it for the volume.
std::string format_exports(const std::string& volume, const std::vector<ExportClient>& clients,
                           const std::vector<ExportedSnapshot>& snapshots);

// Whom the administrator exports `directory` to: /etc/exports and /etc/exports.d, but for files of ours.
// Throws Exit::missing if there is no NFS server, Exit::not_found if nobody is.
std::vector<ExportClient> need_export_clients(const std::string& directory);

// Exports these and no other snapshots of the volume. The server is asked to look even if the file stays as
// it is: it may have been started before they were mounted.
void export_snapshots(const std::string& volume, const std::vector<ExportClient>& clients,
                      const std::vector<ExportedSnapshot>& snapshots);
// What exportfs(8) is to be told when our file changes: exports of others are none of its business. `table`:
// what is exported now (/var/lib/nfs/etab).
std::vector<std::vector<std::string>> exportfs_commands(const std::string& before, const std::string& after,
                                                        const std::string& table);
// Clients there that are known by their names, which exportfs looks up.
std::set<std::string> names_in_table(const std::string& table);

void end_exports(const std::string& volume); // of any of them

// Unmounts a snapshot that may be exported. While a client of version 4 has a file of it open it throws
// Exit::busy at once. Others that read it just now are not waited for longer than a few seconds: then it
// throws the same, and the snapshot is exported as before.
void unmount_exported(const std::string& volume, const std::string& path);

} // namespace zumastor
