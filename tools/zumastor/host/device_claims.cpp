// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/host/device_claims.h"

#include <array>
#include <optional>

#include "tools/common/failure.h"
#include "tools/common/known.h"
#include "tools/zumastor/config/names.h"

namespace zumastor {
namespace {

std::optional<std::string> common(const VolumeConfig& a, const VolumeConfig& b)
{
    if (!a.uuid.empty() && a.uuid == b.uuid) {
        return "the store " + a.uuid;
    }
    for (const std::string* mine : {&a.origin, &a.store, &a.meta}) {
        for (const std::string* theirs : {&b.origin, &b.store, &b.meta}) {
            if (!mine->empty() && !theirs->empty() && same_device(*mine, *theirs)) {
                return *mine;
            }
        }
    }
    return std::nullopt;
}

} // namespace

bool same_device(const std::string& a, const std::string& b)
{
    if (a == b) {
        return true;
    }
    const auto first = look_at(a).need();
    const auto second = look_at(b).need();
    if (!first || !second) {
        return false;
    }
    if (S_ISBLK(first->st_mode) && S_ISBLK(second->st_mode)) {
        return first->st_rdev == second->st_rdev;
    }
    return first->st_dev == second->st_dev && first->st_ino == second->st_ino;
}

std::vector<Claim> common_claims(const VolumeConfig& config, const std::vector<VolumeConfig>& others)
{
    std::vector<Claim> claims;
    for (const VolumeConfig& other : others) {
        if (other.name == config.name) {
            continue;
        }
        if (const auto what = common(config, other)) {
            claims.push_back({other.name, *what});
        }
    }
    return claims;
}

std::vector<Claim> claims_of_others(const VolumeConfig& config)
{
    std::vector<VolumeConfig> others;
    for (const std::string& name : list_volumes()) {
        if (auto other = try_load_config(name)) { // else `status` and the doctor name it
            others.push_back(std::move(*other));
        }
    }
    return common_claims(config, others);
}

void refuse_claimed(const VolumeConfig& config)
{
    const std::vector<Claim> claims = claims_of_others(config);
    if (claims.empty()) {
        return;
    }
    const Claim& claim = claims.front();
    throw Failure(Exit::busy,
                  "volume " + config.name + ": " + claim.what + " belongs to volume " + claim.volume +
                      ", too",
                  "forget the wrong one: zumastor forget volume NAME; a file that belongs to no "
                  "volume must not be in " +
                      Paths::kConfigDirectory + " under a name that ends in .toml");
}

} // namespace zumastor
