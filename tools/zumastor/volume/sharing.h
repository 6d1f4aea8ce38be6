// SPDX-License-Identifier: GPL-2.0
// What sharing of snapshots a role asks for.
#pragma once

#include "tools/zumastor/volume/volume.h"

namespace zumastor {

// Before anything is changed: throws if it cannot be had here.
void refuse_unshareable(const Volume& volume, const MasterRole& role);
// At the end: what the administrator has to do for it.
void tell_sharing(const Volume& volume);

} // namespace zumastor
