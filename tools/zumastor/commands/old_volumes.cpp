// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/commands/old_volumes.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <set>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/config/config.h"
#include "tools/zumastor/config/names.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLongestOldPeriod = 10ll * 365 * 24 * 3600; // seconds

// What 0.8 kept there while it ran: nothing to take over.
constexpr std::array<const char*, 8> kRuntime{"run", "trigger",   "hold",       "send",
                                              "pid", "snapshots", "ddsnap.log", "running"};

class Importer {
public:
    explicit Importer(fs::path directory)
        : directory_(std::move(directory)), name_(directory_.filename().string())
    {}

    std::vector<std::string> commands(bool yes);

private:
    bool has(const fs::path& place) const { return look_at_link(directory_ / place).need().has_value(); }
    std::optional<std::string> device(const std::string& role);
    std::string line(const fs::path& place);
    std::optional<std::string> period(const fs::path& place);
    void remark(const std::string& text) { lines_.push_back("# " + text); }
    void command(const std::vector<std::string>& words);
    void define_volume(bool yes);
    void define_role(bool yes);
    void define_schedule();
    void define_targets();
    void tell_the_rest();

    fs::path directory_;
    std::string name_;
    std::vector<std::string> lines_;
    std::set<fs::path> read_;
};

// One link is followed: the name that the administrator gave.
std::optional<std::string> Importer::device(const std::string& role)
{
    const fs::path place = fs::path("device") / role;
    if (!has(place)) {
        return std::nullopt;
    }
    read_.insert(place);
    std::error_code error;
    const fs::path target = fs::read_symlink(directory_ / place, error);
    if (error) {
        throw Failure(Exit::failed, (directory_ / place).string() + " is not a symbolic link to a device");
    }
    return (directory_ / "device" / target).lexically_normal().string();
}

std::string Importer::line(const fs::path& place)
{
    read_.insert(place);
    const std::vector<std::string> lines = split(text_of(directory_ / place).need().value_or(""), '\n');
    return lines.empty() ? "" : lines.front();
}

std::optional<std::string> Importer::period(const fs::path& place)
{
    if (!has(place)) {
        return std::nullopt;
    }
    const std::string text = line(place);
    const auto seconds = parse_integer(text);
    if (!seconds || *seconds < 0 || *seconds > kLongestOldPeriod) {
        remark((directory_ / place).string() + ": '" + text +
               "' is not a number of seconds: no period is set");
        return std::nullopt;
    }
    return std::to_string(*seconds);
}

void Importer::command(const std::vector<std::string>& words)
{
    std::string text = "zumastor";
    for (const std::string& word : words) {
        text += " " + quote_word(word);
    }
    lines_.push_back(text);
}

void Importer::define_volume(bool yes)
{
    const auto origin = device("origin");
    const auto store = device("snapstore");
    if (!origin || !store) {
        throw Failure(Exit::failed,
                      directory_.string() + " names no " + (origin ? "snapshot store" : "origin") +
                          ": device/" + (origin ? "snapstore" : "origin") + " is not there",
                      "is this the directory of a volume of zumastor 0.8?");
    }
    std::vector<std::string> words{"define", "volume", name_, *origin, *store, "--initialize"};
    if (const auto meta = device("meta")) {
        words.insert(words.end(), {"--metadev", *meta});
    }
    for (const auto& [place, option] :
         {std::pair{"filesystem/mountpoint", "--mountpoint"}, {"filesystem/options", "--mountopts"}}) {
        if (const std::string value = has(place) ? line(place) : ""; !value.empty()) {
            words.insert(words.end(), {option, value});
        }
    }
    if (yes) {
        words.emplace_back("--yes");
    }
    command(words);
}

void Importer::define_role(bool yes)
{
    if (!has("source")) {
        if (has("master")) {
            command({"define", "master", name_});
        }
        return;
    }
    const std::string host = has("source/hostname") ? line("source/hostname") : "";
    if (host.empty()) {
        remark("this is a replica, but source/hostname does not name its source: zumastor "
               "define source " +
               name_ + " HOST");
        return;
    }
    std::vector<std::string> words{"define", "source", name_, host};
    if (const auto seconds = period("source/period")) {
        words.insert(words.end(), {"--period", *seconds});
    }
    if (yes) {
        words.emplace_back("--yes");
    }
    command(words);
}

void Importer::define_schedule()
{
    std::vector<Kind> schedule;
    for (const char* place : {"master/schedule", "schedule"}) {
        const auto entries = entries_of(directory_ / place).need();
        for (const fs::path& entry : entries.value_or(std::vector<fs::path>{})) {
            const std::string kind = entry.filename().string();
            const std::string count = line(fs::path(place) / kind);
            const auto keep = parse_integer(count);
            if (!keep || *keep < 0) {
                remark(entry.string() + ": '" + count + "' is not a number of snapshots");
                continue;
            }
            set_kind(schedule, kind, static_cast<std::uint64_t>(*keep));
        }
    }
    std::vector<std::string> words{"define", "schedule", name_};
    for (const Kind& kind : schedule) {
        const bool builtin =
            std::find(kBuiltinKinds.begin(), kBuiltinKinds.end(), kind.name) != kBuiltinKinds.end();
        const std::string keep = std::to_string(kind.keep);
        words.insert(words.end(),
                     {builtin ? "--" + kind.name : "--custom", builtin ? keep : kind.name + "," + keep});
    }
    if (!schedule.empty()) {
        command(words);
    }
}

void Importer::define_targets()
{
    std::vector<std::string> hosts;
    for (const fs::path& entry :
         entries_of(directory_ / "targets").need().value_or(std::vector<fs::path>{})) {
        hosts.push_back(entry.filename().string());
    }
    std::sort(hosts.begin(), hosts.end());
    for (const std::string& host : hosts) {
        const fs::path place = fs::path("targets") / host;
        std::vector<std::string> words{"define", "target", name_, host};
        if (const auto seconds = period(place / "period")) {
            words.insert(words.end(), {"--period", *seconds});
        }
        read_.insert(place / "port"); // of the data connection, which is ssh's today
        command(words);
    }
    if (!hosts.empty() || has("source")) {
        remark("replication goes over ssh, with its own key; it begins with a full transfer");
    }
}

void Importer::tell_the_rest()
{
    std::error_code error;
    std::vector<std::string> rest;
    for (auto it = fs::recursive_directory_iterator(directory_, error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
        const std::string name = it->path().filename().string();
        if (std::find(kRuntime.begin(), kRuntime.end(), name) != kRuntime.end()) {
            it.disable_recursion_pending();
        } else if (!it->is_directory() && read_.count(it->path().lexically_relative(directory_)) == 0) {
            rest.push_back(it->path().string());
        }
    }
    if (error) {
        throw Failure(Exit::failed, directory_.string() + " cannot be read as a whole: " + error.message());
    }
    std::sort(rest.begin(), rest.end());
    for (const std::string& path : rest) {
        remark("not taken over, look at it yourself: " + path);
    }
}

std::vector<std::string> Importer::commands(bool yes)
{
    remark("volume " + name_ + ", from " + directory_.string());
    try {
        check_volume_name(name_);
    } catch (const Failure& failure) {
        remark(std::string("choose another name: ") + failure.what());
    }
    define_volume(yes);
    define_role(yes);
    define_schedule();
    define_targets();
    tell_the_rest();
    return lines_;
}

} // namespace

std::vector<std::string> commands_for_old_volume(const std::string& directory, bool yes)
{
    return Importer(fs::path(directory).lexically_normal()).commands(yes);
}

} // namespace zumastor
