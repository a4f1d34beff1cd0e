// A store made by hand as controller and agent would leave it: owner, recovery key, operator key,
// one agent, its domain, and any number of snapshots sealed for them.
//
// Everything random comes from the seed. Nothing of the pipeline or the controller is used, so
// that readers are tested against the formats and not against the writers.
// Threading: one thread. Errors: a failed write aborts.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "common/env/file_system.h"
#include "common/format/object.h"
#include "common/format/pack.h"
#include "common/format/record.h"
#include "common/format/trust.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::test {

struct SealedFile {
  Entry entry;  // path, type and metadata; sizes, hash and slices are filled in
  Bytes content;
  std::optional<std::uint64_t> claimed_size = std::nullopt;  // a lie about the size, signed as well
};
SealedFile FileNamed(std::string path, Bytes content);
SealedFile DirectoryNamed(std::string path);

struct CommitOptions {
  std::size_t chunk_bytes = 1000;
  bool delta = false;      // against the chunk at the same place of the snapshot before
  bool open_pack = false;  // leave the objects in an open pack; needs a data directory
  bool partial = false;
  std::string kind = "files";
};

struct CommittedSnapshot {
  SourceId source;
  std::uint64_t seq = 0;
  Bytes record;
  std::string pack_path;          // absolute
  std::vector<PackEntry> pack;    // what this run stored
  std::vector<ChunkId> content;   // chunks of the files, in order
  std::vector<ChunkId> manifest;  // chunks of the manifest, in order
};

class SealedStore {
 public:
  // Writes store/ and staging/ below `data_directory`, and the trust documents.
  SealedStore(std::string data_directory, std::uint64_t seed);

  // Entries are sorted here. Chunks that were stored before are not stored again.
  CommittedSnapshot Commit(const std::string& source_name, std::vector<SealedFile> files,
                           const CommitOptions& options = {});

  const std::string& data_directory() const { return data_directory_; }
  std::string root() const;                          // the store itself
  std::string Path(const std::string& below) const;  // of the store, absolute
  const KeyPair& owner() const { return owner_; }
  const KeyPair& recovery_key() const { return recovery_key_; }
  const KeyPair& operator_key() const { return operator_key_; }
  const KeyPair& agent_recipient() const { return agent_recipient_; }
  const KeyPair& agent_signer() const { return agent_signer_; }
  const AgentIdentity& identity() const { return identity_; }
  const DomainSecrets& secrets() const { return secrets_; }
  SeededRng& rng() { return rng_; }
  // Seals `plaintext` with a key of its own run, whose envelope is stored.
  Bytes SealAlone(const ChunkId& id, ObjectType type, ByteView plaintext);
  // The same with `frame` in the place of compressed bytes, as a thief of the run key could do.
  Bytes ForgeAlone(const ChunkId& id, std::uint32_t plain_bytes, ByteView frame);

 private:
  struct Run;
  struct History {
    std::uint64_t seq = 0;
    Bytes record;
    std::set<ChunkId> references;
    std::map<std::string, std::vector<ChunkId>> chunks;  // of each file
  };

  void WriteTrust();
  Run BeginRun();
  ChunkId StoreChunk(Run& run, ObjectType type, ByteView plaintext, const ChunkId* base);
  void StoreContent(Run& run, SealedFile& file, const CommitOptions& options, const History& before,
                    CommittedSnapshot* committed);
  void WritePack(Run& run, const CommitOptions& options, CommittedSnapshot* committed);
  void WriteRecord(Run& run, const std::string& name, const std::vector<SealedFile>& files,
                   const CommitOptions& options, CommittedSnapshot* committed);

  const std::string data_directory_;
  SeededRng rng_;
  KeyPair owner_, recovery_key_, operator_key_, agent_recipient_, agent_signer_;
  std::vector<Recipient> recipients_;
  AgentIdentity identity_;
  DomainSecrets secrets_;
  std::map<ChunkId, Bytes> plaintexts_;  // of everything stored
  std::map<ChunkId, KeyId> run_of_;
  std::map<SourceId, History> history_;
  std::uint64_t open_packs_ = 0;
};

}  // namespace holdfast::test
