// SPDX-License-Identifier: GPL-2.0
// The daemon as a process: content through restarts, clean shutdown, one daemon per store.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "tests/native/model.h"

namespace ddsnap::test {
namespace {

using client::OriginDevice;
using client::SnapshotDevice;
using snapstore::SnapshotId;
using wire::Status;

std::unique_ptr<OriginDevice> open_origin(Volume& volume)
{
    auto device = OriginDevice::open(volume.device("origin"));
    if (!device) {
        throw std::runtime_error(device.error());
    }
    return std::move(*device);
}

TEST(DaemonTest, SnapshotsKeepTheirContent)
{
    Volume volume;
    volume.start();
    Model model(volume, 1);
    auto origin = open_origin(volume);
    for (int round = 0; round < 5; ++round) {
        model.scribble(*origin, 60);
        model.snapshot();
    }
    model.scribble(*origin, 60);
    model.compare_all();
    const auto doomed = model.snapshots().begin()->first;
    volume.call({{"op", "delete"}, {"snapshot", doomed}});
    model.forget(doomed);
    volume.call({{"op", "quiesce"}});
    model.scribble(*origin, 60);
    model.compare_all();
    EXPECT_TRUE(volume.call({{"op", "check"}, {"data", true}})["damage"].empty());
    EXPECT_TRUE(origin->bye());
    EXPECT_TRUE(volume.call({{"op", "status"}})["volume"]["clients"].empty());
}

TEST(DaemonTest, MetadataOnADeviceOfTheirOwn)
{
    VolumeSizes sizes;
    sizes.meta = 16ull << 20;
    Volume volume(sizes);
    volume.start();
    Model model(volume, 2);
    auto origin = open_origin(volume);
    model.scribble(*origin, 40);
    model.snapshot();
    model.scribble(*origin, 40);
    volume.kill();
    volume.start();
    model.scribble(*origin, 40);
    model.compare_all();
}

// The ticks look at the store; what they find is in the log before long.
bool comes_to_log(const Volume& volume, const std::string& text)
{
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (volume.log().find(text) == std::string::npos) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

TEST(DaemonTest, AStoreThatFillsIsTold)
{
    VolumeSizes sizes;
    sizes.store = 12ull << 20;
    Volume volume(sizes);
    volume.start();
    auto origin = open_origin(volume);
    const std::vector<std::byte> data(1u << 20, std::byte{7});
    const auto overwrite = [&](std::uint64_t megabytes) {
        for (std::uint64_t at = 0; at < megabytes << 20; at += data.size()) {
            ASSERT_EQ(origin->write(at, data), Status::ok);
        }
    };
    overwrite(16); // or the copies would be zeros, which need no room
    const std::uint64_t doomed = volume.create();
    overwrite(1);
    volume.call({{"op", "status"}});
    EXPECT_EQ(volume.log().find("% full"), std::string::npos) << volume.log();
    overwrite(16);
    EXPECT_TRUE(comes_to_log(volume, "the snapshot store is ")) << volume.log();
    EXPECT_TRUE(
        comes_to_log(volume, "snapshot " + std::to_string(doomed) + " was given up: the store had no room"))
        << volume.log();
    volume.kill();
    volume.start(); // tells of no old losses
    volume.call({{"op", "status"}});
    const std::string log = volume.log();
    EXPECT_EQ(log.find(" was given up"), log.rfind(" was given up")) << log;
}

TEST(DaemonTest, SnapshotWritesArePrivateAndDurable)
{
    Volume volume;
    volume.start();
    Model model(volume, 3);
    auto origin = open_origin(volume);
    model.scribble(*origin, 60);
    const auto first = model.snapshot();
    const auto second = model.snapshot();
    {
        auto device = SnapshotDevice::open(SnapshotId{first}, volume.device("writer"));
        ASSERT_TRUE(device) << device.error();
        model.scribble(first, **device, 50);
        model.scribble(*origin, 60);
        ASSERT_EQ((*device)->flush(), Status::ok);
        volume.kill();
        volume.start();
        model.compare(first, **device);
        model.scribble(first, **device, 50);
        ASSERT_TRUE((*device)->bye());
    }
    model.compare(first);
    model.compare(second);
}

// I2, I3, I4: grants and snapshots outlive any number of kills.
TEST(DaemonTest, KillsAreInvisible)
{
    Volume volume;
    volume.start();
    Model model(volume, 4);
    auto origin = open_origin(volume);
    for (int round = 0; round < 12; ++round) {
        model.scribble(*origin, 10);
        if (round % 2 == 0) {
            model.snapshot();
        }
        std::thread killer([&]() {
            volume.kill();
            volume.start();
        });
        model.scribble(*origin, 40);
        killer.join();
    }
    model.compare_all();
    EXPECT_GT(origin->sessions(), 10u);
    EXPECT_TRUE(volume.call({{"op", "check"}, {"data", true}})["damage"].empty());
    EXPECT_NE(volume.log().find("Replaying journal"), std::string::npos);
}

TEST(DaemonTest, GrantedChunksNeedNoDaemon)
{
    Volume volume;
    volume.start();
    auto origin = open_origin(volume);
    volume.create();
    const std::vector<std::byte> data(1u << 16, std::byte{7});
    ASSERT_EQ(origin->write(0, data), Status::ok);
    const auto queries = origin->queries();
    volume.kill();
    ASSERT_EQ(origin->write(0, data), Status::ok);
    EXPECT_EQ(origin->queries(), queries);
    volume.start();
}

TEST(DaemonTest, CreateNeedsTheAttachedClient)
{
    Volume volume;
    volume.start();
    auto origin = open_origin(volume);
    volume.create();
    origin->break_connection(std::chrono::seconds(3));
    EXPECT_EQ(volume.refusal({{"op", "create"}, {"timeout_ms", 300}}), "detached");
    EXPECT_EQ(volume.refusal({{"op", "create"}, {"timeout_ms", 20000}}), ""); // it has come back
}

TEST(DaemonTest, CleanShutdown)
{
    Volume volume;
    volume.start();
    Model model(volume, 5);
    {
        auto origin = open_origin(volume);
        model.scribble(*origin, 30);
        model.snapshot();
        model.scribble(*origin, 30);
        EXPECT_EQ(volume.terminate(), 0);
        EXPECT_FALSE(std::filesystem::exists(volume.path("data")));
        EXPECT_FALSE(std::filesystem::exists(volume.path("control")));
        volume.start();
        EXPECT_EQ(volume.log().find("Replaying journal"), std::string::npos);
        model.compare_all();
    }
    volume.call({{"op", "shutdown"}});
}

TEST(DaemonTest, DetachesWhenBothSocketsAccept)
{
    Volume volume;
    ASSERT_EQ(volume.start_detached(), 0);
    EXPECT_EQ(volume.create(), 0u); // no waiting
    auto origin = open_origin(volume);
    EXPECT_EQ(volume.terminate(), 0);
    EXPECT_FALSE(std::filesystem::exists(volume.path("pid")));
    EXPECT_NE(volume.log().find("ready: 0 snapshots"), std::string::npos);
    std::filesystem::resize_file(volume.path("store"), 4096);
    EXPECT_EQ(volume.start_detached(), 1);
    // It has ended by then, and its locks with it. If not, it would be our child now.
    EXPECT_EQ(::waitpid(-1, nullptr, 0), -1);
    EXPECT_EQ(errno, ECHILD);
}

// systemd's end of sd_notify(). Full: who tells something waits until it is read.
class NotifySocket {
public:
    explicit NotifySocket(const Volume& volume)
        : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)), address_(volume.address("notify"))
    {
        const auto* to = reinterpret_cast<const sockaddr*>(&address_);
        if (!fd_ || ::bind(fd_.get(), to, sizeof address_) != 0 ||
            ::setenv("NOTIFY_SOCKET", static_cast<const char*>(address_.sun_path), 1) != 0) {
            throw std::runtime_error("notify socket");
        }
    }
    ~NotifySocket() { ::unsetenv("NOTIFY_SOCKET"); }
    NotifySocket(const NotifySocket&) = delete;
    NotifySocket& operator=(const NotifySocket&) = delete;

