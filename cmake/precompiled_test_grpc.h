// The same for tests that speak gRPC.
#include <grpcpp/grpcpp.h>

#include "cmake/precompiled_test.h"
