// Goal: an enrolled agent that does not keep to the rules gets an error that says so, harms no
// other source, and leaves the controller working (fault rows 16, 19, 31, 51, 52,
// 54).
#include <google/protobuf/unknown_field_set.h>

#include <atomic>
#include <thread>

#include "common/format/reference_list.h"
#include "tests/unit/controller/ingest/ingest_fixture.h"

namespace holdfast::ingest {
namespace {

class HostileAgentTest : public IngestTest {
 protected:
  void TearDown() override {
    // Whatever was tried: the next honest backup works and restores.
    const auto report = Run();
    ASSERT_TRUE(report.ok()) << report.status();
    ExpectRestores(report->seq, source_.files);
  }
  std::unique_ptr<RawStream> Opened() {
    auto stream = std::make_unique<RawStream>(controller_.Connect(identity_));
    EXPECT_TRUE(stream->Open(agent_.Source("other"), NewRunId()));
    return stream;
  }
  // Commits by hand what `alter` made of a record that would be right.
  absl::Status Commit(std::function<void(RecordClear*, ReferenceList*)> alter,
                      const KeyPair* signer = nullptr, bool with_envelope = true) {
    const auto stream = Opened();
    const SecretBytes run_key(Bytes(32, 'k'));
    if (with_envelope) {
      v1::BackupRequest envelope;
      envelope.mutable_envelope()->set_key_id(key_id_.bytes());
      envelope.mutable_envelope()->set_content("envelope");
      EXPECT_TRUE(stream->Write(envelope));
    }
    EXPECT_TRUE(stream->SendObjects({SealedObject("content")}));
    ReferenceList list;
    list.added = {IdOf("content")};
    RecordClear clear;
    clear.domain = agent_.secrets.domain;
    clear.source = agent_.Source("other");
    clear.seq = 1;
    clear.key_ids = {key_id_};
    alter(&clear, &list);
    const Bytes encoded = EncodeReferenceList(list);
    if (clear.reference_list_hash.IsZero()) clear.reference_list_hash = Sha256(encoded);
    v1::BackupRequest request;
    request.mutable_reference_part()->set_content(encoded);
    EXPECT_TRUE(stream->Write(request));
    request.mutable_commit()->set_record(SealRecord(
        clear, "facts", run_key, signer != nullptr ? *signer : agent_.signing, agent_.rng));
    EXPECT_TRUE(stream->Write(request));
    return stream->End();
  }
  Bytes DeltaOf(const Bytes& plaintext, const Bytes& from) {
    ObjectSealer sealer({agent_.secrets.domain, key_id_, SecretBytes(Bytes(32, 'k')), 1},
                        agent_.rng);
    Bytes object;
    sealer.SealDelta(ObjectType::kContent, IdOf(plaintext), plaintext, {{IdOf(from), from}},
                     &object);
    return object;
  }
  std::uint64_t HeadOfOther() {
    return controller_.catalog().GetSource(agent_.Source("other"))->head_seq;
  }
};

TEST_F(HostileAgentTest, ACommitNeedsAReferenceList) {
  const auto stream = Opened();
  v1::BackupRequest request;
  request.mutable_commit()->set_record("record");
  EXPECT_TRUE(stream->Write(request));
  EXPECT_EQ(CodeOf(stream->End()), 5034);
  EXPECT_EQ(HeadOfOther(), 0u);
}

TEST_F(HostileAgentTest, AnotherProtocolVersionIsToldBothVersions) {
  for (const std::uint32_t version : {0u, 2u, 4000000000u}) {
    RawStream stream(controller_.Connect(identity_));
    EXPECT_FALSE(stream.Open(agent_.Source("other"), NewRunId(), version));
    const absl::Status status = stream.End();
    EXPECT_EQ(CodeOf(status), 6030) << status;
    EXPECT_EQ(stream.code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_NE(MessageOf(status).find("protocol " + std::to_string(version)), std::string::npos);
    EXPECT_NE(MessageOf(status).find("controller 1"), std::string::npos) << status;
  }
}

TEST_F(HostileAgentTest, TheFirstMessageMustOpenOwnSource) {
  RawStream eager(controller_.Connect(identity_));
  EXPECT_TRUE(eager.Ask(Bytes(32, 'x')));
  EXPECT_EQ(CodeOf(eager.End()), 5034);

  RawStream no_run(controller_.Connect(identity_));
  EXPECT_FALSE(no_run.Open(agent_.Source("other"), "short"));
  EXPECT_EQ(CodeOf(no_run.End()), 5034);

  // A source of nobody and a source of another agent look alike.
  test::AgentDomain stranger(92, "web-2");
  controller_.Enrol(stranger, {"theirs"});
  std::vector<std::string> answers;
  for (const SourceId& source : {stranger.Source("theirs"), stranger.Source("nobody's")}) {
    RawStream foreign(controller_.Connect(identity_));
    EXPECT_FALSE(foreign.Open(source, NewRunId()));
    const absl::Status status = foreign.End();
    EXPECT_EQ(KindOf(status), ErrorKind::kNotFound);
    answers.push_back(MessageOf(status) + HintOf(status) + std::to_string(CodeOf(status)));
  }
  EXPECT_EQ(answers[0], answers[1]) << "tells which sources exist";
}

TEST_F(HostileAgentTest, OneSessionPerSource) {
  const auto first = Opened();
  RawStream second(controller_.Connect(identity_));
  EXPECT_FALSE(second.Open(agent_.Source("other"), NewRunId()));
  const absl::Status status = second.End();
  EXPECT_EQ(KindOf(status), ErrorKind::kConflict) << status;
  EXPECT_EQ(CodeOf(status), 5032);
  EXPECT_TRUE(first->Ask(IdOf("x").bytes())) << "the first goes on";
  v1::BackupReply reply;
  EXPECT_TRUE(first->Read(&reply));
  EXPECT_TRUE(reply.has_answer());
  EXPECT_TRUE(first->End().ok());
}

TEST_F(HostileAgentTest, TheSameRunTakesThePlaceOfItsDeadSession) {
  const Bytes run_id = NewRunId();
  RawStream first(controller_.Connect(identity_));
  ASSERT_TRUE(first.Open(agent_.Source("other"), run_id));
  RawStream second(controller_.Connect(identity_));
  EXPECT_TRUE(second.Open(agent_.Source("other"), run_id));
  EXPECT_FALSE(first.End().ok());
  EXPECT_TRUE(second.End().ok());
}

TEST_F(HostileAgentTest, SessionsPerAgentAreBounded) {
  std::vector<std::unique_ptr<RawStream>> open;
  for (const char* source : {"other", "s3", "s4", "s5"}) {
    open.push_back(std::make_unique<RawStream>(controller_.Connect(identity_)));
    EXPECT_TRUE(open.back()->Open(agent_.Source(source), NewRunId()));
  }
  RawStream fifth(controller_.Connect(identity_));
  EXPECT_FALSE(fifth.Open(agent_.Source("uploads"), NewRunId()));
  EXPECT_EQ(CodeOf(fifth.End()), 5033);
  for (const auto& stream : open) EXPECT_TRUE(stream->End().ok());
}

TEST_F(HostileAgentTest, QuestionsOfWrongSizeAreRefused) {
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{31}, std::size_t{33}, std::size_t{8193} * ChunkId::kSize}) {
    const auto stream = Opened();
    EXPECT_TRUE(stream->Ask(Bytes(bytes, 'x')));
    EXPECT_EQ(CodeOf(stream->End()), 5034) << bytes;
  }
  const auto stream = Opened();
  EXPECT_TRUE(stream->Ask(Bytes(std::size_t{8192} * ChunkId::kSize, 'x')));
  v1::BackupReply reply;
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.answer().have(), Bytes(1024, '\0'));
  EXPECT_TRUE(stream->End().ok());
}

