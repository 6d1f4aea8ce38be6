// SPDX-License-Identifier: GPL-2.0
// The one source of chance of a simulated world: xoshiro256**, seeded through splitmix64. The standard
// library's distributions differ between implementations; these do not, so a seed means the same everywhere.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace sim {

class Rng {
public:
    explicit Rng(std::uint64_t seed) noexcept
    {
        for (std::uint64_t& word : state_) {
            seed += 0x9e3779b97f4a7c15ULL;
            std::uint64_t z = seed;
            z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
            z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
            word = z ^ (z >> 31U);
        }
    }

    std::uint64_t next() noexcept
    {
        const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
        const std::uint64_t t = state_[1] << 17U;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    // Uniform enough for a test: 0 … bound - 1; bound > 0.
    std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
    // low … high, both included.
    std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept
    {
        return low + below(high - low + 1);
    }
    bool percent(unsigned chance) noexcept { return below(100) < chance; }
    bool per_mille(unsigned chance) noexcept { return below(1000) < chance; }

    template <class Container>
    auto& pick(Container& items) noexcept
    {
        return items[static_cast<std::size_t>(below(items.size()))];
    }

private:
    std::array<std::uint64_t, 4> state_{};
};

} // namespace sim
