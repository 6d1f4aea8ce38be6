// SPDX-License-Identifier: GPL-2.0
// What the doctor says of the kernel module, by files such as the kernel shows, with what the kernel does
// about signatures (kernel/module/signing.c, security/lockdown); and of units, as systemd shows them.
#include <filesystem>

#include <gtest/gtest.h>

#include "tests/support/scratch_folder.h"
#include "tools/common/process.h"
#include "tools/zumastor/doctor/module.h"
#include "tools/zumastor/doctor/units.h"

namespace zumastor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSecureBoot =
    "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
constexpr const char* kLockdown = "sys/kernel/security/lockdown";
constexpr const char* kKeys = "proc/keys";
constexpr const char* kSigner = "DKMS module signing key";
constexpr const char* kDebiansKey =
    "00dc0f87 I------     1 perm 1f030000     0     0 asymmetri Debian Secure Boot CA: "
    "6ccece7e4c6c0d1f6149f3dd27dfcc5cbb419ea1: X509.rsa bb419ea1 []\n"
    "0a0ad2c5 I--Q---    10 perm 1f3f0000     0 65534 keyring   _uid.0: empty\n";
constexpr const char* kOurKey =
    "1f2e3d4c I------     1 perm 1f010000     0     0 asymmetri DKMS module signing key: "
    "0123456789abcdef0123456789abcdef01234567: X509.rsa 01234567 []\n";

class DoctorModule : public testing::Test {
protected:
    void put(const std::string& file, const std::string& text) const
    {
        fs::create_directories(fs::path(root_ + "/" + file).parent_path());
        write_text(root_ + "/" + file, text);
    }
    void secure_boot(char value) const { put(kSecureBoot, std::string("\6\0\0\0", 4) + value); }

    Finding examine(const std::string& signer) const
    {
        ModuleFacts module;
        module.release = "6.1.0-42-amd64";
        module.file = "/lib/modules/dm-ddsnap.ko";
        module.signer = signer;
        return check_module(module, read_signing_rules(root_, signer));
    }
    static bool has(const std::string& text, const std::string& part)
    {
        return text.find(part) != std::string::npos;
    }

    zumastor::test::ScratchFolder folder_;
    const std::string& root_ = folder_.path();
};

TEST_F(DoctorModule, AnyIsLoadedWhereNoSignatureIsWanted)
{
    EXPECT_EQ(examine("").verdict, Verdict::good); // a BIOS; securityfs not mounted
    secure_boot(0);
    put(kLockdown, "[none] integrity confidentiality\n");
    put("sys/module/module/parameters/sig_enforce", "N\n");
    EXPECT_EQ(examine("").verdict, Verdict::good);
    EXPECT_TRUE(has(examine("").what, "is loaded when the first volume starts"));
}

TEST_F(DoctorModule, SecureBootRefusesOneThatIsNotSigned)
{
    secure_boot(1);
    for (const char* lockdown : {"", "none [integrity] confidentiality\n"}) {
        put(kLockdown, lockdown);
        const Finding found = examine("");
        EXPECT_EQ(found.verdict, Verdict::fault);
        EXPECT_EQ(found.code, Exit::missing);
        EXPECT_TRUE(has(found.what,
                        "dm-ddsnap.ko is not signed, and Secure Boot is on: the kernel will not load it"));
        EXPECT_TRUE(has(found.next, "dkms build --force ddsnap/" ZUMASTOR_VERSION));
        EXPECT_TRUE(has(found.next, "mokutil --import /var/lib/dkms/mok.pub, reboot, and confirm the key"));
    }
}

TEST_F(DoctorModule, SecureBootRefusesAKeyThatIsNotEnrolled)
{
    secure_boot(1);
    put(kLockdown, "none [integrity] confidentiality\n");
    put(kKeys, kDebiansKey);
    const Finding found = examine(kSigner);
    EXPECT_EQ(found.verdict, Verdict::fault);
    EXPECT_TRUE(has(found.what, "signed by DKMS module signing key, whose key the kernel does not have"));
    EXPECT_EQ(found.next.rfind("mokutil --import /var/lib/dkms/mok.pub", 0), 0);
    EXPECT_FALSE(has(found.next, "dkms build"));
}

TEST_F(DoctorModule, AnEnrolledKeyIsTrusted)
{
    secure_boot(1);
    put(kLockdown, "none [integrity] confidentiality\n");
    put(kKeys, std::string(kDebiansKey) + kOurKey);
    EXPECT_EQ(examine(kSigner).verdict, Verdict::good);
    EXPECT_TRUE(has(examine(kSigner).what, "whose key the kernel trusts"));
    EXPECT_EQ(examine("module signing").verdict, Verdict::fault); // a part of its name is not its name
}

TEST_F(DoctorModule, KeysThatAreNotShownAreAWarning)
{
    secure_boot(1);
    put(kLockdown, "none [integrity] confidentiality\n");
    const Finding found = examine(kSigner);
    EXPECT_EQ(found.verdict, Verdict::warning);
    EXPECT_TRUE(has(found.next, "try: modprobe dm-ddsnap; if the key is rejected: mokutil --import"));
}

