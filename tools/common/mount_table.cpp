// SPDX-License-Identifier: GPL-2.0
#include "tools/common/mount_table.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string_view>
#include <tuple>

#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/common/text.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

bool is_octal(char c) { return c >= '0' && c <= '7'; }

// mountinfo writes blanks and the like as \040.
std::string unescape(const std::string& text)
{
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
            is_octal(text[i + 3])) {
            plain.push_back(
                static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
            i += 3;
        } else {
            plain.push_back(text[i]);
        }
    }
    return plain;
}

// A number that fits, or 0.
int number_in(const std::string& text)
{
    const auto value = parse_integer(text);
    return value && *value > 0 && *value <= INT32_MAX ? static_cast<int>(*value) : 0;
}

std::optional<dev_t> device_in(const std::string& text)
{
    const std::vector<std::string> parts = split(text, ':');
    if (parts.size() != 2) {
        return std::nullopt;
    }
    return makedev(static_cast<unsigned>(number_in(parts[0])), static_cast<unsigned>(number_in(parts[1])));
}

// ---- what goes with what ----

using ById = std::map<int, const Mount*>;

ById by_id(const MountNamespace& space)
{
    ById found;
    for (const Mount& mount : space.mounts) {
        found.emplace(mount.id, &mount);
    }
    return found;
}

const Mount* find(const ById& mounts, int id)
{
    const auto at = mounts.find(id);
    return at == mounts.end() ? nullptr : at->second;
}

// The path, in the filesystem of `parent`, of the directory that `mount` lies on.
std::string place_on(const Mount& parent, const Mount& mount)
{
    const std::string top = parent.target == "/" ? "" : parent.target;
    const std::string below =
        mount.target.starts_with(top + "/") ? mount.target.substr(top.size()) : std::string("/");
    return fs::path(parent.root + below).lexically_normal().string();
}

class Departures {
public:
    Departures(const std::vector<MountNamespace>& spaces, const std::set<int>& ours)
    {
        for (const MountNamespace& space : spaces) {
            for (const Mount& mount : space.mounts) {
                if (mount.shared != 0 && mount.master != 0) {
                    masters_[mount.shared] = mount.master;
                }
            }
        }
        const ById own = by_id(spaces.front());
        for (const int id : ours) {
            const Mount* mount = find(own, id);
            const Mount* parent = mount != nullptr ? find(own, mount->parent) : nullptr;
            if (parent != nullptr && parent->shared != 0) {
                leaving_.emplace(parent->shared, parent->device, place_on(*parent, *mount));
            }
        }
    }

    // Whether the kernel takes it away with one of ours: with what is mounted on it, as else it stays.
    bool goes(const ById& space, const Mount& mount) const
    {
        const Mount* parent = find(space, mount.parent);
        return parent != nullptr && follows(*parent, place_on(*parent, mount)) &&
               std::all_of(space.begin(), space.end(), [&](const auto& other) {
                   return other.second->parent != mount.id || other.first == mount.id ||
                          goes(space, *other.second);
               });
    }

private:
    bool follows(const Mount& parent, const std::string& place) const
    {
        std::set<int> seen;
        std::vector<int> groups{parent.shared, parent.master};
        while (!groups.empty()) {
            const int group = groups.back();
            groups.pop_back();
            if (group == 0 || !seen.insert(group).second) {
                continue;
            }
            if (leaving_.count({group, parent.device, place}) != 0) {
                return true;
            }
            if (const auto master = masters_.find(group); master != masters_.end()) {
                groups.push_back(master->second);
            }
        }
        return false;
    }

    std::map<int, int> masters_; // of a group that gets its mounts from another
    std::set<std::tuple<int, dev_t, std::string>> leaving_;
};

// ---- processes ----

std::string folder_of(const std::string& process) { return "/proc/" + process; }

// Processes that share both see the same mounts, which are read once. (Many mounts times many processes.)
using View = std::tuple<std::uint64_t, dev_t, ino_t>;

