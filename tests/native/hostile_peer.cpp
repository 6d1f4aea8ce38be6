// SPDX-License-Identifier: GPL-2.0
// A peer of replication that is an enemy: sends each field of a session's lines, and of a stream's header,
// with what could do harm in a file's name, a shell, a terminal or an exit code.
//
//   hostile-peer sender COMMAND...     COMMAND is a session that receives
//   hostile-peer receiver COMMAND...   ... one that sends
//   hostile-peer client COMMAND...     ... one that compares
//
// Runs COMMAND once for each attack and prints a line for it: what was sent, and the exit status. Ends with 1
// if one was not refused, or was refused in words that a terminal acts on.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "snapstore/texts.h"
#include "tools/stream/stream_format.h"
#include "tools/zumastor/replication/session.h"
#include "tools/zumastor/replication/verify_session.h"

namespace {

using namespace zumastor;
using nlohmann::json;

struct Attack {
    std::string name;
    std::vector<std::string> lines; // or raw bytes of a stream
    bool harmless = false;          // may be taken: for people only
};

const std::vector<std::string>& texts()
{
    using namespace std::string_literals;
    static const std::vector<std::string> all{"../../../tmp/hostile"s,
                                              "/tmp/hostile"s,
                                              "$(touch /tmp/hostile)"s,
                                              "`touch /tmp/hostile`"s,
                                              "a;touch /tmp/hostile"s,
                                              "\x1b]0;x\x07"s,
                                              "\xc2\x9b[2J"s,
                                              "a\nb"s,
                                              "a\0b"s,
                                              "-oProxyCommand=x"s,
                                              std::string(5000, 'a')};
    return all;
}

const std::vector<std::string> kNumbers{"-1", "18446744073709551615", "9223372036854775806", "1e30", "0.5",
                                        "[]"};

std::string readable(const std::string& text) { return shown(text, 60); }

bool only_shown(const std::string& field) { return field.ends_with("/error") || field.ends_with("/next"); }

// Each field of the line in turn, and what follows the line.
void add_lines(std::vector<Attack>& attacks, const std::string& line)
{
    const json sample = json::parse(line);
    const json flat = sample.flatten();
    for (const auto& [field, value] : flat.items()) {
        const json::json_pointer pointer(field);
        // Of what has the wrong type anyway, one will do: a process is begun for each.
        const std::size_t most_texts = value.is_string() ? texts().size() : 1;
        const std::size_t most_numbers = value.is_string() ? 1 : kNumbers.size();
        for (const std::string& text : std::span(texts()).first(most_texts)) {
            json changed = sample;
            changed[pointer] = text;
            attacks.push_back({field + " = " + readable(text), {changed.dump() + "\n"}, only_shown(field)});
        }
        for (const std::string& number : std::span(kNumbers).first(most_numbers)) {
            json changed = sample;
            changed[pointer] = "HERE";
            std::string raw = changed.dump();
            raw.replace(raw.find("\"HERE\""), 6, number);
            std::string what = field;
            what.append(" = ").append(number);
            attacks.push_back({what, {raw + "\n"}});
        }
    }
    for (const std::string& raw :
         {std::string("Welcome to \x1b[2Jthe machine\n"), std::string("\xff\xfe\n"), std::string("{\n"),
          std::string("\0\0\0\n", 4), std::string(5U << 20, '[') + "\n", std::string("no newline")}) {
        attacks.push_back({"line " + readable(raw), {raw}});
    }
}

std::string as_text(stream::Bytes bytes)
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string header_with(std::size_t at, const std::string& bytes)
{
    stream::Header header;
    header.to.fill(std::byte{1});
    header.lineage.fill(std::byte{2});
    header.sectors = 2048;
    auto encoded = stream::encode(header);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        encoded[at + i] = static_cast<std::byte>(bytes[i]);
    }
    const std::uint64_t hash = stream::hash_of(stream::Bytes(encoded).first(stream::kHeaderBytes - 8));
    for (std::size_t i = 0; i < 8; ++i) {
        encoded[stream::kHeaderBytes - 8 + i] = static_cast<std::byte>(hash >> (8 * i));
    }
    return as_text(encoded);
}

