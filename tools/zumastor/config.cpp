// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/config.h"

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <sstream>

#include <toml++/toml.h>

#include "tools/common/failure.h"
#include "tools/common/process.h"
#include "tools/common/text.h"
#include "tools/zumastor/names.h"

namespace zumastor {
namespace {

constexpr std::int64_t kVersion = 1;

// Reads fields of one table and refuses those that it does not know: a misspelt name must not go unnoticed.
class Reader {
public:
    Reader(const toml::table& table, std::string where) : table_(table), where_(std::move(where)) {}

    template <class T>
    T get(const char* key, T otherwise)
    {
        known_.emplace_back(key);
        const toml::node* node = table_.get(key);
        if (node == nullptr) {
            return otherwise;
        }
        if (const auto value = node->value_exact<T>()) {
            return *value;
        }
        throw Failure(Exit::failed, where_ + ": '" + key + "' has the wrong type");
    }

    const toml::table* sub(const char* key)
    {
        known_.emplace_back(key);
        const toml::node* node = table_.get(key);
        if (node != nullptr && node->as_table() == nullptr) {
            throw Failure(Exit::failed, where_ + ": '" + key + "' must be a table");
        }
        return node == nullptr ? nullptr : node->as_table();
    }

    void finish() const
    {
        for (const auto& [key, value] : table_) {
            if (std::find(known_.begin(), known_.end(), key.str()) == known_.end()) {
                throw Failure(Exit::failed, where_ + ": unknown field '" + std::string(key.str()) + "'");
            }
        }
    }

private:
    const toml::table& table_;
    std::string where_;
    std::vector<std::string> known_;
};

Failure wrong_count(const std::string& name, const std::string& where)
{
    return Failure(Exit::failed, where + ": schedule: '" + name + "' must be a number of snapshots");
}

std::vector<Kind> read_schedule(const toml::table& table, const std::string& where)
{
    std::vector<Kind> schedule;
    for (const auto& [key, value] : table) {
        const auto keep = value.value_exact<std::int64_t>();
        const std::string name(key.str());
        if (!keep || *keep < 1) {
            throw wrong_count(name, where);
        }
        check_kind_name(name);
        set_kind(schedule, name, static_cast<std::uint64_t>(*keep));
    }
    return schedule;
}

std::size_t rank(const Kind& kind)
{
    return static_cast<std::size_t>(std::find(kBuiltinKinds.begin(), kBuiltinKinds.end(), kind.name) -
                                    kBuiltinKinds.begin());
}

VolumeConfig read_config(const toml::table& table, const std::string& name, const std::string& where)
{
    Reader reader(table, where);
    if (const auto version = reader.get<std::int64_t>("version", kVersion); version != kVersion) {
        throw Failure(Exit::failed, where + ": version " + std::to_string(version) + " is not known");
    }
    VolumeConfig config;
    config.name = name;
    config.uuid = reader.get<std::string>("uuid", "");
    config.origin = reader.get<std::string>("origin", "");
    config.store = reader.get<std::string>("store", "");
    config.meta = reader.get<std::string>("metadata", "");
    const auto cache = reader.get<std::string>("cache", "");
    config.cache_bytes = cache.empty() ? 0 : need_size(cache, where + ": cache");
    config.mount_point = reader.get<std::string>("mountpoint", "");
    config.mount_options = reader.get<std::string>("mountopts", "");
    config.snapshot_path = reader.get<std::string>("snappath", "");
    if (const toml::table* role = reader.sub("master")) {
        Reader fields(*role, where + ": master");
        config.master =
            MasterRole{fields.get<bool>("snapmount", true), fields.get<bool>("dotsnapshot", false)};
        fields.finish();
    }
    if (const toml::table* schedule = reader.sub("schedule")) {
        config.schedule = read_schedule(*schedule, where);
    }
    reader.finish();
    if (config.origin.empty() || config.store.empty()) {
        throw Failure(Exit::failed, where + ": 'origin' and 'store' are needed");
    }
    return config;
}

// A string on one line. (toml++ would write one with a newline over several, and lose it if it comes first.)
std::string quoted(const std::string& value)
{
    std::ostringstream out;
    out << '"' << std::hex << std::uppercase << std::setfill('0');
    for (const char c : value) {
        const auto code = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out << '\\' << c;
        } else if (code < 0x20 || code == 0x7f) {
            out << "\\u" << std::setw(4) << unsigned{code};
        } else {
            out << c;
        }
    }
    out << '"';
    return out.str();
}

} // namespace

