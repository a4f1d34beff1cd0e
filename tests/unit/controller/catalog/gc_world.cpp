#include "tests/unit/controller/catalog/gc_world.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "fmt/format.h"
#include "tests/unit/controller/catalog/catalog_fixture.h"

namespace holdfast::catalog {
namespace {

constexpr std::uint64_t kObjectBytes = 100;
// One by one, so that they are prepared once.
constexpr const char* kEmpty[] = {
    "DELETE FROM snapshot", "DELETE FROM span",
    "DELETE FROM chunk",    "DELETE FROM cand",
    "DELETE FROM trash",    "DELETE FROM touched",
    "DELETE FROM pack",     "DELETE FROM delta",
    "DELETE FROM leftover", "UPDATE source SET head=0,max_seq=0,committing=0,configured=1"};

// Unlike IdOf no hash: there is one for every pack and run.
template <typename Fixed>
Fixed Numbered(std::uint64_t number) {
  Bytes bytes(Fixed::kSize, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
  return *Fixed::From(bytes);
}

}  // namespace

World::World(WorldOptions options) : options_(std::move(options)) {
  catalog_ = SqliteCatalog::OpenInMemory(RealEnv(), nullptr).value();
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    chunk_ids_.push_back(Chunk(static_cast<std::uint64_t>(chunk)));
    by_id_[chunk_ids_.back()] = chunk;
  }
  for (std::uint64_t source = 1; source <= kSources; ++source) {
    source_ids_.push_back(IdOf<SourceId>(source));
  }
  for (const std::uint64_t domain : {0, 1, 2}) domain_ids_.push_back(IdOf<DomainId>(domain));
  for (const std::uint64_t agent : {1, 2}) {
    const Bytes token = IdOf<AgentId>(1000 + agent).bytes();
    const std::string name = fmt::format("agent{}", agent);
    AgentRow row;
    row.id = IdOf<AgentId>(agent);
    row.name = name;
    EXPECT_TRUE(catalog_->AddToken({token, Sha256("secret"), name, 1000}).ok());
    EXPECT_TRUE(catalog_->Enrol(token, "secret", row, 1).ok());
    EXPECT_TRUE(catalog_->SetAgentDomain(row.id, domain_ids_[agent]).ok());
    EXPECT_TRUE(catalog_->AddOpenPack(domain_ids_[agent], ++numbers_).ok());
  }
  for (const int source : {0, 2}) ToggleSource(source), ToggleSource(source);
  for (int source = 0; source < kSources; ++source) {
    source_rows_[catalog_->GetSource(IdOfSource(source))->row] = source;
  }
  Statement domain = catalog_->connection().Prepare("SELECT row,id FROM domain").value();
  while (domain.Step().value()) {
    domains_[domain.Integer(0)] = domain.Id<DomainId>(1).value() == domain_ids_[1] ? 1 : 2;
  }
}

std::string World::Run(std::uint64_t seed) {
  random_.seed(seed);
  Reset();
  for (int source = 0; source < kSources; ++source) {
    Open(source);
    Upload(*sessions_.back());
    Commit(*sessions_.back());
  }
  for (int step = 0; step < options_.steps && failure_.empty(); ++step) {
    now_ += static_cast<std::uint64_t>(Draw(4));
    // Some calls die between two of their transactions.
    if (OneIn(6)) catalog_->switches().writes_left = Draw(5);
    Step();
    if (Dead()) Crash();
    catalog_->switches().writes_left = -1;
    Check();
    if (!failure_.empty()) return fmt::format("step {}: {}", step, failure_);
  }
  CheckNothingLeaks();
  return failure_;
}

void World::Reset() {
  failure_.clear();
  sessions_.clear();
  disk_.clear();
  staging_.clear();
  configured_.assign(kSources, true);
  heads_.assign(kSources, 0);
  for (auto& of_source : snapshots_) of_source.clear();
  auto connection = catalog_->TakeConnection();
  {
    Transaction transaction = Transaction::BeginWrite(*connection).value();
    for (const char* sql : kEmpty) Expect(connection->Run(sql), "empty the tables");
    Expect(transaction.Commit(), "empty the tables");
  }
  catalog_ = SqliteCatalog::OpenInMemory(RealEnv(), std::move(connection)).value();
  catalog_->switches() = options_.switches;
  catalog_->switches().commit_batch = 2;
  catalog_->switches().read_rows = 3;
  catalog_->switches().step_rows = 3;
  catalog_->switches().between_reads = [this] {
    if (OneIn(10)) CollectStep();
  };
  catalog_->switches().between_transactions = [this] {
    for (int i = Draw(4); i > 0; --i) CollectStep();
  };
}

void World::Expect(const absl::Status& status, const char* what) {
  if (!status.ok() && !Dead()) Fail(fmt::format("{}: {}", what, MessageOf(status)));
}

ChunkSet World::BasesOf(int chunk) {
  if (chunk == kChunks - 2) return {0};
  if (chunk == kChunks - 1) return {1, 2};
  return {};
}

int World::NumberOf(const ChunkId& id) const { return by_id_.at(id); }

World::Session* World::AnySession() {
  if (sessions_.empty()) return nullptr;
  return sessions_[static_cast<std::size_t>(Draw(static_cast<int>(sessions_.size())))].get();
}

std::optional<std::uint64_t> World::AnySnapshot(int source, Fate fate) {
  std::vector<std::uint64_t> seqs;
  for (const auto& [seq, snapshot] : snapshots_[static_cast<std::size_t>(source)]) {
    if (snapshot.fate == fate) seqs.push_back(seq);
  }
  if (seqs.empty()) return std::nullopt;
  return seqs[static_cast<std::size_t>(Draw(static_cast<int>(seqs.size())))];
}

void World::Step() {
  Session* session = AnySession();
  const int source = Draw(kSources);
  switch (Draw(14)) {
    case 0:
    case 1:
      return Open(source);
    case 2:
      return session ? Ask(*session) : Open(source);
    case 3:
    case 4:
      return session ? Upload(*session) : Open(source);
    case 5:
    case 6:
    case 7:
      return session ? Commit(*session) : Open(source);
    case 8:
      return session && OneIn(3) ? Close(*session) : ForgetOne(source);
    case 9:
      return OneIn(2) ? ForgetOne(source) : UndeleteOne(source);
    case 10:
      return Purge(source);
    case 11:
      return OneIn(6) ? ToggleSource(source) : Purge(source);
    case 12:
      return OneIn(6) ? Crash() : Repack();
    default:
      return CollectStep();
  }
}

void World::Open(int source) {
  const bool busy = std::any_of(sessions_.begin(), sessions_.end(),
                                [&](const auto& each) { return each->source == source; });
  if (busy) return;
  auto session = std::make_unique<Session>();
  session->id = catalog_->OpenSession();
  session->source = source;
  sessions_.push_back(std::move(session));
}

void World::Ask(Session& session) {
  std::vector<ChunkId> ids;
  for (const auto& [id, number] : by_id_) {
    if (OneIn(3)) ids.push_back(id);
  }
  const auto found = catalog_->FindChunks(IdOfDomain(session.source), ids);
  Expect(found.status(), "ask");
  if (!found.ok()) return;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!(*found)[i].live) continue;
    session.promised.insert(NumberOf(ids[i]));
    for (const ChunkId& base : (*found)[i].bases) session.promised.insert(NumberOf(base));
  }
}

