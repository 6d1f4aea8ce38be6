// SPDX-License-Identifier: GPL-2.0
#include "tools/common/store_owner.h"

#include <filesystem>
#include <vector>

#include "tools/common/failure.h"
#include "tools/common/known.h"

namespace zumastor {

std::optional<std::string> owner_of_store(const std::string& uuid, const std::string& directory)
{
    using Files = std::vector<std::filesystem::path>;
    for (const auto& file : entries_of(directory).need().value_or(Files{})) { // no directory: no volumes
        const auto there = look_at(file.string());
        if (file.extension() != ".toml" || (there.is_there() && S_ISDIR(there.value().st_mode))) {
            continue;
        }
        const auto text = text_of(file.string());
        if (text.is_unknown()) {
            throw Failure(text.why().code(),
                          text.why().what() + std::string(": it is not known which store this volume has"),
                          text.why().next());
        }
        if (text.is_there() && text.value().find('"' + uuid + '"') != std::string::npos) {
            return file.stem().string();
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
                          "use another device, or forget that volume first: zumastor forget volume " +
                              *owner);
        }
    }
}

} // namespace zumastor
