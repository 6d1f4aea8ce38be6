// SPDX-License-Identifier: GPL-2.0
// zumastor scheduled: what the units run that timers start (units/).
#include <cstdio>

#include "tools/zumastor/commands/commands.h"
#include "tools/zumastor/systemd/units.h"

namespace zumastor {
// "<3>" makes it an error to whoever reads the journal; see sd-daemon(3).
Exit in_one_line(const std::string& what, Exit (*command)(const Args&), const Args& args)
{
    try {
        return command(args);
    } catch (const Failure& failure) {
        std::fflush(stdout);
        std::fprintf(stderr, "<3>%s: %s%s%s (exit code %d)\n", what.c_str(), failure.what(),
                     failure.next().empty() ? "" : "; ", failure.next().c_str(),
                     static_cast<int>(failure.code()));
        return failure.code();
    }
}

Exit scheduled_cycle(const Args& args)
{
    const Instance instance = Instance::parse(args.need("INSTANCE"));
    Args words;
    words.add("VOL", {instance.volume});
    if (!instance.rest.empty()) {
        words.add("HOST", {instance.rest});
    }
    return in_one_line("cycle " + instance.word(), replicate, words);
}

Exit scheduled_snapshot(const Args& args)
{
    const Instance instance = Instance::parse(args.need("INSTANCE"));
    Args words;
    words.add("VOL", {instance.volume});
    words.add("KIND", {instance.rest});
    return in_one_line("snapshot " + instance.word(), take_snapshot, words);
}

} // namespace zumastor