TEST_F(HostileAgentTest, DeltasNeedAPlainBaseThatIsStored) {
  const Bytes base =
      "a base that others are made of, long enough to be worth it: " + Bytes(500, 'b');
  const auto lonely = Opened();
  EXPECT_TRUE(lonely->SendObjects({DeltaOf(base + "1", base)}));
  EXPECT_EQ(CodeOf(lonely->End()), 5066);
  EXPECT_FALSE(Has(IdOf(base + "1")));

  const auto stream = Opened();
  EXPECT_TRUE(stream->SendObjects({SealedObject(base), DeltaOf(base + "1", base)}));
  EXPECT_TRUE(stream->End().ok());
  const auto asking = Opened();
  EXPECT_TRUE(asking->Ask(IdOf("none").bytes() + IdOf(base).bytes() + IdOf(base + "1").bytes()));
  v1::BackupReply reply;
  ASSERT_TRUE(asking->Read(&reply));
  EXPECT_EQ(reply.answer().have(), Bytes(1, '\6'));
  ASSERT_EQ(reply.answer().deltas_size(), 1);
  EXPECT_EQ(reply.answer().deltas(0).index(), 2u);
  EXPECT_EQ(reply.answer().deltas(0).base_ids(), IdOf(base).bytes());
  EXPECT_TRUE(asking->End().ok());

  const auto deeper = Opened();
  EXPECT_TRUE(deeper->SendObjects({DeltaOf(base + "12", base + "1")}));
  EXPECT_EQ(CodeOf(deeper->End()), 5066) << "a delta of a delta";
  // A snapshot with the delta and without its base.
  EXPECT_FALSE(
      Commit([&](RecordClear*, ReferenceList* list) { list->added = {IdOf(base + "1")}; }).ok());
  EXPECT_EQ(HeadOfOther(), 0u);
}

