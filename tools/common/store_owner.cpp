// SPDX-License-Identifier: GPL-2.0
#include "tools/common/store_owner.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tools/common/failure.h"

namespace zumastor {

std::optional<std::string> owner_of_store(const std::string& uuid, const std::string& directory)
{
    std::error_code error; // no directory: no volumes
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        if (entry.path().extension() != ".toml" || entry.is_directory(error)) {
            continue;
        }
        std::ifstream file(entry.path(), std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        if (!file) {
            throw Failure(Exit::failed,
                          entry.path().string() + " cannot be read: whose store it has is not known");
        }
        if (text.find('"' + uuid + '"') != std::string::npos) {
            return entry.path().stem().string();
        }
    }
    return std::nullopt;
}

void refuse_owned_store(const StorePaths& paths)
{
    for (const DeviceNode* device : {&paths.store, &paths.origin, paths.meta ? &*paths.meta : nullptr}) {
        if (device == nullptr) {
            continue;
        }
        const auto store = probe_store(*device);
        const auto owner = store ? owner_of_store(store->uuid) : std::nullopt;
        if (owner) {
            throw Failure(Exit::busy, device->given + " holds the snapshot store of volume " + *owner,
                          "leave it alone, or give that volume up first: zumastor forget volume " + *owner);
        }
    }
}

} // namespace zumastor
