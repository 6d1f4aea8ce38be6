// SPDX-License-Identifier: GPL-2.0
// Whether the kernel will take the dm-ddsnap module: is it there, and must it be signed by a key that the
// kernel trusts?
#pragma once

#include <string>

#include "tools/zumastor/doctor/doctor.h"

namespace zumastor {

inline constexpr const char* kModule = "dm-ddsnap";

struct ModuleFacts {
    std::string release; // of the running kernel
    bool loaded = false;
    bool headers = false; // of this kernel are there, to build it
    std::string file;     // what modprobe would load; empty: none
    std::string signer;   // of that; empty: it is not signed
};

// What the kernel wants of signatures, as its files show it.
struct SigningRules {
    bool secure_boot = false; // says the firmware
    std::string lockdown;     // "none", "integrity" or "confidentiality"; empty: the kernel does not tell
    bool enforced = false;    // module.sig_enforce
    bool keys_shown = false;  // the kernel shows the keys it has ...
    bool key_known = false;   // ... and one is the signer's

    bool must_be_signed() const;
};

// `root`: "/", or where a test has such files.
bool has_headers(const std::string& root, const std::string& release);
SigningRules read_signing_rules(const std::string& root, const std::string& signer);

Finding check_module(const ModuleFacts& module, const SigningRules& rules);

} // namespace zumastor
