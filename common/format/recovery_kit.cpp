#include "common/format/recovery_kit.h"

#include <algorithm>
#include <array>
#include <optional>

#include "common/base/error.h"
#include "common/format/wire.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr std::string_view kPublicPrefix = "hf-pub1-";
constexpr std::string_view kAuthorityPrefix = "hf-caf1-";
constexpr std::string_view kControllerPrefix = "hf-ctl1-";
constexpr std::string_view kCheckPrefix = "hf-kit1-";
constexpr std::array kPrefixes = {kRecoveryKeyPrefix, kOwnerKeyPrefix,   kPublicPrefix,
                                  kAuthorityPrefix,   kControllerPrefix, kCheckPrefix};
constexpr std::string_view kAddressLabel = "controller address:";
constexpr std::size_t kMaxKitBytes = 64 * 1024;
constexpr std::size_t kGroupsPerLine = 6;

constexpr std::string_view kInstructions = R"(HOLDFAST RECOVERY KIT

Whoever holds this page can read every backup and rule this installation.
Keep it printed, in a safe place, away from the backups and the servers.


WHEN THE CONTROLLER IS GONE BUT ITS STORE (OR A COPY) IS THERE

 1. Install Holdfast on a machine with enough room.
 2. Save this page as a file, or type it in: case and spaces do not matter.
 3. See what is there:
      holdfast-agent recover --kit FILE --store DIR
    DIR is the store directory, or the controller's data directory.
 4. Bring it back, source by source:
      holdfast-agent recover --kit FILE --store DIR --help
    shows the exact commands for files, PostgreSQL and Redis.

WHEN A SERVER IS GONE BUT THE CONTROLLER IS THERE

    On the new server, with this page (ADDRESS is the controller's enrolment
    host:port):
      holdfast-agent recover --kit FILE --controller ADDRESS --list
      holdfast-agent recover --help

WHEN SOMEONE MAY HAVE SEEN THIS PAGE

    Old backups stay readable with it. Make a new installation and new
    backups, then destroy the old store.


)";

absl::Status Refused(std::string_view cause) {
  return Error(ErrorKind::kUsage, 4110, fmt::format("unable to read the recovery kit: {}", cause),
               "Compare that place with the printed page, group by group.");
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string Lowered(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = Lower(c);
  return result;
}

std::string WithoutSpace(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') result.push_back(c);
  }
  return result;
}

// Over everything, the address included, which has no checksum of its own.
Bytes CheckOf(const RecoveryKit& kit) {
  Writer writer;
  writer.Raw(kit.owner_public.view());
  writer.Field(kit.owner_seed.view());
  writer.Field(kit.recovery_secret.view());
  writer.Field(Lowered(WithoutSpace(kit.enrollment_address)));
  writer.Raw(kit.ca_fingerprint.view());
  writer.Field(kit.controller_id);
  const SecretBytes body = SecretBytes::Take(writer.Take());
  return Bytes(Sha256(body.view()).view().substr(0, 5));
}

void AppendKey(std::string_view label, std::string_view prefix, ByteView bytes, std::string* page) {
  *page += fmt::format("{}:\n", label);
  const std::vector<std::string> groups = KeyTextGroups(prefix, EncodeKeyText(prefix, bytes));
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i == 0) {
      *page += fmt::format("    {}", prefix);
    } else if (i % kGroupsPerLine == 0) {
      *page += "\n            ";  // below the first group
    } else {
      *page += "-";
    }
    *page += groups[i];
  }
  *page += "\n\n";
}

// One key of the page: from its prefix to the next empty line, label or prefix.
struct Found {
  std::string_view text;
  int line = 0;
};

class Page {
 public:
  explicit Page(std::string_view text) : text_(text), lowered_(Lowered(text)) {}

  int LineOf(std::size_t offset) const {
    return 1 + static_cast<int>(std::count(text_.begin(), text_.begin() + offset, '\n'));
  }

