// SPDX-License-Identifier: GPL-2.0
#include "tests/support/sample.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <sstream>

namespace zumastor::test {

namespace {

constexpr std::size_t kLine = 32;

void write_sample(const std::string& path, const std::vector<std::byte>& data)
{
    std::ofstream out(path);
    out << std::hex << std::setfill('0');
    for (std::size_t at = 0; at < data.size(); at += kLine) {
        const auto begin = data.begin() + static_cast<std::ptrdiff_t>(at);
        const auto end = begin + static_cast<std::ptrdiff_t>(std::min(kLine, data.size() - at));
        if (std::all_of(begin, end, [](std::byte b) { return b == std::byte{0}; })) {
            continue;
        }
        out << std::setw(8) << at << ':';
        for (auto b = begin; b != end; ++b) {
            out << ' ' << std::setw(2) << static_cast<unsigned>(*b);
        }
        out << '\n';
    }
}

} // namespace

std::vector<std::byte> sample(const std::string& name, const std::vector<std::byte>& now)
{
    const std::string path = std::string(SAMPLES) + "/" + name;
    if (std::getenv("SNAPSTORE_WRITE_SAMPLES") != nullptr) {
        write_sample(path, now);
    }
    std::vector<std::byte> data(now.size());
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::size_t at = 0;
        char colon = 0;
        words >> std::hex >> at >> colon;
        for (unsigned value = 0; words >> value && at < data.size(); ++at) {
            data[at] = static_cast<std::byte>(value);
        }
    }
    return data;
}

} // namespace zumastor::test
