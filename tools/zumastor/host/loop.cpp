// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/host/loop.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>

#include "ddsnapd/disk/unique_fd.h"
#include "tools/common/block_device.h"
#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/common/process.h"
#include "tools/common/text.h"

namespace zumastor::loop {
namespace {

namespace fs = std::filesystem;
using ddsnap::UniqueFd;

constexpr int kTries = 64; // another program may take the free device that we were told of
constexpr std::chrono::seconds kOthersLeave{10};
constexpr int kPollMs = 20; // that a loop device has lost its file has no event that could be waited for

// Is that loop device on that file? One that may not be asked could be: a second one on the same file would
// be a second copy of its pages.
bool is_on(const std::string& device, const struct stat& file)
{
    const UniqueFd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    loop_info64 info{};
    if (!fd || ::ioctl(fd.get(), LOOP_GET_STATUS64, &info) != 0) {
        if (errno == ENOENT || errno == ENXIO || errno == ENODEV) { // taken away meanwhile
            return false;
        }
        throw cannot_be_known("the file of " + device + " cannot be found out", errno);
    }
    return info.lo_device == file.st_dev && info.lo_inode == file.st_ino;
}

UniqueFd open_control()
{
    UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    if (!control) {
        run_program({"modprobe", "loop"}, std::chrono::seconds(30));
        control = UniqueFd(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    }
    if (!control) {
        throw errno_failure("no loop devices: /dev/loop-control", Exit::missing);
    }
    return control;
}

// False if another program has taken the loop device meanwhile.
bool configure(const std::string& path, const std::string& file, int backing)
{
    const UniqueFd device(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(backing);
    config.block_size = kSectorBytes;
    file.copy(reinterpret_cast<char*>(config.info.lo_file_name), LO_NAME_SIZE - 1);
    if (device && ::ioctl(device.get(), LOOP_CONFIGURE, &config) == 0) {
        return true;
    }
    if (errno != EBUSY && errno != ENOENT && errno != ENXIO) {
        throw errno_failure(file + ": cannot be attached to " + path);
    }
    return false;
}

// The kernel takes the file off when the last one closes the device: udev may be looking into it, and the
// dead daemon's own I/O may not have let go of it. Until then whoever finds the file on that device has it
// taken away.
void wait_until_off(const std::string& path, dev_t number, const std::string& file)
{
    const auto deadline = std::chrono::steady_clock::now() + kOthersLeave;
    while (find(file) == path) {
        check_interrupt();
        if (std::chrono::steady_clock::now() > deadline) {
            break;
        }
        ::poll(nullptr, 0, kPollMs);
    }
    if (find(file) == path) {
        const std::string users = join(describe(files_in_use({number})), ", ");
        note(path + " stays attached to " + file + " until its last user closes it: " + users);
    }
}

} // namespace

std::optional<std::string> find(const std::string& file)
{
    const auto info = look_at(file).need();
    if (!info) {
        return std::nullopt;
    }
    for (const fs::path& entry : entries_of("/sys/block").need().value_or(std::vector<fs::path>{})) {
        const std::string name = entry.filename().string();
        if (name.starts_with("loop") && look_at(entry / "loop" / "backing_file").need() &&
            is_on("/dev/" + name, *info)) {
            return "/dev/" + name;
        }
    }
    return std::nullopt;
}

std::string attach(const std::string& file)
{
    if (const auto device = find(file)) {
        return *device;
    }
    const UniqueFd backing(::open(file.c_str(), O_RDWR | O_CLOEXEC));
    if (!backing) {
        throw errno_failure(file, errno == ENOENT ? Exit::not_found : Exit::failed);
    }
    const UniqueFd control = open_control();
    for (int i = 0; i < kTries; ++i) {
        const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
        if (number < 0) {
            throw errno_failure("no free loop device");
        }
        std::string path = "/dev/loop" + std::to_string(number);
        if (configure(path, file, backing.get())) {
            return path;
        }
    }
    throw Failure(Exit::busy, file + ": no loop device was free",
                  "try again: other programs took each free loop device");
}

void refresh(const std::string& file)
{
    const auto path = find(file);
    if (!path) {
        return;
    }
    const UniqueFd device(::open(path->c_str(), O_RDWR | O_CLOEXEC));
    if (!device || ::ioctl(device.get(), LOOP_SET_CAPACITY, 0) != 0) {
        throw errno_failure(*path + ": cannot be set to the length of " + file);
    }
}

void detach(const std::string& file)
{
    const auto path = find(file);
    if (!path) {
        return;
    }
    const DeviceNode node = need_block_device(*path, "loop device");
    {
        const UniqueFd unused = open_exclusive(node, O_RDONLY, "loop device"); // or says who has it
    }
    {
        const UniqueFd device(::open(path->c_str(), O_RDONLY | O_CLOEXEC));
        if (!device || ::ioctl(device.get(), LOOP_CLR_FD, 0) != 0) {
            throw errno_failure(*path + ": cannot be detached from " + file);
        }
    }
    wait_until_off(*path, node.number, file);
}

void make_sparse_file(const std::string& path, std::uint64_t bytes)
{
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) {
        throw errno_failure(path, errno == EEXIST ? Exit::exists : Exit::failed);
    }
    if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) {
        const int error = errno;
        ::unlink(path.c_str());
        errno = error;
        throw errno_failure(path + ": cannot be made " + std::to_string(bytes) + " bytes long");
    }
}

} // namespace zumastor::loop
