/* All kernels for one type and one instruction set. */

#include "simd.h"

#include "product.h"

#include "energy.h"

#include "windows.h"

#include "features.h"

#include "chain.h"

#include "relu.h"

#include "entries.h"

#undef VLEN
#undef INLINE
#undef vec
#undef ivec
#undef LOWEST
#undef ROUNDER
#undef MANTISSA
#undef LN2_HIGH
#undef LN2_LOW
#undef EXP_TERMS
#undef ARTANH
#undef ARTANH_TERMS
#undef WIDE
#undef PANELS
#undef PADDED
#undef PITCH
#undef TALL
#undef FOR_ANY_HEIGHT
#undef TILE
#undef NARROW
#undef SMOOTH
#undef CHUNK
#undef LINES
#undef FOR_UNITS
#undef FIXED
#undef MOVED
#undef NET
#undef REAL
#undef INTEGER
#undef IS_DOUBLE
#undef SQUARE_ROOT
#undef LOGARITHM
#undef SINE
#undef COSINE
#undef HALF_LOG_2PI
#undef SHIFT
#undef NAME