const std::vector<std::string> kBuiltinKinds{"hourly", "daily", "weekly", "monthly"};

void set_kind(std::vector<Kind>& schedule, const std::string& name, std::uint64_t keep)
{
    std::erase_if(schedule, [&](const Kind& kind) { return kind.name == name; });
    if (keep == 0) {
        return;
    }
    schedule.push_back({name, keep});
    std::sort(schedule.begin(), schedule.end(), [](const Kind& a, const Kind& b) {
        return rank(a) != rank(b) ? rank(a) < rank(b) : a.name < b.name;
    });
}

const Kind* find_kind(const std::vector<Kind>& schedule, const std::string& name)
{
    const auto found =
        std::find_if(schedule.begin(), schedule.end(), [&](const Kind& kind) { return kind.name == name; });
    return found == schedule.end() ? nullptr : &*found;
}

VolumeConfig parse_config(const std::string& text, const std::string& name, const std::string& where)
{
    try {
        return read_config(toml::parse(text), name, where);
    } catch (const toml::parse_error& error) {
        throw Failure(Exit::failed, where + ", line " + std::to_string(error.source().begin.line) + ": " +
                                        std::string(error.description()));
    }
}

std::string format_config(const VolumeConfig& config)
{
    std::ostringstream out;
    out << "# A volume of Zumastor. `zumastor define` and `zumastor forget` write this file.\n";
    out << "version = " << kVersion << "\n";
    const std::vector<std::pair<const char*, const std::string*>> texts{{"uuid", &config.uuid},
                                                                        {"origin", &config.origin},
                                                                        {"store", &config.store},
                                                                        {"metadata", &config.meta},
                                                                        {"mountpoint", &config.mount_point},
                                                                        {"mountopts", &config.mount_options},
                                                                        {"snappath", &config.snapshot_path}};
    for (const auto& [key, value] : texts) {
        if (!value->empty()) {
            out << key << " = " << quoted(*value) << "\n";
        }
    }
    if (config.cache_bytes != 0) {
        out << "cache = \"" << config.cache_bytes << "\"\n";
    }
    if (config.master) {
        out << "\n[master]\nsnapmount = " << (config.master->mount_snapshots ? "true" : "false")
            << "\ndotsnapshot = " << (config.master->dot_snapshot ? "true" : "false") << "\n";
    }
    if (!config.schedule.empty()) {
        out << "\n[schedule]\n";
        for (const Kind& kind : config.schedule) {
            out << kind.name << " = " << kind.keep << "\n";
        }
    }
    return out.str();
}

bool config_exists(const std::string& name)
{
    std::error_code error;
    return std::filesystem::exists(Paths(name).config, error);
}

VolumeConfig load_config(const std::string& name)
{
    check_volume_name(name);
    const std::string path = Paths(name).config;
    if (!config_exists(name)) {
        const std::vector<std::string> others = list_volumes();
        throw Failure(Exit::not_found, "there is no volume '" + name + "'",
                      others.empty() ? "define it first: zumastor define volume " + name + " ORIGIN SNAPSTORE"
                                     : "there are: " + join(others, ", "));
    }
    return parse_config(read_text(path), name, path);
}

void save_config(const VolumeConfig& config)
{
    std::error_code error;
    std::filesystem::create_directories(Paths::kConfigDirectory, error);
    write_text(Paths(config.name).config, format_config(config));
}

void remove_config(const std::string& name)
{
    std::error_code error;
    if (!std::filesystem::remove(Paths(name).config, error) && error) {
        throw Failure(Exit::failed, "cannot remove " + Paths(name).config + ": " + error.message());
    }
}

std::vector<std::string> list_volumes()
{
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(Paths::kConfigDirectory, error)) {
        if (entry.path().extension() == ".toml") {
            names.push_back(entry.path().stem().string());
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

} // namespace zumastor
