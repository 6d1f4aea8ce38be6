// SPDX-License-Identifier: GPL-2.0
// A folder of a test's own, which ends with the test.
#pragma once

#include <cstdlib>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

namespace zumastor::test {

class ScratchFolder {
public:
    // Throws std::system_error if the temporary directory takes no more.
    ScratchFolder()
    {
        std::string name = (std::filesystem::temp_directory_path() / "zumastor-test.XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::system_error(errno, std::generic_category(), name);
        }
        path_ = name;
    }
    ~ScratchFolder()
    {
        std::error_code ignored; // what is left lies in the temporary directory
        std::filesystem::remove_all(path_, ignored);
    }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;

    const std::string& path() const noexcept { return path_; }
    // The path of something in the folder.
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

} // namespace zumastor::test
