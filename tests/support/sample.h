// SPDX-License-Identifier: GPL-2.0
// Stored samples of the on-disk format: hexadecimal text, lines "offset: bytes", lines of zeros left out.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace zumastor::test {

// The sample `name` of tests/unit/samples, as long as `now`. With SNAPSTORE_WRITE_SAMPLES set, `now` is
// stored first.
std::vector<std::byte> sample(const std::string& name, const std::vector<std::byte>& now);

} // namespace zumastor::test
