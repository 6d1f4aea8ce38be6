// SPDX-License-Identifier: GPL-2.0
#include "ddsnapd/service/events.h"

namespace ddsnap {

void Events::run_pending()
{
    if (settling_) {
        return;
    }
    settling_ = true;
    for (bool again = true; again;) {
        again = false;
        if (state_dirty) {
            state_dirty = false;
            reactions_.announce_state();
        }
        if (release_dirty) {
            release_dirty = false;
            reactions_.release_squashed();
        }
        if (unlocked.deliver()) {
            again = true;
            state_dirty = true; // see Barrier::needs_no_grants()
        }
        again |= barrier_moved.deliver();
        again |= room.deliver();
        again |= ticked.deliver();
        again |= state_dirty || release_dirty;
    }
    settling_ = false;
}

} // namespace ddsnap
