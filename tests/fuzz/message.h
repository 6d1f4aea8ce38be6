// SPDX-License-Identifier: GPL-2.0
// Messages of the data protocol in a fuzzer's input: u8 type, u8 id, u8 length, so many bytes of what follows
// the header. The header is made right, so that the fuzzer need not guess it; wrong ones come as raw bytes.
#pragma once

#include <vector>

#include "ddsnapd/protocol/wire.h"
#include "tests/fuzz/fuzz.h"

namespace zumastor::fuzz {

std::vector<std::byte> take_message(Input& input);
// The opposite, for the corpus; the id must fit.
void put_message(Output& output, ddsnap::wire::Bytes message);

} // namespace zumastor::fuzz