void World::Upload(Session& session) {
  if (session.pack_row == 0) {
    session.open_number = ++numbers_;
    const auto row = catalog_->AddOpenPack(IdOfDomain(session.source), session.open_number);
    Expect(row.status(), "add a pack");
    if (!row.ok()) return;
    session.pack_row = *row;
    session.entries.clear();
  }
  std::vector<PackEntry> added;
  DeltaBases bases;
  ChunkSet stored;
  for (int i = 1 + Draw(4); i > 0; --i) {
    const int chunk = Draw(kChunks);
    if (!stored.insert(chunk).second) continue;
    const auto offset = 8 + (session.entries.size() + added.size()) * kObjectBytes;
    const ChunkId id = IdOfChunk(chunk);
    added.push_back({id, offset, kObjectBytes, 0});
    const ChunkSet wanted = BasesOf(chunk);
    const bool as_delta =
        !wanted.empty() && std::includes(session.promised.begin(), session.promised.end(),
                                         wanted.begin(), wanted.end());
    if (!as_delta) continue;
    for (const int base : wanted) bases[id].push_back(IdOfChunk(base));
  }
  // Durable before the catalog hears of it.
  session.entries.insert(session.entries.end(), added.begin(), added.end());
  staging_[session.open_number] = session.entries;
  const absl::Status status = catalog_->AddChunks(session.pack_row, added, bases);
  Expect(status, "add chunks");
  if (!status.ok()) return;
  session.promised.insert(stored.begin(), stored.end());
  if (OneIn(3)) FinishPack(session);
}