TEST_F(HostileAgentTest, ObjectsThatAreNoneAreRefused) {
  const Bytes good = SealedObject("content");
  Bytes far = good;     // base_count and lengths beyond the end
  Bytes huge = good;    // plain_len 0xffffffff
  Bytes sealed = good;  // sealed_len 0xffffffff
  far[88 - 16] = '\x7f';
  const std::size_t lengths = 4 + 4 + 16 + 16 + 32 + 1;
  for (int i = 0; i < 4; ++i) huge[lengths + i] = '\xff';
  for (int i = 4; i < 8; ++i) sealed[lengths + i] = '\xff';
  const std::vector<Bytes> bad = {"",
                                  "garbage",
                                  Bytes(200, '\0'),
                                  good.substr(0, 20),
                                  good.substr(0, good.size() - 1),
                                  good + "x",
                                  far,
                                  huge,
                                  sealed,
                                  "XXXX" + good.substr(4)};
  for (std::size_t i = 0; i < bad.size(); ++i) {
    SCOPED_TRACE(i);
    const auto stream = Opened();
    EXPECT_TRUE(stream->SendObjects({bad[i]}));
    const absl::Status status = stream->End();
    EXPECT_FALSE(status.ok());
    EXPECT_NE(KindOf(status), ErrorKind::kUnreachable) << status;
  }
  EXPECT_FALSE(Has(IdOf("content")));
}

TEST_F(HostileAgentTest, ObjectsOfAnotherDomainAreRefused) {
  const auto stream = Opened();
  EXPECT_TRUE(stream->SendObjects({SealedObject("theirs", agent_.rng.DrawFixed<DomainId>())}));
  EXPECT_EQ(CodeOf(stream->End()), 5034);
  EXPECT_FALSE(Has(IdOf("theirs")));
}

