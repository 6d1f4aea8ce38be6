// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/disk/witness_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

namespace ddsnap {

namespace fs = std::filesystem;

namespace {

std::string failed(const std::string& path) { return fmt::format("{}: {}", path, std::strerror(errno)); }

bool flush_directory(const std::string& path)
{
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return fd && ::fsync(fd.get()) == 0;
}

fs::path sys_path(unsigned long long device)
{
    std::error_code error;
    const auto path = fs::canonical(fmt::format("/sys/dev/block/{}:{}", major(device), minor(device)), error);
    return error ? fs::path() : path;
}

bool made_of(const fs::path& device, const fs::path& part, int depth)
{
    if (device.empty() || part.empty() || depth == 0) {
        return false;
    }
    if (device == part) {
        return true;
    }
    std::error_code error;
    for (const auto& below : fs::directory_iterator(device / "slaves", error)) {
        std::error_code broken;
        const auto next = fs::canonical(below.path(), broken);
        if (!broken && made_of(next, part, depth - 1)) {
            return true;
        }
    }
    return false;
}

} // namespace

std::string witness_path(const std::string& directory, const snapstore::Uuid& store)
{
    std::string name;
    for (const std::byte b : store) {
        name += fmt::format("{:02x}", std::to_integer<unsigned>(b));
    }
    return (fs::path(directory) / name).string();
}

std::string make_witness(const std::string& path)
{
    const std::string directory = fs::path(path).parent_path().string();
    std::error_code error;
    fs::create_directories(directory, error);
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0) {
        return failed(path);
    }
    constexpr off_t kBytes = snapstore::kBlockSize.value;
    if (st.st_size >= kBytes) {
        return {};
    }
    // Written, not only made long: a record must not need room on the filesystem. What a crash left of an
    // earlier attempt is zeros.
    const std::array<char, kBytes> zeros{};
    const auto length = static_cast<std::size_t>(kBytes - st.st_size);
    if (::pwrite(fd.get(), zeros.data(), length, st.st_size) != static_cast<ssize_t>(length) ||
        ::fsync(fd.get()) != 0 || !flush_directory(directory) ||
        !flush_directory(fs::path(directory).parent_path().string())) {
        return failed(path);
    }
    return {};
}

bool lies_on(const std::string& path, unsigned long long origin, unsigned long long store)
{
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) {
        return false;
    }
    constexpr int kDepth = 16;
    const fs::path here = sys_path(st.st_dev);
    return (origin != 0 && made_of(here, sys_path(origin), kDepth)) ||
           (store != 0 && made_of(here, sys_path(store), kDepth));
}

} // namespace ddsnap
