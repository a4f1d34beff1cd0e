// Owners of the OpenSSL objects that more than one file of this folder uses.
//
// Threading: as std::unique_ptr.
#pragma once

#include <openssl/bio.h>

#include <memory>

namespace holdfast::rpc {

struct BioDelete {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Bio = std::unique_ptr<BIO, BioDelete>;

}  // namespace holdfast::rpc
