#include "common/format/settings.h"

#include "common/base/error.h"
#include "common/format/wire.h"

namespace holdfast {
namespace {

constexpr ByteView kSettingsMagic{"HFSETT1\n", 8};
constexpr std::size_t kControllerIdBytes = 16;
constexpr std::size_t kLengthBytes = 4;  // of an empty cell

absl::Status DamagedSettings(std::string_view cause) {
  return Error(ErrorKind::kIntegrity, 4046,
               "unable to read the settings in the store: " + std::string(cause));
}

Bytes SettingsText(ByteView signed_bytes) {
  return Bytes("holdfast signature ") + Bytes(signed_bytes);
}

void WriteTable(const std::string& name, const std::vector<std::vector<Bytes>>& rows,
                Writer* writer) {
  const std::size_t columns = rows.empty() ? 0 : rows.front().size();
  writer->Field(name);
  writer->U16(static_cast<std::uint16_t>(columns));
  writer->U32(static_cast<std::uint32_t>(rows.size()));
  for (const std::vector<Bytes>& row : rows) {
    HOLDFAST_CHECK(row.size() == columns);
    for (const Bytes& cell : row) writer->Field(cell);
  }
}

// False: it does not fit the bytes that are left.
bool ReadTable(Reader* reader, SettingTables* tables) {
  const Bytes name(reader->Field());
  const std::size_t columns = reader->U16();
  const std::size_t rows = reader->U32();
  if (!reader->ok() || (rows > 0 && columns == 0)) return false;
  if (rows > 0 && rows > reader->remaining() / (columns * kLengthBytes)) return false;
  std::vector<std::vector<Bytes>>& table = (*tables)[name];
  for (std::size_t i = 0; i < rows && reader->ok(); ++i) {
    std::vector<Bytes>& row = table.emplace_back();
    for (std::size_t j = 0; j < columns; ++j) row.emplace_back(reader->Field());
  }
  return reader->ok();
}

}  // namespace

Bytes SignSettings(const SettingsDocument& document, const KeyPair& key) {
  HOLDFAST_CHECK(document.controller_id.size() == kControllerIdBytes);
  Writer writer;
  writer.Raw(kSettingsMagic);
  writer.Raw(document.controller_id);
  writer.U64(document.generation);
  writer.U64(document.written_at_ms);
  writer.Raw(key.public_key.view());
  writer.U16(static_cast<std::uint16_t>(document.tables.size()));
  for (const auto& [name, rows] : document.tables) WriteTable(name, rows, &writer);
  const Signature signature = Ed25519Sign(key, SettingsText(writer.bytes()));
  writer.Raw(signature.view());
  return writer.Take();
}

absl::StatusOr<SettingsDocument> OpenSettings(ByteView bytes) {
  if (bytes.size() < Signature::kSize) return DamagedSettings("it is cut");
  const ByteView signed_bytes = bytes.substr(0, bytes.size() - Signature::kSize);
  Reader reader(signed_bytes);
  reader.Magic(kSettingsMagic);
  SettingsDocument document;
  document.controller_id = Bytes(reader.Raw(kControllerIdBytes));
  document.generation = reader.U64();
  document.written_at_ms = reader.U64();
  document.signer = reader.Id<PublicKey>();
  if (!reader.ok() || !Ed25519Verify(document.signer, SettingsText(signed_bytes),
                                     bytes.substr(signed_bytes.size()))) {
    return DamagedSettings("it is damaged, or not signed by the key that it names");
  }
  const std::uint16_t tables = reader.U16();
  for (int i = 0; i < tables; ++i) {
    if (!ReadTable(&reader, &document.tables)) return DamagedSettings("its tables do not fit");
  }
  if (!reader.AtEnd()) return DamagedSettings("something follows its tables");
  return document;
}

}  // namespace holdfast