std::optional<View> view_of(const std::string& process)
{
    struct stat space {};
    struct stat root {};
    if (::stat((folder_of(process) + "/ns/mnt").c_str(), &space) != 0 ||
        ::stat((folder_of(process) + "/root").c_str(), &root) != 0) {
        return std::nullopt; // it has ended, or we may not know: its mounts can be read nevertheless
    }
    return View{space.st_ino, root.st_dev, root.st_ino};
}

std::vector<int> all_processes()
{
    std::vector<int> processes;
    for (const fs::path& entry : entries_of("/proc").need().value_or(std::vector<fs::path>{})) {
        if (const int process = number_in(entry.filename().string()); process != 0) {
            processes.push_back(process);
        }
    }
    std::sort(processes.begin(), processes.end());
    return processes;
}

// No two mounts have the same id, in whatever namespaces.
bool has_mount(const MountNamespace& space, int id)
{
    return std::any_of(space.mounts.begin(), space.mounts.end(),
                       [&](const Mount& mount) { return mount.id == id; });
}

void add_mounts(MountNamespace& space, std::vector<Mount> mounts)
{
    for (Mount& mount : mounts) {
        if (!has_mount(space, mount.id)) {
            space.mounts.push_back(std::move(mount));
        }
    }
}

// ---- names of control groups ----

// "machine-web\x2d1.scope": as systemd writes what a name may not have.
std::string without_escapes(std::string_view text)
{
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        const auto digit = [](char c) {
            return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        };
        if (text.substr(i, 2) == "\\x" && i + 3 < text.size() && digit(text[i + 2]) >= 0 &&
            digit(text[i + 3]) >= 0) {
            value = static_cast<unsigned>(digit(text[i + 2]) * 16 + digit(text[i + 3]));
            plain.push_back(static_cast<char>(value));
            i += 3;
        } else {
            plain.push_back(text[i]);
        }
    }
    return plain;
}

constexpr std::size_t kShortId = 12; // as the programs that run containers show them

// The container that a part of the path stands for; empty if it stands for none.
std::string container_in(std::string_view before, std::string_view part)
{
    struct Form {
        std::string_view begin;
        std::string_view end;
        bool id; // a long number in hexadecimal
    };
    static constexpr std::array kForms{
        Form{"docker-", ".scope", true},
        Form{"libpod-", ".scope", true},
        Form{"cri-containerd-", ".scope", true},
        Form{"crio-", ".scope", true},
        Form{"nerdctl-", ".scope", true},
        Form{"machine-", ".scope", false},
        Form{"systemd-nspawn@", ".service", false},
        Form{"lxc.payload.", "", false},
    };
    for (const Form& form : kForms) {
        if (part.starts_with(form.begin) && part.ends_with(form.end) &&
            part.size() > form.begin.size() + form.end.size()) {
            const std::string_view name =
                part.substr(form.begin.size(), part.size() - form.begin.size() - form.end.size());
            return form.id ? std::string(name.substr(0, kShortId)) : without_escapes(name);
        }
    }
    if (before == "docker" || before == "lxc") {
        return std::string(part.substr(0, before == "docker" ? kShortId : part.size()));
    }
    return {};
}

} // namespace

std::optional<Mount> parse_mount(const std::string& line)
{
    const std::vector<std::string> fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (dash - fields.begin() < 6 || fields.end() - dash < 3) {
        return std::nullopt;
    }
    const bool sourceless = fields.end() - dash == 3; // split() leaves empty fields out
    const auto device = device_in(fields[2]);
    if (!device) {
        return std::nullopt;
    }
    Mount mount;
    mount.id = number_in(fields[0]);
    mount.parent = number_in(fields[1]);
    mount.device = *device;
    mount.root = unescape(fields[3]);
    mount.target = unescape(fields[4]);
    mount.type = dash[1];
    mount.source = sourceless ? "" : unescape(dash[2]);
    mount.options = fields[5] + "," + dash[sourceless ? 2 : 3];
    for (auto field = fields.begin() + 6; field != dash; ++field) {
        if (field->starts_with("shared:")) {
            mount.shared = number_in(field->substr(7));
        } else if (field->starts_with("master:")) {
            mount.master = number_in(field->substr(7));
        }
    }
    return mount;
}