TEST_F(HostileAgentTest, MessagesBeyondTheLimitEndTheStream) {
  RawStream stream(controller_.ConnectUnlimited(identity_));
  ASSERT_TRUE(stream.Open(agent_.Source("other"), NewRunId()));
  EXPECT_TRUE(stream.SendObjects({Bytes(7u << 20, 'x')})) << "refused by the client itself";
  EXPECT_FALSE(stream.End().ok());
  EXPECT_EQ(stream.code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

// Two bytes each on the wire: as many as fit into a message.
TEST_F(HostileAgentTest, MillionsOfFieldsInAMessageAreRefused) {
  const auto objects = Opened();
  EXPECT_TRUE(objects->SendObjects(std::vector<Bytes>(3'000'000)));
  const absl::Status status = objects->End();
  EXPECT_FALSE(status.ok());
  EXPECT_NE(KindOf(status), ErrorKind::kUnreachable) << status;
}

TEST_F(HostileAgentTest, AnAgentThatNeverReadsIsBoundedAndHindersNobody) {
  const Bytes base = "a base that others are made of: " + Bytes(500, 'b');
  const auto upload = Opened();
  EXPECT_TRUE(upload->SendObjects({SealedObject(base), DeltaOf(base + "1", base)}));
  EXPECT_TRUE(upload->End().ok());
  // Every answer is as long as its question: it names the bases of each delta.
  Bytes question;
  for (int i = 0; i < 8192; ++i) question += IdOf(base + "1").view();
  const auto silent = Opened();
  std::atomic<int> asked{0};
  std::jthread asking([&] {
    while (silent->Ask(question)) ++asked;
  });
  int before = -1;
  for (int look = 0; look < 100 && before != asked; ++look) {
    before = asked;
    RealClock().SleepFor(absl::Milliseconds(500), {});
  }
  EXPECT_EQ(before, asked) << "it is never kept waiting";
  EXPECT_LT(asked, 200) << "answers pile up";
  const auto report = Run();
  EXPECT_TRUE(report.ok()) << report.status();
  silent->Cancel();
}

TEST_F(HostileAgentTest, UnknownFieldsAreIgnoredAndEndlessNestingEndsTheStream) {
  const auto unknown = [this](int depth) {
    v1::BackupRequest request;
    request.mutable_question()->set_number(1);
    request.mutable_question()->set_chunk_ids(IdOf("x").bytes());
    auto* fields = request.GetReflection()->MutableUnknownFields(&request);
    fields->AddVarint(5000, 1);
    fields->AddLengthDelimited(5001, Bytes(1000, 'u'));
    for (int i = 0; i < depth; ++i) fields = fields->AddGroup(5002);
    return request;
  };
  const auto newer = Opened();
  EXPECT_TRUE(newer->Write(unknown(3)));
  v1::BackupReply reply;
  ASSERT_TRUE(newer->Read(&reply));
  EXPECT_TRUE(reply.has_answer());
  EXPECT_TRUE(newer->End().ok());

  // A message that does not parse is the end of the stream; the question in it gets no answer, and
  // neither does the next one.
  const auto hostile = Opened();
  EXPECT_TRUE(hostile->Write(unknown(5000)));
  EXPECT_FALSE(hostile->Read(&reply));
  EXPECT_FALSE(hostile->Ask(IdOf("x").bytes()));
}

TEST_F(HostileAgentTest, EnvelopesOfWrongSizeAreRefused) {
  for (const auto& [key, content] :
       {std::pair<Bytes, Bytes>{"short", "x"},
        std::pair<Bytes, Bytes>{Bytes(16, 'k'), Bytes(2 << 20, 'x')}}) {
    const auto stream = Opened();
    v1::BackupRequest request;
    request.mutable_envelope()->set_key_id(key);
    request.mutable_envelope()->set_content(content);
    EXPECT_TRUE(stream->Write(request));
    EXPECT_EQ(CodeOf(stream->End()), 5034);
  }
}

TEST_F(HostileAgentTest, ACommitByHandWorksWhenItIsRight) {
  EXPECT_TRUE(Commit([](RecordClear*, ReferenceList*) {}).ok());
  EXPECT_EQ(HeadOfOther(), 1u);
}

TEST_F(HostileAgentTest, RecordsThatAreNotRightAreNotCommitted) {
  const auto expect = [this](ErrorKind kind, auto alter) {
    const absl::Status status = Commit(alter);
    EXPECT_EQ(KindOf(status), kind) << status;
    EXPECT_EQ(HeadOfOther(), 0u);
  };
  expect(ErrorKind::kConflict, [](RecordClear* clear, ReferenceList*) { clear->seq = 2; });
  expect(ErrorKind::kConflict, [](RecordClear* clear, ReferenceList*) { clear->seq = ~0ull; });
  expect(ErrorKind::kIntegrity,
         [this](RecordClear* clear, ReferenceList*) { clear->source = agent_.Source("uploads"); });
  expect(ErrorKind::kIntegrity, [this](RecordClear* clear, ReferenceList*) {
    clear->domain = agent_.rng.DrawFixed<DomainId>();
  });
  expect(ErrorKind::kIntegrity, [this](RecordClear* clear, ReferenceList*) {
    clear->previous = agent_.rng.DrawFixed<Hash256>();
  });
  expect(ErrorKind::kIntegrity, [this](RecordClear* clear, ReferenceList*) {
    clear->reference_list_hash = agent_.rng.DrawFixed<Hash256>();
  });
  expect(ErrorKind::kIntegrity, [](RecordClear*, ReferenceList* list) {
    list->full = false;
    list->base_seq = 5;
  });
  expect(ErrorKind::kNotFound, [this](RecordClear* clear, ReferenceList*) {
    clear->key_ids.push_back(agent_.rng.DrawFixed<KeyId>());
  });
}

TEST_F(HostileAgentTest, ARecordSignedByAnotherKeyIsNotCommitted) {
  const KeyPair stranger = Ed25519Generate(agent_.rng);
  EXPECT_EQ(KindOf(Commit([](RecordClear*, ReferenceList*) {}, &stranger)), ErrorKind::kIntegrity);
  EXPECT_EQ(HeadOfOther(), 0u);
}

TEST_F(HostileAgentTest, ReferencesToForeignAndToRandomChunksLookAlike) {
  // A second agent has a chunk; the first one knows its id.
  test::AgentDomain stranger(92, "web-2");
  const rpc::TlsIdentity theirs = controller_.Enrol(stranger, {"theirs"});
  RawStream upload(controller_.Connect(theirs));
  ASSERT_TRUE(upload.Open(stranger.Source("theirs"), NewRunId()));
  EXPECT_TRUE(upload.SendObjects({SealedObject("secret", stranger.secrets.domain)}));
  EXPECT_TRUE(upload.End().ok());
  ASSERT_TRUE(
      controller_.catalog().FindChunks(stranger.secrets.domain, {IdOf("secret")}).value()[0].live);

  const auto stream = Opened();
  EXPECT_TRUE(stream->Ask(IdOf("secret").bytes() + IdOf("random").bytes()));
  v1::BackupReply reply;
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.answer().have(), Bytes(1, '\0'));
  EXPECT_TRUE(stream->End().ok());
  for (const ChunkId& id : {IdOf("secret"), IdOf("random")}) {
    EXPECT_TRUE(Commit([&](RecordClear*, ReferenceList* list) { list->added = {id}; }).ok());
    EXPECT_EQ(HeadOfOther(), 0u) << "a chunk that the agent does not have was committed";
  }
}

TEST_F(HostileAgentTest, ASilentAgentDoesNotHinderOthers) {
  const auto silent = Opened();
  ASSERT_TRUE(Run().ok());
  EXPECT_TRUE(silent->End().ok());
}

}  // namespace
}  // namespace holdfast::ingest