    void fill()
    {
        const UniqueFd sender(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const auto* to = reinterpret_cast<const sockaddr*>(&address_);
        while (::sendto(sender.get(), "X", 1, 0, to, sizeof address_) == 1) {
        }
        ASSERT_EQ(errno, EAGAIN);
    }
    // What has been told, until nothing is left.
    std::string drain()
    {
        std::string all;
        char text[4096];
        for (ssize_t n = 0; (n = ::recv(fd_.get(), text, sizeof text, MSG_DONTWAIT)) > 0;) {
            all.append(text, static_cast<std::size_t>(n)).push_back('\n');
        }
        return all;
    }

private:
    UniqueFd fd_;
    sockaddr_un address_;
};

TEST(DaemonTest, AsksSystemdForTimeWhileItOpens)
{
    Volume volume;
    NotifySocket systemd(volume);
    volume.start();
    EXPECT_EQ(volume.terminate(), 0);
    const std::string told = systemd.drain();
    const std::size_t asked = told.find("EXTEND_TIMEOUT_USEC=120000000\n");
    EXPECT_LT(asked, told.find("READY=1")) << told;
    EXPECT_NE(told.find("STOPPING=1"), std::string::npos) << told;
}

// The signal comes when the daemon is about to read the store: it is held up at telling systemd so.
TEST(DaemonTest, ASignalEndsItWhileItOpens)
{
    Volume volume;
    NotifySocket systemd(volume);
    systemd.fill();
    volume.launch();
    ASSERT_TRUE(comes_to_log(volume, "opening the snapshot store")) << volume.log();
    volume.signal(SIGTERM);
    ASSERT_TRUE(systemd.drain().starts_with("X"));
    EXPECT_EQ(volume.wait(), 0);
    EXPECT_EQ(systemd.drain().find("READY=1"), std::string::npos);
    EXPECT_EQ(volume.log().find("ready:"), std::string::npos) << volume.log();
    EXPECT_NE(volume.log().find("stopping: Terminated"), std::string::npos) << volume.log();
    volume.start();
    volume.create();
}

TEST(DaemonTest, AHangupOpensTheLogAnew)
{
    Volume volume;
    const mode_t before = ::umask(0);
    ASSERT_EQ(volume.start_detached(), 0);
    ::umask(before);
    const int pid = volume.call({{"op", "hello"}}).at("pid").get<int>();
    EXPECT_EQ(::getsid(pid), pid); // of its starter's session it is no part
    std::filesystem::rename(volume.path("log"), volume.path("log.1"));
    ASSERT_EQ(::kill(pid, SIGHUP), 0);
    for (int i = 0; i < 10'000 && volume.log().find("reopened") == std::string::npos; ++i) {
        const timespec pause{0, 2'000'000}; // between two looks
        (void)::nanosleep(&pause, nullptr);
    }
    EXPECT_NE(volume.log().find("the log is reopened"), std::string::npos);
    EXPECT_EQ(volume.call({{"op", "hello"}}).at("pid").get<int>(), pid);
    using std::filesystem::perms;
    EXPECT_EQ(std::filesystem::status(volume.path("log")).permissions(), perms{0640});
    EXPECT_EQ(std::filesystem::status(volume.path("pid")).permissions(), perms{0644});
    EXPECT_EQ(volume.terminate(), 0);
    EXPECT_NE(volume.log().find("stopped"), std::string::npos);
}

TEST(DaemonTest, OneDaemonPerStore)
{
    Volume volume;
    volume.start();
    const auto [status, text] = volume.run_rival();
    EXPECT_EQ(status, 75); // it may be started again: ddsnapd@.service
    EXPECT_NE(text.find("in use by process"), std::string::npos) << text;
    volume.create();
    // udev's lock is free: it puts off a device's events while it is not.
    const UniqueFd store(::open(volume.path("store").c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(::flock(store.get(), LOCK_EX | LOCK_NB), 0) << std::strerror(errno);
}

TEST(DaemonTest, ThousandSnapshots)
{
    VolumeSizes sizes;
    sizes.store = 256ull << 20;
    Volume volume(sizes);
    volume.start();
    Model model(volume, 6);
    auto origin = open_origin(volume);
    for (int i = 0; i < 1000; ++i) {
        model.scribble(*origin, 1);
        if (i % 100 == 0) {
            model.snapshot();
        } else {
            volume.create(); // the model of it would be a copy of the volume
        }
    }
    EXPECT_EQ(volume.call({{"op", "list"}})["snapshots"].size(), 1000u);
    model.compare_all();
    volume.kill();
    volume.start();
    EXPECT_EQ(volume.call({{"op", "list"}})["snapshots"].size(), 1000u);
    model.compare_all();
}

} // namespace
} // namespace ddsnap::test
