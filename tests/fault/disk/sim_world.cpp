#include "tests/fault/disk/sim_world.h"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "common/base/error.h"
#include "common/format/object.h"
#include "common/format/record.h"
#include "common/format/reference_list.h"
#include "common/log/log.h"
#include "controller/ingest/commit.h"
#include "controller/ingest/pack_writer.h"
#include "controller/ingest/recovered_packs.h"
#include "tests/support/staged_bytes.h"

namespace holdfast::test {
namespace {

constexpr int kSteps = 10;
constexpr std::size_t kGroupObjects = 3;  // synced and acknowledged together

absl::Status Tag(absl::Status status, const char* what) { return WithContext(status, what); }

}  // namespace

SimWorld::SimWorld(SimLies lies) : lies_(lies) {
  HOLDFAST_CHECK(log::Setup({"simulated", "off"}).ok());
  for (const char* name : {"staging", "catalog"}) {
    std::filesystem::create_directories(Path(name));
  }
  const HmacKey id_key(agent_.secrets.id_key.view());
  for (int i = 0; i < kChunks; ++i) {
    // A few lie across many sectors.
    plain_.push_back(agent_.rng.Draw(i % 6 == 0 ? 9000 : 150 + 37 * static_cast<std::size_t>(i)));
    ids_.push_back(ComputeChunkId(id_key, ObjectType::kContent, plain_.back()));
  }
  for (int i = 0; i < kSources; ++i) {
    sources_[static_cast<std::size_t>(i)].id = agent_.Source("source-" + std::to_string(i));
  }
  disk_ = std::make_unique<SimDisk>(directory_.path(), 1);
  fs_ = std::make_unique<SimFileSystem>(*disk_);
  rng_ = std::make_unique<SeededRng>(1);
  vfs_.Use(disk_.get());
  HOLDFAST_CHECK(Open().ok() && Enrol().ok());
  Close();
  enrolled_ = std::move(disk_);
}

void SimWorld::Tell(const std::string& what) const {
  if (tells) std::cerr << "step " << disk_->steps() << ": " << what << '\n';
}

bool SimWorld::Fail(const std::string& what) {
  Tell("WRONG: " + what);
  if (failure_.empty()) failure_ = what;
  return false;
}

bool SimWorld::Expect(const absl::Status& status, const std::string& what) {
  return status.ok() || Fail("unable to " + what + ": " + MessageOf(status));
}

absl::Status SimWorld::Open() {
  std::vector<store::RecoveredPack> recovered;
  ASSIGN_OR_RETURN(store_, store::Store::Open(env(), directory_.path(), &recovered, 2));
  ASSIGN_OR_RETURN(catalog_, catalog::Catalog::Open(env(), Path("catalog/catalog.db")));
  RETURN_IF_ERROR(ingest::AdoptRecoveredPacks(*catalog_, *store_, recovered));
  retention::CollectorOptions options;
  options.trash_time = absl::Hours(48);
  options.sweep_delay = absl::Hours(1);
  collector_ = std::make_unique<retention::Collector>(env(), *catalog_, *store_, options,
                                                      [](const SourceId&) { return false; });
  return absl::OkStatus();
}

void SimWorld::Close() {
  collector_.reset();
  catalog_.reset();
  store_.reset();
}

absl::Status SimWorld::Enrol() {
  RETURN_IF_ERROR(store_->PutOwner(agent_.owner.public_key));
  ASSIGN_OR_RETURN(const catalog::Installation installation, catalog_->GetInstallation());
  if (!installation.owner) {
    RETURN_IF_ERROR(catalog_->SetOwner(agent_.owner.public_key, agent_.Recipients(), 1));
  }
  const AgentId& id = agent_.identity.agent_id;
  if (!catalog_->GetAgent(id).ok()) {
    // The token of an attempt that was cut off may be there.
    catalog_->AddToken({id.bytes(), Sha256("secret"), "web-1", ~0ull >> 1}).IgnoreError();
    catalog::AgentRow row;
    row.id = id;
    row.name = "web-1";
    RETURN_IF_ERROR(catalog_->Enrol(id.bytes(), "secret", row, 1).status());
  }
  RETURN_IF_ERROR(catalog_->SetAgentDomain(id, agent_.secrets.domain));
  RETURN_IF_ERROR(store_->PutIdentity(agent_.secrets.domain, id, agent_.identity_document,
                                      agent_.secrets_document));
  std::vector<catalog::SourceRow> rows;
  for (const Source& source : sources_) {
    catalog::SourceRow source_row;
    source_row.id = source.id;
    source_row.agent = id;
    source_row.name = source.id.hex();
    source_row.kind = "files";
    rows.push_back(source_row);
  }
  RETURN_IF_ERROR(catalog_->SetSources(id, rows));
  for (const Source& source : sources_) {
    RETURN_IF_ERROR(
        collector_->SetPolicy(source.id, retention::ParsePolicy("last=1000").value(), "root"));
  }
  return absl::OkStatus();
}

void SimWorld::Reset(std::uint64_t seed) {
  Close();
  random_.seed(seed);
  clock_ = SetClock();
  rng_ = std::make_unique<SeededRng>(seed);
  disk_ = std::make_unique<SimDisk>(enrolled_->Copy(seed));
  disk_->lies = lies_;
  fs_ = std::make_unique<SimFileSystem>(*disk_);
  vfs_.Use(disk_.get());
  for (Source& source : sources_) {
    source.snapshots.clear();
    source.doubtful.clear();
    source.unsure = false;
  }
  objects_.assign(kChunks, {});
  stored_.clear();
  failure_.clear();
}

// An installation from nothing, cut off now and then.
bool SimWorld::BeginAnew() {
  disk_ = std::make_unique<SimDisk>(directory_.path(), random_());
  disk_->lies = lies_;
  fs_ = std::make_unique<SimFileSystem>(*disk_);
  vfs_.Use(disk_.get());
  for (int again = 0;; ++again) {
    if (again < 3) disk_->DieAt(static_cast<int>(Draw(150)));
    absl::Status status = Open();
    if (status.ok()) status = Enrol();
    if (!disk_->dead()) {
      disk_->NeverMind();
      return Expect(status, "begin");
    }
    Close();
    disk_->Restart(OneIn(2) ? SimDisk::End::kPowerCut : SimDisk::End::kKilled);
  }
}

std::string SimWorld::Run(std::uint64_t seed) {
  Reset(seed);
  if (!(OneIn(16) ? BeginAnew() : Expect(Open(), "open"))) return failure_;
  for (int i = 0; i < kSteps && failure_.empty(); ++i) Step();
  disk_->NeverMind();
  Check();
  LetGo();
  disk_steps += static_cast<std::uint64_t>(disk_->steps());
  Close();
  return failure_;
}

// Half of the steps go well. The others end, or fail once, at any step of the disk.
void SimWorld::Arm() {
  disk_->NeverMind();
  const std::uint64_t what = Draw(6);
  const int at = disk_->steps() + static_cast<int>(Draw(OneIn(3) ? 12 : 70));
  if (what < 2) disk_->DieAt(at);
  if (what == 2) disk_->FailAt(at);
}

void SimWorld::Step() {
  Arm();
  Source& source = sources_[Draw(kSources)];
  absl::Status status;
  const std::uint64_t what = Draw(10);
  Tell("action " + std::to_string(what));
  switch (what) {
    case 0:
    case 1:
    case 2:
    case 3:
      status = Backup(source);
      break;
    case 4:
      status = ForgetSome(source);
      break;
    case 5:
      status = UndeleteOne(source);
      break;
    case 6:
      status = Collect(absl::Hours(1));
      break;
    case 7:
    case 8:
      status = Collect(absl::Hours(49));
      break;
    case 9:
      Close();
      status = Open();
      break;
  }
  Tell(status.ok() ? "done" : MessageOf(status));
  if (!status.ok() && !disk_->dead() && !disk_->failed()) {
    Fail("a step failed on a disk that is well: " + MessageOf(status));
  }
  Settle();
}

void SimWorld::Settle() {
  // After a failed step the controller runs on, with what it noticed; now and then it is started
  // again.
  const bool runs = !disk_->dead() && collector_ != nullptr;
  if (runs && !(disk_->failed() && OneIn(2))) {
    if (OneIn(4)) Check();
    return;
  }
  for (int again = 0;; ++again) {
    if (disk_->dead() || again == 0) {
      Close();
      const bool power = OneIn(2);
      ++(power ? power_cuts : kills);
      failures += disk_->failed() ? 1 : 0;
      disk_steps += static_cast<std::uint64_t>(disk_->steps());
      Tell(power ? "power cut" : "killed");
      disk_->Restart(power ? SimDisk::End::kPowerCut : SimDisk::End::kKilled);
    }
    // It may die while it recovers, too.
    if (again < 2 && OneIn(4)) disk_->DieAt(static_cast<int>(Draw(40)));
    const absl::Status opened = Open();
    if (opened.ok()) break;
    if (!disk_->dead()) return static_cast<void>(Expect(opened, "open after a death"));
  }
  disk_->NeverMind();
  Check();
}

std::uint64_t SimWorld::Head(const Source& source) const {
  return source.snapshots.empty() ? 0 : source.snapshots.rbegin()->first;
}

SimWorld::ChunkSet SimWorld::ChooseChunks(const Source& source) {
  ChunkSet chunks;
  if (!source.snapshots.empty()) chunks = source.snapshots.rbegin()->second.chunks;
  for (std::uint64_t i = 0; i < 1 + Draw(6); ++i) chunks.insert(static_cast<int>(Draw(kChunks)));
  for (std::uint64_t i = 0; i < Draw(6) && chunks.size() > 1; ++i) {
    auto chunk = chunks.begin();
    std::advance(chunk, Draw(chunks.size()));
    chunks.erase(chunk);
  }
  return chunks;
}

// As an agent that comes back asks for the newest record.
absl::Status SimWorld::Resolve(Source& source) {
  if (!source.unsure) return absl::OkStatus();
  ASSIGN_OR_RETURN(const catalog::SourceRow row, catalog_->GetSource(source.id));
  source.unsure = false;
  const auto newest = std::prev(source.snapshots.end());
  if (row.head_seq == newest->first) {
    newest->second.states = kCommitted;
    return absl::OkStatus();
  }
  source.doubtful[RecordHash(newest->second.record)] = newest->second;
  source.snapshots.erase(newest);
  return absl::OkStatus();
}

absl::Status SimWorld::Backup(Source& source, Agent agent) {
  if (!store_->writable()) RETURN_IF_ERROR(store_->Probe());
  RETURN_IF_ERROR(Resolve(source));
  stored_.clear();
  const auto session = catalog_->collection().OpenSession();
  struct Closer {
    catalog::Catalog& catalog;
    std::uint64_t session;
    ~Closer() { catalog.collection().CloseSession(session); }
  } closer{*catalog_, session};
  const ChunkSet chunks = ChooseChunks(source);
  const KeyId key = rng_->DrawFixed<KeyId>();
  const SecretBytes run_key(rng_->Draw(32));
  RETURN_IF_ERROR(
      Tag(store_->PutEnvelope(agent_.secrets.domain, key, EnvelopeOf(key)), "envelope"));
  RETURN_IF_ERROR(Tag(Upload(chunks, key, run_key), "upload"));
  if (agent == Agent::kMayGo && OneIn(8)) return absl::OkStatus();
  if (agent == Agent::kMayGo && OneIn(8))
    RETURN_IF_ERROR(Tag(Collect(absl::Hours(3), Session::kOpen), "collect"));
  return Tag(Commit(source, chunks, key, run_key), "commit");
}

absl::Status SimWorld::Upload(const ChunkSet& wanted, const KeyId& key,
                              const SecretBytes& run_key) {
  ObjectSealer sealer({agent_.secrets.domain, key, run_key, 1}, *rng_);
  ingest::PackWriter writer(*catalog_, *store_, agent_.secrets.domain);
  std::vector<int> waiting;
  const auto flush = [&]() -> absl::Status {
    RETURN_IF_ERROR(writer.Flush());
    stored_.insert(waiting.begin(), waiting.end());
    waiting.clear();
    return absl::OkStatus();
  };
  for (const int chunk : wanted) {
    const auto index = static_cast<std::size_t>(chunk);
    ASSIGN_OR_RETURN(const auto found, catalog_->FindChunks(agent_.secrets.domain, {ids_[index]}));
    if (found.front().live) {
      stored_.insert(chunk);  // told that it is there, which is as good
      continue;
    }
    Bytes object;
    sealer.Seal(ObjectType::kContent, ids_[index], plain_[index], &object);
    objects_[index].insert(object);
    RETURN_IF_ERROR(writer.Append(ids_[index], object, {}));
    waiting.push_back(chunk);
    if (waiting.size() >= kGroupObjects) RETURN_IF_ERROR(flush());
  }
  RETURN_IF_ERROR(flush());
  return writer.Finish();
}

absl::Status SimWorld::Commit(Source& source, const ChunkSet& chunks, const KeyId& key,
                              const SecretBytes& run_key) {
  const std::uint64_t head = Head(source);
  ReferenceList list;
  list.full = head % 4 == 0;
  list.base_seq = list.full ? 0 : head;
  const auto before = head == 0 ? ChunkSet() : source.snapshots.rbegin()->second.chunks;
  for (const int chunk : chunks) {
    if (list.full || !before.contains(chunk)) {
      list.added.push_back(ids_[static_cast<std::size_t>(chunk)]);
    }
  }
  for (const int chunk : before) {
    if (!list.full && !chunks.contains(chunk)) {
      list.removed.push_back(ids_[static_cast<std::size_t>(chunk)]);
    }
  }
  std::sort(list.added.begin(), list.added.end());
  std::sort(list.removed.begin(), list.removed.end());
  const Bytes references = EncodeReferenceList(list);

  RecordClear clear;
  clear.domain = agent_.secrets.domain;
  clear.source = source.id;
  clear.seq = head + 1;
  if (head > 0) clear.previous = RecordHash(source.snapshots.rbegin()->second.record);
  clear.reference_list_hash = Sha256(references);
  clear.key_ids = {key};
  ASSIGN_OR_RETURN(const catalog::AgentRow agent, catalog_->GetAgent(agent_.identity.agent_id));
  ASSIGN_OR_RETURN(auto staged, StageBytes(*store_, references));
  const ingest::CommitInput input{agent,
                                  source.id,
                                  "run " + std::to_string(100'000'000'000 + ++runs_),
                                  SealRecord(clear, "facts", run_key, agent_.signing, *rng_),
                                  std::move(staged),
                                  1'000'000};
  source.snapshots[clear.seq] = {chunks, kCommitted | kGone, input.record};
  source.unsure = true;
  const auto result = ingest::CommitRun(env(), *catalog_, *store_, input);
  if (!result.ok()) return result.status();
  source.unsure = false;
  if (!result->missing.empty()) {
    source.snapshots.erase(clear.seq);
    for (const ChunkId& id : result->missing) {
      const auto chunk = std::find(ids_.begin(), ids_.end(), id) - ids_.begin();
      if (stored_.contains(static_cast<int>(chunk))) {
        Fail("LOST: a stored chunk is missing at the commit");
      }
    }
    return absl::OkStatus();
  }
  source.snapshots[clear.seq].states = kCommitted;
  ++commits;
  return absl::OkStatus();
}

absl::Status SimWorld::ForgetSome(Source& source) {
  std::vector<std::uint64_t> seqs;
  for (const auto& [seq, snapshot] : source.snapshots) {
    if (snapshot.states == kCommitted && seq + 1 < Head(source) && OneIn(2)) seqs.push_back(seq);
  }
  if (seqs.empty()) return absl::OkStatus();
  for (const std::uint64_t seq : seqs) source.snapshots[seq].states = kCommitted | kTrashed;
  RETURN_IF_ERROR(collector_->Forget(source.id, seqs, "root"));
  for (const std::uint64_t seq : seqs) source.snapshots[seq].states = kTrashed;
  return absl::OkStatus();
}

absl::Status SimWorld::UndeleteOne(Source& source) {
  for (auto& [seq, snapshot] : source.snapshots) {
    if (snapshot.states != kTrashed || !OneIn(2)) continue;
    snapshot.states = kCommitted | kTrashed;
    RETURN_IF_ERROR(catalog_->collection().Undelete(source.id, seq));
    snapshot.states = kCommitted;
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status SimWorld::Collect(absl::Duration later, Session session) {
  clock_.now += later;
  clock_.running += later;
  if (!store_->writable()) RETURN_IF_ERROR(store_->Probe());
  // What an open session was told of may not go.
  if (session == Session::kNone) stored_.clear();
  ++collections;
  for (Source& source : sources_) {
    for (auto& [seq, snapshot] : source.snapshots) {
      if ((snapshot.states & kTrashed) != 0) snapshot.states |= kGone;
    }
  }
  return collector_->Run(retention::Collector::Pace::kFast, {}).status();
}

}  // namespace holdfast::test