void World::FinishPack(Session& session) {
  if (session.pack_row == 0) return;
  const PackName name = Numbered<PackName>(session.open_number);
  for (const PackEntry& entry : session.entries) {
    disk_[name.bytes()].objects[entry.offset_bytes] = entry.id;
  }
  const absl::Status status = catalog_->FinishPack(session.pack_row, name, 8 + 100 * 10);
  Expect(status, "finish a pack");
  if (status.ok()) staging_.erase(session.open_number);
  session.pack_row = 0;
}

// What the snapshot shall hold. `sure`: all of it was promised, or is in the head's snapshot.
ChunkSet World::Choose(const Session& session, bool* sure) {
  const auto& of_source = snapshots_[static_cast<std::size_t>(session.source)];
  const auto head = of_source.find(heads_[static_cast<std::size_t>(session.source)]);
  ChunkSet known = session.promised;
  if (head != of_source.end() && head->second.fate != Fate::kPurging) {
    known.insert(head->second.chunks.begin(), head->second.chunks.end());
  }
  ChunkSet chosen;
  for (const int chunk : known) {
    if (!OneIn(3)) chosen.insert(chunk);
  }
  // An agent with an old memory: hints, which only the commit's check makes harmless.
  for (int i = OneIn(2) ? 1 + Draw(2) : 0; i > 0; --i) chosen.insert(Draw(kChunks));
  ChunkSet bases;
  for (const int chunk : chosen) bases.merge(BasesOf(chunk));
  chosen.merge(bases);
  *sure = std::includes(known.begin(), known.end(), chosen.begin(), chosen.end());
  return chosen;
}

void World::Commit(Session& session) {
  FinishPack(session);
  if (Dead()) return;
  const int source = session.source;
  auto& of_source = snapshots_[static_cast<std::size_t>(source)];
  std::uint64_t& head = heads_[static_cast<std::size_t>(source)];
  bool sure = false;
  const ChunkSet chosen = Choose(session, &sure);
  const auto before = of_source.find(head);
  const bool has_before = before != of_source.end() && before->second.fate != Fate::kPurging;
  SnapshotCommit commit;
  commit.source = IdOfSource(source);
  commit.run_id = Numbered<KeyId>(++numbers_).bytes();
  commit.seq = head + 1;
  commit.full = !has_before || OneIn(3);
  std::vector<ChunkId> added;
  std::vector<ChunkId> removed;
  for (const int chunk : chosen) {
    const bool old = !commit.full && before->second.chunks.contains(chunk);
    if (!old) added.push_back(IdOfChunk(chunk));
  }
  if (!commit.full) {
    for (const int chunk : before->second.chunks) {
      if (!chosen.contains(chunk)) {
        removed.push_back(IdOfChunk(chunk));
      }
    }
  }
  std::sort(added.begin(), added.end());
  std::sort(removed.begin(), removed.end());
  commit.added = std::move(added);
  commit.removed = std::move(removed);
  if (OneIn(6)) catalog_->switches().writes_left = 1 + Draw(5);
  const auto result = catalog_->CommitSnapshot(commit, now_);
  const bool done = result.ok() && result->missing.empty();
  // It may have died after its last transaction, or before.
  const bool there = catalog_->GetSnapshot(IdOfSource(source), commit.seq).ok();
  if (done && !there) Fail("a commit was confirmed and is not there");
  if (!there) {
    ++refused;
    if (sure && result.ok()) Fail("chunks that were promised are missing at commit");
    if (!result.ok()) Expect(result.status(), "commit");
    return;
  }
  ++commits;
  of_source[commit.seq] = {chosen, Fate::kKept};
  head = commit.seq;
}

