// SPDX-License-Identifier: GPL-2.0
#include "tools/common/kernel_messages.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "tools/common/text.h"

namespace zumastor {

KernelMessages::KernelMessages() : log_(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC))
{
    if (log_ && ::lseek(log_.get(), 0, SEEK_END) < 0) {
        log_.reset();
    }
}

std::string text_of_kernel_record(std::string_view record)
{
    const std::size_t semicolon = record.find(';');
    if (semicolon == std::string_view::npos) {
        return {};
    }
    constexpr unsigned long kFacility = ~7UL; // 0: the kernel's
    if ((std::strtoul(std::string(record.substr(0, record.find(','))).c_str(), nullptr, 10) & kFacility) !=
        0) {
        return {};
    }
    const std::string_view text = record.substr(semicolon + 1);
    return std::string(text.substr(0, text.find('\n'))); // fields of the record follow
}

std::string KernelMessages::since(const std::vector<std::string>& words) const
{
    constexpr std::size_t kShown = 3;
    constexpr std::size_t kLongestRecord = 300; // bytes of each
    std::vector<std::string> found;
    std::array<char, 8192> record{}; // one at a time
    while (log_) {
        const auto got = ::read(log_.get(), record.data(), record.size());
        if (got < 0 && (errno == EPIPE || errno == EINTR)) {
            continue; // EPIPE: records have been overwritten
        }
        if (got <= 0) {
            break;
        }
        const std::string text = text_of_kernel_record({record.data(), static_cast<std::size_t>(got)});
        if (std::any_of(words.begin(), words.end(), [&](const std::string& word) {
                return !word.empty() && text.find(word) != std::string::npos;
            })) {
            found.push_back(shown(text, kLongestRecord));
        }
    }
    if (found.size() > kShown) {
        found.erase(found.begin(), found.end() - kShown);
    }
    return join(found, "; ");
}

} // namespace zumastor
