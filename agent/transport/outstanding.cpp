#include "agent/transport/outstanding.h"

#include "common/base/error.h"
#include "proto/ingest.pb.h"

namespace holdfast::transport {
namespace {

constexpr std::size_t kMessageBytes = 1u << 20;

}  // namespace

Saying::Saying() : request_(std::make_unique<v1::BackupRequest>()) {}

Saying::~Saying() {
  while (!borrowed_.empty()) {
    request_->mutable_objects()->mutable_objects()->UnsafeArenaReleaseLast();
    borrowed_.pop_back();
  }
}

void Outstanding::Ask(const std::vector<ChunkId>& ids) {
  Bytes packed;
  packed.reserve(ids.size() * ChunkId::kSize);
  for (const ChunkId& id : ids) packed.append(id.view());
  question_ = std::move(packed);
  ++question_number_;
  question_said_ = false;
}

bool Outstanding::TakeAnswer(std::uint64_t number) {
  if (!question_ || number != question_number_) return false;
  question_.reset();
  return true;
}

bool Outstanding::HasRoomFor(std::size_t object_bytes) const {
  return objects_.empty() || object_bytes_ + object_bytes <= pipeline::kMaxUnstoredBytes;
}

void Outstanding::AddObject(Bytes object) {
  object_bytes_ += object.size();
  objects_.push_back(std::make_shared<Bytes>(std::move(object)));
}

absl::Status Outstanding::TakeStored(std::uint64_t objects) {
  if (objects < stored_on_stream_ || objects - stored_on_stream_ > said_) {
    return Error(ErrorKind::kIntegrity, 6005, "the controller acknowledged objects it never got");
  }
  for (; stored_on_stream_ < objects; ++stored_on_stream_, --said_) {
    object_bytes_ -= objects_.front()->size();
    objects_.pop_front();
  }
  return absl::OkStatus();
}

void Outstanding::Commit(const pipeline::CommitRequest& request) {
  commit_ = &request;
  commit_said_ = false;
  outcome_.reset();
}

void Outstanding::BeginStream() {
  envelope_said_ = question_said_ = commit_said_ = false;
  said_ = 0;
  stored_on_stream_ = 0;
}

bool Outstanding::Next(Saying* saying) {
  v1::BackupRequest* request = saying->request_.get();
  if (envelope_ && !envelope_said_) {
    request->mutable_envelope()->set_key_id(envelope_->first.bytes());
    request->mutable_envelope()->set_content(envelope_->second);
    return envelope_said_ = true;
  }
  if (question_ && !question_said_) {
    request->mutable_question()->set_number(question_number_);
    request->mutable_question()->set_chunk_ids(*question_);
    return question_said_ = true;
  }
  if (said_ < objects_.size()) {
    NextObjects(saying);
    return true;
  }
  if (commit_ != nullptr && !commit_said_ && !outcome_) {
    v1::Commit* message = request->mutable_commit();
    message->set_record(commit_->record);
    message->set_content_bytes(commit_->content_bytes);
    message->set_entry_count(commit_->entry_count);
    message->set_duration_ms(commit_->duration_ms);
    return commit_said_ = true;
  }
  return false;
}

void Outstanding::NextObjects(Saying* saying) {
  auto* message = saying->request_->mutable_objects()->mutable_objects();
  std::size_t bytes = 0;
  for (; said_ < objects_.size(); ++said_) {
    const std::shared_ptr<Bytes>& object = objects_[said_];
    if (bytes > 0 && bytes + object->size() > kMessageBytes) break;
    message->UnsafeArenaAddAllocated(object.get());
    saying->borrowed_.push_back(object);
    bytes += object->size();
  }
  sent_bytes_ += bytes;
}

bool Outstanding::ExpectsAnswer() const {
  return question_ || envelope_ || !objects_.empty() || (commit_ != nullptr && !outcome_);
}

}  // namespace holdfast::transport
