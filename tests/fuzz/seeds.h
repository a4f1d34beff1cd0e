// The parts of fuzz_make_seeds, see make_seeds.cpp.
#pragma once

#include <string>

#include "common/base/bytes.h"

namespace holdfast {

void Save(const std::string& target, const std::string& name, ByteView bytes);
void SaveDaemonSeeds();  // what daemons are asked and answered, and what an agent keeps

}  // namespace holdfast