  absl::StatusOr<Found> Key(std::string_view label, std::string_view prefix) const {
    const std::size_t begin = lowered_.find(prefix);
    if (begin == std::string::npos) {
      return Refused(fmt::format("the {} is missing: no line begins with '{}'", label, prefix));
    }
    if (const std::size_t again = lowered_.find(prefix, begin + 1); again != std::string::npos) {
      return Refused(fmt::format("line {} holds a second {}", LineOf(again), label));
    }
    std::size_t end = text_.find_first_of(":", begin);  // the next label
    if (end == std::string::npos) end = text_.size();
    // Whole prefixes: a group of symbols may well end in "HF".
    for (const std::string_view other : kPrefixes) {
      end = std::min(end, lowered_.find(other, begin + prefix.size()));
    }
    // A label's own words stand on the line of its colon: cut back to the end of the line before.
    if (end < text_.size() && text_[end] == ':') {
      const std::size_t newline = text_.rfind('\n', end);
      if (newline != std::string_view::npos && newline > begin) end = newline;
    }
    return Found{text_.substr(begin, end - begin), LineOf(begin)};
  }

  absl::StatusOr<SecretBytes> Decoded(std::string_view label, std::string_view prefix,
                                      std::size_t size) const {
    ASSIGN_OR_RETURN(const Found found, Key(label, prefix));
    auto decoded = DecodeKeyText(prefix, found.text);
    if (!decoded.ok()) {
      return Refused(
          fmt::format("line {}: {} ({})", found.line, MessageOf(decoded.status()), label));
    }
    if (size != 0 && decoded->size() != size) {
      return Refused(fmt::format("line {}: the {} has the wrong length", found.line, label));
    }
    return decoded;
  }

  absl::StatusOr<Found> Address() const {
    const std::size_t begin = lowered_.find(kAddressLabel);
    if (begin == std::string::npos) {
      return Refused(fmt::format("the line '{}' is missing", kAddressLabel));
    }
    const std::size_t value = begin + kAddressLabel.size();
    const std::size_t end = std::min(text_.find('\n', value), text_.size());
    return Found{text_.substr(value, end - value), LineOf(begin)};
  }

 private:
  std::string_view text_;
  std::string lowered_;
};

}  // namespace

std::string RenderRecoveryKit(const RecoveryKit& kit) {
  std::string page(kInstructions);
  page += "KEYS\n\n";
  AppendKey("Recovery key (opens the backups)", kRecoveryKeyPrefix, kit.recovery_secret.view(),
            &page);
  AppendKey("Owner key (signs who may read and who may join)", kOwnerKeyPrefix,
            kit.owner_seed.view(), &page);
  AppendKey("Owner's public key", kPublicPrefix, kit.owner_public.view(), &page);
  AppendKey("Fingerprint of the controller's authority", kAuthorityPrefix,
            kit.ca_fingerprint.view(), &page);
  AppendKey("Controller id", kControllerPrefix, kit.controller_id, &page);
  page += fmt::format("Controller address: {}\n\n", Escaped(kit.enrollment_address));
  AppendKey("Check of this page", kCheckPrefix, CheckOf(kit), &page);
  page.pop_back();
  return page;
}

absl::StatusOr<RecoveryKit> ParseRecoveryKit(std::string_view text) {
  if (text.size() > kMaxKitBytes) return Refused("it is too long to be one");
  const Page page(text);
  RecoveryKit kit;
  ASSIGN_OR_RETURN(kit.recovery_secret, page.Decoded("recovery key", kRecoveryKeyPrefix, 32));
  ASSIGN_OR_RETURN(kit.owner_seed, page.Decoded("owner key", kOwnerKeyPrefix, 32));
  ASSIGN_OR_RETURN(const SecretBytes owner,
                   page.Decoded("owner's public key", kPublicPrefix, PublicKey::kSize));
  ASSIGN_OR_RETURN(const SecretBytes authority,
                   page.Decoded("fingerprint", kAuthorityPrefix, Hash256::kSize));
  ASSIGN_OR_RETURN(const SecretBytes controller,
                   page.Decoded("controller id", kControllerPrefix, 0));
  ASSIGN_OR_RETURN(const SecretBytes check, page.Decoded("check", kCheckPrefix, 0));
  ASSIGN_OR_RETURN(const Found address, page.Address());
  kit.owner_public = *PublicKey::From(owner.view());
  kit.ca_fingerprint = *Hash256::From(authority.view());
  kit.controller_id = Bytes(controller.view());
  kit.enrollment_address = Lowered(WithoutSpace(address.text));
  if (Ed25519FromSeed(kit.owner_seed).public_key != kit.owner_public) {
    return Refused("its owner key and its owner's public key are of different installations");
  }
  if (check.view() != CheckOf(kit)) {
    return Refused(
        fmt::format("line {}: the controller address is mistyped, or parts of two kits are mixed",
                    address.line));
  }
  return kit;
}

}  // namespace holdfast