std::vector<Mount> parse_mounts(const std::string& text)
{
    std::vector<Mount> mounts;
    for (const std::string& line : split(text, '\n')) {
        if (auto mount = parse_mount(line)) {
            mounts.push_back(std::move(*mount));
        }
    }
    return mounts;
}

std::vector<Mount> all_mounts() { return parse_mounts(need_text("/proc/self/mountinfo")); }

dev_t device_at(const std::vector<Mount>& mounts, const std::string& path)
{
    const Mount* nearest = nullptr;
    for (const Mount& mount : mounts) {
        const bool above =
            mount.target == "/" || path == mount.target || path.starts_with(mount.target + "/");
        if (above && (nearest == nullptr || mount.target.size() >= nearest->target.size())) {
            nearest = &mount; // of several at one place the last is the uppermost
        }
    }
    return nearest == nullptr ? 0 : nearest->device;
}

std::vector<MountNamespace> mount_namespaces()
{
    std::vector<MountNamespace> spaces{{0, ::getpid(), all_mounts()}};
    std::set<View> seen;
    if (const auto own = view_of("self")) {
        spaces.front().number = std::get<0>(*own);
        seen.insert(*own);
    }
    for (const int process : all_processes()) {
        const auto view = view_of(std::to_string(process));
        if (view && !seen.insert(*view).second) {
            continue;
        }
        std::vector<Mount> mounts =
            parse_mounts(read_text(folder_of(std::to_string(process)) + "/mountinfo"));
        if (mounts.empty()) {
            continue;
        }
        const auto known = std::find_if(spaces.begin(), spaces.end(), [&](const MountNamespace& space) {
            return has_mount(space, mounts.front().id);
        });
        if (known != spaces.end()) {
            add_mounts(*known, std::move(mounts));
        } else {
            spaces.push_back({view ? std::get<0>(*view) : 0, process, std::move(mounts)});
        }
    }
    return spaces;
}

std::vector<Elsewhere> staying(const std::vector<MountNamespace>& spaces,
                               const std::function<bool(const Mount&)>& concerned, const std::set<int>& ours)
{
    std::vector<Elsewhere> found;
    const Departures departures(spaces, ours);
    for (std::size_t i = 1; i < spaces.size(); ++i) {
        const ById mounts = by_id(spaces[i]);
        for (const Mount& mount : spaces[i].mounts) {
            if (concerned(mount) && !departures.goes(mounts, mount)) {
                found.push_back({&spaces[i], &mount});
            }
        }
    }
    return found;
}

std::string group_of(const std::string& cgroup)
{
    std::string unit;
    for (const std::string& line : split(cgroup, '\n')) {
        const std::size_t path = line.find('/');
        if (path == std::string::npos) {
            continue;
        }
        std::string before;
        for (const std::string& part : split(line.substr(path), '/')) {
            if (const std::string container = container_in(before, part); !container.empty()) {
                return "container " + container;
            }
            if (part.ends_with(".service") || part.ends_with(".scope")) {
                unit = "unit " + without_escapes(part);
            }
            before = part;
        }
    }
    return unit;
}

std::string describe_process(int process)
{
    const std::string number = std::to_string(process);
    std::string name = read_text(folder_of(number) + "/comm");
    name.erase(name.find_last_not_of('\n') + 1);
    const std::string group = group_of(read_text(folder_of(number) + "/cgroup"));
    return "process " + number + " (" + name + ")" + (group.empty() ? "" : " of " + group);
}

} // namespace zumastor
