// SPDX-License-Identifier: GPL-2.0
// A question comes before the locks (tools/common/held_locks.h), and yet is about what is found with them
// held.
#pragma once

#include <string>

#include "tools/common/process.h"

namespace zumastor {

// `look` takes the locks, finds out what there is to be done and returns both, with a `question` (empty:
// none). While that is asked the locks are given up; then it looks again, as all may be different, and
// something else is asked anew: what was answered counts for that very question. `yes`: it is known.
// Returns what was found last, with its locks. Throws as confirm() does.
template <class Look>
auto look_and_ask(bool yes, const Look& look)
{
    for (std::string answered;;) {
        std::string question;
        {
            auto found = look();
            if (yes || found.question.empty() || found.question == answered) {
                return found;
            }
            question = found.question;
        }
        confirm(question, false);
        answered = question;
    }
}

} // namespace zumastor
