#include "controller/daemon/data_directory.h"

#include "common/base/error.h"
#include "common/format/layout.h"
#include "common/rpc/tls.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

constexpr std::uint64_t kOwnerLimitBytes = 4096;

std::string OwnerPath(const std::string& data_directory) {
  return JoinPath(JoinPath(data_directory, layout::kStoreBelowData), layout::kOwner);
}

}  // namespace

Bytes IdentityController(FileSystem& fs, const std::string& data_directory) {
  const auto pem = fs.ReadFile(JoinPath(data_directory, "identity/server.pem"));
  if (!pem.ok()) return {};
  const auto facts = rpc::ReadCertificate(*pem);
  if (!facts.ok()) return {};
  const auto uri = rpc::ParseUri(facts->uri);
  return uri ? uri->controller_id : Bytes();
}

absl::Status CheckCatalogIsThere(FileSystem& fs, const std::string& data_directory) {
  const std::string catalog = JoinPath(data_directory, "catalog/catalog.db");
  const absl::Status owner = fs.ReadFile(OwnerPath(data_directory), kOwnerLimitBytes).status();
  if (absl::IsNotFound(owner)) return absl::OkStatus();
  RETURN_IF_ERROR(owner);
  if (fs.Exists(catalog)) {
    // An empty file would silently become a new catalog without a snapshot.
    ASSIGN_OR_RETURN(const auto file, fs.OpenRead(catalog));
    ASSIGN_OR_RETURN(const std::uint64_t size, file->Size());
    if (size > 0) return absl::OkStatus();
  }
  return Error(ErrorKind::kIntegrity, 5070,
               fmt::format("unable to start: the store has an owner, and its catalog '{}' is not "
                           "there or empty",
                           Escaped(catalog)),
               "Put the catalog back, or make it anew from the store: holdfast-controller "
               "rebuild-catalog (with the same --config).");
}

absl::Status CheckBelongsTogether(FileSystem& fs, const std::string& data_directory,
                                  const catalog::Installation& installation) {
  // Without an owner in the catalog an initialisation may have ended between the two.
  if (installation.owner) {
    const auto owner = fs.ReadFile(OwnerPath(data_directory), kOwnerLimitBytes);
    const bool there = !absl::IsNotFound(owner.status());
    if (there) RETURN_IF_ERROR(owner.status());
    if (!there || *owner != installation.owner->view()) {
      return Error(ErrorKind::kConflict, 5077,
                   fmt::format("unable to start: the store in '{}' {} the catalog beside it",
                               Escaped(data_directory),
                               there ? "belongs to another owner than" : "is not that of"),
                   "Is the right volume mounted there? A catalog is made anew from a store by "
                   "holdfast-controller rebuild-catalog.");
    }
  }
  const Bytes identity = IdentityController(fs, data_directory);
  if (identity.empty() || identity == installation.controller_id) return absl::OkStatus();
  return Error(ErrorKind::kConflict, 5078,
               fmt::format("unable to start: the keys in '{}' are those of controller {}, the "
                           "catalog is that of controller {}",
                           Escaped(JoinPath(data_directory, "identity")), ToHex(identity),
                           ToHex(installation.controller_id)),
               "Put back the directory 'identity' that belongs to this catalog.");
}

}  // namespace holdfast::daemon