TEST_F(DoctorModule, ShimsValidationMayBeOff)
{
    secure_boot(1);
    put(kLockdown, "[none] integrity confidentiality\n");
    EXPECT_EQ(examine("").verdict, Verdict::good);
}

TEST_F(DoctorModule, ALockdownWithoutSecureBootEndsWithAReboot)
{
    for (const char* mode : {"integrity", "confidentiality"}) {
        put(kLockdown, mode == std::string("integrity") ? "none [integrity] confidentiality\n"
                                                        : "none integrity [confidentiality]\n");
        const Finding found = examine("");
        EXPECT_EQ(found.verdict, Verdict::fault);
        EXPECT_TRUE(has(found.what, "the kernel is locked down (" + std::string(mode) + ")"));
        EXPECT_TRUE(has(found.next, "reboot without lockdown="));
        EXPECT_FALSE(has(found.next, "mokutil"));
    }
}

TEST_F(DoctorModule, SignaturesMayBeEnforcedAlone)
{
    put(kLockdown, "[none] integrity confidentiality\n");
    put("sys/module/module/parameters/sig_enforce", "Y\n");
    const Finding found = examine("");
    EXPECT_EQ(found.verdict, Verdict::fault);
    EXPECT_TRUE(has(found.what, "(module.sig_enforce)"));
    EXPECT_TRUE(has(found.next, "module.sig_enforce on the kernel's command line"));
}

TEST_F(DoctorModule, OneThatIsNotThereIsBuiltWithTheHeaders)
{
    const std::string release = "6.1.0-42-amd64";
    ModuleFacts module;
    module.release = release;
    EXPECT_FALSE(has_headers(root_, release));
    EXPECT_TRUE(has(check_module(module, {}).next, "linux-headers-" + release));
    put("lib/modules/" + release + "/build/Makefile", "");
    module.headers = has_headers(root_, release);
    EXPECT_TRUE(module.headers);
    EXPECT_TRUE(has(check_module(module, {}).next, "dkms status ddsnap"));
    module.loaded = true;
    EXPECT_EQ(check_module(module, {}).verdict, Verdict::good);
}

constexpr const char* kFailedUnit = "ddsnapd@web\\x2d1.service";

std::optional<Finding> judge_shown(const std::string& shown)
{
    return check_unit(parse_unit(kFailedUnit, shown), "volume web-1", "zumastor start master web-1");
}

TEST(DoctorUnits, OneThatHasFailedIsAFaultWithItsRemedy)
{
    const auto found = judge_shown("LoadState=loaded\nActiveState=failed\nResult=exit-code\n"
                                   "StatusText=store /dev/a=b: no store\n");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->verdict, Verdict::fault);
    EXPECT_EQ(found->code, Exit::failed);
    EXPECT_EQ(found->subject, "volume web-1");
    EXPECT_EQ(found->what, std::string(kFailedUnit) + " has failed (exit-code): store /dev/a=b: no store");
    EXPECT_EQ(found->next, "see why: journalctl --unit='" + std::string(kFailedUnit) +
                               "'; then: systemctl reset-failed '" + kFailedUnit +
                               "'; zumastor start master web-1");
}

TEST(DoctorUnits, OneThatRunsOrRestsIsWell)
{
    EXPECT_FALSE(judge_shown("LoadState=loaded\nActiveState=active\nResult=success\nStatusText=\n"));
    EXPECT_FALSE(judge_shown("LoadState=loaded\nActiveState=inactive\nResult=success\nStatusText=\n"));
}

TEST(DoctorUnits, OneThatSystemdDoesNotStartIsToldOf)
{
    const auto masked = judge_shown("LoadState=masked\nActiveState=inactive\nResult=success\n");
    ASSERT_TRUE(masked);
    EXPECT_EQ(masked->verdict, Verdict::warning);
    EXPECT_EQ(masked->next, "systemctl unmask '" + std::string(kFailedUnit) + "'");
    const auto absent = judge_shown("LoadState=not-found\nActiveState=inactive\nResult=success\n");
    ASSERT_TRUE(absent);
    EXPECT_EQ(absent->verdict, Verdict::warning);
}

TEST(DoctorUnits, ATimerThatIsNotActiveIsAFault)
{
    const std::string timer = "zumastor-snapshot@web-hourly.timer";
    EXPECT_FALSE(check_timer(parse_unit(timer, "ActiveState=active\n"), "volume web"));
    const auto found = check_timer(parse_unit(timer, "ActiveState=inactive\n"), "volume web");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->verdict, Verdict::fault);
    EXPECT_EQ(found->next, "systemctl daemon-reload; systemctl start " + timer);
}

TEST_F(DoctorModule, AGeneratorThatIsMissingIsToldOf)
{
    EXPECT_EQ(examine_generator(root_).verdict, Verdict::warning);
    put("usr/lib/systemd/system-generators/zumastor-generator", "");
    EXPECT_EQ(examine_generator(root_).verdict, Verdict::good);
}

} // namespace
} // namespace zumastor
