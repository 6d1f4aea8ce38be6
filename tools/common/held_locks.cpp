// SPDX-License-Identifier: GPL-2.0
#include "tools/common/held_locks.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <stdexcept>
#include <utility>

namespace zumastor {
namespace {

std::array<std::atomic<int>, 2> held{}; // by kind; streams are sent and received by several threads

std::atomic<int>& count_of(LockKind kind) noexcept { return held.at(static_cast<std::size_t>(kind)); }

} // namespace

HeldLock::HeldLock(LockKind kind) noexcept : kind_(kind) { ++count_of(kind_); }

HeldLock::HeldLock(HeldLock&& other) noexcept
    : kind_(other.kind_), counted_(std::exchange(other.counted_, false))
{}

HeldLock::~HeldLock()
{
    if (counted_) {
        --count_of(kind_);
    }
}

void about_to_ask()
{
    if (count_of(LockKind::volume) > 0 || count_of(LockKind::stream) > 0) {
        throw std::logic_error("a question is asked with a lock held");
    }
}

void about_to_wait_for_peer()
{
    if (count_of(LockKind::volume) > 0) {
        throw std::logic_error("another host is waited for with the volume's lock held");
    }
}

} // namespace zumastor
