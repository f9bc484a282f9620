/* The kernels of one instruction set: VBYTES, TARGET and SUFFIX(x) are defined. */

#define REAL float
#define INTEGER int32_t
#define IS_DOUBLE 0
#define SQUARE_ROOT __builtin_sqrtf
#define LOGARITHM __builtin_logf
#define SINE __builtin_sinf
#define COSINE __builtin_cosf
#define NAME(x) SUFFIX(float_##x)
#include "kernels.h"

#define REAL double
#define INTEGER int64_t
#define IS_DOUBLE 1
#define SQUARE_ROOT __builtin_sqrt
#define LOGARITHM __builtin_log
#define SINE __builtin_sin
#define COSINE __builtin_cos
#define NAME(x) SUFFIX(double_##x)
#include "kernels.h"

#undef VBYTES
#undef TARGET
#undef SUFFIX
