// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/host/mapper.h"

#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include <libdevmapper.h>

#include "tools/common/failure.h"
#include "tools/common/kernel_messages.h"
#include "tools/common/known.h"
#include "tools/common/process.h"

namespace zumastor::mapper {
namespace {

constexpr const char* kTarget = "ddsnap";
constexpr auto kModprobeLimit = std::chrono::seconds(30);

// The library tells its errors to a callback only.
std::string& last_message()
{
    static std::string message;
    return message;
}

__attribute__((format(printf, 5, 6))) void keep_message(int level, const char* /*file*/, int /*line*/,
                                                        int /*error*/, const char* format, ...)
{
    if ((level & 0x7) > 3) { // _LOG_ERR
        return;
    }
    std::array<char, 512> text{};
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text.data(), text.size(), format, arguments);
    va_end(arguments);
    last_message() = text.data();
}

using Task = std::unique_ptr<dm_task, void (*)(dm_task*)>;

// Null if this kernel has no device-mapper.
Task try_task(int type, const std::string& name)
{
    static const bool logging = (dm_log_with_errno_init(keep_message), true);
    static_cast<void>(logging);
    last_message().clear();
    Task task(dm_task_create(type), dm_task_destroy);
    if (task && !name.empty() && dm_task_set_name(task.get(), name.c_str()) == 0) {
        throw Failure(Exit::failed, name + ": device-mapper: " + last_message());
    }
    return task;
}

Task need_task(int type, const std::string& name)
{
    Task task = try_task(type, name);
    if (!task) {
        throw Failure(Exit::missing, "device-mapper is not available: " + last_message(), "modprobe dm-mod");
    }
    return task;
}

// Whether the kernel has device-mapper, and lets us ask it, the library does not tell apart. Empty: it can be
// asked. Otherwise there is nothing, or nobody can know.
template <class T>
std::optional<Known<T>> without_mapper()
{
    const char* const control = "/dev/mapper/control";
    if (::access(control, R_OK | W_OK) == 0) {
        return std::nullopt;
    }
    const int number = errno;
    const auto drivers = text_of("/proc/misc");
    if (drivers.is_unknown()) {
        return Known<T>::unknown(drivers.why());
    }
    if (!drivers.is_there() || drivers.value().find(" device-mapper\n") == std::string::npos) {
        return Known<T>::absent();
    }
    if (number == ENOENT && ::geteuid() == 0) {
        return std::nullopt; // the library makes the node
    }
    return Known<T>::unknown(
        cannot_be_known(std::string("device-mapper cannot be asked: ") + control, number));
}

// That the kernel has not answered is no answer.
Failure no_answer(const std::string& what, dm_task* task)
{
    const int number = task != nullptr ? dm_task_get_errno(task) : 0;
    return Failure(Exit::failed, what + ": device-mapper gives no answer: " +
                                     (last_message().empty() ? std::strerror(number) : last_message()));
}

// The library's message is that an ioctl failed; why is in the kernel's log.
Failure failure(const std::string& what, const KernelMessages& kernel, Exit code = Exit::failed)
{
    const std::string why = kernel.since({"device-mapper:", "ddsnap"});
    if (!why.empty()) {
        return Failure(code, what + ": the kernel says: " + why);
    }
    return Failure(code, what + (last_message().empty() ? "" : ": " + last_message()));
}

// Runs the task and waits until udev has done its part.
bool run_with_udev(dm_task* task, std::uint16_t flags)
{
    std::uint32_t cookie = 0;
    if (dm_task_set_cookie(task, &cookie, flags) == 0) {
        return false;
    }
    const bool done = dm_task_run(task) != 0;
    dm_udev_wait(cookie); // also after a failure: the cookie must not be left behind
    return done;
}

// What keeps snapshots out of by-uuid links, LVM, md and multipath.
constexpr std::uint16_t kSnapshotFlags = DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG |
                                         DM_UDEV_DISABLE_DISK_RULES_FLAG | DM_UDEV_DISABLE_OTHER_RULES_FLAG |
                                         DM_UDEV_LOW_PRIORITY_FLAG;

bool describe(dm_task* task, const NewDevice& device)
{
    return dm_task_add_target(task, 0, device.sectors, kTarget, device.parameters.c_str()) != 0 &&
           (!device.snapshot || dm_task_set_ro(task) != 0);
}

bool is_taken(const std::string& uuid)
{
    const Task task = need_task(DM_DEVICE_INFO, "");
    dm_info info{};
    return dm_task_set_uuid(task.get(), uuid.c_str()) != 0 && dm_task_run(task.get()) != 0 &&
           dm_task_get_info(task.get(), &info) != 0 && info.exists != 0;
}

// A device keeps its uuid as long as it lives, and one that was cut off lives as long as its users.
// "ZUMASTOR-X-origin", "ZUMASTOR-X.2-origin", …
NewDevice with_free_uuid(NewDevice device)
{
    const std::string wanted = device.uuid;
    const std::size_t end = wanted.rfind('-');
    for (int n = 2; end != std::string::npos && is_taken(device.uuid); ++n) {
        device.uuid = wanted.substr(0, end) + "." + std::to_string(n) + wanted.substr(end);
    }
    return device;
}

bool create_and_wait(const NewDevice& device)
{
    const Task task = need_task(DM_DEVICE_CREATE, device.name);
    return dm_task_set_uuid(task.get(), device.uuid.c_str()) != 0 && describe(task.get(), device) &&
           dm_task_set_add_node(task.get(), DM_ADD_NODE_ON_CREATE) != 0 &&
           run_with_udev(task.get(), device.snapshot ? kSnapshotFlags : 0);
}

// The link that udev makes, when it comes to it; it keeps one that is right.
bool link_node(const std::string& name, const dm_info& info)
{
    namespace fs = std::filesystem;
    const fs::path link = fs::path(dm_dir()) / name;
    std::error_code error;
    fs::remove(link, error);
    fs::create_symlink("../dm-" + std::to_string(info.minor), link, error);
    if (error && !(error == std::errc::file_exists && fs::is_symlink(link))) { // else udev was faster
        last_message() = "link " + link.string() + ": " + error.message();
        return false;
    }
    return true;
}

// In single steps: as one, and without udev's cookie, the library would make a node where udev wants a link.
bool create_without_udev(const NewDevice& device)
{
    const Task made = need_task(DM_DEVICE_CREATE, device.name);
    dm_info info{};
    if (dm_task_set_uuid(made.get(), device.uuid.c_str()) == 0 ||
        dm_task_set_add_node(made.get(), DM_ADD_NODE_ON_RESUME) == 0 || dm_task_run(made.get()) == 0) {
        return false;
    }
    const Task load = need_task(DM_DEVICE_RELOAD, device.name);
    const Task resume = need_task(DM_DEVICE_RESUME, device.name);
    const bool works = dm_task_get_info(made.get(), &info) != 0 && describe(load.get(), device) &&
                       dm_task_run(load.get()) != 0 &&
                       dm_task_set_add_node(resume.get(), DM_ADD_NODE_ON_CREATE) != 0 &&
                       dm_task_run(resume.get()) != 0 && link_node(device.name, info);
    if (!works) {
        const std::string why = last_message();
        dm_task_run(need_task(DM_DEVICE_REMOVE, device.name).get()); // what was wrong before is what counts
        last_message() = why;
    }
    return works;
}

} // namespace

