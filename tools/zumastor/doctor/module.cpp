// SPDX-License-Identifier: GPL-2.0
#include "tools/zumastor/doctor/module.h"

#include <filesystem>
#include <sstream>

#include "tools/common/process.h"

namespace zumastor {
namespace {

constexpr const char* kSubject = "module";
constexpr const char* kEnrol =
    "mokutil --import /var/lib/dkms/mok.pub, reboot, and confirm the key at the console";
constexpr const char* kSign =
    "dkms build --force ddsnap/" ZUMASTOR_VERSION " && dkms install --force ddsnap/" ZUMASTOR_VERSION;

// UEFI's variable of that name: four bytes of attributes, then the value.
bool is_secure_boot(const std::string& root)
{
    const std::string value =
        read_text(root + "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
    return value.size() == 5 && value[4] == 1;
}

// "none [integrity] confidentiality": the one in brackets holds.
std::string lockdown_of(const std::string& root)
{
    const std::string text = read_text(root + "/sys/kernel/security/lockdown");
    const auto begin = text.find('[');
    const auto end = text.find(']');
    return begin == std::string::npos || end == std::string::npos || end < begin
               ? ""
               : text.substr(begin + 1, end - begin - 1);
}

// "… asymmetri SUBJECT: IDENTIFIER: X509.rsa …", where the subject ends with the signer's common name.
void look_for_key(const std::string& root, const std::string& signer, SigningRules& rules)
{
    std::istringstream keys(read_text(root + "/proc/keys"));
    for (std::string line; std::getline(keys, line);) {
        if (line.find(" asymmetri ") == std::string::npos) {
            continue;
        }
        rules.keys_shown = true;
        rules.key_known =
            rules.key_known || (!signer.empty() && line.find(" " + signer + ": ") != std::string::npos);
    }
}

Finding missing(const std::string& release, bool headers)
{
    const std::string what = std::string(kModule) + " is not there for the running kernel, " + release;
    if (!headers) {
        return {Verdict::fault, kSubject,
                what + ", nor are the kernel's headers, which are needed to build the module",
                "apt install ddsnap-dkms linux-headers-" + release +
                    "; if the archive has them no more, reboot with the newest kernel",
                Exit::missing};
    }
    return {Verdict::fault, kSubject, what,
            "apt install ddsnap-dkms; if it is installed: dkms status ddsnap, and the newest "
            "/var/lib/dkms/ddsnap/*/build/make.log",
            Exit::missing};
}

std::string reason(const SigningRules& rules)
{
    if (rules.secure_boot) {
        return "Secure Boot is on";
    }
    return rules.enforced ? "the kernel loads only signed modules (module.sig_enforce)"
                          : "the kernel is locked down (" + rules.lockdown + ")";
}

// Keys that an administrator enrols are the firmware's to hand on, so without Secure Boot there are none.
std::string remedy(const SigningRules& rules, bool is_signed)
{
    if (!rules.secure_boot) {
        return "reboot without lockdown= and module.sig_enforce on the kernel's command line "
               "(/etc/default/grub, "
               "update-grub)";
    }
    return is_signed ? kEnrol
                     : std::string("let DKMS sign the module: ") + kSign +
                           "; then enrol its key in the firmware: " + kEnrol;
}

} // namespace

// What the kernel says counts: with shim's validation switched off (mokutil --disable-validation), Secure
// Boot is on and the kernel takes any module.
bool SigningRules::must_be_signed() const
{
    return enforced || (lockdown.empty() ? secure_boot : lockdown != "none");
}

bool has_headers(const std::string& root, const std::string& release)
{
    return std::filesystem::exists(root + "/lib/modules/" + release + "/build/Makefile");
}

SigningRules read_signing_rules(const std::string& root, const std::string& signer)
{
    SigningRules rules;
    rules.secure_boot = is_secure_boot(root);
    rules.lockdown = lockdown_of(root);
    rules.enforced = read_text(root + "/sys/module/module/parameters/sig_enforce").substr(0, 1) == "Y";
    look_for_key(root, signer, rules);
    return rules;
}

Finding check_module(const ModuleFacts& module, const SigningRules& rules)
{
    if (module.loaded) {
        return {Verdict::good, kSubject, std::string(kModule) + " is loaded"};
    }
    if (module.file.empty()) {
        return missing(module.release, module.headers);
    }
    if (!rules.must_be_signed()) {
        return {Verdict::good, kSubject, module.file + " is loaded when the first volume starts"};
    }
    if (module.signer.empty()) {
        return {Verdict::fault, kSubject,
                module.file + " is not signed, and " + reason(rules) + ": the kernel will not load it",
                remedy(rules, false), Exit::missing};
    }
    const std::string signature = module.file + " is signed by " + module.signer;
    if (!rules.keys_shown) {
        return {Verdict::warning, kSubject,
                signature + "; " + reason(rules) + ", and the keys that the kernel trusts cannot be seen",
                "try: modprobe dm-ddsnap; if the key is rejected: " + remedy(rules, true)};
    }
    if (!rules.key_known) {
        return {Verdict::fault, kSubject,
                signature + ", whose key the kernel does not have, and " + reason(rules) +
                    ": the kernel will not load it",
                remedy(rules, true), Exit::missing};
    }
    return {Verdict::good, kSubject,
            signature + ", whose key the kernel trusts; the module is loaded when the first volume "
                        "starts"};
}

} // namespace zumastor
