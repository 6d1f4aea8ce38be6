// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/state/state_file.h"

#include <filesystem>

#include <nlohmann/json.hpp>

#include "tools/common/failure.h"
#include "tools/common/json_fields.h"
#include "tools/common/known.h"
#include "tools/common/process.h"

namespace zumastor {

using nlohmann::json;
using nlohmann::ordered_json;

StateFile::StateFile(const std::string& directory, const std::string& name, int version, std::string remedy)
    : directory_(directory), path_(directory + "/" + name), version_(version), remedy_(std::move(remedy))
{}

bool StateFile::load(const std::function<void(const json&)>& read) const
{
    const auto text = text_of(path_).need();
    if (text) {
        parse(*text, read);
    }
    return text.has_value();
}

void StateFile::parse(const std::string& text, const std::function<void(const json&)>& read) const
{
    try {
        const json object = json::parse(text);
        if (object.at("version").get<int>() != version_) {
            throw Failure(Exit::failed, path_ + ": written by another version of zumastor");
        }
        read(object);
    } catch (const json::exception& error) {
        throw Failure(Exit::failed, path_ + " is not understood: " + error.what(), remedy_);
    } catch (const BadField& error) {
        throw Failure(Exit::failed, path_ + " is not understood: " + error.what(), remedy_);
    }
}

void StateFile::save(const ordered_json& object) const
{
    ordered_json all{{"version", version_}};
    all.update(object);
    std::error_code error; // then the file cannot be written, which is said
    std::filesystem::create_directories(directory_, error);
    write_text(path_, all.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n");
}

void StateFile::remove() const { remove_file(path_); }

} // namespace zumastor
