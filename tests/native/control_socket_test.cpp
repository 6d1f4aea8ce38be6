// SPDX-License-Identifier: GPL-2.0
// The control socket: answers by the book, and whatever else is sent to it.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <random>

#include "tests/native/model.h"

namespace ddsnap::test {
namespace {

using nlohmann::json;

class ControlSocketTest : public testing::Test {
protected:
    ControlSocketTest() { volume.start(); }

    // Sends the text and returns everything that comes until the daemon closes; half-closed after sending.
    std::string talk(const std::string& text) const
    {
        const sockaddr_un address = volume.address("control");
        const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        (void)!::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
        ::shutdown(fd.get(), SHUT_WR);
        std::string all;
        char block[4096];
        for (ssize_t n = 0; (n = ::recv(fd.get(), block, sizeof block, 0)) > 0;) {
            all.append(block, static_cast<std::size_t>(n));
        }
        return all;
    }
    std::string code_of(const std::string& line) const
    {
        const auto answer = json::parse(line);
        return answer["ok"].get<bool>() ? "" : answer["error"]["code"].get<std::string>();
    }

    Volume volume;
};

// A lower soft limit of open files, for what is started meanwhile.
class FileLimit {
public:
    explicit FileLimit(rlim_t files)
    {
        EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
        const rlimit lower{files, before_.rlim_max};
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &lower), 0);
    }
    ~FileLimit() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }
    FileLimit(const FileLimit&) = delete;
    FileLimit& operator=(const FileLimit&) = delete;

private:
    rlimit before_{};
};

TEST_F(ControlSocketTest, TheSoftLimitOfOpenFilesKeepsNobodyOut)
{
    volume.kill();
    {
        const FileLimit lower(64);
        volume.start();
    }
    std::vector<client::ControlClient> clients;
    for (int i = 0; i < 100; ++i) {
        auto connected = client::ControlClient::connect(volume.path("control"));
        ASSERT_TRUE(connected) << connected.error().message;
        EXPECT_TRUE(connected->call({{"op", "hello"}}, std::chrono::seconds(20))) << "client " << i;
        clients.push_back(std::move(*connected));
    }
}

TEST_F(ControlSocketTest, LifeOfASnapshot)
{
    const auto hello = volume.call({{"op", "hello"}});
    EXPECT_EQ(hello["daemon"], "ddsnapd");
    EXPECT_EQ(hello["protocol"], 1);
    EXPECT_EQ(hello["data_socket"], volume.path("data"));
    const auto created = volume.call({{"op", "create"},
                                      {"snapshot", 7},
                                      {"name", "before"},
                                      {"tag", "hourly"},
                                      {"priority", -3}})["snapshot"];
    EXPECT_EQ(created["id"], 7);
    EXPECT_EQ(created["name"], "before");
    EXPECT_EQ(created["tag"], "hourly");
    EXPECT_EQ(created["priority"], -3);
    EXPECT_EQ(created["state"], "normal");
    EXPECT_EQ(volume.refusal({{"op", "create"}, {"snapshot", 7}}), "exists");
    EXPECT_EQ(volume.create(), 8u);
    EXPECT_EQ(volume.call({{"op", "priority"}, {"snapshot", 7}, {"priority", 127}})["snapshot"]["priority"],
              127);
    EXPECT_EQ(volume.call({{"op", "usecount"}, {"snapshot", 7}, {"diff", 2}})["use_count"], 2);
    EXPECT_EQ(volume.refusal({{"op", "usecount"}, {"snapshot", 7}, {"diff", -3}}), "invalid");
    EXPECT_EQ(volume.refusal({{"op", "delete"}, {"snapshot", 7}}), "busy");
    volume.call({{"op", "delete"}, {"snapshot", 7}, {"force", true}});
    EXPECT_EQ(volume.refusal({{"op", "get"}, {"snapshot", 7}}), "not_found");
    EXPECT_EQ(volume.call({{"op", "list"}})["snapshots"].size(), 1u);
    volume.call({{"op", "checkpoint"}});
    volume.call({{"op", "quiesce"}});
    EXPECT_NE(volume.call({{"op", "metrics"}})["text"].get<std::string>().find("ddsnapd_grants_total"),
              std::string::npos);
    EXPECT_EQ(volume.call({{"op", "status"}})["volume"]["snapshots"], 1);
}

TEST_F(ControlSocketTest, BadRequestsAreAnswered)
{
    EXPECT_EQ(volume.refusal({{"op", "fly"}}), "unsupported");
    EXPECT_EQ(volume.refusal({{"noop", 1}}), "invalid");
    EXPECT_EQ(volume.refusal({{"op", "get"}}), "invalid");
    EXPECT_EQ(volume.refusal({{"op", "get"}, {"snapshot", -1}}), "invalid");
    EXPECT_EQ(volume.refusal({{"op", "create"}, {"name", std::string(64, 'x')}}), "invalid");
    for (const char* text : {"../x", "$(touch x)", "\x1b[2J", "a\nb", "-x"}) { // they come from other hosts
        EXPECT_EQ(volume.refusal({{"op", "create"}, {"name", text}}), "invalid") << text;
        EXPECT_EQ(volume.refusal({{"op", "create"}, {"tag", text}}), "invalid") << text;
    }
    EXPECT_EQ(volume.refusal({{"op", "create"}, {"priority", 128}}), "invalid");
    EXPECT_EQ(volume.refusal({{"op", "delete"}, {"snapshot", 1}, {"force", "yes"}}), "invalid");
    EXPECT_EQ(volume.refusal({{"op", "delete"}, {"snapshot", 1}}), "not_found");
}

TEST_F(ControlSocketTest, RequestsOfALineEach)
{
    const std::string answers = talk("{\"op\":\"hello\"}\n{\"op\":\"fly\"}\n{\"op\":\"list\"}\n");
    EXPECT_EQ(std::count(answers.begin(), answers.end(), '\n'), 3);
}

TEST_F(ControlSocketTest, GarbageIsAnsweredAndClosed)
{
    EXPECT_EQ(code_of(talk("hello\n{\"op\":\"hello\"}\n")), "invalid"); // one answer only
    EXPECT_EQ(code_of(talk("[1,2]\n")), "invalid");
    EXPECT_EQ(code_of(talk(std::string(100'000, '['))), "invalid");
    EXPECT_EQ(code_of(talk(std::string(60'000, '[') + "\n")), "invalid");
    EXPECT_EQ(talk("{\"op\":\"hel"), ""); // cut off
    std::mt19937_64 random(1);
    for (int i = 0; i < 100; ++i) {
        std::string garbage(random() % 3000, '\0');
        for (char& c : garbage) {
            c = static_cast<char>(random());
        }
        talk(garbage + "\n");
    }
    volume.create();
}

TEST_F(ControlSocketTest, SocketsAreForTheirOwnerOnly)
{
    for (const char* name : {"data", "control"}) {
        struct stat st {};
        ASSERT_EQ(::stat(volume.path(name).c_str(), &st), 0);
        EXPECT_EQ(st.st_mode & 0777, 0600u);
    }
}

} // namespace
} // namespace ddsnap::test