void World::Close(Session& session) {
  FinishPack(session);
  catalog_->CloseSession(session.id);
  std::erase_if(sessions_, [&](const auto& each) { return each.get() == &session; });
}

void World::ForgetOne(int source) {
  const auto seq = AnySnapshot(source, Fate::kKept);
  if (!seq) return;
  const absl::Status status =
      catalog_->Forget(IdOfSource(source), {*seq}, now_ + static_cast<std::uint64_t>(Draw(8)));
  const bool newest = *seq == heads_[static_cast<std::size_t>(source)];
  if (newest && configured_[static_cast<std::size_t>(source)]) {
    if (status.ok()) Fail("the newest snapshot was forgotten");
    return;
  }
  Expect(status, "forget");
  if (status.ok()) snapshots_[static_cast<std::size_t>(source)][*seq].fate = Fate::kTrashed;
}

void World::UndeleteOne(int source) {
  const auto seq = AnySnapshot(source, Fate::kTrashed);
  if (!seq) return;
  const absl::Status status = catalog_->Undelete(IdOfSource(source), *seq);
  Expect(status, "undelete");
  if (status.ok()) snapshots_[static_cast<std::size_t>(source)][*seq].fate = Fate::kKept;
}

void World::Purge(int source) {
  auto& of_source = snapshots_[static_cast<std::size_t>(source)];
  auto seq = AnySnapshot(source, Fate::kPurging);
  if (!seq || OneIn(2)) {
    const auto trashed = AnySnapshot(source, Fate::kTrashed);
    if (trashed) seq = trashed;
  }
  if (!seq) return ForgetOne(source);  // something to purge later
  for (int i = 1 + Draw(4); i > 0; --i) {
    const auto step = catalog_->PurgeStep(IdOfSource(source), *seq, now_);
    Expect(step.status(), "purge");
    if (!step.ok()) return;
    if (step->more) {
      of_source[*seq].fate = Fate::kPurging;
      continue;
    }
    if (of_source[*seq].fate != Fate::kPurging) return;  // not due, or the newest
    of_source.erase(*seq);
    ++purges;
    return;
  }
}

// Also in the middle of commits.
void World::CollectStep() {
  if (Dead()) return;
  switch (Draw(options_.switches.purge_waits_for_commits ? 5 : 6)) {
    case 0:
      return Condemn();
    case 1:
    case 2:
      return Sweep(static_cast<std::uint64_t>(Draw(3)));
    case 3:
      return RetireAny();
    case 4:
      return Unlink();
    default:
      return Purge(Draw(kSources));
  }
}

void World::Condemn() { Expect(catalog_->CondemnStep(now_).status(), "condemn"); }

void World::Sweep(std::uint64_t age) {
  const auto step = catalog_->SweepStep(now_ - age);
  Expect(step.status(), "sweep");
  if (step.ok()) sweeps += step->rows;
}

// By stale knowledge: any pack at all.
void World::RetireAny() {
  if (disk_.empty()) return;
  const auto packs = catalog_->WeighTouchedPacks();
  Expect(packs.status(), "weigh");
  if (!packs.ok() || packs->empty()) return;
  const PackWeight& pack =
      (*packs)[static_cast<std::size_t>(Draw(static_cast<int>(packs->size())))];
  if (options_.unlink_before_commit) disk_.erase(pack.name.bytes());
  if (OneIn(2) && pack.live_bytes > 0) {
    Expect(catalog_->SetWeighed({pack}), "note a weight");
  } else {
    Expect(catalog_->RetirePack(pack.pack_row).status(), "retire");
  }
}

