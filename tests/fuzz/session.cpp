// SPDX-License-Identifier: GPL-2.0
// Lines of a session, as a peer may say them: each is refused in words that any terminal can show, with the
// code of a failure, or it means what it says: written again and read again, it is the same line.
#include <string>
#include <string_view>

#include "snapstore/texts.h"
#include "tests/fuzz/fuzz.h"
#include "tools/zumastor/replication/session.h"
#include "tools/zumastor/replication/verify_session.h"

namespace {

using zumastor::fuzz::finding;

void check_harmless(std::string_view text)
{
    while (!text.empty()) {
        const auto [character, bytes] = snapstore::first_character(text);
        if (bytes == 0 || snapstore::is_control(character)) {
            finding("a terminal would act on this message");
        }
        text.remove_prefix(bytes);
    }
}

void check_code(zumastor::Exit code)
{
    if (code < zumastor::Exit::failed || code > zumastor::Exit::missing) {
        finding("an exit code that no failure has");
    }
}

template <class Parse>
void check(const Parse& parse, const std::string& line)
{
    try {
        const auto meant = parse(line);
        const std::string again = format(meant);
        if (format(parse(again)) != again) {
            finding("a line changes when it is passed on");
        }
        if constexpr (requires { meant.code; }) {
            check_code(meant.code);
            check_harmless(meant.error.str());
            check_harmless(meant.next.str());
        }
        if constexpr (requires { meant.volume; }) {
            if (!zumastor::VolumeName::from(meant.volume.str())) {
                finding("a volume that none can be called came over the border");
            }
        }
    } catch (const zumastor::Failure& failure) {
        check_code(failure.code());
        check_harmless(failure.what());
        check_harmless(failure.next());
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string line(reinterpret_cast<const char*>(data), size);
    check(zumastor::parse_offer, line);
    check(zumastor::parse_plan, line);
    check(zumastor::parse_result, line);
    check(zumastor::parse_verify_hello, line);
    check(zumastor::parse_verify_request, line);
    check(zumastor::parse_verify_answer, line);
    return 0;
}