const std::string kUuidPrefix = "ZUMASTOR-";

Known<Info> ask(const std::string& name)
{
    if (const auto without = without_mapper<Info>()) {
        return *without;
    }
    const Task task = try_task(DM_DEVICE_INFO, name);
    dm_info info{};
    if (!task || dm_task_run(task.get()) == 0 || dm_task_get_info(task.get(), &info) == 0) {
        return Known<Info>::unknown(no_answer("/dev/mapper/" + name, task.get()));
    }
    if (info.exists == 0) {
        return Known<Info>::absent();
    }
    const char* uuid = dm_task_get_uuid(task.get());
    return Known<Info>::there({makedev(info.major, info.minor), info.open_count, info.read_only != 0,
                               info.suspended != 0, uuid != nullptr ? uuid : ""});
}

std::optional<Info> find(const std::string& name) { return ask(name).need(); }

void create(const NewDevice& wanted, Udev udev)
{
    const NewDevice device = with_free_uuid(wanted);
    const KernelMessages kernel;
    if (!(udev == Udev::awaited ? create_and_wait(device) : create_without_udev(device))) {
        throw failure("device " + device.name + " cannot be created", kernel);
    }
}

void remove(const std::string& name, Udev udev)
{
    const KernelMessages kernel;
    const Task task = need_task(DM_DEVICE_REMOVE, name);
    dm_task_retry_remove(task.get()); // udev may still have it open for a moment
    const bool removed = udev == Udev::awaited ? run_with_udev(task.get(), 0) : dm_task_run(task.get()) != 0;
    if (!removed) {
        const bool busy = dm_task_get_errno(task.get()) == EBUSY;
        throw failure("device " + name + " cannot be removed", kernel, busy ? Exit::busy : Exit::failed);
    }
}

std::string cut_off(const std::string& name)
{
    const KernelMessages kernel;
    const auto device = find(name);
    const std::uint64_t sectors = length(name);
    if (!device || sectors == 0) {
        throw Failure(Exit::not_found, "device " + name + " is not there");
    }
    // Errors first, then the name: at no moment does a device of another name lead to the volume.
    const Task load = need_task(DM_DEVICE_RELOAD, name);
    const Task resume = need_task(DM_DEVICE_RESUME, name);
    const bool errors = dm_task_add_target(load.get(), 0, sectors, "error", "") != 0 &&
                        (!device->read_only || dm_task_set_ro(load.get()) != 0) &&
                        dm_task_run(load.get()) != 0 && dm_task_skip_lockfs(resume.get()) != 0 &&
                        dm_task_no_flush(resume.get()) != 0 && run_with_udev(resume.get(), 0);
    if (!errors) {
        throw failure("device " + name + ": its users cannot be cut off", kernel);
    }
    std::string other;
    const std::string stem = name.substr(0, name.find('@')) + "@cut-off-";
    for (int n = 1; other.empty() || find(other); ++n) {
        other = stem + std::to_string(n);
    }
    const Task rename = need_task(DM_DEVICE_RENAME, name);
    if (dm_task_set_newname(rename.get(), other.c_str()) == 0 || !run_with_udev(rename.get(), 0)) {
        throw failure("device " + name + " cannot be renamed", kernel);
    }
    const Task gone = need_task(DM_DEVICE_REMOVE, other);
    if (dm_task_deferred_remove(gone.get()) == 0 || !run_with_udev(gone.get(), 0)) {
        throw failure("device " + other + " cannot be removed, not even later", kernel);
    }
    return other;
}