void add_headers(std::vector<Attack>& attacks)
{
    struct Field {
        const char* name;
        std::size_t at;
        std::size_t bytes;
    };
    const std::string plan = format(SendPlan{}) + "\n";
    for (const Field& field : {Field{"name", 104, 64}, Field{"tag", 168, 32}}) {
        for (const std::string& text : texts()) {
            std::string padded = text.substr(0, field.bytes);
            padded.resize(field.bytes, '\0');
            const std::string name = std::string("stream's ") + field.name + " = " + readable(text);
            attacks.push_back({name, {plan, header_with(field.at, padded)}});
        }
    }
    for (const Field& field : {Field{"magic", 0, 8}, Field{"version", 8, 2}, Field{"chunk_shift", 12, 4},
                               Field{"features", 16, 8}, Field{"sectors", 80, 8}, Field{"chunks", 88, 8},
                               Field{"first chunk", 96, 8}, Field{"created", 200, 8}}) {
        const std::string ones(field.bytes, '\xff');
        attacks.push_back(
            {std::string("stream's ") + field.name + " of ones", {plan, header_with(field.at, ones)}});
    }
}

UuidText some_uuid() { return UuidText::need("11111111-2222-4333-8444-555555555555"); }

std::vector<Attack> attacks_of(const std::string& role)
{
    std::vector<Attack> attacks;
    if (role == "sender") {
        SendPlan plan;
        plan.refusal.error = "no";
        plan.refusal.next = "never";
        add_lines(attacks, format(plan));
        add_lines(attacks, format_refusal(Failure(Exit::failed, "no", "never")));
        add_headers(attacks);
    } else if (role == "receiver") {
        const auto uuid = some_uuid();
        add_lines(
            attacks,
            format(ReplicaOffer{
                VolumeName::need("b"), uuid, uuid, 16384, 2048, {uuid}, Reception{uuid, uuid, 1}, true, 1}));
    } else {
        add_lines(attacks, format(VerifyRequest{Ask::send, some_uuid(), 4096, 0, 1, {{0, 1}}, 1}));
    }
    return attacks;
}

struct Outcome {
    int status = 0;
    std::string said;
};

struct Pipe {
    Pipe()
    {
        if (::pipe(ends) != 0) {
            std::perror("pipe");
            std::exit(2);
        }
    }
    int ends[2]{};
};

void write_all(int fd, const std::string& text)
{
    for (std::size_t at = 0; at < text.size();) {
        const auto written = ::write(fd, text.data() + at, text.size() - at);
        if (written <= 0) {
            return; // it has ended: as it may
        }
        at += static_cast<std::size_t>(written);
    }
}

Outcome run(const Attack& attack, char** command)
{
    Pipe input;
    Pipe output;
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(input.ends[0], 0);
        ::dup2(output.ends[1], 1);
        ::dup2(output.ends[1], 2);
        for (const int fd : {input.ends[0], input.ends[1], output.ends[0], output.ends[1]}) {
            ::close(fd);
        }
        ::execvp(command[0], command);
        ::_exit(127);
    }
    ::close(input.ends[0]);
    ::close(output.ends[1]);
    for (const std::string& line : attack.lines) {
        write_all(input.ends[1], line);
    }
    ::close(input.ends[1]);
    Outcome outcome;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(output.ends[0], buffer, sizeof buffer)) > 0;) {
        outcome.said.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(output.ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return outcome;
}

bool is_harmless(std::string_view text)
{
    while (!text.empty()) {
        const auto [character, bytes] = snapstore::first_character(text);
        if (bytes == 0 || (character != '\n' && snapstore::is_control(character))) {
            return false;
        }
        text.remove_prefix(bytes);
    }
    return true;
}

std::size_t number_from(const char* variable, std::size_t otherwise)
{
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

} // namespace

int main(int argc, char** argv)
{
    if (argc < 3) {
        std::fputs("usage: hostile-peer sender|receiver|client COMMAND...\n", stderr);
        return 2;
    }
    (void)std::signal(SIGPIPE, SIG_IGN);
    (void)std::setvbuf(stdout, nullptr, _IOLBF, 0); // each attack is seen as it is made
    const std::size_t every = std::max<std::size_t>(number_from("EVERY", 1), 1); // of so many attacks, one
    std::size_t at = number_from("TEST_SEED", 0) % every;
    int bad = 0;
    for (const Attack& attack : attacks_of(argv[1])) {
        if (at++ % every != 0) {
            continue;
        }
        const Outcome outcome = run(attack, argv + 2);
        constexpr int kLastFailure = 10;
        const bool refused = outcome.status > 0 && outcome.status <= kLastFailure;
        const bool good = (refused || (attack.harmless && outcome.status == 0)) && is_harmless(outcome.said);
        std::printf("%s %s: status %d\n", good ? "ok" : "BAD", attack.name.c_str(), outcome.status);
        if (!good) {
            std::printf("    it said: %s\n", shown(outcome.said, 400).c_str());
            ++bad;
        }
    }
    return bad == 0 ? 0 : 1;
}
