#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/daemon/agent_state.h"
#include "agent/daemon/dead_man.h"
#include "agent/delta/base_cache.h"
#include "agent/delta/base_chooser.h"
#include "agent/pipeline/previous_snapshot.h"
#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "tests/fuzz/targets.h"
#include "tests/support/seeded_rng.h"
#include "tests/support/set_clock.h"
#include "tests/support/temp_dir.h"

namespace holdfast::fuzz {
namespace {

// In memory where there is such a place: whatever is kept is synced.
struct Host {
  Host() : directory(std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp") {}
  void Write(const std::string& name, ByteView bytes) {
    const absl::Status written = env.fs.WriteAtomically(directory / name, bytes);
    HOLDFAST_CHECK(written.ok());
  }
  Bytes Read(const std::string& name) { return env.fs.ReadFile(directory / name).value(); }

  const test::TempDir directory;
  test::SetClock clock;
  test::SeededRng rng{1};
  const Env env{clock, rng, RealFileSystem()};
};

Bytes WithSum(ByteView body) { return Bytes(body) + Bytes(Sha256(body).view()); }

void LastSnapshot(ByteView body) {
  Host host;
  const std::string path = host.directory / "last";
  for (const Bytes& file : {Bytes(body), WithSum(body)}) {
    host.Write("last", file);
    pipeline::PreviousSnapshot loaded;
    if (!loaded.Load(host.env.fs, path)) {
      HOLDFAST_CHECK(loaded.head.seq == 0 && loaded.references.empty());
      HOLDFAST_CHECK(loaded.entry_count() == 0);
      continue;
    }
    HOLDFAST_CHECK(loaded.entry_count() * 8 + loaded.references.size() * ChunkId::kSize <
                   file.size());
    HOLDFAST_CHECK(std::is_sorted(loaded.references.begin(), loaded.references.end()));
    std::vector<pipeline::EncodedEntry> entries;
    bool named_as_kept = true;  // every entry by the path that it was kept for
    const absl::Status visited = loaded.ForEachEncoded([&](ByteView encoded) {
      const auto entry = DecodeEntry(encoded);
      named_as_kept = named_as_kept && entry.ok() && loaded.Find(entry->path).has_value() &&
                      (entries.empty() || ComparePaths(entries.back().path, entry->path) < 0);
      if (!entry.ok()) return absl::OkStatus();
      entries.push_back({entry->path, Bytes(encoded)});
      // What is reused for a path is what was kept for it.
      const auto found = loaded.Find(entry->path);
      HOLDFAST_CHECK(!found || found->path == entry->path);
      return absl::OkStatus();
    });
    HOLDFAST_CHECK(visited.ok());
    if (named_as_kept) {
      HOLDFAST_CHECK(
          pipeline::SaveSnapshotState(host.env.fs, path, loaded.head, loaded.references, entries)
              .ok());
      HOLDFAST_CHECK(host.Read("last") == file);
    }
    (void)loaded.Find("absent/path");
  }
}

// The record that the state is of stands behind its magic.
void Deltas(ByteView body) {
  Host host;
  const std::string path = host.directory / "delta";
  const Hash256 record =
      Hash256::From(body.substr(std::min<std::size_t>(8, body.size()), 32)).value_or(Hash256());
  host.Write("delta", WithSum(body));
  delta::DeltaState state;
  if (!state.Load(host.env.fs, path, record)) {
    HOLDFAST_CHECK(state.chunks().empty());
    return;
  }
  HOLDFAST_CHECK(!delta::DeltaState().Load(host.env.fs, path, Sha256("another record")));
  HOLDFAST_CHECK(state.Save(host.env.fs, path, record).ok());
  delta::DeltaState again;
  HOLDFAST_CHECK(again.Load(host.env.fs, path, record));
  HOLDFAST_CHECK(again.chunks().size() == state.chunks().size());

  const delta::BaseChooser chooser(state);
  delta::BaseChooser::Cursor cursor(chooser);
  const Bytes plaintext(8192, 'p');
  for (const delta::KnownChunk& chunk : state.chunks()) {
    HOLDFAST_CHECK(state.Find(chunk.id) != nullptr);
    const delta::BaseChoice known = cursor.Next(chunk.id, plaintext);
    const delta::BaseChoice choice = cursor.Next(*ChunkId::From(Bytes(32, 'n')), plaintext);
    for (const delta::BaseChoice& one : {known, choice}) {
      HOLDFAST_CHECK(one.bases.size() <= delta::kMaxBases);
      HOLDFAST_CHECK(one.bases.empty() || one.likely_base < one.bases.size());
      (void)delta::ShouldRebase(chunk.id, one);
    }
  }
}

// An index of the cache of bases, over two segments of which it may say anything.
void Bases(ByteView body) {
  Host host;
  constexpr std::size_t kSegmentBytes = 100;
  const auto open = [&] {
    return std::make_unique<delta::BaseCache>(
        delta::BaseCache::Options{host.env, host.directory.path(), 1 << 20});
  };
  host.Write("key", Bytes(32, 'k'));
  host.Write("00000001.bases", Bytes(kSegmentBytes, 'a'));
  host.Write("00000002.bases", Bytes(kSegmentBytes, 'b'));
  host.Write("index", WithSum(body));
  absl::flat_hash_set<ChunkId> ids;
  for (std::size_t at = 0; at + ChunkId::kSize <= std::min<std::size_t>(body.size(), 300); ++at) {
    ids.insert(*ChunkId::From(body.substr(at, ChunkId::kSize)));
  }
  const ChunkId own = *ChunkId::From(Bytes(32, 'o'));
  {
    const auto cache = open();
    for (const ChunkId& id : ids) {
      const auto object = cache->Read(id);
      HOLDFAST_CHECK(!object || object->size() <= kSegmentBytes);
    }
    cache->Drop(own);
    cache->Keep(own, "object");
    ids.insert(own);
    cache->Settle(ids);
    HOLDFAST_CHECK(cache->stored_bytes() <= 1 << 20);
  }
  const auto cache = open();
  const auto object = cache->Read(own);
  HOLDFAST_CHECK(!object || *object == "object");
  HOLDFAST_CHECK(cache->stored_bytes() <= 1 << 20);
}

class SilentChannel final : public notify::Channel {
 public:
  explicit SilentChannel(std::size_t& messages) : messages_(messages) {}
  const std::string& name() const override { return name_; }
  std::string_view kind() const override { return "fuzz"; }
  std::string target() const override { return ""; }
  notify::Delivery Deliver(const notify::Message& message, std::stop_token) override {
    HOLDFAST_CHECK(message.title.find('\n') == std::string::npos);
    ++messages_;
    return notify::Delivery::Done();
  }

