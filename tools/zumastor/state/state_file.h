// SPDX-License-Identifier: GPL-2.0
// One remembered fact: a file of /var/lib/zumastor/.state/VOL with a JSON object, whose field "version" is
// the number of its form. The file is replaced at once and flushed: whatever happens, there is the old fact
// or the new one.
#pragma once

#include <functional>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace zumastor {

class StateFile {
public:
    // `remedy`: what an administrator can do with a file that is damaged.
    StateFile(const std::string& directory, const std::string& name, int version, std::string remedy);

    const std::string& path() const noexcept { return path_; }

    // Has `read` take the object. False if there is no file. Throws Exit::failed, naming the file, if it
    // cannot be read, is of another version, or if read() throws json::exception or BadField.
    bool load(const std::function<void(const nlohmann::json&)>& read) const;
    // The same for what was read of the file already.
    void parse(const std::string& text, const std::function<void(const nlohmann::json&)>& read) const;
    // The object without its version. Makes the directory. Throws Exit::failed.
    void save(const nlohmann::ordered_json& object) const;
    void remove() const; // nothing if there is none

private:
    std::string directory_;
    std::string path_;
    int version_;
    std::string remedy_;
};

} // namespace zumastor