void World::Unlink() {
  const auto packs = catalog_->ListRetiredPacks();
  Expect(packs.status(), "list retired packs");
  if (!packs.ok()) return;
  for (const PackWeight& pack : *packs) {
    disk_.erase(pack.name.bytes());
    if (OneIn(2)) Expect(catalog_->ForgetRetiredPack(pack.pack_row), "forget a pack");
  }
}

// As Repacker does it, cut off anywhere, with sweeps in between.
void World::Repack() {
  const auto packs = catalog_->WeighTouchedPacks();
  Expect(packs.status(), "weigh");
  if (!packs.ok() || packs->empty()) return;
  const PackWeight from = (*packs)[static_cast<std::size_t>(Draw(static_cast<int>(packs->size())))];
  const auto chunks = catalog_->ChunksIn(from.pack_row);
  Expect(chunks.status(), "read a pack's chunks");
  if (!chunks.ok() || chunks->empty()) return;
  const std::uint64_t number = ++numbers_;
  const auto row = catalog_->AddOpenPack(from.domain, number);
  Expect(row.status(), "add a pack");
  if (!row.ok()) return;
  const PackName name = Numbered<PackName>(number);
  std::vector<MovedObject> moved;
  for (const PackEntry& entry : *chunks) {
    PackEntry to = entry;
    to.offset_bytes = 8 + moved.size() * kObjectBytes;
    moved.push_back({entry.id, entry.offset_bytes, to});
    disk_[name.bytes()].objects[to.offset_bytes] = entry.id;
  }
  if (OneIn(2)) CollectStep();
  const absl::Status finished = catalog_->FinishPack(*row, name, 8 + 100 * moved.size());
  Expect(finished, "finish a pack");
  if (!finished.ok()) return;
  if (OneIn(2)) CollectStep();
  const absl::Status done = catalog_->MoveChunks(from.pack_row, *row, moved).status();
  if (CodeOf(done) == 5073) return;  // retired meanwhile, being empty
  Expect(done, "move chunks");
  if (OneIn(2)) CollectStep();
  Expect(catalog_->RetirePack(from.pack_row).status(), "retire");
  ++repacks;
}

void World::ToggleSource(int source) {
  const std::uint64_t agent = static_cast<std::uint64_t>(DomainOf(source));
  auto wanted = configured_;
  wanted[static_cast<std::size_t>(source)] = !wanted[static_cast<std::size_t>(source)];
  std::vector<SourceRow> rows;
  for (int each = 0; each < kSources; ++each) {
    if (DomainOf(each) != DomainOf(source) || !wanted[static_cast<std::size_t>(each)]) continue;
    SourceRow row;
    row.id = IdOfSource(each);
    row.name = fmt::format("source{}", each);
    row.kind = "files";
    rows.push_back(row);
  }
  const absl::Status status = catalog_->SetSources(IdOf<AgentId>(agent), rows);
  Expect(status, "set sources");
  if (status.ok()) configured_ = wanted;
}

void World::Crash() {
  ++crashes;
  catalog_->switches().writes_left = -1;
  const Switches switches = catalog_->switches();
  catalog_ = SqliteCatalog::OpenInMemory(RealEnv(), catalog_->TakeConnection()).value();
  catalog_->switches() = switches;
  sessions_.clear();
  // The store finishes what was open; the catalog adopts it.
  for (const auto& [number, entries] : std::exchange(staging_, {})) {
    const auto row = catalog_->FindOpenPack(number);
    Expect(row.status(), "find an open pack");
    const PackName name = Numbered<PackName>(number);
    for (const PackEntry& entry : entries) {
      disk_[name.bytes()].objects[entry.offset_bytes] = entry.id;
    }
    if (row.ok() && *row) Expect(catalog_->FinishPack(**row, name, 1008), "adopt a pack");
  }
}

}  // namespace holdfast::catalog