void resize(const NewDevice& device)
{
    const KernelMessages kernel;
    const Task load = need_task(DM_DEVICE_RELOAD, device.name);
    if (dm_task_add_target(load.get(), 0, device.sectors, kTarget, device.parameters.c_str()) == 0 ||
        dm_task_run(load.get()) == 0) {
        throw failure("device " + device.name + ": its new table cannot be loaded", kernel);
    }
    // Suspends the old table, which drains, and goes on with the new one. The filesystem need not be frozen:
    // it sees a longer device, or it was made smaller before.
    const Task resume = need_task(DM_DEVICE_RESUME, device.name);
    if (dm_task_skip_lockfs(resume.get()) == 0 || !run_with_udev(resume.get(), 0)) {
        throw failure("device " + device.name + " cannot be resumed with its new table", kernel);
    }
}

std::uint64_t length(const std::string& name)
{
    if (!find(name)) {
        return 0;
    }
    const Task task = try_task(DM_DEVICE_TABLE, name);
    if (!task || dm_task_run(task.get()) == 0) {
        throw no_answer("/dev/mapper/" + name, task.get());
    }
    std::uint64_t start = 0;
    std::uint64_t sectors = 0;
    char* type = nullptr;
    char* text = nullptr;
    dm_get_next_target(task.get(), nullptr, &start, &sectors, &type, &text);
    return sectors;
}

std::string status(const std::string& name)
{
    const Task task = try_task(DM_DEVICE_STATUS, name);
    if (!task || dm_task_no_flush(task.get()) == 0 || dm_task_run(task.get()) == 0) {
        return {};
    }
    std::uint64_t start = 0;
    std::uint64_t length = 0;
    char* type = nullptr;
    char* text = nullptr;
    dm_get_next_target(task.get(), nullptr, &start, &length, &type, &text);
    return text != nullptr ? text : "";
}

std::vector<std::string> list(const std::string& prefix)
{
    std::vector<std::string> names;
    if (const auto without = without_mapper<std::string>()) {
        without->need();
        return names;
    }
    const Task task = try_task(DM_DEVICE_LIST, "");
    const dm_names* entry = task && dm_task_run(task.get()) != 0 ? dm_task_get_names(task.get()) : nullptr;
    if (entry == nullptr) {
        throw no_answer("the mapped devices", task.get());
    }
    if (entry->dev == 0) {
        return names;
    }
    for (;;) {
        if (std::string name = entry->name; name.starts_with(prefix)) {
            names.push_back(std::move(name));
        }
        if (entry->next == 0) {
            return names;
        }
        entry = reinterpret_cast<const dm_names*>(reinterpret_cast<const char*>(entry) + entry->next);
    }
}

Known<std::string> ask_target()
{
    if (const auto without = without_mapper<std::string>()) {
        return *without;
    }
    const Task task = try_task(DM_DEVICE_LIST_VERSIONS, "");
    if (!task || dm_task_run(task.get()) == 0) {
        return Known<std::string>::unknown(no_answer("the kernel module dm-ddsnap", task.get()));
    }
    const dm_versions* entry = dm_task_get_versions(task.get());
    while (entry != nullptr) {
        if (std::string(entry->name) == kTarget) {
            return Known<std::string>::there(std::to_string(entry->version[0]) + "." +
                                             std::to_string(entry->version[1]) + "." +
                                             std::to_string(entry->version[2]));
        }
        entry =
            entry->next == 0
                ? nullptr
                : reinterpret_cast<const dm_versions*>(reinterpret_cast<const char*>(entry) + entry->next);
    }
    return Known<std::string>::absent();
}

void require_target()
{
    if (ask_target().need()) {
        return;
    }
    const ProgramResult loaded = run_program({"modprobe", "dm-ddsnap"}, kModprobeLimit);
    if (loaded.status == 0 && ask_target().need()) {
        return;
    }
    utsname system{};
    uname(&system);
    throw Failure(Exit::missing,
                  "the kernel module dm-ddsnap is not loaded" +
                      (loaded.output.empty() ? std::string() : ": " + loaded.output),
                  std::string("build and install it for kernel ") + system.release +
                      ", then: modprobe dm-ddsnap");
}

} // namespace zumastor::mapper