 private:
  const std::string name_ = "ops";
  std::size_t& messages_;
};

void Alarm(ByteView body) {
  Host host;
  std::size_t messages = 0;
  const auto look = [&] {
    daemon::DeadManOptions options{host.env, {}, "web-1", host.directory / "alarm", true, {}};
    options.channels.push_back(std::make_unique<SilentChannel>(messages));
    daemon::DeadMan dead_man(std::move(options));
    dead_man.Look({});
  };
  host.Write("alarm", body);
  look();
  HOLDFAST_CHECK(messages <= 3);
  const auto kept = nlohmann::json::parse(host.Read("alarm"), nullptr, false);
  HOLDFAST_CHECK(kept.is_object());
  const auto now_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(host.clock.now));
  for (const auto& [matter, watch] : kept.items()) {
    HOLDFAST_CHECK(watch["last_ms"].get<std::uint64_t>() <= now_ms);
  }
  // What was told is told once, over restarts.
  messages = 0;
  look();
  HOLDFAST_CHECK(messages == 0);
}

void Identity(ByteView body) {
  Host host;
  for (const char* name : {"tls.key", "tls.pem", "ca.pem"}) host.Write(name, "PEM");
  for (const Bytes& file : {Bytes(body), WithSum(body)}) {
    host.Write("identity", file);
    auto state = daemon::LoadState(host.env.fs, host.directory.path());
    if (!state.ok()) {
      HOLDFAST_CHECK(KindOf(state.status()) == ErrorKind::kIntegrity ||
                     KindOf(state.status()) == ErrorKind::kPermission);
      continue;
    }
    const pipeline::AgentKeys& keys = state->keys;
    HOLDFAST_CHECK(keys.signing.public_key == keys.identity.signing_key);
    HOLDFAST_CHECK(keys.recipient.public_key == keys.identity.recipient_key);
    HOLDFAST_CHECK(keys.secrets.domain == keys.identity.domain);
    HOLDFAST_CHECK(keys.secrets.id_key.size() == 32 && keys.secrets.chunker_key.size() == 32);
    HOLDFAST_CHECK(daemon::SaveState(host.env.fs, *state).ok());
    HOLDFAST_CHECK(daemon::LoadState(host.env.fs, host.directory.path()).ok());
  }
}

}  // namespace

// The first byte says which file it is.
void State(ByteView input) {
  if (input.empty()) return;
  const ByteView body = input.substr(1);
  switch (input.front()) {
    case 'l':
      return LastSnapshot(body);
    case 'd':
      return Deltas(body);
    case 'b':
      return Bases(body);
    case 'a':
      return Alarm(body);
    default:
      return Identity(body);
  }
}

}  // namespace holdfast::fuzz
