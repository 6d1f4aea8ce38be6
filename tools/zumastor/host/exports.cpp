// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/host/exports.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>
#include <string_view>

#include "tools/common/block_device.h"
#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/host/mounts.h"
#include "tools/zumastor/host/nfs.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExports = "/etc/exports";
constexpr const char* kExportsFolder = "/etc/exports.d";
constexpr const char* kOurPrefix = "zumastor-";
constexpr const char* kServersTable = "/var/lib/nfs/etab"; // what is exported; exportfs keeps it
constexpr std::chrono::milliseconds kExportfsLimit{30000}; // it may look up names of hosts
constexpr std::chrono::milliseconds kReleaseLimit{5000};
constexpr std::chrono::milliseconds kFlushLimit{30000}; // until the server's caches can be emptied
constexpr int kReleasePollMs = 100; // the server's letting go has no event that could be waited for

// Options that belong to the volume's own filesystem, or say what these snapshots have otherwise.
constexpr std::array<std::string_view, 10> kNotForSnapshots{
    "rw", "ro", "fsid", "hide", "nohide", "crossmnt", "nocrossmnt", "mp", "mountpoint", "refer"};

bool is_octal(char c) { return c >= '0' && c <= '7'; }

// "\040" at `at` of the text.
std::optional<char> escaped_at(std::string_view text, std::size_t at)
{
    if (text[at] != '\\' || at + 3 >= text.size() || !is_octal(text[at + 1]) || !is_octal(text[at + 2]) ||
        !is_octal(text[at + 3])) {
        return std::nullopt;
    }
    return static_cast<char>((text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 + (text[at + 3] - '0'));
}

// The lines of such a file as words: without comments, with continued lines as one, quotes and escapes
// resolved.
std::vector<std::vector<std::string>> words_of(const std::string& text)
{
    std::vector<std::vector<std::string>> lines(1);
    std::string word;
    bool quoted = false;
    const auto end_word = [&] {
        if (!word.empty()) {
            lines.back().push_back(std::move(word));
            word.clear();
        }
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (const auto escaped = escaped_at(text, i)) {
            word += *escaped;
            i += 3;
        } else if (c == '\\' && i + 1 < text.size() && text[i + 1] == '\n') {
            end_word();
            ++i;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == '\n') {
            end_word();
            lines.emplace_back();
            quoted = false;
        } else if (c == '#' && !quoted) {
            while (i + 1 < text.size() && text[i + 1] != '\n') {
                ++i;
            }
        } else if (!quoted && std::isspace(static_cast<unsigned char>(c)) != 0) {
            end_word();
        } else {
            word += c;
        }
    }
    end_word();
    return lines;
}

// A path as a word of such a file.
std::string escaped(const std::string& path)
{
    std::string text;
    for (const char c : path) {
        if (std::isgraph(static_cast<unsigned char>(c)) != 0 && c != '"' && c != '#' && c != '\\') {
            text += c;
            continue;
        }
        const auto value = static_cast<unsigned char>(c);
        text += '\\';
        for (const int shift : {6, 3, 0}) {
            text += static_cast<char>('0' + ((value >> shift) & 7));
        }
    }
    return text;
}

bool fits_snapshots(const std::string& option)
{
    const std::string_view name = std::string_view(option).substr(0, option.find('='));
    return !name.empty() && name != "replicas" &&
           std::find(kNotForSnapshots.begin(), kNotForSnapshots.end(), name) == kNotForSnapshots.end();
}

ExportClient parse_client(const std::string& word, const std::vector<std::string>& defaults)
{
    const std::size_t open = word.find('(');
    ExportClient client{open == 0 ? std::string("*") : word.substr(0, open), defaults};
    if (open != std::string::npos) {
        const std::size_t close = std::min(word.find(')', open), word.size());
        for (const std::string& option : split(word.substr(open + 1, close - open - 1), ',')) {
            client.options.push_back(option);
        }
    }
    return client;
}

std::string file_of(const std::string& volume)
{
    return std::string(kExportsFolder) + "/" + kOurPrefix + volume + ".exports";
}

// Neither an address or network, nor a pattern, netgroup or everybody.
bool is_host_name(const std::string& client)
{
    std::array<unsigned char, sizeof(in6_addr)> address{};
    return !client.empty() && client.find_first_of("*?[/@<") == std::string::npos &&
           !client.starts_with("gss/") && ::inet_pton(AF_INET, client.c_str(), address.data()) != 1 &&
           ::inet_pton(AF_INET6, client.c_str(), address.data()) != 1;
}

bool is_server_installed() { return fs::exists("/usr/sbin/exportfs") || fs::exists("/sbin/exportfs"); }

// Of a line of our file: the directory, and each client with its options.
struct Exported {
    std::string client;
    std::string path;
    std::string options;
    bool operator==(const Exported&) const = default;
    std::string word() const // as exportfs takes it
    {
        const bool colons = client.find(':') != std::string::npos && !client.starts_with('[');
        return (colons ? "[" + client + "]" : client) + ":" + path;
    }
};

std::vector<Exported> exports_in(const std::string& text)
{
    std::vector<Exported> all;
    for (const std::vector<std::string>& words : words_of(text)) {
        for (std::size_t i = 1; i < words.size(); ++i) {
            const ExportClient client = parse_client(words[i], {});
            all.push_back({client.host, words.front(), join(client.options, ",")});
        }
    }
    return all;
}

// exportfs reads the server's table, looks up every name in it, and writes it again: without those that it
// could not look up. So nothing is changed while a name of anybody's cannot be.
void refuse_to_lose_others()
{
    for (const std::string& host : names_in_table(text_of(kServersTable).need().value_or(""))) {
        addrinfo hints{}; // no flags: without any, addresses count only if this host has some of their kind
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* found = nullptr;
        const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
        if (error != 0) {
            throw Failure(Exit::failed,
                          "the name of NFS client " + host + " cannot be looked up (" +
                              ::gai_strerror(error) +
                              "): exportfs would end its exports, so nothing was changed",
                          "repair the lookup of names, or write the client's address in /etc/exports; "
                          "then repeat this command");
        }
        ::freeaddrinfo(found);
    }
}

void run_exportfs(const std::vector<std::string>& arguments)
{
    std::vector<std::string> command{"exportfs"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const ProgramResult done = run_program(command, kExportfsLimit);
    if (done.status != 0) {
        throw Failure(Exit::failed, join(command, " ") + ": " + done.output,
                      "see exports(5), and the files in /etc/exports.d");
    }
}

// Makes the server follow our file, and touches no export that is not in it (exportfs -r would make the
// table anew, for everybody).
void follow_files(const std::string& before, const std::string& after)
{
    if (!is_server_installed()) {
        return; // any more: nobody to be told
    }
    const auto commands = exportfs_commands(before, after, text_of(kServersTable).need().value_or(""));
    if (!commands.empty()) {
        refuse_to_lose_others();
    }
    for (const std::vector<std::string>& arguments : commands) {
        run_exportfs(arguments);
    }
}

void write_exports(const std::string& volume, const std::string& text)
{
    const std::string path = file_of(volume);
    const std::string before = text_of(path).need().value_or("");
    if (text.empty()) {
        if (!look_at_link(path).need()) {
            return; // there was none
        }
        remove_file(path);
    } else {
        std::error_code error; // which writing will name
        fs::create_directories(kExportsFolder, error);
        write_text(path, text);
    }
    follow_files(before, text);
}

// The file without the lines of `path`.
std::string without(const std::string& text, const std::string& path)
{
    const std::string beginning = escaped(path) + " ";
    std::string rest;
    bool any = false;
    for (const std::string& line : split(text, '\n')) {
        if (line.empty() || line.starts_with(beginning)) {
            continue;
        }
        rest.append(line).append("\n");
        any = any || line.front() != '#';
    }
    return any ? rest : "";
}

// A client whose file is not exported for a moment has lost it: it asks only once (ESTALE). So whoever has
// one open is seen beforehand.
void refuse_if_open(const std::string& path)
{
    const std::string target = canonical(path);
    for (const Mount& mount : all_mounts()) {
        if (mount.target != target) {
            continue;
        }
        if (const auto clients = nfs_clients_on(mount.device); !clients.empty()) {
            throw Failure(Exit::busy, path + ": in use: by NFS clients: " + join(clients, ", "),
                          "close the files on the clients, then try again");
        }
    }
}

// The server lets go of what is exported to nobody when its caches are emptied. exportfs has asked for
// that, and the kernel may have put it off: see empty_nfs_caches(). Later answers of mountd's come back into
// them, too.
void unmount_when_released(const std::string& path)
{
    using Clock = std::chrono::steady_clock;
    const auto last = Clock::now() + kFlushLimit;
    auto deadline = Clock::now() + kReleaseLimit;
    bool emptied = false;
    for (;;) {
        try {
            unmount(path);
            return;
        } catch (const Failure& failure) {
            if (failure.code() != Exit::busy || Clock::now() > deadline) {
                throw;
            }
        }
        ::poll(nullptr, 0, kReleasePollMs);
        check_interrupt();
        emptied = empty_nfs_caches() || emptied;
        if (!emptied && Clock::now() < last) {
            deadline = Clock::now() + kReleaseLimit;
        }
    }
}

} // namespace

std::vector<ExportClient> clients_in(const std::string& text, const std::string& directory)
{
    std::vector<ExportClient> clients;
    for (const std::vector<std::string>& words : words_of(text)) {
        if (words.empty() || canonical(words.front()) != directory) {
            continue;
        }
        std::vector<std::string> defaults;
        for (std::size_t i = 1; i < words.size(); ++i) {
            if (words[i].starts_with('-')) {
                defaults = split(words[i].substr(1), ',');
            } else {
                clients.push_back(parse_client(words[i], defaults));
            }
        }
    }
    return clients;
}

std::string format_exports(const std::string& volume, const std::vector<ExportClient>& clients,
                           const std::vector<ExportedSnapshot>& snapshots)
{
    if (clients.empty() || snapshots.empty()) {
        return {};
    }
    std::string text("# Written by zumastor, which changes it with every snapshot: zumastor define master ");
    text.append(volume).append(" --export\n");
    for (const ExportedSnapshot& snapshot : snapshots) {
        text += escaped(snapshot.path);
        for (const ExportClient& client : clients) {
            std::vector<std::string> options{"ro", std::string("fsid=").append(snapshot.uuid)};
            std::copy_if(client.options.begin(), client.options.end(), std::back_inserter(options),
                         fits_snapshots);
            text.append(" ").append(client.host).append("(").append(join(options, ",")).append(")");
        }
        text += "\n";
    }
    return text;
}

std::vector<std::vector<std::string>> exportfs_commands(const std::string& before, const std::string& after,
                                                        const std::string& table)
{
    const std::vector<Exported> old = exports_in(before);
    const std::vector<Exported> now = exports_in(after);
    std::set<std::string> served;
    for (const std::vector<std::string>& words : words_of(table)) {
        served.insert(words.empty() ? "" : words.front());
    }
    std::vector<std::vector<std::string>> commands;
    for (const Exported& one : old) {
        const bool gone = std::none_of(now.begin(), now.end(), [&](const Exported& other) {
            return other.client == one.client && other.path == one.path;
        });
        if (gone && served.contains(one.path)) {
            commands.push_back({"-u", one.word()});
        }
    }
    for (const Exported& one : now) {
        const bool known = std::find(old.begin(), old.end(), one) != old.end();
        if (!known || !served.contains(one.path)) { // the server may have been told otherwise since
            commands.push_back({"-i", "-o", one.options, one.word()});
        }
    }
    return commands;
}

std::set<std::string> names_in_table(const std::string& table)
{
    std::set<std::string> names;
    for (const std::vector<std::string>& words : words_of(table)) {
        for (std::size_t i = 1; i < words.size(); ++i) {
            if (std::string client = parse_client(words[i], {}).host; is_host_name(client)) {
                names.insert(std::move(client));
            }
        }
    }
    return names;
}

std::vector<ExportClient> need_export_clients(const std::string& directory)
{
    if (!is_server_installed()) {
        throw Failure(Exit::missing, "no NFS server is installed here: snapshots cannot be exported",
                      "install one: apt install nfs-kernel-server");
    }
    std::vector<std::string> files{kExports};
    for (const fs::path& file : entries_of(kExportsFolder).need().value_or(std::vector<fs::path>{})) {
        const std::string name = file.filename().string();
        if (name.ends_with(".exports") && !name.starts_with(kOurPrefix) && !name.starts_with('.')) {
            files.push_back(file.string());
        }
    }
    std::sort(files.begin() + 1, files.end());
    std::vector<ExportClient> clients;
    for (const std::string& file : files) {
        for (ExportClient& client : clients_in(text_of(file).need().value_or(""), directory)) {
            clients.push_back(std::move(client));
        }
    }
    if (clients.empty()) {
        throw Failure(Exit::not_found,
                      directory + " is not exported to any client, so its snapshots cannot be exported",
                      "export it in /etc/exports (see exports(5)), then repeat this command");
    }
    return clients;
}

void export_snapshots(const std::string& volume, const std::vector<ExportClient>& clients,
                      const std::vector<ExportedSnapshot>& snapshots)
{
    write_exports(volume, format_exports(volume, clients, snapshots));
}

void end_exports(const std::string& volume) { write_exports(volume, ""); }

void unmount_exported(const std::string& volume, const std::string& path)
{
    const std::string before = text_of(file_of(volume)).need().value_or("");
    const std::string after = without(before, path);
    if (before == after) {
        unmount(path);
        return;
    }
    refuse_if_open(path);
    write_exports(volume, after);
    try {
        unmount_when_released(path);
    } catch (const Failure&) {
        write_exports(volume, before);
        throw;
    }
}

} // namespace zumastor
