// A small store of format version 1 with every stored document and codec, the same in each run.
//
// Two snapshots of one source "uploads": the second changes a table (a delta chunk), adds a file
// and removes one; so there are two run keys, a full reference list and a difference. The bytes
// depend on nothing but this code and, inside compressed objects, on the version of zstd.
#pragma once

#include <map>
#include <string>

#include "common/format/trust.h"

namespace holdfast::test {

struct GoldenStore {
  std::map<std::string, Bytes> files;  // by path below the store
  KeyPair owner;
  KeyPair recovery;  // X25519
  SourceId source;
  // Content by path, per snapshot [0] and [1]; sparse files by their extents.
  std::map<std::string, Bytes> content[2];
};

GoldenStore MakeGoldenStore();

}  // namespace holdfast::test
